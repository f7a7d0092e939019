//! Identifiers. A `RoomId` is not a `UserId`: the compiler tells them apart, the wire and the database see a UUIDv7.

use std::{fmt, str::FromStr};

use sea_orm::{DeriveValueType, TryFromU64};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, Visitor},
};
use utoipa::ToSchema;
use uuid::Uuid;

/// Text is no identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnId;

impl fmt::Display for NotAnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be an id, such as 0199d1c6-7a4e-7cc3-9d5a-3b1f0f6a2c11")
    }
}

impl std::error::Error for NotAnId {}

/// Takes the text of an identifier.
struct AnId;

impl Visitor<'_> for AnId {
    type Value = Uuid;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Uuid, E> {
        text.parse().map_err(|_| E::custom(NotAnId))
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, DeriveValueType, Serialize, ToSchema,
        )]
        #[sea_orm(try_getable_array)]
        #[serde(transparent)]
        #[schema(value_type = Uuid, example = "0199d1c6-7a4e-7cc3-9d5a-3b1f0f6a2c11")]
        pub struct $name(pub Uuid);

        impl $name {
            /// A fresh identifier; later ones sort after earlier ones (RFC 9562, version 7).
            #[allow(clippy::new_without_default, reason = "a default would hide that each call differs")]
            #[must_use]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                text.parse().map(Self).map_err(|_| NotAnId)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(AnId).map(Self)
            }
        }

        impl TryFromU64 for $name {
            fn try_from_u64(_: u64) -> Result<Self, sea_orm::DbErr> {
                Err(sea_orm::DbErr::ConvertFromU64(stringify!($name)))
            }
        }
    };
}

id!(
    /// An account.
    UserId
);
id!(
    /// One login: the family of refresh tokens that came from it, and what a token's `sid` names.
    SessionId
);
id!(
    /// A conversation.
    RoomId
);
id!(
    /// A person's membership of a room.
    MemberId
);
id!(
    /// A message.
    MessageId
);
id!(
    /// An uploaded file.
    MediaId
);
id!(
    /// An invitation of one person to a room.
    InvitationId
);
id!(
    /// An entry of a room's audit list.
    AuditId
);

/// A position in the log of one room: 1 is the room's first durable change, and there are no gaps.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, DeriveValueType, Serialize, Deserialize, ToSchema,
)]
#[serde(transparent)]
#[schema(value_type = i64, example = 42)]
pub struct Seq(pub i64);

impl Seq {
    /// Before the first change of any room.
    pub const ZERO: Self = Self(0);

    /// The seq that follows this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
