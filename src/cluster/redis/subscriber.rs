//! The subscribed connection.

use std::{collections::HashSet, sync::Arc, time::Duration};

use futures_util::StreamExt;
use redis::{
    Msg, RedisResult,
    aio::{PubSubSink, PubSubStream},
};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use uuid::Uuid;

use super::{BEAT, Redis, TIMEOUT};
use crate::cluster::{
    bus::{Notice, Received},
    interest::{Channel, Interest},
    wire,
};

/// Channels named in one command.
const CHANNELS: usize = 500;

/// How long to wait between two attempts to connect, at the most: nodes do not come back all at once.
const PAUSE_MS: std::ops::Range<u64> = 100..600;

/// Follows what this node is interested in until nobody takes what is received.
pub(super) async fn run(redis: Redis, interest: Arc<Interest>, received: mpsc::Sender<Received>) {
    while !received.is_closed() {
        let ended = match RedisSubscriber::open(&redis, &interest).await {
            Ok(subscriber) => {
                redis.health.note(&redis.health.subscribes, None);
                subscriber.follow(&interest, &received).await
            }
            Err(problem) => problem,
        };
        redis.health.note(&redis.health.subscribes, Some(ended));
        sleep(Duration::from_millis(rand::random_range(PAUSE_MS))).await;
    }
}

/// A connection that is subscribed.
struct RedisSubscriber {
    node: Uuid,
    sink: PubSubSink,
    messages: PubSubStream,
    /// The channels that it is subscribed to.
    channels: HashSet<Channel>,
}

impl RedisSubscriber {
    /// Connects, and subscribes to everything that is wanted.
    async fn open(redis: &Redis, interest: &Interest) -> Result<Self, String> {
        let (sink, messages) = in_time(redis.client.get_async_pubsub()).await?.split();
        let mut subscriber = Self { node: redis.node, sink, messages, channels: HashSet::new() };
        let own = format!("{}{}", wire::NODE, redis.node);
        in_time(subscriber.sink.subscribe(&[wire::NODES, wire::PRESENCE, &own])).await?;
        subscriber.begin(interest.all().into_iter().collect()).await?;
        Ok(subscriber)
    }

    async fn begin(&mut self, channels: Vec<Channel>) -> Result<(), String> {
        for some in channels.chunks(CHANNELS) {
            let channels: Vec<String> = some.iter().copied().map(wire::name).collect();
            in_time(self.sink.subscribe(&channels)).await?;
        }
        self.channels.extend(channels);
        Ok(())
    }

    async fn end(&mut self, channels: Vec<Channel>) -> Result<(), String> {
        for some in channels.chunks(CHANNELS) {
            let channels: Vec<String> = some.iter().copied().map(wire::name).collect();
            in_time(self.sink.unsubscribe(&channels)).await?;
        }
        for channel in &channels {
            self.channels.remove(channel);
        }
        Ok(())
    }

    /// Hands on what is received, for as long as the connection lives; answers why it no longer does.
    async fn follow(mut self, interest: &Interest, received: &mpsc::Sender<Received>) -> String {
        // Messages that were sent before the subscription.
        let _ = received.send(Received::Missed).await;
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let step = tokio::select! {
                message = self.messages.next() => match message {
                    Some(message) => {
                        self.receive(&message, received).await;
                        Ok(())
                    }
                    None => Err("the connection ended".to_owned()),
                },
                () = interest.changed() => self.resubscribe(interest, received).await,
                _ = beat.tick() => in_time(self.sink.ping::<redis::Value>()).await.map(drop),
                () = received.closed() => Err("this node stops".to_owned()),
            };
            if let Err(problem) = step {
                return problem;
            }
        }
    }

    async fn resubscribe(&mut self, interest: &Interest, received: &mpsc::Sender<Received>) -> Result<(), String> {
        let changes = interest.changes(&self.channels);
        self.end(changes.ended).await?;
        if !changes.begun.is_empty() {
            self.begin(changes.begun.clone()).await?;
            let _ = received.send(Received::MissedOn(changes.begun)).await;
        }
        Ok(())
    }

    async fn receive(&self, message: &Msg, received: &mpsc::Sender<Received>) {
        let Some(incoming) = wire::decode(self.node, message.get_channel_name(), message.get_payload_bytes()) else {
            return;
        };
        metrics::counter!("parlour_bus_received_total").increment(1);
        let may_be_missed = matches!(incoming, Received::Notice(Notice::Entries { .. } | Notice::Emit { .. }));
        if !may_be_missed {
            let _ = received.send(incoming).await;
        } else if received.try_send(incoming).is_err() {
            // Delivery is behind. It reads what it misses from the database, as soon as it comes to this.
            let _ = received.send(Received::Missed).await;
        }
    }
}

async fn in_time<T>(step: impl Future<Output = RedisResult<T>>) -> Result<T, String> {
    match timeout(TIMEOUT, step).await {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(_) => Err("no answer".to_owned()),
    }
}
