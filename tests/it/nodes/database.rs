//! A PostgreSQL that dies, hangs or vanishes: nothing that was acked is lost, nothing hangs, and nobody has to help.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use parlour::{config::Config, db::Db};
use rand::RngExt;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::support::{
    App, Cluster, Person, Reply, Room, SOON, Seed, Server, Socket, Transport, checker, eventually, find, int,
    line::Line, list, machine, outcome_of, postgres::Postgres, rest::Site, within, workload,
};

const CYCLES: usize = 5;

/// How long any answer may take, and how long a node may take to be as before.
const PATIENCE: Duration = Duration::from_secs(10);

/// Nodes on a PostgreSQL of their own.
async fn cluster_on(database: &Postgres) -> Cluster {
    Cluster::on(2, Server::settings().with("DATABASE_URL", &database.fresh_database().await)).await
}

fn sites(cluster: &Cluster) -> Vec<Site> {
    cluster.nodes.iter().map(|node| node.site.clone()).collect()
}

/// Some people in a room, every other one on the second node.
async fn people_in_a_room(cluster: &Cluster, count: usize) -> (Vec<Person>, Room) {
    let people = cluster.nodes[0].crowd(count).await;
    let others: Vec<&Person> = people[1..].iter().collect();
    let room = people[0].opens_a_group("under load", &others).await;
    (people.iter().zip(0..).map(|(person, at)| person.at(&cluster.nodes[at % 2])).collect(), room)
}

/// G1. Catches a build that acks before the commit. Fails on one that acks 20 ms before, seen. The processes of the database are
/// killed, not its disk: that it survives a power cut is for PostgreSQL to promise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acked_message_survives_kills_of_the_database() {
    let _share = machine::share().await;
    let mut rng = Seed::of("every_acked_message_survives_kills_of_the_database").rng();
    let mut database = Postgres::start().await;
    let cluster = cluster_on(&database).await;
    let (people, room) = people_in_a_room(&cluster, 4).await;
    let start = people[0].last_seq(&room).await;
    let mut writers: Vec<_> = people.iter().map(|person| workload::Writer::new(&person.name)).collect();
    let over = Cell::new(false);
    let nodes = sites(&cluster);
    let kill = async {
        for _ in 0..CYCLES {
            tokio::time::sleep(Duration::from_millis(rng.random_range(300..900))).await;
            database.kill_9().await;
            database.run().await;
            let works = async || people[0].tries_to_say(&room, "is it back?").await.status == 201;
            eventually(PATIENCE, "a message is stored again", works).await;
        }
        over.set(true);
    };
    let write = join_all(
        people.iter().zip(&mut writers).map(|(person, writer)| writer.roam(person, &nodes, &room, || over.get())),
    );
    within(SOON * 9, "the kills", async { tokio::join!(kill, write) }).await;

    let mut sent = checker::Sent::default();
    for writer in writers {
        assert!(writer.slowest <= PATIENCE, "an answer took {:?}", writer.slowest);
        sent.merge(writer.sent);
    }
    println!("{} messages were acked", sent.acked.len());
    assert!(sent.acked.len() > CYCLES * 20, "{} acks are no load", sent.acked.len());
    let history = people[1].history(&room).await;
    assert_eq!(history, people[0].history(&room).await, "both nodes read the same");
    sent.matches(&history.into_iter().filter(|message| message["client_msg_id"].is_string()).collect::<Vec<_>>());
    let log = people[1].log_of(&room).await;
    let places: Vec<i64> = log.iter().map(|entry| int(&entry["data"], "seq")).collect();
    checker::dense("the log", &places, 0, people[0].last_seq(&room).await);
    assert!(start > 0, "the log begins with the members");
}

/// How long it took, and whether it was an answer.
async fn timed<T>(what: &str, ask: impl Future<Output = T>) -> T {
    let begin = Instant::now();
    let answer = within(PATIENCE, what, ask).await;
    println!("{what}: {:?}", begin.elapsed());
    answer
}

fn is_unavailable(reply: &Reply) {
    assert_eq!(reply.outcome(), "SERVICE_UNAVAILABLE", "{reply}");
}

/// Everything that can be asked for, at once.
async fn ask_for_everything(person: &Person, socket: &Socket, room: &Room, before: &Value) -> checker::Sent {
    let message = |key: &str| workload::message(room, key);
    let mut sent = checker::Sent::default();
    let rest = async {
        let (rooms, said, login) = tokio::join!(
            timed("GET rooms", person.get("/api/chat/rooms")),
            timed("POST messages", person.post("/api/chat/messages", message("by-rest"))),
            timed("login", person.login("a wrong guess")),
        );
        for reply in [&rooms, &said, &login] {
            is_unavailable(reply);
        }
        json!({"ok": false, "error": {"message": said.json()["detail"]}})
    };
    // One after the other on the same socket, which waits for none of the answers.
    let emits = join_all(
        [
            ("send_message", message("by-socket")),
            ("sync", json!({"cursors": {&room.id: 0}})),
            ("join_room", json!({"room_id": room.id})),
            ("mark_as_read", json!({"room_id": room.id, "up_to_seq": 1})),
            ("edit_message", json!({"message_id": before, "content": "edited"})),
        ]
        .map(|(name, data)| timed(name, socket.emit_with_ack(name, data).answer())),
    );
    let refused = timed("CONNECT", person.tries_to_connect_by(Transport::WebSocket, json!({})));
    let probes = async {
        assert_eq!(timed("/healthz", person.site.get("/healthz").send()).await.status, 200);
        let ready = timed("/readyz", person.site.get("/readyz").send()).await.with_status(503);
        assert_ne!(ready["checks"]["database"], "ok", "{ready}");
    };
    let polling = timed("CONNECT by polling", person.tries_to_connect_by(Transport::Polling, json!({})));
    let (by_rest, answers, refused, polling, ()) = tokio::join!(rest, emits, refused, polling, probes);
    for answer in &answers {
        assert_eq!(outcome_of(answer), "SERVICE_UNAVAILABLE", "{answer}");
    }
    sent.note("by-rest", Some(&by_rest));
    sent.note("by-socket", Some(&answers[0]));
    assert_eq!(refused.err().map(|why| why.0), Some("the connection ended".to_owned()), "who is refused never returns");
    assert!(polling.err().is_some_and(|why| !why.is_final()), "who is refused never returns");
    sent
}

/// G11. `SIGSTOP` leaves connections open: nothing tells that they are of no use. Catches a build in which one event waits for
/// the patience that those before it had, and one that refuses CONNECT, after which no client tries again. Both seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_hangs_hangs_nobody() {
    let database = Postgres::start().await;
    let cluster = cluster_on(&database).await;
    let (people, room) = people_in_a_room(&cluster, 2).await;
    let (here, there) = (people[0].enters(&room).await, people[1].enters(&room).await);
    let before = here.ask("send_message", workload::message(&room, "before")).await;
    database.freeze();
    let message = &before["message"]["id"];
    let (first, second) = tokio::join!(
        ask_for_everything(&people[0], &here, &room, message),
        ask_for_everything(&people[1], &there, &room, message)
    );
    database.thaw();
    let thawed = Instant::now();
    for person in &people {
        let works = async || person.tries_to_say(&room, "is it back?").await.status == 201;
        eventually(PATIENCE, "a message is stored again", works).await;
        person.site.get("/readyz").send().await.with_status(200);
    }
    println!("as before after {:?}", thawed.elapsed());
    let history = people[0].history(&room).await;
    assert!(history.iter().any(|message| message["id"] == before["message"]["id"]));
    for key in ["by-rest", "by-socket"] {
        let stored = history.iter().filter(|message| message["client_msg_id"] == key).count();
        let doubtful = [&first, &second].iter().any(|sent| sent.unknown.contains(key));
        assert!(stored == 0 || doubtful, "{key} is stored {stored} times, and nobody was told that it might be");
    }
}

/// G11 for a database whose machine vanished, and another took its place: the connections to the old one are never heard of
/// again. Catches a build that waits for the system to give such a connection up, which takes a quarter of an hour, be it with a
/// batch of messages or to find out whether the connection works. Seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_moved_is_found_again() {
    let database = Postgres::start().await;
    let line = Line::to(database.addr()).await;
    let url = database.fresh_database_by(line.addr()).await;
    let cluster = Cluster::on(1, Server::settings().with("DATABASE_URL", &url)).await;
    let ada = cluster.nodes[0].user("ada").await;
    let room = ada.opens_a_group("moving", &[]).await;
    let socket = ada.connects().await;
    // Every connection for reading is there and idle; the one that writes has just been used.
    join_all((0..16).map(|_| ada.get("/api/chat/rooms"))).await;
    socket.ask("send_message", workload::message(&room, "before")).await;
    line.strand();
    let begin = Instant::now();
    let mut number = 0;
    let writes = async || {
        number += 1;
        let ack = socket.emit_with_ack("send_message", workload::message(&room, &format!("after-{number}")));
        outcome_of(&timed("send_message", ack.answer()).await) == "OK"
    };
    eventually(PATIENCE * 2, "a message is stored again", writes).await;
    let reads = async || {
        let replies = join_all((0..16).map(|_| timed("rooms", ada.get("/api/chat/rooms")))).await;
        replies.iter().all(|reply| reply.status == 200)
    };
    eventually(PATIENCE * 2, "everything is read again", reads).await;
    println!("as before after {:?}", begin.elapsed());
    assert!(begin.elapsed() < PATIENCE * 2, "it took {:?}", begin.elapsed());
}

/// G11 for commits that the database carries out, and whose answers are lost: whoever asked is told that it may have happened.
/// Catches a build that says that nothing was stored. Seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_is_in_doubt() {
    let database = Postgres::start().await;
    let line = Line::to(database.addr()).await;
    let node = App::with(Server::settings().with("DATABASE_URL", &database.fresh_database_by(line.addr()).await)).await;
    let ada = node.user("ada").await;
    let room = ada.opens_a_group("in doubt", &[]).await;
    let socket = ada.connects().await;
    let before = socket.emit_with_ack("send_message", workload::message(&room, "before")).answer().await;
    line.leave_unanswered(Some("COMMIT"));
    let edit = json!({"message_id": before["data"]["message"]["id"], "content": "edited"});
    let (by_socket, edited, by_rest) = tokio::join!(
        timed("send_message", socket.emit_with_ack("send_message", workload::message(&room, "by-socket")).answer()),
        timed("edit_message", socket.emit_with_ack("edit_message", edit).answer()),
        timed("POST messages", ada.post("/api/chat/messages", workload::message(&room, "by-rest"))),
    );
    line.leave_unanswered(None);
    is_unavailable(&by_rest);
    let by_rest = json!({"ok": false, "error": {"message": by_rest.json()["detail"]}});
    let mut sent = checker::Sent::default();
    for (key, answer) in [("before", before), ("by-socket", by_socket), ("by-rest", by_rest)] {
        sent.note(key, Some(&answer));
    }
    assert!(checker::in_doubt(&edited), "{edited}");
    let works = async || ada.tries_to_say(&room, "is it back?").await.status == 201;
    eventually(PATIENCE, "a message is stored again", works).await;
    let named = |message: &Value| message["client_msg_id"].is_string();
    let history: Vec<Value> = ada.history(&room).await.into_iter().filter(named).collect();
    sent.matches(&history);
    assert_eq!(history.len(), 3, "what was asked was committed: {history:?}");
    assert_eq!(history[0]["content"], "edited");
    for key in ["by-socket", "by-rest"] {
        let again = socket.ask("send_message", workload::message(&room, key)).await;
        assert_eq!(again["duplicate"], true, "{key} may be sent again: {again}");
    }
}

/// The same in the middle of what a node does by itself: looking at the log, at logins, at who is there. There is no Redis, so
/// all that its sockets hear comes from there. Catches a build whose own work waits for an answer that never comes. Seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_goes_on_by_itself_after_its_database_moved() {
    let database = Postgres::start().await;
    let line = Line::to(database.addr()).await;
    let url = database.fresh_database().await;
    let by_line = url.replace(&database.addr().to_string(), &line.addr().to_string());
    let here = App::with(Server::settings().with("DATABASE_URL", &url)).await;
    let there = App::with(Server::settings().with("DATABASE_URL", &by_line)).await;
    let [ada, bob] = here.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("moving", &[&bob]).await;
    bob.says(&room, "hello").await;
    let (asks, mut hears) = (ada.connects().await, bob.at(&there).enters(&room).await);
    // Longer than the time between two looks, so that one of each kind is under way. Whether a connection works is asked before;
    // what is lost is the answer to a prepared statement.
    line.leave_unanswered(Some("sqlx_s_"));
    tokio::time::sleep(Duration::from_secs(16)).await;
    line.leave_unanswered(None);
    let begin = Instant::now();
    let said = ada.says(&room, "after the move").await;
    let heard = hears.expect_within(PATIENCE * 2, "new_message").await;
    assert_eq!(heard["message"]["id"], said["id"]);
    println!("heard after {:?}", begin.elapsed());
    let is_there = async || {
        let presence = asks.ask("get_presence", json!({"user_ids": [bob.id]})).await;
        find(list(&presence, "users"), "user_id", &bob.id)["status"] == "online"
    };
    eventually(PATIENCE * 3, "bob is there", is_there).await;
    println!("as before after {:?}", begin.elapsed());
}

/// The same for what a node changes by itself, such as files to sweep and accounts to settle, when the database vanishes in the
/// middle of a transaction. Catches a build whose transactions wait for the system to give the connection up. Seen.
#[tokio::test]
async fn a_transaction_ends_though_its_database_vanished() {
    let database = Postgres::start().await;
    let line = Line::to(database.addr()).await;
    let mut config = Config::defaults();
    config.database.url = database.fresh_database_by(line.addr()).await.into();
    let db = Db::open(&config).await.unwrap();
    let (underway, done) = (db.begin().await.unwrap(), db.begin().await.unwrap());
    line.strand();
    let asked = within(PATIENCE, "an answer", underway.execute_unprepared("SELECT 1")).await;
    assert!(asked.is_err(), "who should have answered?");
    let committed = within(PATIENCE, "the end of a commit", done.commit()).await;
    assert!(committed.unwrap_err().to_string().contains("may or may not"), "nobody knows");
    let goes_on = async || db.begin().await.is_ok();
    eventually(PATIENCE, "a transaction with the database in its new place", goes_on).await;
}

/// A node that is frozen in the middle of a transaction has the room locked. Catches a build that lets it have it for as long as
/// its connections are open: no other node could write to the room. Seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_node_keeps_no_room_from_the_others() {
    let _share = machine::share().await;
    let cluster = Cluster::start(2).await;
    let (people, room) = people_in_a_room(&cluster, 2).await;
    let (here, there) = (people[0].connects().await, people[1].connects().await);
    let mut acks: Vec<_> = (0..1_500)
        .map(|number| format!("ours-{number}"))
        .map(|key| (key.clone(), here.emit_with_ack("send_message", workload::message(&room, &key))))
        .collect();
    let mut sent = checker::Sent::default();
    let (first, ack) = acks.remove(0);
    sent.note(&first, Some(&ack.answer().await));
    cluster.nodes[0].server.freeze();
    let begin = Instant::now();
    let mut number = 0;
    let writes = async || {
        number += 1;
        let ack = there.emit_with_ack("send_message", workload::message(&room, &format!("theirs-{number}")));
        outcome_of(&timed("send_message", ack.answer()).await) == "OK"
    };
    eventually(PATIENCE, "a message of another node is stored", writes).await;
    println!("the room was free after {:?}", begin.elapsed());
    cluster.nodes[0].server.thaw();
    for (key, ack) in acks {
        sent.note(&key, ack.outcome().await.as_ref());
    }
    let ours = |message: &Value| message["client_msg_id"].as_str().is_some_and(|key| key.starts_with("ours"));
    let history: Vec<Value> = people[1].history(&room).await.into_iter().filter(ours).collect();
    println!("{} of 1,500 were acked", sent.acked.len());
    sent.matches(&history);
}
