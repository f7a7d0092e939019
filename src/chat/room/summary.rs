//! Rooms as they are in lists.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::{
    chat::{find, receipt, recipient::Recipient, view},
    contract::{Member, Message, Room, RoomId, RoomType, Seq},
    error::{Error, Result},
};
use entity::{member, message, room};

pub(super) async fn summary(db: &impl ConnectionTrait, recipient: Recipient<'_>, model: room::Model) -> Result<Room> {
    summaries(db, recipient, vec![model]).await?.pop().ok_or(Error::ROOM_NOT_FOUND)
}

/// Rooms as their lists show them to a member: with the last message, what is unread, the member's role, and of a direct room the
/// two who are in it, because it has no other name to show.
pub(in crate::chat) async fn summaries(
    db: &impl ConnectionTrait,
    recipient: Recipient<'_>,
    models: Vec<room::Model>,
) -> Result<Vec<Room>> {
    let Some(user) = recipient.user else { return Ok(Vec::new()) };
    let ids: Vec<RoomId> = models.iter().map(|model| model.id).collect();
    let unread = receipt::unread(db, user, &ids).await?;
    let mut last = last_messages(db, recipient, &models).await?;
    let direct = models.iter().filter(|model| model.room_type == RoomType::Direct).map(|model| model.id);
    let mut pairs = pairs(db, recipient, direct.collect()).await?;
    let member_rows: HashMap<RoomId, member::Model> = member::Entity::find()
        .filter(member::Column::UserId.eq(user))
        .filter(member::Column::RoomId.is_in(ids))
        .all(db)
        .await?
        .into_iter()
        .map(|member_row| (member_row.room_id, member_row))
        .collect();
    let summary = |model: room::Model| {
        let unread = unread.get(&model.id).copied().unwrap_or_default();
        let member_row = member_rows.get(&model.id);
        let sees = |seq| member_row.is_some_and(|member_row| find::membership(&model, member_row).may_see(seq));
        Room {
            members: (model.room_type == RoomType::Direct).then(|| pairs.remove(&model.id).unwrap_or_default()),
            last_message: Some(last.remove(&model.id).filter(|message| sees(message.seq))),
            unread_count: Some(unread.messages),
            mention_count: Some(unread.mentions),
            my_role: member_row.map(|member_row| member_row.role),
            ..view::room(model, recipient.signer)
        }
    };
    Ok(models.into_iter().map(summary).collect())
}

/// The members of some direct rooms.
async fn pairs(
    db: &impl ConnectionTrait,
    recipient: Recipient<'_>,
    rooms: Vec<RoomId>,
) -> Result<HashMap<RoomId, Vec<Member>>> {
    let mut pairs: HashMap<RoomId, Vec<Member>> = HashMap::new();
    for rooms in rooms.chunks(500) {
        let member_rows = member::Entity::find()
            .filter(member::Column::RoomId.is_in(rooms.iter().copied()))
            .filter(member::Column::LeftAt.is_null())
            .order_by_asc(member::Column::JoinedSeq)
            .all(db)
            .await?;
        for member in view::members(db, recipient, member_rows).await? {
            pairs.entry(member.room_id).or_default().push(member);
        }
    }
    Ok(pairs)
}

/// The newest message of each room that has one.
pub(in crate::chat) async fn last_messages(
    db: &impl ConnectionTrait,
    recipient: Recipient<'_>,
    rooms: &[room::Model],
) -> Result<HashMap<RoomId, Message>> {
    let mut last = HashMap::new();
    for rooms in rooms.chunks(100) {
        let newest = rooms.iter().filter(|room| room.last_message_seq > Seq::ZERO).map(|room| {
            Condition::all()
                .add(message::Column::RoomId.eq(room.id))
                .add(message::Column::Seq.eq(room.last_message_seq))
        });
        let any = newest.fold(Condition::any(), Condition::add);
        if any.is_empty() {
            continue;
        }
        let models = message::Entity::find().filter(any).all(db).await?;
        last.extend(view::messages(db, recipient, models).await?.into_iter().map(|message| (message.room_id, message)));
    }
    Ok(last)
}
