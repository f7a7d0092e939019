//! A Redis of the tests' own: a free port, nothing on disk, and an end when the tests end, however they do.

use std::{
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{SOON, eventually, postgres::free_port};

/// Tells the server's process id, and ends it when its own standard input ends.
const KEEPER: &str = r#"
"$@" >/dev/null & server=$!
echo "$server"
read -r _
kill -KILL "$server"
"#;

/// A running Redis.
pub(crate) struct Redis {
    port: u16,
    keeper: Child,
    pid: Pid,
}

impl Redis {
    pub(crate) async fn start() -> Self {
        Self::on(free_port()).await
    }

    async fn on(port: u16) -> Self {
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "sh", "redis-server", "--bind", "127.0.0.1", "--port", &port.to_string()])
            .args(["--save", "", "--appendonly", "no", "--dir", "/tmp"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh runs");
        let mut line = String::new();
        BufReader::new(keeper.stdout.take().expect("piped")).read_line(&mut line).expect("the keeper tells");
        let pid = Pid::from_raw(line.trim().parse().expect("a process id"));
        let redis = Self { port, keeper, pid };
        let answers = async || TcpStream::connect(redis.addr()).is_ok();
        eventually(SOON, "redis-server answers (is it installed?)", answers).await;
        redis
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// Ends it at once; what it knew is gone.
    pub(crate) async fn kill_9(&mut self) {
        self.signal(Signal::SIGKILL);
        let _ = self.keeper.stdin.take();
        self.keeper.wait().expect("the keeper ends");
        eventually(SOON, "Redis is gone", async || TcpStream::connect(self.addr()).is_err()).await;
    }

    /// Starts another on the same port, which knows nothing.
    pub(crate) async fn start_empty(&mut self) {
        *self = Self::on(self.port).await;
    }

    /// Leaves its connections open and answers nothing.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    pub(crate) fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        kill(self.pid, signal).expect("it runs");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.keeper.stdin.take();
        let _ = self.keeper.wait();
    }
}
