//! What everything costs, on one page: each event of a socket and each REST request is charged here, before its work.
//!
//! A new event does not compile without its price; a new route is charged to the requests of its user by itself, and here to
//! whatever else it uses up.

use super::Budget;
use crate::contract::ClientEvent;

/// What an event uses up, besides one of [`Budget::Events`], which every packet costs, be it an event or not.
///
/// What depends on the answer's size is charged where that is known, still before it is read: missed events
/// ([`Budget::Missed`]), read marks that move ([`Budget::Marks`]), and long counts of unread messages ([`Budget::Lookups`]).
pub(super) const fn of_event(event: ClientEvent) -> Option<Budget> {
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
pub(super) fn of_route(method: &str, route: &str) -> Option<Budget> {
    match (method, route) {
        ("POST", "/api/chat/messages") => Some(Budget::Messages),
        ("POST", "/api/chat/upload") | ("GET", "/api/chat/upload/signed-url") => Some(Budget::Uploads),
        ("GET", "/api/chat/invites/{code}") | ("POST", "/api/chat/invites/{code}/join") => Some(Budget::Invites),
        ("POST", "/api/chat/rooms/{id}/invitations") => Some(Budget::Invitations),
        _ => None,
    }
}
