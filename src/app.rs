//! The parts of a server that every request can use.

mod start_error;

use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    auth::Auth,
    chat::Chat,
    clock,
    cluster::{
        bus::{Bus, Inlet},
        interest::Interest,
        redis::Redis,
    },
    config::{Config, unusable},
    contract::Timestamp,
    db::Db,
    fanout::{
        delivery::{Delivery, Pending},
        feed::Feed,
        presence::Presences,
        reconcile::Reconciler,
        reconciliation::Reconciliation,
        sockets::Sockets,
        throttle::Pace,
        typing::Typing,
    },
    limits::Limits,
    log::{self, Log, Wakers},
    mail::Mail,
    media::{Files, base_url::BaseUrl, signed_url::UrlSigner, store::Store},
    search::Indexing,
    tasks::Tasks,
};

pub use start_error::StartError;

/// The parts of a running server. Handlers of both transports hold one behind an `Arc`.
#[derive(Debug)]
pub struct App {
    pub config: Arc<Config>,
    pub db: Db,
    pub bus: Bus,
    /// The Redis between the nodes, where there is one.
    pub redis: Option<Redis>,
    pub auth: Auth,
    pub chat: Chat,
    pub sockets: Arc<Sockets>,
    pub feed: Feed,
    pub presences: Arc<Presences>,
    pub typing: Arc<Typing>,
    pub limits: Limits,
    pub reconciliation: Arc<Reconciliation>,
    pub pending: Arc<Pending>,
    /// Cancelled when the server begins to stop: it accepts no new connections, and asks open ones to reconnect elsewhere.
    pub draining: CancellationToken,
    pub started_at: Timestamp,
    /// Where the server listens, once it does.
    pub listening: OnceLock<BaseUrl>,
}

impl App {
    /// Builds the parts. Commits become notices, which [`App::delivery`] or a test receives once the tasks run.
    ///
    /// # Errors
    /// When a part cannot be built: without a secret key, with an invalid address of Redis or the mail server, or when the folders of the
    /// media cannot be created.
    pub fn new(config: Config, db: Db) -> Result<(Arc<Self>, Inlet, Tasks), StartError> {
        let mut tasks = Tasks::default();
        let node = Uuid::now_v7();
        let (bus, inlet, redis, interest) = connect(&config, node, &mut tasks)?;
        let signer = UrlSigner::new(&config);
        let auth = Auth::new(&config, db.clone(), bus.clone(), signer.clone())
            .map_err(|error| StartError::Accounts(error.into_cause()))?;
        let mail = Mail::new(&config.mail).map_err(StartError::Mail)?;
        let store = Store::new(&config).map_err(|error| StartError::MediaStore(error.into_cause()))?;
        let files = Files::new(&config, store, signer)
            .map_err(|error| StartError::Spool(Files::spool_of(&config), unusable(&error)))?;
        let log = logs(&db, &bus, &mut tasks);
        let chat = Chat::new(&config, (db.clone(), bus.clone(), log), mail, files, &mut tasks);
        let sockets = Arc::new(Sockets::new(interest));
        let feed = Feed::new(chat.clone(), Arc::clone(&sockets), Pace::of_presence(&config.limits));
        let app = Self {
            presences: Presences::new(
                (db.clone(), chat.clone(), bus.clone()),
                (Arc::clone(&sockets), feed.clone()),
                config.realtime.presence_grace(),
                node,
                &mut tasks,
            ),
            typing: Typing::new(
                Arc::clone(&sockets),
                bus.clone(),
                config.realtime.typing_expiry(),
                config.limits.typing_interval(),
                &mut tasks,
            ),
            limits: Limits::new(&config, redis.clone()),
            reconciliation: Arc::new(Reconciliation::new(db.may_be_shared())),
            pending: Arc::default(),
            draining: CancellationToken::new(),
            started_at: clock::now(),
            listening: OnceLock::new(),
            config: Arc::new(config),
            db,
            bus,
            redis,
            auth,
            chat,
            feed,
            sockets,
        };
        Ok((Arc::new(app), inlet, tasks))
    }

    /// The base URL of this server for clients that do not say which one they use.
    #[must_use]
    pub fn base_url(&self) -> BaseUrl {
        self.listening.get().cloned().unwrap_or_else(|| BaseUrl::new("http", "localhost"))
    }

    /// The delivery of this node's notices to its sockets.
    #[must_use]
    pub fn delivery(&self) -> Delivery {
        Delivery {
            chat: self.chat.clone(),
            feed: self.feed.clone(),
            sockets: Arc::clone(&self.sockets),
            typing: Arc::clone(&self.typing),
            reconciliation: Arc::clone(&self.reconciliation),
            pending: Arc::clone(&self.pending),
            rooms_per_socket: self.config.realtime.rooms_per_socket,
            presence_pace: Pace::of_presence(&self.config.limits),
        }
    }

    /// Reconciles its sockets with the database.
    #[must_use]
    pub fn reconciler(&self) -> Reconciler {
        let interval = self.config.realtime.recheck_interval();
        Reconciler { delivery: self.delivery(), auth: self.auth.clone(), interval }
    }
}

/// The bus, and the Redis client, if there are other nodes.
fn connect(
    config: &Config,
    node: Uuid,
    tasks: &mut Tasks,
) -> Result<(Bus, Inlet, Option<Redis>, Arc<Interest>), StartError> {
    let Some(client) = config.bus.redis().map_err(|demand| StartError::Redis(demand.to_owned()))? else {
        let (bus, inlet) = Bus::alone();
        return Ok((bus, inlet, None, Arc::default()));
    };
    let redis = Redis::new(client, node).map_err(|error| StartError::Redis(error.to_string()))?;
    let (bus, inlet, outlet) = Bus::among_others();
    let interest = Interest::followed();
    redis.carry(outlet, Arc::clone(&interest), tasks);
    Ok((bus, inlet, Some(redis), interest))
}

/// The logs of rooms, and their followers.
fn logs(db: &Db, bus: &Bus, tasks: &mut Tasks) -> Log {
    let mut wakers = Wakers::default();
    let indexing = Indexing::new(&mut wakers);
    #[cfg(debug_assertions)]
    let journals = log::journal::wanted(&mut wakers);
    let log = Log::new(bus.clone(), wakers);
    indexing.start(db, &log, tasks);
    #[cfg(debug_assertions)]
    journals.start(db, &log, tasks);
    log
}

#[cfg(test)]
impl App {
    /// The parts of a server with a database of its own, without limits. The folder goes with the value that is answered for it.
    pub(crate) async fn for_test(settings: impl FnOnce(&mut Config)) -> (Arc<Self>, Inlet, Tasks, tempfile::TempDir) {
        let folder = tempfile::TempDir::new().unwrap();
        let mut config = Config::load(None).unwrap();
        config.server.data_dir = folder.path().to_owned();
        config.auth.secret_key = "0123456789abcdef0123456789abcdef".to_owned().into();
        config.limits.enabled = false;
        settings(&mut config);
        let db = Db::open(&config).await.unwrap();
        db.migrate_up().await.unwrap();
        let (app, inlet, tasks) = Self::new(config, db).unwrap();
        (app, inlet, tasks, folder)
    }
}
