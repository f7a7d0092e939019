//! Slow mode: members wait between two messages.

use serde_json::json;

use crate::support::{App, SOON, eventually, int};

#[tokio::test]
async fn members_wait_and_owners_do_not() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens(json!({"slow_mode_seconds": 60}), &[&bob]).await;
    let socket = bob.connects().await;
    let body = |content: &str, id: &str| json!({"room_id": room.id, "content": content, "client_msg_id": id});
    // emitted without waiting, so that both are decided together
    let first = socket.emit_with_ack("send_message", body("one", "1"));
    let second = socket.emit_with_ack("send_message", body("two", "2"));
    first.ok().await;
    let error = second.refused("RATE_LIMITED").await;
    assert!((1..=60_000).contains(&int(&error, "retry_after_ms")), "{error}");
    let limited = bob.tries_to_say(&room, "three").await;
    limited.refused("RATE_LIMITED");
    assert!(limited.header("retry-after").is_some());
    assert_eq!(socket.ask("send_message", body("one", "1")).await["duplicate"], true, "a repeat is no new message");
    for _ in 0..3 {
        ada.says(&room, "owners go on").await;
    }
    assert_eq!(ada.history(&room).await.len(), 4);
    let quick = ada.opens_a_group("another", &[&bob]).await;
    bob.says(&quick, "elsewhere").await;
    ada.patch(&room.path(""), json!({"slow_mode_seconds": 0})).await.ok();
    bob.says(&room, "at last").await;
    for wrong in [json!(-1), json!(21_601), json!("slow")] {
        ada.patch(&room.path(""), json!({"slow_mode_seconds": wrong})).await.refused("VALIDATION_ERROR");
    }
}

#[tokio::test]
async fn the_wait_ends() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens(json!({"slow_mode_seconds": 1}), &[&bob]).await;
    bob.says(&room, "one").await;
    eventually(SOON, "the next message is taken", async || bob.tries_to_say(&room, "two").await.status == 201).await;
}
