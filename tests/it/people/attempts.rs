//! How often one may try to sign in: guessers are stopped, and nobody else is.

use std::net::IpAddr;

use serde_json::json;

use crate::support::{
    App, Person, Reply, Server,
    people::PASSWORD,
    rest::{Request, Site},
    text,
};

/// This machine has many addresses.
fn address(last: u8) -> IpAddr {
    IpAddr::from([127, 0, 1, last])
}

/// A node with limits, and the site as asked from one of those addresses.
async fn app_with_limits() -> App {
    App::with_limits().await
}

fn asked_from(app: &App, last: u8) -> Site {
    Site::asked_from(address(last), app.server.addr())
}

fn login(site: &Site, name: &str, password: &str) -> Request {
    site.post("/api/auth/login").json(&json!({"email": name, "password": password}))
}

fn is_limited(reply: &Reply) {
    reply.refused("RATE_LIMITED");
    let after: u64 = reply.header("retry-after").expect("Retry-After").parse().expect("seconds");
    assert!((1..=60).contains(&after), "{after} s");
}

/// Catches a build that counts by account alone, and one that counts what an account is called and not the account.
#[tokio::test]
async fn a_stranger_who_guesses_does_not_lock_the_owner_out() {
    let app = app_with_limits().await;
    let ada = app.user("ada").await;
    let stranger = asked_from(&app, 9);
    for number in 0..5 {
        let name = if number % 2 == 0 { &ada.email } else { "ADA" };
        login(&stranger, name, "a wrong guess").send().await.refused("INVALID_CREDENTIALS");
    }
    is_limited(&login(&stranger, &ada.email, "a wrong guess").send().await);
    is_limited(&login(&stranger, "ada", PASSWORD).send().await);
    login(&asked_from(&app, 7), &ada.email, PASSWORD).send().await.with_status(200);
    login(&asked_from(&app, 8), "ada", PASSWORD).send().await.with_status(200);
}

/// Catches a build whose refusal of a login says that 90 more requests may follow at once: those of another limit.
#[tokio::test]
async fn a_refused_login_tells_nothing_of_another_limit() {
    let app = app_with_limits().await;
    let ada = app.user("ada").await;
    let site = asked_from(&app, 3);
    let first = login(&site, "ada", PASSWORD).send().await;
    assert_eq!(first.header("ratelimit-limit"), Some("100"), "{first}");
    let mut last = first;
    for _ in 0..5 {
        last = login(&site, "ada", PASSWORD).send().await;
    }
    is_limited(&last);
    for header in ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"] {
        assert_eq!(last.header(header), None, "{last}");
    }
    // The limit of requests tells of itself, when it lets one through and when it refuses one.
    let mut reply = ada.get("/api/auth/me").await;
    for _ in 0..100 {
        reply = ada.get("/api/auth/me").await;
        if reply.status == 429 {
            break;
        }
    }
    is_limited(&reply);
    assert_eq!(reply.header("ratelimit-remaining"), Some("0"), "{reply}");
}

/// Whatever a peer claims that is no proxy of ours.
#[tokio::test]
async fn the_sixth_guess_waits_whatever_address_it_claims() {
    let app = app_with_limits().await;
    for (number, header) in
        ["x-forwarded-for", "x-real-ip", "forwarded", "cf-connecting-ip", "true-client-ip"].into_iter().enumerate()
    {
        let site = asked_from(&app, u8::try_from(number).unwrap() + 1);
        for attempt in 0..7 {
            let claimed =
                if header == "forwarded" { format!("for=10.0.0.{attempt}") } else { format!("10.0.0.{attempt}") };
            let reply = login(&site, "target@example.com", "guess").header(header, &claimed).send().await;
            // The address has tried 30 times over by then as well, and the account five times from here.
            if attempt < 5 { drop(reply.refused("INVALID_CREDENTIALS")) } else { is_limited(&reply) }
        }
    }
}

#[tokio::test]
async fn one_address_guesses_at_six_accounts_a_minute() {
    let app = app_with_limits().await;
    let site = asked_from(&app, 1);
    for number in 0..8 {
        let reply = login(&site, &format!("nobody{number}@example.com"), "guess").send().await;
        if number < 6 { drop(reply.refused("INVALID_CREDENTIALS")) } else { is_limited(&reply) }
    }
}

/// Catches a build without a bound over all addresses, and one whose bound keeps the owner out.
#[tokio::test]
async fn an_account_is_guessed_at_so_often_from_everywhere_and_its_owner_gets_in() {
    let settings = Server::settings().with_limits().with("PARLOUR__LIMITS__AUTH_FAILURES_PER_ACCOUNT", "8");
    let app = App::with(settings).await;
    let ada = app.user("ada").await;
    let mut tried = 0;
    for number in 0..6 {
        let site = asked_from(&app, 100 + number);
        for _ in 0..2 {
            let reply = login(&site, &ada.email, "a wrong guess").send().await;
            match reply.outcome().as_str() {
                "INVALID_CREDENTIALS" => tried += 1,
                _ => is_limited(&reply),
            }
        }
    }
    assert_eq!(tried, 8, "guesses that were compared with the password");
    is_limited(&login(&asked_from(&app, 200), &ada.email, PASSWORD).send().await);
    ada.login(PASSWORD).await.with_status(200);
    let nobody = login(&asked_from(&app, 201), "nobody@example.com", "guess").send().await;
    nobody.refused("INVALID_CREDENTIALS");
}

/// Catches the limits that suited one person: a developer's demo, and a back end that signs its users in.
#[tokio::test]
async fn many_people_sign_up_and_in_from_one_address() {
    let app = app_with_limits().await;
    let people: Vec<Person> = app.crowd(6).await;
    for _ in 0..4 {
        for person in &people {
            person.login(PASSWORD).await.with_status(200);
        }
    }
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_last_address_counts() {
    let app = App::with(Server::settings().with_limits().with("TRUSTED_PROXIES", "127.0.0.1")).await;
    let tries = async |forwarded: &str| {
        let request = login(&app.site, "target@example.com", "guess").header("x-forwarded-for", forwarded);
        request.send().await.status.as_u16()
    };
    for number in 0..6 {
        let expected = if number < 5 { 401 } else { 429 };
        assert_eq!(tries(&format!("10.0.0.{number}, 203.0.113.7")).await, expected, "attempt {number}");
    }
    assert_eq!(tries("203.0.113.7, 198.51.100.9").await, 401, "another client of the same proxy");
}

/// Signing up, refreshing and changing a password are guessed at as well.
#[tokio::test]
async fn other_attempts_are_counted_alike() {
    let app = app_with_limits().await;
    let ada = app.user("ada").await;
    let site = asked_from(&app, 1);
    for number in 0..7 {
        let reply = site.post("/api/auth/refresh").json(&json!({"refresh_token": "guess"})).send().await;
        if number < 6 { drop(reply.refused("UNAUTHORIZED")) } else { is_limited(&reply) }
    }
    for number in 0..7 {
        let body = json!({"email": ada.email, "password": PASSWORD, "username": format!("ada{number}")});
        let reply = site.post("/api/auth/register").json(&body).send().await;
        if number < 5 { drop(reply.refused("USER_EXISTS")) } else { is_limited(&reply) }
    }
    for number in 0..6 {
        let body = json!({"current_password": "a wrong guess", "password": "another horse battery"});
        let reply = ada.patch("/api/users/me", body).await;
        if number < 5 { drop(reply.refused("INVALID_CREDENTIALS")) } else { is_limited(&reply) }
    }
    let pair = app.site.post("/api/auth/refresh").json(&json!({"refresh_token": ada.refresh_token})).send().await;
    assert!(!text(&pair.with_status(200), "access_token").is_empty(), "the owner, elsewhere");
}
