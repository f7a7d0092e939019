//! Too much of it: section E of the threat table.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, future::join_all, stream};
use serde_json::json;

use crate::support::{App, SOON, Server, int, list, machine, outcome_of, within, workload};

#[tokio::test]
async fn the_thirty_first_message_of_a_minute_waits_and_is_not_stored() {
    let app = App::with_limits().await;
    let ada = app.user("ada").await;
    let room = ada.opens_a_group("chatty", &[]).await;
    let socket = ada.connects().await;
    let (mut stored, mut refused) = (0, None);
    for number in 0..40 {
        let answer =
            socket.emit_with_ack("send_message", workload::message(&room, &format!("m-{number}"))).answer().await;
        if answer["ok"] == true {
            stored += 1;
        } else {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("E1: a limit");
    assert_eq!(outcome_of(&refused), "RATE_LIMITED", "E1");
    let wait = int(&refused["error"], "retry_after_ms");
    assert!((1..=2_000).contains(&wait), "E1: 30 a minute is one in two seconds, told to wait {wait} ms");
    assert!((30..=32).contains(&stored), "E1: {stored} in a burst");
    ada.tries_to_say(&room, "REST counts too").await.refused("RATE_LIMITED");
    assert_eq!(ada.history(&room).await.len(), stored, "E1: nothing else was stored");
    // the promise of retry_after_ms
    tokio::time::sleep(Duration::from_millis(u64::try_from(wait).unwrap() + 100)).await;
    socket.ask("send_message", workload::message(&room, "patient")).await;
}

#[tokio::test]
async fn the_hundred_and_first_request_of_a_minute_waits() {
    let app = App::with_limits().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let mut refused = None;
    for number in 1..=110 {
        let reply = ada.get("/api/users/me").await;
        if reply.status != 200 {
            refused = Some((number, reply));
            break;
        }
    }
    let (number, reply) = refused.expect("E2: a limit");
    assert!((101..=105).contains(&number), "E2: request {number}");
    reply.refused("RATE_LIMITED");
    let wait: u64 = reply.header("retry-after").expect("E2: Retry-After").parse().expect("seconds");
    assert!((1..=60).contains(&wait), "E2: {wait} s");
    bob.get("/api/users/me").await.with_status(200);
    assert_eq!(app.site.get("/healthz").send().await.status, 200);
}

#[tokio::test]
async fn typing_without_pause_is_told_once_in_two_seconds() {
    let app = App::with_limits().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("typists", &[&bob]).await;
    let mut witness = bob.enters(&room).await;
    let typist = ada.enters(&room).await;
    let begin = Instant::now();
    let mut tick = tokio::time::interval(Duration::from_millis(10));
    while begin.elapsed() < Duration::from_secs(5) {
        tick.tick().await;
        typist.emit("typing", json!({"room_id": room.id, "is_typing": true}));
    }
    let heard = witness.heard().await;
    let times: Vec<Instant> = heard
        .iter()
        .filter(|event| event.name == "user_typing" && event.data["is_typing"] == true)
        .map(|event| event.at)
        .collect();
    assert!((2..=3).contains(&times.len()), "E3: {} notices in 5 s", times.len());
    for pair in times.windows(2) {
        assert!(pair[1] - pair[0] >= Duration::from_millis(1_900), "E3: {:?} apart", pair[1] - pair[0]);
    }
}

#[tokio::test]
async fn a_socket_joins_as_many_rooms_as_it_may() {
    let app = App::with(Server::settings().with("PARLOUR__REALTIME__ROOMS_PER_SOCKET", "3")).await;
    let ada = app.user("ada").await;
    let socket = ada.connects().await;
    let mut rooms = Vec::new();
    for number in 0..4 {
        rooms.push(ada.opens_a_group(&format!("room {number}"), &[]).await);
    }
    for room in &rooms[..3] {
        socket.ask("join_room", json!({"room_id": room.id})).await;
    }
    socket.ask_in_vain("join_room", json!({"room_id": rooms[3].id}), "TOO_MANY_ROOMS").await;
    socket.ask("join_room", json!({"room_id": rooms[0].id})).await;
    socket.ask("leave_room", json!({"room_id": rooms[0].id})).await;
    socket.ask("join_room", json!({"room_id": rooms[3].id})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_sockets_join_one_room_at_once() {
    let _share = machine::share().await;
    let app = App::start().await;
    let people = app.crowd(11).await;
    let others: Vec<_> = people[1..].iter().collect();
    let room = people[0].opens_a_group("stadium", &others).await;
    let mut witness = people[0].enters(&room).await;
    let sockets: Vec<_> =
        stream::iter(0..500).map(|number| people[1 + number % 10].connects()).buffer_unordered(32).collect().await;
    let begin = Instant::now();
    let joins = join_all(sockets.iter().map(|socket| socket.ask("join_room", json!({"room_id": room.id}))));
    within(SOON, "E8: 500 joins", joins).await;
    println!("500 joins in {:?}", begin.elapsed());
    people[0].says(&room, "welcome").await;
    witness.expect("new_message").await;
    let arrived = witness.heard().await.iter().filter(|event| event.name == "user_joined").count();
    assert_eq!(arrived, 10, "E8: one notice a user, not one a socket");
}

/// The way back from a limit is as promised; nobody else is charged.
#[tokio::test]
async fn a_limit_is_per_user_and_reads_are_not_messages() {
    let app = App::with_limits().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("chatty", &[&bob]).await;
    let (hers, his) = (ada.connects().await, bob.connects().await);
    for number in 0..35 {
        hers.emit_with_ack("send_message", workload::message(&room, &format!("m-{number}"))).answer().await;
    }
    hers.ask_in_vain("send_message", workload::message(&room, "more"), "RATE_LIMITED").await;
    his.ask("send_message", workload::message(&room, "mine")).await;
    let page = ada.get(&room.path("/messages?page_size=100")).await.with_status(200);
    assert!(list(&page, "messages").len() >= 31);
}
