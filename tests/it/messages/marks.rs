//! Read marks reach their owner everywhere, and whoever was away.

use serde_json::{Value, json};

use crate::support::{App, Event, Person, Room, Socket, int, list};

async fn read(socket: &mut Socket, who: &Person, seq: &Value) -> Value {
    let is_meant = |data: &Value| data["user_id"] == who.id.as_str() && data["last_read_seq"] == *seq;
    socket.expect_that("messages_read", is_meant).await
}

fn reads(heard: &[Event]) -> Vec<&Value> {
    heard.iter().filter(|event| event.name == "messages_read").map(|event| &event.data).collect()
}

fn up_to(room: &Room, message: &Value) -> Value {
    json!({"room_id": room.id, "up_to_seq": message["seq"]})
}

/// Fails on a build that names the messages only where the client named them.
#[tokio::test]
async fn a_mark_by_place_names_the_messages_of_others_that_it_passed() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("room", &[&bob]).await;
    let mut witness = ada.enters(&room).await;
    let reader = bob.enters(&room).await;
    let first = ada.says(&room, "one").await;
    bob.says(&room, "mine").await;
    let taken_back = ada.says(&room, "two").await;
    let last = ada.says(&room, "three").await;
    ada.delete(&format!("/api/chat/messages/{}", taken_back["id"].as_str().unwrap())).await.ok();
    reader.ask("mark_as_read", up_to(&room, &last)).await;
    assert_eq!(read(&mut witness, &bob, &last["seq"]).await["message_ids"], json!([first["id"], last["id"]]));
    let next = ada.says(&room, "four").await;
    bob.post(&room.path("/read"), json!({"up_to_seq": next["seq"]})).await.ok();
    assert_eq!(read(&mut witness, &bob, &next["seq"]).await["message_ids"], json!([next["id"]]), "over REST");

    let mut last = Value::Null;
    let writer = ada.connects().await;
    for number in 0..510 {
        last = writer.ask("send_message", json!({"room_id": room.id, "content": format!("{number}")})).await["message"]
            .clone();
    }
    reader.ask("mark_as_read", up_to(&room, &last)).await;
    let told = read(&mut witness, &bob, &last["seq"]).await;
    let ids = list(&told, "message_ids");
    assert_eq!((ids.len(), &ids[499]), (500, &last["id"]), "the newest");
}

/// Fails on a build that tells nobody where receipts are hidden, or many are members.
#[tokio::test]
async fn ones_own_mark_reaches_ones_own_sockets_and_nobody_elses_where_it_is_hidden() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("room", &[&bob]).await;
    bob.patch("/api/users/me", json!({"shares_receipts": false})).await.ok();
    let mut witness = ada.enters(&room).await;
    let (phone, mut inside, mut away) = (bob.connects().await, bob.hears_everything().await, bob.connects().await);
    let message = ada.says(&room, "read me").await;
    phone.ask("mark_as_read", up_to(&room, &message)).await;
    for socket in [&mut inside, &mut away] {
        let told = read(socket, &bob, &message["seq"]).await;
        assert_eq!(told["message_ids"], json!([message["id"]]));
    }
    assert!(reads(&witness.heard().await).is_empty(), "nobody else is told");
}

#[tokio::test]
async fn ones_own_mark_reaches_ones_own_sockets_in_a_large_room() {
    let app = App::start().await;
    let ([ada, bob], silent) = (app.users(["ada", "bob"]).await, app.silent(200).await);
    let everybody: Vec<&Person> = silent.iter().chain([&bob]).collect();
    let room = ada.opens_a_group("large", &everybody).await;
    let mut witness = ada.enters(&room).await;
    let (phone, mut away) = (bob.connects().await, bob.connects().await);
    let message = ada.says(&room, "read me").await;
    phone.ask("mark_as_read", up_to(&room, &message)).await;
    read(&mut away, &bob, &message["seq"]).await;
    assert!(reads(&witness.heard().await).is_empty(), "nobody else is told in a room of more than 200");
}

/// The marks of one room in an answer to `sync`, by user.
fn marks<'a>(synced: &'a Value, room: &Room) -> impl Iterator<Item = (&'a str, i64)> {
    let rooms = list(synced, "rooms");
    let entry = rooms.iter().find(|entry| entry["room_id"] == room.id.as_str()).expect("an entry of the room");
    list(entry, "read_marks").iter().map(|mark| {
        assert!(mark["read_at"].is_string(), "{mark}");
        (mark["user_id"].as_str().expect("a user"), int(mark, "last_read_seq"))
    })
}

/// Fails on a build where a mark that moved while one was away never comes: on a reconnection, on a room that is joined again,
/// and with `sync`.
#[tokio::test]
async fn marks_that_moved_while_one_was_away_come_once() {
    let app = App::start().await;
    let [ada, bob, cyd] = app.users(["ada", "bob", "cyd"]).await;
    let room = ada.opens_a_group("room", &[&bob, &cyd]).await;
    let first = ada.says(&room, "one").await;
    let last = ada.says(&room, "two").await;
    let elsewhere = ada.on_another_device().await.connects().await;
    let theirs = cyd.says(&room, "three").await;
    // Ada is away by now.
    bob.post(&room.path("/read"), json!({"up_to_seq": first["seq"]})).await.ok();
    bob.post(&room.path("/read"), json!({"up_to_seq": theirs["seq"]})).await.ok();
    elsewhere.ask("mark_as_read", up_to(&room, &theirs)).await;
    for cursor in [&last["seq"], &theirs["seq"]] {
        let mut back = ada.connects_with(json!({"cursors": {&room.id: cursor}})).await;
        let told = read(&mut back, &bob, &theirs["seq"]).await;
        let ids = list(&told, "message_ids");
        assert!(ids.contains(&first["id"]) && ids.contains(&theirs["id"]), "what it passed over: {told}");
        read(&mut back, &ada, &theirs["seq"]).await;
        assert!(reads(&back.heard().await).is_empty(), "once each");

        let mut again = ada.connects().await;
        again.ask("join_room", json!({"room_id": room.id, "after_seq": cursor})).await;
        read(&mut again, &bob, &theirs["seq"]).await;
        let synced = again.ask("sync", json!({"cursors": {&room.id: cursor}})).await;
        let told: Vec<_> = marks(&synced, &room).collect();
        let seq = int(&theirs, "seq");
        assert!(told.contains(&(&bob.id, seq)) && told.contains(&(&ada.id, seq)), "{told:?}");
        assert!(!told.iter().any(|(user, at)| *user == cyd.id && *at >= seq), "who did not read: {told:?}");
    }
    bob.patch("/api/users/me", json!({"shares_receipts": false})).await.ok();
    let mut back = ada.connects_with(json!({"cursors": {&room.id: last["seq"]}})).await;
    read(&mut back, &ada, &theirs["seq"]).await;
    let synced = back.ask("sync", json!({"cursors": {&room.id: last["seq"]}})).await;
    assert!(marks(&synced, &room).all(|(user, _)| user != bob.id), "who shares none");
    let heard = back.heard().await;
    assert!(reads(&heard).iter().all(|read| read["user_id"] != bob.id.as_str()), "{heard:?}");
}
