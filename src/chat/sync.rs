//! Catching up: what followed a cursor, in many rooms at once or in one.

use std::collections::{HashMap, HashSet};

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use super::{
    Chat, catch_up, entries,
    room::{self as rooms, Subscription},
};
use crate::{
    auth::Actor,
    contract::{
        ErrorCode, FieldError, Room, RoomId, Seq, Timestamp,
        command::{Sync, Synced, SyncedEvent, SyncedRoom},
        event::{Encoded, Ephemeral, USER_UPDATED},
    },
    error::{Error, Result},
    log::entry::Entry,
};
use entity::room;

/// The most cursors of a request, and the most rooms in `joined`.
const ROOMS: usize = 1_000;

/// The smallest size of an entry as an event, in bytes.
const ENTRY_BYTES: usize = 128;

/// Entries read at a time.
const PAGE: usize = 200;

/// What followed the asker's cursors, which of their rooms had no cursor, and which cursors are of rooms that they left. `admit` is
/// called with the largest possible number of events before any is read.
///
/// After `bytes` of events, over all rooms, rooms say `has_more`: an answer is one packet, and waits in memory until its client
/// has read it.
///
/// # Errors
/// `VALIDATION_ERROR`, `RESYNC_REQUIRED` for a cursor ahead of its room, and what `admit` says.
pub async fn sync(
    chat: &Chat,
    actor: &Actor,
    request: Sync,
    bytes: usize,
    admit: impl AsyncFnOnce(usize) -> Result<()>,
) -> Result<Synced> {
    let limit = request.limit.unwrap_or(200);
    Error::check([
        if (1..=1_000).contains(&limit) {
            Ok(())
        } else {
            Err(FieldError::new("limit", "range", "must be 1 to 1,000"))
        },
        check_cursors(&request.cursors),
    ])?;
    let limit = usize::try_from(limit).map_err(Error::internal)?;
    let db = chat.db.read();
    let mine = rooms::find_subscriptions(db, actor.user_id).await?;
    let ids: HashSet<RoomId> = mine.iter().map(|(id, _)| *id).collect();
    let left = request.cursors.keys().filter(|id| !ids.contains(id)).copied().collect();
    let (known, new): (Vec<_>, Vec<_>) = mine.into_iter().partition(|(id, _)| request.cursors.contains_key(id));
    let missed = |(id, subscription): &(RoomId, Subscription)| {
        let after = Seq(request.cursors.get(id).copied().unwrap_or_default());
        usize::try_from(subscription.head.0 - subscription.after(after).0).unwrap_or(0).min(limit)
    };
    admit(known.iter().map(missed).sum::<usize>().min(bytes / ENTRY_BYTES)).await?;
    let theirs = request.cursors.iter().filter(|(room, _)| ids.contains(room));
    let times = catch_up::times(chat, &theirs.map(|(room, seq)| (*room, Seq(*seq))).collect()).await?;
    let mut budget = bytes;
    let mut profiles = changed_profiles(chat, actor, &times, &mut budget).await?;
    let mut marks = catch_up::marks(db, actor.user_id, known.iter().map(|(room, _)| *room).collect()).await?;
    let mut synced = Vec::with_capacity(known.len());
    for (room_id, subscription) in known {
        let (after, last_seq) = (Seq(request.cursors.get(&room_id).copied().unwrap_or_default()), subscription.head);
        if after > last_seq {
            return Err(AHEAD);
        }
        let mut events = Vec::new();
        let mut news = profiles.remove(&room_id).unwrap_or_default();
        let mut reached = subscription.after(after);
        while reached < last_seq && events.len() < limit && budget > 0 {
            let page = PAGE.min(limit - events.len());
            for entry in entries::read(db, chat.everyone(), room_id, reached, last_seq, page).await? {
                if budget == 0 {
                    break;
                }
                let data = entry.data_for(actor.user_id, subscription.joined, &chat.files.signer);
                budget = budget.saturating_sub(data.as_str().len());
                reached = entry.seq;
                events.push(SyncedEvent { event: entry.name, data: data.into_owned() });
            }
        }
        news.extend(events);
        let read_marks = marks.remove(&room_id).unwrap_or_default();
        let has_more = reached < last_seq;
        synced.push(SyncedRoom { room_id, events: news, read_marks, last_seq, has_more });
    }
    let new: Vec<RoomId> = new.into_iter().map(|(id, _)| id).collect();
    // Some new rooms are in the answer even when it is full of events.
    let joined = overviews(chat, actor, &new, budget.max(bytes / 4)).await?;
    Ok(Synced { rooms: synced, has_more: joined.len() < new.len(), joined, left })
}

/// The first of some rooms as their lists show them to a member: as many as one answer takes.
async fn overviews(chat: &Chat, actor: &Actor, ids: &[RoomId], mut budget: usize) -> Result<Vec<Room>> {
    let db = chat.db.read();
    let mut shown = Vec::new();
    for some in ids[..ids.len().min(ROOMS)].chunks(100) {
        let models = room::Entity::find().filter(room::Column::Id.is_in(some.iter().copied())).all(db).await?;
        let rooms = rooms::summaries(db, chat.recipient(actor.user_id), models).await?;
        let mut rooms: HashMap<RoomId, Room> = rooms.into_iter().map(|room| (room.id, room)).collect();
        for room in some.iter().filter_map(|id| rooms.remove(id)) {
            let bytes = serde_json::to_string(&room).map_err(Error::internal)?.len();
            if bytes > budget && !shown.is_empty() {
                return Ok(shown);
            }
            budget = budget.saturating_sub(bytes);
            shown.push(room);
        }
    }
    Ok(shown)
}

/// Events for profiles that changed since the entries at the cursors were made: the latest ones, in at most half of the `budget`, so that
/// there is always space for entries.
async fn changed_profiles(
    chat: &Chat,
    actor: &Actor,
    times: &HashMap<RoomId, Timestamp>,
    budget: &mut usize,
) -> Result<HashMap<RoomId, Vec<SyncedEvent>>> {
    let least = *budget / 2;
    let mut told: HashMap<RoomId, Vec<SyncedEvent>> = HashMap::new();
    for (room, user) in catch_up::profiles(chat, actor.user_id, times).await? {
        let data = Encoded::new(&Ephemeral::UserUpdated { user: user.into() });
        let left = budget.saturating_sub(data.as_str().len());
        if left < least {
            break;
        }
        *budget = left;
        told.entry(room).or_default().push(SyncedEvent { event: USER_UPDATED, data });
    }
    Ok(told)
}

/// Refuses impossible cursors.
///
/// # Errors
/// The rule they break.
pub fn check_cursors(cursors: &HashMap<RoomId, i64>) -> Result<(), FieldError> {
    if cursors.len() > ROOMS {
        return Err(FieldError::new("cursors", "too_many", format!("must name at most {ROOMS} rooms")));
    }
    match cursors.iter().find(|(_, seq)| **seq < 0) {
        Some((room, _)) => Err(FieldError::new(format!("cursors.{room}"), "range", "must be 0 or more")),
        None => Ok(()),
    }
}

/// Refused: a cursor ahead of the log, so that the client's data is not of this room.
pub const AHEAD: Error =
    Error::Refused(ErrorCode::ResyncRequired, "the cursor is ahead of the room's log; load the room again");

/// The entries of a room with a seq in `(after, up_to]`, for a feed that knows `up_to` to be committed.
///
/// # Errors
/// When the database does not answer.
pub async fn entries(chat: &Chat, room: RoomId, after: Seq, up_to: Seq) -> Result<Vec<Entry>> {
    let count = usize::try_from(up_to.0 - after.0).unwrap_or(0);
    entries::read(chat.db.read(), chat.everyone(), room, after, up_to, count).await
}

/// The seq of the last message of each of some rooms.
///
/// # Errors
/// When the database does not answer.
pub async fn last_messages(chat: &Chat, ids: Vec<RoomId>) -> Result<Vec<(RoomId, Seq)>> {
    seqs(chat, ids, room::Column::LastMessageSeq).await
}

/// The heads of the logs of some rooms. Deleted rooms are left out.
///
/// # Errors
/// When the database does not answer.
pub async fn ends(chat: &Chat, ids: Vec<RoomId>) -> Result<Vec<(RoomId, Seq)>> {
    seqs(chat, ids, room::Column::LastSeq).await
}

async fn seqs(chat: &Chat, ids: Vec<RoomId>, which: room::Column) -> Result<Vec<(RoomId, Seq)>> {
    let rows = room::Entity::find()
        .select_only()
        .columns([room::Column::Id, which])
        .filter(room::Column::Id.is_in(ids))
        .into_tuple()
        .all(chat.db.read())
        .await?;
    Ok(rows)
}
