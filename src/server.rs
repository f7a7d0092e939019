//! Builds all parts, serves, and stops without losing anything.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    http::{HeaderValue, header},
    middleware::{from_fn, from_fn_with_state},
};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::{
    account,
    app::{App, StartError},
    chat, clock,
    config::Config,
    db::{Db, file::ProcessLock},
    http::{
        self,
        layer::{address, host, limit, origin, path::without_last_slash, reading, trace},
    },
    listener::{self, Listener, Open},
    media::base_url::BaseUrl,
    realtime::{self, SocketServer},
    tasks::{TaskEnded, Tasks},
    telemetry,
};

/// How often histograms are folded.
const UPKEEP: Duration = Duration::from_secs(5);

/// How often idle keys of limits are removed, and unfinished erasures are continued.
const SWEEP: Duration = Duration::from_secs(60);

/// How often the clock is compared with its source.
const COMPARE_CLOCKS: Duration = Duration::from_secs(5);

/// How often this node reports the number of sockets of each user.
const RENEW: Duration = Duration::from_secs(5);

/// How often this node reports users who have fewer sockets.
const CHANGES: Duration = Duration::from_millis(500);

/// The timeout for closing the database.
const LEAVE: Duration = Duration::from_secs(3);

/// After a fatal failure: how long sockets have to receive the last event, and the timeout for closing the database. The process ends
/// within a second.
const DRAIN_BROKEN: Duration = Duration::from_millis(700);
const LEAVE_BROKEN: Duration = Duration::from_millis(200);

/// A server that listens; connections wait until it runs.
#[derive(Debug)]
pub struct Server {
    app: Arc<App>,
    router: Router,
    sockets: SocketServer,
    tasks: Tasks,
    listener: Listener,
    address: SocketAddr,
    lock: Option<ProcessLock>,
}

impl Server {
    /// Builds all parts, and listens.
    ///
    /// # Errors
    /// When a part cannot be built, or migrations are pending that it may not apply.
    pub async fn start(mut config: Config) -> Result<Self, StartError> {
        config.complete_secret_key().map_err(|error| StartError::SecretKey(config.server.data_dir.clone(), error))?;
        let lock = ProcessLock::take(&config)?;
        let db = open_database(&config).await?;
        check_schema(&db).await?;
        if config.migrates_on_start() {
            db.migrate_up().await.map_err(StartError::Migration)?;
        }
        match db.pending_migrations().await.map_err(StartError::Migration)? {
            0 => {}
            pending => return Err(StartError::Pending(pending)),
        }

        let follows = db.may_be_shared()
            && clock::follow(db.time()).await.map_err(|error| StartError::Clock(error.into_cause()))?;
        let (app, inlet, mut tasks) = App::new(config, db)?;
        tasks.add("clock", keep_time(Arc::clone(&app), follows));
        tasks.add("delivery", app.delivery().run(inlet));
        tasks.add("upkeep", run_upkeep(Arc::clone(&app)));
        tasks.add("accounts", settle_accounts(Arc::clone(&app)));
        tasks.add("socket_counts", keep_counts(Arc::clone(&app)));
        if app.db.may_be_shared() {
            tasks.add("recheck", app.reconciler().run());
            tasks.add("missed_news", keep_up_with_others(Arc::clone(&app)));
            if app.redis.is_none() {
                tracing::warn!(
                    "several nodes need REDIS_URL: without it each learns from the database what the others did, some \
                     seconds later, and counts limits by itself; one node alone needs none"
                );
            }
        }
        let wanted = SocketAddr::new(app.config.server.host, app.config.server.port);
        let listening = |error| StartError::Listen(wanted, error);
        let listener = Listener::bind(wanted, app.config.realtime.stall_timeout()).map_err(listening)?;
        let address = listener.address().map_err(listening)?;
        let _ = app.listening.set(BaseUrl::listening(address));
        if address.ip().is_unspecified() && app.chat.files().signer.base_urls().depends_on_client() {
            tracing::warn!(
                "PUBLIC_URL is not set: addresses of media begin with the name by which each client came, as Host or a \
                 trusted proxy says it"
            );
        }
        let (router, sockets) = router(&app);
        Ok(Self { router, sockets, app, tasks, listener, address, lock })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`. Then asks sockets to reconnect elsewhere, and gives open connections `server.drain_seconds` to end.
    ///
    /// # Errors
    /// When a task ended that the server needs. Sockets were informed, and little else was waited for.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), TaskEnded> {
        let Self { app, router, sockets, tasks, listener, address, lock } = self;
        tracing::info!(%address, database = %app.config.database_url(), "serving");
        let (open, closing) = (Open::default(), CancellationToken::new());
        let mut running = tasks.start();
        let serving = running.start("listener", listener::serve(listener, router, closing.clone(), open.clone()));
        let mut ended = tokio::select! {
            () = stop => None,
            ended = running.ended() => Some(ended),
        };
        if let Some(ended) = ended {
            tracing::error!("{ended}");
        }
        tracing::info!(connections = open.early.len(), "stopping");
        app.draining.cancel();
        open.early.close();
        open.late.close();
        let drained = async {
            // Connections stay open until the sockets are closed: a polling client needs another request to receive the last event.
            sockets.drain(&app).await;
            closing.cancel();
            open.early.wait().await;
            serving.abort();
            open.late.wait().await;
        };
        let drain = if ended.is_some() { DRAIN_BROKEN } else { Duration::from_secs(app.config.server.drain_seconds) };
        tokio::select! {
            drained = timeout(drain, drained) => if drained.is_err() {
                let connections = open.early.len() + open.late.len();
                tracing::warn!(connections, "cutting connections that did not end in time");
            },
            now_ended = running.ended(), if ended.is_none() => {
                tracing::error!("{now_ended}");
                ended = Some(now_ended);
            }
        }
        drop(running);
        let leave = async {
            app.presences.retire().await;
            app.db.clone().close().await;
        };
        if timeout(if ended.is_some() { LEAVE_BROKEN } else { LEAVE }, leave).await.is_err() {
            tracing::warn!("the database does not answer; what is open there ends with this process");
        }
        drop(lock);
        tracing::info!("stopped");
        ended.map_or(Ok(()), Err)
    }
}

/// Opens the configured database.
///
/// # Errors
/// When it cannot be reached or opened.
pub async fn open_database(config: &Config) -> Result<Db, StartError> {
    Db::open(config).await.map_err(|error| StartError::Database(config.database_url(), error))
}

/// Opens the configured database if there is one yet.
///
/// # Errors
/// When it cannot be reached or opened.
pub async fn open_existing_database(config: &Config) -> Result<Option<Db>, StartError> {
    Db::open_existing(config).await.map_err(|error| StartError::Database(config.database_url(), error))
}

/// Refuses a database that a newer program has changed; otherwise answers how many migrations are pending.
///
/// # Errors
/// When it is newer, or does not answer.
pub(crate) async fn check_schema(db: &Db) -> Result<usize, StartError> {
    match db.unknown_migrations().await.map_err(StartError::Migration)? {
        unknown if unknown.is_empty() => db.pending_migrations().await.map_err(StartError::Migration),
        unknown => Err(StartError::Newer(unknown)),
    }
}

/// Every route, inside every layer. A later `layer` is further out.
fn router(app: &Arc<App>) -> (Router, SocketServer) {
    let rest =
        http::router(app).layer(from_fn(limit::describe)).layer(from_fn_with_state(Arc::clone(app), host::complete));
    let (socket_io, sockets) = realtime::router(app);
    let socket_io = socket_io.layer(from_fn_with_state(Arc::clone(app), limit::handshakes));
    let router = rest
        .merge(socket_io)
        .layer(from_fn_with_state(Arc::clone(app), reading::supervise))
        .layer(origin::cors(Arc::clone(app)))
        .layer(from_fn_with_state(Arc::clone(app), origin::check))
        .layer(from_fn_with_state(Arc::clone(app), host::find))
        .layer(from_fn_with_state(Arc::clone(app), address::find))
        .layer(from_fn(trace::request))
        // What a user wrote is never run as something else (OWASP Secure Headers).
        .layer(SetResponseHeaderLayer::overriding(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")))
        .with_state(Arc::clone(app));
    (without_last_slash(router), sockets)
}

/// Removes what is over from memory, and delivers entries whose notice was lost.
async fn run_upkeep(app: Arc<App>) {
    let (mut upkeep, mut sweep) = (interval(UPKEEP), interval(SWEEP));
    let mut compare = interval(Duration::from_millis(app.config.realtime.sweep_interval_ms));
    for interval in [&mut upkeep, &mut sweep, &mut compare] {
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    }
    loop {
        tokio::select! {
            _ = compare.tick() => if let Err(error) = app.feed.sweep().await {
                error.record();
            },
            _ = upkeep.tick() => telemetry::upkeep(),
            _ = sweep.tick() => app.limits.sweep(),
        }
    }
}

/// Reconciles what other nodes changed that is in no log. It is a task of its own, so that logs do not wait for it.
async fn keep_up_with_others(app: Arc<App>) {
    let mut ticks = interval(Duration::from_millis(app.config.realtime.sweep_interval_ms));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = app.reconciler().reconcile_viewed().await {
            error.record();
        }
    }
}

/// Compares the clock with its source.
async fn keep_time(app: Arc<App>, follows_database: bool) {
    let mut compare = interval(COMPARE_CLOCKS);
    compare.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = Instant::now();
    loop {
        compare.tick().await;
        let since_last = last.elapsed();
        if !follows_database {
            clock::compare_with_system(since_last);
        } else if let Err(error) = clock::compare(app.db.time(), since_last).await {
            error.record();
            continue;
        }
        last = Instant::now();
    }
}

/// Repeats reports to other nodes that expire.
async fn keep_counts(app: Arc<App>) {
    let (mut renew, mut changes) = (interval(RENEW), interval(CHANGES));
    for interval in [&mut renew, &mut changes] {
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    }
    let slots = &app.sockets.slots;
    loop {
        let counts = tokio::select! {
            _ = renew.tick() => slots.all(),
            _ = changes.tick() => slots.changed(),
        };
        app.limits.note_sockets(&counts).await;
    }
}

/// Finishes the erasure of accounts and the handover of their rooms.
async fn settle_accounts(app: Arc<App>) {
    let mut sweep = interval(SWEEP);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        sweep.tick().await;
        account::erasure::finish_all(&app.chat).await;
        chat::succession::hand_over_all(&app.chat).await;
    }
}
