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
        ReactionAdded = "reaction_added",
        ReactionRemoved = "reaction_removed",
        MessagePinned = "message_pinned",
        MessageUnpinned = "message_unpinned",
        MemberAdded = "member_added",
        MemberRemoved = "member_removed",
        MemberUpdated = "member_updated",
        RoomUpdated = "room_updated",
        RoomDeleted = "room_deleted",
    }
);
kind!(
    /// How far back newcomers read.
    HistoryAccess {
        /// To the room's first message.
        All = "all",
        /// To their own joining, the last time they joined.
        SinceJoined = "since_joined",
    }
);
kind!(
    /// What an entry of a room's audit list tells of.
    AuditAction {
        RoomCreated = "room_created",
        RoomUpdated = "room_updated",
        RoomDeleted = "room_deleted",
        RoomExported = "room_exported",
        OwnershipTransferred = "ownership_transferred",
        MemberAdded = "member_added",
        MemberJoined = "member_joined",
        MemberLeft = "member_left",
        MemberRemoved = "member_removed",
        MemberBanned = "member_banned",
        MemberUnbanned = "member_unbanned",
        RoleChanged = "role_changed",
        MemberMuted = "member_muted",
        MemberUnmuted = "member_unmuted",
        InviteCreated = "invite_created",
        InviteRevoked = "invite_revoked",
        InvitationCreated = "invitation_created",
        InvitationRevoked = "invitation_revoked",
        MessageDeleted = "message_deleted",
        MessagePinned = "message_pinned",
        MessageUnpinned = "message_unpinned",
    }
);
kind!(
    /// What is left to be erased of an account.
    Erasing {
        /// Its memberships of rooms.
        Account = "account",
        /// These, and what it said.
        Messages = "messages",
    }
);
kind!(
    /// How far an uploaded file has come.
    MediaStatus {
        /// Its bytes are on their way; nobody reads it.
        Pending = "pending",
        /// Its bytes are in the store.
        Ready = "ready",
        /// Nothing shows it any longer; its bytes are on their way out.
        Leaving = "leaving",
    }
);
