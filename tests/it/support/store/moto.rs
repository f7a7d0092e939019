//! S3 as moto plays it: one program for all tests, which ends with them, and a bucket for each.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use tokio::sync::OnceCell;

use super::{BUCKET, REGION, Started};
use crate::support::{SOON, eventually};

/// Names the program, when it is not where `tests/run` puts it on a developer's machine.
const CHOICE: &str = "PARLOUR_TEST_MOTO";

/// Runs the program until standard input ends, which it does with the process that holds the other end.
const KEEPER: &str = r#"
"$@" & server=$!
read -r _
kill "$server"
wait "$server"
"#;

static SERVER: OnceCell<Server> = OnceCell::const_new();
static NEXT: AtomicU32 = AtomicU32::new(0);

struct Server {
    addr: SocketAddr,
    /// Its standard input keeps the program alive.
    _keeper: Child,
}

pub(super) struct Bucket {
    pub(super) name: String,
    addr: SocketAddr,
}

impl Bucket {
    pub(super) async fn make() -> Started<Self> {
        let addr = SERVER.get_or_init(Server::start).await.addr;
        let name = format!("{BUCKET}-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let configuration = format!(
            "<CreateBucketConfiguration><LocationConstraint>{REGION}</LocationConstraint></CreateBucketConfiguration>"
        );
        let made = http().put(format!("http://{addr}/{name}")).body(configuration).send().await;
        let made = made.expect("moto answers").error_for_status();
        made.expect("moto makes a bucket");
        Started { inside: Self { name, addr }, addr }
    }

    pub(super) async fn keys(&self) -> Vec<String> {
        self.keys_in("list-type=2&max-keys=1000").await
    }

    /// The keys of uploads in parts that were neither completed nor aborted.
    pub(super) async fn unfinished(&self) -> Vec<String> {
        self.keys_in("uploads").await
    }

    async fn keys_in(&self, query: &str) -> Vec<String> {
        let url = format!("http://{}/{}?{query}", self.addr, self.name);
        let answer = http().get(url).send().await.expect("moto answers").error_for_status();
        let text = answer.expect("moto lists a bucket").text().await.expect("moto answers");
        assert!(text.contains("<IsTruncated>false"), "more than a test should leave: {text}");
        let keys = text.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next());
        keys.map(str::to_owned).collect()
    }
}

fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(SOON).build().expect("a plain client can be built")
}

impl Server {
    async fn start() -> Self {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
        let addr = port.expect("a free port");
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER, "sh"]).arg(program()).args(["-H", "127.0.0.1", "-p", &addr.port().to_string()]);
        keeper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let keeper = keeper.spawn().expect("a shell starts");
        let ready = format!("http://{addr}/moto-api/data.json");
        eventually(SOON * 3, "moto answers", async || http().get(&ready).send().await.is_ok()).await;
        Self { addr, _keeper: keeper }
    }
}

fn program() -> PathBuf {
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/python/.venv/bin/moto_server");
    let program = std::env::var_os(CHOICE).map_or(usual, PathBuf::from);
    assert!(program.is_file(), "there is no {}: tests/run installs it, or {CHOICE} names it", program.display());
    program
}
