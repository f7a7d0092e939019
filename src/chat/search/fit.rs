//! Whether a message, as it is now, is what is searched for.

use std::{collections::HashMap, sync::Arc};

use sea_orm::{ColumnTrait, Condition};

use super::fold;
use crate::{
    contract::{RoomId, Seq, search::Search},
    error::{Error, Result},
};
use entity::message;

/// What a message must be.
#[derive(Clone, Debug)]
pub(super) struct Fit(Arc<Demands>);

#[derive(Debug)]
struct Demands {
    query: Search,
    terms: Vec<String>,
    /// From where the asker may read each room.
    reads_from: HashMap<RoomId, Seq>,
}

impl Fit {
    pub(super) fn new(query: Search, terms: Vec<String>, reads_from: HashMap<RoomId, Seq>) -> Self {
        Self(Arc::new(Demands { query, terms, reads_from }))
    }

    pub(super) fn terms(&self) -> &[String] {
        &self.0.terms
    }

    pub(super) fn query(&self) -> &Search {
        &self.0.query
    }

    /// From where the asker may read a room.
    pub(super) fn reads_from(&self, room: RoomId) -> Seq {
        self.0.reads_from.get(&room).copied().unwrap_or_default()
    }

    /// What the database can tell without reading the text.
    pub(super) fn apart_from_text(&self) -> Condition {
        let Search { sender_id, before, after, .. } = self.0.query;
        Condition::all()
            .add(message::Column::DeletedAt.is_null())
            .add_option(sender_id.map(|sender| message::Column::SenderId.eq(sender)))
            .add_option(before.map(|before| message::Column::CreatedAt.lt(before)))
            .add_option(after.map(|after| message::Column::CreatedAt.gt(after)))
    }

    /// Those of some messages that fit. Comparing long texts takes a while: it is done where nobody else waits for it.
    pub(super) async fn those_of(&self, messages: Vec<message::Model>) -> Result<Vec<message::Model>> {
        let demands = Arc::clone(&self.0);
        let compared = tokio::task::spawn_blocking(move || {
            messages.into_iter().filter(|message| demands.are_met_by(message)).collect()
        });
        compared.await.map_err(Error::internal)
    }
}

impl Demands {
    fn are_met_by(&self, message: &message::Model) -> bool {
        let Search { sender_id, before, after, .. } = self.query;
        let is_readable = self.reads_from.get(&message.room_id).is_some_and(|from| message.seq >= *from);
        let content = message.content.as_deref().filter(|_| message.deleted_at.is_none() && is_readable);
        let Some(content) = content else { return false };
        if sender_id.is_some_and(|sender| sender != message.sender_id)
            || before.is_some_and(|before| message.created_at >= before)
            || after.is_some_and(|after| message.created_at <= after)
        {
            return false;
        }
        let folded = fold::fold(content);
        self.terms.iter().all(|term| folded.contains(term.as_str()))
    }
}
