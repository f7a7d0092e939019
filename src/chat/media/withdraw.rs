//! Files that their owners delete: first the row of the file is marked, so that no new message can attach it; then it is removed from one
//! message after the other, each in its own transaction. After a crash, [`finish`] continues.

use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    ColumnTrait, Condition, EntityTrait, ExprTrait, IntoActiveModel, JoinType, QueryFilter, QuerySelect, QueryTrait,
    sea_query::{Expr, LockType},
};

use super::{super::room_log::RoomLog, readable};
use crate::{
    auth::Actor,
    chat::{Chat, attachment, message as messages, permission::Permit},
    clock,
    contract::{ErrorCode, EventKind, MediaId, MediaStatus, MessageType, Timestamp},
    db::Db,
    error::{Error, Result},
    log::Change,
    media::kind,
    tasks::to_the_end,
};
use entity::{attachment as attachments, media, message, room};

/// Messages that are read together.
const BATCH: u64 = 100;

/// Deletes a file of the asker: it is removed from each message of theirs, and from the store unless another user forwarded it.
///
/// # Errors
/// `MEDIA_NOT_FOUND`, and `PERMISSION_DENIED` for a file of another user that the asker may load.
pub async fn delete(chat: &Chat, actor: &Actor, id: MediaId) -> Result<()> {
    let (chat, actor) = (chat.clone(), actor.clone());
    to_the_end(async move {
        begin(&chat, &actor, id).await?;
        finish(&chat.db, &chat.log, media::Column::Id.eq(id).into()).await?;
        chat.sweeper.nudge();
        Ok(())
    })
    .await
}

/// Marks a file as withdrawn. If nothing shows it, it is also marked for removal.
async fn begin(chat: &Chat, actor: &Actor, id: MediaId) -> Result<()> {
    let tx = chat.begin(actor).await?;
    let model = media::Entity::find_by_id(id).one(&tx).await?.ok_or(Error::MEDIA_NOT_FOUND)?;
    if model.owner_id != actor.user_id {
        drop(tx);
        readable(chat, actor.user_id, id).await?;
        return Err(Error::Refused(ErrorCode::PermissionDenied, "this file is not yours"));
    }
    let withdrawn = media::Entity::update_many()
        .col_expr(media::Column::WithdrawnAt, Expr::value(clock::now()))
        .col_expr(media::Column::KeptUntil, Expr::value(None::<Timestamp>))
        .filter(media::Column::Id.eq(id))
        .filter(media::Column::Status.ne(MediaStatus::Leaving))
        .exec(&tx)
        .await?;
    if withdrawn.rows_affected == 0 {
        return Err(Error::MEDIA_NOT_FOUND);
    }
    attachment::release(&tx, [id].into()).await?;
    tx.commit().await
}

/// Takes those of some files that were taken back from the messages of their owners that still carry them. Two may do so at once.
///
/// # Errors
/// When the database does not answer; it may be asked again.
pub(super) async fn finish(db: &Db, log: &RoomLog, which: Condition) -> Result<()> {
    let file = attachments::Entity::belongs_to(media::Entity).from(attachments::Column::MediaId).to(media::Column::Id);
    let attachment =
        attachments::Entity::belongs_to(message::Entity).from(attachments::Column::MessageId).to(message::Column::Id);
    // By their own, so that SQLite begins with them and not with all that messages carry.
    let withdrawn = media::Entity::find()
        .select_only()
        .column(media::Column::Id)
        .filter(media::Column::WithdrawnAt.is_not_null())
        .filter(which)
        .into_query();
    let left = attachments::Entity::find()
        .join(JoinType::InnerJoin, file.into())
        .join(JoinType::InnerJoin, attachment.into())
        .filter(attachments::Column::MediaId.in_subquery(withdrawn))
        // What others forwarded stays.
        .filter(message::Column::SenderId.into_expr().eq(media::Column::OwnerId.into_expr()))
        .limit(BATCH);
    loop {
        let some = left.clone().all(db.read()).await?;
        for attachment in &some {
            detach(db, log, attachment).await?;
        }
        if (some.len() as u64) < BATCH {
            return Ok(());
        }
    }
}

/// Removes a file from a message: an edit; or, for the only file of a message without text, a deletion.
async fn detach(db: &Db, log: &RoomLog, attachment: &attachments::Model) -> Result<()> {
    let now = clock::now();
    let tx = db.begin().await?;
    let room = room::Entity::find_by_id(attachment.room_id).lock(LockType::NoKeyUpdate).one(&tx).await?;
    let message = message::Entity::find_by_id(attachment.message_id).one(&tx).await?;
    let (Some(room), Some(message)) = (room, message) else { return Ok(()) };
    let which = Condition::all()
        .add(attachments::Column::MessageId.eq(attachment.message_id))
        .add(attachments::Column::MediaId.eq(attachment.media_id));
    if attachment::take(&tx, which).await? == 0 {
        return Ok(());
    }
    if room.deleted_at.is_some() {
        return tx.commit().await;
    }
    let permit = Permit::to_withdraw(room.id, message.sender_id);
    let id = message.id;
    let left = attachment::first_of(&tx, id).await?;
    let kind = if left.is_none() && message.content.is_none() {
        // Nothing is left of it.
        messages::empty(&tx, vec![message], now).await?;
        EventKind::MessageDeleted
    } else {
        let mut row = message.into_active_model();
        row.message_type = Set(left.map_or(MessageType::Text, |file| kind::message_type(&file.mime_type)));
        row.edited_at = Set(Some(now));
        row.update(&tx).await?;
        EventKind::MessageEdited
    };
    let room = permit.append(&tx, &[Change::of_message(kind, id)], now).await?;
    log.commit(tx, &room, 1).await
}
