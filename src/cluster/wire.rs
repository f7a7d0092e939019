//! How notices travel between nodes: on which channels, and as what text.
//!
//! `room:{id}` carries what happens in a room, `user:{id}` what concerns a user. A message is the sender's id, a space, and the
//! notice as JSON. Nodes of two versions may meet during an upgrade: what cannot be read counts as missed.

use uuid::Uuid;

use super::{
    bus::{Notice, Outward, Received, Topic},
    interest::Channel,
};
use crate::{
    contract::UserId,
    log::entry::{Audience, Entry},
};

/// Followed by every node: what concerns them all.
pub(super) const NODES: &str = "parlour:nodes";

/// Followed by every node: events for several rooms, such as who came and went and whose profile changed.
pub(super) const PRESENCE: &str = "parlour:presence";

/// Begins the name of the channel that one node follows, which ends with the node.
pub(super) const NODE: &str = "parlour:node:";

/// Says that something was missed of what its channel is about: on the channel of all nodes, of whatever.
const MISSED: &str = "missed";

/// The name of a channel.
pub(super) fn name(channel: Channel) -> String {
    match channel {
        Channel::Room(id) => format!("room:{id}"),
        Channel::User(id) => format!("user:{id}"),
    }
}

/// The channel of a name, where it is one of a room or user.
fn named(name: &str) -> Option<Channel> {
    match name.split_once(':')? {
        ("room", id) => id.parse().ok().map(Channel::Room),
        ("user", id) => id.parse().ok().map(Channel::User),
        _ => None,
    }
}

/// A message to other nodes: its channel, and its text.
pub(super) type ChannelMessage = (String, String);

/// The message that some messages from this node were lost.
pub(super) fn missed(node: Uuid) -> ChannelMessage {
    (NODES.to_owned(), format!("{node} {MISSED}"))
}

/// The messages that carry this.
pub(super) fn encode(node: Uuid, message: &Outward) -> Vec<ChannelMessage> {
    let notice = match message {
        Outward::Notice(notice) => notice,
        Outward::Compare(channel) => return vec![(name(*channel), format!("{node} {MISSED}"))],
    };
    let channel = match notice {
        Notice::Entries { room_id, .. } => name(Channel::Room(*room_id)),
        Notice::Emit { topic: Topic::Room(room), .. } => name(Channel::Room(*room)),
        Notice::Emit { topic: Topic::Rooms(_), .. } => PRESENCE.to_owned(),
        Notice::Emit { topic: Topic::User(user), .. } | Notice::Revoked { user_id: user, .. } => {
            name(Channel::User(*user))
        }
    };
    let mut messages = added(node, notice);
    messages.push((channel, text(node, notice)));
    messages
}

/// The messages for the nodes of new members, which may not subscribe to the room yet: on a user's channel, the entry that made them a
/// member says so, and is not delivered.
fn added(node: Uuid, notice: &Notice) -> Vec<ChannelMessage> {
    let Notice::Entries { room_id, entries } = notice else { return Vec::new() };
    let added = entries.iter().filter_map(|entry| match entry.audience {
        Audience::Gained(user) => Some((user, entry)),
        _ => None,
    });
    let message = |(user, entry): (UserId, &Entry)| {
        let notice = Notice::Entries { room_id: *room_id, entries: [entry.clone()].into() };
        (name(Channel::User(user)), text(node, &notice))
    };
    added.map(message).collect()
}

/// The text of a message.
pub(super) fn text(node: Uuid, notice: &Notice) -> String {
    let notice = serde_json::to_string(notice).expect("a notice serialises: its keys are strings");
    format!("{node} {notice}")
}

/// What a message on a channel says to `node`; nothing when that sent it.
pub(super) fn decode(node: Uuid, channel: &str, text: &[u8]) -> Option<Received> {
    let text = std::str::from_utf8(text).unwrap_or_default();
    let (sender, notice) = text.split_once(' ').unwrap_or_default();
    if sender.parse() == Ok(node) {
        return None;
    }
    let channel = named(channel);
    let missed = || channel.map_or(Received::Missed, |channel| Received::MissedOn(vec![channel]));
    Some(match (serde_json::from_str(notice), channel) {
        (Ok(Notice::Entries { room_id, entries }), Some(Channel::User(user_id))) => {
            entries.first().map_or_else(missed, |entry| Received::Added { user_id, room_id, seq: entry.seq })
        }
        (Ok(notice), _) => Received::Notice(notice),
        (Err(_), _) => missed(),
    })
}

#[cfg(test)]
mod tests {
    use super::{super::bus::Revoked, *};
    use crate::contract::{
        ErrorCode, HistoryAccess, MessageId, RoomId, Seq, SessionId, Timestamp,
        event::{Durable, Ephemeral, ServerEvent},
    };

    fn deletion(room: RoomId, seq: i64) -> Entry {
        let change = Durable::MessageDeleted { message_id: MessageId::new(), deleted_at: None };
        Entry::new(room, Seq(seq), change, HistoryAccess::All)
    }

    fn sent(notice: Notice) -> Vec<ChannelMessage> {
        encode(Uuid::now_v7(), &Outward::Notice(notice))
    }

    fn received((channel, text): &ChannelMessage) -> Option<Received> {
        decode(Uuid::now_v7(), channel, text.as_bytes())
    }

    #[test]
    fn entries_arrive_as_they_were_sent() {
        let here = Uuid::now_v7();
        let room_id = RoomId::new();
        let entries = [deletion(room_id, 7), deletion(room_id, 8)];
        let notice = Notice::Entries { room_id, entries: entries.to_vec().into() };
        let messages = encode(here, &Outward::Notice(notice));
        let [(channel, text)] = &messages[..] else { panic!("{messages:?}") };
        assert_eq!(*channel, format!("room:{room_id}"));
        assert!(decode(here, channel, text.as_bytes()).is_none(), "a node does not hear itself");
        let Some(Received::Notice(Notice::Entries { entries: arrived, .. })) = received(&messages[0]) else {
            panic!("{text}")
        };
        for (arrived, entry) in arrived.iter().zip(&entries) {
            assert_eq!(serde_json::to_value(arrived).unwrap(), serde_json::to_value(entry).unwrap());
            assert_eq!(
                (arrived.name, arrived.audience, arrived.rewrites),
                ("message_deleted", Audience::Unchanged, true)
            );
        }
        assert_eq!(arrived.len(), entries.len());
    }

    #[test]
    fn news_and_revocations_arrive_as_they_were_sent() {
        let (room_id, user_id) = (RoomId::new(), UserId::new());
        let typing = Ephemeral::UserTyping { room_id, user_id, user_name: "ada".to_owned(), is_typing: true };
        let online = Ephemeral::UserOnline { user_id, last_seen_at: Some(Timestamp(7)) };
        let offline = Ephemeral::UserOffline { user_id, last_seen_at: None };
        let code = ErrorCode::Unauthorized;
        for (channel, notice) in [
            (format!("room:{room_id}"), Notice::Emit { topic: Topic::Room(room_id), event: typing.clone() }),
            (format!("user:{user_id}"), Notice::Emit { topic: Topic::User(user_id), event: typing.clone() }),
            (PRESENCE.to_owned(), Notice::Emit { topic: Topic::Rooms([room_id].into()), event: online }),
            (PRESENCE.to_owned(), Notice::Emit { topic: Topic::Rooms([].into()), event: offline }),
            (
                format!("user:{user_id}"),
                Notice::Revoked { user_id, sockets: Revoked::Session { session_id: SessionId::new(), code } },
            ),
        ] {
            let messages = sent(notice.clone());
            assert_eq!(messages.iter().map(|(channel, _)| channel).collect::<Vec<_>>(), [&channel]);
            match received(&messages[0]) {
                Some(Received::Notice(arrived)) => assert_eq!(format!("{arrived:?}"), format!("{notice:?}")),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(typing.name(), "user_typing");
    }

    #[test]
    fn what_cannot_be_read_counts_as_missed() {
        let room_id = RoomId::new();
        let (channel, text) = sent(Notice::Entries { room_id, entries: [deletion(room_id, 1)].into() }).remove(0);
        for broken in [
            text.replace("message_deleted", "message_folded"),
            text.replace("entries", "entires"),
            text[..text.len() - 1].to_owned(),
            format!("{} {MISSED}", Uuid::now_v7()),
            String::new(),
        ] {
            let of_room = received(&(channel.clone(), broken.clone()));
            assert!(matches!(of_room, Some(Received::MissedOn(on)) if on == [Channel::Room(room_id)]), "{broken}");
            assert!(matches!(received(&(NODES.to_owned(), broken)), Some(Received::Missed)));
        }
    }

    #[test]
    fn a_new_member_is_told_of_on_their_own_channel() {
        let (room_id, user) = (RoomId::new(), UserId::new());
        let mut entry = deletion(room_id, 3);
        entry.audience = Audience::Gained(user);
        let messages = sent(Notice::Entries { room_id, entries: [entry].into() });
        let channels: Vec<&str> = messages.iter().map(|(channel, _)| channel.as_str()).collect();
        assert_eq!(channels, [format!("user:{user}"), format!("room:{room_id}")]);
        assert!(
            matches!(received(&messages[0]), Some(Received::Added { user_id, seq: Seq(3), .. }) if user_id == user)
        );
    }
}
