//! Lists: how to ask for a page, and what surrounds one.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Which page of a list.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// From 1.
    pub page: Option<i64>,
    /// 1 to 100; 20 unless said otherwise.
    #[serde(alias = "size")]
    pub page_size: Option<i64>,
}

/// Which page of a list, of what matches.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SearchQuery {
    /// Part of a name; at most 100 characters.
    pub search: Option<String>,
    /// From 1.
    pub page: Option<i64>,
    /// 1 to 100; 20 unless said otherwise.
    #[serde(alias = "size")]
    pub page_size: Option<i64>,
}

impl SearchQuery {
    /// The page that is asked for.
    #[must_use]
    pub fn page(&self) -> PageQuery {
        PageQuery { page: self.page, page_size: self.page_size }
    }
}

/// Where a page stands in its list.
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
    /// Members of a room.
    MemberList { members: super::Member }
);
list!(
    /// Messages, ascending by `seq`; page 1 is the newest.
    MessageList { messages: super::Message }
);
list!(
    /// People.
    UserList { users: super::user::Contact }
);
