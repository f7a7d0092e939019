//! An acked message survives the node, whichever way it ends.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rand::RngExt;
use serde_json::json;

use crate::support::{
    App, Event, Person, Room, SOON, Seed, Socket, checker, int, machine, outcome_of, within, workload,
};

const CYCLES: usize = 30;

async fn connect(people: &[Person]) -> Vec<Socket> {
    join_all(people.iter().map(Person::connects)).await
}

/// Sends from everybody until the node is gone.
async fn write_until_cut(sockets: &[Socket], writers: &mut [workload::Writer], room: &Room) {
    join_all(sockets.iter().zip(writers).map(|(socket, writer)| writer.send_until_cut(socket, room))).await;
}

/// G1. Catches a build that acks before the commit, one that buffers writes in the process, and one that keeps `client_msg_id` in memory (what is in doubt is sent again after each crash). Fails on a build that acks 20 ms before its commit, seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acked_message_survives_thirty_kills() {
    let _share = machine::share().await;
    let mut rng = Seed::of("every_acked_message_survives_thirty_kills").rng();
    let mut app = App::start().await;
    let people = app.crowd(4).await;
    let others: Vec<&Person> = people[1..].iter().collect();
    let room = people[0].opens_a_group("under load", &others).await;
    let mut writers: Vec<_> = people.iter().map(|person| workload::Writer::new(&person.name)).collect();

    for cycle in 0..CYCLES {
        let sockets = connect(&people).await;
        let life = Duration::from_millis(rng.random_range(20..500));
        let before: usize = writers.iter().map(|writer| writer.sent.acked.len()).sum();
        let kill = async {
            tokio::time::sleep(life).await;
            app.server.kill_9();
        };
        within(SOON * 3, "a cycle", async { tokio::join!(kill, write_until_cut(&sockets, &mut writers, &room)) }).await;
        let acked: usize = writers.iter().map(|writer| writer.sent.acked.len()).sum();
        assert!(cycle > 0 || life.as_millis() < 300 || acked > before, "nothing was acked in {life:?}: no load");
        app.start_again().await;
    }

    let mut sent = checker::Sent::default();
    for writer in writers {
        sent.merge(writer.sent);
    }
    assert!(sent.acked.len() > CYCLES * 10, "{} acks are no load", sent.acked.len());
    let history = people[0].history(&room).await;
    sent.matches(&history);
    let log = people[0].log_of(&room).await;
    let places: Vec<i64> = log.iter().map(|entry| int(&entry["data"], "seq")).collect();
    checker::dense("the log", &places, 0, people[0].last_seq(&room).await);
}

/// G12. Catches a build that drops queued sends at SIGTERM after acking them, one that exits while sockets wait for
/// acks that are already committed, and one that never says that it is draining. Fails on a build that exits at once, seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_under_load_says_so_and_loses_nothing() {
    let _share = machine::share().await;
    let mut app = App::start().await;
    let people = app.crowd(4).await;
    let others: Vec<&Person> = people[1..].iter().collect();
    let room = people[0].opens_a_group("under load", &others).await;
    let mut writers: Vec<_> = people.iter().map(|person| workload::Writer::new(&person.name)).collect();
    let start = people[0].last_seq(&room).await;
    let mut reader = people[1].enters(&room).await;

    let sockets = connect(&people).await;
    let stop = async {
        reader.expect("new_message").await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        app.server.stop(SOON).await
    };
    let (_, ()) =
        within(SOON * 3, "the stop", async { tokio::join!(stop, write_until_cut(&sockets, &mut writers, &room)) })
            .await;

    reader.closed_within(SOON).await;
    let heard = reader.leftovers();
    let draining = heard.iter().find(|event| event.name == "server_draining").expect("server_draining is announced");
    assert!(int(&draining.data, "retry_after_ms") > 0, "{draining:?}");

    app.start_again().await;
    let mut sent = checker::Sent::default();
    for writer in writers {
        sent.merge(writer.sent);
    }
    assert!(!sent.acked.is_empty());
    sent.matches(&people[0].history(&room).await);

    let mut seqs = vec![start + 1];
    seqs.extend(checker::seqs(&heard, &room.id));
    let last = people[0].last_seq(&room).await;
    seqs.extend(resume(&people[1], &room, *seqs.last().unwrap(), last).await);
    checker::dense("the reader", &seqs, start, last);
}

/// G12. Catches a build that closes its sockets before what they sent was answered: a client could not tell what is stored.
/// Fails on a build that closes them right after its farewell, seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_sent_before_a_stop_is_answered() {
    let mut app = App::start().await;
    let ada = app.user("ada").await;
    let room = ada.opens_a_group("last words", &[]).await;
    let socket = ada.connects().await;
    let mut acks: Vec<_> = (0..500)
        .map(|number| format!("burst-{number}"))
        .map(|key| (key.clone(), socket.emit_with_ack("send_message", workload::message(&room, &key))))
        .collect();
    let (first, ack) = acks.remove(0);
    let mut sent = checker::Sent::default();
    sent.note(&first, Some(&ack.answer().await));
    app.server.sigterm();
    for (key, ack) in acks {
        let answer = ack.answer().await;
        assert!(["OK", "SERVER_DRAINING"].contains(&outcome_of(&answer).as_str()), "{key}: {answer}");
        sent.note(&key, Some(&answer));
    }
    let status = app.server.exit(SOON).await;
    assert!(status.success(), "exit 0 after SIGTERM, got {status}");
    app.start_again().await;
    sent.matches(&ada.history(&room).await);
}

/// What a reader hears after `cursor`, up to `last`; pages when the node asks for it.
async fn resume(reader: &Person, room: &Room, cursor: i64, last: i64) -> Vec<i64> {
    let mut socket = reader.connects_with(json!({"cursors": {&room.id: cursor}})).await;
    let (mut seqs, mut at) = (Vec::new(), cursor);
    let end = Instant::now() + SOON;
    while at < last {
        assert!(Instant::now() < end, "the reader is at {at} of {last}");
        let Event { name, data, .. } = socket.next().await;
        if name == "resync_required" {
            let page = socket.ask("sync", json!({"cursors": {&room.id: at}, "limit": 1_000})).await;
            for entry in page["rooms"][0]["events"].as_array().unwrap() {
                at = int(&entry["data"], "seq");
                seqs.push(at);
            }
            socket = reader.connects_with(json!({"cursors": {&room.id: at}})).await;
        } else if checker::DURABLE.contains(&name.as_str()) {
            at = int(&data, "seq");
            seqs.push(at);
        }
    }
    seqs
}
