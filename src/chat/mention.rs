//! Mentions: `@username` in a message, resolved to members of its room when the message is stored.

use std::collections::{BTreeSet, HashMap};

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, JoinType, QueryFilter, QuerySelect, RelationDef,
};

use crate::{
    contract::{MessageId, RoomId, Seq, UserId},
    db::{Transaction, insert::insert_all, query},
    error::Result,
};
use entity::{member, mention, message, user};

/// Names looked up for one message; more than that call nobody.
const NAMES: usize = 50;

/// Characters behind a name that may or may not be part of it, one by one; of more, all or none are.
const ENDINGS: usize = 2;

/// Names that are looked up at a time.
const ASKED: usize = 500;

/// The longest user name.
const NAME_CHARS: usize = 32;

/// Members by the room and the user name in lower case.
pub(crate) type Named = HashMap<(RoomId, String), UserId>;

/// The user names, in lower case, that a text may mean. Behind a name there may be a full stop or a dash that is not part
/// of it, so a mention has as many readings as it ends in such characters; the longest comes first.
pub(crate) fn candidates(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut before = None;
    for (at, c) in text.char_indices() {
        let begins = c == '@' && !before.is_some_and(|before: char| before.is_ascii_alphanumeric() || before == '_');
        before = Some(c);
        if !begins {
            continue;
        }
        let rest = &text[at + 1..];
        let end = rest.find(|c: char| !is_of_name(c)).unwrap_or(rest.len());
        let mut name = rest[..end].to_ascii_lowercase();
        let is_ending = |c: char| matches!(c, '.' | '-' | '_');
        let bare = name.trim_end_matches(is_ending).to_owned();
        let mut readings = Vec::new();
        while name.len() > bare.len() && readings.len() <= ENDINGS {
            readings.push(name.clone());
            name.pop();
        }
        readings.push(bare);
        readings.retain(|name| (3..=NAME_CHARS).contains(&name.len()));
        if !readings.is_empty() && found.len() < NAMES {
            found.push(readings);
        }
    }
    found
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-.".contains(c)
}

#[derive(FromQueryResult)]
struct NamedMember {
    room_id: RoomId,
    user_id: UserId,
    username_key: String,
}

/// The members of some rooms who have one of these user names.
pub(crate) async fn named(
    db: &impl ConnectionTrait,
    rooms: BTreeSet<RoomId>,
    names: BTreeSet<String>,
) -> Result<Named> {
    if names.is_empty() {
        return Ok(Named::new());
    }
    let user_of: RelationDef =
        member::Entity::belongs_to(user::Entity).from(member::Column::UserId).to(user::Column::Id).into();
    let mut found = Named::new();
    let names: Vec<String> = names.into_iter().collect();
    for names in names.chunks(ASKED) {
        let some = member::Entity::find()
            .select_only()
            .column(member::Column::RoomId)
            .column(member::Column::UserId)
            .column_as(user::Column::UsernameKey, "username_key")
            .join(JoinType::InnerJoin, user_of.clone())
            .filter(member::Column::RoomId.is_in(query::padded(rooms.iter().copied())))
            .filter(member::Column::LeftAt.is_null())
            .filter(user::Column::UsernameKey.is_in(query::padded(names.iter().cloned())))
            .filter(user::Column::IsActive.eq(true))
            .into_model::<NamedMember>()
            .all(db)
            .await?;
        found.extend(some.into_iter().map(|found| ((found.room_id, found.username_key), found.user_id)));
    }
    Ok(found)
}

/// Whom a text mentions, each once, by what is known of its room.
pub(crate) fn resolve(named: &Named, room: RoomId, text: &str) -> Vec<UserId> {
    let meant = candidates(text)
        .into_iter()
        .filter_map(|readings| readings.into_iter().find_map(|name| named.get(&(room, name)).copied()));
    meant.collect::<BTreeSet<_>>().into_iter().collect()
}

/// A message mentions these people.
pub(crate) fn rows(message: &message::Model, users: &[UserId]) -> Vec<mention::Model> {
    let (room_id, seq, message_id): (RoomId, Seq, MessageId) = (message.room_id, message.seq, message.id);
    users.iter().map(|&user_id| mention::Model { room_id, user_id, seq, message_id }).collect()
}

/// Resolves the mentions of a message anew: it says something else, or nothing any more.
pub(crate) async fn replace(tx: &Transaction, message: &message::Model) -> Result<()> {
    mention::Entity::delete_many().filter(mention::Column::MessageId.eq(message.id)).exec(tx).await?;
    let Some(text) = message.content.as_deref().filter(|text| text.contains('@')) else { return Ok(()) };
    let names = candidates(text).into_iter().flatten().collect();
    let named = named(tx, BTreeSet::from([message.room_id]), names).await?;
    insert_all::<mention::Entity>(tx, &rows(message, &resolve(&named, message.room_id, text))).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mention_is_a_name_behind_an_at_sign() {
        let names = |text: &str| candidates(text).into_iter().map(|readings| readings.join("|")).collect::<Vec<_>>();
        assert_eq!(names("@ada hi"), ["ada"]);
        assert_eq!(names("hi (@Ada), @bob!"), ["ada", "bob"]);
        assert_eq!(names("thanks @ada."), ["ada.|ada"]);
        assert_eq!(names("@a.b-c_"), ["a.b-c_|a.b-c"]);
        assert_eq!(names("你好@ada"), ["ada"]);
        assert_eq!(names("mail ada@example.com, @ab, @, @@"), Vec::<String>::new());
        assert_eq!(names(&format!("@{}", "a".repeat(33))), Vec::<String>::new());
        assert_eq!(
            names(&format!("@ada{}", "-".repeat(29))).join(""),
            [29, 28, 27, 0].map(|n| format!("ada{}", "-".repeat(n))).join("|")
        );
        assert_eq!(candidates(&"@ada ".repeat(200)).len(), NAMES);
    }
}
