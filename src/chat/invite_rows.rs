//! Links and invitations, below every use case: what their codes are, and how they end.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::Rng;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::LockType};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{
    audit::Record,
    permission::{Capability, Membership, Permit},
};
use crate::{
    contract::{AuditAction, ErrorCode, InvitationId, RoomId, RoomType, UserId, Visibility},
    db::Transaction,
    error::{Error, Result},
};
use entity::{invitation, invite, room};

/// Bytes of a code: 144 bits, which cannot be guessed, in 24 characters.
const CODE_BYTES: usize = 18;

/// Refused: the code does not exist or is no longer valid. The answer is the same, so that it reveals nothing.
pub(super) const INVITE_NOT_FOUND: Error =
    Error::Refused(ErrorCode::InviteNotFound, "there is no such invite, or it has expired");

/// The permit to invite people to a room. There is none for a private room, whose admins add people themselves.
pub(super) fn may_invite(room: &room::Model, membership: &Membership) -> Result<Permit> {
    let permit = membership.permit(Capability::Invite)?;
    if room.room_type == RoomType::Direct || room.visibility == Visibility::Private {
        return Err(Error::Refused(
            ErrorCode::PermissionDenied,
            "people cannot be invited to a private room; add them as members",
        ));
    }
    Ok(permit)
}

/// A code that cannot be guessed.
pub(super) fn new_code() -> String {
    let mut random = [0_u8; CODE_BYTES];
    rand::rng().fill_bytes(&mut random);
    URL_SAFE_NO_PAD.encode(random)
}

/// The hash by which a code is found.
pub(super) fn hash(code: &str) -> Vec<u8> {
    Sha256::digest(code.as_bytes()).to_vec()
}

/// Revokes the link and the open invitations of a room, and returns the audit records of that. Invitations that replace an addition
/// stay valid while the room exists.
pub(crate) async fn close(tx: &Transaction, room: &room::Model) -> Result<Vec<Record>> {
    let had_link = invite::Entity::delete_by_id(room.id).exec(tx).await?.rows_affected > 0;
    let open = Condition::all()
        .add(invitation::Column::RoomId.eq(room.id))
        .add(invitation::Column::UsedAt.is_null())
        .add_option(room.deleted_at.is_none().then(|| invitation::Column::IsAddition.eq(false)));
    let link = had_link.then(|| Record::new(AuditAction::InviteRevoked));
    Ok(link.into_iter().chain(end_invitations(tx, open).await?.into_iter().map(revoked)).collect())
}

/// Ends the open invitations of some users to a room: they are invited again, or are members now.
pub(super) async fn end_invitations_for(
    tx: &Transaction,
    room: RoomId,
    people: impl IntoIterator<Item = UserId>,
) -> Result<()> {
    let open = Condition::all()
        .add(invitation::Column::RoomId.eq(room))
        .add(invitation::Column::UserId.is_in(people))
        .add(invitation::Column::UsedAt.is_null());
    end_invitations(tx, open).await.map(drop)
}

/// The audit record of a revoked invitation.
pub(super) fn revoked(id: InvitationId) -> Record {
    Record::new(AuditAction::InvitationRevoked).before(json!({"invitation_id": id}))
}

/// Ends some invitations, and returns them. They are locked in one order, so that two transactions never deadlock.
pub(crate) async fn end_invitations(tx: &Transaction, which: Condition) -> Result<Vec<InvitationId>> {
    let ids: Vec<InvitationId> = invitation::Entity::find()
        .select_only()
        .column(invitation::Column::Id)
        .filter(which)
        .order_by_asc(invitation::Column::Id)
        .lock(LockType::Update)
        .into_tuple()
        .all(tx)
        .await?;
    if !ids.is_empty() {
        let ended = invitation::Column::Id.is_in(ids.iter().copied());
        invitation::Entity::delete_many().filter(ended).exec(tx).await?;
    }
    Ok(ids)
}
