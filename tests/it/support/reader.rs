//! Somebody who follows a room through whatever happens to the nodes: with a cursor, by the next node whenever a connection
//! ends.

use std::{cell::Cell, time::Duration};

use serde_json::json;
use tokio::time::{sleep, timeout};

use super::{Person, Room, Socket, Transport, checker, clock::age, int, rest::Site};

/// How long to wait before the next attempt, and between two looks at whether it is over.
const PAUSE: Duration = Duration::from_millis(20);
const LOOK: Duration = Duration::from_millis(200);

/// What a reader heard.
pub(crate) struct Reader {
    /// The place in the log that it began after.
    start: i64,
    pub(crate) seqs: Vec<i64>,
    /// How often it connected.
    pub(crate) connections: usize,
    /// What it was told about coming back, each time that a node stopped.
    pub(crate) farewells: Vec<i64>,
    /// The longest that a message was on its way, from when it was stored.
    pub(crate) slowest: Duration,
}

impl Reader {
    pub(crate) fn new(start: i64) -> Self {
        Self { start, seqs: Vec::new(), connections: 0, farewells: Vec::new(), slowest: Duration::ZERO }
    }

    fn cursor(&self) -> i64 {
        self.seqs.last().copied().unwrap_or(self.start)
    }

    /// Follows the room until `last` is known and heard.
    pub(crate) async fn follow(&mut self, person: &Person, nodes: &[Site], room: &Room, last: &Cell<Option<i64>>) {
        for site in nodes.iter().cycle() {
            let person = Person { site: site.clone(), ..person.clone() };
            let cursors = json!({"cursors": {&room.id: self.cursor()}});
            match person.tries_to_connect_by(Transport::WebSocket, cursors).await {
                Ok(socket) => {
                    self.connections += 1;
                    self.hear(socket, room, last).await;
                }
                Err(refusal) => {
                    assert!(!refusal.is_final(), "a reader was sent away for good: {refusal:?}");
                    sleep(PAUSE).await;
                }
            }
            if last.get().is_some_and(|last| self.cursor() >= last) {
                return;
            }
        }
    }

    /// Hears until the connection ends, or all was heard.
    async fn hear(&mut self, mut socket: Socket, room: &Room, last: &Cell<Option<i64>>) {
        while last.get().is_none_or(|last| self.cursor() < last) {
            match timeout(LOOK, socket.stream()).await {
                Ok(Some(event)) if checker::is_entry(&event, &room.id) => {
                    self.seqs.push(int(&event.data, "seq"));
                    if event.name == "new_message" {
                        self.slowest = self.slowest.max(age(&event.data["message"]["created_at"]));
                    }
                }
                Ok(Some(event)) if event.name == "server_draining" => {
                    self.farewells.push(int(&event.data, "retry_after_ms"));
                }
                Ok(Some(event)) => assert_ne!(event.name, "resync_required", "not that much was missed: {event:?}"),
                Ok(None) => return,
                Err(_) => {}
            }
        }
    }
}
