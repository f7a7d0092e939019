//! All prices on one page: each event of a socket and each REST request is charged here, before its work.
//!
//! A new event does not compile without its price. A new route is charged to its user's REST requests by default, and here to other
//! budgets.

use super::Budget;
use crate::contract::ClientEvent;

/// Entries of a log in which messages are counted for each question that it costs, and the most that it costs.
const COUNTED_FREE: usize = 1_000;
const COUNT_PRICE: usize = 60;

/// Cursors that cost as much as a socket that connects.
const CURSORS: usize = 100;

/// An action that is charged.
#[derive(Clone, Copy, Debug)]
pub enum Action<'a> {
    /// A user's socket connects. It is charged whenever it does, also on a transport that carried one before: a client may leave
    /// the namespace and come back as often as it likes.
    Connect { cursors: usize },
    /// A packet of a user's socket, also one that asks for nothing we know.
    Event(Option<ClientEvent>),
    /// A user's socket announces a stored message, which was charged when it was stored.
    Notice,
    /// Missed events that are read back.
    Missed(usize),
    /// A user's REST request, to a route as it is registered.
    Request { method: &'a str, route: &'a str },
    /// A REST request without a user, or with a wrong token or signature.
    Anonymous,
    /// A file that is loaded at a signed URL.
    Load,
    /// A read mark that a user sets over the socket. One that moves nothing costs nothing; counting what is unread costs the more
    /// the longer that is: `behind` entries.
    Mark { moves: bool, behind: usize },
    /// The same over REST: its request was charged already, and is given back when nothing moves.
    MarkByRequest { moves: bool, behind: usize },
    /// A group that a user is about to create.
    Group,
    /// People whom a user is about to add to a room or to invite, and who are no contacts of the user.
    Strangers(usize),
}

impl Action<'_> {
    /// What it uses up. What the first budget refuses costs the second nothing.
    pub(super) fn price(self) -> [(Budget, usize); 2] {
        let counting = |behind: usize| (Budget::Lookups, (behind / COUNTED_FREE).min(COUNT_PRICE));
        let alone = |budget, tokens| [(budget, tokens), (budget, 0)];
        let and = |first, other: Option<_>| [(first, 1), (other.unwrap_or(first), usize::from(other.is_some()))];
        match self {
            Self::Connect { cursors } => alone(Budget::Connects, 1 + cursors / CURSORS),
            Self::Event(event) => and(Budget::Events, event.and_then(of_event)),
            Self::Notice => and(Budget::Events, Some(Budget::Lookups)),
            Self::Missed(events) => alone(Budget::Missed, events),
            Self::Request { method, route } => and(Budget::Requests, of_route(method, route)),
            Self::Anonymous => alone(Budget::Anonymous, 1),
            Self::Load => alone(Budget::Loads, 1),
            Self::Mark { moves, behind } => [(Budget::Marks, usize::from(moves)), counting(behind)],
            Self::MarkByRequest { moves, behind } => [(Budget::Events, usize::from(!moves)), counting(behind)],
            Self::Group => [(Budget::Groups, 1), (Budget::GroupsOfDay, 1)],
            Self::Strangers(count) => [(Budget::Strangers, count), (Budget::StrangersOfDay, count)],
        }
    }
}

/// What an event uses up, besides one of [`Budget::Events`], which every packet costs, be it an event or not.
///
/// What depends on the answer's size is charged where that is known, still before it is read: missed events, read marks that
/// move, and long counts of unread messages.
const fn of_event(event: ClientEvent) -> Option<Budget> {
    match event {
        ClientEvent::SendMessage => Some(Budget::Messages),
        ClientEvent::EditMessage
        | ClientEvent::DeleteMessage
        | ClientEvent::AddReaction
        | ClientEvent::RemoveReaction => Some(Budget::Requests),
        ClientEvent::JoinRoom | ClientEvent::LeaveRoom => Some(Budget::Joins),
        ClientEvent::Typing | ClientEvent::StopTyping => Some(Budget::Typing),
        ClientEvent::Sync | ClientEvent::GetPresence => Some(Budget::Lookups),
        ClientEvent::SetStatus => Some(Budget::Statuses),
        ClientEvent::Authenticate => Some(Budget::Renewals),
        ClientEvent::MarkAsRead | ClientEvent::Ping => None,
    }
}

/// What a REST request of a user uses up, besides one of [`Budget::Requests`]. Routes are named as they are registered.
fn of_route(method: &str, route: &str) -> Option<Budget> {
    match (method, route) {
        ("POST", "/api/chat/messages") => Some(Budget::Messages),
        ("POST", "/api/chat/upload") | ("GET", "/api/chat/upload/signed-url") => Some(Budget::Uploads),
        ("GET", "/api/chat/invites/{code}") | ("POST", "/api/chat/invites/{code}/join") => Some(Budget::Invites),
        ("POST", "/api/chat/rooms/{id}/invitations") => Some(Budget::Invitations),
        _ => None,
    }
}
