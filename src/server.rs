//! Puts the parts together, serves, and stops without losing anything.

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use axum::{
    Router,
    http::{HeaderValue, header},
    middleware::{from_fn, from_fn_with_state},
};
use sea_orm::DbErr;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower_http::set_header::SetResponseHeaderLayer;

use crate::{
    app::App,
    config::Config,
    db::Db,
    delivery::Delivery,
    error::Error,
    http::{
        self,
        layer::{address, limit, ops, origin, trace},
    },
    listener::{self, Listener},
    realtime::{self, Sockets},
    telemetry,
};

/// How often histograms are folded.
const UPKEEP: Duration = Duration::from_secs(5);

/// How often limits forget who has been quiet.
const SWEEP: Duration = Duration::from_secs(60);

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot open the database")]
    Database(#[source] DbErr),
    #[error("cannot migrate the database")]
    Migration(#[source] DbErr),
    #[error("{0} migrations are pending; apply them with `parlour migrate up`, or set MIGRATE_ON_START=true")]
    Pending(usize),
    #[error("cannot keep a secret key in {}", .0.display())]
    SecretKey(PathBuf, #[source] io::Error),
    #[error("cannot set up accounts")]
    Auth(#[source] Error),
    #[error("cannot listen on {0}")]
    Listen(SocketAddr, #[source] io::Error),
}

/// A server that accepts connections, which wait until it runs.
#[derive(Debug)]
pub struct Server {
    app: Arc<App>,
    router: Router,
    sockets: Sockets,
    listener: Listener,
    address: SocketAddr,
}

impl Server {
    /// Opens everything, and listens.
    ///
    /// # Errors
    /// When a part cannot be opened, or migrations are pending that it may not apply.
    pub async fn start(mut config: Config) -> Result<Self, StartError> {
        config.complete_secret_key().map_err(|error| StartError::SecretKey(config.server.data_dir.clone(), error))?;
        let db = Db::open(&config).await.map_err(StartError::Database)?;
        if config.migrates_on_start() {
            db.migrate_up().await.map_err(StartError::Migration)?;
        }
        match db.pending_migrations().await.map_err(StartError::Database)? {
            0 => {}
            pending => return Err(StartError::Pending(pending)),
        }

        let (app, notices) = App::new(config, db).map_err(StartError::Auth)?;
        let app = Arc::new(app);
        let (chat, feed) = (app.chat.clone(), app.feed.clone());
        tokio::spawn(Delivery { chat, feed, connections: Arc::clone(&app.connections) }.run(notices));
        let wanted = SocketAddr::new(app.config.server.host, app.config.server.port);
        let listening = |error| StartError::Listen(wanted, error);
        let listener = Listener::bind(wanted, app.config.realtime.stall_timeout()).map_err(listening)?;
        let address = listener.address().map_err(listening)?;
        let (router, sockets) = router(&app);
        Ok(Self { router, sockets, app, listener, address })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`. Then accepts no more, asks sockets to go elsewhere, and gives what is open
    /// `server.drain_seconds` to end.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let Self { app, router, sockets, listener, .. } = self;
        let (open, closed) = (TaskTracker::new(), CancellationToken::new());
        let serving = tokio::spawn(listener::serve(listener, router, closed.clone(), open.clone()));
        let housekeeping = tokio::spawn(keep_house(Arc::clone(&app)));

        stop.await;
        tracing::info!(connections = open.len(), "stopping");
        app.draining.cancel();
        let deadline = Instant::now() + Duration::from_secs(app.config.server.drain_seconds);
        if timeout_at(deadline, sockets.see_off(&app)).await.is_err() {
            tracing::warn!("sockets did not close in time");
        }
        closed.cancel();
        let _ = serving.await;
        open.close();
        if timeout_at(deadline, open.wait()).await.is_err() {
            tracing::warn!(connections = open.len(), "cutting connections that did not end in time");
        }
        housekeeping.abort();
        app.db.clone().close().await;
        tracing::info!("stopped");
    }
}

/// Every route, inside every layer. A later `layer` is further out.
fn router(app: &Arc<App>) -> (Router, Sockets) {
    let router = http::router().merge(http::health::router()).layer(from_fn_with_state(Arc::clone(app), limit::rest));
    let (router, sockets) = realtime::mount(router, app);
    let router = router
        .layer(from_fn_with_state(Arc::clone(app), limit::handshakes))
        .layer(from_fn_with_state(Arc::clone(app), ops::guard))
        .layer(origin::cors(Arc::clone(app)))
        .layer(from_fn_with_state(Arc::clone(app), origin::check))
        .layer(from_fn_with_state(Arc::clone(app), address::find))
        .layer(from_fn(trace::request))
        // What a user wrote is never run as something else (OWASP Secure Headers).
        .layer(SetResponseHeaderLayer::overriding(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")))
        .with_state(Arc::clone(app));
    (router, sockets)
}

/// Keeps memory from growing with what is over.
async fn keep_house(app: Arc<App>) {
    let (mut upkeep, mut sweep) = (interval(UPKEEP), interval(SWEEP));
    upkeep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = upkeep.tick() => telemetry::upkeep(),
            _ = sweep.tick() => app.limits.sweep(),
        }
    }
}
