//! TCP: the options of each connection, and a kill switch for it.
//!
//! `axum::serve` leaves Nagle's algorithm on (an ack then waits for the peer's delayed ACK, 40 ms), has no limit on how
//! slowly a request head may arrive, and gives no handle on a connection. So we accept and serve by ourselves.

mod connection;
pub mod engine_io;
mod linger;
mod refused;
mod serve;

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpSocket};

pub use connection::{ConnInfo, Connection, KillSwitch};
pub use serve::{Open, serve};

/// Connections that may wait to be accepted. Linux cuts it to `net.core.somaxconn`, 4096 by default.
const BACKLOG: u32 = 4096;

/// How long a connection may be silent before the kernel asks whether the peer is still there.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);

/// How long to leave the kernel alone when it is out of descriptors or memory.
const PAUSE: Duration = Duration::from_millis(100);

/// How long the log is spared the same failure.
const QUIET: Duration = Duration::from_secs(10);

/// Accepts connections.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    stall_timeout: Duration,
    /// When a failure to accept was last logged.
    reported: Option<Instant>,
}

impl Listener {
    /// Listens on `address`; port 0 takes a free one. Connections whose peer acknowledges nothing for `stall_timeout`
    /// while bytes are on the way are ended by the kernel.
    ///
    /// # Errors
    /// When the address is taken or not ours.
    pub fn bind(address: SocketAddr, stall_timeout: Duration) -> io::Result<Self> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A restart must not wait for the old connections to be forgotten.
        socket.set_reuseaddr(true)?;
        socket.bind(address).map_err(explained)?;
        let listener = socket.listen(BACKLOG).map_err(explained)?;
        Ok(Self { listener, stall_timeout, reported: None })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The next connection. Errors of accepting are those of one peer, or of a machine that is short of something and
    /// may recover: neither ends the server.
    pub async fn accept(&mut self) -> (Connection, ConnInfo) {
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    if let Err(error) = self.prepare(&stream) {
                        tracing::debug!(%peer, %error, "the connection went away before it was set up");
                        continue;
                    }
                    return Connection::new(stream, peer);
                }
                Err(error) if is_about_the_peer(&error) => {}
                Err(error) => {
                    if self.reported.is_none_or(|at| at.elapsed() > QUIET) {
                        tracing::error!(%error, "cannot accept connections");
                        self.reported = Some(Instant::now());
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn prepare(&self, stream: &tokio::net::TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let socket = SockRef::from(stream);
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE_AFTER))?;
        // Elsewhere a stalled reader is found by its full buffer and its missing pongs only.
        #[cfg(target_os = "linux")]
        socket.set_tcp_user_timeout(Some(self.stall_timeout))?;
        Ok(())
    }
}

/// Why an address cannot be listened on, with what can be done about it.
pub(crate) fn explained(error: io::Error) -> io::Error {
    let explanation = match error.kind() {
        io::ErrorKind::AddrInUse => "the port is in use by another program; stop it, or set PORT to another one",
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address; set HOST to one that it has, or to 0.0.0.0"
        }
        io::ErrorKind::PermissionDenied => "this user may not listen there; set PORT to 1024 or more",
        _ => return error,
    };
    io::Error::new(error.kind(), explanation)
}

fn is_about_the_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}
