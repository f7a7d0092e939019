//! A room's log is dense, and the same for everybody.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde_json::json;

use crate::support::{App, Person, SOON, Server, checker, int, machine, text, within, workload};

/// Messages of each of the sixteen.
const EACH: usize = 500;

/// G3. Catches a build that numbers outside the transaction, one that emits from many tasks (inversions), and one that
/// lets a full buffer drop a broadcast silently (gaps). Fails on a build that tells of two batches out of order, on one that
/// tells of each in a task of its own, and on one that leaves out an entry, seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_writers_make_one_order_for_sixteen_readers() {
    let _share = machine::share().await;
    // Order is what is tested here, and not how fast this machine reads: nobody is cut for being behind.
    let patient = Server::settings()
        .with("PARLOUR__REALTIME__BUFFER_PACKETS", "40000")
        .with("PARLOUR__REALTIME__BUFFER_BYTES", "268435456");
    let app = App::with(patient).await;
    let people = app.crowd(16).await;
    let others: Vec<&Person> = people[1..].iter().collect();
    let room = people[0].opens_a_group("the busy one", &others).await;
    let start = people[0].last_seq(&room).await;
    let last = start + i64::try_from(16 * EACH).unwrap();
    let mut readers = Vec::new();
    for person in &people {
        readers.push(person.enters(&room).await);
    }
    let mut sockets = Vec::new();
    for person in &people {
        sockets.push(person.connects().await);
    }

    let write = join_all(people.iter().zip(&sockets).map(async |(person, socket)| {
        let mut writer = workload::Writer::new(&person.name);
        writer.send(socket, &room, EACH as u64).await;
        writer.sent
    }));
    let read = join_all(readers.iter_mut().map(|reader| reader.entries_until(&room.id, last)));
    let (sent, heard) = within(SOON * 12, "8,000 messages to 16 readers", async { tokio::join!(write, read) }).await;

    let mut all = checker::Sent::default();
    for sent in sent {
        assert_eq!(sent.acked.len(), EACH, "every send is acked");
        all.merge(sent);
    }
    let history = people[0].history(&room).await;
    all.matches(&history);
    checker::in_order_of_sending(&history, workload::number_of);
    let stored: BTreeMap<i64, String> = history.iter().map(|entry| (int(entry, "seq"), text(entry, "id"))).collect();
    for (number, events) in heard.iter().enumerate() {
        checker::dense(&format!("reader {number}"), &checker::seqs(events, &room.id), start, last);
        for event in events {
            assert_eq!(stored[&int(&event.data, "seq")], text(&event.data["message"], "id"), "reader {number}");
        }
    }
}

/// G3b. Catches a build that runs each handler as a task of its own, as the library does by default. Fails on that
/// build, seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelined_emits_are_stored_in_the_order_of_emission() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let room = ada.opens_a_group("monologue", &[]).await;
    let socket = ada.connects().await;
    let acks: Vec<_> = (0..1_000)
        .map(|number| socket.emit_with_ack("send_message", workload::message(&room, &format!("n-{number}"))))
        .collect();
    let mut seq = 0;
    for ack in acks {
        let acked = int(&ack.ok().await["message"], "seq");
        assert!(acked > seq, "the ack for {acked} follows that for {seq}");
        seq = acked;
    }
    let history = ada.history(&room).await;
    assert_eq!(history.len(), 1_000);
    checker::in_order_of_sending(&history, workload::number_of);
}

/// Commands of different kinds on one socket keep their order too: a message right behind a join is heard.
/// Catches a build that keeps order per event name only. Seen.
#[tokio::test]
async fn commands_of_all_kinds_run_in_wire_order() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let room = ada.opens_a_group("order", &[]).await;
    for round in 0..50 {
        let mut socket = ada.connects().await;
        let content = format!("round {round}");
        let join = socket.emit_with_ack("join_room", json!({"room_id": room.id}));
        let send = socket.emit_with_ack("send_message", json!({"room_id": room.id, "content": content}));
        let (joined, sent) = (join.ok().await, send.ok().await);
        assert!(int(&sent["message"], "seq") > int(&joined, "last_seq"), "the send ran before the join");
        let heard = socket.expect("new_message").await;
        assert_eq!(heard["message"]["content"], content, "round {round}");
    }
}
