//! An answer that comes before the request's body has arrived is seen by a client that sends all of it first.

use std::time::Duration;

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{App, Person, SOON, polling, within};

const MIB: usize = 1024 * 1024;

/// How a body says where it ends.
#[derive(Clone, Copy, Debug)]
enum Framing {
    Length,
    Chunked,
    /// Asks whether to send it, and does not wait for the answer.
    Expected,
}

/// A request that is refused by its head, or by how long it is.
struct Refused {
    what: &'static str,
    head: String,
    status: u16,
}

fn refused(what: &'static str, request: &str, headers: &str, status: u16) -> Refused {
    Refused { what, head: format!("{request} HTTP/1.1\r\nHost: parlour.test\r\n{headers}"), status }
}

/// One of every kind. Those that hold for any body come first.
async fn rows(app: &App, ada: &Person) -> Vec<Refused> {
    let bearer = format!("Authorization: Bearer {}\r\n", ada.token);
    let json = "Content-Type: application/json\r\n";
    let form = "Content-Type: multipart/form-data; boundary=x\r\n";
    let session = polling::open(&app.site).await.unwrap();
    vec![
        refused("no token", "POST /api/chat/rooms", json, 401),
        refused("an upload without a token", "POST /api/chat/upload", form, 401),
        refused(
            "an upload with a bad token",
            "POST /api/chat/upload",
            &format!("Authorization: Bearer x\r\n{form}"),
            401,
        ),
        refused(
            "a page of another site",
            "POST /api/auth/login",
            &format!("Origin: https://evil.example\r\n{json}"),
            403,
        ),
        refused("no such address", "POST /nowhere", json, 404),
        refused("another address that is none", "PUT /api/chat/nothing/here", json, 404),
        refused("no such method", "POST /healthz", json, 405),
        refused("another type", "POST /api/chat/rooms", &format!("{bearer}Content-Type: text/plain\r\n"), 415),
        refused("no id", "PATCH /api/chat/rooms/none", &format!("{bearer}{json}"), 422),
        refused("no session", "POST /socket.io/?EIO=4&transport=polling&sid=none", "", 400),
        refused("too long", "POST /api/chat/rooms", &format!("{bearer}{json}"), 413),
        refused("too long a packet", &format!("POST {session}"), "", 413),
    ]
}

/// The status of the answer that a client sees who sends all of its body before it reads, and whether the connection then
/// ended in good order.
async fn answer(app: &App, row: &Refused, framing: Framing, length: usize) -> (u16, bool) {
    let mut stream = TcpStream::connect(app.site.addr()).await.unwrap();
    let head = match framing {
        Framing::Length => format!("{}Content-Length: {length}\r\n\r\n", row.head),
        Framing::Chunked => format!("{}Transfer-Encoding: chunked\r\n\r\n", row.head),
        Framing::Expected => format!("{}Expect: 100-continue\r\nContent-Length: {length}\r\n\r\n", row.head),
    };
    let what = format!("{}, {framing:?}, {length} bytes", row.what);
    let exchange = async {
        stream.write_all(head.as_bytes()).await?;
        // by then the answer is on its way
        tokio::time::sleep(Duration::from_millis(20)).await;
        let piece = [b'x'; 16 * 1024];
        let mut left = length;
        while left > 0 {
            let some = &piece[..left.min(piece.len())];
            if let Framing::Chunked = framing {
                stream.write_all(format!("{:x}\r\n", some.len()).as_bytes()).await?;
                stream.write_all(some).await?;
                stream.write_all(b"\r\n").await?;
            } else {
                stream.write_all(some).await?;
            }
            left -= some.len();
        }
        if let Framing::Chunked = framing {
            stream.write_all(b"0\r\n\r\n").await?;
        }
        let answer = try_answer(&mut stream).await?;
        stream.shutdown().await?;
        let ended = stream.read_to_end(&mut Vec::new()).await;
        Ok::<_, std::io::Error>((answer, ended.is_ok()))
    };
    let (answer, ended) =
        within(SOON * 3, &what, exchange).await.unwrap_or_else(|error| panic!("{what}: no answer but {error}"));
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("{what}: {answer:?}")), ended)
}

/// Fails on a build that closes the connection with the answer: the kernel resets it as soon as more of the body comes, and what
/// the client has received and not read is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_arrives_while_the_body_is_still_being_sent() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    for framing in [Framing::Length, Framing::Chunked, Framing::Expected] {
        for row in rows(&app, &ada).await {
            // the last rows are refused for their length
            let lengths: &[usize] = if row.status == 413 { &[4 * MIB] } else { &[1024, MIB, 4 * MIB] };
            for length in lengths {
                let seen = answer(&app, &row, framing, *length).await;
                assert_eq!(seen, (row.status, true), "{}, {framing:?}, {length} bytes", row.what);
            }
        }
    }
}

/// Fails on a build that ends the connection of every refusal, and on one that takes the rest of a body for the next request.
#[tokio::test]
async fn a_connection_outlives_the_refusal_of_a_short_body() {
    let app = App::start().await;
    let mut stream = TcpStream::connect(app.site.addr()).await.unwrap();
    for _ in 0..3 {
        let body = "x".repeat(20_000);
        let head = "POST /api/chat/rooms HTTP/1.1\r\nHost: parlour.test\r\nContent-Type: application/json\r\n";
        stream.write_all(format!("{head}Content-Length: {}\r\n\r\n", body.len()).as_bytes()).await.unwrap();
        let answer = read_answer(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
        assert!(!answer.to_lowercase().contains("connection: close"), "{answer}");
        stream.write_all(body.as_bytes()).await.unwrap();
    }
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: parlour.test\r\n\r\n").await.unwrap();
    let answer = read_answer(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// A client that asks whether to send its body, and waits, is told at once, and not that it should go on.
#[tokio::test]
async fn who_asks_before_sending_is_refused_at_once() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    for row in rows(&app, &ada).await.iter().filter(|row| row.status != 413) {
        let mut stream = TcpStream::connect(app.site.addr()).await.unwrap();
        let head = format!("{}Expect: 100-continue\r\nContent-Length: {}\r\n\r\n", row.head, 4 * MIB);
        stream.write_all(head.as_bytes()).await.unwrap();
        let answer = read_answer(&mut stream).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {}", row.status)), "{}: {answer}", row.what);
        assert!(answer.to_lowercase().contains("connection: close"), "{}: {answer}", row.what);
    }
}

/// What is read for nobody is bounded. Fails on a build that reads for as long as somebody sends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_stops_sending_is_cut() {
    let app = App::start().await;
    let before_kib = app.server.rss_kib();
    let mut stream = TcpStream::connect(app.site.addr()).await.unwrap();
    stream.write_all(b"POST /nowhere HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
    let piece = vec![b'x'; MIB];
    let mut sent = 0;
    let flood = async {
        while stream.write_all(&piece).await.is_ok() {
            sent += 1;
            assert!(sent < 128, "{sent} MiB were read for nobody");
        }
    };
    within(SOON * 4, "the end of a flood", flood).await;
    let grown_kib = app.server.rss_kib().saturating_sub(before_kib);
    assert!(grown_kib < 8 * 1024, "the node grew by {grown_kib} KiB");
}

/// Bodies that do not come hold up nobody else's requests, refused or not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_bodies_hold_up_nobody() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let bearer = format!("Authorization: Bearer {}\r\n", ada.token);
    let mut slow = Vec::new();
    for path in ["/api/chat/rooms", "/api/chat/messages", "/api/chat/upload", "/nowhere", "/api/auth/login"] {
        for headers in [bearer.as_str(), ""] {
            for _ in 0..20 {
                let mut stream = TcpStream::connect(app.site.addr()).await.unwrap();
                let head = format!(
                    "POST {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Type: application/json\r\n\
                     Content-Length: 100000\r\n\r\n{{"
                );
                stream.write_all(head.as_bytes()).await.unwrap();
                slow.push(stream);
            }
        }
    }
    let room = within(SOON, "a room is opened", ada.opens_a_group("quick", &[])).await;
    within(SOON, "a message is sent", ada.says(&room, "still here")).await;
    let socket = within(SOON, "a socket connects", ada.connects()).await;
    socket.ask("ping", json!({})).await;
}

async fn read_answer(stream: &mut TcpStream) -> String {
    within(SOON, "an answer", try_answer(stream)).await.expect("an answer")
}

/// One answer: its head, and its body by its length. Being asked to go on is none.
async fn try_answer(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let text = text.trim_start_matches("HTTP/1.1 100 Continue\r\n\r\n");
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
            if body.len() >= length.map_or(0, |length| length.parse().expect("a length")) {
                return Ok(text.to_owned());
            }
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}
