//! Read marks on their way to their members' rows: many in one transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, LockType},
};

use crate::{
    auth::recheck,
    cluster::bus::{Notice, Topic},
    contract::{MemberId, MessageId, RoomId, Seq, SessionId, Timestamp, UserId, event::Ephemeral},
    db::{Transaction, query},
    error::{Error, Result},
};
use entity::{member, read_mark};

/// A read mark on its way to its member's row.
#[derive(Debug)]
pub(crate) struct NewMark {
    /// The member's row.
    pub(crate) member_id: MemberId,
    pub(crate) room_id: RoomId,
    pub(crate) user_id: UserId,
    /// The login that must count still when it is written.
    pub(crate) session: SessionId,
    pub(crate) seq: Seq,
    pub(crate) at: Timestamp,
    /// The messages that were read.
    pub(crate) message_ids: Vec<MessageId>,
    /// Whether others receive it, and not only the member.
    pub(crate) is_shared: bool,
}

impl NewMark {
    /// The notice for it.
    pub(crate) fn into_notices(self) -> impl Iterator<Item = Notice> {
        let Self { room_id, user_id, seq, at, message_ids, is_shared, .. } = self;
        let event = Ephemeral::MessagesRead { room_id, user_id, message_ids, last_read_seq: seq, read_at: at };
        let topics = [Some(Topic::User(user_id)), is_shared.then_some(Topic::Room(room_id))];
        topics.into_iter().flatten().map(move |topic| Notice::Emit { topic, event: event.clone() })
    }
}

/// Moves read marks forward, each member's once: to the furthest that was asked for. Each advance is remembered with what it
/// passed over: that is who has read what, and when.
pub(crate) async fn advance(tx: &Transaction, marks: &[&NewMark], now: Timestamp) -> Result<Vec<Result<bool>>> {
    if marks.is_empty() {
        return Ok(Vec::new());
    }
    let logins: BTreeSet<SessionId> = marks.iter().map(|mark| mark.session).collect();
    let logins = recheck::valid_logins(tx, query::padded(logins), now).await?;
    let mut furthest: BTreeMap<MemberId, &NewMark> = BTreeMap::new();
    for &mark in marks.iter().filter(|mark| logins.contains(&mark.session)) {
        let furthest = furthest.entry(mark.member_id).or_insert(mark);
        if mark.seq > furthest.seq {
            *furthest = mark;
        }
    }
    let member_rows = member::Entity::find()
        .filter(member::Column::Id.is_in(query::padded(furthest.keys().copied())))
        .filter(member::Column::LeftAt.is_null())
        .order_by_asc(member::Column::Id)
        .lock(LockType::NoKeyUpdate)
        .all(tx)
        .await?;
    let mut moved: HashMap<MemberId, Seq> = HashMap::new();
    let mut advances = Vec::new();
    for member_row in member_rows {
        let Some(mark) = furthest.get(&member_row.id).filter(|mark| mark.seq > member_row.last_read_seq) else {
            continue;
        };
        member::Entity::update_many()
            .col_expr(member::Column::LastReadSeq, Expr::value(mark.seq))
            .col_expr(member::Column::LastReadAt, Expr::value(mark.at))
            .filter(member::Column::Id.eq(member_row.id))
            .exec(tx)
            .await?;
        moved.insert(member_row.id, mark.seq);
        advances.push(read_mark::ActiveModel {
            room_id: Set(member_row.room_id),
            user_id: Set(member_row.user_id),
            seq: Set(mark.seq),
            from_seq: Set(member_row.last_read_seq),
            read_at: Set(mark.at),
        });
    }
    if !advances.is_empty() {
        read_mark::Entity::insert_many(advances).exec_without_returning(tx).await?;
    }
    let answer = |mark: &&NewMark| match logins.contains(&mark.session) {
        true => Ok(moved.get(&mark.member_id) == Some(&mark.seq)),
        false => Err(Error::UNAUTHORIZED),
    };
    Ok(marks.iter().map(answer).collect())
}
