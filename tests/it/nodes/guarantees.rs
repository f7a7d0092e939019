//! The promises of one node, kept by two whose Redis fails.

use std::{
    cell::Cell,
    collections::BTreeMap,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use tokio::sync::Notify;

use crate::support::{
    Cluster, Person, Room, SOON, Seed, Socket, checker, int, line::Line, machine, reader::Reader, rest::Site, text,
    within, workload,
};

/// Writers on each node, and readers on both together.
const WRITERS: usize = 16;
const READERS: usize = 16;

/// Messages of each writer.
const EACH: u64 = 1_000;

/// How long a reader may take to be complete once all was sent.
const COMPLETE: Duration = Duration::from_secs(10);

/// Takes down the places of a room's log as they are heard, each with its message, until `last`.
async fn note_down(reader: &mut Socket, room: &Room, last: i64, heard: &mut Vec<(i64, String)>) {
    while let Some(event) = reader.stream().await {
        if checker::is_entry(&event, &room.id) {
            let seq = int(&event.data, "seq");
            heard.push((seq, text(&event.data["message"], "id")));
            if seq >= last {
                return;
            }
        }
    }
}

/// G2, G3. Thirty-two writers and sixteen readers on two nodes, while each node's connection to Redis is cut after random numbers
/// of bytes. Catches a build that delivers what Redis brings as it comes (gaps, inversions), one that does not refill what Redis
/// lost (gaps), one whose sockets drop what does not fit into 64 KiB (gaps), one that takes numbers from a sequence instead of
/// under the room's lock (gaps), and one that counts on each node by itself (sends are refused). All seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_make_one_order_while_redis_is_cut() {
    let _share = machine::share().await;
    let seed = Seed::of("two_nodes_make_one_order_while_redis_is_cut");
    let cluster = Cluster::start(2).await;
    let people = cluster.nodes[0].crowd(WRITERS * 2).await;
    let others: Vec<&Person> = people[1..].iter().collect();
    let room = people[0].opens_a_group("the busy one", &others).await;
    let people: Vec<Person> = people.iter().zip(0..).map(|(one, at)| one.at(&cluster.nodes[at % 2])).collect();
    let start = people[0].last_seq(&room).await;
    let last = start + i64::try_from(EACH * people.len() as u64).unwrap();
    let (mut readers, mut sockets) = (Vec::new(), Vec::new());
    for person in &people[..READERS] {
        readers.push(person.enters(&room).await);
    }
    for person in &people {
        sockets.push(person.connects().await);
    }
    for (line, actor) in cluster.lines.iter().zip(0..) {
        line.cut_after(seed.rng_of(actor), 1_000..60_000);
    }
    // What the second node is told comes after what it sees by itself.
    cluster.lines[1].delay(Duration::from_millis(30));

    let write = join_all(people.iter().zip(&sockets).map(async |(person, socket)| {
        let mut writer = workload::Writer::new(&person.name);
        writer.send(socket, &room, EACH).await;
        writer.sent
    }));
    let mut heard = vec![Vec::new(); READERS];
    let read =
        join_all(readers.iter_mut().zip(&mut heard).map(|(reader, heard)| note_down(reader, &room, last, heard)));
    let (begin, all_sent) = (Instant::now(), Notify::new());
    let write = async {
        let sent = within(SOON * 18, "all sends are answered", write).await;
        println!("{} sends were answered in {:?}", last - start, begin.elapsed());
        all_sent.notify_one();
        sent
    };
    let read = async {
        let late = async {
            all_sent.notified().await;
            tokio::time::sleep(COMPLETE).await;
        };
        // What is missing then, the checker finds.
        tokio::select! {
            _ = read => println!("{READERS} readers had all of it after {:?}", begin.elapsed()),
            () = late => {}
        }
    };
    let (sent, ()) = tokio::join!(write, read);

    let mut all = checker::Sent::default();
    for sent in sent {
        assert_eq!(sent.acked.len() as u64, EACH, "every send is acked");
        all.merge(sent);
    }
    let history = people[0].history(&room).await;
    assert_eq!(history, people[1].history(&room).await, "both nodes read the same");
    all.matches(&history);
    checker::in_order_of_sending(&history, workload::number_of);
    let stored: BTreeMap<i64, String> = history.iter().map(|entry| (int(entry, "seq"), text(entry, "id"))).collect();
    for (number, heard) in heard.iter().enumerate() {
        let seqs: Vec<i64> = heard.iter().map(|(seq, _)| *seq).collect();
        checker::dense(&format!("reader {number}"), &seqs, start, last);
        assert!(heard.iter().all(|(seq, id)| stored[seq] == *id), "reader {number} heard what is stored");
    }
}

/// G2. The same send on both nodes at once is stored once, and both are told of the same message. Catches a build that
/// remembers `client_msg_id` in the process, and one that answers the loser of the race with an error. Both seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_send_repeated_on_the_other_node_is_the_same_message() {
    let cluster = Cluster::start(2).await;
    let (here, there) = cluster.pair();
    let ada = here.user("ada").await;
    let room = ada.opens_a_group("twice", &[]).await;
    let (one, two) = (ada.connects().await, ada.at(there).connects().await);
    let mut acks = Vec::new();
    for number in 0..1_000 {
        let body = workload::message(&room, &format!("twin-{number}"));
        acks.push((one.emit_with_ack("send_message", body.clone()), two.emit_with_ack("send_message", body)));
    }
    let mut duplicates = 0;
    for (number, (first, second)) in acks.into_iter().enumerate() {
        let (first, second) = (first.ok().await, second.ok().await);
        assert_eq!(first["message"]["id"], second["message"]["id"], "pair {number}");
        assert_ne!(first["duplicate"], second["duplicate"], "pair {number}: one of them was first");
        duplicates += usize::from(second["duplicate"] == true);
    }
    println!("the second node was second {duplicates} times of 1,000");
    assert_eq!(ada.history(&room).await.len(), 1_000);
}

/// G4. A reader whose connection is cut after a random number of bytes comes back to either node with its cursor, while Redis is
/// cut as well. Catches a build whose replay ends where this node's feed stands instead of where the log ends: what the reader
/// has from the other node already is ahead of that. Seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_resumes_on_either_node() {
    let _share = machine::share().await;
    let seed = Seed::of("a_reader_resumes_on_either_node");
    let cluster = Cluster::start(2).await;
    let (here, there) = cluster.pair();
    let [ada, bob] = here.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("wanderers", &[&bob]).await;
    let start = ada.last_seq(&room).await;
    let last = start + 600;
    for (line, actor) in cluster.lines.iter().zip(0..) {
        line.cut_after(seed.rng_of(actor), 1_000..60_000);
    }
    // The second node's feed goes on while the reader is elsewhere, and stands behind the log.
    let _stays = ada.at(there).enters(&room).await;
    cluster.lines[1].delay(Duration::from_millis(100));
    let write = async {
        let socket = ada.connects().await;
        let mut tick = tokio::time::interval(Duration::from_millis(8));
        let mut acks = Vec::new();
        for number in 0..600 {
            tick.tick().await;
            acks.push(socket.emit_with_ack("send_message", workload::message(&room, &format!("n-{number}"))));
        }
        for ack in acks {
            ack.ok().await;
        }
    };
    let ways = [Line::to_site(&here.site).await, Line::to_site(&there.site).await];
    for (way, actor) in ways.iter().zip(9..) {
        way.cut_after(seed.rng_of(actor), 2_000..40_000);
    }
    let nodes = ways.each_ref().map(|way| Site::new(way.addr()));
    let (mut reader, end) = (Reader::new(start), Cell::new(Some(last)));
    let read = reader.follow(&bob, &nodes, &room, &end);
    within(SOON * 6, "600 entries", async { tokio::join!(write, read) }).await;
    assert!(reader.connections > 8, "the reader came back {} times: no fault", reader.connections);
    checker::dense("the wanderer", &reader.seqs, start, last);
}
