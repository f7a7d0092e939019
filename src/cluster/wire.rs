//! How notices travel between nodes: on which channels, and as what text.
//!
//! `room:{id}` carries what happens in a room, `user:{id}` what concerns a user. A message is the sender's id, a space, and the
//! notice as JSON. Nodes of two versions may meet during an upgrade: what cannot be read counts as missed.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{
    bus::{Heard, Hears, Notice},
    interest::Topic,
};
use crate::contract::RoomId;
use crate::log::entry::{Audience, Entry};

/// Followed by every node: what concerns them all.
pub(super) const NODES: &str = "parlour:nodes";

/// Followed by every node: who came and went, and who looks different now.
pub(super) const PRESENCE: &str = "parlour:presence";

/// Begins the name of the channel that one node follows, which ends with the node.
pub(super) const NODE: &str = "parlour:node:";

/// Says that some notices of its sender were lost.
const MISSED: &str = "missed";

/// The name of a topic's channel.
pub(super) fn channel(topic: Topic) -> String {
    match topic {
        Topic::Room(id) => format!("room:{id}"),
        Topic::User(id) => format!("user:{id}"),
    }
}

/// A message to other nodes: its channel, and its text.
pub(super) type Message = (String, String);

/// What tells the other nodes that something from here did not reach them.
pub(super) fn missed(node: Uuid) -> Message {
    (NODES.to_owned(), format!("{node} {MISSED}"))
}

/// The messages that carry a notice.
pub(super) fn encode(node: Uuid, notice: Notice) -> Vec<Message> {
    let entries = match notice {
        Notice::Committed(entries) => entries,
        Notice::Read { room_id, user_id, message_ids, last_read_seq, read_at, hears: Hears::Everybody } => {
            // A node with a socket of theirs need not follow the room.
            let for_whom = |hears| Notice::Read {
                room_id,
                user_id,
                message_ids: message_ids.clone(),
                last_read_seq,
                read_at,
                hears,
            };
            return [Hears::Others, Hears::Themselves].map(|hears| message(node, &for_whom(hears))).into();
        }
        other => return vec![message(node, &other)],
    };
    let mut rooms: BTreeMap<RoomId, Vec<Entry>> = BTreeMap::new();
    let mut messages = Vec::new();
    for entry in entries.iter() {
        rooms.entry(entry.room_id).or_default().push(entry.clone());
        if let Audience::Gained(user_id) = entry.audience {
            let added = Notice::Added { user_id, room_id: entry.room_id, seq: entry.seq };
            messages.push(message(node, &added));
        }
    }
    // One message a room: whoever follows it need not read what happened elsewhere.
    messages.extend(rooms.into_values().map(|entries| message(node, &Notice::Committed(entries.into()))));
    messages
}

fn message(node: Uuid, notice: &Notice) -> Message {
    let channel = match notice {
        Notice::Committed(entries) => entries.first().map_or_else(|| NODES.to_owned(), |entry| room(entry.room_id)),
        Notice::Read { user_id, hears: Hears::Themselves, .. } => channel(Topic::User(*user_id)),
        Notice::Read { room_id, .. } | Notice::Typing { room_id, .. } => room(*room_id),
        Notice::Presence { .. } | Notice::Profile { .. } => PRESENCE.to_owned(),
        Notice::Added { user_id, .. }
        | Notice::Appearance { user_id, .. }
        | Notice::SessionRevoked { user_id, .. }
        | Notice::SocketTooMany { user_id }
        | Notice::UserRevoked { user_id, .. } => channel(Topic::User(*user_id)),
    };
    (channel, text(node, notice))
}

/// The text of a message.
pub(super) fn text(node: Uuid, notice: &Notice) -> String {
    let notice = serde_json::to_string(notice).expect("a notice serialises: its keys are strings");
    format!("{node} {notice}")
}

fn room(id: RoomId) -> String {
    channel(Topic::Room(id))
}

/// What a message says to `node`; nothing when that sent it.
pub(super) fn decode(node: Uuid, text: &[u8]) -> Option<Heard> {
    let text = std::str::from_utf8(text).unwrap_or_default();
    let (sender, notice) = text.split_once(' ').unwrap_or_default();
    if sender.parse() == Ok(node) {
        return None;
    }
    Some(match serde_json::from_str(notice) {
        Ok(notice) => Heard::Notice(notice),
        Err(_) => Heard::Missed,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::contract::{HistoryAccess, MessageId, Seq, UserId, event::Durable};

    fn deletion(room: RoomId, seq: i64) -> Entry {
        let change = Durable::MessageDeleted { message_id: MessageId::new(), deleted_at: None };
        Entry::new(room, Seq(seq), change, HistoryAccess::All)
    }

    #[test]
    fn entries_arrive_as_they_were_sent_one_message_a_room() {
        let (here, there) = (Uuid::now_v7(), Uuid::now_v7());
        let (one, two) = (RoomId::new(), RoomId::new());
        let sent: Arc<[Entry]> = [deletion(one, 7), deletion(two, 1), deletion(one, 8)].into();
        let messages = encode(here, Notice::Committed(Arc::clone(&sent)));
        assert_eq!(messages.len(), 2);
        let heard: Vec<Entry> = messages
            .iter()
            .flat_map(|(channel, text)| {
                assert!(decode(here, text.as_bytes()).is_none(), "a node does not hear itself");
                match decode(there, text.as_bytes()) {
                    Some(Heard::Notice(Notice::Committed(entries))) => {
                        assert_eq!(*channel, format!("room:{}", entries[0].room_id));
                        entries.to_vec()
                    }
                    other => panic!("{other:?}"),
                }
            })
            .collect();
        for entry in sent.iter() {
            let same = |other: &&Entry| (other.room_id, other.seq) == (entry.room_id, entry.seq);
            let arrived = heard.iter().find(same).expect("it arrived");
            assert_eq!(serde_json::to_value(arrived).unwrap(), serde_json::to_value(entry).unwrap());
            assert_eq!(
                (arrived.name, arrived.audience, arrived.rewrites),
                ("message_deleted", Audience::Unchanged, true)
            );
        }
    }

    #[test]
    fn what_cannot_be_read_counts_as_missed() {
        let (here, there) = (Uuid::now_v7(), Uuid::now_v7());
        let entry = deletion(RoomId::new(), 1);
        let (_, text) = encode(here, Notice::Committed([entry].into())).remove(0);
        for broken in [
            text.replace("message_deleted", "message_folded"),
            text.replace("committed", "comitted"),
            text[..text.len() - 1].to_owned(),
            format!("{here} {MISSED}"),
            String::new(),
        ] {
            assert!(matches!(decode(there, broken.as_bytes()), Some(Heard::Missed)), "{broken}");
        }
    }

    #[test]
    fn a_new_member_is_told_of_on_their_own_channel() {
        let node = Uuid::now_v7();
        let (room, user) = (RoomId::new(), UserId::new());
        let mut entry = deletion(room, 3);
        entry.audience = Audience::Gained(user);
        let channels: Vec<String> =
            encode(node, Notice::Committed([entry].into())).into_iter().map(|(channel, _)| channel).collect();
        assert_eq!(channels, [format!("user:{user}"), format!("room:{room}")]);
    }
}
