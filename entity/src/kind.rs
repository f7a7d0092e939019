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
            /// Its name, in the database and on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    };
}

kind!(
    /// `direct`: you and one other person, with one room for the two of you. `group`: any number of people, with a name and roles.
    RoomType { Direct = "direct", Group = "group" }
);
kind!(
    /// Who may find and enter a group. `private`: only its owner and admins add people, and it has no link. `invite_only`: anyone
    /// with its link or an invitation. `public`: it is listed, and anyone may join.
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
    /// What a member of a group may do.
    ///
    /// | | `owner` | `admin` | `member` | `viewer` |
    /// |---|---|---|---|---|
    /// | read; edit and delete own messages; leave | yes | yes | yes | yes |
    /// | send messages, react | yes | yes | yes | no |
    /// | delete messages of others, pin, export, see the audit list | yes | yes | no | no |
    /// | change settings, invite and add people; remove, mute and ban anyone but an owner | yes | yes | no | no |
    /// | change roles | yes | of anyone but an owner, and to no owner | no | no |
    /// | delete the room, hand it over | yes | no | no | no |
    ///
    /// In a direct room both people may read, send, react, and edit and delete own messages.
    Role { Owner = "owner", Admin = "admin", Member = "member", Viewer = "viewer" }
);
kind!(
    /// The kind of a message.
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
    /// A durable change other than a new message. Its name is that of the event.
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
    /// How far back new members can read. `all`: to the room's first message. `since_joined`: to when they last joined.
    HistoryAccess {
        /// To the room's first message.
        All = "all",
        /// To their own joining, the last time they joined.
        SinceJoined = "since_joined",
    }
);
kind!(
    /// The action of an audit record.
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
        /// Its memberships and its messages.
        Messages = "messages",
    }
);
kind!(
    /// How far an uploaded file has come.
    MediaStatus {
        /// It is being uploaded; nobody can read it yet.
        Pending = "pending",
        /// Its bytes are in the store.
        Ready = "ready",
        /// Nothing shows it any more; its bytes are being removed.
        Leaving = "leaving",
    }
);
