//! Inserting many rows of one table.
//!
//! PostgreSQL is a network away: there it is one statement, whatever the number of rows, which travel as one JSON value. SQLite
//! is a function call away and has no such way for rows.

use sea_orm::{
    ConnectionTrait, DbBackend, EntityTrait, Iden, IntoActiveModel, Iterable, ModelTrait, Statement, Value,
    sea_query::sea_value_to_json_value,
};
use serde_json::Value as Json;

use super::Transaction;
use crate::error::Result;

/// The most rows of one statement on SQLite, which takes 32,766 values.
const MOST_ROWS: usize = 256;

/// Inserts rows, every column of each. On SQLite in pieces whose sizes are powers of two: the statement cache is keyed by the text
/// of a statement, and so holds nine of them instead of one for every size.
pub(crate) async fn insert_all<E>(tx: &Transaction, mut rows: &[E::Model]) -> Result<()>
where
    E: EntityTrait,
    E::Model: Clone + IntoActiveModel<E::ActiveModel>,
{
    if tx.get_database_backend() == DbBackend::Postgres {
        if !rows.is_empty() {
            let values = [Json::Array(rows.iter().map(as_json).collect()).to_string().into()];
            let insert = Statement::from_sql_and_values(DbBackend::Postgres, from_json::<E>(), values);
            tx.execute_raw(insert).await?;
        }
        return Ok(());
    }
    while !rows.is_empty() {
        let (some, rest) = rows.split_at(1 << rows.len().min(MOST_ROWS).ilog2());
        let some = some.iter().cloned().map(IntoActiveModel::into_active_model);
        E::insert_many(some).exec_without_returning(tx).await?;
        rows = rest;
    }
    Ok(())
}

/// The statement that inserts the rows of a JSON array. PostgreSQL takes the type of each column from the table.
fn from_json<E: EntityTrait>() -> String {
    let table = E::default().table_name();
    let columns: Vec<String> = E::Column::iter().map(|column| format!("\"{}\"", column.unquoted())).collect();
    let columns = columns.join(", ");
    format!("INSERT INTO {table} ({columns}) SELECT {columns} FROM json_populate_recordset(NULL::{table}, $1::json)")
}

fn as_json<M: ModelTrait>(row: &M) -> Json {
    let columns = <M::Entity as EntityTrait>::Column::iter();
    Json::Object(columns.map(|column| (column.unquoted().to_owned(), value_as_json(&row.get(column)))).collect())
}

/// As PostgreSQL reads a value out of JSON: bytes are hexadecimal digits behind `\x`.
fn value_as_json(value: &Value) -> Json {
    match value {
        Value::Bytes(Some(bytes)) => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("\\x{digits}").into()
        }
        other => sea_value_to_json_value(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{MessageId, MessageType, RoomId, Seq, Timestamp, UserId};
    use entity::message;

    #[test]
    fn the_statement_names_every_column_of_the_entity() {
        let columns = r#""id", "room_id", "seq", "sender_id", "message_type", "content", "reply_to_id", "forwarded_from_id", "client_msg_id", "request_hash", "created_at", "edited_at", "deleted_at""#;
        assert_eq!(
            from_json::<message::Entity>(),
            format!(
                "INSERT INTO messages ({columns}) SELECT {columns} FROM json_populate_recordset(NULL::messages, $1::json)"
            )
        );
    }

    #[test]
    fn a_row_has_a_value_for_every_column() {
        let id = uuid::Uuid::nil();
        let row = message::Model {
            id: MessageId(id),
            room_id: RoomId(id),
            seq: Seq(7),
            sender_id: UserId(id),
            message_type: MessageType::Text,
            content: Some("\"hi\"".to_owned()),
            reply_to_id: None,
            forwarded_from_id: Some(MessageId(id)),
            client_msg_id: None,
            request_hash: Some(vec![0, 171]),
            created_at: Timestamp(1),
            edited_at: None,
            deleted_at: None,
        };
        let zeros = "00000000-0000-0000-0000-000000000000";
        let expected = serde_json::json!({
            "id": zeros, "room_id": zeros, "seq": 7, "sender_id": zeros, "message_type": "text", "content": "\"hi\"",
            "reply_to_id": null, "forwarded_from_id": zeros, "client_msg_id": null, "request_hash": "\\x00ab",
            "created_at": 1, "edited_at": null, "deleted_at": null,
        });
        assert_eq!(as_json(&row), expected);
    }
}
