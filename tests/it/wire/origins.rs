//! Which browser pages may call: threats B27 and B28, and those that may.

use serde_json::json;

use crate::support::{
    App, Server, polling,
    websocket::{PATH, WebSocket},
};

const FRIEND: &str = "https://app.example";

/// Pages that are not the friend, however near.
const STRANGERS: [&str; 8] = [
    "https://evil.example",
    "null",
    "https://app.example.evil",
    "https://evilapp.example",
    "http://app.example",
    "https://app.example:8443",
    "https://app.example@evil.example",
    "file://",
];

async fn app() -> App {
    App::with(Server::settings().with("CORS_ORIGINS", FRIEND)).await
}

async fn upgrade_status(app: &App, headers: &[(&str, &str)]) -> u16 {
    match WebSocket::open(app.site.addr(), PATH, headers).await {
        Ok(_) => 101,
        Err(answer) => answer.status,
    }
}

#[tokio::test]
async fn a_page_of_a_stranger_opens_no_session() {
    let app = app().await;
    for origin in STRANGERS {
        assert_eq!(upgrade_status(&app, &[("Origin", origin)]).await, 403, "B27: WebSocket from {origin}");
        let reply = app.site.get(polling::PATH).header("origin", origin).send().await;
        assert_eq!(reply.status, 403, "B27: polling from {origin}: {reply}");
        assert!(!reply.body.contains("sid"), "B27: polling from {origin}: {reply}");
    }
    assert_eq!(upgrade_status(&app, &[("Origin", FRIEND)]).await, 101);
    assert_eq!(upgrade_status(&app, &[]).await, 101, "programs send no Origin");
    let reply = app.site.get(polling::PATH).header("origin", FRIEND).send().await;
    assert_eq!(reply.status, 200, "{reply}");
    assert_eq!(reply.header("access-control-allow-origin"), Some(FRIEND));
}

#[tokio::test]
async fn a_page_of_a_stranger_is_not_allowed_to_read_an_answer() {
    let app = app().await;
    let ada = app.user("ada").await;
    let preflight = async |origin: &str, path: &str| {
        let request = app.site.request(reqwest::Method::OPTIONS, path).header("origin", origin);
        let request = request.header("access-control-request-method", "POST");
        request.header("access-control-request-headers", "authorization,content-type").send().await
    };
    for path in ["/api/auth/login", "/api/chat/rooms", polling::PATH] {
        for origin in STRANGERS {
            let reply = preflight(origin, path).await;
            assert_eq!(reply.header("access-control-allow-origin"), None, "B28: {path} from {origin}: {reply}");
        }
        let reply = preflight(FRIEND, path).await;
        assert!(reply.status.is_success(), "{path}: {reply}");
        assert_eq!(reply.header("access-control-allow-origin"), Some(FRIEND), "{path}");
        let methods = reply.header("access-control-allow-methods").unwrap_or_default().to_uppercase();
        assert!(methods.contains("POST"), "{path}: {methods}");
        let headers = reply.header("access-control-allow-headers").unwrap_or_default().to_lowercase();
        assert!(headers.contains("authorization") && headers.contains("content-type"), "{path}: {headers}");
    }
    for origin in STRANGERS {
        let reply = app.site.get("/api/auth/me").token(&ada.token).header("origin", origin).send().await;
        assert_eq!(reply.header("access-control-allow-origin"), None, "B28: from {origin}");
    }
    let reply = app.site.get("/api/auth/me").token(&ada.token).header("origin", FRIEND).send().await;
    assert_eq!(reply.header("access-control-allow-origin"), Some(FRIEND));
    assert!(
        reply.header("vary").unwrap_or_default().to_lowercase().contains("origin"),
        "caches must tell origins apart"
    );
}

#[tokio::test]
async fn development_lets_pages_of_this_machine_in_and_production_does_not() {
    for (environment, expected) in [("development", 101), ("production", 403)] {
        let settings = Server::settings().with("ENVIRONMENT", environment).with("MIGRATE_ON_START", "true");
        let app = App::with(settings).await;
        for origin in ["http://localhost:3000", "http://127.0.0.1:5173"] {
            assert_eq!(upgrade_status(&app, &[("Origin", origin)]).await, expected, "{environment}: {origin}");
        }
        assert_eq!(upgrade_status(&app, &[("Origin", "http://localhost.evil.example")]).await, 403, "{environment}");
    }
}

#[tokio::test]
async fn many_origins_can_be_named() {
    for list in [json!([FRIEND, "https://two.example"]).to_string(), format!("{FRIEND},https://two.example")] {
        let app = App::with(Server::settings().with("CORS_ORIGINS", &list)).await;
        for origin in [FRIEND, "https://two.example"] {
            assert_eq!(upgrade_status(&app, &[("Origin", origin)]).await, 101, "{list}: {origin}");
        }
        assert_eq!(upgrade_status(&app, &[("Origin", "https://evil.example")]).await, 403, "{list}");
    }
}
