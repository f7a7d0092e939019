//! Two nodes behind the nginx that `config/proxies/nginx.conf` describes.

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::net::TcpSocket;

use crate::support::{
    App, Cluster, Person, SOON, Server, Socket, Transport, eventually,
    nginx::{self, Nginx, STICKY},
    polling,
    rest::Site,
    websocket::WebSocket,
    within, workload,
};

/// People who reach the nodes through the proxy, each from an address of their own.
fn through(proxy: &Nginx, people: &[Person]) -> Vec<Person> {
    let site = |number| Site::asked_from(nginx::client(number), proxy.addr());
    people.iter().zip(0..).map(|(person, number)| Person { site: site(number), ..person.clone() }).collect()
}

/// Sockets on a node, as it counts them.
async fn sockets(node: &App) -> u32 {
    let metrics = node.site.get("/metrics").send().await.body;
    let line = metrics.lines().find(|line| line.starts_with("parlour_sockets ")).expect("it counts its sockets");
    line.rsplit(' ').next().and_then(|count| count.parse().ok()).expect("a whole number")
}

/// Catches a set-up that loses the upgrade header, one that spreads the requests of a polling session over the nodes, and one
/// that shows the metrics to everybody. All seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_serves_both_transports_of_two_nodes() {
    let cluster = Cluster::with(2, Server::settings().with("TRUSTED_PROXIES", "127.0.0.1")).await;
    let proxy = Nginx::before(&cluster, |documented| documented).await;
    let people = cluster.nodes[0].crowd(20).await;
    let others: Vec<&Person> = people[1..].iter().collect();
    let room = people[0].opens_a_group("behind a proxy", &others).await;
    let people = through(&proxy, &people);
    for transport in [Transport::Polling, Transport::WebSocket] {
        let mut all: Vec<Socket> = Vec::new();
        for person in &people {
            let socket = person.connects_by(transport, json!({})).await;
            socket.ask("join_room", json!({"room_id": room.id})).await;
            all.push(socket);
        }
        // The addresses of clients decide, of which WebSockets have but one here.
        let (here, there) = (sockets(&cluster.nodes[0]).await, sockets(&cluster.nodes[1]).await);
        let spread = transport == Transport::WebSocket || (here > 0 && there > 0);
        assert!(spread, "{transport:?}: {here} sockets on one node, {there} on the other");
        for (number, person) in people.iter().enumerate() {
            let said = person.post("/api/chat/messages", workload::message(&room, &format!("{transport:?}-{number}")));
            let said = said.await.with_status(201);
            let heard =
                all.iter_mut().map(|socket| socket.expect_that("new_message", |data| data["seq"] == said["seq"]));
            join_all(heard).await;
        }
        join_all(all.into_iter().map(Socket::leave)).await;
    }
    assert_eq!(people[0].get("/metrics").await.status, 403, "for operators only");
}

/// An official client begins by polling and goes on by WebSocket. Catches a set-up in which the two reach different nodes.
/// Seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_polling_session_becomes_a_websocket_behind_nginx() {
    let cluster = Cluster::start(2).await;
    let proxy = Nginx::before(&cluster, |documented| documented).await;
    let ada = cluster.nodes[0].user("ada").await;
    for number in 0..6 {
        let person = Person { site: Site::asked_from(nginx::client(number), proxy.addr()), ..ada.clone() };
        let path = polling::open(&person.site).await.expect("a session");
        let connect = format!("40{}", json!({"token": person.token}));
        let posted = person.site.post(&path).body(connect).send().await;
        assert_eq!(posted.status, 200, "{posted}");
        let let_in = async || person.site.get(&path).send().await.body.contains("40{");
        eventually(SOON, "CONNECT is answered", let_in).await;

        let tcp = TcpSocket::new_v4().expect("a socket");
        tcp.bind((nginx::client(number), 0).into()).expect("an address of this machine");
        let stream = within(SOON, "nginx", tcp.connect(proxy.addr())).await.expect("nginx listens");
        let upgrade = path.replace("transport=polling", "transport=websocket");
        let mut socket = WebSocket::over(stream, &upgrade, &[]).await.expect("an upgrade");
        socket.writer.text("2probe").await;
        assert_eq!(socket.reader.next_starting("3").await, "3probe");
        // What was polled last is answered before the session moves.
        let _last = person.site.get(&path).send().await;
        socket.writer.text("5").await;
        socket.writer.text(r#"420["ping",{"n":1}]"#).await;
        let ack = socket.reader.next_starting("430").await;
        let ack: Value = serde_json::from_str(&ack[3..]).expect("JSON");
        assert_eq!(ack[0]["ok"], true, "{ack}");
    }
}

/// What the line in the configuration is for: without it polling fails, and WebSocket does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_sticky_sessions_only_polling_fails() {
    let cluster = Cluster::start(2).await;
    let proxy = Nginx::before(&cluster, |documented| {
        assert!(documented.contains(STICKY), "the documented configuration has `{STICKY}`");
        documented.replace(STICKY, "")
    })
    .await;
    let people = cluster.nodes[0].crowd(6).await;
    let others: Vec<&Person> = people[1..].iter().collect();
    let room = people[0].opens_a_group("in turn", &others).await;
    let people = through(&proxy, &people);
    let mut all: Vec<Socket> = Vec::new();
    for person in &people {
        all.push(person.enters(&room).await);
    }
    let (here, there) = (sockets(&cluster.nodes[0]).await, sockets(&cluster.nodes[1]).await);
    assert!(here > 0 && there > 0, "{here} sockets on one node, {there} on the other");
    let said = people[0].says(&room, "to both nodes").await;
    join_all(all.iter_mut().map(|socket| socket.expect_that("new_message", |data| data["seq"] == said["seq"]))).await;

    let mut lost = 0;
    for person in &people {
        let path = polling::open(&person.site).await.expect("any node opens a session");
        let posted = person.site.post(&path).body(format!("40{}", json!({"token": person.token}))).send().await;
        if posted.status != 200 {
            assert!(posted.body.contains("Session ID unknown"), "{posted}");
            lost += 1;
        }
    }
    assert!(lost > 0, "the requests of every session reached its node by chance");
}
