//! The real binary as a child process, on a free port and in a folder of its own.

use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use sea_orm::{Database, DatabaseConnection};
use tempfile::TempDir;

use super::{SOON, eventually, postgres};

/// Long enough for a node that was killed to open its database again on a busy machine.
const START: Duration = Duration::from_secs(30);

/// Signs the tokens of every server here, so that tests can forge some.
pub(crate) const SECRET: &str = "9f2b61d0c84e7a35b1f0e6d2947c8a53f6071e2d";

/// How a server is started.
#[derive(Clone)]
pub(crate) struct Settings {
    env: Vec<(String, String)>,
}

impl Settings {
    /// A value of the environment; `PARLOUR__SECTION__KEY` for what is in the configuration file.
    pub(crate) fn with(mut self, key: &str, value: &str) -> Self {
        self.env.retain(|(name, _)| name != key);
        self.env.push((key.to_owned(), value.to_owned()));
        self
    }

    /// What was set for `key`.
    pub(crate) fn value(&self, key: &str) -> Option<&str> {
        self.env.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// A clock that differs from that of this machine by what stands in this file, such as `-90`; the one that only goes forward
    /// is left alone (<https://github.com/wolfcw/libfaketime>).
    pub(crate) fn with_clock(self, file: &std::path::Path) -> Self {
        let library = faketime().expect("faketime is installed; tests/run does so");
        self.with("LD_PRELOAD", &library)
            .with("FAKETIME_TIMESTAMP_FILE", &file.display().to_string())
            .with("FAKETIME_NO_CACHE", "1")
            .with("FAKETIME_DISABLE_SHM", "1")
            .with("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .with("DONT_FAKE_MONOTONIC", "1")
    }

    /// Rate and connection limits as a user gets them.
    pub(crate) fn with_limits(self) -> Self {
        self.with("PARLOUR__LIMITS__ENABLED", "true")
    }

    pub(crate) async fn start(mut self) -> Server {
        if !self.env.iter().any(|(name, _)| name == "DATABASE_URL")
            && let Some(url) = postgres::fresh_database().await
        {
            self = self.with("DATABASE_URL", &url);
        }
        let dir = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        Server::launch(self, dir).await
    }
}

/// Where Debian keeps libfaketime, whatever the machine.
fn faketime() -> Option<String> {
    let folders = std::fs::read_dir("/usr/lib").ok()?.filter_map(Result::ok);
    let files = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    let mut files = files;
    files.find(|file| file.is_file()).map(|file| file.display().to_string())
}

/// A running node.
pub(crate) struct Server {
    settings: Settings,
    dir: Arc<TempDir>,
    child: Child,
    addr: SocketAddr,
    readers: Vec<JoinHandle<()>>,
    log: Arc<Mutex<String>>,
}

impl Server {
    /// The settings most tests use: limits off, a secret that is known, and the database of whoever names none.
    pub(crate) fn settings() -> Settings {
        Settings { env: Vec::new() }
            .with("HOST", "127.0.0.1")
            .with("PORT", "0")
            .with("SECRET_KEY", SECRET)
            .with("PARLOUR__LIMITS__ENABLED", "false")
    }

    async fn launch(settings: Settings, dir: Arc<TempDir>) -> Self {
        let log = Arc::default();
        let (child, addr, readers) = spawn(&settings, &dir, &log).await;
        Self { settings, dir, child, addr, readers, log }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The database past the node: for what the node shows to nobody.
    pub(crate) async fn database(&self) -> DatabaseConnection {
        Database::connect(self.database_url()).await.expect("the database answers")
    }

    /// The address of its database.
    pub(crate) fn database_url(&self) -> String {
        let folder = self.settings.value("DATA_DIR").map_or(self.dir.path(), Path::new);
        let file = || format!("sqlite://{}", folder.join("parlour.db").display());
        self.settings.value("DATABASE_URL").map_or_else(file, str::to_owned)
    }

    /// Every byte that the node keeps in its folder, file by file.
    pub(crate) fn kept(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let files =
            std::fs::read_dir(self.dir.path()).expect("its folder").map(|entry| entry.expect("an entry").path());
        files
            .filter(|file| file.is_file())
            .map(|file| (file.clone(), std::fs::read(&file).unwrap_or_default()))
            .collect()
    }

    /// Resident memory in KiB.
    pub(crate) fn rss_kib(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// The most resident memory there ever was, in KiB.
    pub(crate) fn peak_rss_kib(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the node runs");
        let line = status.lines().find(|line| line.starts_with(name)).expect("Linux tells it");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number of kB")
    }

    /// Ends the process as a power cut would.
    pub(crate) fn kill_9(&mut self) {
        self.child.kill().expect("the node was running");
        self.child.wait().expect("a killed process can be waited for");
    }

    /// Tells the process to stop, as an orchestrator would.
    pub(crate) fn sigterm(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// Keeps its connections open and does nothing, until it is thawed.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    pub(crate) fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Makes the task panic that the environment names.
    pub(crate) fn sigusr1(&self) {
        self.signal(Signal::SIGUSR1);
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a process id");
        kill(Pid::from_raw(pid), signal).expect("the node was running");
    }

    /// Waits for the end of the process.
    pub(crate) async fn exit(&mut self, limit: Duration) -> ExitStatus {
        let mut status = None;
        eventually(limit, "the node exits", async || {
            status = self.child.try_wait().expect("the node is our child");
            status.is_some()
        })
        .await;
        status.expect("it has just exited")
    }

    /// Stops the node in good order; fails unless it exits with 0 within `limit`.
    pub(crate) async fn stop(&mut self, limit: Duration) -> Duration {
        let begin = Instant::now();
        self.sigterm();
        let status = self.exit(limit).await;
        assert!(status.success(), "exit 0 after SIGTERM, got {status}\n{}", self.log());
        begin.elapsed()
    }

    /// Starts the node again on the same data.
    pub(crate) async fn start_again(&mut self) {
        let (child, addr, readers) = spawn(&self.settings, &self.dir, &self.log).await;
        self.child = child;
        self.addr = addr;
        self.readers.extend(readers);
    }

    /// Changes a setting, from the next start on.
    pub(crate) fn set(&mut self, key: &str, value: &str) {
        self.settings = self.settings.clone().with(key, value);
    }

    /// Everything the node has written so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("no reader panics").clone()
    }

    /// How often `canary` stands in the log. Stops the node first, so that all of the log is there.
    pub(crate) fn count_in_final_log(&mut self, canary: &str) -> usize {
        self.end();
        self.log().matches(canary).count()
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }
}

impl Drop for Server {
    /// No test leaves a panic behind, whatever it was about.
    fn drop(&mut self) {
        self.end();
        let log = self.log();
        if std::thread::panicking() {
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            println!("--- the end of the node's log");
            for line in tail.iter().rev() {
                println!("{line}");
            }
        } else {
            let is_wanted = self.settings.value("PARLOUR_TEST_PANICKING_TASK").is_some();
            assert!(is_wanted || !log.contains("panicked"), "the node panicked:\n{log}");
        }
    }
}

/// The binary, ready for arguments; nothing of the surrounding environment reaches it.
pub(crate) fn parlour(dir: &std::path::Path, env: &[(String, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parlour"));
    command.env_clear().current_dir(dir).stdin(Stdio::null()).env("DATA_DIR", dir);
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("RUST_BACKTRACE", "1");
    command.envs(env.iter().map(|(key, value)| (key, value)));
    command
}

async fn spawn(
    settings: &Settings,
    dir: &TempDir,
    log: &Arc<Mutex<String>>,
) -> (Child, SocketAddr, Vec<JoinHandle<()>>) {
    let mut child = parlour(dir.path(), &settings.env)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary was built with the tests");
    let (address, announced) = mpsc::channel();
    let stdout = child.stdout.take().expect("piped");
    let stderr = child.stderr.take().expect("piped");
    let readers = vec![
        keep(stdout, log.clone(), move |line| {
            if let Some(rest) = line.strip_prefix("listening on http://") {
                let _ = address.send(rest.trim().trim_end_matches('/').to_owned());
            }
        }),
        keep(stderr, log.clone(), |_| {}),
    ];
    let mut address = None;
    let begin = Instant::now();
    while address.is_none() {
        address = announced.try_recv().ok();
        let exited = child.try_wait().expect("our child");
        if address.is_none() && (exited.is_some() || begin.elapsed() > START) {
            let _ = child.kill();
            let _ = child.wait();
            for reader in readers {
                let _ = reader.join();
            }
            panic!("no `listening on http://` ({exited:?}):\n{}", log.lock().expect("no reader panics"));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let address = address.expect("the loop ends with one");
    let address = address.split_whitespace().next().expect("an address follows");
    (child, address.parse().unwrap_or_else(|_| panic!("`{address}` is an address")), readers)
}

/// Keeps what comes out of `pipe`.
fn keep(
    pipe: impl Read + Send + 'static,
    log: Arc<Mutex<String>>,
    mut seen: impl FnMut(&str) + Send + 'static,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            seen(&line);
            let mut log = log.lock().expect("nobody panics while holding it");
            log.push_str(&line);
            log.push('\n');
        }
    })
}

/// The end of a command that should end by itself.
pub(crate) struct Outcome {
    pub(crate) success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a command to its end; kills it, and fails, when it takes longer than it should.
pub(crate) async fn run(mut command: Command) -> Outcome {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary was built");
    let (stdout, stderr): (Arc<Mutex<String>>, Arc<Mutex<String>>) = Default::default();
    let readers = [
        keep(child.stdout.take().expect("piped"), stdout.clone(), |_| {}),
        keep(child.stderr.take().expect("piped"), stderr.clone(), |_| {}),
    ];
    let end = Instant::now() + SOON * 2;
    let status = loop {
        if let Some(status) = child.try_wait().expect("our child") {
            break status;
        }
        if Instant::now() > end {
            let _ = child.kill();
            panic!("the command did not end: {command:?}");
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    for reader in readers {
        reader.join().expect("readers do not panic");
    }
    let take = |text: &Mutex<String>| text.lock().expect("the readers are done").clone();
    Outcome { success: status.success(), stdout: take(&stdout), stderr: take(&stderr) }
}
