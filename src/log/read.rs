//! Reading the log back: the rows of messages and of other changes, merged by `seq`.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::{
    contract::{RoomId, Seq},
    db::query,
    error::Result,
};
use entity::{message, room, room_event};

/// A row of a log, as the database has it.
#[derive(Clone, Debug)]
pub(crate) enum LogRow {
    Message(message::Model),
    Event(room_event::Model),
}

impl LogRow {
    pub(crate) fn seq(&self) -> Seq {
        match self {
            Self::Message(message) => message.seq,
            Self::Event(event) => event.seq,
        }
    }
}

/// The rows with a seq in `(after, up_to]` of a room's log, which must be committed.
pub(crate) async fn rows(db: &impl ConnectionTrait, room: RoomId, after: Seq, up_to: Seq) -> Result<Vec<LogRow>> {
    let (messages, events) = both(db, room, after, up_to).await?;
    let mut rows: Vec<LogRow> = messages.into_iter().map(LogRow::Message).collect();
    rows.extend(events.into_iter().map(LogRow::Event));
    rows.sort_unstable_by_key(LogRow::seq);
    Ok(rows)
}

/// Where the logs of these rooms end.
pub(crate) async fn ends(db: &impl ConnectionTrait, rooms: &[RoomId]) -> Result<HashMap<RoomId, Seq>> {
    let ends: Vec<(RoomId, Seq)> = room::Entity::find()
        .select_only()
        .columns([room::Column::Id, room::Column::LastSeq])
        .filter(room::Column::Id.is_in(query::padded(rooms.iter().copied())))
        .into_tuple()
        .all(db)
        .await?;
    Ok(ends.into_iter().collect())
}

/// The same, the messages apart from the other changes.
pub(crate) async fn both(
    db: &impl ConnectionTrait,
    room: RoomId,
    after: Seq,
    up_to: Seq,
) -> Result<(Vec<message::Model>, Vec<room_event::Model>)> {
    let messages = message::Entity::find()
        .filter(message::Column::RoomId.eq(room))
        .filter(message::Column::Seq.gt(after))
        .filter(message::Column::Seq.lte(up_to))
        .order_by_asc(message::Column::Seq);
    let events = room_event::Entity::find()
        .filter(room_event::Column::RoomId.eq(room))
        .filter(room_event::Column::Seq.gt(after))
        .filter(room_event::Column::Seq.lte(up_to))
        .order_by_asc(room_event::Column::Seq);
    Ok((messages.all(db).await?, events.all(db).await?))
}
