//! What comes in over a socket: events in order, and acks for those who wait.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Instant,
};

use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    SOON,
    socket::{Outbox, Outgoing, Refusal},
    text, within,
};

/// Something the server said.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) data: Value,
    pub(crate) at: Instant,
}

/// What a transport brings in, shared by its reader and the socket.
pub(crate) struct Incoming {
    events: mpsc::UnboundedSender<Event>,
    acks: Mutex<Acks>,
    answer: Mutex<Option<oneshot::Sender<Result<Value, Refusal>>>>,
    ended: watch::Sender<bool>,
}

#[derive(Default)]
struct Acks {
    waiting: HashMap<u64, oneshot::Sender<Value>>,
    ended: bool,
}

/// The socket's side of what comes in.
pub(crate) struct Reception {
    pub(crate) events: mpsc::UnboundedReceiver<Event>,
    /// The answer to CONNECT.
    pub(crate) answer: oneshot::Receiver<Result<Value, Refusal>>,
    pub(crate) ended: watch::Receiver<bool>,
}

impl Incoming {
    pub(crate) fn new() -> (Arc<Self>, Reception) {
        let (events_in, events) = mpsc::unbounded_channel();
        let (answer_in, answer) = oneshot::channel();
        let (ended_in, ended) = watch::channel(false);
        let acks = Mutex::default();
        let incoming = Self { events: events_in, acks, answer: Mutex::new(Some(answer_in)), ended: ended_in };
        (Arc::new(incoming), Reception { events, answer, ended })
    }

    /// Waits for ack number `id`, from here on.
    pub(crate) fn await_ack(&self, id: u64, what: &str) -> Ack {
        let (waiting, answer) = oneshot::channel();
        let mut acks = self.acks.lock().expect("never held across a panic");
        if !acks.ended {
            acks.waiting.insert(id, waiting);
        }
        Ack { what: format!("the ack of {what}"), answer }
    }

    /// Takes an Engine.IO packet; a ping is answered through `outbox`. False when it ends the socket.
    pub(crate) fn packet(&self, packet: &str, outbox: &Outbox) -> bool {
        match packet.split_at_checked(1) {
            Some(("2", probe)) => drop(outbox.send(Outgoing::Packet(format!("3{probe}")))),
            Some(("4", message)) => return self.message(message),
            Some(("1", _)) => return false,
            _ => {}
        }
        true
    }

    fn message(&self, message: &str) -> bool {
        let (kind, rest) = message.split_at_checked(1).unwrap_or_default();
        match kind {
            "0" => self.answer(Ok(parse(rest))),
            "1" => return false,
            "2" => {
                let args = parse(rest.trim_start_matches(|c: char| c.is_ascii_digit()));
                let event = Event {
                    name: args[0].as_str().unwrap_or("?").to_owned(),
                    data: args[1].clone(),
                    at: Instant::now(),
                };
                let _ = self.events.send(event);
            }
            "3" => {
                let digits = rest.find('[').expect("an ack has arguments");
                let id = rest[..digits].parse().expect("an ack has a number");
                let waiting = self.acks.lock().expect("never held across a panic").waiting.remove(&id);
                let waiting = waiting.unwrap_or_else(|| panic!("ack {id} answers nothing, or twice: {rest}"));
                let _ = waiting.send(parse(&rest[digits..])[0].clone());
            }
            "4" => {
                self.answer(Err(Refusal(parse(rest)["message"].as_str().unwrap_or("no message").to_owned())));
                return false;
            }
            other => panic!("the server sent a packet of type {other}: {message}"),
        }
        true
    }

    fn answer(&self, answer: Result<Value, Refusal>) {
        if let Some(waiting) = self.answer.lock().expect("never held across a panic").take() {
            let _ = waiting.send(answer);
        }
    }

    /// The connection is over: whatever still waits for an answer gets none.
    pub(crate) fn end(&self, why: &str) {
        self.answer(Err(Refusal(why.to_owned())));
        let mut acks = self.acks.lock().expect("never held across a panic");
        acks.ended = true;
        acks.waiting.clear();
        self.ended.send_replace(true);
    }
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| panic!("the server sent `{text}` where JSON belongs"))
}

/// An answer that is still to come.
#[must_use]
pub(crate) struct Ack {
    what: String,
    answer: oneshot::Receiver<Value>,
}

impl Ack {
    /// The whole answer, or nothing when the connection ended first. An answer that takes too long is a failure.
    pub(crate) async fn outcome(self) -> Option<Value> {
        within(SOON, &self.what, self.answer).await.ok()
    }

    pub(crate) async fn answer(self) -> Value {
        let what = self.what.clone();
        self.outcome().await.unwrap_or_else(|| panic!("{what}: the connection ended before the ack"))
    }

    /// The data of a success.
    pub(crate) async fn ok(self) -> Value {
        let what = self.what.clone();
        let answer = self.answer().await;
        assert_eq!(answer["ok"], true, "{what}: {answer}");
        answer["data"].clone()
    }

    /// The error of a refusal with this code.
    pub(crate) async fn refused(self, code: &str) -> Value {
        let what = self.what.clone();
        let answer = self.answer().await;
        assert_eq!(answer["ok"], false, "{what}: {answer}");
        assert_eq!(answer["error"]["code"], code, "{what}: {answer}");
        assert!(!text(&answer["error"], "message").is_empty(), "{what}: {answer}");
        answer["error"].clone()
    }
}

/// The code of an ack, or `OK`.
pub(crate) fn outcome_of(answer: &Value) -> String {
    if answer["ok"] == true { "OK".to_owned() } else { text(&answer["error"], "code") }
}
