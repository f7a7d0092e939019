//! Erasing a user: the name, the address, the logins, and if they wish what they said.
//!
//! The account is emptied in one transaction, which also notes that the rest is to be done. The rest goes room by room, in
//! pieces; should the process end in between, the next one goes on where it stopped.

use std::collections::BTreeSet;

use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{Set, Unchanged},
    ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, LockType},
};

use super::profile;
use crate::{
    auth::{Actor, known, recheck},
    chat::{
        Chat, attachment,
        audit::{self, Record},
        find, invite_rows, join, membership, message as messages,
        permission::Permit,
        room as rooms,
        succession::{self, Heir},
    },
    clock,
    cluster::bus::{Notice, Revoked},
    contract::{AuditAction, Erasing, ErrorCode, EventKind, MediaId, Role, RoomId, UserId},
    error::{Error, Result},
    log::Change,
};
use entity::{invitation, media, member, message, room, session, user};

/// Messages that are deleted in one transaction.
const BATCH: u64 = 50;

/// Erases the asker. What is left to be done when this answers is done in any case; [`finish`] does it.
///
/// # Errors
/// When the database does not answer; then nothing was erased.
pub async fn begin(chat: &Chat, actor: &Actor, with_messages: bool) -> Result<()> {
    let erasing = if with_messages { Erasing::Messages } else { Erasing::Account };
    let tx = recheck::begin_alone(&chat.db, actor).await?;
    let account = user::Entity::find_by_id(actor.user_id).one(&tx).await?;
    let email = account.ok_or(Error::UNAUTHORIZED)?.email;
    let nobody = user::ActiveModel {
        id: Unchanged(actor.user_id),
        // No address of anybody (RFC 2606), and none that anybody could have taken before.
        email: Set(format!("erased-{:032x}@erased.invalid", rand::random::<u128>())),
        username: Set(None),
        username_key: Set(None),
        password_hash: Set(None),
        full_name: Set(None),
        avatar_url: Set(None),
        avatar_media_id: Set(None),
        is_active: Set(false),
        is_verified: Set(false),
        shares_receipts: Set(false),
        is_invisible: Set(false),
        last_login: Set(None),
        last_seen_at: Set(None),
        erasing: Set(Some(erasing)),
        ..Default::default()
    };
    nobody.update(&tx).await?;
    known::forget(&tx, actor.user_id).await?;
    session::Entity::delete_many().filter(session::Column::UserId.eq(actor.user_id)).exec(&tx).await?;
    let theirs =
        Condition::any().add(invitation::Column::Email.eq(email)).add(invitation::Column::UserId.eq(actor.user_id));
    invite_rows::end_invitations(&tx, theirs).await?;
    let revoked = Notice::Revoked {
        user_id: actor.user_id,
        sockets: Revoked::AllBut { session_id: None, code: ErrorCode::AccountDisabled },
    };
    // Read before they leave their rooms.
    let changed = profile::note(&tx, &chat.files.signer, actor.user_id, clock::now()).await?;
    chat.bus.commit_all(tx, vec![revoked, changed]).await
}

/// Does what is left of a user's erasure: they leave their groups, and their messages go if they wished so.
///
/// # Errors
/// When the database does not answer; it may be asked again.
pub async fn finish(chat: &Chat, user_id: UserId) -> Result<()> {
    let account = user::Entity::find_by_id(user_id).one(chat.db.read()).await?;
    let Some(erasing) = account.and_then(|account| account.erasing) else { return Ok(()) };
    let member_rows = member::Entity::find().filter(member::Column::UserId.eq(user_id)).all(chat.db.read()).await?;
    for member_row in member_rows {
        if erasing == Erasing::Messages {
            while empty_some(chat, member_row.room_id, user_id).await? {}
        }
        if member_row.left_at.is_none() {
            leave(chat, member_row.room_id, user_id).await?;
        }
    }
    let done = user::ActiveModel { id: Unchanged(user_id), erasing: Set(None), ..Default::default() };
    let tx = chat.db.begin().await?;
    done.update(&tx).await?;
    // What others forwarded stays with them.
    let files =
        media::Entity::find().select_only().column(media::Column::Id).filter(media::Column::OwnerId.eq(user_id));
    let files: BTreeSet<MediaId> = files.into_tuple().all(&tx).await?.into_iter().collect();
    attachment::forget(&tx, user_id).await?;
    attachment::release(&tx, files).await?;
    tx.commit().await?;
    chat.sweeper.nudge();
    chat.db.forget().await;
    Ok(())
}

/// Does what is left of every erasure: of those in whose middle a process ended.
pub async fn finish_all(chat: &Chat) {
    let unfinished = user::Entity::find().filter(user::Column::Erasing.is_not_null()).all(chat.db.read()).await;
    match unfinished {
        Ok(accounts) => {
            for account in accounts {
                if let Err(error) = finish(chat, account.id).await {
                    error.record();
                }
            }
        }
        Err(error) => Error::from(error).record(),
    }
}

/// Deletes some of a user's messages in a room; answers whether there may be more.
async fn empty_some(chat: &Chat, room_id: RoomId, user_id: UserId) -> Result<bool> {
    let now = clock::now();
    let tx = chat.db.begin().await?;
    room::Entity::find_by_id(room_id).lock(LockType::NoKeyUpdate).one(&tx).await?;
    let some = message::Entity::find()
        .filter(message::Column::RoomId.eq(room_id))
        .filter(message::Column::SenderId.eq(user_id))
        .filter(message::Column::DeletedAt.is_null())
        .order_by_asc(message::Column::Seq)
        .limit(BATCH)
        .all(&tx)
        .await?;
    if some.is_empty() {
        // The hash of a short text gives the text away, that of a message deleted earlier as well. Nobody repeats these
        // messages: their sender is no more.
        message::Entity::update_many()
            .col_expr(message::Column::RequestHash, Expr::value(None::<Vec<u8>>))
            .filter(message::Column::RoomId.eq(room_id))
            .filter(message::Column::SenderId.eq(user_id))
            .filter(message::Column::RequestHash.is_not_null())
            .exec(&tx)
            .await?;
        tx.commit().await?;
        return Ok(false);
    }
    let changes: Vec<_> = some.iter().map(|model| Change::of_message(EventKind::MessageDeleted, model.id)).collect();
    messages::empty(&tx, some, now).await?;
    let permit = Permit::to_withdraw(room_id, user_id);
    let room = permit.append(&tx, &changes, now).await?;
    chat.log.commit(tx, &room, changes.len()).await?;
    Ok(true)
}

/// Takes a user out of a group. A last owner is succeeded by who has been there the longest, of the highest role there is;
/// where nobody is left, the room is deleted.
async fn leave(chat: &Chat, room_id: RoomId, user_id: UserId) -> Result<()> {
    let now = clock::now();
    let tx = chat.db.begin().await?;
    // Two people who talked keep what they said, each their own part.
    let Some(room) = join::open_room(&tx, room_id).await? else { return Ok(()) };
    let Some(member_row) = find::member(&tx, room_id, user_id).await? else { return Ok(()) };
    let permit = Permit::to_withdraw(room_id, user_id);
    let mut changes = Vec::new();
    if member_row.role == Role::Owner {
        match succession::heir(&tx, room_id, user_id).await? {
            Heir::NotNeeded => {}
            Heir::Is(heir) => {
                membership::lock_members(&tx, room_id, [user_id, heir.user_id]).await?;
                changes.push(succession::succeed(&tx, &permit, heir, now).await?);
            }
            Heir::Nobody => {
                let room = rooms::close(&tx, &permit, room, now).await?;
                return chat.log.commit(tx, &room, 1).await;
            }
        }
    }
    membership::part(&tx, member_row, now).await?;
    audit::enter(&tx, &permit, [Record::new(AuditAction::MemberLeft).to(user_id)], now).await?;
    changes.push(Change::of_member(EventKind::MemberRemoved, user_id).because("left"));
    let room = permit.append(&tx, &changes, now).await?;
    chat.log.commit(tx, &room, changes.len()).await
}
