//! Bad tokens and bad logins: section B of the threat table.

use std::time::{Duration, Instant};

use jsonwebtoken::Algorithm;
use rand::RngExt;
use serde_json::{Value, json};

use crate::support::{
    App, Person, SOON, Seed, Server, Transport, machine,
    people::PASSWORD,
    server::{SECRET, parlour, run},
    socket::Refusal,
    tokens,
};

/// A token, and the codes that may refuse it.
fn bad_tokens(ada: &Person) -> Vec<(&'static str, String, &'static [&'static str])> {
    const NO: &[&str] = &["UNAUTHORIZED"];
    const OLD: &[&str] = &["TOKEN_EXPIRED", "UNAUTHORIZED"];
    let good = ada.token.as_str();
    let claims = tokens::claims(good);
    let changed = |key: &str, value: Value| tokens::sign(&tokens::changed(good, key, value));
    let alg = |alg: &str| json!({"alg": alg, "typ": "JWT"});
    let signature = good.rsplit('.').next().expect("three parts");
    let nobody = json!("0199d1c6-7a4e-7cc3-9d5a-3b1f0f6a2c11");
    vec![
        ("B1 empty", String::new(), NO),
        ("B1 garbage", "garbage".to_owned(), NO),
        ("B1 three garbages", "a.b.c".to_owned(), NO),
        ("B1 dots", "..".to_owned(), NO),
        ("B1 not even ASCII", "%C3%A9%F0%9F%A6%80".to_owned(), NO),
        ("B1 four parts", format!("{good}.x"), NO),
        ("B1 cut short", good[..good.len() - 1].to_owned(), NO),
        ("B2 alg none", tokens::assembled(&alg("none"), &claims, ""), NO),
        ("B2 alg None", tokens::assembled(&alg("None"), &claims, ""), NO),
        ("B2 alg none, signed", tokens::assembled(&alg("none"), &claims, signature), NO),
        ("B2 empty signature", tokens::assembled(&tokens::header(good), &claims, ""), NO),
        ("B2 no alg", tokens::assembled(&json!({"typ": "JWT"}), &claims, signature), NO),
        ("B3 another key", tokens::sign_with(Algorithm::HS256, &claims, "a key that somebody made up, 32 bytes"), NO),
        ("B3 an empty key", tokens::sign_with(Algorithm::HS256, &claims, ""), NO),
        ("B4 HS384", tokens::sign_with(Algorithm::HS384, &claims, SECRET), NO),
        ("B4 HS512", tokens::sign_with(Algorithm::HS512, &claims, SECRET), NO),
        ("B6 expired 6 s ago", changed("exp", tokens::seconds_from_now(-6)), OLD),
        ("B6 expired long ago", changed("exp", json!(1)), OLD),
        ("B6 no exp", changed("exp", Value::Null), NO),
        ("B6 exp is text", changed("exp", json!("tomorrow")), NO),
        ("B7 not yet", changed("nbf", tokens::seconds_from_now(3_600)), NO),
        ("B7 not in a minute either", changed("nbf", tokens::seconds_from_now(90)), NO),
        ("B8 another audience", changed("aud", json!("somebody else")), NO),
        ("B8 no audience", changed("aud", Value::Null), NO),
        ("B8 another issuer", changed("iss", json!("https://evil.example")), NO),
        ("B8 no issuer", changed("iss", Value::Null), NO),
        ("B8 an unknown user", changed("sub", nobody), NO),
        ("B8 no id as subject", changed("sub", json!("' OR 1=1--")), NO),
        ("B8 no subject", changed("sub", Value::Null), NO),
        ("B9 a refresh token", ada.refresh_token.clone(), &["WRONG_TOKEN_TYPE"]),
    ]
}

#[tokio::test]
async fn a_token_that_is_not_ours_opens_nothing() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let genuine = Person { token: tokens::sign(&tokens::claims(&ada.token)), ..ada.clone() };
    genuine.get("/api/auth/me").await.with_status(200);
    genuine.connects().await;

    app.site.get("/api/auth/me").send().await.refused("UNAUTHORIZED");
    let open = ada.connects().await;
    for (row, token, codes) in bad_tokens(&ada) {
        let forger = Person { token: token.clone(), ..ada.clone() };
        let reply = forger.get("/api/auth/me").await;
        assert!(codes.contains(&reply.outcome().as_str()), "{row}: {reply}");
        assert_eq!(reply.status, 401, "{row}: {reply}");
        for transport in [Transport::WebSocket, Transport::Polling] {
            let refusal = forger.tries_to_connect_by(transport, json!({})).await.err();
            let Some(Refusal(code)) = refusal else { panic!("{row}: let in by {transport:?}") };
            assert!(codes.contains(&code.as_str()), "{row} over {transport:?}: {code}");
        }
        let answer = open.emit_with_ack("authenticate", json!({"token": token})).answer().await;
        assert!(codes.contains(&answer["error"]["code"].as_str().unwrap_or_default()), "{row}: {answer}");
    }
    open.ask("sync", json!({"cursors": {}})).await;
}

#[tokio::test]
async fn connect_without_a_token_is_refused_whatever_stands_in_its_place() {
    let app = App::start().await;
    for auth in [
        json!({}),
        json!({"token": null}),
        json!({"token": 5}),
        json!({"token": {"$ne": ""}}),
        json!([]),
        json!("token"),
    ] {
        for transport in [Transport::WebSocket, Transport::Polling] {
            let outcome = crate::support::Socket::begin(&app.site, transport, &auth).await;
            let Some(Refusal(code)) = outcome.err() else { panic!("{auth} is let in by {transport:?}") };
            assert!(["UNAUTHORIZED", "VALIDATION_ERROR"].contains(&code.as_str()), "{auth} over {transport:?}: {code}");
        }
    }
}

#[tokio::test]
async fn an_access_token_is_no_refresh_token() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let refresh =
        async |token: &str| app.site.post("/api/auth/refresh").json(&json!({"refresh_token": token})).send().await;
    refresh(&ada.token).await.refused("WRONG_TOKEN_TYPE");
    refresh("garbage").await.refused("UNAUTHORIZED");
    refresh("").await.refused("UNAUTHORIZED");
    let forged =
        tokens::sign_with(Algorithm::HS256, &tokens::claims(&ada.refresh_token), "another key, and long enough for it");
    refresh(&forged).await.refused("UNAUTHORIZED");
    refresh(&ada.refresh_token).await.with_status(200);
}

#[tokio::test]
async fn a_token_of_64_kilobytes_is_refused_at_once() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let forger = Person { token: "a".repeat(64 * 1024), ..ada.clone() };
    let mut fastest = SOON;
    for _ in 0..10 {
        let begin = Instant::now();
        let reply = forger.get("/api/auth/me").await;
        fastest = fastest.min(begin.elapsed());
        assert!([401, 431].contains(&reply.status.as_u16()), "B13: {reply}");
        let refusal = forger.tries_to_connect_by(Transport::WebSocket, json!({})).await.err();
        assert_eq!(refusal, Some(Refusal("UNAUTHORIZED".to_owned())), "B13");
    }
    assert!(fastest < Duration::from_millis(50), "B13: {fastest:?}");
}

#[tokio::test]
async fn a_token_in_the_address_counts_only_when_enabled_and_is_never_logged() {
    use crate::support::websocket::{PATH, WebSocket};
    for enabled in [false, true] {
        let settings = Server::settings().with("PARLOUR__AUTH__ALLOW_QUERY_TOKEN", &enabled.to_string());
        let mut app = App::with(settings.with("LOG_LEVEL", "debug")).await;
        let ada = app.user("ada").await;
        let path = format!("{PATH}&token={}", ada.token);
        let mut socket = WebSocket::open(app.site.addr(), &path, &[]).await.unwrap();
        socket.writer.text("40").await;
        let answer = socket.reader.next_starting("4").await;
        assert_eq!(answer.starts_with("40"), enabled, "B15: {answer}");
        app.site.get(&format!("/api/auth/me?token={}", ada.token)).send().await.refused("UNAUTHORIZED");
        assert_eq!(app.server.count_in_final_log(&ada.token), 0, "B15: the token is in the log");
    }
}

#[tokio::test]
async fn secrets_of_a_session_are_not_in_the_log() {
    let mut app = App::with(Server::settings().with("LOG_LEVEL", "debug")).await;
    let ada = app.user("ada").await;
    let socket = ada.connects().await;
    socket.ask("authenticate", json!({"token": ada.token})).await;
    app.site.post("/api/auth/refresh").json(&json!({"refresh_token": ada.refresh_token})).send().await.ok();
    let room = ada.opens_a_group("quiet", &[]).await;
    ada.says(&room, "canary-of-a-message-text").await;
    for canary in [ada.token.as_str(), &ada.refresh_token, PASSWORD, SECRET, "canary-of-a-message-text"] {
        assert_eq!(app.server.count_in_final_log(canary), 0, "{canary} is in the log");
    }
}

#[tokio::test]
async fn production_does_not_start_with_a_weak_secret() {
    for secret in ["", "short", "change-this-in-production", "your-secret-key", "0123456789012345678901234567890"] {
        let dir = tempfile::tempdir().unwrap();
        let env = [("ENVIRONMENT", "production"), ("PORT", "0"), ("SECRET_KEY", secret), ("MIGRATE_ON_START", "true")];
        let env = env.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let mut command = parlour(dir.path(), &env);
        command.arg("serve");
        let outcome = run(command).await;
        assert!(!outcome.success, "B16: it starts with `{secret}`");
        let said = outcome.stdout + &outcome.stderr;
        assert!(said.to_lowercase().contains("secret"), "B16: a clear message, not: {said}");
        assert!(secret.is_empty() || !said.contains(secret), "B16: the message tells the secret: {said}");
    }
}

#[tokio::test]
async fn an_unknown_user_and_a_wrong_password_cannot_be_told_apart() {
    let _alone = machine::alone().await;
    let app = App::start().await;
    let ada = app.user("ada").await;
    let stranger = Person { email: "nobody@example.com".to_owned(), ..ada.clone() };
    let body = |reply: &crate::support::Reply| {
        let mut problem = reply.refused("INVALID_CREDENTIALS");
        problem["timestamp"] = Value::Null;
        problem["request_id"] = Value::Null;
        problem
    };
    let reference = body(&ada.login("neither").await);
    let (mut wrong, mut unknown) = (Vec::new(), Vec::new());
    // in no fixed order, or each kind of request may meet a thread of its own, with caches of its own
    let mut rng = Seed::of("an_unknown_user_and_a_wrong_password_cannot_be_told_apart").rng();
    for _ in 0..300 {
        let (person, times) = if rng.random() { (&ada, &mut wrong) } else { (&stranger, &mut unknown) };
        let begin = Instant::now();
        let reply = person.login("not the password").await;
        times.push(begin.elapsed());
        assert_eq!(body(&reply), reference, "B17");
    }
    // The work of other processes only ever adds: what the fastest twentieth took is what the answer itself costs.
    let least = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 20].as_secs_f64()
    };
    let (wrong, unknown) = (least(&mut wrong), least(&mut unknown));
    assert!((wrong / unknown - 1.0).abs() < 0.1, "B17: {wrong} s and {unknown} s");
}
