//! Redis between the nodes: publish and subscribe, and nothing that would be missed if it were gone.
//!
//! Two connections: one publishes (and counts what users may do on all nodes together, see [`crate::limits`]), one is
//! subscribed. Each is probed once a second, so that a Redis that hangs is noticed like one that is dead, and
//! reconnected by itself. After every gap the node reconciles with the database, and requests the same from the others if its own
//! messages were lost.

mod subscriber;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use redis::{
    Client, Pipeline, RedisError,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use tokio::time::{MissedTickBehavior, interval, timeout};
use uuid::Uuid;

use super::{
    bus::{Notice, Outlet, Outward, Revoked},
    interest::Interest,
    wire,
};
use crate::{contract::UserId, tasks::Tasks};

/// How long Redis may take for anything before it counts as gone.
const TIMEOUT: Duration = Duration::from_secs(1);

/// How often each connection is asked whether it lives.
const BEAT: Duration = Duration::from_secs(1);

/// Notices published together.
const BATCH: usize = 256;

/// The way to the Redis of this node.
#[derive(Clone)]
pub struct Redis {
    client: Client,
    commands: ConnectionManager,
    /// Names this node to the others, for as long as it runs.
    node: Uuid,
    health: Arc<ConnectionHealth>,
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redis").field("node", &self.node).field("health", &self.health).finish_non_exhaustive()
    }
}

/// Asks a Redis whether it answers.
///
/// # Errors
/// Why it does not, without the password that its address may hold.
pub async fn ping(client: &Client) -> Result<(), String> {
    let asked = async {
        let mut connection = client.get_multiplexed_async_connection().await?;
        redis::cmd("PING").exec_async(&mut connection).await
    };
    match timeout(TIMEOUT * 5, asked).await {
        Ok(answer) => answer.map_err(|error: RedisError| error.to_string()),
        Err(_) => Err("no answer".to_owned()),
    }
}

impl Redis {
    /// Prepares the connections; none is made yet.
    ///
    /// # Errors
    /// When the client cannot use its address.
    pub fn new(client: Client, node: Uuid) -> Result<Self, RedisError> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(TIMEOUT))
            .set_response_timeout(Some(TIMEOUT))
            .set_number_of_retries(1)
            .set_max_delay(Duration::from_millis(500));
        let commands = ConnectionManager::new_lazy_with_config(client.clone(), config)?;
        Ok(Self { client, commands, node, health: Arc::default() })
    }

    /// Sends and receives messages until the bus is dropped.
    pub(crate) fn carry(&self, outlet: Outlet, interest: Arc<Interest>, tasks: &mut Tasks) {
        let Outlet { messages, lost, received } = outlet;
        tasks.add("redis_subscriber", subscriber::run(self.clone(), interest, received));
        tasks.add("redis_publisher", self.clone().publish(messages, lost));
    }

    /// Names this node to the others.
    #[must_use]
    pub fn node(&self) -> Uuid {
        self.node
    }

    /// The message to another node that a user has one socket too many: what its channel's name begins with, which ends with the node,
    /// and the message.
    #[must_use]
    pub(crate) fn eviction(&self, user_id: UserId) -> (&'static str, String) {
        (wire::NODE, wire::text(self.node, &Notice::Revoked { user_id, sockets: Revoked::MostSilent }))
    }

    /// For commands of other parts. They give up by themselves when Redis does not answer.
    #[must_use]
    pub fn commands(&self) -> ConnectionManager {
        self.commands.clone()
    }

    /// Whether it answered lately.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.health.is_up()
    }

    /// Publishes what waits, together. What cannot be sent is dropped: the others look at the database anyway.
    async fn publish(mut self, mut messages: tokio::sync::mpsc::Receiver<Outward>, lost: Arc<AtomicBool>) {
        let mut batch = Vec::with_capacity(BATCH);
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                count = messages.recv_many(&mut batch, BATCH) => if count == 0 {
                    return;
                },
                _ = beat.tick() => {}
            }
            let was_lost = lost.swap(false, Ordering::SeqCst);
            let missed = was_lost.then(|| wire::missed(self.node));
            let mut pipeline = Pipeline::new();
            for (channel, text) in batch.drain(..).flat_map(|message| wire::encode(self.node, &message)).chain(missed) {
                pipeline.publish(channel, text).ignore();
            }
            if pipeline.is_empty() {
                pipeline.ping().ignore();
            }
            let sent = match timeout(TIMEOUT * 2, pipeline.exec_async(&mut self.commands)).await {
                Ok(sent) => sent.map_err(|error| error.to_string()),
                Err(_) => Err("no answer".to_owned()),
            };
            let is_up = sent.is_ok();
            self.health.note(&self.health.publishes, sent.err());
            if !is_up {
                lost.store(true, Ordering::SeqCst);
            }
        }
    }
}

/// Whether each connection works.
#[derive(Debug, Default)]
struct ConnectionHealth {
    publishes: AtomicBool,
    subscribes: AtomicBool,
    /// Whether the log knows of an outage.
    is_reported: AtomicBool,
}

impl ConnectionHealth {
    /// Notes how one of the connections is; the beginning and the end of an outage are logged.
    fn note(&self, part: &AtomicBool, problem: Option<String>) {
        part.store(problem.is_none(), Ordering::SeqCst);
        metrics::gauge!("parlour_bus_up").set(f64::from(u8::from(self.is_up())));
        match problem {
            Some(problem) => {
                if !self.is_reported.swap(true, Ordering::SeqCst) {
                    tracing::warn!(
                        problem,
                        "Redis is down: changes by other nodes are read from the database, some seconds later"
                    );
                }
            }
            None => {
                if self.is_up() && self.is_reported.swap(false, Ordering::SeqCst) {
                    tracing::info!("Redis is back");
                }
            }
        }
    }

    fn is_up(&self) -> bool {
        self.publishes.load(Ordering::SeqCst) && self.subscribes.load(Ordering::SeqCst)
    }
}
