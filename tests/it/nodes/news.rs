//! What happens on one node is heard on the others at once.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{App, Cluster, Person, Room, Socket, checker, int, machine, within, workload};

/// How long news may take between nodes that have a Redis: well below what the sweep alone would need.
const AT_ONCE: Duration = Duration::from_secs(2);

/// Two people in a room, the second on the second node.
async fn two_in_a_room(cluster: &Cluster) -> (Person, Person, Room) {
    let (here, there) = cluster.pair();
    let [ada, bob] = here.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("wide", &[&bob]).await;
    (ada, bob.at(there), room)
}

/// Catches a build that does not publish, and one that subscribes only when it connects to Redis, not to what somebody needs
/// later: the news would come with the sweep. Both seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_arrives_on_the_other_node_at_once() {
    let _alone = machine::alone().await;
    let cluster = Cluster::start(2).await;
    let (ada, bob, room) = two_in_a_room(&cluster).await;
    let (writer, mut reader) = (ada.enters(&room).await, bob.enters(&room).await);
    let follows = writer.ask("send_message", workload::message(&room, "first")).await;
    reader.expect_that("new_message", |data| data["seq"] == follows["message"]["seq"]).await;
    let mut took = Vec::new();
    for number in 0..100 {
        let body = workload::message(&room, &format!("n-{number}"));
        let begin = Instant::now();
        let sent = writer.ask("send_message", body).await;
        let heard = within(AT_ONCE, "the news there", reader.expect("new_message")).await;
        took.push(begin.elapsed());
        assert_eq!(heard["message"], sent["message"], "the same on both nodes");
    }
    took.sort_unstable();
    println!("message to another node: p50 {:?}, p99 {:?}", took[50], took[98]);
    assert!(took[50] < Duration::from_millis(100), "half of the messages took longer than {:?}", took[50]);
    assert!(took[99] < AT_ONCE, "the slowest took {:?}", took[99]);
}

/// Catches a build whose nodes follow only rooms that somebody has joined: people who are merely members would hear of
/// activity some seconds later, or never. Seen.
#[tokio::test]
async fn what_concerns_people_on_another_node_is_told_at_once() {
    let cluster = Cluster::start(2).await;
    let (here, there) = cluster.pair();
    let [ada, bob] = here.users(["ada", "bob"]).await;
    let mut bob = OnNode::connect(&bob, there).await;

    let room = ada.opens_a_group("new", &[&bob.person]).await;
    let created = bob.hears("room_created").await;
    assert_eq!(created["room"]["id"], room.id.as_str());
    ada.says(&room, "anybody there?").await;
    let activity = bob.hears("room_activity").await;
    assert_eq!(activity["last_message"]["content"], "anybody there?");

    let mut reader = ada.enters(&room).await;
    bob.socket.ask("join_room", json!({"room_id": room.id})).await;
    let mark = json!({"room_id": room.id, "up_to_seq": activity["last_seq"]});
    bob.socket.ask("mark_as_read", mark).await;
    let read = reader.expect("messages_read").await;
    assert_eq!((&read["user_id"], &read["last_read_seq"]), (&json!(bob.person.id), &activity["last_seq"]));

    bob.socket.ask("typing", json!({"room_id": room.id})).await;
    let typing = reader.expect("user_typing").await;
    assert_eq!((&typing["user_name"], &typing["is_typing"]), (&json!("bob"), &json!(true)));
    bob.socket.ask("stop_typing", json!({"room_id": room.id})).await;
    assert_eq!(reader.expect("user_typing").await["is_typing"], false);

    ada.removes(&bob.person, &room).await;
    assert_eq!(bob.hears("member_removed").await["user_id"], bob.person.id.as_str());
    ada.says(&room, "and without bob").await;
    reader.expect("new_message").await;
    let heard = bob.socket.heard().await;
    assert!(heard.iter().all(|event| !checker::is_entry(event, &room.id)), "{heard:?}");
}

/// Of two marks the earlier one comes later, from a node that is slow. Catches a build that tells marks as they come: the reader
/// would seem to go back. Seen.
#[tokio::test]
async fn a_mark_that_comes_late_takes_nobody_back() {
    let cluster = Cluster::start(2).await;
    let (ada, bob, room) = two_in_a_room(&cluster).await;
    let mut witness = ada.enters(&room).await;
    let (first, last) = (ada.says(&room, "first").await, ada.says(&room, "last").await);
    let (phone, laptop) = (bob.connects().await, bob.at(&cluster.nodes[0]).connects().await);
    let read = |message: &Value| json!({"room_id": room.id, "message_ids": [message["id"]]});
    cluster.lines[1].stall(true);
    phone.ask("mark_as_read", read(&first)).await;
    laptop.ask("mark_as_read", read(&last)).await;
    let told = witness.expect("messages_read").await;
    cluster.lines[1].stall(false);
    assert_eq!((&told["last_read_seq"], &told["message_ids"]), (&last["seq"], &json!([last["id"]])));
    let late = witness.expect("messages_read").await;
    assert_eq!(late["message_ids"], json!([first["id"]]), "the one of the slow node");
    assert_eq!((&late["last_read_seq"], &late["read_at"]), (&told["last_read_seq"], &told["read_at"]));
}

/// Somebody with a socket on a node.
struct OnNode {
    person: Person,
    socket: Socket,
}

impl OnNode {
    async fn connect(person: &Person, node: &App) -> Self {
        let person = person.at(node);
        let socket = person.connects().await;
        // Whoever connects is followed by then: a message to a room of their own comes back around.
        socket.ask("ping", json!({})).await;
        Self { person, socket }
    }

    async fn hears(&mut self, name: &str) -> Value {
        within(AT_ONCE, name, self.socket.expect(name)).await
    }
}

/// A node that lost its Redis hears of what the other committed by its sweep, and a node whose news was lost is no worse.
/// Catches a build without a sweep, and one that waits for Redis before it delivers to its own sockets. Both seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_nodes_agree_within_five_seconds() {
    let mut cluster = Cluster::start(2).await;
    let (ada, bob, room) = two_in_a_room(&cluster).await;
    let (mut writer, mut reader) = (ada.enters(&room).await, bob.enters(&room).await);
    let mut looking_on = bob.connects().await;
    cluster.redis.kill_9().await;
    for node in &cluster.nodes {
        node.has_bus("unreachable").await;
        let ready = node.site.get("/readyz").send().await.with_status(200);
        assert_eq!(ready["status"], "ready", "it serves without Redis: {ready}");
    }
    let mut slowest = Duration::ZERO;
    for number in 0..5 {
        let begin = Instant::now();
        let sent = writer.ask("send_message", workload::message(&room, &format!("n-{number}"))).await;
        let seq = int(&sent["message"], "seq");
        within(AT_ONCE, "the news here", writer.expect_that("new_message", |data| data["seq"] == seq)).await;
        within(Duration::from_secs(6), "the news there", reader.expect_that("new_message", |data| data["seq"] == seq))
            .await;
        slowest = slowest.max(begin.elapsed());
    }
    println!("without Redis the slowest message took {slowest:?}");
    within(Duration::from_secs(12), "news for who has not joined", looking_on.expect("room_activity")).await;

    cluster.redis.start_empty().await;
    cluster.hears_of_others().await;
    let sent = writer.ask("send_message", workload::message(&room, "with Redis again")).await;
    let fast = reader.expect_that("new_message", |data| data["seq"] == sent["message"]["seq"]);
    within(AT_ONCE, "news by the new Redis", fast).await;
}

/// A node whose line to Redis was cut looks at the database as soon as it is mended, not at the next sweep. Catches a build
/// that resubscribes and leaves what it missed to the sweep, which is far off here. Seen.
#[tokio::test]
async fn what_was_missed_during_a_cut_comes_with_the_reconnection() {
    let settings = crate::support::Server::settings()
        .with("PARLOUR__REALTIME__SWEEP_INTERVAL_MS", "600000")
        .with("PARLOUR__REALTIME__RECHECK_INTERVAL_MS", "600000");
    let cluster = Cluster::with(2, settings).await;
    let (ada, bob, room) = two_in_a_room(&cluster).await;
    let mut reader = bob.enters(&room).await;
    cluster.lines[1].sever();
    cluster.nodes[1].has_bus("unreachable").await;
    for number in 0..10 {
        ada.says(&room, &format!("missed {number}")).await;
    }
    let later = ada.opens_a_group("opened meanwhile", &[&bob]).await;
    cluster.lines[1].mend();
    for number in 0..10 {
        let heard = reader.expect("new_message").await;
        assert_eq!(heard["message"]["content"], format!("missed {number}"));
    }
    let created = reader.expect("room_created").await;
    assert_eq!(created["room"]["id"], later.id.as_str());

    // The words of the first node get lost; it says so when it can, and the second looks.
    cluster.lines[0].stall(true);
    cluster.nodes[0].has_bus("unreachable").await;
    ada.says(&room, "unheard").await;
    cluster.lines[0].stall(false);
    assert_eq!(reader.expect("new_message").await["message"]["content"], "unheard");
}
