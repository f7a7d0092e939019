//! Who is there, whichever node they are on.

use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DbBackend, Statement, TransactionTrait};
use serde_json::json;

use crate::support::{App, Cluster, Event, Person, Server, Socket, eventually, find, list, server::Settings, within};

/// Nodes that notice within moments that somebody has gone.
fn quick() -> Settings {
    Server::settings().with("PARLOUR__REALTIME__PRESENCE_GRACE_MS", "400")
}

/// How long somebody seems to write who no longer says so: 6 s, and what the next look takes.
const TYPING: Duration = Duration::from_millis(6_500);

/// How long a node counts as alive after it last said so, and a little more.
const LEASE: Duration = Duration::from_secs(17);

async fn status(asking: &Socket, of: &Person) -> String {
    let answer = asking.ask("get_presence", json!({"user_ids": [of.id]})).await;
    let one = find(list(&answer, "users"), "user_id", &of.id);
    one["status"].as_str().expect("a status is a text").to_owned()
}

fn comings_and_goings(heard: &[Event]) -> Vec<&Event> {
    heard.iter().filter(|event| ["user_online", "user_offline"].contains(&event.name.as_str())).collect()
}

/// Catches a build that keeps presence in the memory of each node, and one that tells only its own sockets. Both seen.
#[tokio::test]
async fn coming_and_going_is_told_on_every_node() {
    let cluster = Cluster::with(2, quick()).await;
    let (here, there) = cluster.pair();
    let [ada, bob] = here.users(["ada", "bob"]).await;
    let bob = bob.at(there);
    let room = ada.opens_a_group("hall", &[&bob]).await;
    bob.says(&room, "hello").await;
    let mut witness = ada.enters(&room).await;
    let socket = bob.connects().await;
    assert_eq!(witness.expect("user_online").await["user_id"], bob.id.as_str());
    assert_eq!(status(&witness, &bob).await, "online");
    socket.ask("set_status", json!({"status": "away"})).await;
    assert_eq!(status(&witness, &bob).await, "away");
    socket.ask("set_status", json!({"status": "invisible"})).await;
    assert_eq!(status(&witness, &bob).await, "offline");
    witness.expect("user_offline").await;
    socket.ask("set_status", json!({"status": "online"})).await;
    witness.expect("user_online").await;
    socket.leave().await;
    let told = witness.expect("user_offline").await;
    assert!(told["last_seen_at"].is_string(), "{told}");
    assert_eq!(status(&witness, &bob).await, "offline");
}

/// Catches a build in which each node tells of its own sockets alone: somebody would go offline with the first device. Seen.
#[tokio::test]
async fn who_has_a_device_on_another_node_does_not_go() {
    let cluster = Cluster::with(2, quick()).await;
    let (here, there) = cluster.pair();
    let [ada, bob] = here.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("hall", &[&bob]).await;
    bob.says(&room, "hello").await;
    let mut witness = ada.enters(&room).await;
    let phone = bob.connects().await;
    witness.expect("user_online").await;
    let laptop = bob.at(there).connects().await;
    laptop.ask("set_status", json!({"status": "away"})).await;
    phone.leave().await;
    let left = Instant::now();
    eventually(Duration::from_secs(5), "the grace has passed", async || left.elapsed() > Duration::from_secs(1)).await;
    assert_eq!(status(&witness, &bob).await, "away", "the laptop is still there, as its owner chose");
    let heard = witness.heard().await;
    assert!(comings_and_goings(&heard).is_empty(), "nobody came and nobody went: {heard:?}");
    laptop.leave().await;
    witness.expect("user_offline").await;
}

/// G7. Catches a build that believes what a dead node said for ever, one in which nobody tells of it, and one in which the users
/// of that node seem to go who have another device. All seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_users_of_a_dead_node_are_gone_within_35_seconds() {
    let mut cluster = Cluster::start(2).await;
    let [ada, bob, cyd] = cluster.nodes[0].users(["ada", "bob", "cyd"]).await;
    let room = ada.opens_a_group("hall", &[&bob, &cyd]).await;
    bob.says(&room, "hello").await;
    cyd.says(&room, "hello").await;
    let mut witness = ada.enters(&room).await;
    let (bob, cyd_there) = (bob.at(&cluster.nodes[1]), cyd.at(&cluster.nodes[1]));
    let (typist, _both) = (bob.enters(&room).await, cyd_there.enters(&room).await);
    let _stays = cyd.enters(&room).await;
    for _ in 0..2 {
        witness.expect("user_online").await;
    }
    typist.ask("typing", json!({"room_id": room.id})).await;
    assert_eq!(witness.expect("user_typing").await["is_typing"], true);
    let killed = Instant::now();
    cluster.nodes[1].server.kill_9();

    let ended = within(TYPING, "typing ends", witness.expect("user_typing")).await;
    assert_eq!(ended["is_typing"], false);
    println!("typing ended {:?} after the node", killed.elapsed());
    assert!(killed.elapsed() <= TYPING, "typing ended {:?} after the node", killed.elapsed());
    let is_gone = async || status(&witness, &bob).await == "offline";
    eventually(Duration::from_secs(35), "bob is offline", is_gone).await;
    println!("bob was offline {:?} after the node", killed.elapsed());
    let mut heard: Vec<Event> = Vec::new();
    let told = async || {
        heard.append(&mut witness.leftovers());
        comings_and_goings(&heard).iter().any(|event| event.data["user_id"] == bob.id.as_str())
    };
    eventually(Duration::from_secs(35).saturating_sub(killed.elapsed()), "user_offline", told).await;
    println!("user_offline came {:?} after the node", killed.elapsed());
    assert_eq!(status(&witness, &cyd).await, "online", "the other device is alive");
    heard.append(&mut witness.heard().await);
    assert_eq!(comings_and_goings(&heard).len(), 1, "only bob went: {heard:?}");
}

/// A node that was frozen for longer than its lease is taken for dead; when it goes on, its users are there again. Catches a
/// build that renews only the lease. Seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_frozen_has_its_users_back() {
    let cluster = Cluster::start(2).await;
    let [ada, bob] = cluster.nodes[0].users(["ada", "bob"]).await;
    let room = ada.opens_a_group("hall", &[&bob]).await;
    bob.says(&room, "hello").await;
    let mut witness = ada.enters(&room).await;
    let frozen: &App = &cluster.nodes[1];
    let socket = bob.at(frozen).connects().await;
    socket.ask("ping", json!({})).await;
    assert_eq!(status(&witness, &bob).await, "online");
    frozen.server.freeze();
    let told = async || witness.leftovers().iter().any(|event| event.name == "user_offline");
    eventually(Duration::from_secs(35), "user_offline", told).await;
    assert_eq!(status(&witness, &bob).await, "offline");
    frozen.server.thaw();
    let is_back = async || status(&witness, &bob).await == "online";
    eventually(Duration::from_secs(15), "bob is back", is_back).await;
}

/// Catches a build that renews its lease only once it has told of those whom it takes off: where the database is slow, it takes
/// itself for alive and the others take it for dead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_keeps_its_lease_while_it_cannot_tell_of_others() {
    let mut cluster = Cluster::start(2).await;
    let [ada, bob] = cluster.nodes[0].users(["ada", "bob"]).await;
    let room = ada.opens_a_group("hall", &[&bob]).await;
    bob.says(&room, "hello").await;
    let mut witness = ada.enters(&room).await;
    let _socket = bob.at(&cluster.nodes[1]).connects().await;
    witness.expect("user_online").await;
    let database = cluster.nodes[0].server.database().await;
    let nodes = async |condition: &str| {
        let sql = format!("SELECT count(*) AS nodes FROM nodes WHERE {condition}");
        let counted = database.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap().unwrap();
        counted.try_get::<i64>("", "nodes").unwrap()
    };
    // Whom to tell is read from here.
    let lock = database.begin().await.unwrap();
    lock.execute_unprepared("LOCK TABLE members IN ACCESS EXCLUSIVE MODE").await.unwrap();
    cluster.nodes[1].server.kill_9();
    eventually(Duration::from_secs(35), "the dead node is off", async || nodes("true").await == 1).await;
    let reaped = Instant::now();
    let lease_was_held_for_long = async || {
        let held = nodes("expires_at > extract(epoch FROM clock_timestamp()) * 1000").await;
        assert_eq!(held, 1, "the lease ended {:?} after the other node was taken off", reaped.elapsed());
        reaped.elapsed() > LEASE
    };
    eventually(LEASE * 2, "the length of a lease is over", lease_was_held_for_long).await;
    lock.rollback().await.unwrap();
}
