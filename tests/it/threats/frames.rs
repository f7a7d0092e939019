//! Bad frames and packets: section A of the threat table, what comes after the handshake.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::protocol::frame::coding::Data;

use crate::support::{
    App, Person, Room, SOON, Socket,
    websocket::{WebSocket, frame, text_frame},
};

/// How far the attacker has come.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    /// A session, no namespace.
    Opened,
    /// In the namespace, with a valid token.
    Joined,
}
use Stage::{Joined, Opened};

/// What must follow.
#[derive(Clone, Debug)]
enum Then {
    Closed,
    /// This packet.
    Says(&'static str),
    /// An ack number 1 with this code.
    Ack(&'static str),
    /// Either is right.
    AckOrClosed(&'static str),
}
use Then::{Ack, AckOrClosed, Closed, Says};

fn with_bits(text: &str, bits: u8) -> Vec<u8> {
    let mut bytes = text_frame(text);
    bytes[0] |= bits;
    bytes
}

fn with_opcode(text: &str, opcode: u8) -> Vec<u8> {
    let mut bytes = text_frame(text);
    bytes[0] = (bytes[0] & 0xf0) | opcode;
    bytes
}

fn unmasked(text: &str) -> Vec<u8> {
    let mut bytes = vec![0x81, u8::try_from(text.len()).expect("a short text")];
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

/// Two frames of one message, together over the limit.
fn fragments(total: usize) -> Vec<u8> {
    let mut first = frame("4".repeat(total / 2).as_bytes(), Data::Text);
    first[0] &= 0x7f;
    let mut second = with_opcode(&"4".repeat(total / 2), 0);
    first.append(&mut second);
    first
}

/// The header of a frame that announces this many bytes, and a few of them.
fn announced(bytes: u64) -> Vec<u8> {
    let mut header = vec![0x81, 0xff];
    header.extend_from_slice(&bytes.to_be_bytes());
    header.extend_from_slice(&[1, 2, 3, 4]);
    header.extend_from_slice(&[b'4'; 1_000]);
    header
}

fn deep(depth: usize) -> Vec<u8> {
    text_frame(&format!(r#"421["send_message",{}{}]"#, "[".repeat(depth), "]".repeat(depth)))
}

fn packet(text: &str) -> Vec<u8> {
    text_frame(text)
}

fn rows() -> Vec<(&'static str, Stage, Vec<u8>, Then)> {
    let big = "x".repeat(128 * 1024);
    vec![
        ("A9 before CONNECT", Opened, packet(&format!("40{big}")), Closed),
        ("A9 after CONNECT", Joined, packet(&format!(r#"42["ping","{big}"]"#)), Closed),
        ("A9 fragments", Joined, fragments(160 * 1024), Closed),
        ("A9 announced", Joined, announced(1 << 40), Closed),
        ("A9 announced, a negative length", Opened, announced(u64::MAX), Closed),
        ("A9 binary", Joined, frame(&[0; 140_000], Data::Binary), Closed),
        ("A11 RSV1", Joined, with_bits("42[\"ping\"]", 0x40), Closed),
        ("A11 RSV2", Joined, with_bits("42[\"ping\"]", 0x20), Closed),
        ("A11 RSV3", Opened, with_bits("40", 0x10), Closed),
        ("A11 unmasked", Joined, unmasked("42[\"ping\"]"), Closed),
        ("A11 unmasked, before CONNECT", Opened, unmasked("40"), Closed),
        ("A11 reserved opcode", Joined, with_opcode("2", 0x3), Closed),
        ("A11 reserved control opcode", Joined, with_opcode("2", 0xb), Closed),
        ("A11 a continuation of nothing", Joined, with_opcode("2", 0x0), Closed),
        ("A11 a long ping", Joined, with_opcode(&"p".repeat(126), 0x9), Closed),
        ("A12 invalid UTF-8", Joined, frame(b"42[\"\xff\xfe\"]", Data::Text), Closed),
        ("A12 half a character", Opened, frame(b"40\xc3", Data::Text), Closed),
        ("A14 attachments without end", Joined, packet(r#"45999999999-["x",{"_placeholder":true,"num":0}]"#), Closed),
        ("A14 one attachment too many", Joined, packet(r#"4511-["x",{"_placeholder":true,"num":0}]"#), Closed),
        ("A14 a count that overflows", Joined, packet(r#"4599999999999999999999999-["x"]"#), Closed),
        ("A14 a negative count", Joined, packet(r#"45-1-["x"]"#), Closed),
        ("A17 an object", Joined, packet("42{}"), Closed),
        ("A17 nothing", Joined, packet("42"), Closed),
        ("A17 half a list", Joined, packet("42["), Closed),
        ("A17 no packet type", Joined, packet("4abc"), Closed),
        ("A17 no number", Joined, packet(r#"42abc["x"]"#), Closed),
        ("A17 an unknown Engine.IO type", Joined, packet("9"), Closed),
        ("A17 an empty frame", Joined, packet(""), Closed),
        ("A19 before CONNECT", Opened, packet(r#"421["send_message",{"content":"x"}]"#), Closed),
        ("A22 another namespace", Opened, packet("40/admin,"), Says(r#"44/admin,{"message":"Invalid namespace"}"#)),
        (
            "A22 another namespace, joined",
            Joined,
            packet("40/admin,{}"),
            Says(r#"44/admin,{"message":"Invalid namespace"}"#),
        ),
        ("A25 no such event", Joined, packet(r#"421["no_such_event",{}]"#), Ack("UNKNOWN_EVENT")),
        ("A25 an empty name", Joined, packet(r#"421["",{}]"#), Ack("UNKNOWN_EVENT")),
        ("A26 a number", Joined, packet(r#"421["send_message",42]"#), Ack("VALIDATION_ERROR")),
        ("A26 nothing", Joined, packet(r#"421["send_message"]"#), Ack("VALIDATION_ERROR")),
        ("A26 null", Joined, packet(r#"421["send_message",null]"#), Ack("VALIDATION_ERROR")),
        ("A26 five arguments", Joined, packet(r#"421["send_message",1,2,3,4,5]"#), Ack("VALIDATION_ERROR")),
        ("A26 an empty object", Joined, packet(r#"421["send_message",{}]"#), Ack("VALIDATION_ERROR")),
        ("A26 text", Joined, packet(r#"421["join_room","not an id"]"#), Ack("VALIDATION_ERROR")),
        ("A27 disconnect", Joined, packet(r#"421["disconnect",{}]"#), AckOrClosed("UNKNOWN_EVENT")),
        ("A27 connect_error", Joined, packet(r#"421["connect_error",{}]"#), AckOrClosed("UNKNOWN_EVENT")),
        ("A27 newListener", Joined, packet(r#"421["newListener",{}]"#), AckOrClosed("UNKNOWN_EVENT")),
        // the library reads an event's name only where it needs no unescaping
        ("A27 an escaped name", Joined, packet(r#"421["no\u005fsuch",{}]"#), AckOrClosed("UNKNOWN_EVENT")),
        ("A27 NUL in a name", Joined, packet(r#"421["send_message\u0000",{}]"#), AckOrClosed("UNKNOWN_EVENT")),
        ("A28 deep", Joined, deep(5_000), AckOrClosed("VALIDATION_ERROR")),
        ("A28 deeper", Joined, deep(50_000), AckOrClosed("VALIDATION_ERROR")),
    ]
}

async fn attacker(ada: &Person, stage: Stage) -> WebSocket {
    match stage {
        Opened => WebSocket::engine(ada.site.addr()).await,
        Joined => {
            let mut socket = WebSocket::namespace(ada.site.addr(), &ada.token).await;
            socket.reader.next_starting(r#"42["connected""#).await;
            socket
        }
    }
}

/// The code of ack number 1, or nothing when the connection ends first.
async fn ack_or_end(socket: &mut WebSocket, row: &str) -> Option<Value> {
    loop {
        let text = socket.reader.next_within(SOON).await?;
        if let Some(answer) = text.strip_prefix("431") {
            let answer: Value = serde_json::from_str(answer).unwrap_or_else(|_| panic!("{row}: {text}"));
            assert_eq!(answer[0]["ok"], false, "{row}: {text}");
            return Some(answer[0]["error"]["code"].clone());
        }
    }
}

#[tokio::test]
async fn a_frame_that_does_not_fit_harms_its_sender_only() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room: Room = ada.opens_a_group("target", &[&bob]).await;
    let bystander: Socket = bob.enters(&room).await;
    for (row, stage, bytes, then) in rows() {
        let mut socket = attacker(&ada, stage).await;
        let begin = Instant::now();
        socket.writer.bytes(&bytes).await;
        match then {
            Closed => {
                for packet in socket.reader.until_closed(SOON, row).await {
                    assert!(!packet.starts_with("43"), "{row} is answered by {packet}");
                }
            }
            Says(packet) => assert_eq!(socket.reader.next_starting(&packet[..2]).await, packet, "{row}"),
            Ack(code) => {
                assert_eq!(ack_or_end(&mut socket, row).await, Some(json!(code)), "{row}");
                assert!(begin.elapsed() < Duration::from_secs(1), "{row}: answered after {:?}", begin.elapsed());
            }
            AckOrClosed(code) => {
                if let Some(said) = ack_or_end(&mut socket, row).await {
                    assert_eq!(said, code, "{row}");
                }
            }
        }
        bystander.ask("typing", json!({"room_id": room.id, "is_typing": false})).await;
    }
    assert!(ada.history(&room).await.is_empty(), "nothing was stored");
}

#[tokio::test]
async fn an_attachment_that_is_not_there_is_refused() {
    let rows = [
        ("A15 a word", r#"451-1["send_message",{"_placeholder":true,"num":"splice"}]"#),
        ("A15 too great", r#"451-1["send_message",{"_placeholder":true,"num":7}]"#),
        ("A15 negative", r#"451-1["send_message",{"_placeholder":true,"num":-1}]"#),
        ("A15 right, but bytes are no message", r#"451-1["send_message",{"_placeholder":true,"num":0}]"#),
        ("A15 deep inside", r#"451-1["send_message",{"room_id":{"_placeholder":true,"num":9}}]"#),
    ];
    let app = App::start().await;
    let ada = app.user("ada").await;
    for (row, head) in rows {
        let mut socket = attacker(&ada, Joined).await;
        socket.writer.text(head).await;
        socket.writer.binary(b"four").await;
        if let Some(code) = ack_or_end(&mut socket, row).await {
            assert_eq!(code, "VALIDATION_ERROR", "{row}");
        }
        ada.connects().await.ask("sync", json!({"cursors": {}})).await;
    }
}

/// Catches a build that keeps the library's limit of 64 MiB a message, taken before anybody has said who they are.
/// Seen.
#[tokio::test]
async fn a_message_without_end_costs_no_memory() {
    let app = App::start().await;
    let attack = async || {
        let mut socket = WebSocket::engine(app.site.addr()).await;
        let mut header = vec![0x81, 0xff];
        header.extend_from_slice(&(60_u64 << 20).to_be_bytes());
        header.extend_from_slice(&[0; 4]);
        socket.writer.bytes(&header).await;
        for _ in 0..60 {
            if !socket.writer.bytes(&vec![b'4'; 1 << 20]).await {
                break;
            }
        }
        socket.reader.until_closed(SOON, "A9: the end of the attacker").await;
    };
    // What the first socket of all costs is no attack's.
    app.user("ada").await.connects().await.leave().await;
    let idle = app.server.peak_rss_kib();
    for _ in 0..3 {
        attack().await;
    }
    let peak = app.server.peak_rss_kib().saturating_sub(idle);
    assert!(peak < 16 * 1024, "A9: at its height an attack cost {peak} KiB");
    let before = app.server.rss_kib();
    for _ in 0..5 {
        attack().await;
    }
    let grown = app.server.rss_kib().saturating_sub(before);
    assert!(grown < 1024, "A9: five attacks cost {grown} KiB");
}

/// Catches a build that says nothing to who asked for no ack. Seen.
#[tokio::test]
async fn a_failed_event_without_an_ack_is_answered_by_an_error_event() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let mut socket = ada.connects().await;
    for (name, data, code) in [
        ("no_such_event", json!({}), "UNKNOWN_EVENT"),
        ("send_message", json!({"content": 4}), "VALIDATION_ERROR"),
        ("join_room", json!({"room_id": "0199d1c6-7a4e-7cc3-9d5a-3b1f0f6a2c11"}), "ROOM_NOT_FOUND"),
    ] {
        socket.emit(name, data);
        let error = socket.expect("error").await;
        assert_eq!((&error["event"], &error["code"]), (&json!(name), &json!(code)), "{error}");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{error}");
    }
}
