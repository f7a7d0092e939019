//! The router without a network: what it documents, and what it answers to what does not fit.

mod account;
mod contact;
mod document;
mod refusal;

use std::net::Ipv4Addr;

use axum::{
    Extension,
    body::Body,
    http::{Request, StatusCode},
    response::Response,
    routing::get,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

use super::*;
use crate::{cluster::bus::Notice, config::Config, http::layer::address::ClientAddress, tasks::Running};

struct Server {
    router: Router,
    notices: tokio::sync::mpsc::Receiver<Notice>,
    _running: Running,
    _folder: TempDir,
}

impl Server {
    async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    async fn start_with(settings: impl FnOnce(&mut Config)) -> Self {
        let (app, inlet, tasks, folder) = App::for_test(settings).await;
        let panics = Router::new().route("/panic", get(|| async { panic!("on purpose") as StatusCode }));
        let router = panics.layer(CatchPanicLayer::custom(problem::panicked)).merge(router(&app)).with_state(app);
        let router = router.layer(Extension(ClientAddress(Ipv4Addr::LOCALHOST.into())));
        Self { router, notices: inlet.own, _running: tasks.start(), _folder: folder }
    }

    async fn send(&self, method: &str, path: &str, token: &str, body: Option<Value>) -> (StatusCode, Value) {
        let request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"));
        let request = match body {
            Some(body) => request.header("content-type", "application/json").body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        };
        read(self.raw(request.unwrap()).await).await
    }

    async fn raw(&self, request: Request<Body>) -> Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn register(&self, name: &str) {
        let body = json!({"email": format!("{name}@example.com"), "password": "correct horse", "username": name});
        let (status, user) = self.send("POST", "/api/auth/register", "", Some(body)).await;
        assert_eq!(status, StatusCode::CREATED, "{user}");
    }

    async fn login(&self, name: &str, password: &str) -> (StatusCode, Value) {
        self.send("POST", "/api/auth/login", "", Some(json!({"username": name, "password": password}))).await
    }

    async fn tokens(&self, name: &str) -> (String, String) {
        let (status, tokens) = self.login(name, "correct horse").await;
        assert_eq!(status, StatusCode::OK, "{tokens}");
        (text(&tokens["access_token"]), text(&tokens["refresh_token"]))
    }

    async fn refresh(&self, token: &str) -> (StatusCode, Value) {
        self.send("POST", "/api/auth/refresh", "", Some(json!({"refresh_token": token}))).await
    }

    async fn me(&self, token: &str) -> StatusCode {
        self.send("GET", "/api/users/me", token, None).await.0
    }
}

async fn read(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
