//! Lists: how to ask for a page, and what surrounds one.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::FieldError;

/// Which page of a list.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// From 1.
    #[param(minimum = 1, maximum = 9_223_372_036_854_775_807_i64)]
    pub page: Option<i64>,
    /// 1 to 100; 20 by default.
    #[serde(alias = "size")]
    #[param(minimum = 1, maximum = 100)]
    pub page_size: Option<i64>,
}

/// Which page of a list, of what matches.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SearchQuery {
    /// Part of a name; at most 100 characters.
    #[param(max_length = 100)]
    pub search: Option<String>,
    /// From 1.
    #[param(minimum = 1, maximum = 9_223_372_036_854_775_807_i64)]
    pub page: Option<i64>,
    /// 1 to 100; 20 by default.
    #[serde(alias = "size")]
    #[param(minimum = 1, maximum = 100)]
    pub page_size: Option<i64>,
}

impl SearchQuery {
    /// The requested page.
    #[must_use]
    pub fn page(&self) -> PageQuery {
        PageQuery { page: self.page, page_size: self.page_size }
    }
}

/// The position of a page in its list.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct PageInfo {
    /// Entries in the whole list.
    pub total: i64,
    pub page: i64,
    pub page_size: i64,
    pub pages: i64,
    pub has_more: bool,
}

macro_rules! list {
    ($(#[$doc:meta])* $name:ident { $field:ident: $item:ty }) => {
        $(#[$doc])*
        #[derive(Debug, Serialize, ToSchema)]
        pub struct $name {
            pub $field: Vec<$item>,
            #[serde(flatten)]
            pub info: PageInfo,
        }
    };
}

list!(
    /// Rooms.
    RoomList { rooms: super::Room }
);
list!(
    /// The attachments of a room's messages, the latest first.
    MediaList { media: super::media::SharedMedia }
);
list!(
    /// Members of a room.
    MemberList { members: super::Member }
);
list!(
    /// Messages, ascending by `seq`; page 1 is the newest.
    MessageList { messages: super::Message }
);
list!(
    /// Who has read a message, in the order of their user ids.
    ReceiptList { receipts: super::receipt::Receipt }
);
list!(
    /// Pinned messages, the latest pin first.
    PinList { pins: super::reaction::Pin }
);
list!(
    /// The bans of a room, the latest first.
    BanList { bans: super::ban::Ban }
);
list!(
    /// Invitations, the latest first.
    InvitationList { invitations: super::invite::Invitation }
);
list!(
    /// The audit records of a room, the latest first.
    AuditList { entries: super::audit::AuditEntry }
);
list!(
    /// Messages that were found, those with the accents asked for first, the newest first. `total` counts to 1,000.
    FoundList { messages: super::search::SearchHit }
);
list!(
    /// People.
    UserList { users: super::user::Contact }
);

/// A page that was checked.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    page: i64,
    size: i64,
}

impl PageQuery {
    /// The page that is asked for, with what was left out.
    ///
    /// # Errors
    /// What does not fit: a page before the first, or a size out of bounds.
    pub fn check(self) -> Result<Page, Vec<FieldError>> {
        let (page, size) = (self.page.unwrap_or(1), self.page_size.unwrap_or(20));
        let mut broken = Vec::new();
        if page < 1 {
            broken.push(FieldError::new("page", "range", "must be 1 or more"));
        }
        if !(1..=100).contains(&size) {
            broken.push(FieldError::new("page_size", "range", "must be 1 to 100"));
        }
        if broken.is_empty() { Ok(Page { page, size }) } else { Err(broken) }
    }
}

impl Page {
    /// How many entries stand before it.
    #[must_use]
    pub fn offset(self) -> u64 {
        u64::try_from((self.page - 1).saturating_mul(self.size)).unwrap_or(0)
    }

    /// How many entries it has at the most.
    #[must_use]
    pub fn size(self) -> u64 {
        u64::try_from(self.size).unwrap_or(0)
    }

    /// Where it stands in a list of `total` entries.
    #[must_use]
    pub fn info(self, total: u64) -> PageInfo {
        let total = i64::try_from(total).unwrap_or(i64::MAX);
        PageInfo {
            total,
            page: self.page,
            page_size: self.size,
            pages: (total + self.size - 1) / self.size,
            has_more: self.page.saturating_mul(self.size) < total,
        }
    }
}
