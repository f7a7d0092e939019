//! A batch moves the ends of its rooms' logs: on PostgreSQL, which is a network away, all of them with one statement.

use std::collections::BTreeMap;

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, ExprTrait, QueryFilter, Statement, sea_query::Expr,
};
use serde_json::{Value, json};

use crate::{
    contract::{RoomId, Seq, Timestamp},
    db::Transaction,
    error::Result,
};
use entity::room;

/// The end of a room's log as a batch moves it.
pub(super) struct End {
    pub(super) last_seq: Seq,
    pub(super) new_messages: i64,
}

const ADVANCE: &str = "UPDATE rooms SET last_seq = t.last_seq, last_message_seq = t.last_seq, \
     message_count = message_count + t.new_messages, active_at = $2 \
     FROM json_to_recordset($1::json) AS t(id uuid, last_seq bigint, new_messages bigint) WHERE rooms.id = t.id";

/// Moves the end of each room's log. The rooms are locked already.
pub(super) async fn advance(tx: &Transaction, rooms: &BTreeMap<RoomId, End>, now: Timestamp) -> Result<()> {
    if !rooms.is_empty() && tx.get_database_backend() == DbBackend::Postgres {
        let ends = rooms
            .iter()
            .map(|(id, end)| json!({"id": id.0, "last_seq": end.last_seq.0, "new_messages": end.new_messages}));
        let values = [Value::Array(ends.collect()).to_string().into(), now.0.into()];
        tx.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, ADVANCE, values)).await?;
        return Ok(());
    }
    for (id, end) in rooms {
        room::Entity::update_many()
            .col_expr(room::Column::LastSeq, Expr::value(end.last_seq))
            .col_expr(room::Column::LastMessageSeq, Expr::value(end.last_seq))
            .col_expr(room::Column::MessageCount, Expr::col(room::Column::MessageCount).add(end.new_messages))
            .col_expr(room::Column::ActiveAt, Expr::value(now))
            .filter(room::Column::Id.eq(*id))
            .exec(tx)
            .await?;
    }
    Ok(())
}
