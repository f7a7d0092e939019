//! Refresh tokens: good once, and for some seconds again.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{App, Person, Reply, SOON, Server, eventually, list, rest::Site, text};

/// How long a used token may come again in these tests.
const LEEWAY: Duration = Duration::from_secs(2);

async fn app_with_leeway() -> App {
    let leeway = LEEWAY.as_secs().to_string();
    App::with(Server::settings().with("PARLOUR__AUTH__REFRESH_LEEWAY_SECONDS", &leeway)).await
}

async fn refresh(site: &Site, token: &str) -> Reply {
    site.post("/api/auth/refresh").json(&json!({"refresh_token": token})).send().await
}

/// Uses a token again and again until that gives its login away.
async fn gives_itself_away(site: &Site, token: &str) {
    eventually(LEEWAY + SOON, "the leeway ends", async || {
        let reply = refresh(site, token).await;
        if reply.status == 200 {
            return false;
        }
        reply.refused("TOKEN_REUSED");
        true
    })
    .await;
}

fn holder(person: &Person, tokens: &Value) -> Person {
    Person { token: text(tokens, "access_token"), refresh_token: text(tokens, "refresh_token"), ..person.clone() }
}

/// Catches a build in which a repeat ends the login, and one in which it gets what is good for nothing.
#[tokio::test]
async fn who_repeats_a_refresh_gets_a_pair_of_the_same_login_and_cuts_nobody() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let mut socket = ada.connects().await;
    let together = join_all((0..4).map(|_| refresh(&app.site, &ada.refresh_token))).await;
    let mut pairs: Vec<Value> = together.iter().map(|reply| reply.with_status(200)).collect();
    pairs.push(refresh(&app.site, &ada.refresh_token).await.with_status(200));
    let newest = pairs[0].clone();
    // The one who lost an answer may be several exchanges behind.
    pairs.push(refresh(&app.site, &text(&newest, "refresh_token")).await.with_status(200));
    pairs.push(refresh(&app.site, &ada.refresh_token).await.with_status(200));
    for pair in &pairs {
        holder(&ada, pair).get("/api/auth/me").await.with_status(200);
        refresh(&app.site, &text(pair, "refresh_token")).await.with_status(200);
    }
    ada.get("/api/auth/me").await.with_status(200);
    assert!(!socket.heard().await.iter().any(|event| event.name == "session_revoked"), "nobody is cut");
}

/// Catches a build that never ends a login whose token was stolen, and one whose leeway begins anew with each use.
#[tokio::test]
async fn after_the_leeway_a_used_token_ends_its_whole_login() {
    let app = app_with_leeway().await;
    let ada = app.user("ada").await;
    let elsewhere = ada.on_another_device().await;
    let mut socket = ada.connects().await;
    let next = refresh(&app.site, &ada.refresh_token).await.with_status(200);
    gives_itself_away(&app.site, &ada.refresh_token).await;
    assert_eq!(refresh(&app.site, &text(&next, "refresh_token")).await.status, 401, "nobody can tell whose it is");
    assert_eq!(holder(&ada, &next).get("/api/auth/me").await.status, 401);
    assert_eq!(ada.get("/api/auth/me").await.status, 401);
    assert_eq!(text(&socket.expect("session_revoked").await, "code"), "TOKEN_REUSED");
    socket.closed_within(Duration::from_secs(2)).await;
    elsewhere.get("/api/auth/me").await.with_status(200);
}

/// Catches a build in which a repeat begins a branch of its own: a thief who is quick enough would keep it for ever.
#[tokio::test]
async fn a_thief_who_repeats_in_time_and_the_owner_cannot_both_go_on() {
    let app = app_with_leeway().await;
    let ada = app.user("ada").await;
    let owners = text(&refresh(&app.site, &ada.refresh_token).await.with_status(200), "refresh_token");
    let thiefs = text(&refresh(&app.site, &ada.refresh_token).await.with_status(200), "refresh_token");
    refresh(&app.site, &owners).await.with_status(200);
    gives_itself_away(&app.site, &thiefs).await;
    assert_eq!(ada.get("/api/auth/me").await.status, 401);
}

#[tokio::test]
async fn without_a_leeway_a_token_is_good_once() {
    let app = App::with(Server::settings().with("PARLOUR__AUTH__REFRESH_LEEWAY_SECONDS", "0")).await;
    let ada = app.user("ada").await;
    let (one, other) = tokio::join!(refresh(&app.site, &ada.refresh_token), refresh(&app.site, &ada.refresh_token));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401], "{one} {other}");
}

/// A repeat is no way back into a login that was ended.
#[tokio::test]
async fn a_repeat_after_the_logout_is_refused() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    refresh(&app.site, &ada.refresh_token).await.with_status(200);
    ada.post("/api/auth/logout", json!({})).await.with_status(204);
    assert_eq!(refresh(&app.site, &ada.refresh_token).await.status, 401);
    let mut bob = app.user("bob").await;
    refresh(&app.site, &bob.refresh_token).await.with_status(200);
    bob.delete("/api/users/me").await.with_status(204);
    assert_eq!(refresh(&app.site, &bob.refresh_token).await.status, 401);
    bob = app.user("bea").await;
    refresh(&app.site, &bob.refresh_token).await.with_status(200);
    bob.delete("/api/users/me?erase=true").await.ok();
    assert_eq!(refresh(&app.site, &bob.refresh_token).await.status, 401);
    let everybody = ada.login(crate::support::people::PASSWORD).await.with_status(200);
    let people = holder(&ada, &everybody).get("/api/users").await.with_status(200);
    assert!(list(&people, "users").is_empty(), "the others are gone: {people}");
}
