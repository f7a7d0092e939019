//! A message as it was asked for.

use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

use crate::{
    auth::Actor,
    contract::{MessageType, SessionId, UserId, command::SentMessage, message::SendMessage},
    error::Result,
};

/// A message on its way into the log.
#[derive(Debug)]
pub(crate) struct NewMessage {
    pub(crate) sender: UserId,
    /// The login that must count still when it is written.
    pub(super) session: SessionId,
    pub(super) request: SendMessage,
    /// What was asked, to tell a repeat from a conflict. Only with a `client_msg_id`.
    pub(super) fingerprint: Option<Vec<u8>>,
    pub(crate) reply: oneshot::Sender<Result<SentMessage>>,
}

impl NewMessage {
    pub(crate) fn new(actor: &Actor, request: SendMessage, reply: oneshot::Sender<Result<SentMessage>>) -> Self {
        let fingerprint = request.client_msg_id.is_some().then(|| fingerprint(&request));
        Self { sender: actor.user_id, session: actor.session_id, request, fingerprint, reply }
    }
}

/// What a repeat must equal: everything that was asked, but for the id that makes it repeatable. What was not asked is not
/// in it, so that a field that requests gain later leaves old fingerprints as they are.
fn fingerprint(request: &SendMessage) -> Vec<u8> {
    let message_type = Some(request.message_type.unwrap_or(MessageType::Text));
    let asked = SendMessage { client_msg_id: None, message_type, ..request.clone() };
    let text = serde_json::to_vec(&asked).expect("a request serialises: its keys are strings");
    Sha256::digest(text).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fingerprints are stored for ever: a change of this one would turn every repeat of an old message into a conflict.
    #[test]
    fn a_fingerprint_stays_what_it_was() {
        let request = serde_json::json!({
            "room_id": "0199d1c6-7a4e-7cc3-9d5a-3b1f0f6a2c11", "content": "Hello", "client_msg_id": "a1",
        });
        let request: SendMessage = serde_json::from_value(request).expect("a request");
        let hex: String = fingerprint(&request).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "462c1cb046abe38a3de62a67c2f64b0ab5e2280639545c43584b86420d890ce3");
    }
}
