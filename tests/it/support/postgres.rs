//! A PostgreSQL of the tests' own: a private folder, a free port, and an end when the tests end, however they do.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rand::RngExt;
use sea_orm::{ConnectionTrait, Database};
use tokio::sync::OnceCell;

use super::{SOON, eventually};

/// Set to `postgres` to run every test on PostgreSQL.
const CHOICE: &str = "PARLOUR_TEST_DATABASE";

/// Runs the server until its standard input ends, which it does with the process that holds the other end, whatever becomes
/// of that; then stops it and removes its folder.
const KEEPER: &str = r#"
"$@" & server=$!
read -r _
kill -INT "$server"
wait "$server"
rm -rf "$FOLDER"
"#;

static CLUSTER: OnceCell<Postgres> = OnceCell::const_new();
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A running PostgreSQL.
pub(crate) struct Postgres {
    url: String,
    folder: PathBuf,
    port: u16,
    /// The standard input of each keeps a server alive.
    keepers: Vec<Child>,
}

/// The address of a fresh database, if the tests are to run on PostgreSQL.
pub(crate) async fn fresh_database() -> Option<String> {
    if std::env::var(CHOICE).ok()? != "postgres" {
        return None;
    }
    Some(shared_database().await)
}

/// The address of a fresh database on the PostgreSQL that the tests share, whatever they are to run on.
pub(crate) async fn shared_database() -> String {
    CLUSTER.get_or_init(Postgres::start).await.fresh_database().await
}

impl Postgres {
    /// One of its own, for a test that kills it.
    pub(crate) async fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("parlour-postgres-").tempdir().expect("a folder").keep();
        if is_root() {
            // PostgreSQL refuses to run as root; its package brings a user of its own.
            let owned = Command::new("chown").arg("postgres:").arg(&folder).status().expect("chown runs");
            assert!(owned.success(), "the folder is given to the user `postgres`");
        }
        let mut init = as_postgres(&program("initdb"));
        init.args(["--auth=trust", "--username=parlour", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "-D"]);
        let made = init.arg(folder.join("data")).stdout(Stdio::null()).status().expect("initdb runs");
        assert!(made.success(), "initdb makes a cluster");
        let port = free_port();
        let url = format!("postgres://parlour@127.0.0.1:{port}");
        let mut postgres = Self { url, folder, port, keepers: Vec::new() };
        postgres.run().await;
        postgres
    }

    /// Starts the server, for the first time or on what it left.
    pub(crate) async fn run(&mut self) {
        let data = self.folder.join("data");
        let mut keeper = as_postgres(Path::new("sh"));
        keeper.args(["-c", KEEPER, "sh"]).arg(program("postgres")).arg("-D").arg(&data);
        let port = self.port.to_string();
        keeper.args(["-p", &port, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
        keeper.args(["-c", "max_connections=400"]);
        // Whether PostgreSQL survives a power cut is not what is tested here.
        keeper.args(["-c", "fsync=off", "-c", "log_min_messages=fatal"]);
        keeper.env("FOLDER", &self.folder).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut keeper = keeper.spawn().expect("postgres starts");
        let log = BufReader::new(keeper.stderr.take().expect("piped"));
        std::thread::spawn(move || log.lines().map_while(Result::ok).for_each(drop));
        self.keepers.push(keeper);
        let probe = format!("{}/postgres", self.url);
        eventually(SOON * 3, "PostgreSQL answers", async || Database::connect(&probe).await.is_ok()).await;
    }

    /// The address of a fresh database.
    pub(crate) async fn fresh_database(&self) -> String {
        let name = format!("parlour_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let admin = Database::connect(format!("{}/postgres", self.url)).await.expect("the cluster answers");
        admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.expect("a database is made");
        format!("{}/{name}", self.url)
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// The same, by another way to the server.
    pub(crate) async fn fresh_database_by(&self, way: SocketAddr) -> String {
        self.fresh_database().await.replace(&self.addr().to_string(), &way.to_string())
    }

    /// Leaves its connections open and answers nothing.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    pub(crate) fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Signals the server, and all processes that it has made; gives these.
    fn signal(&self, signal: Signal) -> Vec<i32> {
        let pid = std::fs::read_to_string(self.folder.join("data/postmaster.pid")).expect("it runs");
        let pid: i32 = pid.lines().next().and_then(|line| line.trim().parse().ok()).expect("its id stands first");
        let children = || std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        // Those that it made just before it was stopped, and those that it no longer has when it is killed.
        let mut all = children();
        let _ = kill(Pid::from_raw(pid), signal);
        all.push_str(&children());
        let all: Vec<i32> = all.split_whitespace().filter_map(|child| child.parse().ok()).collect();
        for child in &all {
            let _ = kill(Pid::from_raw(*child), signal);
        }
        all
    }

    /// Ends all of it as a power cut would, and waits until nothing of it runs.
    pub(crate) async fn kill_9(&self) {
        // Its own processes end by themselves when they see that it is gone; stopped before that, they have no time to.
        self.freeze();
        let processes = self.signal(Signal::SIGKILL);
        // One that still holds the memory that they share keeps the next server from starting.
        let gone = async || {
            let holds =
                |process: &i32| std::fs::read(format!("/proc/{process}/maps")).is_ok_and(|maps| !maps.is_empty());
            !processes.iter().any(holds) && std::net::TcpStream::connect(self.addr()).is_err()
        };
        eventually(SOON, "PostgreSQL is gone", gone).await;
        // The next one would believe that this one runs, until its keeper has waited for it.
        let _ = std::fs::remove_file(self.folder.join("data/postmaster.pid"));
    }
}

/// A program of PostgreSQL: on the path, or where Debian keeps its versions.
fn program(name: &str) -> PathBuf {
    let on_path =
        std::env::var_os("PATH").into_iter().flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let packaged = versions.map(|version| version.path().join("bin"));
    let found = on_path.chain(packaged).map(|folder| folder.join(name)).find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("`{name}` of PostgreSQL is not installed"))
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

fn as_postgres(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    command
}

/// A free port below those that the system hands out: nobody is given it while a server that was killed is away.
pub(super) fn free_port() -> u16 {
    let mut any = std::iter::repeat_with(|| rand::rng().random_range(15_000..32_000)).take(1_000);
    let is_free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    any.find(is_free).expect("a free port")
}
