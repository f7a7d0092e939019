//! How a polling session becomes a WebSocket, and how it goes on where that fails.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use tokio_tungstenite::tungstenite::protocol::frame::coding::Data;

use crate::support::{
    App, Person, SOON, Server,
    polling::{self, Poller},
    websocket::{WebSocket, frame, text_frame},
    within,
};

/// Upgrades are asked for at this session's address.
async fn websocket_of(poller: &Poller) -> WebSocket {
    WebSocket::open(poller.site.addr(), &poller.upgrade_path(), &[]).await.expect("101")
}

/// The session goes on by polling, and has lost nothing.
async fn still_polls(poller: &mut Poller, why: &str) {
    poller.post(r#"427["ping","still"]"#).await;
    assert_eq!(poller.next_starting("437").await, r#"437[{"ok":true,"data":"still"}]"#, "{why}");
}

async fn still_works(socket: &mut WebSocket) {
    socket.writer.text(r#"428["ping","still"]"#).await;
    assert_eq!(socket.reader.next_starting("438").await, r#"438[{"ok":true,"data":"still"}]"#);
}

async fn set_out() -> (App, Person) {
    let app = App::start().await;
    let ada = app.user("ada").await;
    (app, ada)
}

#[tokio::test]
async fn a_session_goes_on_by_websocket_where_it_was_by_polling() {
    let (app, ada) = set_out().await;
    let room = ada.opens_a_group("upgrade", &[]).await;
    let mut poller = Poller::namespace(&app.site, &ada.token).await;
    poller.post(&format!("421{}", json!(["join_room", {"room_id": room.id}]))).await;
    poller.next_starting("431").await;

    let mut socket = websocket_of(&poller).await;
    let pending = poller.poll_meanwhile();
    socket.writer.text("2probe").await;
    assert_eq!(socket.reader.next_within(SOON).await.as_deref(), Some("3probe"));
    // The client waits for the end of its poll before it goes on.
    let ended = within(Duration::from_secs(5), "a noop for the pending poll", pending).await.unwrap();
    assert_eq!((ended.status.as_u16(), ended.body.as_str()), (200, "6"), "{ended}");
    ada.says(&room, "between probe and upgrade").await;
    socket.writer.text("5").await;
    let first = socket.reader.next_starting("4").await;
    assert!(first.contains("between probe and upgrade"), "{first}");
    still_works(&mut socket).await;

    let poll = poller.poll().await;
    assert_eq!((poll.status.as_u16(), poll.body.as_str()), (400, r#"{"code":"3","message":"Bad request"}"#), "{poll}");
    assert_eq!(poller.try_post(r#"421["ping",1]"#).await.status, StatusCode::BAD_REQUEST);
    still_works(&mut socket).await;
}

/// A proxy that answers the handshake itself, a network that breaks. Each row fails on a build in which the session belongs to
/// the WebSocket before the client has said so.
#[tokio::test]
async fn a_websocket_that_fails_leaves_its_session_as_it_was() {
    let (app, ada) = set_out().await;
    let mut poller = Poller::namespace(&app.site, &ada.token).await;

    let socket = websocket_of(&poller).await;
    still_polls(&mut poller, "with a silent WebSocket").await;
    drop(socket);
    still_polls(&mut poller, "after a WebSocket that ended").await;

    let socket = websocket_of(&poller).await;
    socket.writer.end_abruptly();
    drop(socket);
    still_polls(&mut poller, "after a reset").await;

    for (what, bytes) in [
        ("a message", text_frame(r#"421["ping",1]"#)),
        ("a close packet", text_frame("1")),
        ("no packet", text_frame("")),
        ("bytes", frame(b"2probe", Data::Binary)),
        ("a large frame", text_frame(&"2".repeat(200))),
        ("no mask", b"\x81\x062probe".to_vec()),
    ] {
        let mut socket = websocket_of(&poller).await;
        socket.writer.bytes(&bytes).await;
        socket.reader.until_closed(SOON, what).await;
        assert_eq!(socket.reader.close_code, Some(1008), "{what}");
        still_polls(&mut poller, what).await;
    }

    let mut socket = websocket_of(&poller).await;
    socket.writer.text("2probe").await;
    socket.reader.next_starting("3probe").await;
    still_polls(&mut poller, "with a probed WebSocket").await;
    drop(socket);
    still_polls(&mut poller, "after a probed WebSocket that ended").await;

    let mut socket = websocket_of(&poller).await;
    for packet in ["2probe", "5"] {
        socket.writer.text(packet).await;
    }
    socket.reader.next_starting("3probe").await;
    still_works(&mut socket).await;
}

/// Fails on a build that loses what it wanted to send by a WebSocket that failed.
#[tokio::test]
async fn nothing_is_lost_or_doubled_by_upgrades_that_fail() {
    let (app, ada) = set_out().await;
    let room = ada.opens_a_group("flapping", &[]).await;
    let mut poller = Poller::namespace(&app.site, &ada.token).await;
    poller.post(&format!("421{}", json!(["join_room", {"room_id": room.id}]))).await;
    poller.next_starting("431").await;
    let speaker = ada.connects().await;
    for round in 0..5 {
        let mut socket = websocket_of(&poller).await;
        let pending = (round % 2 == 0).then(|| poller.poll_meanwhile());
        socket.writer.text("2probe").await;
        socket.reader.next_starting("3probe").await;
        let mut heard = String::new();
        if let Some(pending) = pending {
            heard = within(SOON, "the pending poll", pending).await.unwrap().body;
        }
        for number in 0..20 {
            let content = format!("message {round}-{number}.");
            speaker.ask("send_message", json!({"room_id": room.id, "content": content})).await;
        }
        drop(socket);
        for number in 0..20 {
            let packet = poller.next_starting(r#"42["new_message""#).await;
            assert!(packet.contains(&format!("message {round}-{number}.")), "round {round}, {number}: {packet}");
        }
        assert!(!heard.contains("new_message"), "{heard}");
    }
}

#[tokio::test]
async fn a_client_need_not_wait_for_the_answer_to_its_probe() {
    let (app, ada) = set_out().await;
    for packets in [&["2probe", "5"][..], &["5"], &["2probe", "2probe", "5"]] {
        let poller = Poller::namespace(&app.site, &ada.token).await;
        let mut socket = websocket_of(&poller).await;
        let mut bytes: Vec<u8> = packets.iter().flat_map(|packet| text_frame(packet)).collect();
        // What follows in the same piece is not lost, even where it is written anew on the way.
        for packet in [r#"421["ping",1]"#, r#"422 ["ping",2]"#, r#"423["ping",3]"#] {
            bytes.extend_from_slice(&text_frame(packet));
        }
        socket.writer.bytes(&bytes).await;
        for number in 1..=3 {
            let ack = socket.reader.next_starting("43").await;
            assert_eq!(ack, format!(r#"43{number}[{{"ok":true,"data":{number}}}]"#), "{packets:?}");
        }
    }
}

#[tokio::test]
async fn a_second_websocket_is_ignored() {
    let (app, ada) = set_out().await;
    let poller = Poller::namespace(&app.site, &ada.token).await;
    let mut first = websocket_of(&poller).await;
    first.writer.text("2probe").await;
    first.reader.next_starting("3probe").await;
    let mut second = websocket_of(&poller).await;
    second.reader.until_closed(SOON, "a WebSocket beside one that was probed").await;
    first.writer.text("5").await;
    still_works(&mut first).await;
    let mut third = websocket_of(&poller).await;
    third.reader.until_closed(SOON, "a WebSocket beside one that took over").await;
    still_works(&mut first).await;
}

/// A client that tries again is not kept out by its first attempt, of which it knows nothing more.
#[tokio::test]
async fn a_silent_websocket_makes_room_for_the_next() {
    let (app, ada) = set_out().await;
    let poller = Poller::namespace(&app.site, &ada.token).await;
    let mut silent = websocket_of(&poller).await;
    let mut next = websocket_of(&poller).await;
    for packet in ["2probe", "5"] {
        next.writer.text(packet).await;
    }
    next.reader.next_starting("3probe").await;
    still_works(&mut next).await;
    silent.reader.until_closed(SOON, "the end of the silent one").await;
}

#[tokio::test]
async fn a_websocket_without_a_session_is_refused() {
    let app = App::start().await;
    for sid in ["AAAAAAAAAAAAAAAA", "garbage", ""] {
        let path = format!("/socket.io/?EIO=4&transport=websocket&sid={sid}");
        let refused = WebSocket::open(app.site.addr(), &path, &[]).await.err().expect("no upgrade");
        assert_eq!(refused.status, 400, "sid={sid}");
    }
}

#[tokio::test]
async fn a_websocket_that_never_says_anything_ends_and_its_session_does_not() {
    let app = App::with(Server::settings().with("PARLOUR__REALTIME__CONNECT_TIMEOUT_MS", "1000")).await;
    let ada = app.user("ada").await;
    let mut poller = Poller::namespace(&app.site, &ada.token).await;
    let mut silent = websocket_of(&poller).await;
    silent.reader.until_closed(Duration::from_secs(5), "the end of a silent WebSocket").await;
    let mut probed = websocket_of(&poller).await;
    probed.writer.text("2probe").await;
    probed.reader.next_starting("3probe").await;
    probed.reader.until_closed(Duration::from_secs(5), "the end of a WebSocket that was only probed").await;
    still_polls(&mut poller, "afterwards").await;
}

/// A session is ended by its own close packet while its WebSocket is probed.
#[tokio::test]
async fn a_session_that_ends_takes_its_upgrade_with_it() {
    let (app, ada) = set_out().await;
    let poller = Poller::namespace(&app.site, &ada.token).await;
    let mut socket = websocket_of(&poller).await;
    socket.writer.text("2probe").await;
    socket.reader.next_starting("3probe").await;
    poller.post("1").await;
    socket.writer.text("5").await;
    socket.reader.until_closed(SOON, "the end of the WebSocket").await;
    let path = format!("{}&sid=x", polling::PATH);
    assert_eq!(app.site.get(&path).send().await.status, StatusCode::BAD_REQUEST);
}
