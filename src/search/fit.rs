//! Whether a message, in its present state, matches a query.

use std::{collections::HashMap, sync::Arc};

use sea_orm::{ColumnTrait, Condition};

use super::fold;
use crate::{
    contract::{RoomId, Seq, search::Search},
    error::{Error, Result},
};
use entity::message;

/// The conditions of a query.
#[derive(Clone, Debug)]
pub(super) struct Fit(Arc<Demands>);

/// A message that matches.
#[derive(Debug)]
pub(super) struct Hit {
    pub(super) message: message::Model,
    /// Whether it has all terms with the accents that they were asked with.
    pub(super) is_exact: bool,
}

#[derive(Debug)]
struct Demands {
    query: Search,
    terms: Vec<Term>,
    /// From where the asker may read each room.
    reads_from: HashMap<RoomId, Seq>,
}

/// A word, or part of one, that must stand in a message.
#[derive(Debug)]
pub(super) struct Term {
    /// As it is compared.
    pub(super) folded: String,
    /// With its accents.
    with_accents: String,
}

impl Term {
    /// Nothing for a word in which nothing shows.
    pub(super) fn of(word: &str) -> Option<Self> {
        let folded = entity::fold::fold(word);
        (!folded.is_empty()).then(|| Self { folded, with_accents: fold::with_accents(word) })
    }
}

impl Fit {
    pub(super) fn new(query: Search, terms: Vec<Term>, reads_from: HashMap<RoomId, Seq>) -> Self {
        Self(Arc::new(Demands { query, terms, reads_from }))
    }

    pub(super) fn terms(&self) -> impl Iterator<Item = &str> {
        self.0.terms.iter().map(|term| term.folded.as_str())
    }

    pub(super) fn query(&self) -> &Search {
        &self.0.query
    }

    /// From where the asker may read a room.
    pub(super) fn reads_from(&self, room: RoomId) -> Seq {
        self.0.reads_from.get(&room).copied().unwrap_or_default()
    }

    /// What the database can check without reading the text.
    pub(super) fn apart_from_text(&self) -> Condition {
        let Search { sender_id, before, after, .. } = self.0.query;
        Condition::all()
            .add(message::Column::DeletedAt.is_null())
            .add_option(sender_id.map(|sender| message::Column::SenderId.eq(sender)))
            .add_option(before.map(|before| message::Column::CreatedAt.lt(before)))
            .add_option(after.map(|after| message::Column::CreatedAt.gt(after)))
    }

    /// Those of some messages that fit. Comparing long texts takes a while: it is done where nobody else waits for it.
    pub(super) async fn those_of(&self, messages: Vec<message::Model>) -> Result<Vec<Hit>> {
        let demands = Arc::clone(&self.0);
        let compared =
            tokio::task::spawn_blocking(move || messages.into_iter().filter_map(|one| demands.hit(one)).collect());
        compared.await.map_err(Error::internal)
    }
}

impl Demands {
    fn hit(&self, message: message::Model) -> Option<Hit> {
        let Search { sender_id, before, after, .. } = self.query;
        let is_readable = self.reads_from.get(&message.room_id).is_some_and(|from| message.seq >= *from);
        let content = message.content.as_deref().filter(|_| message.deleted_at.is_none() && is_readable);
        let content = content?;
        if sender_id.is_some_and(|sender| sender != message.sender_id)
            || before.is_some_and(|before| message.created_at >= before)
            || after.is_some_and(|after| message.created_at <= after)
        {
            return None;
        }
        let folded: Vec<&str> = self.terms.iter().map(|term| term.folded.as_str()).collect();
        if !stands_in(content, &folded, entity::fold::fold) {
            return None;
        }
        let with_accents: Vec<&str> = self.terms.iter().map(|term| term.with_accents.as_str()).collect();
        let is_exact = stands_in(content, &with_accents, fold::with_accents);
        Some(Hit { message, is_exact })
    }
}

/// Bytes of a text that are compared first.
const BEGINNING: usize = 512;

/// Whether a text has all of these terms, once it is brought into their form. That costs much: what stands near the beginning is
/// found without doing it to all of a long text.
fn stands_in(text: &str, terms: &[&str], form: impl Fn(&str) -> String) -> bool {
    let mut length = BEGINNING;
    loop {
        // Before a space no character is cut from what belongs to it.
        let space = text.as_bytes().get(length..).and_then(|rest| rest.iter().position(|byte| *byte == b' '));
        let end = space.map_or(text.len(), |space| length + space);
        let formed = form(&text[..end]);
        if terms.iter().all(|term| formed.contains(term)) {
            return true;
        }
        if end == text.len() {
            return false;
        }
        length = end * 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_is_found_wherever_it_stands() {
        let long = "привет мир ".repeat(400);
        for (text, term, expected) in [
            ("", "a", false),
            ("a", "a", true),
            (long.as_str(), "мир при", true),
            (long.as_str(), "мирп", false),
            (&format!("{long}конец"), "конец", true),
            (&format!("{}конец", "x".repeat(5_000)), "xконец", true),
            (&format!("{long}Caf\u{e9}"), "cafe", true),
        ] {
            assert_eq!(stands_in(text, &[term], entity::fold::fold), expected, "{term}");
        }
    }
}
