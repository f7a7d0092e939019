//! A client that asks and does not read the answers.

use std::time::Duration;

use serde_json::json;

use crate::support::{App, Server, machine};

/// Far less than the stall limit of this test, far more than the answers take.
const CUT: Duration = Duration::from_secs(30);

/// G9 for answers. Catches a build that counts packets only: here each is 1 MiB, and the limit in packets is out of reach.
/// Seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_not_read_cost_bounded_memory() {
    let _share = machine::share().await;
    let settings = Server::settings()
        .with("PARLOUR__REALTIME__BUFFER_BYTES", "4194304")
        .with("PARLOUR__REALTIME__STALL_TIMEOUT_MS", "600000")
        .with("PARLOUR__REALTIME__PRESENCE_GRACE_MS", "100");
    let app = App::with(settings).await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("long", &[&bob]).await;
    bob.says(&room, "hello").await;
    let writer = ada.enters(&room).await;
    let content = "x".repeat(4_000);
    let said: Vec<_> = (0..300)
        .map(|_| writer.emit_with_ack("send_message", json!({"room_id": room.id, "content": content})))
        .collect();
    for ack in said {
        ack.ok().await;
    }

    let mut witness = ada.enters(&room).await;
    let greedy = bob.connects().await;
    witness.expect_that("user_online", |event| event["user_id"] == bob.id.as_str()).await;
    let before_kib = app.server.rss_kib();
    greedy.stop_reading();
    for _ in 0..20 {
        greedy.emit("sync", json!({"cursors": {&room.id: 0}, "limit": 1_000}));
    }
    // The emits ask for no ack, and get none; these do.
    let _unread: Vec<_> =
        (0..200).map(|_| greedy.emit_with_ack("sync", json!({"cursors": {&room.id: 0}, "limit": 1_000}))).collect();
    let offline = witness.expect_within(CUT, "user_offline").await;
    assert_eq!(offline["user_id"], bob.id.as_str(), "the greedy client is gone");
    let grown_kib = app.server.rss_kib().saturating_sub(before_kib);
    assert!(grown_kib < 64 * 1024, "the node grew by {grown_kib} KiB for one client");
}
