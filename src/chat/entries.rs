//! The entries of a log as events: messages and other changes, merged by `seq`.
//!
//! An entry shows the present state of what it is about. A client that replays a room ends in the same state as one that received it
//! live, and no old entry has content that was deleted since.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};

use super::{
    annotations::{Annotations, Timeline},
    recipient::Recipient,
    view,
};
use crate::{
    contract::{EventKind, HistoryAccess, Member, Message, MessageId, RoomId, Seq, UserId, event::Durable},
    error::{Error, Result},
    log::{entry::Entry, read as rows},
};
use entity::{member, room, room_event};

/// The first `limit` entries with a seq in `(after, up_to]` of a room's log.
///
/// `up_to` must be committed: everything before it is then visible to this read as well, and the answer has no gaps.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn read(
    db: &impl ConnectionTrait,
    recipient: Recipient<'_>,
    room: RoomId,
    after: Seq,
    up_to: Seq,
    limit: usize,
) -> Result<Vec<Entry>> {
    let up_to = up_to.min(Seq(after.0.saturating_add(i64::try_from(limit).map_err(Error::internal)?)));
    if up_to <= after {
        return Ok(Vec::new());
    }
    let (messages, events) = rows::both(db, room, after, up_to).await?;
    let history = history(db, room).await?;
    let subjects = Subjects::read(db, recipient, room, &events).await?;
    let mut entries = Vec::with_capacity(messages.len() + events.len());
    for message in view::messages(db, recipient, messages).await? {
        entries.push(Entry::new(room, message.seq, Durable::NewMessage { message }, history));
    }
    for event in events {
        let seq = event.seq;
        entries.push(Entry::new(room, seq, subjects.change(&event)?, history));
    }
    entries.sort_unstable_by_key(|entry| entry.seq);
    Ok(entries)
}

/// How far back newcomers read in a room.
async fn history(db: &impl ConnectionTrait, room: RoomId) -> Result<HistoryAccess> {
    let history =
        room::Entity::find_by_id(room).select_only().column(room::Column::History).into_tuple().one(db).await?;
    history.ok_or(Error::ROOM_NOT_FOUND)
}

/// The messages and members of some events.
struct Subjects<'a> {
    recipient: Recipient<'a>,
    messages: HashMap<MessageId, Message>,
    timeline: Timeline,
    members: HashMap<UserId, Member>,
    room: Option<room::Model>,
}

impl<'a> Subjects<'a> {
    async fn read(
        db: &impl ConnectionTrait,
        recipient: Recipient<'a>,
        room: RoomId,
        events: &[room_event::Model],
    ) -> Result<Self> {
        let messages = view::by_id(db, events.iter().filter_map(|event| event.message_id).collect()).await?;
        let messages = view::messages(db, recipient, messages.into_values().collect()).await?;
        let edits = events.iter().filter(|event| event.kind == EventKind::MessageEdited);
        let up_to = events.last().map_or(Seq::ZERO, |event| event.seq);
        let timeline = Timeline::read(db, room, edits.filter_map(|event| event.message_id).collect(), up_to).await?;
        let users: Vec<UserId> = events.iter().filter_map(|event| event.user_id).collect();
        let members = if users.is_empty() {
            Vec::new()
        } else {
            let models = member::Entity::find()
                .filter(member::Column::RoomId.eq(room))
                .filter(member::Column::UserId.is_in(users))
                .all(db)
                .await?;
            view::members(db, recipient, models).await?
        };
        let room = if events.iter().any(|event| event.kind == EventKind::RoomUpdated) {
            room::Entity::find_by_id(room).one(db).await?
        } else {
            None
        };
        Ok(Self {
            recipient,
            timeline,
            messages: messages.into_iter().map(|message| (message.id, message)).collect(),
            members: members.into_iter().map(|member| (member.user_id, member)).collect(),
            room,
        })
    }

    /// A message with its annotations as of `seq`.
    fn as_of(&self, message: Message, seq: Seq) -> Message {
        let Annotations { reactions, is_pinned, reply_count, .. } = self.timeline.at(message.id, seq);
        let reactions = if message.is_deleted { Vec::new() } else { reactions };
        Message { reactions, is_pinned: is_pinned && !message.is_deleted, reply_count, ..message }
    }

    fn change(&self, event: &room_event::Model) -> Result<Durable> {
        let message = || {
            let found = event.message_id.and_then(|id| self.messages.get(&id));
            found.cloned().ok_or_else(|| Error::internal("a log entry names a message that is not there"))
        };
        let member = || {
            let found = event.user_id.and_then(|id| self.members.get(&id));
            found.cloned().ok_or_else(|| Error::internal("a log entry names a member who is not there"))
        };
        let reaction = || {
            let emoji = event.emoji.clone().ok_or_else(|| Error::internal("a log entry lacks its emoji"))?;
            Ok::<_, Error>((message()?.id, emoji))
        };
        Ok(match event.kind {
            EventKind::MessageEdited => {
                let message = self.as_of(message()?, event.seq);
                Durable::MessageEdited {
                    message_id: message.id,
                    content: message.content.clone(),
                    edited_at: message.edited_at,
                    message,
                }
            }
            EventKind::MessageDeleted => {
                let message = message()?;
                Durable::MessageDeleted { message_id: message.id, deleted_at: message.deleted_at }
            }
            EventKind::ReactionAdded => {
                let (message_id, emoji) = reaction()?;
                Durable::ReactionAdded { message_id, user_id: event.actor_id, emoji }
            }
            EventKind::ReactionRemoved => {
                let (message_id, emoji) = reaction()?;
                Durable::ReactionRemoved { message_id, user_id: event.actor_id, emoji }
            }
            EventKind::MessagePinned => Durable::MessagePinned { message_id: message()?.id, user_id: event.actor_id },
            EventKind::MessageUnpinned => {
                Durable::MessageUnpinned { message_id: message()?.id, user_id: event.actor_id }
            }
            EventKind::MemberAdded => Durable::MemberAdded { member: member()? },
            EventKind::MemberUpdated => Durable::MemberUpdated { member: member()? },
            EventKind::MemberRemoved => {
                Durable::MemberRemoved { user_id: member()?.user_id, reason: event.reason.clone().unwrap_or_default() }
            }
            EventKind::RoomUpdated => Durable::RoomUpdated {
                room: Box::new(view::room(
                    self.room.clone().ok_or_else(|| Error::internal("a log entry names a room that is not there"))?,
                    self.recipient.signer,
                )),
            },
            EventKind::RoomDeleted => Durable::RoomDeleted {},
        })
    }
}
