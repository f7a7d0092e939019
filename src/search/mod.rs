//! Search: messages by any part of their words, in the rooms of the asker.
//!
//! The index only proposes candidates: every candidate is read and compared in its present state, so that no result was deleted, edited
//! away, or is not visible to the asker. The index may lag behind: messages that it has not read yet are compared as well.

mod excerpt;
mod fit;
mod fold;
mod index;
mod indexer;

use std::collections::{HashMap, HashSet};

use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, JoinType, QueryFilter, QueryOrder, QuerySelect};

use self::{
    fit::{Fit, Hit, Term},
    index::Question,
};
use crate::chat::{Chat, find, view};
use crate::{
    auth::Actor,
    contract::{
        FieldError, MessageId, RoomId, Seq, UserId,
        list::{FoundList, PageQuery},
        search::{Search, SearchHit},
        text,
    },
    db::query,
    error::{Error, Result},
    log,
};
use entity::{HistoryAccess, member, message, room};

pub use indexer::Indexing;

use indexer::Indexer;

/// The longest query, in characters.
const QUERY_CHARS: usize = 200;

/// The most words of a query.
const TERMS: usize = 10;

/// The most results that are counted.
const COUNTED: usize = 1_000;

/// Messages that are compared one by one: of people with so few in their rooms, and for terms too short for the index.
const COMPARED: u64 = 5_000;

/// Bytes of messages that are compared one by one: a letter that is not of ASCII costs about a microsecond.
const COMPARED_BYTES: usize = 1_000_000;

/// Changes that the index has not read yet and that are compared one by one, the latest of the most recently active rooms: what it
/// reads in ten seconds. It is that far behind only after a flood, or an upgrade that has it made anew.
const LATE: i64 = 50_000;

/// Messages that are read and compared at a time.
const PAGE: usize = 256;

/// Messages of two rooms that are read together, and how many such rooms are.
const SMALL_ROOM: i64 = 64;
const SMALL_ROOMS: usize = 32;

/// Messages that have all of these words, or parts of words: those that have them with their accents first, the newest first.
///
/// # Errors
/// `VALIDATION_ERROR`, `ROOM_NOT_FOUND`, and `SERVICE_UNAVAILABLE` when it takes too long.
pub async fn search(chat: &Chat, actor: &Actor, query: Search) -> Result<FoundList> {
    let page = PageQuery { page: query.page, page_size: query.page_size }.check()?;
    let terms = terms(&query.q)?;
    let search = async {
        let scope = Scope::of(chat, actor, query, terms).await?;
        let found = scope.found(chat).await?;
        let total = u64::try_from(found.len()).unwrap_or(u64::MAX);
        let skip = usize::try_from(page.offset()).unwrap_or(usize::MAX);
        let take = usize::try_from(page.size()).unwrap_or(usize::MAX);
        let shown = found.into_iter().skip(skip).take(take).map(|hit| hit.message).collect();
        let messages = view::messages(chat.db.search(), chat.recipient(actor.user_id), shown).await?;
        let found = |message: crate::contract::Message| {
            let excerpt = excerpt::excerpt(message.content.as_deref().unwrap_or_default(), scope.fit.terms());
            SearchHit { message, excerpt }
        };
        Ok(FoundList { messages: messages.into_iter().map(found).collect(), info: page.info(total) })
    };
    chat.searches.take(actor.user_id, search).await
}

/// What is searched for, and where.
struct Scope {
    asker: UserId,
    fit: Fit,
    /// The rooms, the most recently active first.
    rooms: Vec<SearchedRoom>,
}

/// A room that is searched.
struct SearchedRoom {
    id: RoomId,
    message_count: i64,
    last_seq: Seq,
}

impl Scope {
    async fn of(chat: &Chat, actor: &Actor, query: Search, terms: Vec<Term>) -> Result<Self> {
        let db = chat.db.search();
        let asker = actor.user_id;
        let mut reads_from = HashMap::new();
        let rooms = if let Some(id) = query.room_id {
            let (room::Model { message_count, last_seq, .. }, _, membership) = find::room(db, asker, id).await?;
            reads_from.insert(id, membership.reads_from);
            vec![SearchedRoom { id, message_count, last_seq }]
        } else {
            let mine = searched_rooms(db, asker).await?;
            reads_from.extend(mine.iter().map(|(room, from)| (room.id, *from)));
            mine.into_iter().map(|(room, _)| room).collect()
        };
        Ok(Self { asker, fit: Fit::new(query, terms, reads_from), rooms })
    }

    /// Everything that fits, in the order in which it is shown, up to what is counted.
    async fn found(&self, chat: &Chat) -> Result<Vec<Hit>> {
        let in_index: Vec<String> = self.fit.terms().filter_map(fold::indexed_term).collect();
        let messages: i64 = self.rooms.iter().map(|room| room.message_count).sum();
        let is_small = u64::try_from(messages).is_ok_and(|messages| messages <= COMPARED);
        let compared = if is_small || in_index.is_empty() { Some(self.compared(chat).await?) } else { None };
        // Few messages may have much text: then the index is asked after all.
        let mut found = if let Some(compared) = compared.filter(|it| it.bytes > 0 || in_index.is_empty()) {
            compared.hits
        } else {
            // How far the index has read is asked first: what it reads meanwhile is found twice rather than not at all.
            let late = self.not_indexed(chat).await?;
            let mut found = self.indexed(chat, &in_index).await?;
            let known: HashSet<MessageId> = found.iter().map(|hit| hit.message.id).collect();
            found.extend(late.into_iter().filter(|hit| !known.contains(&hit.message.id)));
            found
        };
        found.sort_unstable_by_key(|hit| std::cmp::Reverse((hit.is_exact, hit.message.created_at, hit.message.id)));
        found.truncate(COUNTED);
        Ok(found)
    }

    /// What the index proposes, and is so. It knows nothing of who may read what: it is asked until enough is.
    async fn indexed(&self, chat: &Chat, terms: &[String]) -> Result<Vec<Hit>> {
        let db = chat.db.search();
        let ids: Vec<RoomId> = self.rooms.iter().map(|room| room.id).collect();
        let Search { sender_id: sender, before, after, .. } = *self.fit.query();
        let mut question = Question { asker: self.asker, rooms: &ids, terms, sender, before, after, below: None };
        let mut found = Vec::new();
        loop {
            let proposed = index::ask(&chat.db, &question, COUNTED + 1).await?;
            for some in proposed.chunks(PAGE) {
                let models = view::by_id(db, some.iter().map(|(message, _)| *message).collect()).await?;
                found.extend(self.fit.those_of(models.into_values().collect()).await?);
            }
            match proposed.last() {
                Some((_, last)) if proposed.len() > COUNTED && found.len() < COUNTED => question.below = Some(*last),
                _ => return Ok(found),
            }
        }
    }

    /// What fits of the entries that the index has not read yet.
    async fn not_indexed(&self, chat: &Chat) -> Result<Vec<Hit>> {
        let ids = self.rooms.iter().map(|room| room.id);
        let known = log::cursors::<Indexer>(chat.db.search(), ids).await?;
        let (mut found, mut budget) = (Vec::new(), LATE);
        let db = chat.db.search();
        for room in &self.rooms {
            let after = known.get(&room.id).copied().unwrap_or_default();
            let mut from = after.max(Seq(room.last_seq.0 - budget));
            budget -= (room.last_seq.0 - from.0).max(0);
            while from < room.last_seq && budget >= 0 {
                let up_to = Ord::min(room.last_seq, Seq(from.0 + PAGE as i64));
                let late = indexer::changed(db, log::read::rows(db, room.id, from, up_to).await?).await?;
                found.extend(self.fit.those_of(late).await?);
                from = up_to;
            }
        }
        Ok(found)
    }

    /// What fits of the newest messages of the rooms, compared one by one.
    async fn compared(&self, chat: &Chat) -> Result<Compared> {
        let mut compared = Compared { hits: Vec::new(), messages: COMPARED, bytes: COMPARED_BYTES };
        for rooms in self.rooms.chunk_by(|one, next| one.message_count + next.message_count <= SMALL_ROOM) {
            let mut rooms = rooms.chunks(SMALL_ROOMS);
            while let Some(rooms) = rooms.next().filter(|_| compared.may_go_on()) {
                self.compare(chat, rooms, &mut compared).await?;
            }
        }
        Ok(compared)
    }

    /// Compares the messages of one room, or of several small ones, page by page.
    async fn compare(&self, chat: &Chat, rooms: &[SearchedRoom], compared: &mut Compared) -> Result<()> {
        let mut below = None;
        while compared.may_go_on() {
            let page =
                message::Entity::find()
                    .filter(message::Column::RoomId.is_in(query::padded(rooms.iter().map(|room| room.id))))
                    .filter(Condition::all().add_option(below.map(|seq: Seq| message::Column::Seq.lt(seq))))
                    .filter(Condition::all().add_option(
                        (rooms.len() == 1).then(|| message::Column::Seq.gte(self.fit.reads_from(rooms[0].id))),
                    ))
                    .filter(self.fit.apart_from_text())
                    .order_by_desc(message::Column::Seq)
                    // Small rooms have no second page.
                    .limit(if rooms.len() == 1 { PAGE as u64 } else { compared.messages })
                    .all(chat.db.search())
                    .await?;
            compared.charge(&page);
            let is_last = rooms.len() > 1 || page.len() < PAGE;
            below = page.last().map(|message| message.seq);
            compared.hits.extend(self.fit.those_of(page).await?);
            if is_last {
                break;
            }
        }
        Ok(())
    }
}

/// What fits of the messages that were compared one by one so far, and what may still be.
struct Compared {
    hits: Vec<Hit>,
    messages: u64,
    bytes: usize,
}

impl Compared {
    fn may_go_on(&self) -> bool {
        self.messages > 0 && self.bytes > 0 && self.hits.len() <= COUNTED
    }

    fn charge(&mut self, page: &[message::Model]) {
        self.messages = self.messages.saturating_sub(page.len() as u64);
        let bytes = page.iter().filter_map(|message| message.content.as_ref()).map(String::len).sum();
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// The rooms of a user, the most recently active first, and from where they may read each.
async fn searched_rooms(db: &impl ConnectionTrait, user: UserId) -> Result<Vec<(SearchedRoom, Seq)>> {
    let home = member::Entity::belongs_to(room::Entity).from(member::Column::RoomId).to(room::Column::Id).into();
    let rows: Vec<(RoomId, i64, Seq, HistoryAccess, Seq)> = member::Entity::find()
        .select_only()
        .columns([room::Column::Id, room::Column::MessageCount, room::Column::LastSeq, room::Column::History])
        .column(member::Column::JoinedSeq)
        .join(JoinType::InnerJoin, home)
        .filter(member::Column::UserId.eq(user))
        .filter(member::Column::LeftAt.is_null())
        .filter(room::Column::DeletedAt.is_null())
        .order_by_desc(room::Column::ActiveAt)
        .into_tuple()
        .all(db)
        .await?;
    let room = |(id, message_count, last_seq, history, joined_seq)| {
        (SearchedRoom { id, message_count, last_seq }, find::reads_from(history, joined_seq))
    };
    Ok(rows.into_iter().map(room).collect())
}

/// The words of a query; what stands between quotation marks is one, spaces and all.
fn words(query: &str) -> impl Iterator<Item = &str> {
    const MARKS: [char; 3] = ['"', '“', '”'];
    // A mark that nothing closes is a character like any other.
    let is_closed = query.matches(MARKS).count().is_multiple_of(2);
    let parts = query.split(move |c| is_closed && MARKS.contains(&c)).enumerate();
    parts.flat_map(move |(number, part)| {
        let quoted = (number % 2 == 1).then(|| part.trim());
        let plain = (number % 2 == 0).then(|| part.split_whitespace()).into_iter().flatten();
        quoted.into_iter().chain(plain)
    })
}

/// The words of a query as they are compared.
fn terms(query: &str) -> Result<Vec<Term>> {
    Error::check([text::prose("q", query, QUERY_CHARS)])?;
    let terms: Vec<Term> = words(query).filter_map(Term::of).collect();
    Error::check([match terms.len() {
        0 => Err(FieldError::new("q", "blank", "must not be blank")),
        1..=TERMS => Ok(()),
        _ => Err(FieldError::new("q", "too_many", format!("must have at most {TERMS} words"))),
    }])?;
    Ok(terms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_is_one_word() {
        for (query, expected) in [
            ("one two", &["one", "two"][..]),
            (r#""le café" noir"#, &["le café", "noir"]),
            (r#"a" b "c"#, &["a", "b", "c"]),
            ("“le café”", &["le café"]),
            (r#"5" nails"#, &[r#"5""#, "nails"]),
            (r#""""#, &[""]),
        ] {
            assert_eq!(words(query).collect::<Vec<_>>(), expected, "{query}");
        }
    }
}
