//! A WebSocket whose bytes are in our hands: frames are decoded by tungstenite, and written as the test wants them.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::StreamExt;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{
            Role, WebSocketConfig,
            frame::{
                Frame,
                coding::{Data, OpCode},
            },
        },
    },
};

use super::{SOON, within};

/// Where a WebSocket without a session starts.
pub(crate) const PATH: &str = "/socket.io/?EIO=4&transport=websocket";

pub(crate) struct WebSocket {
    pub(crate) reader: Reader,
    pub(crate) writer: Writer,
}

/// An HTTP answer that was no upgrade; status 0 when there was none.
#[derive(Debug)]
pub(crate) struct NotUpgraded {
    pub(crate) status: u16,
}

impl WebSocket {
    /// Upgrades a fresh connection at `path`.
    pub(crate) async fn open(addr: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Result<Self, NotUpgraded> {
        let stream = within(SOON, "TCP connect", TcpStream::connect(addr)).await;
        let stream = match stream {
            Ok(stream) => stream,
            Err(_) => return Err(NotUpgraded { status: 0 }),
        };
        Self::over(stream, path, headers).await
    }

    /// Upgrades `stream`.
    pub(crate) async fn over(mut stream: TcpStream, path: &str, headers: &[(&str, &str)]) -> Result<Self, NotUpgraded> {
        let _ = stream.set_nodelay(true);
        let host = stream.peer_addr().expect("it is connected");
        let mut request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        );
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        let broken = |_: io::Error| NotUpgraded { status: 0 };
        stream.write_all(request.as_bytes()).await.map_err(broken)?;
        let (head, rest) = within(SOON, "the answer to an upgrade", head_of(&mut stream)).await.map_err(broken)?;
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        if status != 101 {
            return Err(NotUpgraded { status });
        }
        let (read, write) = stream.into_split();
        let config = WebSocketConfig::default().read_buffer_size(8 * 1024);
        let stream = WebSocketStream::from_partially_read(ReadOnly(read), rest, Role::Client, Some(config)).await;
        Ok(Self { reader: Reader { stream, close_code: None }, writer: Writer(write) })
    }

    /// Opens the Engine.IO session, without joining a namespace.
    pub(crate) async fn engine(addr: SocketAddr) -> Self {
        let mut socket = Self::open(addr, PATH, &[]).await.expect("a plain upgrade is taken");
        let open = socket.reader.next_within(SOON).await.expect("the open packet");
        assert!(open.starts_with('0'), "the first packet opens the session, got {open}");
        socket
    }

    /// Opens a session and joins the namespace.
    pub(crate) async fn namespace(addr: SocketAddr, token: &str) -> Self {
        let mut socket = Self::engine(addr).await;
        socket.writer.text(&format!(r#"40{{"token":"{token}"}}"#)).await;
        let answer = socket.reader.next_starting("4").await;
        assert!(answer.starts_with("40"), "CONNECT is accepted, got {answer}");
        socket
    }
}

/// The head of an HTTP answer, and what was read beyond it.
async fn head_of(stream: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Ok((String::from_utf8_lossy(&bytes).into_owned(), rest));
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

pub(crate) struct Reader {
    stream: WebSocketStream<ReadOnly>,
    /// What the server's close frame said, once it has come.
    pub(crate) close_code: Option<u16>,
}

impl Reader {
    /// The next text, or nothing once the connection has ended. Binary messages are passed over.
    pub(crate) async fn next(&mut self) -> Option<String> {
        loop {
            if let Message::Text(text) = self.message().await? {
                return Some(text.as_str().to_owned());
            }
        }
    }

    /// The next message of any kind, or nothing once the connection has ended.
    async fn message(&mut self) -> Option<Message> {
        match self.stream.next().await? {
            Ok(Message::Close(close)) => {
                self.close_code = close.map(|close| close.code.into());
                None
            }
            other => other.ok(),
        }
    }

    /// The next binary message; texts before it are passed over.
    pub(crate) async fn binary(&mut self) -> Vec<u8> {
        within(SOON, "a binary message", async {
            loop {
                if let Message::Binary(bytes) = self.message().await.expect("the connection is open") {
                    return bytes.to_vec();
                }
            }
        })
        .await
    }

    pub(crate) async fn next_within(&mut self, limit: Duration) -> Option<String> {
        within(limit, "the next WebSocket message", self.next()).await
    }

    /// The next text that starts with `prefix`; fails when the connection ends before.
    pub(crate) async fn next_starting(&mut self, prefix: &str) -> String {
        loop {
            let text = self.next_within(SOON).await.unwrap_or_else(|| panic!("closed before a packet {prefix}…"));
            if text.starts_with(prefix) {
                return text;
            }
        }
    }

    /// Reads to the end of the connection, and gives what came before it.
    pub(crate) async fn until_closed(&mut self, limit: Duration, why: &str) -> Vec<String> {
        within(limit, why, async {
            let mut texts = Vec::new();
            while let Some(text) = self.next().await {
                texts.push(text);
            }
            texts
        })
        .await
    }
}

pub(crate) struct Writer(OwnedWriteHalf);

impl Writer {
    /// Sends a text; says whether the connection took it.
    pub(crate) async fn text(&mut self, text: &str) -> bool {
        self.bytes(&text_frame(text)).await
    }

    pub(crate) async fn binary(&mut self, payload: &[u8]) -> bool {
        self.bytes(&frame(payload, Data::Binary)).await
    }

    /// Sends bytes that need not be a frame.
    pub(crate) async fn bytes(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).await.is_ok()
    }

    /// Makes the end of this connection a reset instead of a farewell.
    pub(crate) fn end_abruptly(&self) {
        let stream: &TcpStream = self.0.as_ref();
        let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
    }
}

/// A masked text frame, as bytes.
pub(crate) fn text_frame(text: &str) -> Vec<u8> {
    frame(text.as_bytes(), Data::Text)
}

/// A masked frame, as bytes.
pub(crate) fn frame(payload: &[u8], kind: Data) -> Vec<u8> {
    let mut frame = Frame::message(payload.to_vec(), OpCode::Data(kind), true);
    frame.header_mut().mask = Some([0x37, 0xfa, 0x21, 0x3d]);
    let mut bytes = Vec::with_capacity(payload.len() + 14);
    frame.format(&mut bytes).expect("a vector takes everything");
    bytes
}

/// The reading half of a connection; what tungstenite would write by itself is dropped.
struct ReadOnly(OwnedReadHalf);

impl AsyncRead for ReadOnly {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for ReadOnly {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
