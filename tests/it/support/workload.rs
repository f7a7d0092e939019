//! Traffic. Whether it was handled right is for [`checker`](super::checker) to say.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{Person, Room, Socket, Transport, checker::Sent, rest::Site};

/// How long a writer waits that was refused.
const PAUSE: Duration = Duration::from_millis(20);

/// The body of the message that `client_msg_id` stands for: always the same, so that it can be sent again.
pub(crate) fn message(room: &Room, client_msg_id: &str) -> Value {
    json!({"room_id": room.id, "message_type": "text", "content": format!("text of {client_msg_id}"), "client_msg_id": client_msg_id})
}

/// Somebody who sends numbered messages and remembers what became of each.
pub(crate) struct Writer {
    name: String,
    next: u64,
    /// How many sends may wait for their ack.
    window: usize,
    /// How long it waits after each ack.
    pace: Duration,
    pub(crate) sent: Sent,
    /// The longest that an ack took.
    pub(crate) slowest: Duration,
}

impl Writer {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            next: 0,
            window: 64,
            pace: Duration::ZERO,
            sent: Sent::default(),
            slowest: Duration::ZERO,
        }
    }

    /// Somebody who leaves the machine to others: some hundred messages a second at the most.
    pub(crate) fn gentle(name: &str) -> Self {
        Self { window: 2, pace: Duration::from_millis(10), ..Self::new(name) }
    }

    /// Repeats what is in doubt, then sends until `done` says so or the connection ends, and takes all acks.
    pub(crate) async fn send_until(&mut self, socket: &Socket, room: &Room, mut done: impl FnMut(u64) -> bool) {
        let mut doubtful: VecDeque<String> = self.sent.unknown.iter().cloned().collect();
        let mut waiting = VecDeque::new();
        loop {
            while waiting.len() < self.window && socket.is_open() {
                let key = match doubtful.pop_front() {
                    Some(key) => key,
                    None if done(self.next) => break,
                    None => {
                        self.next += 1;
                        format!("{}-{}", self.name, self.next)
                    }
                };
                let ack = socket.emit_with_ack("send_message", message(room, &key));
                waiting.push_back((key, ack, Instant::now()));
            }
            let Some((key, ack, begin)) = waiting.pop_front() else { return };
            let outcome = ack.outcome().await;
            self.slowest = self.slowest.max(begin.elapsed());
            self.sent.note(&key, outcome.as_ref());
            // Whoever is refused does not try as fast as they can.
            let is_refused = outcome.is_some_and(|answer| answer["ok"] != true);
            tokio::time::sleep(if is_refused { self.pace.max(PAUSE) } else { self.pace }).await;
        }
    }

    /// Sends `count` messages more.
    pub(crate) async fn send(&mut self, socket: &Socket, room: &Room, count: u64) {
        let end = self.next + count;
        self.send_until(socket, room, |sent| sent >= end).await;
    }

    /// Sends until `done` says so, wherever there is a node to send to: when a connection ends, by the next one in turn.
    pub(crate) async fn roam(&mut self, person: &Person, nodes: &[Site], room: &Room, done: impl Fn() -> bool) {
        for site in nodes.iter().cycle() {
            if done() && self.sent.unknown.is_empty() {
                return;
            }
            let person = Person { site: site.clone(), ..person.clone() };
            match person.tries_to_connect_by(Transport::WebSocket, json!({})).await {
                Ok(socket) => self.send_until(&socket, room, |_| done()).await,
                Err(refusal) => {
                    assert!(!refusal.is_final(), "a writer was sent away for good: {refusal:?}");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Sends until the connection ends.
    pub(crate) async fn send_until_cut(&mut self, socket: &Socket, room: &Room) {
        self.send_until(socket, room, |_| false).await;
    }
}

/// The sender and the number in the `client_msg_id` of a [`Writer`]'s message.
pub(crate) fn number_of(message: &Value) -> (String, u64) {
    let key = message["client_msg_id"].as_str().expect("a writer's messages have one");
    let (name, number) = key.rsplit_once('-').expect("a name and a number");
    (name.to_owned(), number.parse().expect("a number"))
}
