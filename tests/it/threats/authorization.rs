//! What is not yours: section C of the threat table.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    App, Person, Reply, Room, Socket, Transport, find, list, outcome_of, rest::status_of, text, workload,
};

/// Well-formed, and nobody's.
const NOBODYS: &str = "0199d1c6-7a4e-7cc3-9d5a-3b1f0f6a2c11";

/// A room of ada and bob with a message of hers in it; eve is a stranger with a room of her own.
struct Scene {
    app: App,
    ada: Person,
    bob: Person,
    eve: Person,
    room: Room,
    message: Value,
}

async fn scene() -> Scene {
    let app = App::start().await;
    let [ada, bob, eve] = app.users(["ada", "bob", "eve"]).await;
    let room = ada.opens_a_group("private", &[&bob]).await;
    let message = ada.says(&room, "between us").await;
    Scene { app, ada, bob, eve, room, message }
}

/// The body without what differs between any two answers.
fn same_but_for_the_moment(reply: &Reply) -> Value {
    let mut body = reply.json();
    body["timestamp"] = Value::Null;
    body["request_id"] = Value::Null;
    body
}

#[tokio::test]
async fn a_foreign_room_looks_like_one_that_does_not_exist() {
    let Scene { app: _app, eve, room, message, ada, .. } = scene().await;
    let message = text(&message, "id");
    let rows = [
        (Method::GET, format!("/api/chat/rooms/{}", room.id), json!({}), "ROOM_NOT_FOUND"),
        (Method::PATCH, format!("/api/chat/rooms/{}", room.id), json!({"name": "mine"}), "ROOM_NOT_FOUND"),
        (Method::PUT, format!("/api/chat/rooms/{}", room.id), json!({"name": "mine"}), "ROOM_NOT_FOUND"),
        (Method::DELETE, format!("/api/chat/rooms/{}", room.id), json!({}), "ROOM_NOT_FOUND"),
        (Method::GET, format!("/api/chat/rooms/{}/members", room.id), json!({}), "ROOM_NOT_FOUND"),
        (Method::POST, format!("/api/chat/rooms/{}/members", room.id), json!({"user_ids": [eve.id]}), "ROOM_NOT_FOUND"),
        (
            Method::PATCH,
            format!("/api/chat/rooms/{}/members/{}", room.id, ada.id),
            json!({"role": "viewer"}),
            "ROOM_NOT_FOUND",
        ),
        (Method::DELETE, format!("/api/chat/rooms/{}/members/{}", room.id, ada.id), json!({}), "ROOM_NOT_FOUND"),
        (Method::POST, format!("/api/chat/rooms/{}/leave", room.id), json!({}), "ROOM_NOT_FOUND"),
        (Method::GET, format!("/api/chat/rooms/{}/messages", room.id), json!({}), "ROOM_NOT_FOUND"),
        (Method::POST, format!("/api/chat/rooms/{}/read", room.id), json!({"up_to_seq": 1}), "ROOM_NOT_FOUND"),
        (Method::GET, format!("/api/chat/messages/{message}"), json!({}), "MESSAGE_NOT_FOUND"),
        (Method::PATCH, format!("/api/chat/messages/{message}"), json!({"content": "mine"}), "MESSAGE_NOT_FOUND"),
        (Method::PUT, format!("/api/chat/messages/{message}"), json!({"content": "mine"}), "MESSAGE_NOT_FOUND"),
        (Method::DELETE, format!("/api/chat/messages/{message}"), json!({}), "MESSAGE_NOT_FOUND"),
    ];
    for (method, path, body, code) in rows {
        let absent = path.replace(&room.id, NOBODYS).replace(&message, NOBODYS);
        let foreign = eve.request(method.clone(), &path).json(&body).send().await;
        foreign.refused(code);
        let unknown = eve.request(method, &absent).json(&body).send().await;
        assert_eq!(same_but_for_the_moment(&foreign), same_but_for_the_moment(&unknown), "C1: {foreign} {unknown}");
    }
    let body = json!({"room_id": room.id, "message_type": "text", "content": "let me in"});
    eve.post("/api/chat/messages", body).await.refused("ROOM_NOT_FOUND");
    assert_eq!(ada.history(&room).await.len(), 1, "C3: nothing was stored");
}

#[tokio::test]
async fn a_stranger_with_a_socket_gets_nothing_in_and_hears_nothing() {
    for transport in [Transport::WebSocket, Transport::Polling] {
        let Scene { app: _app, ada, bob, eve, room, message } = scene().await;
        let auth = json!({"rooms": "all", "cursors": {&room.id: 0}});
        let mut socket = eve.connects_by(transport, auth).await;
        let mut witness = bob.enters(&room).await;
        let rows = [
            ("join_room", json!({"room_id": room.id}), "ROOM_NOT_FOUND"),
            ("join_room", json!({"room_id": room.id, "after_seq": 0}), "ROOM_NOT_FOUND"),
            ("join_room", json!({"room_id": NOBODYS}), "ROOM_NOT_FOUND"),
            ("send_message", workload::message(&room, "in"), "ROOM_NOT_FOUND"),
            ("send_message", json!({"room_id": room.id, "message_id": message["id"]}), "ROOM_NOT_FOUND"),
            ("typing", json!({"room_id": room.id}), "ROOM_NOT_FOUND"),
            ("stop_typing", json!({"room_id": room.id}), "ROOM_NOT_FOUND"),
            ("mark_as_read", json!({"room_id": room.id, "up_to_seq": 1}), "ROOM_NOT_FOUND"),
            ("mark_as_read", json!({"room_id": room.id, "message_ids": [message["id"]]}), "ROOM_NOT_FOUND"),
            ("edit_message", json!({"message_id": message["id"], "content": "mine"}), "MESSAGE_NOT_FOUND"),
            ("message_edited", json!({"message_id": message["id"], "content": "mine"}), "MESSAGE_NOT_FOUND"),
            ("delete_message", json!({"message_id": message["id"]}), "MESSAGE_NOT_FOUND"),
            ("message_deleted", json!({"message_id": message["id"]}), "MESSAGE_NOT_FOUND"),
        ];
        for (name, data, code) in rows {
            socket.ask_in_vain(name, data, code).await;
        }
        let synced = socket.ask("sync", json!({"cursors": {&room.id: 0}})).await;
        assert_eq!(synced, json!({"rooms": [], "joined": [], "left": [room.id]}), "C2");

        ada.says(&room, "the first thing the witness hears").await;
        let heard = witness.expect("new_message").await;
        assert_eq!(heard["message"]["content"], "the first thing the witness hears", "C3: 0 rows, 0 broadcasts");
        let noise: Vec<_> =
            witness.heard().await.into_iter().filter(|event| event.data["user_id"] == eve.id.as_str()).collect();
        assert!(noise.is_empty(), "C3: {noise:?}");
        // `room_left` answers the cursor: the room is not, or no longer, one's own
        let leaked: Vec<_> = socket.heard().await.into_iter().filter(|event| event.name != "room_left").collect();
        assert!(leaked.is_empty(), "C2: {leaked:?}");
    }
}

#[tokio::test]
async fn anothers_message_is_neither_edited_nor_deleted_by_a_member() {
    let Scene { app: _app, ada, bob, room, message, .. } = scene().await;
    let path = format!("/api/chat/messages/{}", text(&message, "id"));
    bob.patch(&path, json!({"content": "she said no such thing"})).await.refused("PERMISSION_DENIED");
    bob.delete(&path).await.refused("PERMISSION_DENIED");
    let mut witness = ada.enters(&room).await;
    let socket = bob.enters(&room).await;
    for name in ["edit_message", "message_edited", "delete_message", "message_deleted"] {
        let data = json!({"message_id": message["id"], "content": "she said no such thing", "room_id": room.id});
        socket.ask_in_vain(name, data, "PERMISSION_DENIED").await;
    }
    let forged = json!({"room_id": room.id, "seq": 99, "message": message});
    for name in
        ["new_message", "room_deleted", "member_added", "user_joined", "messages_read", "user_typing", "connected"]
    {
        socket.ask_in_vain(name, forged.clone(), "UNKNOWN_EVENT").await;
    }
    bob.says(&room, "the end").await;
    witness.expect_that("new_message", |data| data["message"]["content"] == "the end").await;
    let heard: Vec<_> = witness
        .heard()
        .await
        .into_iter()
        .filter(|event| !["user_joined", "user_online"].contains(&event.name.as_str()))
        .collect();
    assert!(heard.is_empty(), "C16: 0 broadcasts: {heard:?}");
    assert_eq!(ada.history(&room).await[0], message);
}

#[tokio::test]
async fn a_former_member_has_no_messages() {
    let Scene { app: _app, ada, bob, room, .. } = scene().await;
    let mine = bob.says(&room, "mine").await;
    ada.removes(&bob, &room).await;
    let path = format!("/api/chat/messages/{}", text(&mine, "id"));
    bob.get(&path).await.refused("MESSAGE_NOT_FOUND");
    bob.patch(&path, json!({"content": "changed"})).await.refused("MESSAGE_NOT_FOUND");
    bob.delete(&path).await.refused("MESSAGE_NOT_FOUND");
}

#[tokio::test]
async fn a_mark_with_foreign_messages_among_it_marks_nothing() {
    let Scene { app: _app, ada, bob, room, message, .. } = scene().await;
    let other = ada.opens_a_group("other", &[&bob]).await;
    let foreign = ada.says(&other, "elsewhere").await;
    let socket = bob.connects().await;
    for ids in [json!([message["id"], foreign["id"]]), json!([message["id"], NOBODYS])] {
        let data = json!({"room_id": room.id, "message_ids": ids});
        socket.ask_in_vain("mark_as_read", data.clone(), "INVALID_REFERENCE").await;
        bob.post(&room.path("/read"), data).await.refused("INVALID_REFERENCE");
    }
    assert_eq!(bob.room(&room).await["unread_count"], 1, "C7: nothing written");
}

#[tokio::test]
async fn nobody_makes_themselves_more_than_they_are() {
    let Scene { app: _app, ada, bob, eve, room, .. } = scene().await;
    ada.post(&room.path("/members"), json!({"user_ids": [eve.id]})).await.ok();
    ada.makes(&bob, "admin", &room).await;
    let role = async |actor: &Person, of: &Person, role: &str| {
        actor.patch(&room.path(&format!("/members/{}", of.id)), json!({"role": role})).await
    };
    role(&bob, &bob, "owner").await.refused("PERMISSION_DENIED");
    role(&bob, &eve, "owner").await.refused("PERMISSION_DENIED");
    role(&bob, &ada, "member").await.refused("PERMISSION_DENIED");
    role(&eve, &eve, "admin").await.refused("PERMISSION_DENIED");
    bob.delete(&room.path(&format!("/members/{}", ada.id))).await.refused("PERMISSION_DENIED");
    eve.delete(&room.path(&format!("/members/{}", bob.id))).await.refused("PERMISSION_DENIED");
    let members = ada.room(&room).await;
    for (person, role) in [(&ada, "owner"), (&bob, "admin"), (&eve, "member")] {
        assert_eq!(text(find(list(&members, "members"), "user_id", &person.id), "role"), role, "C9");
    }
}

#[tokio::test]
async fn a_room_keeps_its_last_owner() {
    let Scene { app: _app, ada, bob, room, .. } = scene().await;
    let ada_in_room = room.path(&format!("/members/{}", ada.id));
    ada.post(&room.path("/leave"), json!({})).await.refused("LAST_OWNER");
    ada.delete(&ada_in_room).await.refused("LAST_OWNER");
    ada.patch(&ada_in_room, json!({"role": "member"})).await.refused("LAST_OWNER");
    ada.makes(&bob, "admin", &room).await;
    ada.post(&room.path("/leave"), json!({})).await.refused("LAST_OWNER");
    assert_eq!(ada.room(&room).await["my_role"], "owner");
}

/// A send that names something outside the room, and the codes that may refuse it.
fn references(room: &Room, elsewhere: &Value, secret: &Value) -> Vec<(&'static str, Value, &'static [&'static str])> {
    const REFERENCE: &[&str] = &["INVALID_REFERENCE", "MESSAGE_NOT_FOUND"];
    const MEDIA: &[&str] = &["INVALID_MEDIA"];
    let send = |key: &str, value: Value| {
        let mut body = json!({"room_id": room.id, "message_type": "text", "content": "look"});
        body[key] = value;
        body
    };
    let image = |url: &str| json!({"room_id": room.id, "message_type": "image", "media_url": url});
    vec![
        ("a reply to another room", send("reply_to_id", elsewhere["id"].clone()), &["INVALID_REFERENCE"]),
        ("a reply to nothing", send("reply_to_id", json!(NOBODYS)), &["INVALID_REFERENCE"]),
        ("a forward from a room of others", send("forwarded_from_id", secret["id"].clone()), REFERENCE),
        ("a forward of nothing", send("forwarded_from_id", json!(NOBODYS)), REFERENCE),
        ("C15 media of nobody", send("media_id", json!(NOBODYS)), &["INVALID_MEDIA", "MEDIA_NOT_FOUND"]),
        ("C15 a foreign address", image("https://evil.example/cat.png"), MEDIA),
        ("C15 a script", image("javascript:alert(1)"), MEDIA),
        ("C15 data", image("data:text/html,<script>"), MEDIA),
        ("C15 a key", image("media/0199d1c6.png"), MEDIA),
        ("C15 a path", image("/etc/passwd"), MEDIA),
    ]
}

#[tokio::test]
async fn a_message_refers_only_to_what_its_sender_may_use() {
    let Scene { app: _app, ada, bob, eve, room, .. } = scene().await;
    let other = ada.opens_a_group("other", &[&bob]).await;
    let elsewhere = ada.says(&other, "elsewhere").await;
    let hers = eve.opens_a_group("hers", &[]).await;
    let secret = eve.says(&hers, "secret").await;
    let socket = bob.connects().await;
    for (row, body, codes) in references(&room, &elsewhere, &secret) {
        let reply = bob.post("/api/chat/messages", body.clone()).await;
        let code = reply.outcome();
        assert!(codes.contains(&code.as_str()), "{row}: {reply}");
        assert!(code == "MEDIA_NOT_FOUND" || reply.status.as_u16() == status_of(&code), "{row}: {reply}");
        let answer = socket.emit_with_ack("send_message", body).answer().await;
        assert_eq!(outcome_of(&answer), code, "{row}: the socket says otherwise");
    }
    assert_eq!(ada.history(&room).await.len(), 1);
}

#[tokio::test]
async fn a_direct_room_needs_one_other_person_that_exists() {
    let Scene { app: _app, ada, bob, eve, .. } = scene().await;
    let ask =
        async |members: Value| ada.post("/api/chat/rooms", json!({"room_type": "direct", "member_ids": members})).await;
    ask(json!([ada.id])).await.refused("VALIDATION_ERROR");
    ask(json!([])).await.refused("VALIDATION_ERROR");
    ask(json!([bob.id, eve.id])).await.refused("VALIDATION_ERROR");
    ask(json!([NOBODYS])).await.refused("USER_NOT_FOUND");
    let first = ask(json!([bob.id])).await.with_status(201);
    let again = ask(json!([bob.id])).await.with_status(200);
    let from_bob = bob.asks_for_a_direct_room_with(&ada).await.with_status(200);
    assert_eq!(first["id"], again["id"], "C23");
    assert_eq!(first["id"], from_bob["id"], "C23");
}

#[tokio::test]
async fn nobody_adds_removes_or_deletes_in_a_direct_room() {
    let Scene { app: _app, ada, bob, eve, .. } = scene().await;
    let room = ada.opens_a_direct_room_with(&bob).await;
    let said = bob.says(&room, "hello").await;
    for person in [&ada, &bob] {
        let other = if person.id == ada.id { &bob } else { &ada };
        let member = room.path(&format!("/members/{}", other.id));
        person.post(&room.path("/members"), json!({"user_ids": [eve.id]})).await.refused("PERMISSION_DENIED");
        person.delete(&member).await.refused("PERMISSION_DENIED");
        person.patch(&member, json!({"role": "viewer"})).await.refused("PERMISSION_DENIED");
        person.delete(&room.path("")).await.refused("PERMISSION_DENIED");
    }
    ada.delete(&format!("/api/chat/messages/{}", text(&said, "id"))).await.refused("PERMISSION_DENIED");
    let members = ada.room(&room).await;
    assert_eq!(list(&members, "members").len(), 2);
}

/// Fails when `value` carries something that only its owner, or nobody, may see.
fn nothing_private(value: &Value, where_: &str) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let key = key.to_lowercase();
                let private = ["password", "hash", "secret", "refresh", "last_login", "direct_key"];
                assert!(!private.iter().any(|word| key.contains(word)), "C19: {where_} shows {key}: {value}");
                nothing_private(value, where_);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| nothing_private(value, where_)),
        Value::String(text) => assert!(!text.contains("$argon2"), "C19: {where_} shows {text}"),
        _ => {}
    }
}

#[tokio::test]
async fn people_are_shown_without_secrets_and_to_strangers_without_address() {
    let Scene { app: _app, ada, bob, eve, room, .. } = scene().await;
    let friend = bob.get(&format!("/api/users/{}", ada.id)).await.with_status(200);
    assert_eq!(friend["email"], "ada@example.com");
    let stranger = eve.get(&format!("/api/users/{}", ada.id)).await.with_status(200);
    assert_eq!(stranger["email"], "a***@example.com", "C19");
    let found = eve.get("/api/users?search=ada").await.with_status(200);
    assert_eq!(find(list(&found, "users"), "id", &ada.id)["email"], "a***@example.com", "C19");
    let by_address = eve.get("/api/users?search=ada@example.com").await.with_status(200);
    assert!(list(&by_address, "users").iter().all(|user| user["email"] != "ada@example.com"), "C19: {by_address}");

    let mut socket: Socket = bob.enters(&room).await;
    ada.says(&room, "hello").await;
    let live = socket.expect("new_message").await;
    for (what, value) in [
        ("a user", friend),
        ("a stranger", stranger),
        ("a search", found),
        ("a room", bob.room(&room).await),
        ("rooms", bob.get("/api/chat/rooms").await.ok()),
        ("members", bob.get(&room.path("/members")).await.ok()),
        ("history", json!(bob.history(&room).await)),
        ("an event", live),
        ("the log", json!(bob.log_of(&room).await)),
    ] {
        nothing_private(&value, what);
    }
    let mine = ada.get("/api/users/me").await.with_status(200);
    assert!(mine["last_login"].is_string(), "your own is yours to see: {mine}");
    eve.get(&format!("/api/users/{NOBODYS}")).await.refused("USER_NOT_FOUND");
}

#[tokio::test]
async fn fields_that_were_not_asked_for_change_nothing() {
    let app = App::start().await;
    let body = json!({
        "email": "mallory@example.com", "password": "correct horse battery", "username": "mallory",
        "is_superuser": true, "is_verified": true, "is_bot": true, "id": NOBODYS, "is_active": false,
    });
    let user = app.site.post("/api/auth/register").json(&body).send().await.with_status(201);
    assert_eq!(
        (&user["is_superuser"], &user["is_bot"], &user["is_active"]),
        (&json!(false), &json!(false), &json!(true))
    );
    assert_ne!(user["id"], NOBODYS);
    let ada = app.user("ada").await;
    let fields = json!({"is_superuser": true, "email": "root@example.com", "id": NOBODYS});
    ada.patch("/api/users/me", fields.clone()).await.refused("VALIDATION_ERROR");
    let mut beside = fields;
    beside["full_name"] = json!("Ada");
    let patched = ada.patch("/api/users/me", beside).await.with_status(200);
    assert_eq!(
        (&patched["is_superuser"], &patched["id"], &patched["email"]),
        (&json!(false), &json!(ada.id), &json!("ada@example.com"))
    );
    let room = ada.opens_a_group("mine", &[]).await;
    let body = json!({"room_id": room.id, "message_type": "text", "content": "x", "sender_id": user["id"], "seq": 900, "is_pinned": true});
    let sent = ada.post("/api/chat/messages", body).await.with_status(201);
    assert_eq!(sent["sender_id"], ada.id.as_str());
    assert!(sent["seq"].as_i64().unwrap() < 100 && sent["is_pinned"] == false, "{sent}");
}
