//! Changes that are not new messages take the next seqs of their room.

use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, ExprTrait, QueryFilter, sea_query::Expr};

use crate::{
    contract::{EventKind, MessageId, RoomId, Seq, Timestamp, UserId},
    db::Transaction,
    error::{Error, Result},
};
use entity::{room, room_event};

/// A durable change that is not a new message.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    kind: EventKind,
    pub(crate) message_id: Option<MessageId>,
    user_id: Option<UserId>,
    emoji: Option<String>,
    reason: Option<&'static str>,
}

impl Change {
    /// A change of the room itself.
    pub(crate) fn of_room(kind: EventKind) -> Self {
        Self { kind, message_id: None, user_id: None, emoji: None, reason: None }
    }

    /// A change of a message.
    pub(crate) fn of_message(kind: EventKind, message: MessageId) -> Self {
        Self { message_id: Some(message), ..Self::of_room(kind) }
    }

    /// A change of a member.
    pub(crate) fn of_member(kind: EventKind, user: UserId) -> Self {
        Self { user_id: Some(user), ..Self::of_room(kind) }
    }

    /// Which emoji it put or took.
    pub(crate) fn with_emoji(self, emoji: String) -> Self {
        Self { emoji: Some(emoji), ..self }
    }

    /// Why they are gone.
    pub(crate) fn because(self, reason: &'static str) -> Self {
        Self { reason: Some(reason), ..self }
    }
}

/// Gives changes of a room the next seqs of its log, in this transaction; answers the room as it is then, and the seqs
/// are its last ones.
pub(crate) async fn append(
    tx: &Transaction,
    room: RoomId,
    actor: UserId,
    changes: &[Change],
    now: Timestamp,
) -> Result<room::Model> {
    let count = i64::try_from(changes.len()).map_err(Error::internal)?;
    let room = room::Entity::update_many()
        .col_expr(room::Column::LastSeq, Expr::col(room::Column::LastSeq).add(count))
        .filter(room::Column::Id.eq(room))
        .exec_with_returning(tx)
        .await?
        .pop()
        .ok_or(Error::ROOM_NOT_FOUND)?;
    insert(tx, &room, actor, changes, now).await?;
    Ok(room)
}

/// Writes changes into the last seqs of a log that has already been advanced.
pub(crate) async fn insert(
    tx: &Transaction,
    room: &room::Model,
    actor: UserId,
    changes: &[Change],
    now: Timestamp,
) -> Result<()> {
    let first = room.last_seq.0 + 1 - i64::try_from(changes.len()).map_err(Error::internal)?;
    let rows = changes.iter().zip(first..).map(|(change, seq)| room_event::ActiveModel {
        room_id: Set(room.id),
        seq: Set(Seq(seq)),
        kind: Set(change.kind),
        actor_id: Set(actor),
        message_id: Set(change.message_id),
        user_id: Set(change.user_id),
        emoji: Set(change.emoji.clone()),
        reason: Set(change.reason.map(str::to_owned)),
        created_at: Set(now),
    });
    room_event::Entity::insert_many(rows).exec_without_returning(tx).await?;
    Ok(())
}
