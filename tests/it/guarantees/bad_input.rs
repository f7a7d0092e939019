//! Whatever is emitted, an ack that was asked for comes.

use futures_util::future::join_all;
use rand::{Rng, RngExt, seq::IndexedRandom};
use serde_json::{Value, json};

use crate::support::{App, Person, Room, SOON, Seed, Transport, within};

const EVENTS: [&str; 29] = [
    "join_room",
    "leave_room",
    "send_message",
    "edit_message",
    "message_edited",
    "delete_message",
    "message_deleted",
    "typing",
    "stop_typing",
    "mark_as_read",
    "sync",
    "get_presence",
    "set_status",
    "authenticate",
    "ping",
    "new_message",
    "connected",
    "room_joined",
    "error",
    "no_such_event",
    "",
    " ",
    "disconnect",
    "connect",
    "connect_error",
    "newListener",
    "removeListener",
    "__proto__",
    "SEND_MESSAGE",
];

const FIELDS: [&str; 20] = [
    "room_id",
    "message_id",
    "message_ids",
    "message_type",
    "content",
    "client_msg_id",
    "reply_to_id",
    "forwarded_from_id",
    "media_id",
    "media_url",
    "after_seq",
    "up_to_seq",
    "cursors",
    "limit",
    "user_ids",
    "status",
    "token",
    "is_typing",
    "_placeholder",
    "num",
];

/// Any JSON value, with the ids of things that exist among it.
fn value(rng: &mut impl Rng, depth: u32, known: &[String]) -> Value {
    match rng.random_range(0..if depth == 0 { 11 } else { 14 }) {
        0 => Value::Null,
        1 => json!(rng.random::<bool>()),
        2 => json!(rng.random::<i64>()),
        3 => json!(rng.random_range(-2..5)),
        4 => json!(rng.random::<f64>() * 1e300),
        5 => json!(u64::MAX),
        6 => json!("é\u{202e}\u{0}\u{200b}🦀".repeat(rng.random_range(0..20))),
        7 => json!("' OR 1=1--"),
        8 => json!("text"),
        9 => json!("x".repeat(rng.random_range(0..600))),
        10 => json!(known.choose(rng)),
        11 => (0..rng.random_range(0..4)).map(|_| value(rng, depth - 1, known)).collect(),
        _ => object(rng, depth - 1, known),
    }
}

fn object(rng: &mut impl Rng, depth: u32, known: &[String]) -> Value {
    let count = rng.random_range(0..6);
    let fields = (0..count).map(|_| {
        let name = FIELDS.choose(rng).expect("there are fields").to_string();
        // half of the time something plausible, so that the deeper checks are reached
        let value = if rng.random() { json!(known.choose(rng)) } else { value(rng, depth, known) };
        (name, value)
    });
    Value::Object(fields.collect())
}

fn arguments(rng: &mut impl Rng, known: &[String]) -> Vec<Value> {
    let mut arguments = vec![json!(EVENTS.choose(rng))];
    let count = [0, 1, 1, 1, 1, 1, 2, 5].choose(rng).copied().unwrap_or(1);
    for _ in 0..count {
        arguments.push(if rng.random_bool(0.7) { object(rng, 2, known) } else { value(rng, 2, known) });
    }
    arguments
}

async fn emit_nonsense(person: &Person, transport: Transport, count: usize, known: &[String], mut rng: impl Rng) {
    let socket = person.connects_by(transport, json!({})).await;
    for _ in 0..count / 20 {
        let emits: Vec<_> = (0..20)
            .map(|_| {
                let packet = json!(arguments(&mut rng, known)).to_string();
                let what: String = format!("{transport:?} {} {packet}", packet.len()).chars().take(300).collect();
                (what.clone(), socket.packet_with_ack(&what, |id| format!("42{id}{packet}")))
            })
            .collect();
        for (what, ack) in emits {
            let answer = ack.answer().await;
            assert!(answer["ok"].is_boolean(), "{what} is answered by {answer}");
            if answer["ok"] == false {
                let code = answer["error"]["code"].as_str().unwrap_or("none");
                assert!(!["none", "INTERNAL"].contains(&code), "{what} is answered by {answer}");
            }
        }
    }
}

/// G17. Catches a build that relies on the library's `Data<T>` (which drops what does not parse), one that has a handler
/// per known event only, and any panic in a handler. That there is none in the log is checked when the node ends.
/// Fails on a build that leaves unknown events unanswered, and on one that does so with what does not validate, seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_malformed_events_are_all_answered() {
    let seed = Seed::of("thousands_of_malformed_events_are_all_answered");
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room: Room = ada.opens_a_group("target", &[&bob]).await;
    let message = ada.says(&room, "hello").await;
    let known = [room.id.clone(), message["id"].as_str().unwrap().to_owned(), ada.id.clone(), bob.id.clone()];

    let work = (0..6).map(|number| {
        let transport = if number == 5 { Transport::Polling } else { Transport::WebSocket };
        emit_nonsense(&bob, transport, 1_000, &known, seed.rng_of(number))
    });
    within(SOON * 9, "6,000 malformed events", join_all(work)).await;

    // and the node goes on as if nothing had been
    let mut socket = ada.enters(&room).await;
    ada.says(&room, "still here").await;
    socket.expect_that("new_message", |data| data["message"]["content"] == "still here").await;
}
