//! `client_msg_id` makes a send repeatable for ever.

use futures_util::future::join_all;
use rand::RngExt;
use serde_json::{Value, json};

use crate::support::{
    App, Person, Room, SOON, Seed, checker::Sent, incoming::Ack, socket::Cut, text, within, workload,
};

/// One person sends `count` messages over connections that die before 30 % of the acks, and repeats until answered.
/// Gives how many answers said that the message was stored before.
async fn send_over_bad_lines(person: &Person, room: &Room, count: usize, seed: &Seed, actor: u64) -> (Sent, usize) {
    let mut rng = seed.rng_of(actor);
    let (mut sent, mut duplicates) = (Sent::default(), 0);
    let mut socket = person.connects().await;
    for number in 0..count {
        let key = format!("{}-{number}", person.name);
        let body = workload::message(room, &key);
        let mut attempts = 0;
        loop {
            attempts += 1;
            assert!(attempts < 40, "{key} is never answered");
            let ack = socket.emit_with_ack("send_message", body.clone());
            if rng.random_bool(0.3) {
                let how = if rng.random() { Cut::Goodbye } else { Cut::Reset };
                socket.cut(how, "send_message", &body).await;
                sent.note(&key, ack.outcome().await.as_ref());
                socket = person.connects().await;
            } else {
                let answer = ack.answer().await;
                sent.note(&key, Some(&answer));
                duplicates += usize::from(answer["data"]["duplicate"] == true);
                break;
            }
        }
    }
    (sent, duplicates)
}

/// G2. Catches a build that remembers `client_msg_id` per connection or in memory, and one that numbers a repeat anew.
/// Fails on a build that does not look for the repeat, and on one that looks among the present batch only, seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_send_repeated_after_a_cut_is_stored_once() {
    let seed = Seed::of("a_send_repeated_after_a_cut_is_stored_once");
    let app = App::start().await;
    let people = app.crowd(8).await;
    let others: Vec<&Person> = people[1..].iter().collect();
    let room = people[0].opens_a_group("bad lines", &others).await;

    let work = people.iter().zip(0..).map(|(person, actor)| send_over_bad_lines(person, &room, 60, &seed, actor));
    let results = within(SOON * 6, "480 messages over bad lines", join_all(work)).await;
    let (mut sent, mut duplicates) = (Sent::default(), 0);
    for (theirs, repeated) in results {
        sent.merge(theirs);
        duplicates += repeated;
    }
    assert_eq!(sent.acked.len(), 480);
    assert!(duplicates > 0, "no repeat met a stored message: the cuts came too early to prove anything");
    sent.matches(&people[0].history(&room).await);
}

/// G2. Catches a build that looks for the repeat before its transaction: two at the same instant both find nothing.
/// Fails on a build that does not look for the repeat, and on one that looks among the present batch only, seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_simultaneous_pairs_make_a_thousand_messages() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("pairs", &[&bob]).await;
    let (left, right) = (ada.connects().await, ada.connects().await);

    let send = |key: &str| {
        let body = workload::message(&room, key);
        (left.emit_with_ack("send_message", body.clone()), right.emit_with_ack("send_message", body))
    };
    let keys: Vec<String> = (0..1_000).map(|number| format!("pair-{number}")).collect();
    let mut sent = Sent::default();
    for some in keys.chunks(100) {
        let pairs: Vec<(Ack, Ack)> = some.iter().map(|key| send(key)).collect();
        for (key, (one, other)) in some.iter().zip(pairs) {
            let (one, other): (Value, Value) = (one.ok().await, other.ok().await);
            assert_eq!(one["message"], other["message"], "the acks of {key} differ");
            let duplicates = [&one, &other].iter().filter(|answer| answer["duplicate"] == true).count();
            assert_eq!(duplicates, 1, "one of {key} came first");
            sent.note(key, Some(&json!({"ok": true, "data": one})));
        }
    }
    assert_eq!(sent.acked.len(), 1_000);
    sent.matches(&bob.history(&room).await);
}

/// G2. The same over REST, and across the two transports: one key, one message. Catches a build where each transport
/// remembers its own. Fails on a build that does not compare what was sent, seen.
#[tokio::test]
async fn rest_and_socket_share_the_memory_of_client_msg_id() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let room = ada.opens_a_group("notes", &[]).await;
    let socket = ada.connects().await;
    let body = workload::message(&room, "once");

    let first = ada.post("/api/chat/messages", body.clone()).await.with_status(201);
    let again = ada.post("/api/chat/messages", body.clone()).await.with_status(200);
    let on_socket = socket.ask("send_message", body).await;
    assert_eq!(first["id"], again["id"]);
    assert_eq!(first["id"], on_socket["message"]["id"]);
    assert_eq!(on_socket["duplicate"], true);

    let mut other = workload::message(&room, "once");
    other["content"] = json!("something else");
    ada.post("/api/chat/messages", other.clone()).await.refused("CLIENT_MSG_ID_CONFLICT");
    socket.ask_in_vain("send_message", other, "CLIENT_MSG_ID_CONFLICT").await;
    assert_eq!(ada.history(&room).await.len(), 1);
}

/// `Idempotency-Key` is `client_msg_id` by another name, and each sender has a memory of their own.
#[tokio::test]
async fn an_idempotency_key_belongs_to_its_sender_and_room() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let (room, other_room) = (ada.opens_a_group("one", &[&bob]).await, ada.opens_a_group("two", &[&bob]).await);
    let send = async |person: &Person, room: &Room| {
        let body = json!({"room_id": room.id, "message_type": "text", "content": "hello"});
        let request = person.request(reqwest::Method::POST, "/api/chat/messages");
        request.header("idempotency-key", "k1").json(&body).send().await
    };

    let first = send(&ada, &room).await.with_status(201);
    let again = send(&ada, &room).await.with_status(200);
    assert_eq!(text(&first, "id"), text(&again, "id"));
    send(&bob, &room).await.with_status(201);
    send(&ada, &other_room).await.with_status(201);
    assert_eq!(ada.history(&room).await.len(), 2);
}

/// G2. A repeat is answered with what was stored, whatever became of the sender's rights since. Catches a build that asks
/// for the right to send before it looks for the repeat: the sender would believe that nothing was stored. Fails on that
/// build, seen.
#[tokio::test]
async fn a_repeat_is_answered_after_the_right_to_send_is_lost() {
    let app = App::start().await;
    let [ada, bob, cyd] = app.users(["ada", "bob", "cyd"]).await;
    let room = ada.opens_a_group("strict", &[&bob, &cyd]).await;
    let member = |person: &Person| room.path(&format!("/members/{}", person.id));
    let mut stored = Vec::new();
    for person in [&bob, &cyd] {
        let body = workload::message(&room, &person.name);
        stored.push((person, body.clone(), person.connects().await.ask("send_message", body).await));
    }
    ada.makes(&bob, "viewer", &room).await;
    ada.patch(&member(&cyd), json!({"muted_until": "2999-01-01T00:00:00Z"})).await.with_status(200);

    for (person, body, first) in stored {
        let socket = person.connects().await;
        let again = socket.ask("send_message", body.clone()).await;
        assert_eq!(again, json!({"message": first["message"], "duplicate": true}), "{}", person.name);
        let by_rest = person.post("/api/chat/messages", body).await.with_status(200);
        assert_eq!(by_rest["id"], first["message"]["id"], "{}", person.name);
        socket.ask_in_vain("send_message", workload::message(&room, "something new"), "PERMISSION_DENIED").await;
        let mut other = workload::message(&room, &person.name);
        other["content"] = json!("something else");
        socket.ask_in_vain("send_message", other, "CLIENT_MSG_ID_CONFLICT").await;
    }
    assert_eq!(ada.history(&room).await.len(), 2);
}
