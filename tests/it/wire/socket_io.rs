//! Socket.IO 5 as its protocol describes it (<https://socket.io/docs/v4/socket-io-protocol/>): what packets may look like, and
//! that each is answered or ends its session, by WebSocket and by polling.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::protocol::frame::coding::Data;

use crate::support::{
    App, Person, SOON,
    polling::Poller,
    websocket::{WebSocket, frame, text_frame},
};

/// A raw client on either transport.
enum Client {
    WebSocket(Box<WebSocket>),
    Polling(Poller),
}

impl Client {
    async fn both(ada: &Person) -> [Self; 2] {
        [Self::websocket(ada).await, Self::Polling(Poller::namespace(&ada.site, &ada.token).await)]
    }

    async fn websocket(ada: &Person) -> Self {
        let mut socket = WebSocket::namespace(ada.site.addr(), &ada.token).await;
        socket.reader.next_starting(r#"42["connected""#).await;
        Self::WebSocket(Box::new(socket))
    }

    async fn send(&mut self, packet: &str) {
        match self {
            Self::WebSocket(socket) => assert!(socket.writer.text(packet).await, "the connection is open"),
            Self::Polling(poller) => poller.post(packet).await,
        }
    }

    async fn next_starting(&mut self, prefix: &str) -> String {
        match self {
            Self::WebSocket(socket) => socket.reader.next_starting(prefix).await,
            Self::Polling(poller) => poller.next_starting(prefix).await,
        }
    }

    /// Sends a packet with what follows it in binary.
    async fn send_binary(&mut self, packet: &str, parts: &[&[u8]]) {
        match self {
            Self::WebSocket(socket) => {
                socket.writer.text(packet).await;
                for part in parts {
                    socket.writer.binary(part).await;
                }
            }
            Self::Polling(poller) => {
                let parts = parts.iter().map(|part| format!("\u{1e}b{}", encoded(part)));
                poller.post(&parts.fold(packet.to_owned(), |all, part| all + &part)).await;
            }
        }
    }

    async fn next_binary(&mut self) -> Vec<u8> {
        match self {
            Self::WebSocket(socket) => socket.reader.binary().await,
            Self::Polling(poller) => decoded(&poller.next_starting("b").await[1..]),
        }
    }

    async fn still_works(&mut self, why: &str) {
        self.send(r#"4299["ping","still"]"#).await;
        assert_eq!(self.next_starting("4399").await, r#"4399[{"ok":true,"data":"still"}]"#, "{why}");
    }

    fn name(&self) -> &'static str {
        match self {
            Self::WebSocket(_) => "WebSocket",
            Self::Polling(_) => "polling",
        }
    }
}

fn encoded(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn decoded(text: &str) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.decode(text).expect("base64")
}

/// Python writes every name that is not ASCII so, and each client a quotation mark. Fails on a build where the library looks
/// for a handler under a name that it can't unescape.
#[tokio::test]
async fn a_name_with_an_escape_is_a_name() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let names = [
        r#"say \"hi\""#,
        r"a\\b",
        r"line\nbreak",
        r"tab\there",
        r"caf\u00e9",
        r"\ud83d\ude00",
        "größe",
        "😀",
        r"\/slash",
        r#"\""#,
        r"\u0000",
        r"]\u005b",
    ];
    for client in &mut Client::both(&ada).await {
        for name in names {
            let row = format!("{name} by {}", client.name());
            client.send(&format!(r#"421["{name}",{{"x":1}}]"#)).await;
            let answer = client.next_starting("431").await;
            let answer: Value = serde_json::from_str(&answer[3..]).unwrap();
            assert_eq!(answer[0]["error"]["code"], "UNKNOWN_EVENT", "{row}: {answer}");

            client.send(&format!(r#"42["{name}"]"#)).await;
            let error = client.next_starting(r#"42["error""#).await;
            let error: Value = serde_json::from_str(&error[2..]).unwrap();
            let decoded: String = serde_json::from_str(&format!(r#""{name}""#)).unwrap();
            assert_eq!((&error[1]["event"], &error[1]["code"]), (&json!(decoded), &json!("UNKNOWN_EVENT")), "{row}");
        }
        for (packet, answer) in [
            (r#"421["\u0070ing","x"]"#, r#"431[{"ok":true,"data":"x"}]"#),
            (r#"422[ "pin\u0067" , ["say \"hi\""] ] "#, r#"432[{"ok":true,"data":["say \"hi\""]}]"#),
            (r#"42/,3["p\u0069ng",3]"#, r#"433[{"ok":true,"data":3}]"#),
        ] {
            client.send(packet).await;
            assert_eq!(client.next_starting("43").await, answer, "{packet} by {}", client.name());
        }
        client.send_binary(r#"451-4["p\u0069ng",{"_placeholder":true,"num":0}]"#, &[b"\x01\x02"]).await;
        let answer = client.next_starting("46").await;
        assert_eq!(answer, r#"461-4[{"ok":true,"data":{"_placeholder":true,"num":0}}]"#);
        assert_eq!(client.next_binary().await, b"\x01\x02");
        // half of a pair of surrogates is no text
        client.send(r#"425["\ud83d",1]"#).await;
        let answer = client.next_starting("435").await;
        assert!(answer.contains("VALIDATION_ERROR"), "{answer}");
    }
}

/// Node's server reads base64 of both alphabets, padded or not, and skips what is none. The bytes are those that its `Buffer.from`
/// gives. Fails on a build that ends the session over it.
#[tokio::test]
async fn base64_is_read_as_node_reads_it() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let mut poller = Poller::namespace(&ada.site, &ada.token).await;
    for (digits, bytes) in [
        ("+/8", &b"\xfb\xff"[..]),
        ("+/8=", b"\xfb\xff"),
        ("-_8", b"\xfb\xff"),
        ("-_8=", b"\xfb\xff"),
        ("_w", b"\xff"),
        ("", b""),
        ("YWJj====", b"abc"),
        ("YW\nJj\r\n", b"abc"),
        (" YW!Jj", b"abc"),
        ("YWJ=", b"ab"),
        ("YWJjYWJj=YWJj", b"abcabc"),
        ("YW=JjYWJj", b"a"),
        ("=YWJj", b""),
        ("YWJjZ", b"abc"),
        ("a\u{e9}b=", b"i"),
        ("!!", b""),
    ] {
        poller.post(&format!("451-1[\"ping\",{{\"_placeholder\":true,\"num\":0}}]\u{1e}b{digits}")).await;
        let answer = poller.next_starting("46").await;
        assert_eq!(answer, r#"461-1[{"ok":true,"data":{"_placeholder":true,"num":0}}]"#, "{digits}");
        assert_eq!(decoded(&poller.next_starting("b").await[1..]), bytes, "{digits}");
    }
}

/// Node's server reads an ack's number with `Number`, which takes spaces. Fails on a build that answers nothing then.
#[tokio::test]
async fn spaces_in_a_packet_are_no_reason_for_silence() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    for client in &mut Client::both(&ada).await {
        for (packet, number) in [
            (r#"421 ["ping",1]"#, "1"),
            ("421\t\n [\"ping\",1]", "1"),
            (r#"42 1["ping",1]"#, "1"),
            (r#"42 ["ping",1]"#, "0"),
            (r#"421[ "ping" , 1 ]"#, "1"),
            ("421[\n\"ping\",\r\n\t1\n]", "1"),
            (r#"421["ping",1] "#, "1"),
            (r#"42/,1 ["ping",1]"#, "1"),
        ] {
            client.send(packet).await;
            let answer = client.next_starting("43").await;
            assert_eq!(answer, format!(r#"43{number}[{{"ok":true,"data":1}}]"#), "{packet:?} by {}", client.name());
        }
    }
}

/// Fails on a build that takes a number over 63 bits for no number.
#[tokio::test]
async fn an_ack_has_the_number_that_was_asked_for() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let numbers = [
        ("0", "0"),
        ("007", "7"),
        ("9007199254740993", "9007199254740993"),
        ("9223372036854775807", "9223372036854775807"),
        ("9223372036854775808", "9223372036854775808"),
        ("18446744073709551615", "18446744073709551615"),
        ("18446744073709551616", "18446744073709551616"),
        ("0000000000018446744073709551616", "18446744073709551616"),
        ("00000000000000000000000000000000000000000000000007", "7"),
        ("340282366920938463463374607431768211456", "340282366920938463463374607431768211456"),
    ];
    for client in &mut Client::both(&ada).await {
        for (sent, answered) in numbers {
            client.send(&format!(r#"42{sent}["ping","{sent}"]"#)).await;
            let answer = client.next_starting("43").await;
            let row = format!("{sent} by {}", client.name());
            assert_eq!(answer, format!(r#"43{answered}[{{"ok":true,"data":"{sent}"}}]"#), "{row}");
            client.send(&format!(r#"42{sent}["no \"such\" event"]"#)).await;
            let answer = client.next_starting("43").await;
            assert!(answer.starts_with(&format!(r#"43{answered}[{{"ok":false"#)), "{row}: {answer}");
        }
        client.send_binary(r#"451-18446744073709551616["ping",{"_placeholder":true,"num":0}]"#, &[b"far"]).await;
        let answer = client.next_starting("46").await;
        assert_eq!(answer, r#"461-18446744073709551616[{"ok":true,"data":{"_placeholder":true,"num":0}}]"#);
        assert_eq!(client.next_binary().await, b"far");
    }
    // many in one body, which grow when they are written anew
    let mut poller = Poller::namespace(&ada.site, &ada.token).await;
    let packets: Vec<String> = (0..1_800).map(|n| format!(r#"42{}["ping",{n}]"#, (1_u128 << 64) + n)).collect();
    poller.post(&packets.join("\u{1e}")).await;
    for n in 0..1_800 {
        let answer = poller.next_starting("43").await;
        assert_eq!(answer, format!(r#"43{}[{{"ok":true,"data":{n}}}]"#, (1_u128 << 64) + n));
    }
}

/// Fails on a build whose `ping` gives back a placeholder and no bytes.
#[tokio::test]
async fn a_ping_comes_back_with_its_bytes() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let hole = |num: usize| format!(r#"{{"_placeholder":true,"num":{num}}}"#);
    let bytes: Vec<u8> = (0..=255).collect();
    for client in &mut Client::both(&ada).await {
        let rows = [
            (hole(0), vec![&bytes[..]]),
            (format!(r#"{{"a":[1,{}],"b":{{"c":{}}},"d":"é\n"}}"#, hole(0), hole(1)), vec![&b"one"[..], b"two"]),
            (format!("[{},{},null,-1.5]", hole(0), hole(1)), vec![&b""[..], b"x"]),
        ];
        for (data, parts) in rows {
            let row = format!("{data} by {}", client.name());
            client.send_binary(&format!(r#"45{}-1["ping",{data}]"#, parts.len()), &parts).await;
            let answer = client.next_starting("4").await;
            let head = format!("46{}-1", parts.len());
            let answer: Value = serde_json::from_str(answer.strip_prefix(&head).expect(&row)).unwrap();
            let data: Value = serde_json::from_str(&data).unwrap();
            assert_eq!(answer, json!([{"ok": true, "data": data}]), "{row}");
            for part in parts {
                assert_eq!(client.next_binary().await, part, "{row}");
            }
        }
        // In another order than they came, each still has its bytes.
        client.send_binary(&format!(r#"452-2["ping",[{},{}]]"#, hole(1), hole(0)), &[b"zero", b"one"]).await;
        assert_eq!(
            client.next_starting("46").await,
            format!(r#"462-2[{{"ok":true,"data":[{},{}]}}]"#, hole(0), hole(1))
        );
        assert_eq!((client.next_binary().await, client.next_binary().await), (b"one".to_vec(), b"zero".to_vec()));
        for bad in [
            r#"{"_placeholder":true,"num":1}"#,
            r#"[{"_placeholder":true,"num":"splice"}]"#,
            r#"[{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]"#,
            r#"{"_placeholder":true}"#,
        ] {
            client.send_binary(&format!(r#"451-3["ping",{bad}]"#), &[b"bytes"]).await;
            let answer = client.next_starting("433").await;
            assert!(answer.contains("VALIDATION_ERROR"), "{bad}: {answer}");
        }
        client.send_binary(&format!(r#"451-["ping",{}]"#, hole(0)), &[b"nobody waits"]).await;
        client.still_works("after bytes").await;
    }
}

#[tokio::test]
async fn a_namespace_is_joined_and_left() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let token = json!({"token": ada.token});
    for client in &mut Client::both(&ada).await {
        // A build that forgets a socket a moment after it left passes over some CONNECTs.
        for _ in 0..20 {
            client.send("41").await;
            client.send(&format!("40{token}")).await;
            let answer = client.next_starting("40").await;
            assert!(answer.starts_with(r#"40{"sid":""#), "{answer}");
            client.next_starting(r#"42["connected""#).await;
        }
        client.send("40/random,").await;
        assert_eq!(client.next_starting("44").await, r#"44/random,{"message":"Invalid namespace"}"#);
        client.still_works("after another namespace").await;
    }
}

/// Nobody waits in between: each CONNECT is answered, and the last one counts. Fails on a build that leaves it to the library, which
/// passes over a goodbye and a CONNECT that come while another CONNECT is underway.
#[tokio::test]
async fn a_namespace_is_joined_and_left_in_one_breath() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let token = json!({"token": ada.token});
    // More than the server reads at once.
    let large = json!({"token": ada.token, "client": "x".repeat(50_000)});
    for client in &mut Client::both(&ada).await {
        for round in 0..20 {
            let auth = if round % 2 == 0 { &token } else { &large };
            for packet in ["41", &format!("40{auth}"), "41", &format!("40{auth}")] {
                client.send(packet).await;
            }
            for _ in 0..2 {
                client.next_starting(r#"40{"sid":""#).await;
            }
            client.next_starting(r#"42["connected""#).await;
            client.still_works("after all of it").await;
        }
    }
}

/// Node's server ends such a session; silence is no answer. Fails on a build that passes over what is for nobody.
#[tokio::test]
async fn an_event_for_a_namespace_that_nobody_joined_ends_the_session() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    for packet in [r#"42/random,1["ping",1]"#, r#"42/random,["ping",1]"#, r#"42/random"#, r#"43/random,1[]"#] {
        let mut socket = WebSocket::namespace(ada.site.addr(), &ada.token).await;
        socket.writer.text(packet).await;
        socket.reader.until_closed(SOON, packet).await;
        assert_eq!(socket.reader.close_code, Some(1008), "{packet}");
        let poller = Poller::namespace(&ada.site, &ada.token).await;
        poller.post(packet).await;
        let last = poller.poll().await;
        assert!(last.status == 400 || ["", "1"].contains(&last.body.as_str()), "{packet}: {last}");
        assert_eq!(poller.poll().await.status, 400, "{packet}");
    }
}

#[tokio::test]
async fn a_message_may_come_in_fragments() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let Client::WebSocket(mut socket) = Client::websocket(&ada).await else { unreachable!("asked for") };
    for packet in [r#"421["ping","plain"]"#, r#"421 ["p\u0069ng","odd"]"#] {
        let mut bytes = Vec::new();
        let pieces: Vec<&str> = packet.split_inclusive(['[', ',']).collect();
        for (number, piece) in pieces.iter().enumerate() {
            let mut fragment = text_frame(piece);
            let is_last = number + 1 == pieces.len();
            fragment[0] = if is_last { 0x80 } else { 0 } | u8::from(number == 0);
            bytes.append(&mut fragment);
        }
        // byte by byte, so that no read has a whole frame
        for byte in bytes {
            socket.writer.bytes(&[byte]).await;
        }
        let answer = socket.reader.next_starting("431").await;
        assert!(answer.starts_with(r#"431[{"ok":true"#), "{packet}: {answer}");
    }
    let mut halves = frame(b"first ", Data::Binary);
    halves[0] = 0x02;
    let mut second = frame(b"second", Data::Binary);
    second[0] = 0x80;
    halves.append(&mut second);
    socket.writer.text(r#"451-2["ping",{"_placeholder":true,"num":0}]"#).await;
    socket.writer.bytes(&halves).await;
    assert_eq!(socket.reader.binary().await, b"first second");
}
