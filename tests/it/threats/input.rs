//! Bad values in good requests: section D of the threat table.

use futures_util::stream;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{App, Person, Room, list, outcome_of, people::PASSWORD, text};

const RLO: &str = "\u{202e}";
const ZERO_WIDTH: &str = "\u{200b}";

/// Fields of a message, and the outcome of sending it.
fn messages() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("D1 empty", json!({"content": ""}), "VALIDATION_ERROR"),
        ("D1 spaces", json!({"content": " \t\n\u{a0} "}), "VALIDATION_ERROR"),
        ("D1 none", json!({}), "VALIDATION_ERROR"),
        ("D1 null", json!({"content": null}), "VALIDATION_ERROR"),
        ("D1 4,001 characters", json!({"content": "x".repeat(4_001)}), "VALIDATION_ERROR"),
        ("D1 4,000 characters", json!({"content": "x".repeat(4_000)}), "OK"),
        ("D1 4,000 characters of four bytes", json!({"content": "🦀".repeat(4_000)}), "OK"),
        ("D1 4,001 characters of four bytes", json!({"content": "🦀".repeat(4_001)}), "VALIDATION_ERROR"),
        ("D1 a number", json!({"content": 5}), "VALIDATION_ERROR"),
        ("D1 NUL", json!({"content": "a\u{0}b"}), "VALIDATION_ERROR"),
        ("D5 SQL is text", json!({"content": "'; DROP TABLE messages; --"}), "OK"),
        ("D8 a room that is no id", json!({"content": "x", "room_id": "abc"}), "VALIDATION_ERROR"),
        (
            "D8 a room that is a number",
            json!({"content": "x", "room_id": 9_223_372_036_854_775_808_u64}),
            "VALIDATION_ERROR",
        ),
        ("D8 a reply to no id", json!({"content": "x", "reply_to_id": "abc"}), "VALIDATION_ERROR"),
        ("D13 64 characters", json!({"content": "x", "client_msg_id": "k".repeat(64)}), "OK"),
        ("D13 65 characters", json!({"content": "x", "client_msg_id": "k".repeat(65)}), "VALIDATION_ERROR"),
        ("D13 10 kB", json!({"content": "x", "client_msg_id": "k".repeat(10_000)}), "VALIDATION_ERROR"),
        ("D13 empty, as if it were not there", json!({"content": "x", "client_msg_id": ""}), "OK"),
        ("D13 a number", json!({"content": "x", "client_msg_id": 7}), "VALIDATION_ERROR"),
        ("an unknown type", json!({"content": "x", "message_type": "hologram"}), "VALIDATION_ERROR"),
        ("an empty type, as if it were not there", json!({"content": "x", "message_type": ""}), "OK"),
        ("a message of the system", json!({"content": "x", "message_type": "system"}), "VALIDATION_ERROR"),
        ("an image without one", json!({"content": "x", "message_type": "image"}), "VALIDATION_ERROR"),
    ]
}

#[tokio::test]
async fn a_message_is_checked_alike_on_both_transports() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let room = ada.opens_a_group("checked", &[]).await;
    let socket = ada.connects().await;
    let mut stored = 0;
    for (row, fields, expected) in messages() {
        let mut body = json!({"room_id": room.id, "message_type": "text"});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let reply = ada.post("/api/chat/messages", body.clone()).await;
        assert_eq!(reply.outcome(), expected, "{row}: {reply}");
        if let Some(key) = body["client_msg_id"].as_str() {
            body["client_msg_id"] = json!(key.replace('k', "s"));
        }
        let answer = socket.emit_with_ack("send_message", body).answer().await;
        assert_eq!(outcome_of(&answer), expected, "{row} over the socket: {answer}");
        if expected == "OK" {
            stored += 2;
        } else {
            reply.refused(expected);
        }
    }
    assert_eq!(ada.history(&room).await.len(), stored);
}

/// Bodies that a route takes or refuses.
fn bodies(room: &Room, ada: &Person) -> Vec<(&'static str, Method, String, Value, &'static str)> {
    let rooms = || "/api/chat/rooms".to_owned();
    let me = || "/api/users/me".to_owned();
    let register = || "/api/auth/register".to_owned();
    let account = |email: &str, password: &str| json!({"email": email, "password": password});
    let named = |name: &str| json!({"room_type": "group", "name": name});
    let many: Vec<String> = (0..501).map(|n| format!("0199d1c6-7a4e-7cc3-9d5a-{n:012x}")).collect();
    let (post, patch, get) = (Method::POST, Method::PATCH, Method::GET);
    let bad = "VALIDATION_ERROR";
    let messages = |query: &str| room.path(&format!("/messages?{query}"));
    let mut rows = vec![
        ("D4 a name from right to left", post.clone(), rooms(), named(&format!("exe{RLO}gnp")), bad),
        ("D4 a name with nothing in it", post.clone(), rooms(), named(&format!("adm{ZERO_WIDTH}in")), bad),
        ("D4 a control character", post.clone(), rooms(), named("bell\u{7}"), bad),
        ("D4 a full name", patch.clone(), me(), json!({"full_name": format!("Ada{RLO}")}), bad),
        ("D4 a user name", patch.clone(), me(), json!({"username": format!("ad{ZERO_WIDTH}a")}), bad),
        ("D4 a user name that looks like another", patch.clone(), me(), json!({"username": "аdmin"}), bad),
        ("a user name of two", patch.clone(), me(), json!({"username": "ab"}), bad),
        ("a user name of 33", patch.clone(), me(), json!({"username": "a".repeat(33)}), bad),
        ("a user name with spaces", patch.clone(), me(), json!({"username": "a b c"}), bad),
        ("a picture that runs", patch.clone(), me(), json!({"avatar_url": "javascript:alert(1)"}), bad),
        ("a picture that is data", patch.clone(), me(), json!({"avatar_url": "data:text/html,x"}), bad),
        ("a password without the old one", patch.clone(), me(), json!({"password": "another password"}), bad),
        ("no name", post.clone(), rooms(), json!({"room_type": "group"}), bad),
        ("an empty name", post.clone(), rooms(), named(""), bad),
        ("a name of spaces", post.clone(), rooms(), named("   "), bad),
        ("a name of 101", post.clone(), rooms(), named(&"n".repeat(101)), bad),
        ("a name of 100", post.clone(), rooms(), named(&"n".repeat(100)), "OK"),
        ("a type that is none", post.clone(), rooms(), json!({"room_type": "channel", "name": "x"}), bad),
        (
            "nobody is a number",
            post.clone(),
            rooms(),
            json!({"room_type": "group", "name": "x", "member_ids": [1]}),
            bad,
        ),
        ("a room for one", post.clone(), rooms(), json!({"room_type": "group", "name": "x", "max_members": 1}), bad),
        ("a room for fewer", post.clone(), rooms(), json!({"room_type": "group", "name": "x", "max_members": -5}), bad),
        (
            "a room for too many",
            post.clone(),
            rooms(),
            json!({"room_type": "group", "name": "x", "max_members": 100_001}),
            bad,
        ),
        ("D14 501 members", post.clone(), rooms(), json!({"room_type": "group", "name": "x", "member_ids": many}), bad),
        ("D14 501 added", post.clone(), room.path("/members"), json!({"user_ids": many}), bad),
        ("D14 nobody added", post.clone(), room.path("/members"), json!({"user_ids": []}), bad),
        ("D14 501 read", post.clone(), room.path("/read"), json!({"message_ids": many}), bad),
        ("nothing read", post.clone(), room.path("/read"), json!({}), bad),
        ("no message read", post.clone(), room.path("/read"), json!({"message_ids": []}), bad),
        ("D15 read before the start", post.clone(), room.path("/read"), json!({"up_to_seq": -1}), bad),
        ("a role that is none", patch, room.path(&format!("/members/{}", ada.id)), json!({"role": "god"}), bad),
        ("no address", post.clone(), register(), account("", PASSWORD), bad),
        ("no address", post.clone(), register(), account("ada", PASSWORD), bad),
        ("two lines", post.clone(), register(), account("a@b.example\nBcc: c@d.example", PASSWORD), bad),
        (
            "an address of 255",
            post.clone(),
            register(),
            account(&format!("{}@example.com", "a".repeat(243)), PASSWORD),
            bad,
        ),
        ("a password of seven", post.clone(), register(), account("new@example.com", "1234567"), bad),
        ("a password of 129", post.clone(), register(), account("new@example.com", &"p".repeat(129)), bad),
        ("the same address", post.clone(), register(), account("ada@example.com", PASSWORD), "USER_EXISTS"),
        ("the same address, shouted", post.clone(), register(), account("ADA@Example.COM", PASSWORD), "USER_EXISTS"),
        (
            "the same name",
            post,
            register(),
            json!({"email": "new@example.com", "password": PASSWORD, "username": "ADA"}),
            "USER_EXISTS",
        ),
    ];
    for path in [
        "/api/chat/rooms?page=0",
        "/api/chat/rooms?page=-1",
        "/api/chat/rooms?page=1e20",
        "/api/chat/rooms?page=abc",
        "/api/chat/rooms?page_size=0",
        "/api/chat/rooms?page_size=101",
        "/api/chat/rooms?size=101",
        "/api/users?page=0",
        "/api/users?page=99999999999999999999",
        "/api/chat/rooms/abc",
        "/api/chat/rooms/9223372036854775808",
        "/api/chat/messages/abc",
        "/api/users/9223372036854775808",
    ] {
        rows.push(("D7, D8", get.clone(), path.to_owned(), Value::Null, bad));
    }
    for query in [
        "page=0",
        "page_size=101",
        "size=0",
        "before_seq=abc",
        "before_seq=-1",
        "after_seq=-1",
        "around_seq=-1",
        "after_seq=99999999999999999999",
        "after_seq=1&limit=0",
        "after_seq=1&limit=101",
        "after_seq=1&before_seq=5",
    ] {
        rows.push(("D7, D15", get.clone(), messages(query), Value::Null, bad));
    }
    rows
}

#[tokio::test]
async fn a_value_that_does_not_fit_is_named() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let room = ada.opens_a_group("checked", &[]).await;
    for (row, method, path, body, expected) in bodies(&room, &ada) {
        let mut request = ada.request(method, &path);
        if !body.is_null() {
            request = request.json(&body);
        }
        let reply = request.send().await;
        assert_eq!(reply.outcome(), expected, "{row}: {reply}");
        if expected != "OK" {
            let problem = reply.refused(expected);
            if expected == "VALIDATION_ERROR" {
                let first =
                    list(&problem, "errors").first().unwrap_or_else(|| panic!("{row} names no field: {problem}"));
                for key in ["field", "code", "detail"] {
                    assert!(first[key].is_string(), "{row}: {problem}");
                }
            }
        }
    }
}

#[tokio::test]
async fn search_words_are_taken_literally() {
    let app = App::start().await;
    let [ada, _bob] = app.users(["ada", "bob"]).await;
    for words in ["' OR 1=1--", "%", "_", "\\", "%25", "a%b", "\" OR \"\"=\"", "ada' --", ");DROP TABLE users;--"] {
        let encoded: String = words.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let found = ada.get(&format!("/api/users?search={encoded}")).await.with_status(200);
        assert!(list(&found, "users").is_empty(), "D5: `{words}` finds {found}");
    }
    let found = ada.get("/api/users?search=bo&sort=id;drop%20table%20users&order=desc--").await.with_status(200);
    assert_eq!(list(&found, "users").len(), 1, "D5: {found}");
}

#[tokio::test]
async fn a_body_is_json_of_a_sensible_size() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let room = ada.opens_a_group("checked", &[]).await;
    let send = |kind: &str| ada.request(Method::POST, "/api/chat/messages").header("content-type", kind);
    let good = json!({"room_id": room.id, "message_type": "text", "content": "x"}).to_string();

    let big = json!({"room_id": room.id, "content": "x", "padding": "p".repeat(300_000)}).to_string();
    send("application/json").body(big.clone()).send().await.refused("PAYLOAD_TOO_LARGE");
    let chunks: Vec<Result<String, std::io::Error>> =
        big.as_bytes().chunks(8_192).map(|chunk| Ok(String::from_utf8_lossy(chunk).into_owned())).collect();
    let chunked = reqwest::Body::wrap_stream(stream::iter(chunks));
    send("application/json").body(chunked).send().await.refused("PAYLOAD_TOO_LARGE");
    send("text/plain").body(good.clone()).send().await.refused("UNSUPPORTED_MEDIA_TYPE");
    send("application/x-www-form-urlencoded").body("content=x").send().await.refused("UNSUPPORTED_MEDIA_TYPE");
    ada.request(Method::POST, "/api/chat/messages").body(good.clone()).send().await.refused("UNSUPPORTED_MEDIA_TYPE");
    for body in [
        "",
        "{",
        "[]",
        "null",
        "5",
        "\"text\"",
        r#"{"room_id": "x", "#,
        r#"{"content": "\ud800"}"#,
        "{\"content\": \"\u{1}\"}",
    ] {
        send("application/json").body(body.to_owned()).send().await.refused("VALIDATION_ERROR");
    }
    send("application/json").body(vec![b'{', 0xff, b'}']).send().await.refused("VALIDATION_ERROR");
    send("application/json").body("[".repeat(100_000)).send().await.refused("VALIDATION_ERROR");
    assert!(ada.history(&room).await.is_empty());
    send("application/json").body(good).send().await.with_status(201);
    let members: Vec<String> = vec!["0199d1c6-7a4e-7cc3-9d5a-3b1f0f6a2c11".to_owned(); 100_000];
    let reply = ada.post("/api/chat/rooms", json!({"room_type": "group", "name": "x", "member_ids": members})).await;
    assert!(["VALIDATION_ERROR", "PAYLOAD_TOO_LARGE"].contains(&reply.outcome().as_str()), "D14: {reply}");
}

#[tokio::test]
async fn markup_is_text_and_is_served_as_data() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let room = ada.opens_a_group("markup", &[]).await;
    let markup = "<img src=x onerror=alert(1)> <script>alert(1)</script> & \" '";
    let reply = ada.tries_to_say(&room, markup).await;
    assert_eq!(reply.with_status(201)["content"], markup, "D12");
    let page = ada.get(&room.path("/messages")).await;
    for reply in [reply, page] {
        assert!(reply.header("content-type").unwrap().starts_with("application/json"), "D12: {:?}", reply.headers);
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "D12: {:?}", reply.headers);
    }
}

#[tokio::test]
async fn a_cursor_outside_the_log_is_refused() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let room = ada.opens_a_group("cursors", &[]).await;
    let last = ada.last_seq(&room).await;
    let mut socket = ada.connects().await;
    for (after, code) in [
        (-1, "VALIDATION_ERROR"),
        (i64::MIN, "VALIDATION_ERROR"),
        (last + 1, "RESYNC_REQUIRED"),
        (i64::MAX, "RESYNC_REQUIRED"),
    ] {
        socket.ask_in_vain("join_room", json!({"room_id": room.id, "after_seq": after}), code).await;
        socket.ask_in_vain("sync", json!({"cursors": {&room.id: after}}), code).await;
    }
    for limit in [0, -1, 1_001] {
        socket.ask_in_vain("sync", json!({"cursors": {&room.id: 0}, "limit": limit}), "VALIDATION_ERROR").await;
    }
    socket.ask("join_room", json!({"room_id": room.id, "after_seq": last})).await;
    let heard = socket.heard().await;
    assert!(heard.iter().all(|event| event.name == "room_joined"), "D15: nothing to replay: {heard:?}");
}

#[tokio::test]
async fn lists_of_a_socket_are_bounded_too() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let room = ada.opens_a_group("bounded", &[]).await;
    let socket = ada.connects().await;
    let ids: Vec<String> = (0..501).map(|n| format!("0199d1c6-7a4e-7cc3-9d5a-{n:012x}")).collect();
    socket.ask_in_vain("get_presence", json!({"user_ids": ids}), "VALIDATION_ERROR").await;
    socket.ask_in_vain("mark_as_read", json!({"room_id": room.id, "message_ids": ids}), "VALIDATION_ERROR").await;
    socket.ask_in_vain("mark_as_read", json!({"room_id": room.id}), "VALIDATION_ERROR").await;
    socket.ask_in_vain("set_status", json!({"status": "dancing"}), "VALIDATION_ERROR").await;
    socket.ask_in_vain("get_presence", json!({"user_ids": "all"}), "VALIDATION_ERROR").await;
    let error = socket.ask_in_vain("edit_message", json!({"content": "x"}), "VALIDATION_ERROR").await;
    assert_eq!(text(&error, "field"), "message_id");
    assert!(socket.is_open());
}
