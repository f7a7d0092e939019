//! Nodes whose clocks differ, from each other and from that of the database.

use std::{fs, path::PathBuf, time::Duration};

use serde_json::json;
use tempfile::TempDir;

use crate::support::{
    App, Person, SOON, Server, clock::rfc3339_in, eventually, people::PASSWORD, postgres, server::Settings, text,
};

/// Two nodes without a Redis, the first of which has a clock that can be set.
struct Pair {
    ahead: App,
    right: App,
    clock: PathBuf,
    _folder: TempDir,
}

impl Pair {
    async fn start(offset: &str, settings: Settings) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let clock = folder.path().join("clock");
        fs::write(&clock, offset).expect("a file of ours");
        let settings = settings.with("DATABASE_URL", &postgres::shared_database().await);
        let ahead = App::with(settings.clone().with_clock(&clock)).await;
        let right = App::with(settings).await;
        Self { ahead, right, clock, _folder: folder }
    }

    fn set_clock(&self, offset: &str) {
        fs::write(&self.clock, offset).expect("a file of ours");
    }
}

/// Catches a build whose nodes judge by their own clocks, in either direction.
#[tokio::test]
async fn a_login_on_one_node_counts_at_once_on_the_other() {
    for offset in ["+2", "+120", "-2", "-120"] {
        let nodes = Pair::start(offset, Server::settings()).await;
        let ada = nodes.ahead.user("ada").await;
        for round in 0..4 {
            if round == 2 {
                nodes.set_clock("-90");
            }
            for (home, away) in [(&nodes.ahead, &nodes.right), (&nodes.right, &nodes.ahead)] {
                let mut person = ada.at(home);
                person.sign_in().await;
                let person = person.at(away);
                person.get("/api/users/me").await.with_status(200);
                person.connects().await;
                let refresh = json!({"refresh_token": person.refresh_token});
                let pair = away.site.post("/api/auth/refresh").json(&refresh).send().await.with_status(200);
                let renewed = Person { token: text(&pair, "access_token"), ..person.at(home) };
                renewed.get("/api/users/me").await.with_status(200);
                home.site.post("/api/auth/refresh").json(&refresh).send().await.with_status(200);
            }
        }
        let wrong = ada.at(&nodes.right).login("a wrong guess").await;
        wrong.refused("INVALID_CREDENTIALS");
        ada.login(PASSWORD).await.with_status(200);
    }
}

/// Catches waits that end by the clock of whichever node is asked.
#[tokio::test]
async fn a_wait_is_as_long_on_either_node() {
    let nodes = Pair::start("+120", Server::settings()).await;
    let [ada, bob] = nodes.ahead.users(["ada", "bob"]).await;
    let there = bob.at(&nodes.right);
    let slow = ada.opens(json!({"slow_mode_seconds": 6}), &[&bob]).await;
    bob.says(&slow, "one").await;
    let wait = there.tries_to_say(&slow, "at once, on the other node").await;
    wait.refused("RATE_LIMITED");
    let after: u64 = wait.header("retry-after").expect("how long").parse().expect("seconds");
    assert!((1..=6).contains(&after), "{after} s");
    nodes.set_clock("-90");
    bob.tries_to_say(&slow, "at once, after the clock was set back").await.refused("RATE_LIMITED");
    eventually(SOON * 2, "the wait ends", async || there.tries_to_say(&slow, "two").await.status == 201).await;

    let room = ada.opens_a_group("a mute", &[&bob]).await;
    let until = json!({"muted_until": rfc3339_in(Duration::from_secs(2))});
    ada.patch(&room.path(&format!("/members/{}", bob.id)), until).await.ok();
    for person in [&bob, &there] {
        eventually(SOON, "the mute ends", async || person.tries_to_say(&room, "at last").await.status == 201).await;
    }
}

/// Catches a build that tells what is new by comparing the clocks of two nodes: who was added by a node whose clock is behind
/// would never hear of it.
#[tokio::test]
async fn who_is_added_on_a_node_with_another_clock_hears_of_it() {
    for offset in ["-120", "+120"] {
        let settings = Server::settings().with("PARLOUR__REALTIME__RECHECK_INTERVAL_MS", "500");
        let nodes = Pair::start(offset, settings).await;
        let [ada, bob] = nodes.ahead.users(["ada", "bob"]).await;
        let mut socket = bob.at(&nodes.right).connects().await;
        let mut all = bob.at(&nodes.right).connects_with(json!({"rooms": "all"})).await;
        let room = ada.opens_a_group("a late one", &[&bob]).await;
        for socket in [&mut socket, &mut all] {
            let told = socket.expect_that("room_created", |told| told["room"]["id"] == room.id.as_str()).await;
            assert_eq!(told["room"]["name"], "a late one");
        }
        ada.says(&room, "heard by who wants all").await;
        all.expect_that("new_message", |told| told["room_id"] == room.id.as_str()).await;
        ada.removes(&bob, &room).await;
        socket.expect_that("room_left", |told| told["room_id"] == room.id.as_str()).await;
    }
}
