//! What was deleted or rewritten is shown to nobody who comes later, by whichever way they catch up.

use serde_json::{Value, json};

use crate::support::{App, Person, Room, Socket, int, list, text};

const OLD: &str = "the-words-that-were-taken-back";

/// A room that a third person keeps open, with a message, a reply to it and the last word, which is what everything is about.
struct Scene {
    app: App,
    ada: Person,
    bob: Person,
    room: Room,
    /// Where bob's cursor stands: before all of it.
    before: i64,
    first: Value,
    last: Value,
    reply_body: Value,
    _keeper: Socket,
}

impl Scene {
    async fn set() -> Self {
        let app = App::start().await;
        let [ada, bob, cyd] = app.users(["ada", "bob", "cyd"]).await;
        let room = ada.opens_a_group("regrets", &[&bob, &cyd]).await;
        let mut keeper = cyd.enters(&room).await;
        let before = ada.last_seq(&room).await;
        let first = ada.post("/api/chat/messages", Self::body(&room, "first")).await.with_status(201);
        let mut reply_body = json!({"room_id": room.id, "content": "really?", "client_msg_id": "reply"});
        reply_body["reply_to_id"] = first["id"].clone();
        let reply = bob.post("/api/chat/messages", reply_body.clone()).await.with_status(201);
        assert_eq!(reply["reply_to"]["content"], OLD);
        let last = ada.post("/api/chat/messages", Self::body(&room, "last")).await.with_status(201);
        keeper.expect_that("new_message", |data| data["message"]["id"] == last["id"]).await;
        Self { app, ada, bob, room, before, first, last, reply_body, _keeper: keeper }
    }

    fn body(room: &Room, client_msg_id: &str) -> Value {
        json!({"room_id": room.id, "content": OLD, "client_msg_id": client_msg_id})
    }

    fn path(message: &Value) -> String {
        format!("/api/chat/messages/{}", text(message, "id"))
    }

    /// Everything somebody can be told of the room now, by the way it is told.
    async fn everything(&self) -> Vec<(&'static str, Value)> {
        let Self { ada, bob, room, before, .. } = self;
        let events = |events: Vec<crate::support::Event>| -> Value {
            events.into_iter().map(|event| json!([event.name, event.data])).collect()
        };
        let mut told = Vec::new();
        // first of all, while the room's task remembers
        let mut back = bob.connects_with(json!({"cursors": {&room.id: before}})).await;
        told.push(("a connection with a cursor", events(back.heard().await)));
        let mut joining = bob.connects().await;
        joining.ask("join_room", json!({"room_id": room.id, "after_seq": before})).await;
        told.push(("a join with a cursor", events(joining.heard().await)));
        told.push(("sync", joining.ask("sync", json!({"cursors": {&room.id: before}})).await));
        told.push(("sync without a cursor", joining.ask("sync", json!({"cursors": {}})).await));
        for rest in ["/messages", "/messages?after_seq=0", "/messages?around_seq=3", ""] {
            told.push(("a page", bob.get(&room.path(rest)).await.with_status(200)));
        }
        for message in [&self.first, &self.last] {
            told.push(("the message", bob.get(&Self::path(message)).await.with_status(200)));
        }
        told.push(("rooms", bob.get("/api/chat/rooms").await.with_status(200)));
        told.push(("contacts", bob.get("/api/users").await.with_status(200)));
        let by_socket = ada.connects().await;
        for key in ["first", "last"] {
            let repeat = Self::body(room, key);
            told.push(("a repeat", ada.post("/api/chat/messages", repeat.clone()).await.with_status(200)));
            let answer = by_socket.ask("send_message", repeat).await;
            assert_eq!(answer["duplicate"], true);
            told.push(("a repeat by socket", answer));
        }
        told.push(("a repeated reply", bob.post("/api/chat/messages", self.reply_body.clone()).await.with_status(200)));
        told
    }

    async fn nothing_old(&self) {
        for (way, told) in self.everything().await {
            assert!(!told.to_string().contains(OLD), "{way} tells what was taken back: {told}");
        }
    }

    /// The messages in what a connection with a cursor replays.
    async fn replayed(&self) -> Vec<Value> {
        let mut back = self.bob.connects_with(json!({"cursors": {&self.room.id: self.before}})).await;
        let heard = back.heard().await;
        heard.iter().filter(|event| event.name == "new_message").map(|event| event.data["message"].clone()).collect()
    }
}

/// Catches a build whose room replays what it remembers as it was told at first, and one whose answer to a repeat is the
/// one it gave before. Fails on a build that keeps what it remembers at a deletion, seen.
#[tokio::test]
async fn a_deleted_message_is_replayed_without_its_text() {
    let scene = Scene::set().await;
    assert!(scene.replayed().await[0]["content"] == OLD, "until then it is told");
    scene.ada.delete(&Scene::path(&scene.first)).await.ok();
    let by_socket = scene.ada.connects().await;
    by_socket.ask("delete_message", json!({"message_id": scene.last["id"]})).await;
    scene.nothing_old().await;
    let replayed = scene.replayed().await;
    assert_eq!(replayed.len(), 3, "a deleted message keeps its place: {replayed:?}");
    assert_eq!((&replayed[0]["is_deleted"], &replayed[0]["content"]), (&json!(true), &Value::Null));
    assert_eq!(replayed[1]["reply_to"]["is_deleted"], true);

    // and what is said after it, while the room remembers both
    let later = json!({"room_id": scene.room.id, "content": "let us forget it"});
    scene.bob.post("/api/chat/messages", later).await.with_status(201);
    scene.nothing_old().await;
    drop(scene.app);
}

/// The same for an edit: the old text is in no replay, in no preview above a reply and in no answer to a repeat.
/// Fails on a build that keeps what it remembers at an edit, seen.
#[tokio::test]
async fn an_edited_message_is_replayed_with_its_new_text_only() {
    let scene = Scene::set().await;
    scene.ada.patch(&Scene::path(&scene.first), json!({"content": "better words"})).await.with_status(200);
    let by_socket = scene.ada.connects().await;
    by_socket.ask("edit_message", json!({"message_id": scene.last["id"], "content": "better words too"})).await;
    scene.nothing_old().await;
    let replayed = scene.replayed().await;
    let contents: Vec<&Value> = replayed.iter().map(|message| &message["content"]).collect();
    assert_eq!(contents, ["better words", "really?", "better words too"]);
    assert_eq!(replayed[1]["reply_to"]["content"], "better words");
    assert_eq!(int(&replayed[0], "seq"), scene.before + 1);
    let rooms = scene.bob.get("/api/chat/rooms").await.with_status(200);
    assert_eq!(list(&rooms, "rooms")[0]["last_message"]["content"], "better words too");
}

/// Activity shows the last message as it is. Catches a build that keeps the last message of each room in memory.
#[tokio::test]
async fn activity_does_not_show_a_deleted_last_message() {
    let scene = Scene::set().await;
    scene.ada.delete(&Scene::path(&scene.last)).await.ok();
    scene.ada.delete(&Scene::path(&scene.first)).await.ok();
    let mut away = scene.bob.connects().await;
    away.heard().await;
    let mut body = Scene::body(&scene.room, "reply to what is left");
    body["content"] = json!("so");
    scene.ada.post("/api/chat/messages", body).await.with_status(201);
    let activity = away.expect("room_activity").await;
    assert_eq!(activity["last_message"]["content"], "so");
    assert!(!activity.to_string().contains(OLD), "{activity}");
}
