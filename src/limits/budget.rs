//! Budgets: each is counted by itself.

use std::{
    fmt,
    net::IpAddr,
    time::{Duration, Instant},
};

use super::{Action, Limits, MINUTE, bucket::Bucket, charged, limited, network, shared::Take, window::Window};
use crate::{config, contract::UserId, error::Result};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Who is charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Payer {
    User(UserId),
    /// As addresses are counted.
    Address(IpAddr),
}

impl From<UserId> for Payer {
    fn from(user: UserId) -> Self {
        Self::User(user)
    }
}

impl From<IpAddr> for Payer {
    fn from(address: IpAddr) -> Self {
        Self::Address(network(address))
    }
}

impl fmt::Display for Payer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => user.fmt(f),
            Self::Address(address) => address.fmt(f),
        }
    }
}

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
            const fn name(self) -> &'static str {
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
    /// REST requests without a user, by address.
    Anonymous = "rest",
    /// Files that are loaded at signed URLs, by address.
    Loads = "loads",
    /// Missed events that are read back.
    Missed = "missed",
    /// Rooms that are joined and left.
    Joins = "joins",
    /// `sync` and `get_presence`.
    Lookups = "lookups",
    /// Read marks that move.
    Marks = "marks",
    /// Statuses that are set.
    Statuses = "statuses",
    /// Notices of typing.
    Typing = "typing",
    /// Tokens that are shown on open sockets.
    Renewals = "renewals",
    /// Invite codes that are tried, valid or not.
    Invites = "invites",
    /// Invitations that are sent: each may be mailed.
    Invitations = "invitations",
    /// Uploads.
    Uploads = "uploads",
    /// People who are added to rooms or invited by users whose contacts they are not.
    Strangers = "strangers",
    /// The same in a day.
    StrangersOfDay = "strangers_today",
    /// Groups that are created.
    Groups = "groups",
    /// The same in a day.
    GroupsOfDay = "groups_today",
}

/// How a budget is counted.
#[derive(Debug)]
pub(super) enum Meter {
    /// Exactly, in any minute.
    Window(Window<Payer>),
    /// A burst, then a steady rate.
    Bucket(Bucket<Payer>),
}

impl Meter {
    pub(super) fn of(budget: Budget, config: &config::Limits) -> Self {
        let window = |limit| Self::Window(Window::new(limit, MINUTE));
        let over = |limit, span| Self::Bucket(Bucket::over(limit, span));
        let bucket = |per_minute| over(per_minute, MINUTE);
        match budget {
            Budget::Connects => bucket(config.connects_per_minute),
            Budget::Events => bucket(config.events_per_minute),
            Budget::Messages => bucket(config.messages_per_minute),
            Budget::Requests | Budget::Anonymous => window(config.rest_per_minute),
            Budget::Loads => bucket(config.media_loads_per_minute),
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
            Budget::Strangers => bucket(config.strangers_per_minute),
            Budget::StrangersOfDay => over(config.strangers_per_day, DAY),
            Budget::Groups => bucket(config.groups_per_minute),
            Budget::GroupsOfDay => over(config.groups_per_day, DAY),
        }
    }

    /// Forgets who has been quiet.
    pub(super) fn sweep(&self, now: Instant) {
        match self {
            Self::Window(window) => window.sweep(now),
            Self::Bucket(bucket) => bucket.sweep(now),
        }
    }
}

impl Budget {
    /// Whether each node counts it by itself: asking the others about each packet would cost more than most of them do.
    const fn is_of_this_node(self) -> bool {
        matches!(self, Self::Events | Self::Loads)
    }

    /// Whether more than there can ever be is refused; of others it costs all there can be.
    const fn has_an_end(self) -> bool {
        matches!(self, Self::Strangers | Self::StrangersOfDay)
    }

    /// Whether the answer says what is left of it.
    const fn is_told(self) -> bool {
        matches!(self, Self::Requests | Self::Anonymous)
    }
}

impl Limits {
    /// Charges an action before it is done; a budget that refuses is not charged.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub async fn charge(&self, action: Action<'_>, payer: impl Into<Payer>) -> Result<()> {
        let payer = payer.into();
        if let Action::MarkByRequest { moves: false, .. } = action {
            self.refund(Budget::Requests, payer, 1).await;
        }
        for (budget, tokens) in action.price() {
            self.take(budget, payer, tokens).await?;
        }
        Ok(())
    }

    async fn take(&self, budget: Budget, payer: Payer, tokens: usize) -> Result<()> {
        let tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
        let Some(meter) = self.meter(budget).filter(|_| tokens > 0) else { return Ok(()) };
        match meter {
            Meter::Window(window) => {
                let taken = self.window(window, payer, || format!("{}:{payer}", budget.name())).await;
                if budget.is_told() { charged(taken, window.limit()) } else { taken.map(drop) }
            }
            Meter::Bucket(bucket) if budget.has_an_end() && tokens > bucket.burst() => Err(limited(bucket.span())),
            Meter::Bucket(bucket) => {
                let tokens = tokens.min(bucket.burst());
                match self.shared_bucket(budget, bucket, payer, tokens, Take::All).await {
                    Some(taken) => taken.map(drop).map_err(limited),
                    None => bucket.take(payer, tokens, Instant::now()).map_err(limited),
                }
            }
        }
    }

    /// Charges a budget with as much of it as is left; answers how much that was.
    pub async fn take_up_to(&self, budget: Budget, payer: impl Into<Payer>, tokens: usize) -> usize {
        let Some(Meter::Bucket(bucket)) = self.meter(budget).filter(|_| tokens > 0) else { return tokens };
        let (payer, tokens) = (payer.into(), u32::try_from(tokens).unwrap_or(u32::MAX));
        let taken = match self.shared_bucket(budget, bucket, payer, tokens, Take::UpTo).await {
            Some(taken) => taken.unwrap_or(0),
            None => bucket.take_up_to(payer, tokens, Instant::now()),
        };
        taken as usize
    }

    /// Gives back what was charged and not needed.
    pub async fn refund(&self, budget: Budget, payer: impl Into<Payer>, tokens: usize) {
        let (payer, tokens) = (payer.into(), u32::try_from(tokens).unwrap_or(u32::MAX));
        match self.meter(budget).filter(|_| tokens > 0) {
            Some(Meter::Bucket(bucket)) => {
                let tokens = tokens.min(bucket.burst());
                if self.shared_bucket(budget, bucket, payer, tokens, Take::Back).await.is_none() {
                    bucket.give_back(&payer, tokens);
                }
            }
            Some(Meter::Window(window)) => {
                self.give_back(window, payer, || format!("{}:{payer}", budget.name())).await;
            }
            None => {}
        }
    }

    fn meter(&self, budget: Budget) -> Option<&Meter> {
        self.rates.as_ref()?.budgets.get(budget as usize)
    }

    /// The shared bucket of a key; nothing when this node must count alone.
    async fn shared_bucket(
        &self,
        budget: Budget,
        bucket: &Bucket<Payer>,
        payer: Payer,
        tokens: u32,
        take: Take,
    ) -> Option<Result<u32, Duration>> {
        let shared = self.shared.as_ref().filter(|_| !budget.is_of_this_node())?;
        shared.bucket(&format!("{}:{payer}", budget.name()), (bucket.burst(), bucket.span()), tokens, take).await
    }
}
