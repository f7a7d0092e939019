//! A Redis of the tests' own: a free port, nothing on disk, and an end when the tests end, however they do.

use std::net::{SocketAddr, TcpStream};

use nix::sys::signal::Signal;

use super::{SOON, child::Kept, eventually, postgres::free_port};

/// A running Redis.
pub(crate) struct Redis {
    port: u16,
    server: Kept,
}

impl Redis {
    pub(crate) async fn start() -> Self {
        Self::on(free_port()).await
    }

    async fn on(port: u16) -> Self {
        let text = port.to_string();
        let settings = ["--bind", "127.0.0.1", "--port", &text, "--save", "", "--appendonly", "no", "--dir", "/tmp"];
        let redis = Self { port, server: Kept::run("redis-server", &settings) };
        let answers = async || TcpStream::connect(redis.addr()).is_ok();
        eventually(SOON, "redis-server answers (is it installed?)", answers).await;
        redis
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// Ends it at once; what it knew is gone.
    pub(crate) async fn kill_9(&mut self) {
        self.server.end();
        eventually(SOON, "Redis is gone", async || TcpStream::connect(self.addr()).is_err()).await;
    }

    /// Starts another on the same port, which knows nothing.
    pub(crate) async fn start_empty(&mut self) {
        *self = Self::on(self.port).await;
    }

    /// Leaves its connections open and answers nothing.
    pub(crate) fn freeze(&self) {
        self.server.signal(Signal::SIGSTOP);
    }

    pub(crate) fn thaw(&self) {
        self.server.signal(Signal::SIGCONT);
    }
}
