//! Whoever was away hears what was missed: all of it, once, in order, before anything newer.

use std::time::Duration;

use futures_util::{StreamExt, future::join_all, stream};
use rand::{RngExt, rngs::StdRng};
use serde_json::{Value, json};

use crate::support::{
    App, Event, Person, Room, SOON, Seed, Socket, Transport, checker, int, machine, socket::Cut, text, within, workload,
};

/// What the test compares of a log entry: an entry replayed later may show a message as it is now.
fn essence(name: &str, data: &Value) -> String {
    let of = if name == "new_message" { &data["message"]["id"] } else { &data["message_id"] };
    format!("{} {name} {of}", data["seq"])
}

/// Reads the room up to `last` over connections that are cut at random moments.
async fn read_over_bad_lines(
    reader: &Person,
    room: &Room,
    start: i64,
    last: i64,
    mut rng: StdRng,
) -> (Vec<Event>, usize) {
    let (mut log, mut cursor, mut cuts) = (Vec::new(), start, 0);
    while cursor < last {
        let mut socket = reader.connects_with(json!({"cursors": {&room.id: cursor}})).await;
        let mut left = rng.random_range(1..400);
        while cursor < last && left > 0 {
            let Some(event) = within(SOON, "the next event", socket.stream()).await else { break };
            assert_ne!(event.name, "resync_required", "the room has fewer than 1,000 entries");
            if checker::is_entry(&event, &room.id) {
                cursor = int(&event.data, "seq");
                log.push(event);
                left -= 1;
            }
        }
        let how = if rng.random() { Cut::Goodbye } else { Cut::Reset };
        socket.cut(how, "typing", &json!({"room_id": room.id})).await;
        cuts += 1;
        // away for a while, so that there is something to miss
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..60))).await;
    }
    (log, cuts)
}

/// Sends, edits and deletes: 900 entries in all.
async fn change_the_room(writer: &Person, room: &Room, mut rng: StdRng) {
    let socket = writer.connects().await;
    let mut messages: Vec<String> = Vec::new();
    for number in 0..900 {
        let choice = rng.random_range(0..10);
        let ack = match messages.len() {
            0..5 => None,
            len if choice == 0 => {
                Some(("delete_message", json!({"message_id": messages.remove(rng.random_range(0..len))})))
            }
            len if choice < 3 => {
                let message_id = &messages[rng.random_range(0..len)];
                Some(("edit_message", json!({"message_id": message_id, "content": format!("edit {number}")})))
            }
            _ => None,
        };
        match ack {
            Some((name, data)) => drop(socket.ask(name, data).await),
            None => {
                let sent =
                    socket.ask("send_message", json!({"room_id": room.id, "content": format!("n {number}")})).await;
                messages.push(text(&sent["message"], "id"));
            }
        }
    }
}

/// G4. Catches a build that joins before it replays (repeats, inversions), one that replays before it joins without
/// holding what comes in between (gaps), and one that replays only messages. Fails on a build whose replay leaves out an
/// entry, on one that replays beside live delivery, and on one that numbers messages by a counter of its own, seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_on_bad_lines_have_the_rooms_log() {
    let _share = machine::share().await;
    let seed = Seed::of("readers_on_bad_lines_have_the_rooms_log");
    let app = App::start().await;
    let people = app.crowd(5).await;
    let others: Vec<&Person> = people[1..].iter().collect();
    let room = people[0].opens_a_group("bad lines", &others).await;
    let start = people[0].last_seq(&room).await;
    let last = start + 900;

    let read = join_all(
        people[1..]
            .iter()
            .zip(1..)
            .map(|(reader, actor)| read_over_bad_lines(reader, &room, start, last, seed.rng_of(actor))),
    );
    let write = change_the_room(&people[0], &room, seed.rng_of(0));
    let (logs, ()) = within(SOON * 9, "900 entries over bad lines", async { tokio::join!(read, write) }).await;

    let log = people[0].log_of(&room).await;
    let log: Vec<String> = log
        .iter()
        .filter(|entry| int(&entry["data"], "seq") > start)
        .map(|entry| essence(&text(entry, "event"), &entry["data"]))
        .collect();
    assert_eq!(log.len(), 900);
    for (number, (events, cuts)) in logs.iter().enumerate() {
        assert!(*cuts > 2, "reader {number} was cut {cuts} times: no fault");
        checker::dense(&format!("reader {number}"), &checker::seqs(events, &room.id), start, last);
        let heard: Vec<String> = events.iter().map(|event| essence(&event.name, &event.data)).collect();
        assert_eq!(heard, log, "reader {number} has another log than the room");
    }
}

/// Catches a build where `Attach` and live delivery are two tasks: some client sees a gap or a repeat at the seam.
/// Fails on a build whose replay leaves out an entry, and on one that replays beside live delivery, seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_clients_arrive_while_two_hundred_messages_a_second_are_sent() {
    let _share = machine::share().await;
    let seed = Seed::of("fifty_clients_arrive_while_two_hundred_messages_a_second_are_sent");
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("news", &[&bob]).await;
    let writer = ada.connects().await;
    let start = ada.last_seq(&room).await;
    let last = start + 900;

    let write = async {
        let mut tick = tokio::time::interval(Duration::from_millis(5));
        let mut acks = Vec::new();
        for number in 0..900 {
            tick.tick().await;
            acks.push(writer.emit_with_ack("send_message", workload::message(&room, &format!("n-{number}"))));
        }
        for ack in acks {
            ack.ok().await;
        }
    };
    let arrive = async |number: u64| {
        let mut rng = seed.rng_of(number);
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..4_000))).await;
        let cursor = rng.random_range(start..=int(&bob.room(&room).await, "last_seq"));
        let transport = if rng.random_bool(0.2) { Transport::Polling } else { Transport::WebSocket };
        let mut socket = bob.connects_by(transport, json!({"cursors": {&room.id: cursor}})).await;
        let mut seqs = Vec::new();
        while seqs.last().copied().unwrap_or(cursor) < last {
            let Some(event) = within(SOON, "the next event", socket.stream()).await else { break };
            assert_ne!(event.name, "resync_required");
            if checker::is_entry(&event, &room.id) {
                seqs.push(int(&event.data, "seq"));
            }
        }
        (format!("{transport:?} client {number}"), seqs, cursor)
    };
    let arrivals = join_all((0..50).map(arrive));
    let (arrivals, ()) = within(SOON * 6, "50 arrivals", async { tokio::join!(arrivals, write) }).await;
    for (who, seqs, cursor) in arrivals {
        checker::dense(&who, &seqs, cursor, last);
    }
}

/// Catches a build that registers its handlers in the connect handler: the library sends CONNECT before they exist, and
/// some 2 % of the clients lose the event they emit at once. Fails on a build that registers them in an asynchronous connect
/// handler, seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_clients_lose_no_event_emitted_right_after_connecting() {
    let _share = machine::share().await;
    let app = App::start().await;
    let ada = app.user("ada").await;
    let room = ada.opens_a_group("arrivals", &[]).await;
    let auth = json!({"token": ada.token});

    let arrive = async |number: usize| {
        let socket = Socket::begin(&ada.site, Transport::WebSocket, &auth).await.expect("everybody is let in");
        let ack = socket.emit_with_ack("send_message", workload::message(&room, &format!("first-{number}")));
        let answer = ack.answer().await;
        (number, answer, socket)
    };
    let arrivals = stream::iter(0..1_000).map(arrive).buffer_unordered(256).collect::<Vec<_>>();
    let arrivals = within(SOON * 6, "1,000 arrivals", arrivals).await;
    let mut sent = checker::Sent::default();
    for (number, answer, _) in &arrivals {
        assert_eq!(answer["ok"], true, "client {number}: {answer}");
        sent.note(&format!("first-{number}"), Some(answer));
    }
    assert_eq!(sent.acked.len(), 1_000);
    sent.matches(&ada.history(&room).await);
}

/// A room with more than 1,000 missed events is joined live and announced; paging with `sync` fills the gap. Catches a
/// build that replays without end, and one that stops at the limit without a word. Both seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_missed_too_much_is_told_to_page() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let room = ada.opens_a_group("long ago", &[]).await;
    let writer = ada.connects().await;
    workload::Writer::new("w").send(&writer, &room, 1_200).await;
    let last = ada.last_seq(&room).await;

    let mut socket = ada.connects_with(json!({"cursors": {&room.id: 1}})).await;
    let notice = socket.expect("resync_required").await;
    assert_eq!(notice, json!({"room_id": room.id, "after_seq": 1, "last_seq": last}));
    let (mut seqs, mut more) = (vec![], true);
    while more {
        let after = seqs.last().copied().unwrap_or(1);
        let answer = socket.ask("sync", json!({"cursors": {&room.id: after}, "limit": 500})).await;
        let page = &answer["rooms"][0];
        let entries = page["events"].as_array().unwrap();
        assert!(entries.len() <= 500);
        seqs.extend(entries.iter().map(|entry| int(&entry["data"], "seq")));
        more = page["has_more"] == true;
    }
    checker::dense("the pages", &seqs, 1, last);
    assert!(checker::seqs(&socket.heard().await, &room.id).is_empty(), "nothing is replayed besides");
    ada.says(&room, "and live it is").await;
    assert_eq!(int(&socket.expect("new_message").await, "seq"), last + 1);
}
