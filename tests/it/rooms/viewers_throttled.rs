//! Who looks at a room and who is there is told at a measured pace, whatever people do, and rightly in the end.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use serde_json::json;

use crate::support::{App, SOON, Server, eventually, outcome_of, text, within};

/// Catches a build that tells of every coming and going: one viewer made tens of thousands of notices a second for others.
#[tokio::test]
async fn who_flaps_is_told_of_now_and_then_and_rightly_in_the_end() {
    let mut app = App::start().await;
    let [ada, eve] = app.users(["ada", "eve"]).await;
    let room = ada.opens_a_group("watched", &[&eve]).await;
    ada.makes(&eve, "viewer", &room).await;
    app.limit().await;
    let mut witness = ada.enters(&room).await;
    let begin = Instant::now();
    let flapping = eve.connects().await;
    let here = json!({"room_id": room.id});
    for _ in 0..300 {
        let both =
            [flapping.emit_with_ack("join_room", here.clone()), flapping.emit_with_ack("leave_room", here.clone())];
        for ack in both {
            assert_eq!(outcome_of(&ack.answer().await), "OK");
        }
    }
    flapping.ask("join_room", here).await;
    let is_there = |heard: &[&str]| heard.last() == Some(&"user_joined");
    let mut heard: Vec<String> = Vec::new();
    eventually(SOON, "the last state", async || {
        let events = witness.heard().await.into_iter().filter(|event| event.data["user_id"] == eve.id.as_str());
        heard.extend(
            events.map(|event| event.name).filter(|name| name.starts_with("user_joined") || name == "user_left"),
        );
        is_there(&heard.iter().map(String::as_str).collect::<Vec<_>>()) && begin.elapsed() > Duration::from_secs(5)
    })
    .await;
    let most = 2 + usize::try_from(begin.elapsed().as_secs() / 2).unwrap();
    assert!((1..=most).contains(&heard.len()), "{heard:?}");
    assert!(heard.windows(2).all(|pair| pair[0] != pair[1]), "each is a change: {heard:?}");
    drop(flapping);
    let left = witness.expect_that("user_left", |data| data["user_id"] == eve.id.as_str()).await;
    assert_eq!(left["room_id"], room.id.as_str());
}

/// Catches a build that tells of every status: invisible and back is a notice to everybody each time.
#[tokio::test]
async fn who_appears_and_hides_without_pause_is_told_of_now_and_then() {
    let mut app = App::with(Server::settings().with("PARLOUR__LIMITS__STATUSES_PER_MINUTE", "1000")).await;
    let [ada, eve] = app.users(["ada", "eve"]).await;
    let room = ada.opens_a_group("watched", &[&eve]).await;
    // Who was put into a room is shown there once they take part.
    eve.says(&room, "here I am").await;
    app.limit().await;
    let mut witness = ada.enters(&room).await;
    let socket = eve.enters(&room).await;
    witness.expect("user_online").await;
    let begin = Instant::now();
    for _ in 0..100 {
        for status in ["invisible", "online", "invisible"] {
            socket.ask("set_status", json!({"status": status})).await;
        }
    }
    let mut heard = Vec::new();
    eventually(SOON, "the last state", async || {
        let events = witness.heard().await.into_iter().map(|event| event.name);
        heard.extend(events.filter(|name| ["user_online", "user_offline"].contains(&name.as_str())));
        heard.last().is_some_and(|last| last == "user_offline") && begin.elapsed() > Duration::from_secs(5)
    })
    .await;
    let most = 2 + usize::try_from(begin.elapsed().as_secs() / 2).unwrap();
    assert!(heard.len() <= most, "{} notices: {heard:?}", heard.len());
}

/// Catches a build in which n people who join make n x n notices at once, and one that forgets somebody on the way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_join_at_once_are_told_of_one_after_the_other() {
    let mut app = App::with(Server::settings().with("PARLOUR__LIMITS__PRESENCE_NOTICES_PER_SECOND", "100")).await;
    let people = app.crowd(25).await;
    let room = people[0].opens_a_group("stadium", &people[1..].iter().collect::<Vec<_>>()).await;
    app.limit().await;
    let mut witness = people[0].enters(&room).await;
    let mut sockets = Vec::new();
    for person in &people[1..] {
        sockets.push(person.connects().await);
    }
    witness.heard().await;
    let begin = Instant::now();
    let joins = join_all(sockets.iter().map(|socket| socket.ask("join_room", json!({"room_id": room.id}))));
    within(SOON, "all joins are answered", joins).await;
    let mut came: HashMap<String, usize> = HashMap::new();
    eventually(SOON, "everybody was told of", async || {
        for event in witness.heard().await.iter().filter(|event| event.name == "user_joined") {
            *came.entry(text(&event.data, "user_id")).or_default() += 1;
        }
        came.len() == 24
    })
    .await;
    assert!(came.values().all(|times| *times == 1), "{came:?}");
    // 25 x 24 notices at 100 a second, of which a second's worth goes at once; the first to come had few to tell.
    assert!(begin.elapsed() > Duration::from_secs(1), "in {:?}", begin.elapsed());
}
