//! E-mail addresses are whole for people who share a room, and for nobody else.

use serde_json::{Value, json};

use crate::support::{App, Person, Room, list};

/// Everything that `asking` can ask of `room` now, by the way it is told.
async fn everything(asking: &Person, room: &Room) -> Vec<(&'static str, Value)> {
    let page = asking.get(&room.path("/messages")).await.with_status(200);
    let mut told = vec![
        ("history", json!(asking.history(room).await)),
        ("the log", json!(asking.log_of(room).await)),
        ("rooms", asking.get("/api/chat/rooms").await.with_status(200)),
        ("the room", asking.room(room).await),
    ];
    for message in list(&page, "messages") {
        let path = format!("/api/chat/messages/{}", message["id"].as_str().expect("an id"));
        told.push(("a message", asking.get(&path).await.with_status(200)));
    }
    told.push(("a page", page));
    told
}

/// Catches a build that decides by the message alone whose address is whole: whoever was in a room once would be known to
/// everybody who ever comes there. Fails on a build that masks nobody in what it reads back, seen.
#[tokio::test]
async fn who_was_removed_is_shown_without_their_address() {
    let app = App::start().await;
    let [ada, bob, cyd] = app.users(["ada", "bob", "cyd"]).await;
    let room = ada.opens_a_group("strict", &[&bob, &cyd]).await;
    bob.says(&room, "I was here").await;
    cyd.says(&room, "so was I").await;
    let before = json!(cyd.history(&room).await).to_string();
    assert!(before.contains(&bob.email), "they share the room until then");

    ada.removes(&bob, &room).await;
    for (way, told) in everything(&cyd, &room).await {
        assert!(!told.to_string().contains(&bob.email), "{way} tells the address of who left: {told}");
    }
    let history = cyd.history(&room).await;
    assert_eq!(history[0]["sender"]["email"], "b***@example.com");

    // and whoever comes later
    let dan = app.user("dan").await;
    ada.post(&room.path("/members"), json!({"user_ids": [dan.id]})).await.ok();
    for (way, told) in everything(&dan, &room).await {
        assert!(!told.to_string().contains(&bob.email), "{way} tells a stranger's address: {told}");
    }
}

/// The same for what a room remembers of late. Catches a build that replays entries as they were told while the sender was
/// there; fails on a build that forgets what it remembers at edits and deletions only, seen.
#[tokio::test]
async fn a_replay_shows_who_was_removed_without_their_address() {
    let app = App::start().await;
    let [ada, bob, cyd, dan] = app.users(["ada", "bob", "cyd", "dan"]).await;
    let room = ada.opens_a_group("strict", &[&bob, &cyd]).await;
    // keeps the room open, and its recent entries remembered
    let mut keeper = ada.enters(&room).await;
    let cursor = ada.last_seq(&room).await;
    bob.says(&room, "I was here").await;
    ada.removes(&bob, &room).await;
    ada.post(&room.path("/members"), json!({"user_ids": [dan.id]})).await.ok();
    keeper.expect("member_added").await;
    for person in [&cyd, &dan] {
        let mut back = person.connects_with(json!({"cursors": {&room.id: cursor}})).await;
        let replayed = back.heard().await;
        let message = replayed.iter().find(|event| event.name == "new_message").expect("it is replayed");
        assert_eq!(message.data["message"]["sender"]["email"], "b***@example.com", "told to {}", person.name);
    }
}
