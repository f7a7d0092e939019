//! What hangs on messages: reactions, pins, mentions, replies.

use std::collections::{HashMap, HashSet};

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::{
    contract::{EventKind, Message, MessageId, RoomId, Seq, UserId, reaction::Reaction},
    db::query,
    error::Result,
};
use entity::{mention, message, pin, reaction, room_event};

/// What hangs on one message.
#[derive(Clone, Debug, Default)]
pub(crate) struct Annotations {
    pub(crate) reactions: Vec<Reaction>,
    pub(crate) is_pinned: bool,
    pub(crate) mentions: Vec<UserId>,
    pub(crate) reply_count: i64,
}

/// What hangs on some messages now, as one of the room's members sees it.
pub(crate) async fn now(
    db: &impl ConnectionTrait,
    user: UserId,
    ids: &[MessageId],
) -> Result<HashMap<MessageId, Annotations>> {
    let mut annotations = mentions(db, ids).await?;
    if ids.is_empty() {
        return Ok(annotations);
    }
    let reactions = reaction::Entity::find()
        .filter(reaction::Column::MessageId.is_in(query::padded(ids.iter().copied())))
        .order_by_asc(reaction::Column::CreatedAt)
        .order_by_asc(reaction::Column::UserId)
        .all(db)
        .await?;
    for row in reactions {
        add(&mut annotations.entry(row.message_id).or_default().reactions, row.emoji, row.user_id == user);
    }
    let pinned =
        pin::Entity::find().filter(pin::Column::MessageId.is_in(query::padded(ids.iter().copied()))).all(db).await?;
    for row in pinned {
        annotations.entry(row.message_id).or_default().is_pinned = true;
    }
    let replies: Vec<(MessageId, i64)> = message::Entity::find()
        .select_only()
        .column(message::Column::ReplyToId)
        .column_as(message::Column::Id.count(), "replies")
        .filter(message::Column::ReplyToId.is_in(query::padded(ids.iter().copied())))
        .group_by(message::Column::ReplyToId)
        .into_tuple()
        .all(db)
        .await?;
    for (id, count) in replies {
        annotations.entry(id).or_default().reply_count = count;
    }
    Ok(annotations)
}

/// The annotations of one message, for a user.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    reactions: Vec<reaction::Model>,
    is_pinned: bool,
    reply_count: i64,
}

/// What has gathered on a message now.
pub(crate) async fn gathered(db: &impl ConnectionTrait, id: MessageId) -> Result<Gathered> {
    let reactions = reaction::Entity::find()
        .filter(reaction::Column::MessageId.eq(id))
        .order_by_asc(reaction::Column::CreatedAt)
        .order_by_asc(reaction::Column::UserId)
        .all(db)
        .await?;
    let pins = pin::Entity::find().filter(pin::Column::MessageId.eq(id)).count(db).await?;
    let replies = message::Entity::find().filter(message::Column::ReplyToId.eq(id)).count(db).await?;
    Ok(Gathered { reactions, is_pinned: pins > 0, reply_count: i64::try_from(replies).unwrap_or(i64::MAX) })
}

impl Gathered {
    /// The message with it, as `user` sees it.
    pub(crate) fn on(&self, message: Message, user: UserId) -> Message {
        let mut reactions = Vec::new();
        for row in &self.reactions {
            add(&mut reactions, row.emoji.clone(), row.user_id == user);
        }
        Message { reactions, is_pinned: self.is_pinned, reply_count: self.reply_count, ..message }
    }
}

/// Whom some messages mention: all that hangs on a message when it is new.
pub(crate) async fn mentions(db: &impl ConnectionTrait, ids: &[MessageId]) -> Result<HashMap<MessageId, Annotations>> {
    let mut annotations: HashMap<MessageId, Annotations> = HashMap::new();
    if ids.is_empty() {
        return Ok(annotations);
    }
    let rows = mention::Entity::find()
        .filter(mention::Column::MessageId.is_in(query::padded(ids.iter().copied())))
        .order_by_asc(mention::Column::UserId)
        .all(db)
        .await?;
    for row in rows {
        annotations.entry(row.message_id).or_default().mentions.push(row.user_id);
    }
    Ok(annotations)
}

/// How many replies, reactions and pins some messages of a room had gathered, entry by entry of its log.
///
/// An entry with a message has the annotations as of that seq: a client that replays the room applies later entries on top.
pub(crate) struct Timeline {
    changes: HashMap<MessageId, Vec<room_event::Model>>,
    replies: HashMap<MessageId, Vec<Seq>>,
}

impl Timeline {
    pub(crate) async fn read(
        db: &impl ConnectionTrait,
        room: RoomId,
        ids: HashSet<MessageId>,
        up_to: Seq,
    ) -> Result<Self> {
        let mut timeline = Self { changes: HashMap::new(), replies: HashMap::new() };
        if ids.is_empty() {
            return Ok(timeline);
        }
        let ids = query::padded(ids);
        let changes = room_event::Entity::find()
            .filter(room_event::Column::MessageId.is_in(ids.iter().copied()))
            .filter(room_event::Column::RoomId.eq(room))
            .filter(room_event::Column::Seq.lte(up_to))
            .order_by_asc(room_event::Column::Seq)
            .all(db)
            .await?;
        for change in changes {
            if let Some(id) = change.message_id {
                timeline.changes.entry(id).or_default().push(change);
            }
        }
        let replies: Vec<(MessageId, Seq)> = message::Entity::find()
            .select_only()
            .columns([message::Column::ReplyToId, message::Column::Seq])
            .filter(message::Column::ReplyToId.is_in(ids))
            .filter(message::Column::Seq.lte(up_to))
            .into_tuple()
            .all(db)
            .await?;
        for (id, seq) in replies {
            timeline.replies.entry(id).or_default().push(seq);
        }
        Ok(timeline)
    }

    /// The annotations of a message as of `seq`, without mentions, which are part of the message.
    pub(crate) fn at(&self, id: MessageId, seq: Seq) -> Annotations {
        let mut annotations = Annotations::default();
        for change in self.changes.get(&id).into_iter().flatten().take_while(|change| change.seq <= seq) {
            match (change.kind, &change.emoji) {
                (EventKind::ReactionAdded, Some(emoji)) => add(&mut annotations.reactions, emoji.clone(), false),
                (EventKind::ReactionRemoved, Some(emoji)) => remove(&mut annotations.reactions, emoji),
                (EventKind::MessagePinned, _) => annotations.is_pinned = true,
                (EventKind::MessageUnpinned, _) => annotations.is_pinned = false,
                _ => {}
            }
        }
        let replies = self.replies.get(&id).into_iter().flatten().filter(|reply| **reply <= seq).count();
        annotations.reply_count = i64::try_from(replies).unwrap_or(i64::MAX);
        annotations
    }
}

fn add(reactions: &mut Vec<Reaction>, emoji: String, mine: bool) {
    match reactions.iter_mut().find(|reaction| reaction.emoji == emoji) {
        Some(reaction) => {
            reaction.count += 1;
            reaction.mine |= mine;
        }
        None => reactions.push(Reaction { emoji, count: 1, mine }),
    }
}

fn remove(reactions: &mut Vec<Reaction>, emoji: &str) {
    if let Some(reaction) = reactions.iter_mut().find(|reaction| reaction.emoji == emoji) {
        reaction.count -= 1;
    }
    reactions.retain(|reaction| reaction.count > 0);
}
