//! Exports: of a room, and of a user's own data. One JSON object per line, read page by page: an export of a million messages needs no
//! more memory than one of ten. An export ends at the head that the log had when it began.
//!
//! Only a few pages of all exports are read at a time; while a client receives a page, no connection is in use.

use std::collections::{HashMap, VecDeque};

use futures_util::{Stream, stream};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;
use serde_json::json;
use tokio::sync::SemaphorePermit;

use super::{
    Chat,
    audit::{self, Record},
    find,
    permission::{Capability, Membership},
    view,
};
use crate::{
    auth::{Actor, accounts},
    clock,
    contract::{AuditAction, MemberId, MessageId, RoomId, Seq},
    error::{Error, Result},
};
use entity::{member, message, reaction, read_mark, room, session, user};

/// Rows read at a time.
const PAGE: u64 = 200;

/// A part of an export: whole lines.
pub type Lines = Vec<u8>;

/// A room with its members and messages, as far as the asker may read it. The last line has the number of messages: an
/// export without it is incomplete.
///
/// # Errors
/// `ROOM_NOT_FOUND`, `PERMISSION_DENIED`. In the stream: when the database does not answer, or the asker may no longer.
pub async fn room(chat: &Chat, actor: &Actor, id: RoomId) -> Result<impl Stream<Item = Result<Lines>> + use<>> {
    let tx = chat.begin(actor).await?;
    let (room, _, membership) = find::room_for_update(&tx, actor.user_id, id).await?;
    let permit = membership.permit(Capability::Export)?;
    audit::enter(&tx, &permit, [Record::new(AuditAction::RoomExported)], clock::now()).await?;
    tx.commit().await?;
    let (chat, actor, end) = (chat.clone(), actor.clone(), room.last_seq);
    let copy = Copy { chat, actor, room: id, end, part: RoomPart::Room, messages: 0 };
    Ok(stream::try_unfold(copy, Copy::next))
}

/// The progress of an export of a room.
struct Copy {
    chat: Chat,
    actor: Actor,
    room: RoomId,
    /// The head of the log when the export began.
    end: Seq,
    part: RoomPart,
    messages: u64,
}

#[derive(Clone, Copy)]
enum RoomPart {
    Room,
    Members { after: Option<MemberId> },
    Messages { after: Seq },
    Done,
}

impl Copy {
    async fn next(mut self) -> Result<Option<(Lines, Self)>> {
        let mut lines = Lines::new();
        if let RoomPart::Done = self.part {
            return Ok(None);
        }
        let chat = self.chat.clone();
        let _permit = permit(&chat).await?;
        // Checked again for every page: a member who is removed receives no further page.
        let (room, _, membership) = find::room(self.chat.db.read(), self.actor.user_id, self.room).await?;
        membership.permit(Capability::Export)?;
        self.part = match self.part {
            RoomPart::Room => {
                line(&mut lines, &json!({"type": "room", "room": view::room(room, &self.chat.files.signer)}))?;
                RoomPart::Members { after: None }
            }
            RoomPart::Members { after } => self.members(&mut lines, after, &membership).await?,
            RoomPart::Messages { after } => self.messages(&mut lines, after, self.end).await?,
            RoomPart::Done => RoomPart::Done,
        };
        Ok(Some((lines, self)))
    }

    async fn members(&self, lines: &mut Lines, after: Option<MemberId>, membership: &Membership) -> Result<RoomPart> {
        let mut page = member::Entity::find()
            .filter(member::Column::RoomId.eq(self.room))
            .filter(member::Column::LeftAt.is_null())
            .order_by_asc(member::Column::Id)
            .limit(PAGE);
        if let Some(after) = after {
            page = page.filter(member::Column::Id.gt(after));
        }
        let db = self.chat.db.read();
        let page = page.all(db).await?;
        let last = page.last().map(|member| member.id);
        for member in view::members(db, self.chat.recipient(self.actor.user_id), page).await? {
            line(lines, &json!({"type": "member", "member": member}))?;
        }
        Ok(match last {
            Some(last) => RoomPart::Members { after: Some(last) },
            None => RoomPart::Messages { after: Seq(membership.reads_from.0 - 1) },
        })
    }

    async fn messages(&mut self, lines: &mut Lines, after: Seq, end: Seq) -> Result<RoomPart> {
        let db = self.chat.db.read();
        let page = message::Entity::find()
            .filter(message::Column::RoomId.eq(self.room))
            .filter(message::Column::Seq.gt(after))
            .filter(message::Column::Seq.lte(end))
            .order_by_asc(message::Column::Seq)
            .limit(PAGE)
            .all(db)
            .await?;
        let Some(last) = page.last().map(|message| message.seq) else {
            line(lines, &json!({"type": "end", "messages": self.messages}))?;
            return Ok(RoomPart::Done);
        };
        for message in view::messages(db, self.chat.recipient(self.actor.user_id), page).await? {
            line(lines, &json!({"type": "message", "message": message}))?;
            self.messages += 1;
        }
        Ok(RoomPart::Messages { after: last })
    }
}

/// A user's own data: the account, sessions, memberships, in each room their messages and read marks, and their reactions.
///
/// # Errors
/// When the database does not answer; the same in the stream.
pub async fn own_data(chat: &Chat, actor: &Actor) -> Result<impl Stream<Item = Result<Lines>> + use<>> {
    let member_rows = member::Entity::find()
        .filter(member::Column::UserId.eq(actor.user_id))
        .order_by_asc(member::Column::Id)
        .all(chat.db.read())
        .await?;
    let ends = room::Entity::find()
        .select_only()
        .columns([room::Column::Id, room::Column::LastSeq])
        .filter(room::Column::Id.is_in(member_rows.iter().map(|member_row| member_row.room_id)))
        .into_tuple()
        .all(chat.db.read())
        .await?;
    let own =
        OwnData { chat: chat.clone(), actor: actor.clone(), part: OwnPart::Account { member_rows, ends }, messages: 0 };
    Ok(stream::try_unfold(own, OwnData::next))
}

/// Waits for a permit to read a page.
async fn permit(chat: &Chat) -> Result<SemaphorePermit<'_>> {
    chat.exports.acquire().await.map_err(Error::internal)
}

/// The progress of an export of a user's own data.
struct OwnData {
    chat: Chat,
    actor: Actor,
    part: OwnPart,
    messages: u64,
}

enum OwnPart {
    /// Their memberships, and the heads of the logs of those rooms when the export began.
    Account {
        member_rows: Vec<member::Model>,
        ends: Vec<(RoomId, Seq)>,
    },
    /// The room whose read marks are looked through from a seq on, and those that follow.
    Marks {
        after: Seq,
        rooms: VecDeque<(RoomId, Seq)>,
    },
    /// The same room, whose messages are.
    Messages {
        after: Seq,
        rooms: VecDeque<(RoomId, Seq)>,
    },
    Reactions {
        after: Option<MessageId>,
    },
    End,
    Done,
}

impl OwnData {
    async fn next(mut self) -> Result<Option<(Lines, Self)>> {
        if let OwnPart::Done = self.part {
            return Ok(None);
        }
        let mut lines = Lines::new();
        let chat = self.chat.clone();
        let _permit = permit(&chat).await?;
        self.part = match std::mem::replace(&mut self.part, OwnPart::Done) {
            OwnPart::Account { member_rows, ends } => {
                let ends: HashMap<RoomId, Seq> = ends.into_iter().collect();
                let end = |member_row: &member::Model| Some((member_row.room_id, *ends.get(&member_row.room_id)?));
                let rooms = member_rows.iter().filter_map(end).collect();
                self.account(&mut lines, member_rows).await?;
                OwnPart::Marks { after: Seq::ZERO, rooms }
            }
            OwnPart::Marks { after, rooms } => match rooms.front().copied() {
                Some((room, end)) => match self.marks(&mut lines, room, after, end).await? {
                    Some(after) => OwnPart::Marks { after, rooms },
                    None => OwnPart::Messages { after: Seq::ZERO, rooms },
                },
                None => OwnPart::Reactions { after: None },
            },
            OwnPart::Messages { after, mut rooms } => match rooms.front().copied() {
                Some((room, end)) => match self.messages(&mut lines, room, after, end).await? {
                    Some(after) => OwnPart::Messages { after, rooms },
                    None => {
                        rooms.pop_front();
                        OwnPart::Marks { after: Seq::ZERO, rooms }
                    }
                },
                None => OwnPart::Reactions { after: None },
            },
            OwnPart::Reactions { after } => match self.reactions(&mut lines, after).await? {
                Some(last) => OwnPart::Reactions { after: Some(last) },
                None => OwnPart::End,
            },
            OwnPart::End => {
                line(&mut lines, &json!({"type": "end", "messages": self.messages}))?;
                OwnPart::Done
            }
            OwnPart::Done => OwnPart::Done,
        };
        Ok(Some((lines, self)))
    }

    /// The account, its logins and memberships.
    async fn account(&self, lines: &mut Lines, member_rows: Vec<member::Model>) -> Result<()> {
        let db = self.chat.db.read();
        let me = user::Entity::find_by_id(self.actor.user_id).one(db).await?.ok_or(Error::UNAUTHORIZED)?;
        line(lines, &json!({"type": "user", "user": accounts::profile(me, &self.chat.files.signer)}))?;
        let sessions = session::Entity::find().filter(session::Column::UserId.eq(self.actor.user_id)).all(db).await?;
        for session in sessions {
            let (created_at, expires_at) = (session.created_at, session.expires_at);
            line(lines, &json!({"type": "session", "created_at": created_at, "expires_at": expires_at}))?;
        }
        for member in view::members(db, self.chat.recipient(self.actor.user_id), member_rows).await? {
            let name = room::Entity::find_by_id(member.room_id).one(db).await?.and_then(|room| room.name);
            line(lines, &json!({"type": "membership", "room_name": name, "member": member}))?;
        }
        Ok(())
    }

    /// The next advances of their read mark in a room; answers where to go on.
    async fn marks(&self, lines: &mut Lines, room: RoomId, after: Seq, end: Seq) -> Result<Option<Seq>> {
        let marks = read_mark::Entity::find()
            .filter(read_mark::Column::RoomId.eq(room))
            .filter(read_mark::Column::UserId.eq(self.actor.user_id))
            .filter(read_mark::Column::Seq.gt(after))
            .filter(read_mark::Column::Seq.lte(end))
            .order_by_asc(read_mark::Column::Seq)
            .limit(PAGE)
            .all(self.chat.db.read())
            .await?;
        let last = marks.last().map(|mark| mark.seq);
        for mark in marks {
            let mark = json!({"room_id": room, "seq": mark.seq, "read_at": mark.read_at});
            line(lines, &json!({"type": "read_mark", "read_mark": mark}))?;
        }
        Ok(last)
    }

    /// Their next messages in a room; answers where to go on.
    async fn messages(&mut self, lines: &mut Lines, room: RoomId, after: Seq, end: Seq) -> Result<Option<Seq>> {
        let db = self.chat.db.read();
        let me = self.actor.user_id;
        let mine = message::Entity::find()
            .filter(message::Column::RoomId.eq(room))
            .filter(message::Column::SenderId.eq(me))
            .filter(message::Column::Seq.gt(after))
            .filter(message::Column::Seq.lte(end))
            .order_by_asc(message::Column::Seq)
            .limit(PAGE)
            .all(db)
            .await?;
        let last = mine.last().map(|message| message.seq);
        for message in view::messages(db, self.chat.recipient(me), mine).await? {
            // Only what they wrote themselves: a preview of another user's message is not theirs.
            line(lines, &json!({"type": "message", "message": message.unquoted()}))?;
            self.messages += 1;
        }
        Ok(last)
    }

    /// Their reactions to the next messages; answers where to go on.
    async fn reactions(&self, lines: &mut Lines, after: Option<MessageId>) -> Result<Option<MessageId>> {
        let theirs = reaction::Entity::find()
            .filter(reaction::Column::UserId.eq(self.actor.user_id))
            .filter(Condition::all().add_option(after.map(|after| reaction::Column::MessageId.gt(after))))
            .order_by_asc(reaction::Column::MessageId)
            .order_by_asc(reaction::Column::Emoji)
            .limit(PAGE)
            .all(self.chat.db.read())
            .await?;
        // A message whose reactions may go on behind the page is left for the next one.
        let last = theirs.last().map(|reaction| reaction.message_id);
        let is_full = theirs.len() as u64 == PAGE;
        let whole = |reaction: &reaction::Model| !is_full || Some(reaction.message_id) != last;
        let mut reached = None;
        for reaction in theirs.into_iter().filter(whole) {
            let (message_id, emoji) = (reaction.message_id, reaction.emoji);
            reached = Some(message_id);
            let reaction = json!({"message_id": message_id, "emoji": emoji, "created_at": reaction.created_at});
            line(lines, &json!({"type": "reaction", "reaction": reaction}))?;
        }
        Ok(reached.filter(|_| is_full))
    }
}

fn line(lines: &mut Lines, value: &impl Serialize) -> Result<()> {
    serde_json::to_writer(&mut *lines, value).map_err(Error::internal)?;
    lines.push(b'\n');
    Ok(())
}
