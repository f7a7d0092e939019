//! Rooms whose newcomers read only what was said since they joined.

use serde_json::{Value, json};

use crate::support::{App, Person, Room, int, list, text};

struct Scene {
    ada: Person,
    bob: Person,
    room: Room,
    /// Said before Bob came.
    old: Value,
    /// Said after.
    new: Value,
}

/// A room that Bob joined in the middle.
async fn scene(app: &App, history: &str) -> Scene {
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens(json!({"history": history}), &[]).await;
    let old = ada.says(&room, "before bob").await;
    ada.put(&format!("/api/chat/messages/{}/pin", text(&old, "id")), json!({})).await.ok();
    ada.post(&room.path("/members"), json!({"user_ids": [bob.id]})).await.ok();
    let body = json!({"room_id": room.id, "content": "with bob", "reply_to_id": old["id"]});
    let new = ada.post("/api/chat/messages", body).await.with_status(201);
    Scene { ada, bob, room, old, new }
}

fn path(message: &Value, rest: &str) -> String {
    format!("/api/chat/messages/{}{rest}", text(message, "id"))
}

fn contents(page: &Value) -> Vec<String> {
    list(page, "messages").iter().map(|message| text(message, "content")).collect()
}

#[tokio::test]
async fn a_newcomer_finds_nothing_from_before_over_rest() {
    let app = App::start().await;
    let Scene { ada, bob, room, old, new } = scene(&app, "since_joined").await;
    for query in ["", "?after_seq=0", "?before_seq=1000", "?around_seq=3", "?page_size=100"] {
        let page = bob.get(&room.path(&format!("/messages{query}"))).await.with_status(200);
        assert_eq!(contents(&page), ["with bob"], "{query}");
        assert!(!page.to_string().contains("before bob"), "{query}: {page}");
    }
    assert_eq!(int(&bob.get(&room.path("/messages")).await.with_status(200), "total"), 1);
    for rest in ["", "/replies", "/receipts"] {
        bob.get(&path(&old, rest)).await.refused("MESSAGE_NOT_FOUND");
    }
    bob.post(&path(&old, "/reactions"), json!({"emoji": "👍"})).await.refused("MESSAGE_NOT_FOUND");
    assert_eq!(int(&bob.get(&room.path("/pins")).await.with_status(200), "total"), 0);
    bob.post(&room.path("/read"), json!({"message_ids": [old["id"]]})).await.refused("INVALID_REFERENCE");
    for key in ["reply_to_id", "forwarded_from_id"] {
        let mut body = json!({"room_id": room.id, "content": "what was that?"});
        body[key] = old["id"].clone();
        bob.post("/api/chat/messages", body).await.refused("INVALID_REFERENCE");
    }
    let listed = bob.get("/api/chat/rooms").await.with_status(200);
    assert!(!listed.to_string().contains("before bob"), "the last message replies to an older one: {listed}");
    assert!(bob.get(&path(&new, "")).await.with_status(200).get("reply_to").is_none());
    assert_eq!(int(&bob.get("/api/chat/search?q=before").await.with_status(200), "total"), 0);

    assert_eq!(ada.history(&room).await.len(), 2);
    assert_eq!(ada.get(&path(&new, "")).await.with_status(200)["reply_to"]["content"], "before bob");
}

#[tokio::test]
async fn a_newcomer_hears_nothing_from_before_over_the_socket() {
    let app = App::start().await;
    let Scene { ada, bob, room, old, .. } = scene(&app, "since_joined").await;
    let synced = bob.log_of(&room).await;
    assert_eq!(synced[0]["event"], "member_added", "the log begins with their own joining: {synced:?}");
    assert!(!json!(synced).to_string().contains("before bob"));

    let mut joined = bob.connects().await;
    joined.ask("join_room", json!({"room_id": room.id, "after_seq": 0})).await;
    let mut back = bob.connects_with(json!({"cursors": {&room.id: 0}})).await;
    back.expect("room_joined").await;
    let mut adas = ada.enters(&room).await;
    ada.patch(&path(&old, ""), json!({"content": "before bob, edited"})).await.ok();
    let body = json!({"room_id": room.id, "content": "again", "reply_to_id": old["id"]});
    ada.post("/api/chat/messages", body).await.with_status(201);

    assert_eq!(adas.expect("message_edited").await["content"], "before bob, edited");
    let again = |data: &Value| data["message"]["content"] == "again";
    let whole = adas.expect_that("new_message", again).await;
    assert_eq!(whole["message"]["reply_to"]["content"], "before bob, edited");
    for socket in [&mut joined, &mut back] {
        let edited = socket.expect("message_edited").await;
        assert_eq!(edited["message_id"], old["id"], "it takes its place in the log");
        assert_eq!((&edited["content"], &edited["message"]["content"]), (&Value::Null, &Value::Null));
        let reply = socket.expect_that("new_message", again).await;
        assert!(reply["message"].get("reply_to").is_none());
        for event in socket.heard().await {
            assert!(!event.data.to_string().contains("before bob"), "{event:?}");
        }
    }
    let replayed = json!(bob.log_of(&room).await).to_string();
    assert!(!replayed.contains("before bob"), "{replayed}");
}

#[tokio::test]
async fn where_all_is_open_a_newcomer_reads_everything() {
    let app = App::start().await;
    let Scene { bob, room, old, new, .. } = scene(&app, "all").await;
    assert_eq!(bob.history(&room).await.len(), 2);
    assert_eq!(bob.get(&path(&new, "")).await.with_status(200)["reply_to"]["content"], "before bob");
    bob.get(&path(&old, "")).await.with_status(200);
    assert_eq!(int(&bob.get(&room.path("/pins")).await.with_status(200), "total"), 1);
    assert!(json!(bob.log_of(&room).await).to_string().contains("before bob"));
}

#[tokio::test]
async fn the_rule_may_change_and_who_comes_back_is_a_newcomer() {
    let app = App::start().await;
    let Scene { ada, bob, room, old, .. } = scene(&app, "all").await;
    let mut bobs = bob.enters(&room).await;
    ada.patch(&room.path(""), json!({"history": "since_joined"})).await.ok();
    assert_eq!(bobs.expect("room_updated").await["room"]["history"], "since_joined");
    ada.patch(&path(&old, ""), json!({"content": "before bob, edited"})).await.ok();
    assert_eq!(bobs.expect("message_edited").await["content"], Value::Null, "an open socket follows the rule");
    assert_eq!(contents(&bob.get(&room.path("/messages")).await.ok()), ["with bob"]);

    bob.post(&room.path("/leave"), json!({})).await.ok();
    ada.says(&room, "without bob").await;
    ada.post(&room.path("/members"), json!({"user_ids": [bob.id]})).await.ok();
    assert!(contents(&bob.get(&room.path("/messages")).await.ok()).is_empty());
    ada.patch(&room.path(""), json!({"history": "all"})).await.ok();
    assert_eq!(bob.history(&room).await.len(), 3);
    ada.patch(&room.path(""), json!({"history": "some"})).await.refused("VALIDATION_ERROR");
}
