//! Typing ends with what ends it, not some seconds later.

use std::time::Instant;

use serde_json::{Value, json};

use crate::support::{App, Person, Room, Server, Socket, server::Settings};

/// Whether the next notice of somebody's typing says that they write.
async fn is_typing(witness: &mut Socket, who: &Person) -> Value {
    witness.expect_that("user_typing", |data| data["user_id"] == who.id.as_str()).await["is_typing"].clone()
}

/// A writer and a witness in a room where typing would last for a minute.
async fn two() -> (App, Person, Person, Room) {
    two_with(Server::settings()).await
}

async fn two_with(settings: Settings) -> (App, Person, Person, Room) {
    let app = App::with(settings.with("PARLOUR__REALTIME__TYPING_EXPIRY_MS", "60000")).await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("typists", &[&bob]).await;
    (app, ada, bob, room)
}

/// Fails on a build that leaves the end to the writer, who sends instead. On one device they write, from another they send, or
/// over REST.
#[tokio::test]
async fn a_message_ends_its_senders_typing_wherever_it_was_sent() {
    let (_app, ada, bob, _) = two().await;
    let laptop = ada.on_another_device().await.connects().await;
    for way in ["the same socket", "another device", "REST"] {
        let room = ada.opens_a_group(way, &[&bob]).await;
        let (mut witness, phone) = (bob.enters(&room).await, ada.enters(&room).await);
        phone.ask("typing", json!({"room_id": room.id})).await;
        assert_eq!(is_typing(&mut witness, &ada).await, true, "{way}");
        let message = json!({"room_id": room.id, "content": way});
        match way {
            "the same socket" => drop(phone.ask("send_message", message).await),
            "another device" => drop(laptop.ask("send_message", message).await),
            _ => drop(ada.says(&room, way).await),
        }
        let heard = loop {
            let event = witness.next().await;
            if ["user_typing", "new_message"].contains(&event.name.as_str()) {
                break event;
            }
        };
        assert_eq!((heard.name.as_str(), &heard.data["is_typing"]), ("user_typing", &json!(false)), "{way}: {heard:?}");
        witness.expect_that("new_message", |data| data["message"]["content"] == way).await;
    }
}

/// What takes the right to write, or the room, ends typing too.
#[tokio::test]
async fn who_may_write_no_longer_writes_no_longer() {
    let (_app, ada, bob, _) = two().await;
    let far_future = "2100-01-01T00:00:00Z";
    for way in ["leave_room", "viewer", "muted", "removed", "left", "logout"] {
        let room = bob.opens_a_group(way, &[&ada]).await;
        let mut witness = bob.enters(&room).await;
        let writer = ada.on_another_device().await;
        let socket = writer.enters(&room).await;
        socket.ask("typing", json!({"room_id": room.id})).await;
        assert_eq!(is_typing(&mut witness, &ada).await, true, "{way}");
        let place = room.path(&format!("/members/{}", ada.id));
        match way {
            "leave_room" => drop(socket.ask("leave_room", json!({"room_id": room.id})).await),
            "viewer" => bob.makes(&ada, "viewer", &room).await,
            "muted" => drop(bob.patch(&place, json!({"muted_until": far_future})).await.ok()),
            "removed" => bob.removes(&ada, &room).await,
            "left" => drop(ada.post(&room.path("/leave"), json!({})).await.ok()),
            _ => drop(writer.post("/api/auth/logout", json!({})).await.ok()),
        }
        assert_eq!(is_typing(&mut witness, &ada).await, false, "{way}");
    }
}

/// Fails on a build that tells nobody of somebody who writes on after a message, and on one that tells it at once every time.
#[tokio::test]
async fn who_writes_on_after_a_message_is_seen_to_and_no_more_often_than_may_be() {
    let (_app, ada, bob, room) = two_with(Server::settings().with_limits()).await;
    let mut witness = bob.enters(&room).await;
    let writer = ada.enters(&room).await;
    let begin = Instant::now();
    for number in 0..10 {
        writer.ask("typing", json!({"room_id": room.id})).await;
        writer.ask("send_message", json!({"room_id": room.id, "content": format!("{number}")})).await;
    }
    // A message ends what its sender was writing when it is told, which is after its ack.
    witness.expect_that("new_message", |data| data["message"]["content"] == "9").await;
    writer.ask("typing", json!({"room_id": room.id})).await;
    let begun = witness.expect_that("user_typing", |data| data["is_typing"] == true).await;
    assert_eq!(begun["user_name"], "ada");
    witness.expect_that("user_typing", |data| data["is_typing"] == false).await;
    assert_eq!(is_typing(&mut witness, &ada).await, true, "what they write after the last message");
    let more: Vec<_> = witness.heard().await.into_iter().filter(|event| event.name == "user_typing").collect();
    // Three were heard before; each that says they write may be followed by one that a message ended it.
    let most = 2 * (begin.elapsed().as_secs() / 2 + 1);
    assert!(3 + more.len() as u64 <= most, "one notice in two seconds: {more:?}");
}

/// Fails on a build in which typing belongs to the socket that began it, whichever goes on.
#[tokio::test]
async fn who_writes_on_by_another_socket_writes_on_when_the_first_leaves() {
    let (_app, ada, bob, room) = two_with(Server::settings().with_limits()).await;
    let mut witness = bob.enters(&room).await;
    let (first, second) = (ada.enters(&room).await, ada.enters(&room).await);
    let here = json!({"room_id": room.id});
    first.ask("typing", here.clone()).await;
    second.ask("typing", here.clone()).await;
    assert_eq!(is_typing(&mut witness, &ada).await, true);
    first.ask("leave_room", here.clone()).await;
    let heard = witness.heard().await;
    assert!(heard.iter().all(|event| event.name != "user_typing"), "they write on: {heard:?}");
    second.ask("leave_room", here).await;
    assert_eq!(is_typing(&mut witness, &ada).await, false);
}

/// Fails on a build that shows typing only to those who were there when it began.
#[tokio::test]
async fn who_joins_sees_who_is_writing() {
    let (_app, ada, bob, room) = two().await;
    let writer = ada.enters(&room).await;
    writer.ask("typing", json!({"room_id": room.id})).await;
    let mut late = bob.enters(&room).await;
    assert_eq!(is_typing(&mut late, &ada).await, true);
    let mut back = bob.connects_with(json!({"cursors": {&room.id: 0}})).await;
    assert_eq!(is_typing(&mut back, &ada).await, true);
    let own = ada.enters(&room).await.heard().await;
    assert!(own.iter().all(|event| event.name != "user_typing"), "nobody is told of themselves: {own:?}");
}
