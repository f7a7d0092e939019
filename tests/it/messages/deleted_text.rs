//! What was taken back is nowhere: not in the files of the database either.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use serde_json::json;

use crate::support::{App, SOON, eventually, text};

/// Letters that stand in no other text here, each once: of any three of them that the index keeps, two follow each other in its
/// bytes, whatever it leaves out of what the one before had as well.
const DELETED: &str = "ሀለሐመሠረሰሸቀበተቸ";
const EDITED: &str = "ኀነኘአከኸወዐዘዠየደ";
const ERASED: &str = "ጀገጠጨጰጸፀፈፐፘፙፚ";
const KEPT: &str = "ⴰⴱⴲⴳⴴⴵⴶⴷⴸⴹ";

/// What gives a text away: two of its letters, or all of it if they are those of everybody.
fn parts(said: &str) -> Vec<String> {
    let letters: Vec<char> = said.chars().collect();
    let together = if said.is_ascii() { letters.len() } else { 2 };
    letters.windows(together).map(|part| part.iter().collect()).collect()
}

/// The files that have part of a text in them.
fn with_part_of(app: &App, said: &str) -> Vec<String> {
    let parts = parts(said);
    let is_part = |bytes: &[u8]| parts.iter().any(|part| part.as_bytes() == bytes);
    let kept = app.server.kept().into_iter();
    let with_one = kept.filter(|(_, bytes)| bytes.windows(parts[0].len()).any(is_part));
    with_one.map(|(file, _)| file.display().to_string()).collect()
}

/// The rows of PostgreSQL's index that have part of a text in them. When its files forget is its own affair.
async fn rows_with(db: &DatabaseConnection, said: &str) -> i64 {
    let sql = "SELECT count(*) AS n FROM search_documents WHERE content LIKE $1";
    let asked = Statement::from_sql_and_values(DbBackend::Postgres, sql, [format!("%{said}%").into()]);
    db.query_one_raw(asked).await.unwrap().unwrap().try_get("", "n").unwrap()
}

async fn is_kept(app: &App, db: &DatabaseConnection, said: &str) -> bool {
    match db.get_database_backend() {
        DbBackend::Postgres => rows_with(db, said).await > 0,
        _ => !with_part_of(app, said).is_empty(),
    }
}

/// Fails on builds whose index keeps what it held until its parts are merged, whose pages keep what they held until they are
/// written again, and whose log keeps what it told until it begins anew. All seen.
#[tokio::test]
async fn no_byte_of_what_was_said_is_kept_once_it_is_taken_back() {
    let mut app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("regrets", &[&bob]).await;
    for number in 0..40 {
        ada.says(&room, &format!("what is said besides, number {number}")).await;
    }
    let deleted = ada.says(&room, &format!("{DELETED} and this")).await;
    let edited = ada.says(&room, &format!("{EDITED} and that")).await;
    bob.says(&room, &format!("{ERASED} and more")).await;
    ada.says(&room, KEPT).await;
    let db = app.server.database().await;
    ada.sees_indexed(&[&room]).await;
    for said in [DELETED, EDITED, ERASED] {
        assert!(is_kept(&app, &db, said).await, "or nothing is shown by what follows");
    }

    let path = |id: &str| format!("/api/chat/messages/{id}");
    ada.delete(&path(&text(&deleted, "id"))).await.ok();
    ada.patch(&path(&text(&edited, "id")), json!({"content": "nothing of the kind"})).await.ok();
    bob.delete("/api/users/me?erase=true&erase_messages=true").await.with_status(204);
    for said in [DELETED, EDITED, ERASED, "bob@example.com"] {
        if said.is_ascii() && db.get_database_backend() == DbBackend::Postgres {
            continue;
        }
        eventually(SOON, said, async || !is_kept(&app, &db, said).await).await;
    }
    assert_eq!(ada.get(&format!("/api/chat/search?q={}", "nothing%20of")).await.ok()["total"], 1);
    assert_eq!(ada.get(&format!("/api/chat/search?q={}", percent(&KEPT[..12]))).await.ok()["total"], 1);
    db.close().await.unwrap();
    app.server.stop(SOON).await;
    for said in [DELETED, EDITED, ERASED] {
        assert_eq!(with_part_of(&app, said), Vec::<String>::new());
    }
}

fn percent(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
