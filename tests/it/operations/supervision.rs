//! A server that has lost one of its tasks says so and ends, instead of looking alive.

use std::{collections::BTreeSet, time::Duration};

use serde_json::json;

use crate::support::{App, Cluster, SOON, Server, Transport, eventually, postgres, server::Settings};

/// The process ends within a second; a busy machine gets the rest.
const END: Duration = Duration::from_secs(5);

/// The names of a node's tasks, as it tells them when it starts them: after it has said where it listens, and the listener last.
async fn tasks(node: &Server) -> BTreeSet<String> {
    let mut tasks = BTreeSet::new();
    eventually(SOON, "the node tells of its tasks", async || {
        let log = node.log();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        tasks = lines.filter_map(|line| line["task"].as_str().map(str::to_owned)).collect();
        tasks.contains("listener")
    })
    .await;
    tasks
}

fn settings() -> Settings {
    Server::settings().with("PARLOUR__LOG__LEVEL", "info,parlour::tasks=debug").with("PARLOUR__LOG__FORMAT", "json")
}

/// Makes a task panic, and looks at what a client, a load balancer and whoever started the process see of it.
async fn lose(settings: Settings, task: &str) {
    let mut app = App::with(settings.with("PARLOUR_TEST_PANICKING_TASK", task)).await;
    let ada = app.user("ada").await;
    let mut sockets = Vec::new();
    for transport in [Transport::WebSocket, Transport::Polling] {
        sockets.push(ada.connects_by(transport, json!({})).await);
    }
    app.server.sigusr1();
    for socket in &mut sockets {
        socket.expect("server_draining").await;
    }
    let ready = app.site.get("/readyz").try_send().await;
    assert!(!ready.is_ok_and(|reply| reply.status != 503), "{task} is gone, and the node is ready");
    let status = app.server.exit(END).await;
    assert_eq!(status.code(), Some(1), "{task}");
    let log = app.server.log();
    assert!(log.contains(&format!("the task {task} panicked")), "{task}:\n{log}");
}

/// Catches a build that spawns such a task and forgets it: without its writer the server was ready and refused every message.
#[tokio::test]
async fn a_server_ends_with_any_of_its_tasks() {
    let app = App::with(settings()).await;
    let tasks = tasks(&app.server).await;
    for known in [
        "delivery",
        "listener",
        "log_publisher",
        "log_writer",
        "media_sweeper",
        "presence_changes",
        "presence_announcements",
        "search_index",
    ] {
        assert!(tasks.contains(known), "{tasks:?}");
    }
    for task in tasks {
        lose(settings(), &task).await;
    }
}

#[tokio::test]
async fn nodes_end_with_the_tasks_that_only_they_have() {
    let alone = App::with(settings()).await;
    let cluster = Cluster::with(1, settings()).await;
    let of_a_node = tasks(&cluster.nodes[0].server).await;
    for known in ["presence_lease", "presence_reaper", "recheck", "redis_publisher", "redis_subscriber"] {
        assert!(of_a_node.contains(known), "{of_a_node:?}");
    }
    for task in of_a_node.difference(&tasks(&alone.server).await) {
        let database = postgres::shared_database().await;
        let redis = format!("redis://{}", cluster.redis.addr());
        lose(settings().with("DATABASE_URL", &database).with("REDIS_URL", &redis), task).await;
    }
}
