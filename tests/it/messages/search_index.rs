//! The index behind search: what it proposes, and in which order it learns.

use sea_orm::{ConnectionTrait, DatabaseConnection, EntityTrait};
use serde_json::json;

use crate::support::{App, SOON, eventually, int, list, machine, text, workload};

/// The index knows nothing of who may read what. Fails on a build that asks it once for as many as it counts: all of those are
/// the newest, and none of them is the newcomer's to read. Seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_are_full_though_most_of_what_fits_is_not_the_askers_to_read() {
    let _share = machine::share().await;
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let (open, late) =
        (ada.opens_a_group("open", &[&bob]).await, ada.opens(json!({"history": "since_joined"}), &[]).await);
    let socket = ada.connects().await;
    let first = ada.says(&open, "a needle before all others").await;
    workload::Writer::new("needle").send(&socket, &open, 50).await;
    let middle = ada.says(&open, "a needle before most others").await;
    // more than twice as many as are counted, and more in all than are compared one by one
    workload::Writer::new("needle").send(&socket, &late, 5_100).await;
    let last = ada.says(&late, "a needle before bob").await;
    ada.post(&late.path("/members"), json!({"user_ids": [bob.id]})).await.ok();
    ada.says(&late, "the needle of all").await;
    let apart = ada.opens_a_group("apart", &[]).await;
    ada.says(&apart, "a needle apart").await;
    ada.sees_indexed(&[&open, &late, &apart]).await;

    let at = |message: &serde_json::Value| text(message, "created_at");
    let narrowed = [
        (String::new(), 53),
        (format!("&before={}", at(&last)), 52),
        (format!("&after={}", at(&first)), 52),
        (format!("&after={}&before={}", at(&first), at(&last)), 51),
        (format!("&before={}", at(&middle)), 51),
        (format!("&room_id={}", open.id), 52),
        (format!("&room_id={}", late.id), 1),
        (format!("&sender_id={}&after={}", ada.id, at(&middle)), 1),
        // times that the index has no numbers for
        ("&before=9999-12-31T23:59:59Z&after=0001-01-01T00:00:00Z".to_owned(), 53),
        ("&after=9999-12-31T23:59:59Z".to_owned(), 0),
        ("&before=0001-01-01T00:00:00Z".to_owned(), 0),
    ];
    // The index is asked in another way for somebody with many rooms.
    for more in [0, 65] {
        for number in 0..more {
            bob.opens_a_group(&format!("room {number}"), &[]).await;
        }
        for (filter, total) in &narrowed {
            let path = |page| format!("/api/chat/search?q=needle&page_size=20&page={page}{filter}");
            let page = bob.get(&path(1)).await.with_status(200);
            let shown = (int(&page, "total"), list(&page, "messages").len());
            assert_eq!(shown, (*total, *total.min(&20) as usize), "{filter}, {more} rooms more");
            let third = bob.get(&path(3)).await.with_status(200);
            assert_eq!(list(&third, "messages").len(), (total - 40).max(0) as usize, "{filter}, {more} rooms more");
            let shown = page.to_string();
            assert!(!shown.contains("before bob") && !shown.contains("apart"), "{filter}, {more} rooms more");
        }
    }
    assert_eq!(int(&ada.get("/api/chat/search?q=needle").await.ok(), "total"), 1_000, "she may read all of them");
}

/// How far each room is indexed, in one look.
async fn reached(db: &DatabaseConnection) -> Vec<(String, i64)> {
    let rows = entity::follower_cursor::Entity::find().all(db).await.unwrap();
    rows.into_iter().map(|row| (row.room_id.to_string(), row.seq.0)).collect()
}

/// Fails on a build that indexes the room with the least id as long as it has something new, seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_with_much_to_index_keeps_no_other_waiting() {
    let _share = machine::share().await;
    let mut app = App::start().await;
    let ada = app.user("ada").await;
    // ids ascend, so this one comes first
    let (busy, quiet) = (ada.opens_a_group("busy", &[]).await, ada.opens_a_group("quiet", &[]).await);
    let socket = ada.connects().await;
    workload::Writer::new("filler").send(&socket, &busy, 3_000).await;
    ada.says(&quiet, "a word").await;
    ada.sees_indexed(&[&busy, &quiet]).await;
    app.server.kill_9();
    let db = app.server.database().await;
    // as if it had read nothing yet
    db.execute_unprepared("DELETE FROM follower_cursors").await.unwrap();
    app.start_again().await;
    let mut busy_then = None;
    eventually(SOON * 3, "the quiet room is indexed", async || {
        let reached = reached(&db).await;
        let of = |id: &str| reached.iter().find(|(room, _)| room == id).map_or(0, |(_, seq)| *seq);
        busy_then = Some(of(&busy.id));
        of(&quiet.id) == 2
    })
    .await;
    assert!(busy_then.is_some_and(|seq| seq < 3_000), "the busy room was indexed before: {busy_then:?}");
    assert_eq!(int(&ada.get("/api/chat/search?q=word").await.ok(), "total"), 1);
}
