//! The content of the index and its queries: the only place that distinguishes FTS5 and `pg_trgm`.

use std::collections::{HashMap, HashSet};

use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, Statement, Value,
    sea_query::OnConflict,
};

use crate::{
    contract::{MessageId, RoomId, Timestamp, UserId},
    db::{Db, Transaction, insert::insert_all, query},
    error::{Error, Result},
};
use entity::{message, search_document, search_room};

use super::fold;

/// The bits of a document's number that distinguish messages of one millisecond.
const SPREAD: u32 = 20;

/// Rooms that one question names. For more, every hit is looked up in the list of the asker's rooms instead.
const NAMED_ROOMS: usize = 64;

/// A letter of the three that a room is called by: all of them together are one trigram.
const FIRST_LETTER: u32 = 0x4e00;
const LETTERS: i64 = 4096;

/// A query of the index.
pub(super) struct Question<'a> {
    pub(super) asker: UserId,
    pub(super) rooms: &'a [RoomId],
    /// Terms that the index knows; all of them must stand in a text.
    pub(super) terms: &'a [String],
    pub(super) sender: Option<UserId>,
    pub(super) before: Option<Timestamp>,
    pub(super) after: Option<Timestamp>,
    /// Only documents with a number below this one.
    pub(super) below: Option<i64>,
}

impl Question<'_> {
    fn names_rooms(&self) -> bool {
        self.rooms.len() <= NAMED_ROOMS
    }
}

/// The messages that the index knows to fit with the numbers of their documents, the newest first.
pub(super) async fn ask(db: &Db, question: &Question<'_>, limit: usize) -> Result<Vec<(MessageId, i64)>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let statement = match db.backend() {
        DbBackend::Sqlite => sqlite(db.search(), question, limit).await?,
        backend => postgres(backend, question, limit),
    };
    let Some(statement) = statement else { return Ok(Vec::new()) };
    let rows = db.query_for_values(statement).await?;
    rows.iter().map(|row| Ok((row.try_get("", "message_id")?, row.try_get("", "id")?))).collect()
}

/// A statement that is put together piece by piece, with its values.
struct Sql {
    backend: DbBackend,
    text: String,
    values: Vec<Value>,
}

impl Sql {
    fn new(backend: DbBackend, text: &str) -> Self {
        Self { backend, text: text.to_owned(), values: Vec::new() }
    }

    /// Adds text, and a value in place of its `?`.
    fn with(&mut self, text: &str, value: impl Into<Value>) {
        self.values.push(value.into());
        let place = match self.backend {
            DbBackend::Postgres => format!("${}", self.values.len()),
            _ => "?".to_owned(),
        };
        self.text.push_str(&text.replacen('?', &place, 1));
    }

    /// The conditions that both databases share.
    fn with_conditions(&mut self, question: &Question<'_>) {
        if !question.names_rooms() {
            let mine = " AND d.room_id IN (SELECT room_id FROM members WHERE user_id = ? AND left_at IS NULL)";
            self.with(mine, question.asker);
        }
        if let Some(sender) = question.sender {
            self.with(" AND EXISTS (SELECT 1 FROM messages m WHERE m.id = d.message_id AND m.sender_id = ?)", sender);
        }
    }

    /// The bounds of a document's number, which begins with the time of its message.
    fn with_bounds(&mut self, question: &Question<'_>, number: &str) {
        if let Some(before) = question.before {
            self.with(&format!(" AND {number} < ?"), first_number(before.0));
        }
        if let Some(after) = question.after {
            self.with(&format!(" AND {number} >= ?"), first_number(after.0.saturating_add(1)));
        }
        if let Some(below) = question.below {
            self.with(&format!(" AND {number} < ?"), below);
        }
    }

    fn finish(self) -> Statement {
        Statement::from_sql_and_values(self.backend, self.text, self.values)
    }
}

async fn sqlite(db: &impl ConnectionTrait, question: &Question<'_>, limit: i64) -> Result<Option<Statement>> {
    let quoted = |term: &str| format!("\"{}\"", term.replace('"', "\"\""));
    let mut all: Vec<String> = question.terms.iter().map(|term| format!("content : {}", quoted(term))).collect();
    if question.names_rooms() {
        let known = numbers(db, question.rooms).await?;
        if known.is_empty() {
            return Ok(None);
        }
        let rooms: Vec<String> = known.values().map(|number| format!("room : {}", quoted(&called(*number)))).collect();
        all.push(format!("({})", rooms.join(" OR ")));
    }
    // The order is that of the index itself: the newest come out first, and what is beyond the limit is never looked at.
    let mut sql = Sql::new(
        DbBackend::Sqlite,
        "SELECT d.message_id, d.id FROM message_search f CROSS JOIN search_documents d ON d.id = f.rowid",
    );
    sql.with(" WHERE message_search MATCH ?", all.join(" AND "));
    sql.with_bounds(question, "f.rowid");
    sql.with_conditions(question);
    sql.with(" ORDER BY f.rowid DESC LIMIT ?", limit);
    Ok(Some(sql.finish()))
}

/// Named rooms are asked one by one, and their answers merged by number: each is read from its newest document on, no further
/// than the limit wants, or by the index of texts where few have the terms.
fn postgres(backend: DbBackend, question: &Question<'_>, limit: i64) -> Option<Statement> {
    let mut sql = Sql::new(backend, "");
    for term in question.terms {
        let part = term.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        sql.with(" AND d.content LIKE ?", format!("%{part}%"));
    }
    sql.with_bounds(question, "d.id");
    sql.with_conditions(question);
    sql.with(" ORDER BY id DESC LIMIT ?", limit);
    let fitting = std::mem::take(&mut sql.text);
    let documents = "SELECT d.message_id, d.id FROM search_documents d WHERE";
    if !question.names_rooms() {
        sql.text = format!("{documents} TRUE{fitting}");
        return Some(sql.finish());
    }
    for room in question.rooms {
        let joined = if sql.text.is_empty() { "SELECT message_id, id FROM (" } else { " UNION ALL " };
        sql.with(&format!("{joined}({documents} d.room_id = ?"), *room);
        sql.text.push_str(&fitting);
        sql.text.push(')');
    }
    if sql.text.is_empty() {
        return None;
    }
    sql.with(") AS found ORDER BY id DESC LIMIT ?", limit);
    Some(sql.finish())
}

/// What a room is called in the index.
fn called(number: i64) -> String {
    let letter = |digit: i64| {
        let offset = u32::try_from(digit.rem_euclid(LETTERS)).unwrap_or_default();
        char::from_u32(FIRST_LETTER + offset).expect("the letters are Han characters, all of them assigned")
    };
    [number / LETTERS / LETTERS, number / LETTERS, number].into_iter().map(letter).collect()
}

/// The numbers of those rooms that the index knows.
async fn numbers(db: &impl ConnectionTrait, rooms: &[RoomId]) -> Result<HashMap<RoomId, i64>> {
    let rows = search_room::Entity::find()
        .filter(search_room::Column::RoomId.is_in(query::padded(rooms.iter().copied())))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| (row.room_id, row.number)).collect())
}

/// The row that says what the index calls a room; it is made if there is none.
pub(super) async fn room(tx: &Transaction, room: RoomId) -> Result<search_room::Model> {
    let mine = search_room::Entity::find().filter(search_room::Column::RoomId.eq(room));
    if let Some(known) = mine.clone().one(tx).await? {
        return Ok(known);
    }
    let row = search_room::ActiveModel { number: NotSet, room_id: Set(room) };
    search_room::Entity::insert(row)
        .on_conflict(OnConflict::column(search_room::Column::RoomId).do_nothing().to_owned())
        .exec_without_returning(tx)
        .await?;
    mine.one(tx).await?.ok_or_else(|| Error::internal("a room of the index is not there"))
}

/// What the index is to say of a message; nothing of one that says nothing any more.
pub(super) struct Document {
    id: i64,
    message_id: MessageId,
    text: Option<String>,
}

impl Document {
    pub(super) fn of(message: &message::Model) -> Self {
        let content = message.content.as_deref().filter(|_| message.deleted_at.is_none());
        let text = content.map(|content| fold::indexed(&entity::fold::fold(content)));
        Self { id: number(message), message_id: message.id, text }
    }

    /// Whether its message says nothing any more.
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_none()
    }
}

/// Makes the index say of some messages of a room what their documents say; it says nothing of them yet.
pub(super) async fn put(tx: &Transaction, room: &search_room::Model, documents: Vec<Document>) -> Result<()> {
    let texts: Vec<(MessageId, i64, String)> =
        documents.into_iter().filter_map(|document| Some((document.message_id, document.id, document.text?))).collect();
    if texts.is_empty() {
        return Ok(());
    }
    let ids = free_numbers(tx, texts.iter().map(|(_, id, _)| *id).collect()).await?;
    let rows: Vec<(search_document::Model, String)> = texts
        .into_iter()
        .zip(ids)
        .map(|((message_id, _, text), id)| (search_document::Model { id, message_id, room_id: room.room_id }, text))
        .collect();
    match tx.get_database_backend() {
        DbBackend::Sqlite => put_sqlite(tx, room, rows).await,
        backend => put_postgres(tx, backend, rows).await,
    }
}

async fn put_sqlite(
    tx: &Transaction,
    room: &search_room::Model,
    rows: Vec<(search_document::Model, String)>,
) -> Result<()> {
    let documents: Vec<_> = rows.iter().map(|(document, _)| document.clone()).collect();
    insert_all::<search_document::Entity>(tx, &documents).await?;
    let called = called(room.number);
    for (document, text) in rows {
        let values = [document.id.into(), called.clone().into(), text.into()];
        let sql = "INSERT INTO message_search (rowid, room, content) VALUES (?, ?, ?)";
        tx.execute_raw(Statement::from_sql_and_values(DbBackend::Sqlite, sql, values)).await?;
    }
    Ok(())
}

/// The text stands in the row of the document.
async fn put_postgres(tx: &Transaction, backend: DbBackend, rows: Vec<(search_document::Model, String)>) -> Result<()> {
    let mut sql = Sql::new(backend, "INSERT INTO search_documents (id, message_id, room_id, content) VALUES ");
    for (number, (document, text)) in rows.into_iter().enumerate() {
        sql.with(if number == 0 { "(?" } else { ", (?" }, document.id);
        sql.with(", ?", document.message_id);
        sql.with(", ?", document.room_id);
        sql.with(", ?)", text);
    }
    tx.execute_raw(sql.finish()).await?;
    Ok(())
}

/// What the index says of some messages, whatever they say now.
pub(super) async fn known(db: &impl ConnectionTrait, documents: &[Document]) -> Result<Vec<search_document::Model>> {
    let messages = documents.iter().map(|document| document.message_id);
    Ok(search_document::Entity::find()
        .filter(search_document::Column::MessageId.is_in(query::padded(messages)))
        .all(db)
        .await?)
}

/// Removes documents from the index.
pub(super) async fn remove(tx: &Transaction, documents: &[search_document::Model]) -> Result<()> {
    let ids = documents.iter().map(|document| document.id);
    if tx.get_database_backend() == DbBackend::Sqlite {
        for id in ids.clone() {
            let sql = "DELETE FROM message_search WHERE rowid = ?";
            tx.execute_raw(Statement::from_sql_and_values(DbBackend::Sqlite, sql, [id.into()])).await?;
        }
    }
    search_document::Entity::delete_many().filter(search_document::Column::Id.is_in(ids)).exec(tx).await?;
    Ok(())
}

/// The wanted numbers; one that is taken gives way to the next that is free.
async fn free_numbers(tx: &Transaction, wanted: Vec<i64>) -> Result<Vec<i64>> {
    let mut taken: HashSet<i64> = search_document::Entity::find()
        .filter(search_document::Column::Id.is_in(query::padded(wanted.iter().copied())))
        .all(tx)
        .await?
        .into_iter()
        .map(|document| document.id)
        .collect();
    let mut free = Vec::with_capacity(wanted.len());
    for mut id in wanted {
        while !taken.insert(id) {
            id += 1;
            if search_document::Entity::find_by_id(id).one(tx).await?.is_some() {
                taken.insert(id);
            }
        }
        free.push(id);
    }
    Ok(free)
}

/// The least number of a document whose message was sent in that millisecond, or nearest to it.
fn first_number(milliseconds: i64) -> i64 {
    milliseconds.clamp(0, i64::MAX >> SPREAD) << SPREAD
}

/// Messages of one process differ in the counter of their ids (RFC 9562, section 6.2), whose lowest bits stand above the last
/// 32 of the id.
fn number(message: &message::Model) -> i64 {
    let counter = (message.id.0.as_u128() >> 32) & ((1 << SPREAD) - 1);
    (message.created_at.0 << SPREAD) | i64::try_from(counter).unwrap_or_default()
}
