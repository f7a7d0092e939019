//! Missed events are one budget, however they are asked for: by cursors at connection, by `sync`, by joining with a cursor.

use serde_json::json;

use crate::support::{App, Server, int, list, workload};

/// Messages in the room, of a budget of a thousand.
const MESSAGES: u64 = 800;

/// Catches a build that charges cursors at connection nothing, one that refuses the connection instead, one that charges `sync`
/// what it asked for and did not get, and one that keeps a refused question from costing nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missed_events_are_one_budget() {
    let mut app = App::with(Server::settings().with("PARLOUR__LIMITS__MISSED_EVENTS_PER_MINUTE", "1000")).await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("long", &[&bob]).await;
    let start = ada.last_seq(&room).await;
    let writer = ada.connects().await;
    workload::Writer::new("ada").send(&writer, &room, MESSAGES).await;
    let end = ada.last_seq(&room).await;
    drop(writer);
    app.limit().await;

    let cursors = json!({"cursors": {&room.id: start}});
    let mut first = bob.connects_with(cursors.clone()).await;
    first.expect("room_joined").await;
    let replayed = first.heard().await.iter().filter(|event| event.name == "new_message").count();
    assert_eq!(replayed as u64, MESSAGES, "all of it, the first time");

    // What is left is less than that, whoever asks.
    let mut second = bob.connects_with(cursors.clone()).await;
    let told = second.expect("resync_required").await;
    assert_eq!((&told["room_id"], &told["last_seq"]), (&json!(room.id), &json!(end)));
    second.expect("room_joined").await;
    assert!(second.heard().await.iter().all(|event| event.name != "new_message"));
    let refused =
        second.ask_in_vain("sync", json!({"cursors": {&room.id: start}, "limit": 1_000}), "RATE_LIMITED").await;
    assert!((1..=60_000).contains(&int(&refused, "retry_after_ms")), "{refused}");
    let after = json!({"room_id": room.id, "after_seq": start});
    bob.connects().await.ask_in_vain("join_room", after, "RATE_LIMITED").await;

    // A question is charged with what it can have at the most, and gets back what it had not.
    for _ in 0..20 {
        let page = second.ask("sync", json!({"cursors": {&room.id: end - 5}, "limit": 100})).await;
        assert_eq!(list(&list(&page, "rooms")[0], "events").len(), 5);
    }
    // Live it goes on, and others have what is theirs.
    ada.says(&room, "still live").await;
    second.expect("new_message").await;
    let theirs = ada.connects().await.ask("sync", json!({"cursors": {&room.id: start}, "limit": 1_000})).await;
    assert_eq!(list(&list(&theirs, "rooms")[0], "events").len() as u64, MESSAGES + 1);
}
