//! Who may do what: one table, and proofs of having asked it.
//!
//! Nothing here touches the database. A [`Membership`] is what the tables say of one person in one room; asking it for a
//! capability gives a [`Permit`], and what changes a room takes one.

use crate::{
    contract::{ErrorCode, Role, RoomId, RoomType, Seq, Timestamp, UserId},
    error::{Error, Result},
};

/// Something a member may want to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// History, receipts, search, media, typing of others.
    Read,
    /// Send, reply, forward, type.
    Send,
    /// Put an emoji under a message.
    React,
    /// Edit or delete a message of one's own, or take one's own emoji away.
    ChangeOwn,
    /// Delete a message of another user.
    DeleteOthersMessage,
    /// Pin a message, or take it down.
    Pin,
    /// Export the room.
    Export,
    /// Change the room's settings.
    UpdateRoom,
    /// Give out the room's link, and invite people.
    Invite,
    /// Keep people out, and let them in again.
    Ban,
    /// See who did what to whom.
    Audit,
    /// Add, remove and mute people.
    ManageMembers,
    /// Change the role of a member, within [`Membership::permit_role_change`].
    ChangeRoles,
    /// Delete the room.
    DeleteRoom,
    /// Transfer the ownership.
    TransferOwnership,
    /// Leave it.
    Leave,
}

impl Capability {
    /// Whether someone with this role has it in a room of this type: the table of the contract.
    #[must_use]
    pub fn allowed(self, room: RoomType, role: Role) -> bool {
        use Role::{Admin, Member, Owner, Viewer};
        if room == RoomType::Direct {
            return matches!(self, Self::Read | Self::Send | Self::React | Self::ChangeOwn);
        }
        match self {
            Self::Read | Self::ChangeOwn | Self::Leave => true,
            Self::Send | Self::React => matches!(role, Owner | Admin | Member),
            Self::DeleteOthersMessage
            | Self::Pin
            | Self::Export
            | Self::UpdateRoom
            | Self::Invite
            | Self::Ban
            | Self::Audit
            | Self::ManageMembers
            | Self::ChangeRoles => matches!(role, Owner | Admin),
            Self::DeleteRoom | Self::TransferOwnership => match role {
                Owner => true,
                Admin | Member | Viewer => false,
            },
        }
    }
}

/// A membership of a room, as stored.
#[derive(Clone, Debug)]
pub struct Membership {
    pub(crate) room_id: RoomId,
    pub(super) user_id: UserId,
    pub(super) room_type: RoomType,
    pub(super) role: Role,
    pub(super) muted_until: Option<Timestamp>,
    /// The first seq of the log that they may read.
    pub(crate) reads_from: Seq,
}

/// Proof that a user may do something in a room. Only this module makes one: of a role, or of one of the few rights that no role
/// gives.
#[derive(Debug)]
pub struct Permit {
    room_id: RoomId,
    user_id: UserId,
}

impl Permit {
    /// Where.
    #[must_use]
    pub fn room_id(&self) -> RoomId {
        self.room_id
    }

    /// Who.
    #[must_use]
    pub fn user_id(&self) -> UserId {
        self.user_id
    }

    /// Anybody may create a room.
    #[must_use]
    pub fn to_create(room_id: RoomId, user_id: UserId) -> Self {
        Self { room_id, user_id }
    }

    /// Anyone with a link, in a public room, or of the two users of a direct room may enter.
    #[must_use]
    pub fn to_enter(room_id: RoomId, user_id: UserId) -> Self {
        Self { room_id, user_id }
    }

    /// People may take back their own files and, with their account, all that is theirs, whatever their role is now.
    #[must_use]
    pub fn to_withdraw(room_id: RoomId, user_id: UserId) -> Self {
        Self { room_id, user_id }
    }
}

impl Membership {
    /// Asks for a capability.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`.
    pub fn permit(&self, capability: Capability) -> Result<Permit> {
        if capability.allowed(self.room_type, self.role) {
            Ok(Permit { room_id: self.room_id, user_id: self.user_id })
        } else {
            Err(Error::Refused(ErrorCode::PermissionDenied, "your role in this room does not allow that"))
        }
    }

    /// Asks to send, which a mute suspends.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`.
    pub fn permit_sending(&self, now: Timestamp) -> Result<Permit> {
        self.unless_muted(now)?;
        self.permit(Capability::Send)
    }

    /// Asks to react, which a mute suspends: an emoji says something.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`.
    pub fn permit_reacting(&self, now: Timestamp) -> Result<Permit> {
        self.unless_muted(now)?;
        self.permit(Capability::React)
    }

    /// Asks for a capability by which others are shown something, such as a new name of the room or a pinned message: a mute
    /// suspends it as it suspends sending.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`.
    pub fn permit_showing(&self, capability: Capability, now: Timestamp) -> Result<Permit> {
        self.unless_muted(now)?;
        self.permit(capability)
    }

    /// Checks a change of a mute: nobody mutes or unmutes themselves, except owners.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`.
    pub fn permit_muting(&self, target: UserId) -> Result<()> {
        if target == self.user_id && self.role != Role::Owner {
            return Err(Error::Refused(ErrorCode::PermissionDenied, "you cannot mute or unmute yourself"));
        }
        Ok(())
    }

    /// Whether they have to wait between two messages in a room in slow mode: owners and admins do not.
    #[must_use]
    pub fn waits_in_slow_mode(&self) -> bool {
        rank(self.role) < rank(Role::Admin)
    }

    /// Whether they may read the entry with this seq.
    #[must_use]
    pub fn may_see(&self, seq: Seq) -> bool {
        seq >= self.reads_from
    }

    /// Asks to edit a message of one's own, which a mute suspends too: an edit can say anything. Deleting it can't.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`.
    pub fn permit_editing(&self, now: Timestamp) -> Result<Permit> {
        self.unless_muted(now)?;
        self.permit(Capability::ChangeOwn)
    }

    fn unless_muted(&self, now: Timestamp) -> Result<()> {
        if self.muted_until.is_some_and(|until| until > now) {
            return Err(Error::Refused(ErrorCode::PermissionDenied, "you are muted in this room"));
        }
        Ok(())
    }

    /// Asks to act on another member: owners on anyone, admins on anyone but an owner.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`.
    pub fn permit_acting_on(&self, capability: Capability, target: Role) -> Result<Permit> {
        let permit = self.permit(capability)?;
        if self.role == Role::Owner || target != Role::Owner {
            Ok(permit)
        } else {
            Err(Error::Refused(ErrorCode::PermissionDenied, "only an owner may change another owner"))
        }
    }

    /// Checks a change of a role: owners give any role; admins give any role except owner, to anyone except an owner.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`.
    pub fn permit_role_change(&self, from: Role, to: Role) -> Result<Permit> {
        self.permit_acting_on(Capability::ChangeRoles, from)?;
        self.permit_acting_on(Capability::ChangeRoles, to)
    }
}

/// The role of the two that may do less.
pub(super) fn lower(one: Role, other: Role) -> Role {
    if rank(one) < rank(other) { one } else { other }
}

fn rank(role: Role) -> u8 {
    match role {
        Role::Viewer => 0,
        Role::Member => 1,
        Role::Admin => 2,
        Role::Owner => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLES: [Role; 4] = [Role::Owner, Role::Admin, Role::Member, Role::Viewer];

    /// The contract's table, row by row: owner, admin, member, viewer.
    #[test]
    fn groups_follow_the_table() {
        for (capability, row) in [
            (Capability::Read, [true, true, true, true]),
            (Capability::Send, [true, true, true, false]),
            (Capability::React, [true, true, true, false]),
            (Capability::ChangeOwn, [true, true, true, true]),
            (Capability::Pin, [true, true, false, false]),
            (Capability::Export, [true, true, false, false]),
            (Capability::Invite, [true, true, false, false]),
            (Capability::Ban, [true, true, false, false]),
            (Capability::Audit, [true, true, false, false]),
            (Capability::DeleteOthersMessage, [true, true, false, false]),
            (Capability::UpdateRoom, [true, true, false, false]),
            (Capability::ManageMembers, [true, true, false, false]),
            (Capability::ChangeRoles, [true, true, false, false]),
            (Capability::DeleteRoom, [true, false, false, false]),
            (Capability::TransferOwnership, [true, false, false, false]),
            (Capability::Leave, [true, true, true, true]),
        ] {
            for (role, allowed) in ROLES.into_iter().zip(row) {
                assert_eq!(capability.allowed(RoomType::Group, role), allowed, "{capability:?} as {role:?}");
            }
        }
    }

    #[test]
    fn in_direct_rooms_people_only_talk() {
        for capability in [Capability::Read, Capability::Send, Capability::React, Capability::ChangeOwn] {
            assert!(capability.allowed(RoomType::Direct, Role::Member), "{capability:?}");
        }
        for capability in [
            Capability::DeleteOthersMessage,
            Capability::Pin,
            Capability::Export,
            Capability::Invite,
            Capability::Ban,
            Capability::Audit,
            Capability::TransferOwnership,
            Capability::UpdateRoom,
            Capability::ManageMembers,
            Capability::ChangeRoles,
            Capability::DeleteRoom,
            Capability::Leave,
        ] {
            assert!(!capability.allowed(RoomType::Direct, Role::Owner), "{capability:?}");
        }
    }

    fn membership(role: Role) -> Membership {
        Membership {
            room_id: RoomId::new(),
            user_id: UserId::new(),
            room_type: RoomType::Group,
            role,
            muted_until: None,
            reads_from: Seq::ZERO,
        }
    }

    #[test]
    fn admins_change_every_role_but_that_of_an_owner() {
        let admin = membership(Role::Admin);
        assert!(admin.permit_role_change(Role::Member, Role::Viewer).is_ok());
        assert!(admin.permit_role_change(Role::Viewer, Role::Member).is_ok());
        assert!(admin.permit_role_change(Role::Member, Role::Admin).is_ok());
        assert!(admin.permit_role_change(Role::Admin, Role::Member).is_ok());
        for (from, to) in [(Role::Admin, Role::Owner), (Role::Member, Role::Owner), (Role::Owner, Role::Member)] {
            assert!(admin.permit_role_change(from, to).is_err(), "{from:?} to {to:?}");
        }
        for from in ROLES {
            for to in ROLES {
                assert!(membership(Role::Owner).permit_role_change(from, to).is_ok());
                assert!(membership(Role::Member).permit_role_change(from, to).is_err());
            }
        }
    }

    #[test]
    fn a_mute_suspends_sending_until_it_ends() {
        let muted = Membership { muted_until: Some(Timestamp(1_000)), ..membership(Role::Owner) };
        assert!(muted.permit_sending(Timestamp(999)).is_err());
        assert!(muted.permit_sending(Timestamp(1_000)).is_ok());
        for capability in [Capability::Pin, Capability::UpdateRoom] {
            assert!(muted.permit_showing(capability, Timestamp(999)).is_err(), "{capability:?}");
            assert!(muted.permit_showing(capability, Timestamp(1_000)).is_ok(), "{capability:?}");
        }
        let admin = membership(Role::Admin);
        assert!(admin.permit_muting(admin.user_id).is_err());
        assert!(admin.permit_muting(UserId::new()).is_ok());
    }
}
