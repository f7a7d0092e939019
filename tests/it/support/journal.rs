//! What the followers of builds for tests wrote down: a table each, with every entry that it was given.

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};

use super::{Room, SOON, eventually};

pub(crate) const ONE: &str = "journal_one";
pub(crate) const TWO: &str = "journal_two";

/// The table of a journal. Nothing keeps an entry from standing there twice.
pub(crate) async fn give_table(db: &DatabaseConnection, journal: &str) {
    db.execute_unprepared(&format!("CREATE TABLE {journal} (room_id TEXT NOT NULL, seq BIGINT NOT NULL)"))
        .await
        .unwrap();
}

/// What a journal was given of each room, in the order of seqs.
pub(crate) async fn written(db: &DatabaseConnection, journal: &str) -> BTreeMap<String, Vec<i64>> {
    let all = format!("SELECT room_id, seq FROM {journal} ORDER BY room_id, seq");
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), all)).await.unwrap();
    let mut written = BTreeMap::<String, Vec<i64>>::new();
    for row in rows {
        written.entry(row.try_get("", "room_id").unwrap()).or_default().push(row.try_get("", "seq").unwrap());
    }
    written
}

/// Waits until a journal has come to the ends of these rooms; each entry must stand in it once.
pub(crate) async fn complete(db: &DatabaseConnection, journal: &str, rooms: &[(&Room, i64)]) {
    eventually(SOON * 3, journal, async || {
        let written = written(db, journal).await;
        rooms.iter().all(|(room, end)| written.get(&room.id).is_some_and(|seqs| seqs.last() == Some(end)))
    })
    .await;
    let written = written(db, journal).await;
    for (room, end) in rooms {
        assert_eq!(written[&room.id], (1..=*end).collect::<Vec<_>>(), "{journal} of {}", room.id);
    }
}
