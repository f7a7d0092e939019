//! What a batch must know before it decides: read once for all of its messages, inside its transaction.

use std::collections::{BTreeSet, HashMap, HashSet};

use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::LockType};

use super::submission::NewMessage;
use crate::{
    auth::recheck,
    chat::{
        annotations::Annotations,
        attachment, find, mention,
        permission::{Capability, Membership},
        recipient::Recipient,
        view::{self, Sender},
    },
    contract::{
        ErrorCode, HistoryAccess, MediaId, Message, MessageId, MessageType, RoomId, SessionId, Timestamp, UserId,
        Visibility,
    },
    db::{Transaction, query},
    error::{Error, Result},
    media::kind,
};
use entity::{media, member, message, room};

/// Rooms, members, users and messages that the jobs of a batch name.
pub(super) struct Preload<'a> {
    rooms: HashMap<RoomId, room::Model>,
    member_rows: HashMap<(RoomId, UserId), member::Model>,
    people: view::People,
    /// The logins of the senders that count still.
    logins: HashSet<SessionId>,
    stored: HashMap<(RoomId, UserId, String), message::Model>,
    named: HashMap<MessageId, message::Model>,
    mentionable: mention::Named,
    /// Files that the messages may carry, held until the transaction ends.
    files: HashMap<MediaId, media::Model>,
    /// Which of them those that are forwarded carry.
    attached: HashMap<MessageId, Vec<MediaId>>,
    everyone: Recipient<'a>,
}

impl<'a> Preload<'a> {
    /// Reads them, and locks the rooms (in the order of their ids) until the transaction ends.
    pub(super) async fn gather(
        tx: &Transaction,
        everyone: Recipient<'a>,
        jobs: &[&NewMessage],
        now: Timestamp,
    ) -> Result<Self> {
        let named: HashSet<MessageId> =
            jobs.iter().flat_map(|job| [job.request.reply_to_id, job.request.forwarded_from_id]).flatten().collect();
        let homes = homes(tx, &named).await?;
        let targets = jobs.iter().map(|job| (job.request.room_id, job.sender));
        let sources = jobs.iter().filter_map(|job| Some((*homes.get(&job.request.forwarded_from_id?)?, job.sender)));
        let pairs: BTreeSet<(RoomId, UserId)> = targets.chain(sources).collect();
        let rooms = rooms(tx, pairs.iter().map(|(room, _)| *room).collect()).await?;
        let member_rows = member_rows(tx, pairs).await?;
        let stored = stored(tx, jobs).await?;
        // Under the locks: a message that was edited or deleted meanwhile is quoted as it is now.
        let named = view::by_id(tx, named).await?;
        let senders = jobs.iter().map(|job| job.sender).chain(named.values().map(|original| original.sender_id));
        let others = jobs.iter().filter_map(|job| find::other_of(rooms.get(&job.request.room_id)?, job.sender));
        let people = view::people(tx, everyone.signer, senders.chain(others).collect()).await?;
        let logins: BTreeSet<SessionId> = jobs.iter().map(|job| job.session).collect();
        let logins = recheck::valid_logins(tx, query::padded(logins), now).await?;
        let mentionable = mentionable(tx, jobs).await?;
        let forwarded = jobs.iter().filter_map(|job| job.request.forwarded_from_id).collect();
        let attached = attachment::media_ids(tx, forwarded).await?;
        let own = jobs.iter().flat_map(|job| attachment::named_in(&job.request));
        let files = attachment::lock_files(tx, own.chain(attached.values().flatten().copied()).collect()).await?;
        Ok(Self { rooms, member_rows, people, logins, stored, named, mentionable, files, attached, everyone })
    }

    /// Whether the sender's account and login stand still: a message may have waited for long.
    pub(super) fn may_still_act(&self, job: &NewMessage) -> Result<()> {
        if !self.is_active(job.sender) {
            return Err(Error::ACCOUNT_DISABLED);
        }
        if self.logins.contains(&job.session) { Ok(()) } else { Err(Error::UNAUTHORIZED) }
    }

    /// Whether anybody reads what is said in a room: not in a direct room with somebody whose account is no longer in use.
    pub(super) fn reaches_somebody(&self, room: &room::Model, from: UserId) -> Result<()> {
        let reaches = find::other_of(room, from).is_none_or(|other| self.is_active(other));
        if reaches { Ok(()) } else { Err(find::NOBODY_THERE) }
    }

    fn is_active(&self, user: UserId) -> bool {
        self.people.get(&user).is_some_and(|user| user.is_active)
    }

    /// The room, and this user's membership of it.
    pub(super) fn membership(&self, user: UserId, room: RoomId) -> Result<(&room::Model, Membership)> {
        let room = self.rooms.get(&room).filter(|room| room.deleted_at.is_none()).ok_or(Error::ROOM_NOT_FOUND)?;
        let member_row = self.member_rows.get(&(room.id, user)).ok_or(Error::ROOM_NOT_FOUND)?;
        Ok((room, find::membership(room, member_row)))
    }

    /// Somebody's membership of a room.
    pub(super) fn member_row(&self, room: RoomId, user: UserId) -> Option<&member::Model> {
        self.member_rows.get(&(room, user))
    }

    /// When somebody last sent to a room in slow mode.
    pub(super) fn last_sent(&self, room: RoomId, user: UserId) -> Option<Timestamp> {
        self.member_rows.get(&(room, user))?.last_sent_at
    }

    /// How far back newcomers of a room read.
    pub(super) fn history(&self, room: RoomId) -> HistoryAccess {
        self.rooms.get(&room).map_or(HistoryAccess::SinceJoined, |room| room.history)
    }

    /// What this user sent to this room under this id before.
    pub(super) fn stored(&self, room: RoomId, user: UserId, client_msg_id: &str) -> Option<&message::Model> {
        self.stored.get(&(room, user, client_msg_id.to_owned()))
    }

    /// Whom a text mentions in a room.
    pub(super) fn mentions(&self, room: RoomId, text: Option<&str>) -> Vec<UserId> {
        match text {
            Some(text) if !self.mentionable.is_empty() => mention::resolve(&self.mentionable, room, text),
            _ => Vec::new(),
        }
    }

    /// Whether `original` is a message of the sender's room that still says something, and that they can read.
    pub(super) fn may_reply(&self, membership: &Membership, original: MessageId) -> Result<()> {
        self.named
            .get(&original)
            .filter(|original| original.room_id == membership.room_id && original.deleted_at.is_none())
            .filter(|original| membership.may_see(original.seq))
            .map(|_| ())
            .ok_or(Error::Refused(ErrorCode::InvalidReference, "reply_to_id names no message of this room"))
    }

    /// The message, if this user can read it.
    pub(super) fn may_forward(&self, user: UserId, original: MessageId) -> Result<&message::Model> {
        const UNREADABLE: Error =
            Error::Refused(ErrorCode::InvalidReference, "forwarded_from_id names no message that you can read");
        let original = self.named.get(&original).filter(|original| original.deleted_at.is_none()).ok_or(UNREADABLE)?;
        let room = self.rooms.get(&original.room_id).filter(|room| room.deleted_at.is_none()).ok_or(UNREADABLE)?;
        let member_row = self.member_rows.get(&(room.id, user)).ok_or(UNREADABLE)?;
        let membership = find::membership(room, member_row);
        membership.permit(Capability::Read).map_err(|_| UNREADABLE)?;
        if membership.may_see(original.seq) { Ok(original) } else { Err(UNREADABLE) }
    }

    /// The files that a message carries which is forwarded.
    pub(super) fn attached(&self, message: MessageId) -> Vec<MediaId> {
        let attached = self.attached.get(&message).into_iter().flatten();
        attached.filter(|id| self.files.contains_key(id)).copied().collect()
    }

    /// What a message with these files is: what its first file is by its bytes, whatever was asked for.
    pub(super) fn type_of(&self, sender: UserId, asked: Option<MessageType>, files: &[MediaId]) -> Result<MessageType> {
        let mut kinds = Vec::with_capacity(files.len());
        for id in files {
            let file = self.files.get(id).filter(|file| file.owner_id == sender && file.withdrawn_at.is_none());
            kinds.push(kind::message_type(&file.ok_or(attachment::INVALID_MEDIA)?.mime_type));
        }
        let first = kinds.first().copied();
        Ok(match (asked, first) {
            // Any file may be sent as a mere file.
            (Some(MessageType::File), _) => MessageType::File,
            (_, Some(first)) => first,
            (asked, None) => asked.unwrap_or(MessageType::Text),
        })
    }

    /// A new row as all see it who hear the room.
    pub(super) fn show(&self, row: message::Model, mentions: Vec<UserId>, files: &[MediaId]) -> Result<Message> {
        let files = files.iter().filter_map(|id| self.files.get(id));
        let attachments = files.map(|file| attachment::show(file, self.everyone)).collect();
        let sender = self.people.get(&row.sender_id).ok_or(Error::USER_NOT_FOUND)?;
        let is_public = self.rooms.get(&row.room_id).is_none_or(|room| room.visibility == Visibility::Public);
        // Who writes in a room that is not public is a contact of its other members.
        let sender = Sender::new(sender, self.everyone.emails.are_whole(!is_public));
        let reply_to = row
            .reply_to_id
            .and_then(|id| self.named.get(&id))
            .and_then(|original| Some(view::preview(original, self.people.get(&original.sender_id)?)));
        Ok(view::message(row, sender, reply_to, Annotations { mentions, ..Annotations::default() }, attachments))
    }
}

/// Members of the rooms of some messages whom these may mention.
async fn mentionable(tx: &Transaction, jobs: &[&NewMessage]) -> Result<mention::Named> {
    let (mut rooms, mut names) = (BTreeSet::new(), BTreeSet::new());
    for job in jobs {
        if let Some(text) = job.request.content.as_deref().filter(|text| text.contains('@')) {
            rooms.insert(job.request.room_id);
            names.extend(mention::candidates(text).into_iter().flatten());
        }
    }
    mention::named(tx, rooms, names).await
}

/// In which room each of some messages is.
async fn homes(tx: &Transaction, ids: &HashSet<MessageId>) -> Result<HashMap<MessageId, RoomId>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let homes = message::Entity::find()
        .select_only()
        .columns([message::Column::Id, message::Column::RoomId])
        .filter(message::Column::Id.is_in(query::padded(ids.iter().copied())))
        .into_tuple()
        .all(tx)
        .await?;
    Ok(homes.into_iter().collect())
}

async fn rooms(tx: &Transaction, ids: BTreeSet<RoomId>) -> Result<HashMap<RoomId, room::Model>> {
    let models = room::Entity::find()
        .filter(room::Column::Id.is_in(query::padded(ids)))
        .order_by_asc(room::Column::Id)
        .lock(LockType::NoKeyUpdate)
        .all(tx)
        .await?;
    Ok(models.into_iter().map(|model| (model.id, model)).collect())
}

async fn member_rows(
    tx: &Transaction,
    pairs: BTreeSet<(RoomId, UserId)>,
) -> Result<HashMap<(RoomId, UserId), member::Model>> {
    let any = query::padded(pairs).into_iter().fold(Condition::any(), |any, (room, user)| {
        any.add(Condition::all().add(member::Column::RoomId.eq(room)).add(member::Column::UserId.eq(user)))
    });
    let models = member::Entity::find().filter(any).filter(member::Column::LeftAt.is_null()).all(tx).await?;
    Ok(models.into_iter().map(|model| ((model.room_id, model.user_id), model)).collect())
}

async fn stored(tx: &Transaction, jobs: &[&NewMessage]) -> Result<HashMap<(RoomId, UserId, String), message::Model>> {
    let keys: BTreeSet<(RoomId, UserId, &str)> = jobs
        .iter()
        .filter_map(|job| Some((job.request.room_id, job.sender, job.request.client_msg_id.as_deref()?)))
        .collect();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let any = query::padded(keys).into_iter().fold(Condition::any(), |any, (room, user, id)| {
        any.add(
            Condition::all()
                .add(message::Column::RoomId.eq(room))
                .add(message::Column::SenderId.eq(user))
                .add(message::Column::ClientMsgId.eq(id)),
        )
    });
    let models = message::Entity::find().filter(any).all(tx).await?;
    Ok(models
        .into_iter()
        .filter_map(|model| Some(((model.room_id, model.sender_id, model.client_msg_id.clone()?), model)))
        .collect())
}
