//! One connection, and the switch that ends it.

use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures_util::task::AtomicWaker;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

use super::linger;

/// Times of connections are counted from here, so that they fit into a number.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// What a request can know of the connection it came by: `ConnectInfo<ConnInfo>` in its extensions, which a Socket.IO
/// socket keeps in `req_parts()`.
#[derive(Clone, Debug)]
pub struct ConnInfo {
    /// The other end of the TCP connection; a proxy, if there is one.
    pub peer: SocketAddr,
    pub kill: KillSwitch,
}

/// Ends a connection at once, whatever it is doing, from anywhere.
#[derive(Clone, Default)]
pub struct KillSwitch(Arc<Switch>);

#[derive(Default)]
struct Switch {
    killed: AtomicBool,
    /// Whether the connection is gone, however it ended.
    gone: AtomicBool,
    /// Bytes that the kernel has taken.
    written: AtomicU64,
    /// When the peer last sent something, in milliseconds after [`START`].
    last_activity: AtomicU64,
    /// Reading and writing may wait in different tasks.
    reader: AtomicWaker,
    writer: AtomicWaker,
}

impl KillSwitch {
    /// Fails what the connection waits for and all that is tried later, and resets it: the peer, which may have
    /// stopped reading, is not waited for.
    pub fn kill(&self) {
        self.0.killed.store(true, Ordering::Release);
        self.0.reader.wake();
        self.0.writer.wake();
    }

    /// Whether it was thrown.
    fn is_killed(&self) -> bool {
        self.0.killed.load(Ordering::Acquire)
    }

    /// Bytes that the connection's peer was sent so far, or that wait in the kernel for it.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.0.written.load(Ordering::Relaxed)
    }

    /// When the connection's peer last sent something.
    #[must_use]
    pub fn last_activity(&self) -> Instant {
        *START + Duration::from_millis(self.0.last_activity.load(Ordering::Relaxed))
    }

    /// Whether the connection it ends is still there.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        !self.is_killed() && !self.0.gone.load(Ordering::Acquire)
    }

    fn count(&self, bytes: usize) -> usize {
        self.0.written.fetch_add(bytes as u64, Ordering::Relaxed);
        bytes
    }

    fn note_activity(&self) {
        let now = u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.last_activity.store(now, Ordering::Relaxed);
    }

    /// Registers `waker` unless the switch was thrown. Looking again after registering leaves no moment in which a
    /// kill would wake nobody.
    fn watch(&self, waker: &AtomicWaker, cx: &Context<'_>) -> io::Result<()> {
        waker.register(cx.waker());
        self.check()
    }

    fn check(&self) -> io::Result<()> {
        if self.is_killed() { Err(io::Error::from(io::ErrorKind::ConnectionAborted)) } else { Ok(()) }
    }
}

impl fmt::Debug for KillSwitch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KillSwitch").field(&self.is_killed()).finish()
    }
}

/// A TCP stream with a kill switch.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    kill: KillSwitch,
    /// Whether the peer said that nothing more comes.
    is_ended: bool,
    /// Counts it among the open ones, until it is dropped.
    open: Option<TaskTrackerToken>,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, peer: SocketAddr) -> (Self, ConnInfo) {
        let kill = KillSwitch::default();
        kill.note_activity();
        // An IPv4 client of an IPv6 socket is known by its IPv4 address, so that it has one name for every limit.
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        (Self { stream, kill: kill.clone(), is_ended: false, open: None }, ConnInfo { peer, kill })
    }

    pub(super) fn count_in(&mut self, tracker: &TaskTracker) {
        self.open = Some(tracker.token());
    }

    /// Runs `write`, and makes what it waits for wait for the switch too.
    fn writing<T>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut TcpStream>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        self.kill.check()?;
        let polled = write(Pin::new(&mut self.stream), cx);
        if polled.is_pending() {
            self.kill.watch(&self.kill.0.writer, cx)?;
        }
        polled
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.kill.check()?;
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        match &polled {
            Poll::Pending => self.kill.watch(&self.kill.0.reader, cx)?,
            Poll::Ready(Ok(())) if buf.filled().len() == before => self.is_ended = buf.remaining() > 0,
            Poll::Ready(Ok(())) => self.kill.note_activity(),
            Poll::Ready(Err(_)) => self.is_ended = true,
        }
        polled
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let kill = self.kill.clone();
        self.writing(cx, |stream, cx| stream.poll_write(cx, buf)).map_ok(|bytes| kill.count(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let kill = self.kill.clone();
        self.writing(cx, |stream, cx| stream.poll_write_vectored(cx, bufs)).map_ok(|bytes| kill.count(bytes))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writing(cx, TcpStream::poll_flush)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writing(cx, TcpStream::poll_shutdown)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.kill.0.gone.store(true, Ordering::Release);
        if self.kill.is_killed() {
            // Closing then discards what the peer has not read, and sends a reset (tcp(7), SO_LINGER).
            let _ = self.stream.set_zero_linger();
        } else if !self.is_ended {
            linger::begin(&self.stream);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
        time::timeout,
    };

    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    async fn pair() -> (TcpStream, Connection, ConnInfo) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, peer) = listener.accept().await.unwrap();
        let (connection, info) = Connection::new(stream, peer);
        (client, connection, info)
    }

    #[tokio::test]
    async fn a_kill_ends_a_read_and_a_write_that_wait_in_two_tasks() {
        let (mut client, connection, info) = pair().await;
        let (mut reader, mut writer) = tokio::io::split(connection);
        let reading = tokio::spawn(async move { reader.read_u8().await });
        // The client never reads, so that writing comes to wait.
        let writing = tokio::spawn(async move {
            loop {
                if let Err(error) = writer.write_all(&[0; 65536]).await {
                    return error;
                }
            }
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        info.kill.kill();
        let read = timeout(SOON, reading).await.unwrap().unwrap();
        let written = timeout(SOON, writing).await.unwrap().unwrap();
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
        assert_eq!(written.kind(), io::ErrorKind::ConnectionAborted);
        // The peer receives a reset, not an orderly end after megabytes.
        let end = timeout(SOON, client.read_to_end(&mut Vec::new())).await.unwrap();
        assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn nothing_works_after_a_kill() {
        let (_client, mut connection, info) = pair().await;
        info.kill.clone().kill();
        assert!(connection.read_u8().await.is_err());
        assert!(connection.write_all(b"x").await.is_err());
        assert!(connection.flush().await.is_err());
    }
}
