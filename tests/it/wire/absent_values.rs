//! What is `null`, absent or empty: the same as not given wherever it may be left out, over REST and over sockets.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    App, Person, Room, Transport, int, list, outcome_of,
    people::PASSWORD,
    text,
    websocket::{self, WebSocket},
};

const BAD: &str = "VALIDATION_ERROR";

/// Requests, and their outcomes.
fn requests(room: &Room, other: &Person) -> Vec<(Method, String, Value, &'static str)> {
    let rooms = "/api/chat/rooms".to_owned();
    let place = room.path(&format!("/members/{}", other.id));
    let ban = room.path("/bans/0199d1c6-7a4e-7cc3-9d5a-3b1f0f6a2c11");
    let send = |fields: Value| {
        let mut body = json!({"room_id": room.id, "content": "x"});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        (Method::POST, "/api/chat/messages".to_owned(), body)
    };
    let mut rows = vec![
        (Method::POST, rooms.clone(), json!({"room_type": "group", "name": "a", "member_ids": null}), "OK"),
        (
            Method::POST,
            rooms.clone(),
            json!({"room_type": "group", "name": "a", "member_ids": [], "description": "", "avatar_url": "",
                "visibility": null, "max_members": null, "history": null, "slow_mode_seconds": null,
                "ai_enabled": null, "ai_model": ""}),
            "OK",
        ),
        (
            Method::POST,
            rooms.clone(),
            json!({"room_type": "group", "name": "a", "visibility": "", "history": "", "max_members": "",
                "slow_mode_seconds": "", "ai_enabled": "", "member_ids": ""}),
            "OK",
        ),
        (Method::POST, rooms.clone(), json!({"room_type": "direct", "name": "", "member_ids": [other.id]}), "OK"),
        (Method::POST, rooms.clone(), json!({"room_type": "group", "name": null}), BAD),
        (Method::POST, rooms.clone(), json!({"room_type": null, "name": "a"}), BAD),
        (Method::POST, rooms, json!({"room_type": "group", "name": "a", "max_members": 5.0}), "OK"),
        (Method::POST, room.path("/members"), json!({"user_ids": null}), BAD),
        (Method::POST, room.path("/members"), json!({"user_ids": [], "usernames": []}), BAD),
        (Method::POST, room.path("/members"), json!({"user_ids": null, "usernames": ["nobody"]}), "USER_NOT_FOUND"),
        (Method::POST, room.path("/members"), json!({"usernames": ["b b"]}), BAD),
        (Method::POST, room.path("/members"), json!({"user_ids": null, "usernames": ["CYD", "bob"]}), "OK"),
        (Method::POST, room.path("/members"), json!({"user_ids": [], "usernames": ["cyd"]}), "ALREADY_MEMBER"),
        (Method::POST, room.path("/invite"), json!({"expires_in": null, "max_uses": null, "role": null}), "OK"),
        (Method::POST, room.path("/invite"), Value::Null, "OK"),
        (Method::POST, room.path("/invite"), json!({"role": "", "expires_in": "", "max_uses": ""}), "OK"),
        (Method::POST, room.path("/invite"), json!({"expires_in": "60"}), BAD),
        (Method::POST, room.path("/invite"), json!({"expires_in": " "}), BAD),
        (Method::POST, room.path("/invite"), json!({"max_uses": [1]}), BAD),
        (Method::POST, room.path("/invitations"), json!({"username": "bob", "email": "", "user_id": ""}), "OTHER"),
        (Method::POST, room.path("/invitations"), json!({"username": "", "email": "", "user_id": null}), BAD),
        (Method::PUT, ban.clone(), json!({"reason": "", "expires_at": null}), "USER_NOT_FOUND"),
        (Method::PUT, ban.clone(), json!({"reason": "", "expires_at": ""}), "USER_NOT_FOUND"),
        (Method::PUT, ban, json!({"reason": null}), "USER_NOT_FOUND"),
        (Method::POST, room.path("/read"), json!({"message_ids": null, "up_to_seq": 1}), "OK"),
        (Method::POST, room.path("/read"), json!({"message_ids": [], "up_to_seq": 1.0}), "OK"),
        (Method::POST, room.path("/read"), json!({"message_ids": "", "up_to_seq": 1}), "OK"),
        (Method::POST, room.path("/read"), json!({"message_ids": null, "up_to_seq": null}), BAD),
        (Method::POST, room.path("/read"), json!({"message_ids": "", "up_to_seq": ""}), BAD),
        (Method::PATCH, place.clone(), json!({"role": "member", "muted_until": null}), "OK"),
        (Method::PATCH, place.clone(), json!({"role": "", "muted_until": ""}), "OK"),
        (Method::PATCH, place.clone(), json!({"role": null}), BAD),
        (Method::PATCH, place.clone(), json!({}), BAD),
        (Method::PATCH, place, json!({"rol": "admin"}), BAD),
        (Method::PATCH, room.path(""), json!({"name": null}), BAD),
        (Method::PATCH, room.path(""), json!({}), BAD),
        (Method::PUT, room.path(""), json!({"title": "x"}), BAD),
        (Method::PATCH, room.path(""), json!({"name": "", "description": ""}), BAD),
        (Method::PATCH, room.path(""), json!({"name": null, "description": ""}), "OK"),
        (
            Method::PATCH,
            room.path(""),
            json!({"description": "", "max_members": "", "slow_mode_seconds": "", "ai_enabled": ""}),
            "OK",
        ),
        (Method::PATCH, "/api/users/me".to_owned(), json!({}), BAD),
        (Method::PATCH, "/api/users/me".to_owned(), json!({"username": null}), BAD),
        (Method::PUT, "/api/users/me".to_owned(), json!({"pasword": "another password"}), BAD),
        (Method::PATCH, "/api/users/me".to_owned(), json!({"current_password": PASSWORD}), BAD),
        (Method::PATCH, "/api/users/me".to_owned(), json!({"full_name": null, "username": null}), "OK"),
        (
            Method::PATCH,
            "/api/users/me".to_owned(),
            json!({"full_name": "", "shares_receipts": "", "current_password": "", "password": ""}),
            "OK",
        ),
    ];
    for (fields, outcome) in [
        (json!({"message_type": null, "media_id": null, "media_url": null, "attachments": null}), "OK"),
        (json!({"reply_to_id": null, "forwarded_from_id": null, "client_msg_id": null}), "OK"),
        (json!({"attachments": [], "media_url": "", "media_id": "", "is_superuser": true}), "OK"),
        (json!({"attachments": ""}), "OK"),
        (json!({"message_type": "", "client_msg_id": "", "reply_to_id": "", "forwarded_from_id": ""}), "OK"),
        (json!({"reply_to_id": "", "forwarded_from_id": ""}), "OK"),
        (json!({"reply_to_id": "x"}), BAD),
        (json!({"attachments": [[]]}), BAD),
        (json!({"attachments": {}}), BAD),
        (json!({"content": null, "attachments": []}), BAD),
    ] {
        let (method, path, body) = send(fields);
        rows.push((method, path, body, outcome));
    }
    rows
}

/// What is sent to every route that takes a body, and to none may mean something.
const NO_OBJECTS: [&str; 5] = ["[]", "[null]", "5", "\"{}\"", "true"];

#[tokio::test]
async fn what_may_be_left_out_may_be_null_or_empty() {
    let app = App::start().await;
    let [ada, bob, _] = app.users(["ada", "bob", "cyd"]).await;
    let room = ada.opens(json!({"visibility": "invite_only"}), &[&bob]).await;
    for (method, path, body, expected) in requests(&room, &bob) {
        let mut request = ada.request(method.clone(), &path);
        if !body.is_null() {
            request = request.json(&body);
        }
        let reply = request.send().await;
        let outcome = reply.outcome();
        if expected == "OTHER" {
            assert_ne!(outcome, BAD, "{method} {path} {body}: {reply}");
        } else {
            assert_eq!(outcome, expected, "{method} {path} {body}: {reply}");
        }
        let changes = [Method::PATCH, Method::PUT].contains(&method) && outcome == BAD;
        if changes && !body.to_string().contains("description") {
            let problem = reply.json();
            let named: Vec<String> = list(&problem, "errors").iter().map(|error| text(error, "field")).collect();
            assert!(named.len() > 1 || named == ["content"], "{path}: it lists what can be changed: {problem}");
        }
    }
}

/// A body that is absent, whatever is said of its type, is an object without fields; an array is no object, though its values
/// could be taken for fields in their order. Catches a build that reads a request from an array.
#[tokio::test]
async fn an_absent_body_is_an_empty_object_and_an_array_is_none() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens(json!({"visibility": "public"}), &[]).await;
    for (path, method, outcome) in [
        (room.path("/join"), Method::POST, "ALREADY_MEMBER"),
        (room.path("/invite"), Method::POST, "OK"),
        (room.path("/read"), Method::POST, BAD),
        (room.path("/invitations"), Method::POST, BAD),
        (room.path("/members"), Method::POST, BAD),
        (room.path(&format!("/bans/{}", bob.id)), Method::PUT, "OK"),
        (room.path(""), Method::PATCH, BAD),
        ("/api/users/me".to_owned(), Method::PATCH, BAD),
        ("/api/chat/messages".to_owned(), Method::POST, BAD),
        ("/api/auth/register".to_owned(), Method::POST, BAD),
        ("/api/auth/login".to_owned(), Method::POST, BAD),
        ("/api/auth/refresh".to_owned(), Method::POST, BAD),
    ] {
        for kind in [None, Some("application/json"), Some("text/plain;charset=UTF-8")] {
            let mut request = ada.request(method.clone(), &path);
            if let Some(kind) = kind {
                request = request.header("content-type", kind).header("content-length", "0");
            }
            let reply = request.send().await;
            assert_eq!(reply.outcome(), outcome, "{method} {path} as {kind:?}: {reply}");
        }
        if path.ends_with("/join") {
            continue;
        }
        for body in NO_OBJECTS {
            let reply = ada.request(method.clone(), &path).header("content-type", "application/json").body(body);
            reply.send().await.refused(BAD);
        }
        let null = ada.request(method.clone(), &path).header("content-type", "application/json").body("null");
        assert_eq!(null.send().await.outcome(), outcome, "{method} {path} null");
    }
    let fields = json!(["mallory@example.com", PASSWORD, null, null]);
    app.site.post("/api/auth/register").json(&fields).send().await.refused(BAD);
    let typeless = ada.request(Method::POST, &room.path("/invite")).body(r#"{"max_uses": 3}"#).send().await.ok();
    assert_eq!(typeless["max_uses"], 3, "what may be left out needs no type");
    bob.request(Method::POST, &room.path("/leave")).send().await.refused("ROOM_NOT_FOUND");
    let marked = format!("\u{feff}{}", json!({"room_id": room.id, "content": "from Windows"}));
    let request = ada.request(Method::POST, "/api/chat/messages").header("content-type", "application/json");
    request.body(marked).send().await.with_status(201);
}

#[tokio::test]
async fn events_take_null_for_what_may_be_left_out() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("events", &[&bob]).await;
    let message = ada.says(&room, "hello").await;
    let (room_id, id, seq) = (&room.id, &message["id"], int(&message, "seq"));
    let rows = [
        ("join_room", json!({"room_id": room_id, "after_seq": null}), "OK"),
        ("join_room", json!({"room_id": room_id, "after_seq": format!("{seq}")}), BAD),
        ("join_room", json!({"room_id": room_id, "after_seq": ""}), "OK"),
        ("join_room", json!({"room_id": null}), BAD),
        ("join_room", json!([room_id, null]), BAD),
        ("leave_room", json!([room_id]), BAD),
        ("typing", json!({"room_id": room_id, "is_typing": null}), "OK"),
        ("typing", json!({"room_id": room_id, "is_typing": ""}), "OK"),
        ("stop_typing", json!({"room_id": room_id, "is_typing": null}), "OK"),
        ("mark_as_read", json!({"room_id": room_id, "message_ids": null, "up_to_seq": seq}), "OK"),
        ("mark_as_read", json!({"room_id": room_id, "message_ids": [], "up_to_seq": f64::from(1)}), "OK"),
        ("mark_as_read", json!({"room_id": room_id, "message_ids": [id], "up_to_seq": null}), "OK"),
        ("mark_as_read", json!({"room_id": room_id, "message_ids": "", "up_to_seq": seq}), "OK"),
        ("mark_as_read", json!({"room_id": room_id, "message_ids": [], "up_to_seq": ""}), BAD),
        ("mark_as_read", json!({"room_id": room_id, "message_ids": [], "up_to_seq": null}), BAD),
        ("mark_as_read", json!([room_id, [id], null]), BAD),
        ("send_message", json!({"room_id": room_id, "content": "x", "attachments": [], "media_url": ""}), "OK"),
        ("send_message", json!({"room_id": room_id, "content": "x", "message_id": null, "media_id": null}), "OK"),
        ("send_message", json!({"room_id": room_id, "content": "x", "client_msg_id": "", "message_type": ""}), "OK"),
        ("send_message", json!({"room_id": room_id, "content": null, "attachments": []}), BAD),
        ("send_message", json!([room_id, "text", "x"]), BAD),
        ("edit_message", json!({"message_id": id}), BAD),
        ("edit_message", json!({"message_id": id, "content": null}), BAD),
        ("edit_message", json!({"message_id": id, "content": ""}), BAD),
        ("edit_message", json!([id, "x"]), BAD),
        ("add_reaction", json!({"message_id": id, "emoji": null}), BAD),
        ("add_reaction", json!({"message_id": id, "emoji": ""}), BAD),
        ("sync", json!({"cursors": {room_id: seq}, "limit": null}), "OK"),
        ("sync", json!({"cursors": {room_id: f64::from(1)}, "limit": 50.0}), "OK"),
        ("sync", json!({"cursors": {}, "limit": ""}), "OK"),
        ("sync", json!({"cursors": []}), BAD),
        ("sync", json!([{}, null]), BAD),
        ("get_presence", json!({"user_ids": null}), BAD),
        ("set_status", json!({"status": null}), BAD),
        ("set_status", json!(["away"]), BAD),
        ("set_status", Value::Null, BAD),
        ("authenticate", json!({"token": null}), BAD),
    ];
    for transport in [Transport::WebSocket, Transport::Polling] {
        let auth = json!({"rooms": null, "cursors": null});
        let socket = ada.connects_by(transport, auth).await;
        for (event, payload, expected) in &rows {
            let answer = socket.emit_with_ack(event, payload.clone()).answer().await;
            assert_eq!(outcome_of(&answer), *expected, "{event} {payload} over {transport:?}: {answer}");
        }
        for auth in
            [json!({"rooms": []}), json!({"rooms": {"all": null}}), json!({"cursors": []}), json!({"cursors": "all"})]
        {
            let refusal = ada.tries_to_connect_by(transport, auth.clone()).await.map(|_| ()).unwrap_err();
            assert_eq!(refusal.0, BAD, "{auth} over {transport:?}");
        }
    }
}

/// The token of a handshake may be in its header alone.
#[tokio::test]
async fn a_handshake_without_an_auth_object_is_one_without_wishes() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let bearer = format!("Bearer {}", ada.token);
    for connect in ["40", "40null", "40{}", r#"40{"token":null}"#, r#"40{"token":"","rooms":"","cursors":""}"#] {
        let headers = [("authorization", bearer.as_str())];
        let Ok(mut socket) = WebSocket::open(app.site.addr(), websocket::PATH, &headers).await else {
            panic!("the transport opens");
        };
        assert!(socket.writer.text(connect).await);
        let answer = socket.reader.next_starting("4").await;
        assert!(answer.starts_with("40{"), "{connect}: {answer}");
    }
}

#[tokio::test]
async fn a_limit_alone_asks_for_the_newest_messages() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let room = ada.opens_a_group("limits", &[]).await;
    for number in 0..30 {
        ada.says(&room, &format!("message {number}")).await;
    }
    let texts = |part: &Value| -> Vec<String> {
        list(part, "messages").iter().map(|message| text(message, "content")).collect()
    };
    let part = ada.get(&room.path("/messages?limit=3")).await.with_status(200);
    assert_eq!(texts(&part), ["message 27", "message 28", "message 29"]);
    assert_eq!((&part["has_more"], int(&part, "last_seq")), (&json!(true), ada.last_seq(&room).await));
    let all = ada.get(&room.path("/messages?limit=100&before_seq=&page=")).await.with_status(200);
    assert_eq!((texts(&all).len(), &all["has_more"]), (30, &json!(false)));
    let second = ada.get(&room.path("/messages?page=2&limit=4")).await.with_status(200);
    assert_eq!(texts(&second), ["message 22", "message 23", "message 24", "message 25"]);
    let default = ada.get(&room.path("/messages?page=&page_size=")).await.with_status(200);
    assert_eq!((texts(&default).len(), int(&default, "page_size")), (20, 20));
    for wrong in ["limit=0", "limit=101", "limit=-1", "limit=x", "limit=5.5"] {
        ada.get(&room.path(&format!("/messages?{wrong}"))).await.refused(BAD);
    }
    let people = ada.get("/api/users?search=&page=&size=").await.with_status(200);
    assert_eq!(int(&people, "page_size"), 20);
}

#[tokio::test]
async fn an_empty_text_is_no_name_and_clears_one() {
    let app = App::start().await;
    let account = json!({"email": "eve@example.com", "password": PASSWORD, "username": "", "full_name": ""});
    let user = app.site.post("/api/auth/register").json(&account).send().await.with_status(201);
    assert_eq!((&user["username"], &user["full_name"]), (&Value::Null, &Value::Null));

    let ada = app.user("ada").await;
    for login in [
        json!({"email": "", "username": "ada", "password": PASSWORD}),
        json!({"email": null, "username": "ada", "password": PASSWORD}),
        json!({"email": "ada@example.com", "username": "", "password": PASSWORD}),
    ] {
        app.site.post("/api/auth/login").json(&login).send().await.with_status(200);
    }
    let form = [("email", ""), ("username", "ada"), ("password", PASSWORD)];
    app.site.post("/api/auth/login").form(&form).send().await.with_status(200);
    let nobody = json!({"email": "", "username": "", "password": PASSWORD});
    app.site.post("/api/auth/login").json(&nobody).send().await.refused("INVALID_CREDENTIALS");
    app.site.post("/api/auth/refresh").json(&json!({"refresh_token": ""})).send().await.refused("UNAUTHORIZED");
    for (path, field) in [("/api/auth/login", "password"), ("/api/auth/refresh", "refresh_token")] {
        let reply = app.site.post(path).json(&json!({"username": "ada"})).send().await;
        assert_eq!(reply.outcome(), BAD, "{path}: {reply}");
        let error = &reply.json()["errors"][0];
        assert_eq!((&error["field"], &error["code"]), (&json!(field), &json!("required")), "{path}: {reply}");
    }

    let set = json!({"full_name": "Ada Lovelace", "avatar_url": "https://example.com/ada.png"});
    ada.patch("/api/users/me", set).await.ok();
    let me = ada.patch("/api/users/me", json!({"full_name": "", "avatar_url": ""})).await.ok();
    assert_eq!((&me["full_name"], &me["avatar_url"]), (&Value::Null, &Value::Null));
    let set = json!({"description": "about", "avatar_url": "https://example.com/r.png", "ai_model": "m"});
    let room = ada.opens(set, &[]).await;
    let cleared = json!({"description": "", "avatar_url": "", "ai_model": ""});
    let changed = ada.patch(&room.path(""), cleared).await.ok();
    for field in ["description", "avatar_url", "ai_model"] {
        assert_eq!(changed[field], Value::Null, "{field}: {changed}");
    }
}

#[tokio::test]
async fn an_empty_idempotency_key_is_an_absent_one() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let room = ada.opens_a_group("keys", &[]).await;
    let send = async |key: &str, body: Value| {
        let request = ada.request(Method::POST, "/api/chat/messages").header("idempotency-key", key);
        request.json(&body).send().await.with_status(201)
    };
    for key in ["", " "] {
        let message = send(key, json!({"room_id": room.id, "content": "x"})).await;
        assert_eq!(message["client_msg_id"], Value::Null, "{message}");
        let id = format!("own{}", key.len());
        let message = send(key, json!({"room_id": room.id, "content": "x", "client_msg_id": id})).await;
        assert_eq!(message["client_msg_id"], id.as_str(), "{message}");
    }
}
