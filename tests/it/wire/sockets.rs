//! A socket from CONNECT to its end.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    App, Person, SOON, Server, Socket, Transport, checker, polling, text, tokens,
    websocket::{PATH, WebSocket},
    within,
};

#[tokio::test]
async fn connected_says_who_one_is_and_what_is_taken() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    for transport in [Transport::WebSocket, Transport::Polling] {
        let socket = ada.connects_by(transport, json!({})).await;
        let welcome = &socket.welcome;
        assert_eq!(welcome["user_id"], ada.id.as_str(), "{welcome}");
        for key in ["message", "session_id", "server_time", "expires_at"] {
            assert!(!text(welcome, key).is_empty(), "{key} of {welcome}");
        }
        assert!(text(welcome, "expires_at") > text(welcome, "server_time"), "{welcome}");
        assert_eq!(
            (&welcome["limits"]["content_chars"], &welcome["limits"]["packet_bytes"]),
            (&json!(4_000), &json!(131_072))
        );
        let pong = socket.ask("ping", json!({"any": [1, 2]})).await;
        assert_eq!(pong, json!({"any": [1, 2]}), "ping answers the same");
    }
}

#[tokio::test]
async fn the_token_may_come_in_a_header() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let bearer = format!("Bearer {}", ada.token);
    let mut socket = WebSocket::open(app.site.addr(), PATH, &[("Authorization", &bearer)]).await.unwrap();
    socket.writer.text("40").await;
    let connected = socket.reader.next_starting(r#"42["connected""#).await;
    assert!(connected.contains(&ada.id), "{connected}");
}

#[tokio::test]
async fn a_polling_session_becomes_a_websocket_without_losing_anything() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("upgrade", &[&bob]).await;
    let path = polling::open(&app.site).await.unwrap();
    let auth = json!({"token": ada.token, "rooms": "all"});
    assert_eq!(app.site.post(&path).body(format!("40{auth}")).send().await.body, "ok");
    let mut heard = String::new();
    while !heard.contains(r#"42["room_joined""#) {
        heard.push_str(&app.site.get(&path).send().await.body);
    }

    let upgrade = path.replace("polling", "websocket");
    let mut socket = WebSocket::open(app.site.addr(), &upgrade, &[]).await.unwrap();
    // the client holds a poll while it probes; the server ends it with a noop
    let poll = async {
        let mut packets = Vec::new();
        while packets.is_empty() {
            let body = app.site.get(&path).send().await.body;
            // the first ping may come this way
            packets.extend(body.split(polling::SEPARATOR).filter(|packet| *packet != "2").map(str::to_owned));
        }
        packets
    };
    let probe = async {
        socket.writer.text("2probe").await;
        assert_eq!(socket.reader.next_within(SOON).await.as_deref(), Some("3probe"));
    };
    let (polled, ()) = within(SOON, "the probe", async { tokio::join!(poll, probe) }).await;
    assert_eq!(polled, ["6"]);
    socket.writer.text("5").await;
    bob.says(&room, "after the upgrade").await;
    let event = socket.reader.next_starting(r#"42["new_message""#).await;
    assert!(event.contains("after the upgrade"), "{event}");
    socket.writer.text(r#"427["ping",1]"#).await;
    assert_eq!(socket.reader.next_starting("43").await, r#"437[{"ok":true,"data":1}]"#);
}

#[tokio::test]
async fn the_server_pings_and_ends_whoever_is_silent() {
    let settings = Server::settings()
        .with("PARLOUR__REALTIME__PING_INTERVAL_MS", "300")
        .with("PARLOUR__REALTIME__PING_TIMEOUT_MS", "300");
    let app = App::with(settings).await;
    let ada = app.user("ada").await;
    let answering = ada.connects().await;
    let polling = ada.connects_by(Transport::Polling, json!({})).await;
    let mut silent = WebSocket::namespace(app.site.addr(), &ada.token).await;
    silent.reader.until_closed(SOON, "the end of a client that answers no ping").await;
    answering.ask("sync", json!({"cursors": {}})).await;
    polling.ask("sync", json!({"cursors": {}})).await;
}

#[tokio::test]
async fn a_room_is_heard_while_it_is_joined() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("visits", &[&bob]).await;
    for transport in [Transport::WebSocket, Transport::Polling] {
        let mut socket = bob.connects_by(transport, json!({})).await;
        ada.says(&room, "before").await;
        let last = ada.last_seq(&room).await;
        let answer = socket.ask("join_room", json!({"room_id": room.id})).await;
        assert_eq!(answer, json!({"room_id": room.id, "last_seq": last, "replayed": 0}));
        let joined = socket.expect("room_joined").await;
        assert_eq!((&joined["room_id"], &joined["user_id"]), (&json!(room.id), &json!(bob.id)));
        ada.says(&room, "during").await;
        assert_eq!(socket.expect("new_message").await["message"]["content"], "during");
        let answer = socket.ask("leave_room", json!({"room_id": room.id})).await;
        assert_eq!(answer, json!({"room_id": room.id}));
        let left = socket.expect("room_left").await;
        assert_eq!((&left["room_id"], &left["user_id"]), (&json!(room.id), &json!(bob.id)));
        ada.says(&room, "after").await;
        socket.expect("room_activity").await;
        assert!(socket.heard().await.iter().all(|event| event.name != "new_message"), "{transport:?}");
    }
}

#[tokio::test]
async fn a_join_replays_what_followed_the_cursor() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let room = ada.opens_a_group("replay", &[]).await;
    let first = ada.says(&room, "one").await;
    ada.says(&room, "two").await;
    ada.patch(&format!("/api/chat/messages/{}", text(&first, "id")), json!({"content": "one, edited"})).await.ok();
    let mut socket = ada.connects().await;
    let answer = socket.ask("join_room", json!({"room_id": room.id, "after_seq": first["seq"]})).await;
    assert_eq!(answer["replayed"], 2);
    ada.says(&room, "three").await;
    socket.expect_that("new_message", |data| data["message"]["content"] == "three").await;
    let mut socket = ada.connects_with(json!({"cursors": {&room.id: first["seq"]}})).await;
    let mut names = Vec::new();
    while names.len() < 3 {
        let event = socket.next().await;
        if checker::is_entry(&event, &room.id) {
            names.push(event.name);
        }
    }
    assert_eq!(names, ["new_message", "message_edited", "new_message"]);
}

#[tokio::test]
async fn a_socket_for_all_rooms_hears_also_those_that_come_later() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let one = ada.opens_a_group("one", &[&bob]).await;
    let mut socket = bob.hears_everything().await;
    let two = ada.opens_a_group("two", &[&bob]).await;
    socket.expect("room_created").await;
    for room in [&one, &two] {
        ada.says(room, "hello").await;
        assert_eq!(socket.expect("new_message").await["room_id"], room.id.as_str());
    }
}

#[tokio::test]
async fn others_see_who_is_viewing_by_person_and_not_by_socket() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("viewers", &[&bob]).await;
    let mut witness = ada.enters(&room).await;
    let phone = bob.enters(&room).await;
    let joined = witness.expect("user_joined").await;
    assert_eq!(
        (&joined["room_id"], &joined["user_id"], &joined["user"]["username"]),
        (&json!(room.id), &json!(bob.id), &json!("bob"))
    );
    let laptop = bob.enters(&room).await;
    phone.ask("leave_room", json!({"room_id": room.id})).await;
    laptop.ask("leave_room", json!({"room_id": room.id})).await;
    let left = witness.expect("user_left").await;
    assert_eq!((&left["room_id"], &left["user_id"]), (&json!(room.id), &json!(bob.id)));
    let heard = witness.heard().await;
    let more: Vec<_> =
        heard.iter().filter(|event| ["user_joined", "user_left"].contains(&event.name.as_str())).collect();
    assert!(more.is_empty(), "once each: {more:?}");
    let tablet = bob.enters(&room).await;
    witness.expect("user_joined").await;
    drop(tablet);
    witness.expect("user_left").await;
}

/// A socket whose token ends in so many seconds.
async fn with_token_for(ada: &Person, seconds: i64) -> Socket {
    let claims = tokens::changed(&ada.token, "exp", tokens::seconds_from_now(seconds));
    let brief = Person { token: tokens::sign(&claims), ..ada.clone() };
    brief.connects().await
}

#[tokio::test]
async fn a_socket_ends_with_its_token_unless_it_is_renewed() {
    let app = App::with(Server::settings().with("PARLOUR__REALTIME__EXPIRY_NOTICE_SECONDS", "2")).await;
    let ada = app.user("ada").await;
    let (mut lapsing, mut renewed) = (with_token_for(&ada, 4).await, with_token_for(&ada, 4).await);
    for socket in [&mut lapsing, &mut renewed] {
        let notice = socket.expect("session_expiring").await;
        assert!(text(&notice, "expires_at") > text(&socket.welcome, "server_time"), "{notice}");
    }
    let answer = renewed.ask("authenticate", json!({"token": ada.token})).await;
    assert!(text(&answer, "expires_at") > text(&renewed.welcome, "expires_at"), "{answer}");
    lapsing.closed_within(SOON).await;
    renewed.ask("sync", json!({"cursors": {}})).await;
    assert!(renewed.is_open());
}

#[tokio::test]
async fn a_socket_cannot_become_somebody_else() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let socket = ada.connects().await;
    let answer: Value = socket.emit_with_ack("authenticate", json!({"token": bob.token})).answer().await;
    assert_eq!(answer["ok"], false, "{answer}");
    let room = bob.opens_a_group("bob's", &[]).await;
    socket.ask_in_vain("join_room", json!({"room_id": room.id}), "ROOM_NOT_FOUND").await;
}

/// Catches a build that answers those who come now with a refusal: no client would try again. Seen.
#[tokio::test]
async fn a_draining_node_takes_nobody_new() {
    let mut app = App::start().await;
    let ada = app.user("ada").await;
    let mut socket = ada.connects().await;
    let mut late = WebSocket::open(app.site.addr(), PATH, &[]).await.expect("a session");
    app.server.sigterm();
    let notice = socket.expect("server_draining").await;
    assert!(notice["retry_after_ms"].as_u64().is_some_and(|wait| wait > 0), "{notice}");
    late.writer.text(&format!("40{}", json!({"token": ada.token}))).await;
    let refusal = ada.tries_to_connect_by(Transport::WebSocket, json!({})).await.err().expect("nobody is let in");
    assert!(!refusal.is_final(), "{refusal:?}");
    let answered = async {
        while let Some(packet) = late.reader.next().await {
            assert!(!packet.starts_with('4'), "an answer to a late CONNECT: {packet}");
        }
    };
    within(SOON, "the end of who connects too late", answered).await;
    socket.closed_within(SOON).await;
    let status = app.server.exit(Duration::from_secs(10)).await;
    assert!(status.success(), "{status}");
}

/// What is said in the instant after `connected` is told, though nobody has looked up yet which rooms the newcomer looks at.
/// Fails on a build that looks for what was said before it notes the rooms, seen.
#[tokio::test]
async fn a_newcomer_misses_nothing_that_is_said_once_they_are_greeted() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let speaker = ada.connects().await;
    // a room is told of once in a second: each time another
    for number in 0..40 {
        let room = ada.opens_a_group(&format!("room {number}"), &[&bob]).await;
        let mut newcomer = bob.connects().await;
        let said = speaker.ask("send_message", json!({"room_id": room.id, "content": "welcome"})).await;
        let is_told = |news: &Value| news["room_id"] == room.id && news["last_seq"] == said["message"]["seq"];
        newcomer.expect_that("room_activity", is_told).await;
        newcomer.leave().await;
    }
}
