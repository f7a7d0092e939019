//! Raw packets, so that one that does not parse is answered too.

use std::{convert::Infallible, sync::Arc};

use serde::Serialize;
use serde_json::value::RawValue;
use socketioxide::{
    SendError, SocketError,
    adapter::{Adapter, LocalAdapter},
    extract::{AckSender, SocketRef},
    handler::{FromConnectParts, FromMessageParts},
    socket::Socket,
};
use socketioxide_core::{Str, Value};

use super::{binary_attachments::BinaryAttachments, engine::text};
use crate::{
    contract::{
        AckError,
        command::Handshake,
        decode,
        event::{Encoded, SocketEvent},
    },
    error::{Error, Result},
};

/// The `auth` object of a CONNECT packet, not looked into yet.
pub(super) struct AuthObject(Option<String>);

impl AuthObject {
    /// Its `token`, even if other fields are invalid: without a valid token, only that is answered.
    pub(super) fn token(&self) -> Option<String> {
        let auth: serde_json::Value = serde_json::from_str(self.0.as_deref()?).ok()?;
        Some(auth.get("token")?.as_str()?.to_owned())
    }

    /// What it asks for.
    ///
    /// # Errors
    /// `VALIDATION_ERROR`.
    pub(super) fn handshake(&self) -> Result<Handshake> {
        self.0.as_deref().map_or_else(|| Ok(Handshake::default()), |text| Ok(decode::json(text.as_bytes(), "auth")?))
    }
}

impl<A: Adapter> FromConnectParts<A> for AuthObject {
    type Error = Infallible;

    fn from_connect_parts(_: &Arc<Socket<A>>, auth: &Option<Value>) -> Result<Self, Self::Error> {
        Ok(Self(auth.as_ref().and_then(Value::as_str).map(|text| text.as_str().to_owned())))
    }
}

/// An event as it came.
pub(super) struct Packet {
    /// `["name", argument, …]`, not looked into yet.
    text: Option<Str>,
    /// What follows it in binary.
    attachments: BinaryAttachments,
    /// Whether the client waits for an answer.
    wants_ack: bool,
}

impl<A: Adapter> FromMessageParts<A> for Packet {
    type Error = Infallible;

    fn from_message_parts(_: &Arc<Socket<A>>, value: &mut Value, ack_id: &Option<i64>) -> Result<Self, Self::Error> {
        let Value::Str(text, binaries) = value else {
            return Ok(Self { text: None, attachments: BinaryAttachments::default(), wants_ack: ack_id.is_some() });
        };
        let attachments = BinaryAttachments::new(binaries.take());
        Ok(match text::carried(text.as_str()) {
            Some((far, list)) => {
                let wants_ack = ack_id.is_some() || !far.is_empty();
                Self { text: Some(text.slice(list)), attachments, wants_ack }
            }
            None => Self { text: Some(text.clone()), attachments, wants_ack: ack_id.is_some() },
        })
    }
}

/// Where the ack of an event goes.
pub(super) enum Ack {
    Near(AckSender),
    /// Its number is greater than the library takes: the answer is an event that becomes the ack on its way out.
    Far(SocketRef, String),
}

impl FromMessageParts<LocalAdapter> for Ack {
    type Error = Infallible;

    fn from_message_parts(
        socket: &Arc<Socket<LocalAdapter>>,
        value: &mut Value,
        ack_id: &Option<i64>,
    ) -> Result<Self, Self::Error> {
        let far = value.as_str().and_then(|text| text::carried(text.as_str())).map(|(far, _)| far.to_owned());
        match far.filter(|far| !far.is_empty()) {
            Some(far) => Ok(Self::Far(SocketRef::from(Arc::clone(socket)), far)),
            None => AckSender::from_message_parts(socket, value, ack_id).map(Self::Near),
        }
    }
}

impl Ack {
    fn send(self, answer: &impl Serialize) -> Result<(), SendError> {
        match self {
            Self::Near(ack) => ack.send(answer),
            Self::Far(socket, number) => socket.emit(text::ENVELOPE.as_str(), &(number, answer)),
        }
    }
}

impl Packet {
    /// How much memory it holds.
    pub(super) fn bytes(&self) -> usize {
        self.text.as_ref().map_or(0, |text| text.len()) + self.attachments.bytes()
    }

    /// What came with it in binary.
    pub(super) fn attachments(&self) -> &BinaryAttachments {
        &self.attachments
    }

    /// Whether the client waits for an answer.
    pub(super) fn wants_ack(&self) -> bool {
        self.wants_ack
    }

    /// The event's name, and its arguments.
    pub(super) fn read(&self) -> Result<(String, Vec<&RawValue>)> {
        let text = self.text.as_ref().map_or("", |text| text.as_str());
        let parts: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| malformed())?;
        let (name, arguments) = parts.split_first().ok_or_else(malformed)?;
        let name = serde_json::from_str(name.get()).map_err(|_| malformed())?;
        Ok((name, arguments.to_vec()))
    }
}

fn malformed() -> Error {
    Error::field("event", "malformed", "an event must be a name and a payload")
}

/// The answer of an event.
#[derive(Serialize)]
#[serde(untagged)]
enum Answer<'a, T> {
    Done { ok: bool, data: &'a T },
    Refused { ok: bool, error: AckError },
}

/// Where the answer of one event goes.
pub(super) struct Reply {
    pub(super) ack: Ack,
    pub(super) wants_ack: bool,
    pub(super) socket: Arc<crate::fanout::sockets::Socket>,
}

impl Reply {
    /// Sends the outcome of the event: as its ack, or, for a refusal without an ack, as the event `error`.
    pub(super) fn send<T: Serialize>(self, event: &str, result: Result<T>) {
        let error = match result {
            Ok(data) => return self.ack(&Answer::Done { ok: true, data: &data }),
            Err(error) => error,
        };
        error.record();
        if self.wants_ack {
            let refused: Answer<'_, ()> = Answer::Refused { ok: false, error: AckError::from(&error) };
            self.ack(&refused);
        } else {
            let event = event.chars().take(64).collect();
            self.socket.send_reliably(&SocketEvent::Error { event, error: AckError::from(&error) });
        }
    }

    /// Answers with the payload itself, with its attachments.
    pub(super) fn echo(self, event: &str, data: &Encoded, attachments: &BinaryAttachments) {
        match attachments.put_back(data) {
            Ok(None) => self.send(event, Ok(data)),
            Ok(Some(part)) if self.wants_ack => self.give(part.bytes(), &Answer::Done { ok: true, data: &part }),
            Ok(Some(_)) => {}
            Err(error) => self.send::<()>(event, Err(error)),
        }
    }

    fn ack<T: Serialize>(self, answer: &Answer<'_, T>) {
        if self.wants_ack {
            let answer = Encoded::new(answer);
            let answer = self.socket.with_urls(&answer).into_owned();
            self.give(answer.as_str().len(), &answer);
        }
    }

    fn give(self, bytes: usize, answer: &impl Serialize) {
        let is_full = !self.socket.weigh(bytes)
            || matches!(self.ack.send(answer), Err(SendError::Socket(SocketError::InternalChannelFull)));
        if is_full {
            // An answer that cannot be given must not be missed silently; and a client that does not read its answers is cut
            // like one that does not read its events.
            self.socket.cut();
        }
    }
}
