//! Read marks only move forward, and unread counts are exact.

use futures_util::future::join_all;
use rand::seq::SliceRandom;
use serde_json::{Value, json};

use crate::support::{App, Person, Room, SOON, Seed, find, int, list, text, within, workload};

/// The unread count by counting: messages of others after the mark.
fn unread(history: &[Value], reader: &Person, mark: i64) -> i64 {
    let counted =
        history.iter().filter(|message| message["sender_id"] != reader.id.as_str() && int(message, "seq") > mark);
    i64::try_from(counted.count()).unwrap()
}

/// The room as it stands in the reader's list.
async fn listed(reader: &Person, room: &Room) -> Value {
    let rooms = reader.get("/api/chat/rooms").await.with_status(200);
    find(list(&rooms, "rooms"), "id", &room.id).clone()
}

/// G6. Catches a build that stores the last mark instead of the greatest, one that reads the old mark outside its
/// transaction, and one that keeps a counter that drifts. Fails on a build that counts one's own messages, on one that takes
/// the last mark of a batch, and on one whose marks go back, seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shuffled_marks_from_eight_sockets_end_at_the_greatest() {
    let seed = Seed::of("shuffled_marks_from_eight_sockets_end_at_the_greatest");
    let app = App::start().await;
    let [ada, bob, cyd] = app.users(["ada", "bob", "cyd"]).await;
    let room = ada.opens_a_group("reading", &[&bob, &cyd]).await;
    let mut others = Vec::new();
    for writer in [&ada, &bob, &cyd] {
        let socket = writer.connects().await;
        workload::Writer::new(&writer.name).send(&socket, &room, 100).await;
        others.push(socket);
    }
    let history = ada.history(&room).await;
    let mut witness = ada.enters(&room).await;

    // nobody marks the last 40, so that something stays unread
    let markable = &history[..260];
    let work = (0..8).map(async |number| {
        let mut rng = seed.rng_of(number);
        let socket = bob.connects().await;
        let mut marks: Vec<&Value> = markable.iter().collect();
        marks.shuffle(&mut rng);
        let mut before = 0;
        for message in marks {
            let seq = int(message, "seq");
            let mark = if seq % 2 == 0 {
                json!({"room_id": room.id, "up_to_seq": seq})
            } else {
                json!({"room_id": room.id, "message_ids": [message["id"]]})
            };
            let answer = socket.ask("mark_as_read", mark).await;
            let now = int(&answer, "last_read_seq");
            assert!(now >= seq, "marked {seq}, told {now}");
            assert!(now >= before, "the mark went back from {before} to {now}");
            assert_eq!(int(&answer, "unread_count"), unread(&history, &bob, now), "at {now}");
            before = now;
        }
    });
    within(SOON * 6, "2,080 marks", join_all(work)).await;

    let greatest = int(&markable[259], "seq");
    let room_now = listed(&bob, &room).await;
    let expected = unread(&history, &bob, greatest);
    assert!(expected > 0);
    assert_eq!(int(&room_now, "unread_count"), expected);
    let members = bob.room(&room).await;
    assert_eq!(int(find(list(&members, "members"), "user_id", &bob.id), "last_read_seq"), greatest);

    let mut told = 0;
    while told < greatest {
        let receipt = witness.expect("messages_read").await;
        assert_eq!(receipt["user_id"], bob.id.as_str());
        let now = int(&receipt, "last_read_seq");
        assert!(now > told, "a receipt went back from {told} to {now}");
        told = now;
    }
}

#[tokio::test]
async fn unread_counts_what_others_wrote_since_the_mark() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_direct_room_with(&bob).await;
    assert_eq!(int(&listed(&bob, &room).await, "unread_count"), 0);
    let mut last = Value::Null;
    for number in 0..3 {
        last = ada.says(&room, &format!("{number}")).await;
    }
    bob.says(&room, "one of mine does not count").await;
    assert_eq!(int(&listed(&bob, &room).await, "unread_count"), 3);
    assert_eq!(int(&bob.room(&room).await, "unread_count"), 3);
    assert_eq!(int(&listed(&ada, &room).await, "unread_count"), 1);

    let mark = bob.post(&room.path("/read"), json!({"message_ids": [last["id"]]})).await.with_status(200);
    assert_eq!(mark, json!({"last_read_seq": last["seq"], "unread_count": 0, "mention_count": 0}));
    assert_eq!(int(&listed(&bob, &room).await, "unread_count"), 0);
}

#[tokio::test]
async fn a_mark_over_rest_and_one_over_the_socket_answer_alike() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("reading", &[&bob]).await;
    let first = ada.says(&room, "one").await;
    ada.says(&room, "two").await;
    let socket = bob.connects().await;
    let by_socket = socket.ask("mark_as_read", json!({"room_id": room.id, "up_to_seq": first["seq"]})).await;
    let by_rest = bob.post(&room.path("/read"), json!({"up_to_seq": first["seq"]})).await.with_status(200);
    assert_eq!(by_socket, by_rest);
    assert_eq!(by_rest, json!({"last_read_seq": first["seq"], "unread_count": 1, "mention_count": 0}));
    let backwards = bob.post(&room.path("/read"), json!({"up_to_seq": int(&first, "seq") - 1})).await.with_status(200);
    assert_eq!(backwards, by_rest, "a mark never goes back");
}

#[tokio::test]
async fn receipts_reach_the_room_and_name_the_messages() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("reading", &[&bob]).await;
    let message = ada.says(&room, "read me").await;
    let mut socket = ada.enters(&room).await;
    bob.post(&room.path("/read"), json!({"message_ids": [message["id"]]})).await.with_status(200);
    let receipt = socket.expect("messages_read").await;
    assert_eq!(receipt["room_id"], room.id.as_str());
    assert_eq!(receipt["user_id"], bob.id.as_str());
    assert_eq!(receipt["message_ids"], json!([message["id"]]));
    assert_eq!(receipt["last_read_seq"], message["seq"]);
    assert!(!text(&receipt, "read_at").is_empty());
}

/// G6. Several people mark at once while others write. Catches a build whose batch of marks mixes up whose is whose, one
/// that lets a mark go back, and one that tells marks in another order than it stored them. Fails on a build that takes the
/// last mark of a batch instead of the furthest, and on one that does not compare it with the stored one, seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marks_of_several_people_at_once_stay_exact() {
    let seed = Seed::of("marks_of_several_people_at_once_stay_exact");
    let app = App::start().await;
    let people = app.crowd(6).await;
    let others: Vec<&Person> = people[1..].iter().collect();
    let (owner, readers) = (&people[0], &people[1..]);
    let room = owner.opens_a_group("reading", &others).await;
    let writer = owner.connects().await;
    let mut past = workload::Writer::new("past");
    past.send(&writer, &room, 200).await;
    let history = owner.history(&room).await;
    let mut witness = owner.enters(&room).await;

    let read =
        join_all(readers.iter().zip(0..).flat_map(|(reader, actor)| [(reader, actor), (reader, actor + 100)]).map(
            async |(reader, actor)| {
                let mut rng = seed.rng_of(actor);
                let socket = reader.connects().await;
                let mut marks: Vec<i64> = history.iter().map(|message| int(message, "seq")).collect();
                marks.shuffle(&mut rng);
                // each pair of sockets marks a different part, so that everybody ends somewhere else
                marks.truncate(60);
                let acks: Vec<_> = marks
                    .iter()
                    .map(|seq| {
                        (seq, socket.emit_with_ack("mark_as_read", json!({"room_id": room.id, "up_to_seq": seq})))
                    })
                    .collect();
                let mut before = 0;
                for (seq, ack) in acks {
                    let now = int(&ack.ok().await, "last_read_seq");
                    assert!(now >= *seq && now >= before, "{}: marked {seq}, told {now} after {before}", reader.name);
                    before = now;
                }
                (reader.id.clone(), marks.into_iter().max().expect("60 marks"))
            },
        ));
    let mut present = workload::Writer::new("present");
    let write = present.send(&writer, &room, 300);
    let (marked, ()) = within(SOON * 6, "600 marks among 300 messages", async { tokio::join!(read, write) }).await;

    let history = owner.history(&room).await;
    let details = owner.room(&room).await;
    for reader in readers {
        let greatest = marked.iter().filter(|(id, _)| *id == reader.id).map(|(_, seq)| *seq).max().unwrap();
        let stored = int(find(list(&details, "members"), "user_id", &reader.id), "last_read_seq");
        assert_eq!(stored, greatest, "the mark of {}", reader.name);
        let expected = unread(&history, reader, greatest);
        assert_eq!(int(&listed(reader, &room).await, "unread_count"), expected, "what {} has not read", reader.name);

        let mut told = 0;
        while told < greatest {
            let receipt = witness.expect_that("messages_read", |data| data["user_id"] == reader.id.as_str()).await;
            let now = int(&receipt, "last_read_seq");
            assert!(now > told, "a receipt of {} went from {told} to {now}", reader.name);
            told = now;
        }
        assert_eq!(told, greatest, "the last receipt of {}", reader.name);
    }
    let late: Vec<_> = witness.heard().await.into_iter().filter(|event| event.name == "messages_read").collect();
    assert!(late.is_empty(), "nothing follows the greatest: {late:?}");
}
