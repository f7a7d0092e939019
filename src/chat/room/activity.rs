//! What a member without a subscriber in a room receives of it.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

use super::last_messages;
use crate::{
    chat::{
        Chat,
        annotations::{self, Gathered},
        find,
        receipt::{self, Unread},
    },
    contract::{HistoryAccess, Message, RoomId, Seq, UserId},
    error::{Error, Result},
};
use entity::{member, room};

/// The state of a room for some of its members.
#[derive(Debug)]
pub struct Activity {
    pub last_seq: Seq,
    /// Users who are not members are left out.
    pub members: HashMap<UserId, Badge>,
}

/// What one member sees of a room in their list.
#[derive(Debug)]
pub struct Badge {
    pub last_read_seq: Seq,
    pub unread: Unread,
    /// The last message, if they may read it.
    pub last_message: Option<Box<Message>>,
}

/// The state of a room for those of some users who are its members: as new as `last_seq` and each `last_read_seq`, or newer.
///
/// # Errors
/// `ROOM_NOT_FOUND` when it is gone.
pub async fn activity(chat: &Chat, id: RoomId, users: &[UserId]) -> Result<Activity> {
    let db = chat.db.read();
    let room = room::Entity::find_by_id(id).one(db).await?.ok_or(Error::ROOM_NOT_FOUND)?;
    let marks: HashMap<UserId, Seq> = member_rows(db, id, users)
        .await?
        .into_iter()
        .map(|member_row| (member_row.user_id, member_row.last_read_seq))
        .collect();
    let last_message = last_messages(db, chat.everyone(), std::slice::from_ref(&room)).await?.remove(&id);
    let gathered = match &last_message {
        Some(message) => annotations::gathered(db, message.id).await?,
        None => Gathered::default(),
    };
    let mut unread = receipt::unread_of(db, id, users).await?;
    // Memberships are read last: a user who was removed does not receive a message that came after that.
    let members = member_rows(db, id, users).await?.into_iter().filter_map(|member_row| {
        let last_read_seq = *marks.get(&member_row.user_id)?;
        let membership = find::membership(&room, &member_row);
        let last_message = last_message.clone().filter(|last| membership.may_see(last.seq)).map(|last| {
            let quotes_older = last.reply_to.as_ref().is_some_and(|original| !membership.may_see(original.seq));
            let last = if room.history == HistoryAccess::SinceJoined && quotes_older { last.unquoted() } else { last };
            let last = if last.sender_id == member_row.user_id { last.for_sender() } else { last };
            Box::new(gathered.on(last, member_row.user_id))
        });
        let unread = unread.remove(&member_row.user_id).unwrap_or_default();
        Some((member_row.user_id, Badge { last_read_seq, unread, last_message }))
    });
    Ok(Activity { last_seq: room.last_seq, members: members.collect() })
}

async fn member_rows(db: &impl ConnectionTrait, room: RoomId, users: &[UserId]) -> Result<Vec<member::Model>> {
    Ok(member::Entity::find()
        .filter(member::Column::RoomId.eq(room))
        .filter(member::Column::UserId.is_in(users.iter().copied()))
        .filter(member::Column::LeftAt.is_null())
        .all(db)
        .await?)
}
