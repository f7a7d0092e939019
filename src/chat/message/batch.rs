//! One transaction of the writer: who may send is checked, repeats are dropped before anything is numbered, the rest
//! takes the next seqs of its rooms.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    time::Duration,
};

use sea_orm::{
    ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, LockType},
};

use super::{
    preload::Preload,
    rows::{self, End},
    submission::NewMessage,
};
use crate::{
    chat::{attachment, mention, permission::Membership, recipient::Recipient, view},
    contract::{
        ErrorCode, HistoryAccess, MediaId, MemberId, Message, MessageId, MessageType, RoomId, Timestamp, UserId,
    },
    db::{Transaction, insert::insert_all, query},
    error::{Error, Result},
};
use entity::{member, message, room};

/// By how much the time of two nodes may differ, which both have from the database.
const CLOCKS_AGREE: Duration = Duration::from_secs(1);

/// What became of a message.
#[derive(Debug)]
pub(crate) enum SendOutcome {
    /// It is in the log now.
    Stored(Box<Stored>),
    /// It was there before.
    Repeated(Box<Message>),
}

/// A new message, in a room whose newcomers read as far back as `history` says.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) message: Message,
    pub(crate) history: HistoryAccess,
}

/// Writes a batch, in whose transaction the read marks of `marked` are moved as well. The answers stand in the order of the jobs; the outer error is the database's and the whole batch's.
pub(crate) async fn write(
    tx: &Transaction,
    everyone: Recipient<'_>,
    jobs: &[&NewMessage],
    marked: &[MemberId],
    now: Timestamp,
) -> Result<Vec<Result<SendOutcome>>> {
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let preload = Preload::gather(tx, everyone, jobs, now).await?;
    let mut draft = Draft::new(&preload, now);
    let decisions: Vec<_> = jobs.iter().map(|job| draft.decide(job)).collect();
    let Draft { rooms, rows, mentions, files, slowed, newcomers, .. } = draft;
    rows::advance(tx, &rooms, now).await?;
    insert_all::<message::Entity>(tx, &rows).await?;
    let named: Vec<_> = rows.iter().zip(&mentions).flat_map(|(row, users)| mention::rows(row, users)).collect();
    insert_all::<entity::mention::Entity>(tx, &named).await?;
    let attached: Vec<_> = rows.iter().zip(&files).flat_map(|(row, files)| attachment::rows(row, files)).collect();
    insert_all::<entity::attachment::Entity>(tx, &attached).await?;
    note_senders(tx, slowed.into_values().collect(), newcomers, marked, now).await?;

    let stored: Vec<Stored> = rows
        .into_iter()
        .zip(mentions)
        .zip(files)
        .map(|((row, mentions), files)| {
            let history = preload.history(row.room_id);
            Ok(Stored { message: preload.show(row, mentions, &files)?, history })
        })
        .collect::<Result<_>>()?;
    let repeated = repeated(tx, everyone, jobs, &decisions).await?;
    Ok(decisions
        .into_iter()
        .map(|decision| {
            Ok(match decision? {
                Decision::Store(index) => SendOutcome::Stored(Box::new(stored[index].clone())),
                Decision::RepeatOfNew(index) => SendOutcome::Repeated(Box::new(stored[index].message.clone())),
                Decision::RepeatOf(id) => {
                    SendOutcome::Repeated(Box::new(repeated.get(&id).cloned().ok_or(Error::MESSAGE_NOT_FOUND)?))
                }
            })
        })
        .collect())
}

/// What is to become of a message. Numbers are positions among the new rows.
enum Decision {
    Store(usize),
    RepeatOfNew(usize),
    RepeatOf(MessageId),
}

/// What makes a send repeatable.
type RepeatKey<'a> = (RoomId, UserId, &'a str);

/// The new rows, as they come together.
struct Draft<'a> {
    preload: &'a Preload<'a>,
    now: Timestamp,
    rooms: BTreeMap<RoomId, End>,
    fresh: HashMap<RepeatKey<'a>, usize>,
    rows: Vec<message::Model>,
    /// Whom each of them mentions.
    mentions: Vec<Vec<UserId>>,
    /// Which files each of them carries.
    files: Vec<Vec<MediaId>>,
    /// Who sent to a room in slow mode.
    slowed: HashMap<(RoomId, UserId), MemberId>,
    /// Who writes in a room for the first time.
    newcomers: BTreeSet<MemberId>,
}

impl<'a> Draft<'a> {
    fn new(preload: &'a Preload<'a>, now: Timestamp) -> Self {
        Self {
            preload,
            now,
            rooms: BTreeMap::new(),
            fresh: HashMap::new(),
            rows: Vec::new(),
            mentions: Vec::new(),
            files: Vec::new(),
            slowed: HashMap::new(),
            newcomers: BTreeSet::new(),
        }
    }

    fn decide(&mut self, job: &'a NewMessage) -> Result<Decision> {
        let request = &job.request;
        self.preload.may_still_act(job)?;
        let (room, membership) = self.preload.membership(job.sender, request.room_id)?;
        // A repeat of what is stored is answered so, whatever became of the sender's rights since.
        if let Some(repeat) = self.repeat(job)? {
            return Ok(repeat);
        }
        membership.permit_sending(self.now)?;
        self.preload.reaches_somebody(room, job.sender)?;
        self.keep_slow(room, job.sender, &membership)?;
        let (message_type, content, files) = self.body(job)?;
        if let Some(original) = request.reply_to_id {
            self.preload.may_reply(&membership, original)?;
        }

        let end = self.rooms.entry(room.id).or_insert(End { last_seq: room.last_seq, new_messages: 0 });
        end.last_seq = end.last_seq.next();
        end.new_messages += 1;
        let index = self.rows.len();
        // By the sender's own words: what a forward takes from its original calls nobody.
        self.mentions.push(self.preload.mentions(room.id, request.content.as_deref()));
        self.files.push(files);
        self.rows.push(message::Model {
            id: MessageId::new(),
            room_id: room.id,
            seq: end.last_seq,
            sender_id: job.sender,
            message_type,
            content,
            reply_to_id: request.reply_to_id,
            forwarded_from_id: request.forwarded_from_id,
            client_msg_id: request.client_msg_id.clone(),
            request_hash: job.fingerprint.clone(),
            created_at: self.now,
            edited_at: None,
            deleted_at: None,
        });
        if let Some(member_row) = self.preload.member_row(room.id, job.sender) {
            if slow_mode(room, &membership).is_some() {
                self.slowed.insert((room.id, job.sender), member_row.id);
            }
            if !member_row.participates {
                self.newcomers.insert(member_row.id);
            }
        }
        if let Some(id) = &request.client_msg_id {
            self.fresh.insert((room.id, job.sender, id), index);
        }
        Ok(Decision::Store(index))
    }

    /// Refuses who sent a moment ago, where members have to wait in between.
    fn keep_slow(&self, room: &room::Model, sender: UserId, membership: &Membership) -> Result<()> {
        let Some(interval) = slow_mode(room, membership) else { return Ok(()) };
        let in_batch = self.slowed.get(&(room.id, sender)).map(|_| self.now);
        let Some(last) = in_batch.or_else(|| self.preload.last_sent(room.id, sender)) else { return Ok(()) };
        // A clock was set back since: nobody knows how long ago that was, and nobody waits for longer than the interval.
        if last > self.now.plus(CLOCKS_AGREE) {
            return Ok(());
        }
        let again = last.plus(interval);
        if again <= self.now {
            return Ok(());
        }
        Err(Error::RateLimited { retry_after: again.since(self.now).min(interval) })
    }

    /// Whether this was sent before, here or in an earlier transaction.
    fn repeat(&self, job: &'a NewMessage) -> Result<Option<Decision>> {
        let Some(id) = &job.request.client_msg_id else { return Ok(None) };
        let (before, decision) = if let Some(&index) = self.fresh.get(&(job.request.room_id, job.sender, id.as_str())) {
            (&self.rows[index], Decision::RepeatOfNew(index))
        } else if let Some(stored) = self.preload.stored(job.request.room_id, job.sender, id) {
            (stored, Decision::RepeatOf(stored.id))
        } else {
            return Ok(None);
        };
        if before.request_hash == job.fingerprint {
            Ok(Some(decision))
        } else {
            Err(Error::Refused(
                ErrorCode::ClientMsgIdConflict,
                "this client_msg_id was already used for another message in this room",
            ))
        }
    }

    /// What it says: its own text and files, or those of the message it forwards.
    fn body(&self, job: &NewMessage) -> Result<(MessageType, Option<String>, Vec<MediaId>)> {
        let request = &job.request;
        let own: Vec<MediaId> = attachment::named_in(request).collect();
        let own_type = self.preload.type_of(job.sender, request.message_type, &own)?;
        if let Some(original) = request.forwarded_from_id {
            let original = self.preload.may_forward(job.sender, original)?;
            if request.content.is_none() && own.is_empty() {
                let files = self.preload.attached(original.id);
                return Ok((original.message_type, original.content.clone(), files));
            }
        }
        Ok((own_type, request.content.clone(), own))
    }
}

/// How long somebody has to wait between two messages in a room. Owners and admins never do.
fn slow_mode(room: &room::Model, membership: &Membership) -> Option<Duration> {
    let seconds = u64::try_from(room.slow_mode_seconds).ok().filter(|seconds| *seconds > 0)?;
    membership.waits_in_slow_mode().then(|| Duration::from_secs(seconds))
}

/// Remembers when members last sent to a room in slow mode, and who has written for the first time.
async fn note_senders(
    tx: &Transaction,
    slowed: Vec<MemberId>,
    newcomers: BTreeSet<MemberId>,
    marked: &[MemberId],
    now: Timestamp,
) -> Result<()> {
    if slowed.is_empty() && newcomers.is_empty() {
        return Ok(());
    }
    let changed = slowed.iter().chain(&newcomers).chain(marked).copied();
    // All that this transaction changes, in one order: two nodes never wait for each other.
    member::Entity::find()
        .select_only()
        .column(member::Column::Id)
        .filter(member::Column::Id.is_in(query::padded(changed)))
        .order_by_asc(member::Column::Id)
        .lock(LockType::NoKeyUpdate)
        .into_tuple::<MemberId>()
        .all(tx)
        .await?;
    for (column, value, members) in [
        (member::Column::LastSentAt, Expr::value(now), slowed),
        (member::Column::Participates, Expr::value(true), newcomers.into_iter().collect()),
    ] {
        if !members.is_empty() {
            let those = member::Column::Id.is_in(query::padded(members));
            member::Entity::update_many().col_expr(column, value).filter(those).exec(tx).await?;
        }
    }
    Ok(())
}

/// Messages of earlier transactions that were sent again, as they are now, to who sent them.
async fn repeated(
    tx: &Transaction,
    everyone: Recipient<'_>,
    jobs: &[&NewMessage],
    decisions: &[Result<Decision>],
) -> Result<HashMap<MessageId, Message>> {
    let mut by_sender: HashMap<UserId, HashSet<MessageId>> = HashMap::new();
    for (job, decision) in jobs.iter().zip(decisions) {
        if let Ok(Decision::RepeatOf(id)) = decision {
            by_sender.entry(job.sender).or_default().insert(*id);
        }
    }
    let mut repeated = HashMap::new();
    for (sender, ids) in by_sender {
        let models = view::by_id(tx, ids).await?.into_values().collect();
        let messages = view::messages(tx, everyone.one(sender), models).await?;
        repeated.extend(messages.into_iter().map(|message| (message.id, message)));
    }
    Ok(repeated)
}
