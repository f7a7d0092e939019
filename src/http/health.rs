//! How the server is, for people, load balancers and Prometheus.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Serialize;
use tokio::time::timeout;

use crate::{app::App, clock, telemetry};

/// How long a check may take before it counts as failed; probes give up after a second or more themselves.
const TIMEOUT: Duration = Duration::from_secs(2);

/// `/health`, `/healthz` and `/readyz`.
pub fn router() -> Router<Arc<App>> {
    Router::new().route("/health", get(health)).route("/healthz", get(|| async { "ok" })).route("/readyz", get(ready))
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    version: &'static str,
    uptime_seconds: u64,
}

async fn health(State(app): State<Arc<App>>) -> Json<Health> {
    Json(Health {
        status: if app.draining.is_cancelled() { "draining" } else { "ok" },
        version: env!("CARGO_PKG_VERSION"),
        uptime_seconds: clock::now().since(app.started_at).as_secs(),
    })
}

#[derive(Serialize)]
struct Readiness {
    status: &'static str,
    checks: Checks,
}

/// Each says `ok`, or why not.
#[derive(Serialize)]
struct Checks {
    database: &'static str,
    migrations: &'static str,
    /// This does not take traffic away: without Redis a node serves as before and only receives changes of others later.
    bus: &'static str,
    /// Nor is this: every node has the same store, and messages need none.
    storage: &'static str,
    draining: &'static str,
}

async fn ready(State(app): State<Arc<App>>) -> Response {
    let (schema, stores) =
        tokio::join!(timeout(TIMEOUT, app.db.pending_migrations()), app.chat.files().are_reachable());
    let (database, migrations) = match schema {
        Ok(Ok(0)) => ("ok", "ok"),
        Ok(Ok(_)) => ("ok", "pending"),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the database does not answer");
            ("unreachable", "unknown")
        }
        Err(_) => ("too slow", "unknown"),
    };
    let bus = match &app.redis {
        None => "local",
        Some(redis) if redis.is_up() => "ok",
        Some(_) => "unreachable",
    };
    let storage = if stores { "ok" } else { "unreachable" };
    let draining = if app.draining.is_cancelled() { "stopping" } else { "ok" };
    let ready = [database, migrations, draining].iter().all(|check| *check == "ok");
    let (code, status) =
        if ready { (StatusCode::OK, "ready") } else { (StatusCode::SERVICE_UNAVAILABLE, "unavailable") };
    (code, Json(Readiness { status, checks: Checks { database, migrations, bus, storage, draining } })).into_response()
}

pub(super) async fn metrics(State(app): State<Arc<App>>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], telemetry::metrics(&app.db)).into_response()
}
