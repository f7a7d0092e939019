//! A Socket.IO client: protocol 5 over Engine.IO 4, on either transport.
//!
//! Emits are written in the order they are made; their acks may be awaited later. Events wait here, in order, until the
//! test asks for them.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

use super::{
    SOON, checker,
    incoming::{Ack, Event, Incoming, Reception},
    int, polling,
    rest::Site,
    websocket::{self, WebSocket, text_frame},
    within,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    WebSocket,
    Polling,
}

/// Why a socket was not let in: the code of `connect_error`, or what happened instead of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal(pub(crate) String);

impl Refusal {
    /// Whether it is the code of an answer to CONNECT: no client tries again by itself after one.
    pub(crate) fn is_final(&self) -> bool {
        self.0.chars().all(|c| c.is_ascii_uppercase() || c == '_')
    }
}

/// What a transport carries out.
pub(crate) enum Outgoing {
    /// An Engine.IO packet.
    Packet(String),
    /// The first half of this packet's frame, and then the end of the connection.
    Cut(String, Cut),
    /// Reads nothing from here on, and leaves the connection open.
    StopReading,
}

/// How a connection ends that nobody closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// A process died: the system says goodbye for it, after all that was written.
    Goodbye,
    /// A reset: what is on its way may be lost.
    Reset,
}

pub(crate) type Outbox = mpsc::UnboundedSender<Outgoing>;

/// A connected socket. Dropping it ends the connection without a word.
pub(crate) struct Socket {
    outbox: Outbox,
    events: mpsc::UnboundedReceiver<Event>,
    kept: VecDeque<Event>,
    incoming: Arc<Incoming>,
    ended: watch::Receiver<bool>,
    next_ack: AtomicU64,
    tasks: Vec<JoinHandle<()>>,
    /// The data of `connected`.
    pub(crate) welcome: Value,
}

impl Drop for Socket {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Socket {
    /// Connects, and takes the `connected` event, which must be the first.
    pub(crate) async fn open(site: &Site, transport: Transport, auth: &Value) -> Result<Self, Refusal> {
        let mut socket = Self::begin(site, transport, auth).await?;
        let Some(first) = within(SOON, "the first event", socket.stream()).await else {
            return Err(Refusal("the connection ended".to_owned()));
        };
        assert_eq!(first.name, "connected", "the first event: {first:?}");
        socket.welcome = first.data;
        Ok(socket)
    }

    /// Connects, up to the server's CONNECT packet: the moment a client's `connect` handler runs.
    pub(crate) async fn begin(site: &Site, transport: Transport, auth: &Value) -> Result<Self, Refusal> {
        let (incoming, Reception { events, answer, ended }) = Incoming::new();
        let (outbox, outgoing) = mpsc::unbounded_channel();
        let tasks = match transport {
            Transport::WebSocket => {
                let socket = WebSocket::open(site.addr(), websocket::PATH, &[]).await;
                let socket = socket.map_err(|answer| Refusal(format!("HTTP {}", answer.status)))?;
                carry(socket, incoming.clone(), outbox.clone(), outgoing)
            }
            Transport::Polling => polling::carry(site, incoming.clone(), outbox.clone(), outgoing).await?,
        };
        let socket = Self {
            outbox,
            events,
            kept: VecDeque::new(),
            incoming,
            ended,
            next_ack: AtomicU64::new(0),
            tasks,
            welcome: Value::Null,
        };
        socket.packet(format!("40{auth}"));
        match within(SOON, "an answer to CONNECT", answer).await {
            Ok(Ok(_)) => Ok(socket),
            Ok(Err(refusal)) => Err(refusal),
            Err(_) => Err(Refusal("the connection ended".to_owned())),
        }
    }

    /// Sends an Engine.IO packet as it stands.
    pub(crate) fn packet(&self, packet: String) {
        let _ = self.outbox.send(Outgoing::Packet(packet));
    }

    /// Emits without asking for an ack.
    pub(crate) fn emit(&self, name: &str, data: Value) {
        self.packet(format!("42{}", json!([name, data])));
    }

    /// Emits now; the answer may be awaited whenever it suits.
    pub(crate) fn emit_with_ack(&self, name: &str, data: Value) -> Ack {
        self.packet_with_ack(name, |id| format!("42{id}{}", json!([name, data])))
    }

    /// Sends a packet that asks for an ack under the number that `packet` is given.
    pub(crate) fn packet_with_ack(&self, what: &str, packet: impl FnOnce(u64) -> String) -> Ack {
        let id = self.next_ack.fetch_add(1, Ordering::Relaxed);
        let ack = self.incoming.await_ack(id, what);
        self.packet(packet(id));
        ack
    }

    /// Emits, and gives the data of the ack, which must be a success.
    pub(crate) async fn ask(&self, name: &str, data: Value) -> Value {
        self.emit_with_ack(name, data).ok().await
    }

    /// Emits, and expects a refusal with this code.
    pub(crate) async fn ask_in_vain(&self, name: &str, data: Value, code: &str) -> Value {
        self.emit_with_ack(name, data).refused(code).await
    }

    /// The next event of any kind.
    pub(crate) async fn next(&mut self) -> Event {
        match self.kept.pop_front() {
            Some(event) => event,
            None => self.arrival("any event").await,
        }
    }

    /// The data of the next event with this name; others stay for later.
    pub(crate) async fn expect(&mut self, name: &str) -> Value {
        self.expect_that(name, |_| true).await
    }

    /// The data of the next event with this name that fits; others stay for later.
    pub(crate) async fn expect_that(&mut self, name: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let wanted = |event: &Event| event.name == name && fits(&event.data);
        if let Some(at) = self.kept.iter().position(wanted) {
            return self.kept.remove(at).expect("it was just found").data;
        }
        within(SOON, name, async {
            loop {
                let event = self.arrival(name).await;
                if wanted(&event) {
                    return event.data;
                }
                self.kept.push_back(event);
            }
        })
        .await
    }

    /// The data of the next event with this name, which may take longer than others; those before it are passed over.
    pub(crate) async fn expect_within(&mut self, limit: Duration, name: &str) -> Value {
        within(limit, name, async {
            loop {
                let event = self.stream().await.unwrap_or_else(|| panic!("{name}: the connection ended"));
                if event.name == name {
                    return event.data;
                }
            }
        })
        .await
    }

    async fn arrival(&mut self, what: &str) -> Event {
        let mut ended = self.ended.clone();
        within(SOON, what, async {
            tokio::select! {
                biased;
                event = self.events.recv() => event.unwrap_or_else(|| panic!("no {what} any more")),
                () = turns_true(&mut ended) => panic!("{what}: the connection ended; heard {:?}", self.kept),
            }
        })
        .await
    }

    /// Everything heard so far and not asked for yet, after an answered `ping`: what was on its way before it has come.
    pub(crate) async fn heard(&mut self) -> Vec<Event> {
        self.emit_with_ack("ping", json!({})).outcome().await;
        self.leftovers()
    }

    /// Everything that has arrived and was not asked for yet.
    pub(crate) fn leftovers(&mut self) -> Vec<Event> {
        while let Ok(event) = self.events.try_recv() {
            self.kept.push_back(event);
        }
        std::mem::take(&mut self.kept).into()
    }

    /// The next event as it arrives, or nothing once the connection has ended and all of it was taken. No deadline:
    /// for readers that run beside the test.
    pub(crate) async fn stream(&mut self) -> Option<Event> {
        if let Some(event) = self.kept.pop_front() {
            return Some(event);
        }
        let mut ended = self.ended.clone();
        tokio::select! {
            biased;
            event = self.events.recv() => event,
            () = turns_true(&mut ended) => self.events.try_recv().ok(),
        }
    }

    /// The entries of a room's log as they arrive, up to the place `last`, or to the end of the connection. No deadline either.
    pub(crate) async fn entries_until(&mut self, room_id: &str, last: i64) -> Vec<Event> {
        let mut entries = Vec::new();
        while let Some(event) = self.stream().await {
            if checker::is_entry(&event, room_id) {
                let seq = int(&event.data, "seq");
                entries.push(event);
                if seq >= last {
                    break;
                }
            }
        }
        entries
    }

    pub(crate) fn is_open(&self) -> bool {
        !*self.ended.borrow()
    }

    /// Waits for the end of the connection.
    pub(crate) async fn closed_within(&self, limit: Duration) {
        let mut ended = self.ended.clone();
        within(limit, "the end of the connection", turns_true(&mut ended)).await;
    }

    /// Leaves politely.
    pub(crate) async fn leave(self) {
        self.packet("41".to_owned());
        self.packet("1".to_owned());
        self.closed_within(SOON).await;
    }

    /// Sends half of an emit, and cuts the connection there.
    pub(crate) async fn cut(&self, how: Cut, name: &str, data: &Value) {
        let _ = self.outbox.send(Outgoing::Cut(format!("42{}", json!([name, data])), how));
        self.closed_within(SOON).await;
    }

    /// Takes nothing more from the network, and stays connected.
    pub(crate) fn stop_reading(&self) {
        let _ = self.outbox.send(Outgoing::StopReading);
    }
}

async fn turns_true(flag: &mut watch::Receiver<bool>) {
    // an error means that the other side is gone, and so is the connection
    let _ = flag.wait_for(|flag| *flag).await;
}

/// As [`turns_true`], but a flag that nobody can set any more is no reason to act.
async fn is_set(flag: &mut watch::Receiver<bool>) {
    if flag.wait_for(|flag| *flag).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Runs a WebSocket: one task reads, one writes, so that neither waits for the other.
fn carry(
    socket: WebSocket,
    incoming: Arc<Incoming>,
    outbox: Outbox,
    mut outgoing: mpsc::UnboundedReceiver<Outgoing>,
) -> Vec<JoinHandle<()>> {
    let WebSocket { mut reader, mut writer } = socket;
    let (deaf_in, mut deaf) = watch::channel(false);
    let ended = incoming.clone();
    let read = tokio::spawn(async move {
        loop {
            tokio::select! {
                () = is_set(&mut deaf) => std::future::pending().await,
                packet = reader.next() => match packet {
                    Some(packet) if incoming.packet(&packet, &outbox) => {}
                    _ => break,
                },
            }
        }
        incoming.end("the connection ended");
    });
    let reading = read.abort_handle();
    let write = tokio::spawn(async move {
        while let Some(next) = outgoing.recv().await {
            match next {
                Outgoing::Packet(packet) => {
                    if !writer.text(&packet).await {
                        break;
                    }
                }
                Outgoing::Cut(packet, how) => {
                    let frame = text_frame(&packet);
                    writer.bytes(&frame[..frame.len() / 2]).await;
                    if how == Cut::Reset {
                        writer.end_abruptly();
                    }
                    reading.abort();
                    ended.end("cut");
                    break;
                }
                Outgoing::StopReading => drop(deaf_in.send_replace(true)),
            }
        }
    });
    vec![read, write]
}
