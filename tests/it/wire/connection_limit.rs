//! A user has so many sockets; one more is let in, and the one that has been silent for longest makes room.

use serde_json::{Value, json};

use crate::support::{App, Cluster, Person, SOON, Server, Socket, Transport, eventually, polling::Poller, within};

const UNKNOWN_SESSION: &str = r#"{"code":"1","message":"Session ID unknown"}"#;

/// Sockets of one person, the first one first.
async fn sockets(person: &Person, count: usize, transport: Transport) -> Vec<Socket> {
    let mut sockets = Vec::new();
    for _ in 0..count {
        sockets.push(person.connects_by(transport, json!({})).await);
    }
    sockets
}

/// Each says something, but not the one at `silent`.
async fn all_speak_but(sockets: &[Socket], silent: usize) {
    for (number, socket) in sockets.iter().enumerate() {
        if number != silent {
            socket.ask("ping", json!(number)).await;
        }
    }
}

async fn is_told_and_ended(socket: &mut Socket) {
    let told: Value = socket.expect("session_revoked").await;
    assert_eq!(told, json!({"code": "CONNECTION_LIMIT"}));
    socket.closed_within(SOON).await;
}

/// E4. Fails on a build that refuses the eleventh, seen, and on one that ends the oldest instead of the silent.
#[tokio::test]
async fn the_eleventh_socket_is_let_in_and_the_longest_silent_ends() {
    let app = App::with_limits().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let other = bob.connects().await;
    let mut sockets = sockets(&ada, 10, Transport::WebSocket).await;
    all_speak_but(&sockets, 3).await;
    let newcomer = ada.connects().await;
    is_told_and_ended(&mut sockets[3]).await;
    sockets.remove(3);
    for socket in sockets.iter().chain([&newcomer]) {
        socket.ask("ping", json!("still here")).await;
    }
    other.ask("ping", json!("not concerned")).await;
}

/// The same by polling: clients ask again and again, which is heard as well; only the one that stopped is silent. Its session ends
/// like any without a namespace.
#[tokio::test]
async fn the_eleventh_polling_socket_is_let_in_and_the_longest_silent_ends() {
    let settings = Server::settings().with_limits().with("PARLOUR__REALTIME__CONNECT_TIMEOUT_MS", "3000");
    let app = App::with(settings).await;
    let ada = app.user("ada").await;
    let mut others = sockets(&ada, 3, Transport::Polling).await;
    let mut silent = Poller::namespace(&app.site, &ada.token).await;
    others.extend(sockets(&ada, 6, Transport::Polling).await);
    for socket in &others {
        socket.ask("ping", json!("here")).await;
    }
    let newcomer = ada.connects_by(Transport::Polling, json!({})).await;
    let told = silent.next_starting(r#"42["session_revoked""#).await;
    assert_eq!(told, r#"42["session_revoked",{"code":"CONNECTION_LIMIT"}]"#);
    let is_over = async || silent.poll().await.body == UNKNOWN_SESSION;
    eventually(SOON, "the end of the silent session", is_over).await;
    for socket in others.iter().chain([&newcomer]) {
        socket.ask("ping", json!("still here")).await;
    }
}

/// Eight tabs whose connections died without a word are replaced by eight new ones. G19.
#[tokio::test]
async fn tabs_that_come_back_before_their_end_is_known_are_let_in() {
    let app = App::with_limits().await;
    let ada = app.user("ada").await;
    let mut dead = sockets(&ada, 8, Transport::WebSocket).await;
    for round in 0..3 {
        for socket in &dead {
            socket.stop_reading();
        }
        let new = sockets(&ada, 8, Transport::WebSocket).await;
        for socket in &new {
            socket.ask("ping", json!(round)).await;
        }
        dead.extend(new);
    }
}

/// A loop of new sockets is slowed by the limit of handshakes, and not by a refusal that is final. Fails on a build that gives
/// the place back to every socket that was let in.
#[tokio::test]
async fn a_loop_of_new_sockets_is_slowed_by_the_limit_of_handshakes() {
    let settings = Server::settings().with_limits().with("PARLOUR__LIMITS__HANDSHAKES_PER_ADDRESS", "20");
    let app = App::with(settings).await;
    let ada = app.user("ada").await;
    let mut sockets = Vec::new();
    let refusal = loop {
        match ada.tries_to_connect_by(Transport::WebSocket, json!({})).await {
            Ok(socket) => sockets.push(socket),
            Err(refusal) => break refusal,
        }
        assert!(sockets.len() < 60, "nothing slows it");
    };
    assert_eq!(refusal.0, "HTTP 429");
    assert!((30..=31).contains(&sockets.len()), "ten sockets, and twenty that made others go: {}", sockets.len());
}

/// The silent socket is on another node. Fails on a build whose nodes count by themselves, and on one that ends a socket of its
/// own whatever the others have; both seen.
#[tokio::test]
async fn the_longest_silent_socket_may_be_on_another_node() {
    let cluster = Cluster::with(2, Server::settings().with_limits()).await;
    let (here, there) = cluster.pair();
    let ada = here.user("ada").await;
    let both = [ada.clone(), ada.at(there)];
    let mut sockets: Vec<Socket> = Vec::new();
    // The first of all is there, and the one that stays silent.
    for number in 1..=10 {
        sockets.push(both[number % 2].connects().await);
    }
    all_speak_but(&sockets, 0).await;
    let newcomer = both[0].connects().await;
    is_told_and_ended(&mut sockets[0]).await;
    sockets.remove(0);
    for socket in &sockets {
        socket.ask("ping", json!("still here")).await;
    }
    newcomer.ask("ping", json!("in")).await;
    // Who leaves makes room on the other node, once that is known there: nobody ends then.
    newcomer.leave().await;
    let redis = redis::Client::open(format!("redis://{}", cluster.redis.addr())).unwrap();
    let mut redis = redis.get_multiplexed_async_connection().await.unwrap();
    let mut count = redis::cmd("HVALS");
    count.arg(format!("parlour:sockets:{}", ada.id));
    let is_free = async || {
        let nodes: Vec<String> = count.query_async(&mut redis).await.unwrap();
        nodes.iter().map(|node| node.split(':').next().unwrap().parse::<usize>().unwrap()).sum::<usize>() == 9
    };
    eventually(SOON, "the nodes know of nine sockets", is_free).await;
    sockets.push(both[1].connects().await);
    for mut socket in sockets {
        assert!(socket.heard().await.iter().all(|event| event.name != "session_revoked"));
    }
}

/// A node that was killed has no sockets any more: those of the living are not ended for its sake, however silent they are.
/// Fails on a build that counts a dead node's for the rest of its time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_nodes_sockets_are_not_counted() {
    let mut cluster = Cluster::with(2, Server::settings().with_limits()).await;
    let (here, there) = cluster.pair();
    let ada = here.user("ada").await;
    let elsewhere = ada.at(there);
    let silent = sockets(&ada, 2, Transport::WebSocket).await;
    let dead = sockets(&elsewhere, 8, Transport::WebSocket).await;
    cluster.nodes[1].server.kill_9();
    drop(dead);
    let back = within(SOON, "eight tabs come back", sockets(&ada, 8, Transport::WebSocket)).await;
    // Told of nothing, and still there.
    for mut socket in silent.into_iter().chain(back) {
        socket.ask("ping", json!("here")).await;
        assert!(socket.heard().await.iter().all(|event| event.name != "session_revoked"));
    }
}

/// Without Redis each node counts its own, and lets everybody in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_everybody_is_let_in() {
    let cluster = Cluster::with(2, Server::settings().with_limits()).await;
    let (here, there) = cluster.pair();
    let ada = here.user("ada").await;
    cluster.redis.freeze();
    let mut first = sockets(&ada, 10, Transport::WebSocket).await;
    let others = sockets(&ada.at(there), 10, Transport::WebSocket).await;
    all_speak_but(&first, 0).await;
    ada.connects().await.ask("ping", json!(1)).await;
    is_told_and_ended(&mut first[0]).await;
    for socket in &others {
        socket.ask("ping", json!(1)).await;
    }
    cluster.redis.thaw();
}
