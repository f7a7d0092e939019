//! Where a batch goes: the ends of its rooms' logs move, and its messages take their seqs.
//!
//! PostgreSQL is a network away: there each of the two is one statement, whatever the size of the batch, whose rows travel as
//! one JSON value. SQLite is a function call away and has no such way for rows.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, ExprTrait, QueryFilter, Statement,
    sea_query::Expr,
};
use serde_json::{Value, json};

use crate::{
    contract::{RoomId, Seq, Timestamp},
    db::Transaction,
    error::Result,
};
use entity::{message, room};

/// The end of a room's log as a batch moves it.
pub(super) struct End {
    pub(super) last_seq: Seq,
    pub(super) new_messages: i64,
}

const ADVANCE: &str = "UPDATE rooms SET last_seq = t.last_seq, last_message_seq = t.last_seq, \
     message_count = message_count + t.new_messages, active_at = $2 \
     FROM json_to_recordset($1::json) AS t(id uuid, last_seq bigint, new_messages bigint) WHERE rooms.id = t.id";

const INSERT: &str = "INSERT INTO messages (id, room_id, seq, sender_id, message_type, content, reply_to_id, \
     forwarded_from_id, client_msg_id, request_hash, created_at, edited_at, deleted_at) \
     SELECT id, room_id, seq, sender_id, message_type, content, reply_to_id, \
     forwarded_from_id, client_msg_id, decode(request_hash, 'base64'), created_at, edited_at, deleted_at \
     FROM json_to_recordset($1::json) AS t(id uuid, room_id uuid, seq bigint, sender_id uuid, message_type text, \
     content text, reply_to_id uuid, forwarded_from_id uuid, client_msg_id text, request_hash text, created_at bigint, \
     edited_at bigint, deleted_at bigint)";

/// Moves the end of each room's log. The rooms are locked already.
pub(super) async fn advance(tx: &Transaction, rooms: &BTreeMap<RoomId, End>, now: Timestamp) -> Result<()> {
    if tx.get_database_backend() == DbBackend::Postgres {
        let ends = rooms
            .iter()
            .map(|(id, end)| json!({"id": id.0, "last_seq": end.last_seq.0, "new_messages": end.new_messages}));
        return run(tx, ADVANCE, ends.collect(), vec![now.0.into()]).await;
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

/// Inserts new messages. On SQLite in pieces whose sizes are powers of two: the statement cache is keyed by the text of a
/// statement, and so holds nine of them instead of one for every size.
pub(super) async fn insert(tx: &Transaction, mut rows: &[message::Model]) -> Result<()> {
    if tx.get_database_backend() == DbBackend::Postgres {
        return run(tx, INSERT, rows.iter().map(as_json).collect(), Vec::new()).await;
    }
    while !rows.is_empty() {
        let (piece, rest) = rows.split_at(1 << rows.len().ilog2());
        let piece = piece.iter().cloned().map(all_set);
        message::Entity::insert_many(piece).exec_without_returning(tx).await?;
        rows = rest;
    }
    Ok(())
}

/// Runs a statement whose first value is these rows.
async fn run(tx: &Transaction, sql: &str, rows: Vec<Value>, others: Vec<sea_orm::Value>) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut values = vec![Value::Array(rows).to_string().into()];
    values.extend(others);
    tx.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await?;
    Ok(())
}

fn as_json(row: &message::Model) -> Value {
    json!({
        "id": row.id.0,
        "room_id": row.room_id.0,
        "seq": row.seq.0,
        "sender_id": row.sender_id.0,
        "message_type": row.message_type.as_str(),
        "content": row.content,
        "reply_to_id": row.reply_to_id.map(|id| id.0),
        "forwarded_from_id": row.forwarded_from_id.map(|id| id.0),
        "client_msg_id": row.client_msg_id,
        "request_hash": row.request_hash.as_deref().map(|hash| BASE64_STANDARD.encode(hash)),
        "created_at": row.created_at.0,
        "edited_at": row.edited_at.map(|at| at.0),
        "deleted_at": row.deleted_at.map(|at| at.0),
    })
}

/// Every column set, `NULL` included: a column that only some rows of an insert set would become `NULL` in the others.
fn all_set(row: message::Model) -> message::ActiveModel {
    message::ActiveModel {
        id: Set(row.id),
        room_id: Set(row.room_id),
        seq: Set(row.seq),
        sender_id: Set(row.sender_id),
        message_type: Set(row.message_type),
        content: Set(row.content),
        reply_to_id: Set(row.reply_to_id),
        forwarded_from_id: Set(row.forwarded_from_id),
        client_msg_id: Set(row.client_msg_id),
        request_hash: Set(row.request_hash),
        created_at: Set(row.created_at),
        edited_at: Set(row.edited_at),
        deleted_at: Set(row.deleted_at),
    }
}
