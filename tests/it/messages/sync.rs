//! Catching up in many rooms at once, and hearing of rooms that are not open.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{App, Event, checker, find, ids, int, list, text};

#[tokio::test]
async fn sync_tells_what_followed_each_cursor() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let (one, two) = (ada.opens_a_group("one", &[&bob]).await, ada.opens_a_group("two", &[&bob]).await);
    let cursors = json!({&one.id: bob.last_seq(&one).await, &two.id: bob.last_seq(&two).await});
    let first = ada.says(&one, "first").await;
    ada.patch(&format!("/api/chat/messages/{}", text(&first, "id")), json!({"content": "edited"})).await.ok();
    let mut live = bob.enters(&two).await;
    let second = ada.says(&two, "second").await;
    let heard = live.expect("new_message").await;

    let socket = bob.connects().await;
    let answer = socket.ask("sync", json!({"cursors": cursors})).await;
    assert_eq!((&answer["joined"], &answer["left"]), (&json!([]), &json!([])));
    let rooms = list(&answer, "rooms");
    let in_one = find(rooms, "room_id", &one.id);
    let names: Vec<String> = list(in_one, "events").iter().map(|entry| text(entry, "event")).collect();
    assert_eq!(names, ["new_message", "message_edited"]);
    assert_eq!(in_one["has_more"], false);
    assert_eq!(int(in_one, "last_seq"), int(&first, "seq") + 1);
    let in_two = find(rooms, "room_id", &two.id);
    assert_eq!(in_two["events"], json!([{"event": "new_message", "data": heard}]), "as it was emitted");
    assert_eq!(in_two["last_seq"], second["seq"]);
}

#[tokio::test]
async fn sync_tells_which_rooms_came_and_which_went() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let (kept, lost) = (ada.opens_a_group("kept", &[&bob]).await, ada.opens_a_group("lost", &[&bob]).await);
    let gone = ada.opens_a_group("gone", &[&bob]).await;
    let cursors = json!({&kept.id: bob.last_seq(&kept).await, &lost.id: 1, &gone.id: 1});
    ada.removes(&bob, &lost).await;
    ada.delete(&gone.path("")).await.ok();
    let fresh = ada.opens_a_group("fresh", &[&bob]).await;
    let message = ada.says(&fresh, "welcome").await;
    let answer = bob.connects().await.ask("sync", json!({"cursors": cursors})).await;
    assert_eq!(ids(list(&answer, "joined")), std::slice::from_ref(&fresh.id));
    let room = &list(&answer, "joined")[0];
    assert_eq!(
        (&room["name"], &room["last_seq"], &room["unread_count"]),
        (&json!("fresh"), &message["seq"], &json!(1))
    );
    let mut left: Vec<&str> = list(&answer, "left").iter().map(|id| id.as_str().unwrap()).collect();
    left.sort_unstable();
    let mut expected = [lost.id.as_str(), gone.id.as_str()];
    expected.sort_unstable();
    assert_eq!(left, expected);
    assert!(list(&answer, "rooms").iter().all(|room| room["room_id"] == kept.id.as_str()), "{answer}");
}

#[tokio::test]
async fn sync_stops_at_its_limit_and_goes_on_from_there() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let room = ada.opens_a_group("pages", &[]).await;
    let start = ada.last_seq(&room).await;
    let socket = ada.connects().await;
    for number in 0..25 {
        socket.ask("send_message", json!({"room_id": room.id, "content": format!("{number}")})).await;
    }
    let (mut at, mut seqs) = (start, Vec::new());
    for (size, has_more) in [(10, true), (10, true), (5, false)] {
        let answer = socket.ask("sync", json!({"cursors": {&room.id: at}, "limit": 10})).await;
        let page = &list(&answer, "rooms")[0];
        assert_eq!((list(page, "events").len(), &page["has_more"]), (size, &json!(has_more)));
        assert_eq!(int(page, "last_seq"), start + 25, "the end of the log, not of the page");
        seqs.extend(list(page, "events").iter().map(|entry| int(&entry["data"], "seq")));
        at = *seqs.last().unwrap();
    }
    checker::dense("the pages", &seqs, start, start + 25);
}

fn activities(events: &[Event], room_id: &str) -> Vec<Value> {
    let theirs = events.iter().filter(|event| event.name == "room_activity" && event.data["room_id"] == room_id);
    theirs.map(|event| event.data.clone()).collect()
}

#[tokio::test]
async fn a_room_that_is_not_open_announces_its_activity() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("elsewhere", &[&bob]).await;
    let mut away = bob.connects().await;
    let mut inside = bob.enters(&room).await;
    let message = ada.says(&room, "anybody?").await;
    let told = away.expect("room_activity").await;
    assert_eq!(
        (&told["room_id"], &told["last_seq"], &told["unread_count"]),
        (&json!(room.id), &message["seq"], &json!(1))
    );
    assert_eq!(told["last_message"]["id"], message["id"]);
    assert_eq!(told["last_message"]["content"], "anybody?");
    inside.expect("new_message").await;
    assert!(activities(&inside.heard().await, &room.id).is_empty(), "who is inside hears the message itself");
    assert!(checker::seqs(&away.heard().await, &room.id).is_empty());
}

/// Catches a build that tells every message to every member, and one that never tells the last. Both seen.
#[tokio::test]
async fn activity_is_told_once_a_second_and_ends_at_the_truth() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("busy", &[&bob]).await;
    let mut away = bob.connects().await;
    let writer = ada.connects().await;
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    let mut last = Value::Null;
    for number in 0..150 {
        tick.tick().await;
        last = writer.ask("send_message", json!({"room_id": room.id, "content": format!("{number}")})).await["message"]
            .clone();
    }
    away.expect_that("room_activity", |data| data["last_seq"] == last["seq"] && data["unread_count"] == 150).await;
    let told = activities(&away.heard().await, &room.id);
    assert!((1..=4).contains(&told.len()), "{} notices in 3 s before the last", told.len());
    assert!(told.windows(2).all(|pair| int(&pair[0], "last_seq") < int(&pair[1], "last_seq")), "{told:?}");
}

/// Catches a build that bounds an answer by its events alone: a thousand long ones are 16 MB in one packet.
/// Fails on that build, seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sync_is_bounded_in_bytes_and_goes_on_from_there() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let (one, two) = (ada.opens_a_group("one", &[]).await, ada.opens_a_group("two", &[]).await);
    let long = "🦀".repeat(4_000);
    let writer = ada.connects().await;
    for (room, count) in [(&one, 300), (&two, 30)] {
        for _ in 0..count / 30 {
            let acks: Vec<_> = (0..30)
                .map(|_| writer.emit_with_ack("send_message", json!({"room_id": room.id, "content": long})))
                .collect();
            for ack in acks {
                ack.ok().await;
            }
        }
    }

    let (mut cursors, mut seqs) = (json!({&one.id: 1, &two.id: 1}), [vec![], vec![]]);
    let mut more = true;
    let mut answers = 0;
    while more {
        let answer = writer.ask("sync", json!({"cursors": cursors, "limit": 1_000})).await;
        let size = answer.to_string().len();
        assert!(size < 2 * 1024 * 1024, "{size} bytes in one answer");
        answers += 1;
        more = false;
        for (room, seqs) in [&one, &two].into_iter().zip(&mut seqs) {
            let page = find(list(&answer, "rooms"), "room_id", &room.id);
            let before = seqs.len();
            seqs.extend(list(page, "events").iter().map(|entry| int(&entry["data"], "seq")));
            cursors[&room.id] = json!(seqs.last().copied().unwrap_or(1));
            assert_eq!(page["has_more"], json!(cursors[&room.id] != page["last_seq"]), "answer {answers}");
            more |= page["has_more"] == true;
            assert!(seqs.len() > before || page["has_more"] == false || answers < 10, "sync makes progress");
        }
    }
    assert!(answers > 2, "5 MB came in {answers} answers");
    checker::dense("one", &seqs[0], 1, ada.last_seq(&one).await);
    checker::dense("two", &seqs[1], 1, ada.last_seq(&two).await);
}
