//! A way to a program that the test can block: TCP, passed on byte by byte.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::AbortHandle,
};

/// What happens to bytes on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Road {
    Open,
    /// Connections are taken, and nothing moves on any of them.
    Stalled,
    /// Connections are reset, the open ones too.
    Cut,
}

/// A proxy on a port of its own, for as long as the test runs.
pub(crate) struct Proxy {
    addr: SocketAddr,
    road: watch::Sender<Road>,
    task: AbortHandle,
}

impl Proxy {
    /// A free road to `target`.
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let addr = listener.local_addr().expect("it is bound");
        let (road, state) = watch::channel(Road::Open);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, target, state.clone()));
            }
        });
        Self { addr, road, task: task.abort_handle() }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn stall(&self) {
        self.road.send_replace(Road::Stalled);
    }

    pub(crate) fn cut(&self) {
        self.road.send_replace(Road::Cut);
    }

    pub(crate) fn resume(&self) {
        self.road.send_replace(Road::Open);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Carries one connection until either end closes it, or the road is cut.
async fn carry(client: TcpStream, target: SocketAddr, state: watch::Receiver<Road>) {
    // a reset, so that the other end sees a fault and not a farewell
    let _ = socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO));
    let mut cut = state.clone();
    let both_ways = async {
        let mut gate = state.clone();
        gate.wait_for(|road| *road == Road::Open).await.map_err(|_| io::ErrorKind::BrokenPipe)?;
        let server = TcpStream::connect(target).await?;
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        tokio::try_join!(pass(from_client, to_server, state.clone()), pass(from_server, to_client, state.clone()))?;
        io::Result::Ok(())
    };
    tokio::select! {
        _ = both_ways => {}
        _ = cut.wait_for(|road| *road == Road::Cut) => {}
    }
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut state: watch::Receiver<Road>,
) -> io::Result<()> {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let count = from.read(&mut bytes).await?;
        state.wait_for(|road| *road == Road::Open).await.map_err(|_| io::ErrorKind::BrokenPipe)?;
        if count == 0 {
            return to.shutdown().await;
        }
        to.write_all(&bytes[..count]).await?;
    }
}
