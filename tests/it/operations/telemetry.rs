//! What an operator sees: lines for what was refused, and metrics that explain themselves.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{App, Person, SOON, Server, Transport, eventually, workload};

/// The lines of the log that tell of a refusal.
fn refusals(app: &App) -> Vec<Value> {
    let log = app.server.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["message"] == "refused").collect()
}

#[tokio::test]
async fn what_is_refused_is_in_the_log_under_the_id_of_its_answer() {
    let app = App::with(Server::settings().with("CORS_ORIGINS", "https://app.example")).await;
    let ada = app.user("ada").await;
    let login = json!({"email": "ada@example.com", "password": "canary-password"});
    let mut expected = Vec::new();
    for (request, code) in [
        (app.site.post("/api/auth/login").json(&login), "INVALID_CREDENTIALS"),
        (app.site.get("/healthz").header("origin", "https://evil.example"), "PERMISSION_DENIED"),
        (app.site.get("/api/chat/rooms").token("canary-token"), "UNAUTHORIZED"),
        (app.site.get("/api/chat/rooms?page=0").token(&ada.token), "VALIDATION_ERROR"),
        (app.site.get("/nothing"), "NOT_FOUND"),
    ] {
        let reply = request.send().await;
        expected.push((reply.header("x-request-id").expect("every answer has an id").to_owned(), code));
    }
    for (id, code) in expected {
        eventually(SOON, "the refusal is in the log", async || {
            refusals(&app).iter().any(|line| line["span"]["request_id"] == id.as_str() && line["code"] == code)
        })
        .await;
    }
    let first = refusals(&app).into_iter().find(|line| line["code"] == "INVALID_CREDENTIALS").unwrap();
    assert_eq!((&first["span"]["address"], &first["span"]["path"]), (&json!("127.0.0.1"), &json!("/api/auth/login")));
    assert_eq!(first["status"], 401);
    for secret in ["canary", "ada@example.com"] {
        assert!(!app.server.log().contains(secret), "{secret} is in the log");
    }
}

#[tokio::test]
async fn a_refused_connect_is_in_the_log() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    // The client is told a code alone: which field it was stands in the log, and what was in it does not.
    for (auth, reason) in [
        (json!({"rooms": "canary-rooms"}), "rooms: invalid"),
        (json!({"cursors": {"canary-cursor": 1}}), "cursors: invalid"),
    ] {
        let refused = ada.tries_to_connect_by(Transport::WebSocket, auth).await;
        assert!(refused.is_err());
        eventually(SOON, "the reason is in the log", async || {
            let is_told = |line: &Value| line["reason"].as_str().is_some_and(|told| told.starts_with(reason));
            refusals(&app).iter().any(|line| line["code"] == "VALIDATION_ERROR" && is_told(line))
        })
        .await;
    }
    assert!(!app.server.log().contains("canary"), "what was sent is in the log");
    let forger = Person { token: "canary-token".to_owned(), ..ada };
    let refused = forger.tries_to_connect_by(Transport::WebSocket, json!({})).await;
    assert!(refused.is_err());
    eventually(SOON, "the refused CONNECT is in the log", async || {
        refusals(&app).iter().any(|line| line["what"] == "CONNECT" && line["code"] == "UNAUTHORIZED")
    })
    .await;
}

/// Catches a metric without `HELP`, and labels of names that clients make up.
#[tokio::test]
async fn every_metric_says_what_it_tells() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let room = ada.opens_a_group("measured", &[]).await;
    let socket = ada.connects().await;
    ada.says(&room, "hello").await;
    socket.ask("ping", json!({})).await;
    socket.ask_in_vain("made_up_by_a_client", json!({}), "UNKNOWN_EVENT").await;
    app.site.get("/made/up/by/a/client").send().await;
    let text = app.site.get("/metrics").send().await.body;
    assert!(!text.contains("made_up") && !text.contains("made/up"), "{text}");

    let named = |kind: &str| -> BTreeSet<&str> {
        let lines = text.lines().filter_map(|line| line.strip_prefix(kind));
        lines.filter_map(|rest| rest.split(' ').next()).collect()
    };
    let (help, types) = (named("# HELP "), named("# TYPE "));
    assert!(types.len() > 15, "{types:?}");
    assert_eq!(types.difference(&help).collect::<Vec<_>>(), Vec::<&&str>::new(), "without HELP");
    for series in [
        "parlour_build_info{version=",
        "parlour_database_connections{pool=\"read\",state=\"idle\"}",
        "parlour_database_connections{pool=\"write\",state=\"used\"}",
        "parlour_events_total{event=\"ping\",code=\"OK\"}",
        "parlour_events_total{event=\"unknown\",code=\"UNKNOWN_EVENT\"}",
        "parlour_event_duration_seconds_bucket{event=\"ping\"",
        "process_resident_memory_bytes ",
        "process_cpu_seconds_total ",
        "process_open_fds ",
        "process_start_time_seconds ",
    ] {
        assert!(text.lines().any(|line| line.starts_with(series)), "{series} is not there:\n{text}");
    }
}

/// Catches a figure that only rises, because nobody sets it when the writer has taken what waited. Seen.
#[tokio::test]
async fn nothing_waits_to_be_written_once_everything_is() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let room = ada.opens_a_group("measured", &[]).await;
    workload::Writer::new("ada").send(&ada.connects().await, &room, 300).await;
    let told = app.site.get("/metrics").send().await.body;
    let waiting: Vec<&str> = told.lines().filter(|line| line.starts_with("parlour_log_queue ")).collect();
    assert_eq!(waiting, ["parlour_log_queue 0"]);
}
