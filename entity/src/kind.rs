//! Closed sets of values: the same words in the database and on the wire.

use sea_orm::{DeriveActiveEnum, EnumIter, prelude::StringLen};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

macro_rules! kind {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize, ToSchema,
        )]
        #[sea_orm(rs_type = "String", db_type = "String(StringLen::N(32))")]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$variant_doc])* #[sea_orm(string_value = $text)] $variant,)+
        }

        impl $name {
            /// The word that names it everywhere.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    };
}

kind!(
    /// Two people, or any number.
    RoomType { Direct = "direct", Group = "group" }
);
kind!(
    /// Who may find and enter a group.
    Visibility {
        /// Only an owner or admin adds people; no link.
        Private = "private",
        /// By link or invitation.
        InviteOnly = "invite_only",
        /// Listed; anyone joins.
        Public = "public",
    }
);
kind!(
    /// What a member may do; the table is in the server's `chat/permission.rs`.
    Role { Owner = "owner", Admin = "admin", Member = "member", Viewer = "viewer" }
);
kind!(
    /// What a message carries.
    MessageType {
        Text = "text",
        Image = "image",
        Video = "video",
        Audio = "audio",
        File = "file",
        Stream = "stream",
        System = "system",
    }
);
kind!(
    /// A durable change other than a new message. The word is the name of the event that tells of it.
    EventKind {
        MessageEdited = "message_edited",
        MessageDeleted = "message_deleted",
        MemberAdded = "member_added",
        MemberRemoved = "member_removed",
        MemberUpdated = "member_updated",
        RoomUpdated = "room_updated",
        RoomDeleted = "room_deleted",
    }
);
