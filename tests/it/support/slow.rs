//! Requests whose body takes its time.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{Person, SOON, within};

/// A request of which the node has read the head, and waits for the rest of the body.
pub(crate) struct Slow {
    pub(crate) what: String,
    stream: TcpStream,
    rest: Vec<u8>,
}

impl Slow {
    /// Sends the head and half of a JSON body.
    pub(crate) async fn json(person: &Person, method: &str, path: &str, body: &Value) -> Self {
        Self::begin(person, &format!("{method} {path}"), "application/json", body.to_string().into_bytes()).await
    }

    /// Sends the head and half of a body of this type. The node asks for the body once it knows who sends it.
    pub(crate) async fn begin(person: &Person, what: &str, mime_type: &str, body: Vec<u8>) -> Self {
        let addr: SocketAddr = person.site.addr();
        let mut stream = TcpStream::connect(addr).await.expect("the node listens");
        let head = format!(
            "{what} HTTP/1.1\r\nHost: parlour.test\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\
             Content-Type: {mime_type}\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
            person.token,
            body.len()
        );
        stream.write_all(head.as_bytes()).await.expect("the node reads");
        let mut asked = Vec::new();
        within(SOON, what, async {
            while !asked.ends_with(b"\r\n\r\n") {
                asked.push(stream.read_u8().await.expect("the node answers"));
            }
        })
        .await;
        let asked = String::from_utf8_lossy(&asked);
        assert!(asked.starts_with("HTTP/1.1 100"), "{what}: {asked}");
        let (half, rest) = body.split_at(body.len() / 2);
        stream.write_all(half).await.expect("the node reads");
        Self { what: what.to_owned(), stream, rest: rest.to_vec() }
    }

    /// Sends the rest; answers the status and the whole answer.
    pub(crate) async fn finish(mut self) -> (u16, String) {
        let mut answer = Vec::new();
        within(SOON * 2, &self.what, async {
            // Whoever is refused may find the way closed already.
            let _ = self.stream.write_all(&self.rest).await;
            let _ = self.stream.read_to_end(&mut answer).await;
        })
        .await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.unwrap_or_else(|| panic!("{}: no status in {answer:?}", self.what)), answer)
    }
}
