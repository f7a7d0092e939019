//! Everything that a client asks for is charged before its work: each event, each request. Honest clients hardly notice.

use std::{collections::BTreeSet, time::Instant};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{App, SOON, Server, Socket, int, outcome_of, text, websocket::WebSocket, workload};

/// How many may be granted of a budget of so many a minute: all of it, what came back since `begin`, and what it takes to notice.
fn most_since(begin: Instant, budget: usize) -> usize {
    budget + 30 + budget * usize::try_from(begin.elapsed().as_secs() + 1).unwrap() / 60
}

/// Emits as fast as acks come, a few at a time, until one is refused as too many; answers how many were not. `budget` is what
/// they have in a minute.
async fn until_refused(socket: &Socket, event: &str, mut payload: impl FnMut(usize) -> Value, budget: usize) -> usize {
    let (begin, mut granted) = (Instant::now(), 0);
    loop {
        let some = (0..16).map(|number| socket.emit_with_ack(event, payload(granted + number)).answer());
        for answer in join_all(some.collect::<Vec<_>>()).await {
            if outcome_of(&answer) == "RATE_LIMITED" {
                let wait = int(&answer["error"], "retry_after_ms");
                assert!((1..=60_000).contains(&wait), "{event}: {answer}");
                return granted;
            }
            granted += 1;
        }
        assert!(granted <= most_since(begin, budget), "{event}: {granted} of {budget} and none refused");
    }
}

/// Catches a build in which an event has no price. (That a new one has is seen to by the compiler, and that its price is one by
/// `limits::tests`.)
#[tokio::test]
async fn every_event_as_fast_as_acks_come_is_refused_in_the_end() {
    let settings = [
        ("EVENTS_PER_MINUTE", "1200"),
        ("JOINS_PER_MINUTE", "60"),
        ("JOINS_AT_ONCE", "80"),
        ("LOOKUPS_PER_MINUTE", "60"),
        ("READ_MARKS_PER_MINUTE", "40"),
        ("STATUSES_PER_MINUTE", "40"),
        ("TYPING_PER_MINUTE", "60"),
        ("RENEWALS_PER_MINUTE", "30"),
        ("REST_PER_MINUTE", "60"),
        ("MESSAGES_PER_MINUTE", "40"),
    ];
    let settings = settings
        .into_iter()
        .fold(Server::settings(), |settings, (key, value)| settings.with(&format!("PARLOUR__LIMITS__{key}"), value));
    let mut app = App::with(settings).await;
    // What shares a budget is tried by somebody of its own.
    let people = app.users(["ada", "bob", "cyd", "dan", "eve", "fay"]).await;
    let room = people[0].opens_a_group("busy", &people[1..].iter().collect::<Vec<_>>()).await;
    let mut message = String::new();
    for number in 0..150 {
        message = text(&people[0].says(&room, &format!("message {number}")).await, "id");
    }
    app.limit().await;

    let (here, id) = (json!({"room_id": room.id}), json!({"message_id": message}));
    let reaction = json!({"message_id": message, "emoji": "👍"});
    let rows: [(usize, &str, Value, usize); 16] = [
        (0, "join_room", here.clone(), 80),
        (1, "leave_room", here.clone(), 80),
        (0, "send_message", workload::message(&room, "the same one"), 40),
        (2, "send_message", json!({"room_id": room.id, "content": ""}), 40),
        (0, "edit_message", json!({"message_id": message, "content": "edited"}), 60),
        (1, "delete_message", id, 60),
        (2, "add_reaction", reaction.clone(), 60),
        (3, "remove_reaction", reaction, 60),
        (0, "typing", here.clone(), 60),
        (1, "stop_typing", here.clone(), 60),
        (0, "sync", json!({"cursors": {&room.id: 100}}), 60),
        (1, "get_presence", json!({"user_ids": [people[0].id]}), 60),
        (0, "set_status", json!({"status": "away"}), 40),
        (0, "authenticate", json!({"token": "a guess"}), 30),
        (4, "ping", json!(1), 1_200),
        (5, "no_such_event", json!({}), 1_200),
    ];
    for (who, event, payload, most) in rows {
        let socket = people[who].connects().await;
        let granted = until_refused(&socket, event, |_| payload.clone(), most).await;
        assert!(granted >= most, "{event}: {granted} of {most}");
        if !["ping", "no_such_event"].contains(&event) {
            assert_eq!(socket.ask("ping", json!("all else goes on")).await, "all else goes on");
        }
    }
    let socket = people[3].connects().await;
    let mark = |number| json!({"room_id": room.id, "up_to_seq": number + 8});
    let marks = until_refused(&socket, "mark_as_read", mark, 40).await;
    assert!(marks >= 40, "{marks} read marks that moved");
}

/// Whether a CONNECT is answered and the socket greeted; the transport ends where it is one too many, so that the client comes back.
async fn is_let_in(socket: &mut WebSocket, auth: &Value) -> bool {
    socket.writer.text(&format!("40{auth}")).await;
    while let Some(packet) = socket.reader.next_within(SOON).await {
        assert!(!packet.starts_with("44"), "a refusal that is final: {packet}");
        if packet.starts_with(r#"42["connected""#) {
            return true;
        }
    }
    false
}

/// Catches a build in which who comes and goes on one transport is charged nothing, and one whose price does not depend on cursors.
#[tokio::test]
async fn sockets_that_connect_are_charged_by_their_cursors() {
    let settings = Server::settings().with_limits().with("PARLOUR__LIMITS__CONNECTS_PER_MINUTE", "20");
    let app = App::with(settings).await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let nobodys = (0..900).map(|number| (format!("0199d1c6-7a4e-7cc3-9d5a-{number:012x}"), json!(1)));
    let nobodys = Value::Object(nobodys.collect());
    for (person, cursors, expected) in [(&ada, json!({}), 20), (&bob, nobodys, 2)] {
        let mut socket = WebSocket::engine(app.site.addr()).await;
        let auth = json!({"token": person.token, "cursors": cursors});
        let mut rounds = 0;
        while is_let_in(&mut socket, &auth).await {
            rounds += 1;
            assert!(rounds <= expected + 5, "nothing ends it");
            socket.writer.text("41").await;
        }
        assert!(rounds >= expected, "{rounds} of {expected}");
    }
}

/// A client is told of each room that is not its user's (any more).
#[tokio::test]
async fn cursors_of_rooms_that_are_nobodys_are_answered() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let room = ada.opens_a_group("hers", &[]).await;
    let nobodys = (0..900).map(|number| (format!("0199d1c6-7a4e-7cc3-9d5a-{number:012x}"), json!(1)));
    let cursors: Value = nobodys.chain([(room.id.clone(), json!(0))]).collect::<serde_json::Map<_, _>>().into();
    let mut socket = ada.connects_with(json!({"cursors": cursors})).await;
    let heard = socket.heard().await;
    assert_eq!(heard.iter().filter(|event| event.name == "room_left").count(), 900);
    assert!(heard.iter().all(|event| event.name != "room_left" || event.data["room_id"] != room.id.as_str()));
}

/// What official clients do at their start and on the way back fits: a thousand rooms joined, twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_joins_a_thousand_rooms_when_it_connects_is_let_in_twice() {
    let mut app = App::start().await;
    let ada = app.user("ada").await;
    let mut rooms = Vec::new();
    for number in 0..20 {
        rooms.push(ada.opens_a_group(&format!("room {number}"), &[]).await);
    }
    app.limit().await;
    for _ in 0..2 {
        let socket = ada.connects().await;
        let joins =
            (0..1_000).map(|number| socket.emit_with_ack("join_room", json!({"room_id": rooms[number % 20].id})));
        for answer in join_all(joins.map(crate::support::incoming::Ack::answer).collect::<Vec<_>>()).await {
            assert_eq!(outcome_of(&answer), "OK", "{answer}");
        }
    }
}

/// Catches a build that charges them, and one that lets the count behind them be asked for as often as one likes.
#[tokio::test]
async fn read_marks_that_move_nothing_are_not_counted() {
    let settings = Server::settings().with("PARLOUR__LIMITS__READ_MARKS_PER_MINUTE", "5");
    let mut app = App::with(settings.with("PARLOUR__LIMITS__REST_PER_MINUTE", "30")).await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("read", &[&bob]).await;
    let last = int(&ada.says(&room, "hello").await, "seq");
    app.limit().await;
    let mark = json!({"room_id": room.id, "up_to_seq": last});
    let socket = bob.connects().await;
    for _ in 0..200 {
        let answer = socket.ask("mark_as_read", mark.clone()).await;
        assert_eq!((&answer["last_read_seq"], &answer["unread_count"]), (&json!(last), &json!(0)));
    }
    for _ in 0..60 {
        bob.post(&room.path("/read"), json!({"up_to_seq": last})).await.with_status(200);
    }
    ada.says(&room, "more").await;
    let answer = socket.ask("mark_as_read", mark).await;
    assert_eq!(answer["unread_count"], 1, "and still they tell what is unread");
}

/// Catches a route that is charged to nobody, or only after its work.
#[tokio::test]
async fn every_route_is_charged() {
    let settings = Server::settings().with("PARLOUR__LIMITS__REST_PER_MINUTE", "1000");
    let mut app = App::with(settings).await;
    let ada = app.user("ada").await;
    app.limit().await;
    let document = app.site.get("/openapi.json").send().await.with_status(200);
    let mut remaining = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys().filter(|key| *key != "parameters") {
            let place = format!("{method} {path}");
            let some = "0199d1c6-7a4e-7cc3-9d5a-3b1f0f6a2c11";
            let path = path.split('/').map(|part| if part.starts_with('{') { some } else { part });
            let path = path.collect::<Vec<_>>().join("/");
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            // Nothing is changed by these: whoever is named does not exist, and bodies say nothing.
            if !path.starts_with("/api/")
                || (method == Method::DELETE && path.ends_with("/me"))
                || path.contains("logout")
            {
                continue;
            }
            let reply = ada.request(method, &path).body("[]").send().await;
            let left = reply.header("ratelimit-remaining").unwrap_or_else(|| panic!("{place} is not charged: {reply}"));
            remaining.insert(left.parse::<u64>().unwrap());
        }
    }
    assert!(remaining.len() > 50, "{remaining:?}");
    let lowest = ada.get("/api/users/me").await;
    let left: u64 = lowest.header("ratelimit-remaining").unwrap().parse().unwrap();
    assert!(left < 960, "one for each: {left}");
}
