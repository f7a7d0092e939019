//! Clocks that are set while the node runs.

use std::{fs, path::PathBuf, time::Duration};

use serde_json::json;
use tempfile::TempDir;

use crate::support::{App, SOON, Server, clock::rfc3339_in, eventually, int, people::PASSWORD, text, tokens};

/// A clock that can be set.
struct Clock {
    _folder: TempDir,
    file: PathBuf,
}

impl Clock {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("clock");
        let clock = Self { _folder: folder, file };
        clock.set("+0");
        clock
    }

    fn set(&self, offset: &str) {
        fs::write(&self.file, offset).expect("a file of ours");
    }
}

/// Catches a build that trusts the machine's clock: a wait would last ninety seconds longer.
#[tokio::test]
async fn a_clock_that_is_set_back_refuses_nobody_and_makes_no_wait_longer() {
    let clock = Clock::new();
    let app = App::with(Server::settings().with_clock(&clock.file)).await;
    let [mut ada, bob] = app.users(["ada", "bob"]).await;
    let slow = ada.opens(json!({"slow_mode_seconds": 2}), &[&bob]).await;
    let muted = ada.opens_a_group("a mute", &[&bob]).await;
    let socket = bob.connects().await;
    bob.says(&slow, "one").await;
    let until = json!({"muted_until": rfc3339_in(Duration::from_secs(3))});
    ada.patch(&muted.path(&format!("/members/{}", bob.id)), until).await.ok();
    clock.set("-90");

    ada.get("/api/users/me").await.with_status(200);
    bob.connects().await;
    let renewal = socket.ask("authenticate", json!({"token": bob.token})).await;
    assert!(!text(&renewal, "expires_at").is_empty());
    let tokens = ada.login(PASSWORD).await.with_status(200);
    assert_eq!(int(&tokens, "expires_in"), 1_800);
    ada.sign_in().await;
    app.site.post("/api/auth/refresh").json(&json!({"refresh_token": ada.refresh_token})).send().await.with_status(200);
    let wait = bob.tries_to_say(&slow, "two").await;
    if wait.status == 429 {
        let after: u64 = wait.header("retry-after").expect("how long").parse().expect("seconds");
        assert!((1..=2).contains(&after), "{after} s");
    }
    eventually(SOON, "the wait ends", async || bob.tries_to_say(&slow, "two").await.status == 201).await;
    eventually(SOON, "the mute ends", async || bob.tries_to_say(&muted, "at last").await.status == 201).await;
}

/// Catches a build that looks at `nbf` to the second, or writes one that another node finds to be in the future.
#[tokio::test]
async fn a_token_of_a_clock_that_is_ahead_is_taken() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    assert!(tokens::claims(&ada.token).get("nbf").is_none(), "ours has none");
    for (claim, offset) in [("nbf", 30), ("nbf", -10), ("iat", 120), ("iat", 3_600)] {
        let token = tokens::sign(&tokens::changed(&ada.token, claim, tokens::seconds_from_now(offset)));
        let ahead = crate::support::Person { token, ..ada.clone() };
        ahead.get("/api/users/me").await.with_status(200);
        ahead.connects().await;
    }
}

/// Catches a build that keeps to the past after a restart: what was noted by the clock that was ahead must not last for long.
#[tokio::test]
async fn after_a_restart_with_a_clock_that_was_set_back_nobody_waits_longer() {
    let clock = Clock::new();
    let mut app = App::with(Server::settings().with_clock(&clock.file)).await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let slow = ada.opens(json!({"slow_mode_seconds": 5}), &[&bob]).await;
    bob.says(&slow, "one").await;
    app.server.kill_9();
    clock.set("-90");
    app.start_again().await;
    eventually(SOON, "the wait ends", async || bob.tries_to_say(&slow, "two").await.status == 201).await;
    ada.get("/api/users/me").await.with_status(200);
}
