//! Who is looking at a room: nobody stays behind as a ghost.

use std::{collections::HashMap, time::Duration};

use futures_util::future::join_all;
use rand::RngExt;
use serde_json::json;

use crate::support::{App, SOON, Seed, Server, eventually, text, within};

/// Rooms that somebody is added to while their sockets vanish.
const AT_ONCE: usize = 8;

/// Catches a build that lets a socket that is going join a room it was just added to: it is never taken out again, and
/// the others see somebody who is not there for ever. Fails on a build that lets a closed socket join, seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_that_vanish_while_being_added_leave_no_ghost() {
    let mut rng = Seed::of("sockets_that_vanish_while_being_added_leave_no_ghost").rng();
    let app = App::with(Server::settings().with("PARLOUR__REALTIME__PRESENCE_GRACE_MS", "50")).await;
    let [ada, bob, cyd] = app.users(["ada", "bob", "cyd"]).await;
    let hall = ada.opens_a_group("hall", &[&bob, &cyd]).await;
    bob.says(&hall, "hello").await;
    let mut witness = cyd.hears_everything().await;
    let mut rooms = Vec::new();
    for number in 0..30 * AT_ONCE {
        let room = ada.opens_a_group(&format!("room {number}"), &[&cyd, &bob]).await;
        // Whoever takes part in a room is seen there by what joins them to all of their rooms.
        bob.says(&room, "hello").await;
        ada.removes(&bob, &room).await;
        rooms.push(room);
    }
    // heard by the witness's socket from here on
    for room in &rooms {
        witness.expect_that("room_joined", |data| data["room_id"] == room.id.as_str()).await;
    }

    for (number, rooms) in rooms.chunks(AT_ONCE).enumerate() {
        let sockets = join_all((0..6).map(|_| bob.hears_everything())).await;
        witness.expect_that("user_online", |data| data["user_id"] == bob.id.as_str()).await;
        let body = json!({"user_ids": [bob.id]});
        let add = join_all(rooms.iter().map(async |room| ada.post(&room.path("/members"), body.clone()).await.ok()));
        let longest = if number % 3 == 0 { 60_000 } else { 8_000 };
        let vanish = async {
            tokio::time::sleep(Duration::from_micros(rng.random_range(0..longest))).await;
            drop(sockets);
        };
        let (_, ()) = within(SOON, "an addition", async { tokio::join!(add, vanish) }).await;
        witness.expect_that("user_offline", |data| data["user_id"] == bob.id.as_str()).await;
        for room in rooms {
            witness.expect_that("member_added", |data| data["room_id"] == room.id.as_str()).await;
        }
    }

    let mut viewing: HashMap<String, i64> = HashMap::new();
    let mut came = 0;
    eventually(SOON, "whoever came has gone", async || {
        for event in witness.heard().await.iter().filter(|event| event.data["user_id"] == bob.id.as_str()) {
            let change = match event.name.as_str() {
                "user_joined" => 1,
                "user_left" => -1,
                _ => continue,
            };
            came += i64::from(change == 1);
            let count = viewing.entry(text(&event.data, "room_id")).or_default();
            *count += change;
            assert!((0..=1).contains(count), "{} out of turn: {event:?}", event.name);
        }
        viewing.values().all(|count| *count == 0)
    })
    .await;
    assert!(came > 30, "{came} arrivals: the hall's alone are 30, so nobody was added in time to prove anything");
}
