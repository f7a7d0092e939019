//! Who is there, and who is writing.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{App, Person, SOON, Server, Socket, Transport, eventually, find, list};

/// A node that notices within moments that somebody has gone.
async fn quick() -> App {
    let settings = Server::settings().with("PARLOUR__REALTIME__PRESENCE_GRACE_MS", "400");
    App::with(settings.with("PARLOUR__REALTIME__TYPING_EXPIRY_MS", "600")).await
}

async fn presence(asking: &Socket, of: &Person) -> Value {
    let answer = asking.ask("get_presence", json!({"user_ids": [of.id]})).await;
    find(list(&answer, "users"), "user_id", &of.id).clone()
}

#[tokio::test]
async fn coming_and_going_is_told_to_those_in_the_same_room() {
    let app = quick().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("hall", &[&bob]).await;
    bob.says(&room, "hello").await;
    let mut witness = ada.enters(&room).await;
    assert_eq!(presence(&witness, &bob).await["status"], "offline");
    for transport in [Transport::WebSocket, Transport::Polling] {
        let socket = bob.connects_by(transport, json!({"rooms": "all"})).await;
        let told = witness.expect("user_online").await;
        assert_eq!(told["user_id"], bob.id.as_str(), "{transport:?}");
        let now = presence(&witness, &bob).await;
        assert_eq!((&now["status"], &now["last_seen_at"]), (&json!("online"), &Value::Null), "{transport:?}");
        socket.leave().await;
        let told = witness.expect("user_offline").await;
        assert_eq!(told["user_id"], bob.id.as_str(), "{transport:?}");
        assert!(told["last_seen_at"].is_string(), "{told}");
        let now = presence(&witness, &bob).await;
        assert_eq!((&now["status"], now["last_seen_at"].is_string()), (&json!("offline"), true), "{transport:?}");
    }
}

#[tokio::test]
async fn the_last_device_decides_and_a_short_absence_is_none() {
    let app = quick().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("hall", &[&bob]).await;
    bob.says(&room, "hello").await;
    let mut witness = ada.enters(&room).await;
    let phone = bob.hears_everything().await;
    witness.expect("user_online").await;
    let laptop = bob.hears_everything().await;
    phone.leave().await;
    assert_eq!(presence(&witness, &bob).await["status"], "online", "the laptop is still there");
    drop(laptop);
    let back = bob.hears_everything().await;
    let returned = Instant::now();
    eventually(SOON, "the grace has passed", async || returned.elapsed() > Duration::from_millis(800)).await;
    let heard = witness.heard().await;
    let told: Vec<_> =
        heard.iter().filter(|event| ["user_online", "user_offline"].contains(&event.name.as_str())).collect();
    assert!(told.is_empty(), "nobody went and nobody came: {told:?}");
    drop(back);
    witness.expect("user_offline").await;
}

#[tokio::test]
async fn whoever_shares_no_room_is_not_shown() {
    let app = quick().await;
    let [ada, bob, eve] = app.users(["ada", "bob", "eve"]).await;
    ada.opens_a_group("hall", &[&bob]).await;
    let _online = ada.hears_everything().await;
    let (friend, mut stranger) = (bob.connects().await, eve.hears_everything().await);
    let ask = json!({"user_ids": [ada.id, "0199d1c6-7a4e-7cc3-9d5a-3b1f0f6a2c11"]});
    assert_eq!(list(&friend.ask("get_presence", ask.clone()).await, "users").len(), 1);
    assert!(list(&stranger.ask("get_presence", ask).await, "users").is_empty(), "H5");
    assert!(stranger.heard().await.is_empty(), "H5");
}

#[tokio::test]
async fn one_appears_as_one_chooses() {
    let app = quick().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("hall", &[&bob]).await;
    bob.says(&room, "hello").await;
    let mut witness = ada.enters(&room).await;
    let socket = bob.enters(&room).await;
    for (chosen, shown) in [("away", "away"), ("invisible", "offline"), ("online", "online")] {
        assert_eq!(socket.ask("set_status", json!({"status": chosen})).await, json!({}));
        eventually(SOON, chosen, async || presence(&witness, &bob).await["status"] == shown).await;
    }
    witness.expect("user_offline").await;
    let told = witness.expect("user_online").await;
    assert_eq!(told["user_id"], bob.id.as_str());
}

#[tokio::test]
async fn typing_is_told_to_the_room_and_ended_in_every_way() {
    let app = quick().await;
    let [ada, bob, cyd] = app.users(["ada", "bob", "cyd"]).await;
    let room = ada.opens_a_group("typists", &[&bob]).await;
    let elsewhere = ada.opens_a_group("elsewhere", &[&cyd]).await;
    let mut witness = bob.enters(&room).await;
    let mut outsider = cyd.enters(&elsewhere).await;
    let notice =
        |is_typing: bool| json!({"room_id": room.id, "user_id": ada.id, "user_name": "ada", "is_typing": is_typing});
    for (what, start, end) in [
        (
            "said",
            json!({"room_id": room.id, "is_typing": true}),
            Some(("typing", json!({"room_id": room.id, "is_typing": false}))),
        ),
        ("stopped", json!({"room_id": room.id}), Some(("stop_typing", json!({"room_id": room.id})))),
        ("expired", json!({"room_id": room.id}), None),
    ] {
        let typist = ada.enters(&room).await;
        assert_eq!(typist.ask("typing", start).await, json!({}), "{what}");
        assert_eq!(witness.expect("user_typing").await, notice(true), "{what}");
        if let Some((name, data)) = end {
            assert_eq!(typist.ask(name, data).await, json!({}), "{what}");
        }
        assert_eq!(witness.expect("user_typing").await, notice(false), "{what}");
    }
    let typist = ada.enters(&room).await;
    typist.ask("typing", json!({"room_id": room.id})).await;
    assert_eq!(witness.expect("user_typing").await, notice(true));
    drop(typist);
    assert_eq!(witness.expect("user_typing").await, notice(false), "the socket went");
    assert!(outsider.heard().await.iter().all(|event| event.name != "user_typing"));
}

/// With the time that users get: typing ends by itself within six seconds. Catches a build that leaves it to clients.
/// Seen.
#[tokio::test]
async fn typing_that_is_not_renewed_ends_within_six_seconds() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("typists", &[&bob]).await;
    let mut witness = bob.enters(&room).await;
    let typist = ada.enters(&room).await;
    let begin = Instant::now();
    typist.ask("typing", json!({"room_id": room.id})).await;
    witness.expect("user_typing").await;
    let end = witness.expect("user_typing").await;
    assert_eq!(end["is_typing"], false);
    let lasted = begin.elapsed();
    assert!(lasted > Duration::from_secs(4) && lasted < Duration::from_secs(8), "it lasted {lasted:?}");
}
