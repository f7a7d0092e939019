//! What a user may use up, each counted by itself.

use std::time::{Duration, Instant};

use super::{Limits, MINUTE, bucket::Bucket, charged, limited, price, shared::Take, window::Window};
use crate::{
    config,
    contract::{ClientEvent, UserId},
    error::Result,
};

/// Entries of a log in which messages are counted for each question that it costs, and the most that it costs.
const COUNTED_FREE: usize = 1_000;
const COUNT_PRICE: usize = 60;

/// Cursors that cost as much as a socket that connects.
const CURSORS: usize = 100;

macro_rules! budgets {
    ($($(#[doc = $doc:literal])+ $budget:ident = $name:literal),+ $(,)?) => {
        /// What an event or a request is charged to.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Budget {
            $($(#[doc = $doc])+ $budget,)+
        }

        impl Budget {
            pub(super) const ALL: &'static [Self] = &[$(Self::$budget,)+];

            /// Its name in Redis.
            pub(super) const fn name(self) -> &'static str {
                match self { $(Self::$budget => $name,)+ }
            }
        }
    };
}

budgets! {
    /// Sockets that connect.
    Connects = "connects",
    /// Packets of sockets, whatever is in them.
    Events = "events",
    /// Messages.
    Messages = "messages",
    /// REST requests, and changes over the socket that are no messages.
    Requests = "rest",
    /// Missed events that are read back.
    Missed = "missed",
    /// Rooms that are joined and left.
    Joins = "joins",
    /// Questions.
    Lookups = "lookups",
    /// Read marks that move.
    Marks = "marks",
    /// Statuses that are chosen.
    Statuses = "statuses",
    /// Notices of typing.
    Typing = "typing",
    /// Tokens that are shown on open sockets.
    Renewals = "renewals",
    /// Codes of invites that are tried, good or not.
    Invites = "invites",
    /// Invitations that are sent: somebody may get a letter by each.
    Invitations = "invitations",
    /// Uploads that are begun.
    Uploads = "uploads",
}

/// How a budget is counted.
#[derive(Debug)]
pub(super) enum Meter {
    /// Exactly, in any minute.
    Window(Window<UserId>),
    /// A burst, then a steady rate.
    Bucket(Bucket<UserId>),
}

impl Meter {
    pub(super) fn of(budget: Budget, config: &config::Limits) -> Self {
        let window = |limit| Self::Window(Window::new(limit, MINUTE));
        let bucket = |per_minute| Self::Bucket(Bucket::new(per_minute, per_minute));
        match budget {
            Budget::Connects => bucket(config.connects_per_minute),
            Budget::Events => bucket(config.events_per_minute),
            Budget::Messages => bucket(config.messages_per_minute),
            Budget::Requests => window(config.rest_per_minute),
            Budget::Missed => bucket(config.missed_events_per_minute),
            Budget::Joins => Self::Bucket(Bucket::new(config.joins_per_minute, config.joins_at_once)),
            Budget::Lookups => bucket(config.lookups_per_minute),
            Budget::Marks => bucket(config.read_marks_per_minute),
            Budget::Statuses => bucket(config.statuses_per_minute),
            Budget::Typing => bucket(config.typing_per_minute),
            Budget::Renewals => bucket(config.renewals_per_minute),
            Budget::Invites => window(config.invites_per_minute),
            Budget::Invitations => window(config.invitations_per_minute),
            Budget::Uploads => window(config.uploads_per_minute),
        }
    }
}

impl Limits {
    /// A socket of a user connects with so many cursors. It is charged whenever it does, also on a transport that carried one before:
    /// a client may leave the namespace and come back as often as it likes.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub async fn connect(&self, user: UserId, cursors: usize) -> Result<()> {
        self.take(Budget::Connects, user, 1 + cursors / CURSORS).await
    }

    /// An event of a user's socket. Before anything is done for it, and also when it asks for nothing we know.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub async fn event(&self, user: UserId, event: Option<ClientEvent>) -> Result<()> {
        // Each node guards itself against packets: asking the others about each would cost more than most of them do.
        if let Some(Meter::Bucket(events)) = self.meter(Budget::Events) {
            events.take(user, 1, Instant::now()).map_err(limited)?;
        }
        match event.and_then(price::of_event) {
            Some(budget) => self.take(budget, user, 1).await,
            None => Ok(()),
        }
    }

    /// A REST request by a user, to a route as it is registered.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub async fn request(&self, user: UserId, method: &str, route: &str) -> Result<()> {
        self.take(Budget::Requests, user, 1).await?;
        match price::of_route(method, route) {
            Some(budget) => self.take(budget, user, 1).await,
            None => Ok(()),
        }
    }

    /// A read mark that a user sets over the socket. One that moves nothing costs nothing; counting what is unread costs the
    /// more the longer that is: `behind` entries.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub async fn mark(&self, user: UserId, moves: bool, behind: usize) -> Result<()> {
        self.take(Budget::Marks, user, usize::from(moves)).await?;
        self.take(Budget::Lookups, user, (behind / COUNTED_FREE).min(COUNT_PRICE)).await
    }

    /// The same over REST: its request was charged already.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub async fn mark_by_request(&self, user: UserId, moves: bool, behind: usize) -> Result<()> {
        if !moves {
            self.event(user, None).await?;
            self.refund(Budget::Requests, user, 1).await;
        }
        self.take(Budget::Lookups, user, (behind / COUNTED_FREE).min(COUNT_PRICE)).await
    }

    /// Charges a user's budget, all that is asked or nothing. More than there can ever be costs all there can be.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub async fn take(&self, budget: Budget, user: UserId, tokens: usize) -> Result<()> {
        let tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
        let Some(meter) = self.meter(budget).filter(|_| tokens > 0) else { return Ok(()) };
        match meter {
            Meter::Window(window) => {
                let taken = self.window(window, user, || format!("{}:{user}", budget.name())).await;
                if budget == Budget::Requests { charged(taken, window.limit()).map(drop) } else { taken.map(drop) }
            }
            Meter::Bucket(bucket) => {
                let tokens = tokens.min(bucket.burst());
                match self.shared_bucket(budget, bucket, user, tokens, Take::All).await {
                    Some(taken) => taken.map(drop).map_err(limited),
                    None => bucket.take(user, tokens, Instant::now()).map_err(limited),
                }
            }
        }
    }

    /// Charges a user's budget with as much of it as is left; answers how much that was.
    pub async fn take_up_to(&self, budget: Budget, user: UserId, tokens: usize) -> usize {
        let Some(Meter::Bucket(bucket)) = self.meter(budget).filter(|_| tokens > 0) else { return tokens };
        let tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
        let taken = match self.shared_bucket(budget, bucket, user, tokens, Take::UpTo).await {
            Some(taken) => taken.unwrap_or(0),
            None => bucket.take_up_to(user, tokens, Instant::now()),
        };
        taken as usize
    }

    /// Gives back what was charged and not needed.
    pub async fn refund(&self, budget: Budget, user: UserId, tokens: usize) {
        let tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
        match self.meter(budget).filter(|_| tokens > 0) {
            Some(Meter::Bucket(bucket)) => {
                let tokens = tokens.min(bucket.burst());
                if self.shared_bucket(budget, bucket, user, tokens, Take::Back).await.is_none() {
                    bucket.give_back(&user, tokens);
                }
            }
            Some(Meter::Window(window)) => {
                self.give_back(window, user, || format!("{}:{user}", budget.name())).await;
            }
            None => {}
        }
    }

    fn meter(&self, budget: Budget) -> Option<&Meter> {
        self.rates.as_ref()?.budgets.get(budget as usize)
    }

    /// What all nodes count together of a user's bucket; nothing when it must be this node's.
    async fn shared_bucket(
        &self,
        budget: Budget,
        bucket: &Bucket<UserId>,
        user: UserId,
        tokens: u32,
        take: Take,
    ) -> Option<Result<u32, Duration>> {
        let shared = self.shared.as_ref()?;
        shared.bucket(&format!("{}:{user}", budget.name()), (bucket.burst(), bucket.span()), tokens, take).await
    }
}
