//! Many nodes on one database, from the first moment on.

use futures_util::future::join_all;

use crate::support::{App, Server, checker, int, machine, postgres};

/// Catches a build that migrates without a lock: of ten nodes on an empty database most fail to start, seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_nodes_start_at_once_on_an_empty_database() {
    let _share = machine::share().await;
    let settings = Server::settings().with("DATABASE_URL", &postgres::shared_database().await);
    let nodes = join_all((0..10).map(|_| App::with(settings.clone()))).await;
    let ada = nodes[0].user("ada").await;
    let room = ada.opens_a_group("everywhere", &[]).await;
    for (number, node) in nodes.iter().enumerate() {
        let ready = node.site.get("/readyz").send().await.with_status(200);
        for check in ["database", "migrations", "storage"] {
            assert_eq!(ready["checks"][check], "ok", "node {number}: {ready}");
        }
        ada.at(node).says(&room, &format!("from node {number}")).await;
        // Nodes that count by themselves and hear late are a mistake far more often than a wish.
        assert!(node.server.log().contains("several nodes need REDIS_URL"), "node {number}: {}", node.server.log());
    }
    let history = ada.at(&nodes[9]).history(&room).await;
    let seqs: Vec<i64> = history.iter().map(|message| int(message, "seq")).collect();
    let last = ada.last_seq(&room).await;
    checker::dense("ten nodes", &seqs, last - 10, last);
}
