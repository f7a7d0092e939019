//! A PostgreSQL of the tests' own: a private folder, a free port, and an end when the tests end, however they do.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

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

static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A running PostgreSQL.
struct Cluster {
    url: String,
    /// Its standard input keeps the server alive.
    _keeper: Child,
}

/// The address of a fresh database, if the tests are to run on PostgreSQL.
pub(crate) async fn fresh_database() -> Option<String> {
    if std::env::var(CHOICE).ok()? != "postgres" {
        return None;
    }
    let cluster = CLUSTER.get_or_init(Cluster::start).await;
    let name = format!("parlour_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let admin = Database::connect(format!("{}/postgres", cluster.url)).await.expect("the cluster answers");
    admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.expect("a database is made");
    Some(format!("{}/{name}", cluster.url))
}

impl Cluster {
    async fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("parlour-postgres-").tempdir().expect("a folder").keep();
        let is_root = nix::unistd::geteuid().is_root();
        if is_root {
            // PostgreSQL refuses to run as root; its package brings a user of its own.
            let owned = Command::new("chown").arg("postgres:").arg(&folder).status().expect("chown runs");
            assert!(owned.success(), "the folder is given to the user `postgres`");
        }
        let data = folder.join("data");
        let mut init = as_postgres(is_root, &program("initdb"));
        init.args(["--auth=trust", "--username=parlour", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "-D"]);
        let made = init.arg(&data).stdout(Stdio::null()).status().expect("initdb runs");
        assert!(made.success(), "initdb makes a cluster");

        let port = free_port();
        let mut keeper = as_postgres(is_root, Path::new("sh"));
        keeper.args(["-c", KEEPER, "sh"]).arg(program("postgres")).arg("-D").arg(&data).arg("-k").arg(&folder);
        keeper.args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=400"]);
        // Whether PostgreSQL survives a power cut is not what is tested here.
        keeper.args(["-c", "fsync=off", "-c", "log_min_messages=fatal"]);
        keeper.env("FOLDER", &folder).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut keeper = keeper.spawn().expect("postgres starts");
        let log = BufReader::new(keeper.stderr.take().expect("piped"));
        std::thread::spawn(move || log.lines().map_while(Result::ok).for_each(drop));
        let url = format!("postgres://parlour@127.0.0.1:{port}");
        let probe = format!("{url}/postgres");
        eventually(SOON * 3, "PostgreSQL answers", async || Database::connect(&probe).await.is_ok()).await;
        Self { url, _keeper: keeper }
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

fn as_postgres(is_root: bool, program: &Path) -> Command {
    if !is_root {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    command
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound").port()
}
