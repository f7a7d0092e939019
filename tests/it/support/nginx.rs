//! The nginx of `config/proxies/nginx.conf`, in front of the nodes of a test.

use std::net::{IpAddr, SocketAddr, TcpStream};

use tempfile::TempDir;

use super::{Cluster, SOON, child::Kept, eventually, postgres::free_port};

/// What it has that makes an address stay with a node.
pub(crate) const STICKY: &str = "hash $remote_addr consistent;";

/// A running nginx.
pub(crate) struct Nginx {
    addr: SocketAddr,
    _server: Kept,
    _folder: TempDir,
}

impl Nginx {
    /// The documented configuration, but for what `change` does to it.
    pub(crate) async fn before(cluster: &Cluster, change: impl FnOnce(String) -> String) -> Self {
        let documented = concat!(env!("CARGO_MANIFEST_DIR"), "/config/proxies/nginx.conf");
        let mut text = change(std::fs::read_to_string(documented).expect("it is there"));
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| format!("{}/{name}", folder.path().display());
        let addr = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let own = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {};\n", path(kind)))
            .concat();
        for (documented, here) in [
            ("worker_processes auto;", "worker_processes 1; master_process off; daemon off;".to_owned()),
            ("worker_connections 16384;", "worker_connections 512;".to_owned()),
            ("http {\n", format!("http {{\naccess_log off;\n{own}")),
            ("listen 80;", format!("listen {addr};")),
            ("10.0.0.11:8000", cluster.nodes[0].site.addr().to_string()),
            ("10.0.0.12:8000", cluster.nodes[1].site.addr().to_string()),
        ] {
            assert!(text.contains(documented), "the documented configuration has `{documented}`");
            text = text.replace(documented, &here);
        }
        let text = format!("pid {};\nerror_log stderr error;\n{text}", path("pid"));
        std::fs::write(folder.path().join("nginx.conf"), text).expect("the folder takes it");
        let prefix = path("");
        let arguments = ["-p", &prefix, "-e", "stderr", "-c", &path("nginx.conf")];
        // Debian keeps it where only root looks for programs.
        let program = if std::path::Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" };
        let server = Kept::run(program, &arguments);
        let answers = async || TcpStream::connect(addr).is_ok();
        eventually(SOON, "nginx answers (is it installed?)", answers).await;
        Self { addr, _server: server, _folder: folder }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }
}

/// An address of this machine, as if it were another client's.
pub(crate) fn client(number: u8) -> IpAddr {
    IpAddr::from([127, 0, 2, number + 1])
}
