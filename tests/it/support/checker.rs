//! Decides whether what was seen is what was promised. Knows nothing of how the workload was made.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Event, int, text};

/// The names of the events that are entries of a room's log.
pub(crate) const DURABLE: [&str; 12] = [
    "new_message",
    "message_edited",
    "message_deleted",
    "reaction_added",
    "reaction_removed",
    "message_pinned",
    "message_unpinned",
    "member_added",
    "member_removed",
    "member_updated",
    "room_updated",
    "room_deleted",
];

/// Whether `event` is an entry of the log of the room with this id.
pub(crate) fn is_entry(event: &Event, room_id: &str) -> bool {
    DURABLE.contains(&event.name.as_str()) && event.data["room_id"] == room_id
}

/// The places of the log entries of a room among `events`, in the order they were heard.
pub(crate) fn seqs(events: &[Event], room_id: &str) -> Vec<i64> {
    events.iter().filter(|event| is_entry(event, room_id)).map(|event| int(&event.data, "seq")).collect()
}

/// Fails unless `seqs` is `after+1 ..= last`: every place once, in order.
#[track_caller]
pub(crate) fn dense(who: &str, seqs: &[i64], after: i64, last: i64) {
    let mut expected = after + 1;
    for (position, &seq) in seqs.iter().enumerate() {
        assert_eq!(seq, expected, "{who}: entry {position} after {after} is out of its place (last {last})");
        expected += 1;
    }
    assert_eq!(expected - 1, last, "{who}: the log ends at {last}, heard up to {}", expected - 1);
}

/// Whether an answer leaves open what became of what was asked. Any other refusal says that nothing did.
pub(crate) fn in_doubt(answer: &Value) -> bool {
    answer["ok"] != true && text(&answer["error"], "message").contains("may or may not")
}

/// What a sender knows about its sends.
#[derive(Default)]
pub(crate) struct Sent {
    /// `client_msg_id` to the id of the message, for every send that was acked.
    pub(crate) acked: BTreeMap<String, String>,
    /// Sends whose connection ended before the answer, or whose answer said so: they may be there, or not.
    pub(crate) unknown: BTreeSet<String>,
}

impl Sent {
    /// Notes the outcome of a send.
    pub(crate) fn note(&mut self, client_msg_id: &str, outcome: Option<&Value>) {
        match outcome {
            Some(answer) if answer["ok"] == true => {
                let id = text(&answer["data"]["message"], "id");
                if let Some(before) = self.acked.insert(client_msg_id.to_owned(), id.clone()) {
                    assert_eq!(before, id, "two acks of {client_msg_id} name two messages");
                }
                self.unknown.remove(client_msg_id);
            }
            // told that nothing was stored
            Some(answer) if !in_doubt(answer) => {}
            _ => {
                if !self.acked.contains_key(client_msg_id) {
                    self.unknown.insert(client_msg_id.to_owned());
                }
            }
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.acked.extend(other.acked);
        self.unknown.extend(other.unknown);
    }

    /// Fails unless every acked message stands in `history` exactly once under the id that was acked, and everything
    /// else there is a send whose outcome is unknown, at most once.
    #[track_caller]
    pub(crate) fn matches(&self, history: &[Value]) {
        let mut seen: BTreeMap<String, &Value> = BTreeMap::new();
        for message in history {
            let key = text(message, "client_msg_id");
            assert!(seen.insert(key.clone(), message).is_none(), "{key} is stored twice");
            assert!(
                self.acked.contains_key(&key) || self.unknown.contains(&key),
                "{key} is stored, but its sender was told otherwise"
            );
        }
        for (key, id) in &self.acked {
            let stored = seen.get(key).unwrap_or_else(|| panic!("{key} was acked and is not in the history"));
            assert_eq!(stored["id"], id.as_str(), "{key} is stored under another id than was acked");
        }
    }
}

/// Fails unless each sender's messages stand in `history` in the order in which they were sent; `number` reads the
/// sender and the count from a message.
#[track_caller]
pub(crate) fn in_order_of_sending(history: &[Value], number: impl Fn(&Value) -> (String, u64)) {
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    for message in history {
        let (sender, count) = number(message);
        if let Some(before) = last.insert(sender.clone(), count) {
            assert!(before < count, "{sender}: {count} stands after {before}");
        }
    }
}
