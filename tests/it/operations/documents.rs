//! What operators look at, and the documents of the wire.

use std::collections::BTreeSet;

use base64::{Engine, prelude::BASE64_STANDARD};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{App, Server, text};

/// Every route there is.
const ROUTES: [&str; 37] = [
    "POST /api/auth/register",
    "POST /api/auth/login",
    "POST /api/auth/jwt/login",
    "POST /api/auth/refresh",
    "POST /api/auth/logout",
    "POST /api/auth/jwt/logout",
    "GET /api/auth/me",
    "GET /api/users/me",
    "PATCH /api/users/me",
    "PUT /api/users/me",
    "DELETE /api/users/me",
    "GET /api/users",
    "GET /api/users/users",
    "GET /api/users/{id}",
    "POST /api/chat/rooms",
    "GET /api/chat/rooms",
    "GET /api/chat/rooms/{id}",
    "PATCH /api/chat/rooms/{id}",
    "PUT /api/chat/rooms/{id}",
    "DELETE /api/chat/rooms/{id}",
    "GET /api/chat/rooms/{id}/members",
    "POST /api/chat/rooms/{id}/members",
    "POST /api/chat/rooms/{id}/members/{user_id}",
    "PATCH /api/chat/rooms/{id}/members/{user_id}",
    "PUT /api/chat/rooms/{id}/members/{user_id}",
    "DELETE /api/chat/rooms/{id}/members/{user_id}",
    "POST /api/chat/rooms/{id}/leave",
    "POST /api/chat/rooms/{id}/read",
    "GET /api/chat/rooms/{id}/messages",
    "POST /api/chat/messages",
    "GET /api/chat/messages/{id}",
    "PATCH /api/chat/messages/{id}",
    "PUT /api/chat/messages/{id}",
    "DELETE /api/chat/messages/{id}",
    "GET /health",
    "GET /healthz",
    "GET /readyz",
];

/// `METHOD path` of every documented operation under `/api`.
fn documented(document: &Value) -> BTreeSet<String> {
    let paths = document["paths"].as_object().expect("paths");
    let operations = paths.iter().flat_map(|(path, methods)| {
        let methods = methods
            .as_object()
            .expect("operations")
            .keys()
            .filter(|key| !["parameters", "summary"].contains(&key.as_str()));
        methods.map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    operations.collect()
}

#[tokio::test]
async fn every_route_is_documented_and_every_documented_route_is_there() {
    let app = App::start().await;
    let document = app.site.get("/openapi.json").send().await.with_status(200);
    assert!(text(&document, "openapi").starts_with("3.1"), "{}", document["openapi"]);
    let documented = documented(&document);
    for route in ROUTES.iter().filter(|route| route.contains("/api/")) {
        assert!(documented.contains(*route), "{route} is not documented; these are: {documented:#?}");
    }
    for route in documented {
        let (method, path) = route.split_once(' ').unwrap();
        let path = path
            .replace("{id}", "0199d1c6-7a4e-7cc3-9d5a-3b1f0f6a2c11")
            .replace("{user_id}", "0199d1c6-7a4e-7cc3-9d5a-3b1f0f6a2c11");
        let request = app.site.request(Method::from_bytes(method.as_bytes()).unwrap(), &path);
        let reply = request.json(&json!({})).send().await;
        assert!(![404, 405, 500, 501].contains(&reply.status.as_u16()), "{route} is documented, and: {reply}");
    }
}

/// What operations take and answer, by media type.
fn contents(document: &Value) -> Vec<&serde_json::Map<String, Value>> {
    let operations =
        document["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values());
    let bodies = operations.flat_map(|operation| {
        let answers = operation["responses"].as_object().into_iter().flat_map(|answers| answers.values());
        answers.chain(operation.get("requestBody"))
    });
    bodies.filter_map(|body| body["content"].as_object()).collect()
}

#[tokio::test]
async fn every_operation_tells_its_refusals_and_every_body_has_an_example() {
    let app = App::start().await;
    let document = app.site.get("/openapi.json").send().await.with_status(200);
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let Some(responses) = operation["responses"].as_object() else { continue };
            let refusals = responses.keys().filter(|status| status.starts_with('4')).count();
            assert!(!path.starts_with("/api/") || refusals > 0, "{method} {path} tells no refusal");
            assert!(responses.keys().any(|status| status.starts_with('2')), "{method} {path} tells no success");
        }
    }
    for content in contents(&document) {
        for (media_type, content) in content {
            if !media_type.ends_with("json") {
                assert_ne!(content["schema"]["type"], "array", "{media_type} is no list of numbers: {content}");
            }
        }
    }
    let names: Vec<&Value> = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|methods| methods.as_object().unwrap().values())
        .map(|operation| &operation["operationId"])
        .filter(|name| !name.is_null())
        .collect();
    let distinct: BTreeSet<String> = names.iter().map(ToString::to_string).collect();
    assert_eq!(names.len(), distinct.len(), "an operationId stands once (OpenAPI 3.1, section 4.8.10): {names:?}");
    let schemas = &document["components"]["schemas"];
    for resource in ["User", "Room", "Member", "Message", "Problem"] {
        assert!(schemas[resource].is_object(), "{resource} has a schema");
    }
}

#[tokio::test]
async fn the_documentation_page_loads_nothing_from_elsewhere() {
    let app = App::start().await;
    for path in ["/redoc", "/redoc/"] {
        let reply = app.site.get(path).send().await;
        assert_eq!((reply.status.as_u16(), reply.header("location")), (308, Some("/docs")), "{reply}");
    }
    let mut page = app.site.get("/docs").send().await;
    let mut path = "/docs".to_owned();
    while page.status.is_redirection() {
        path = page.header("location").unwrap().to_owned();
        page = app.site.get(&path).send().await;
    }
    assert_eq!(page.status, 200, "{page}");
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    let base = path.rsplit_once('/').map_or("", |(base, _)| base).to_owned();
    let mut resources = 0;
    for attribute in ["src=\"", "href=\""] {
        for part in page.body.split(attribute).skip(1) {
            let link = part.split('"').next().unwrap();
            assert!(!link.contains("//"), "{link} is elsewhere");
            if link.starts_with("data:") || link.starts_with('#') {
                continue;
            }
            let link = if link.starts_with('/') {
                link.to_owned()
            } else {
                format!("{base}/{}", link.trim_start_matches("./"))
            };
            let resource = app.site.get(&link).send().await;
            assert_eq!(resource.status, 200, "{link}");
            resources += 1;
        }
    }
    assert!(resources > 0 || page.body.len() > 5_000, "a page with something on it");
}

#[tokio::test]
async fn a_healthy_node_says_so() {
    let app = App::start().await;
    for path in ["/health", "/healthz", "/readyz"] {
        let reply = app.site.get(path).send().await;
        assert_eq!(reply.status, 200, "{reply}");
    }
    let health = app.site.get("/health").send().await.json();
    assert!(health.is_object(), "{health}");
    let ada = app.user("ada").await;
    let _socket = ada.connects().await;
    let metrics = app.site.get("/metrics").send().await;
    assert_eq!(metrics.status, 200);
    assert!(metrics.body.lines().any(|line| line.starts_with("# TYPE parlour_")), "{}", metrics.body);
}

#[tokio::test]
async fn production_shows_strangers_neither_metrics_nor_documents() {
    let settings = Server::settings().with("ENVIRONMENT", "production").with("MIGRATE_ON_START", "true");
    let open = settings.clone().with("PARLOUR__OPS__TOKEN", "the-operators-own-token-of-32-bytes");
    for (settings, entry) in [(settings, false), (open, true)] {
        let app = App::with(settings).await;
        for path in ["/metrics", "/docs", "/redoc", "/redoc/", "/openapi.json"] {
            for token in ["", "wrong"] {
                let reply = app.site.get(path).token(token).send().await;
                assert!([401, 404].contains(&reply.status.as_u16()), "H9: {reply}");
            }
            let reply = app.site.get(path).token("the-operators-own-token-of-32-bytes").send().await;
            let refused = [401, 404].contains(&reply.status.as_u16());
            assert_eq!(refused, !entry, "H9: {reply}");
            // A browser asks for a name and a password where it is told to, and shows them so.
            for (login, shows_it) in [
                ("anyone:the-operators-own-token-of-32-bytes", true),
                (":the-operators-own-token-of-32-bytes", true),
                ("the-operators-own-token-of-32-bytes:", false),
                ("anyone:", false),
            ] {
                let basic = format!("Basic {}", BASE64_STANDARD.encode(login));
                let reply = app.site.get(path).header("authorization", &basic).send().await;
                assert_eq!(reply.status.as_u16() != 401, entry && shows_it, "{path} {login}: {reply}");
                let asks = reply.header("www-authenticate").is_some_and(|asked| asked.contains("Basic realm="));
                assert_eq!(asks, reply.status == 401, "{path} {login}: {reply}");
            }
        }
        app.site.get("/healthz").send().await;
    }
}

#[tokio::test]
async fn what_is_not_there_is_answered_as_a_problem() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    for path in [
        "/nothing",
        "/api",
        "/api/nothing",
        "/api/chat/rooms//",
        "/../etc/passwd",
        "/%2e%2e/etc/passwd",
        "/openapi.yaml",
    ] {
        ada.get(path).await.refused("NOT_FOUND");
    }
    for path in ["/api/chat/rooms", "/api/auth/login", "/api/users"] {
        let reply = ada.delete(path).await;
        assert_eq!((reply.status.as_u16(), reply.outcome().as_str()), (405, "NOT_FOUND"), "{reply}");
        assert!(reply.header("allow").is_some(), "a 405 tells what is allowed (RFC 9110, section 15.5.6): {reply}");
    }
    let reply = ada.request(Method::GET, "/api/users/me").header("x-request-id", "canary-request-id").send().await;
    let id = reply.header("x-request-id").expect("every answer names its request");
    assert!(!id.is_empty());
    let problem = ada.get("/nothing").await;
    assert_eq!(problem.header("x-request-id"), problem.json()["request_id"].as_str());
}
