//! Pinned messages.

use std::collections::HashMap;

use sea_orm::{
    ActiveValue::Set, ColumnTrait, EntityTrait, JoinType, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    RelationDef,
};

use super::{
    Chat,
    audit::{self, Record},
    find,
    permission::Capability,
    view,
};
use crate::{
    auth::Actor,
    clock,
    contract::{
        AuditAction, EventKind, Message, MessageId, RoomId,
        list::{PageQuery, PinList},
        reaction::Pin,
    },
    db::Transaction,
    error::{Error, Result},
    log::Change,
};
use entity::{message, pin};

/// Pins a message. Pinning it again changes nothing.
///
/// # Errors
/// `MESSAGE_NOT_FOUND`, `PERMISSION_DENIED`.
pub async fn add(chat: &Chat, actor: &Actor, id: MessageId) -> Result<Message> {
    let now = clock::now();
    let tx = chat.begin(actor).await?;
    let (message, membership) = find::message_for_update(&tx, actor.user_id, id).await?;
    let permit = membership.permit_showing(Capability::Pin, now)?;
    if message.deleted_at.is_some() {
        return Err(Error::MESSAGE_NOT_FOUND);
    }
    if pin::Entity::find_by_id(id).one(&tx).await?.is_some() {
        return view::one_message(&tx, chat.recipient(actor.user_id), message).await;
    }
    let row = pin::ActiveModel {
        message_id: Set(id),
        room_id: Set(message.room_id),
        user_id: Set(actor.user_id),
        pinned_at: Set(now),
    };
    pin::Entity::insert(row).exec_without_returning(&tx).await?;
    audit::enter(&tx, &permit, [Record::new(AuditAction::MessagePinned).message(id)], now).await?;
    let room = permit.append(&tx, &[Change::of_message(EventKind::MessagePinned, id)], now).await?;
    let message = view::one_message(&tx, chat.recipient(actor.user_id), message).await?;
    chat.log.commit(tx, &room, 1).await?;
    Ok(message)
}

/// Unpins a message. One that is not pinned stays as it is.
///
/// # Errors
/// `MESSAGE_NOT_FOUND`, `PERMISSION_DENIED`.
pub async fn remove(chat: &Chat, actor: &Actor, id: MessageId) -> Result<()> {
    let now = clock::now();
    let tx = chat.begin(actor).await?;
    let (message, membership) = find::message_for_update(&tx, actor.user_id, id).await?;
    let permit = membership.permit_showing(Capability::Pin, now)?;
    if message.deleted_at.is_some() {
        return Err(Error::MESSAGE_NOT_FOUND);
    }
    if !clear(&tx, id).await? {
        return Ok(());
    }
    audit::enter(&tx, &permit, [Record::new(AuditAction::MessageUnpinned).message(id)], now).await?;
    let room = permit.append(&tx, &[Change::of_message(EventKind::MessageUnpinned, id)], now).await?;
    chat.log.commit(tx, &room, 1).await
}

/// Unpins a message; answers whether it was pinned.
pub(super) async fn clear(tx: &Transaction, id: MessageId) -> Result<bool> {
    Ok(pin::Entity::delete_by_id(id).exec(tx).await?.rows_affected > 0)
}

/// The pinned messages of a room, the latest pin first.
///
/// # Errors
/// `VALIDATION_ERROR`, `ROOM_NOT_FOUND`.
pub async fn list(chat: &Chat, actor: &Actor, room_id: RoomId, page: PageQuery) -> Result<PinList> {
    let page = page.check()?;
    let db = chat.db.read();
    let (_, _, membership) = find::room(db, actor.user_id, room_id).await?;
    membership.permit(Capability::Read)?;
    let message_of: RelationDef =
        pin::Entity::belongs_to(message::Entity).from(pin::Column::MessageId).to(message::Column::Id).into();
    let pinned = pin::Entity::find()
        .join(JoinType::InnerJoin, message_of)
        .filter(pin::Column::RoomId.eq(room_id))
        .filter(message::Column::Seq.gte(membership.reads_from));
    let total = pinned.clone().count(db).await?;
    let pins = pinned
        .order_by_desc(pin::Column::PinnedAt)
        .order_by_desc(pin::Column::MessageId)
        .offset(page.offset())
        .limit(page.size())
        .all(db)
        .await?;
    let models = view::by_id(db, pins.iter().map(|pin| pin.message_id).collect()).await?.into_values().collect();
    let messages = view::messages(db, chat.recipient(actor.user_id), models).await?;
    let mut messages: HashMap<MessageId, Message> = messages.into_iter().map(|message| (message.id, message)).collect();
    let pins = pins
        .into_iter()
        .filter_map(|pin| {
            let message = messages.remove(&pin.message_id)?;
            Some(Pin { message_id: pin.message_id, user_id: pin.user_id, pinned_at: pin.pinned_at, message })
        })
        .collect();
    Ok(PinList { pins, info: page.info(total) })
}
