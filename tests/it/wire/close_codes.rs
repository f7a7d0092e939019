//! Why a WebSocket ends, as its close frame says it (RFC 6455, section 7.4.1).

use std::time::Duration;

use serde_json::json;
use tokio_tungstenite::tungstenite::protocol::frame::coding::Data;

use crate::support::{
    App, Person, SOON,
    websocket::{WebSocket, frame, text_frame},
};

async fn joined(ada: &Person) -> WebSocket {
    let mut socket = WebSocket::namespace(ada.site.addr(), &ada.token).await;
    socket.reader.next_starting(r#"42["connected""#).await;
    socket
}

/// RFC 6455, section 7.4.1. Fails on a build whose close frames are empty.
#[tokio::test]
async fn a_close_frame_says_why() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let rsv = {
        let mut bytes = text_frame("2");
        bytes[0] |= 0x40;
        bytes
    };
    let rows = [
        ("goodbye", text_frame("1"), 1000),
        ("a close frame", vec![0x88, 0x80, 1, 2, 3, 4], 1000),
        ("a reserved bit", rsv, 1002),
        ("no mask", b"\x81\x012".to_vec(), 1002),
        ("no text", frame(b"42[\"ping\",\"\xff\xfe\"]", Data::Text), 1007),
        ("no packet", text_frame("9"), 1008),
        ("no event", text_frame("42{}"), 1008),
        ("too many attachments", text_frame(r#"4511-["ping"]"#), 1008),
        ("bytes that nothing announced", frame(b"bytes", Data::Binary), 1008),
        ("too large", text_frame(&format!(r#"42["ping","{}"]"#, "x".repeat(128 * 1024))), 1009),
    ];
    for (row, bytes, code) in rows {
        let mut socket = joined(&ada).await;
        socket.writer.bytes(&bytes).await;
        socket.reader.until_closed(SOON, row).await;
        assert_eq!(socket.reader.close_code, Some(code), "{row}");
    }
    for packet in [r#"42["ping",1]"#, r#"421["ping",1]"#, "431[]", "41"] {
        let mut socket = WebSocket::engine(ada.site.addr()).await;
        socket.writer.text(packet).await;
        socket.reader.until_closed(SOON, packet).await;
        assert_eq!(socket.reader.close_code, Some(1008), "{packet} before CONNECT");
    }
}

/// Fails on a build that resets the connection five seconds later.
#[tokio::test]
async fn a_socket_that_the_server_ends_is_closed_at_once_and_properly() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let mut socket = joined(&ada).await;
    ada.post("/api/auth/logout", json!({})).await.with_status(204);
    let last = socket.reader.until_closed(Duration::from_secs(4), "the end of a login").await;
    assert_eq!(last.last().map(String::as_str), Some("41"), "{last:?}");
    assert_eq!(socket.reader.close_code, Some(1000));
}

#[tokio::test]
async fn a_server_that_stops_says_that_it_goes_away() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let mut socket = joined(&ada).await;
    app.server.sigterm();
    socket.reader.until_closed(SOON, "the end of the server").await;
    assert_eq!(socket.reader.close_code, Some(1001));
}
