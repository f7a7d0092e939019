//! Who may know of whom: a contact's e-mail address is shown whole, and when they are online.

use std::collections::HashSet;

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect, Select,
    sea_query::{Alias, Expr, ExprTrait, Query, SelectStatement},
};

use super::recipient::Recipient;
use crate::{
    config::Emails,
    contract::{UserId, Visibility},
    db::query,
    error::{Error, Result},
};
use entity::{member, room, user};

/// Whose e-mail addresses a recipient sees in full.
pub(crate) struct EmailVisibility<'a> {
    recipient: Recipient<'a>,
    contacts: HashSet<UserId>,
}

impl<'a> EmailVisibility<'a> {
    /// Looks up which of `others`, who are no contacts by the room that is shown, are the recipient's contacts by another one.
    /// For all subscribers of a room nothing is read: they receive the same data.
    pub(crate) async fn of(
        db: &impl ConnectionTrait,
        recipient: Recipient<'a>,
        others: impl Iterator<Item = UserId>,
    ) -> Result<Self> {
        let contacts = match recipient {
            Recipient { user: Some(user), emails: Emails::Contacts, .. } => {
                contacts(db, user, others.filter(|other| *other != user).collect()).await?
            }
            _ => HashSet::new(),
        };
        Ok(Self { recipient, contacts })
    }

    /// Whether the address of `user`, who may be a contact by the room that is shown, is shown whole.
    pub(crate) fn shows(&self, user: UserId, is_contact_here: bool) -> bool {
        self.recipient.user == Some(user)
            || self.recipient.emails.are_whole(is_contact_here || self.contacts.contains(&user))
    }
}

/// Which of some people are contacts of `user`.
pub(super) async fn contacts(
    db: &impl ConnectionTrait,
    user: UserId,
    people: HashSet<UserId>,
) -> Result<HashSet<UserId>> {
    if people.is_empty() {
        return Ok(HashSet::new());
    }
    let found = contacts_of(user)
        .filter(member::Column::UserId.is_in(query::padded(people)))
        .select_only()
        .column(member::Column::UserId)
        .distinct()
        .into_tuple()
        .all(db)
        .await?;
    Ok(found.into_iter().collect())
}

/// How many of some people have an account that is in use, and are no contacts of `user`.
pub(super) async fn strangers(db: &impl ConnectionTrait, user: UserId, people: HashSet<UserId>) -> Result<usize> {
    let known = contacts(db, user, people.clone()).await?;
    let others: Vec<UserId> = people.into_iter().filter(|other| *other != user && !known.contains(other)).collect();
    if others.is_empty() {
        return Ok(0);
    }
    let count = user::Entity::find()
        .filter(user::Column::Id.is_in(query::padded(others)))
        .filter(user::Column::IsActive.eq(true))
        .count(db)
        .await?;
    usize::try_from(count).map_err(Error::internal)
}

/// The memberships by which people are contacts of `user`. The query starts from those users, so that rooms to which `user` was added cost nothing.
pub(crate) fn contacts_of(user: UserId) -> Select<member::Entity> {
    member::Entity::find()
        .filter(member::Column::Participates.eq(true))
        .filter(member::Column::LeftAt.is_null())
        .filter(Expr::exists(own_membership(user)))
        .filter(Expr::exists(closed_room()))
}

/// The membership of `user` in the room of the row that is looked at.
fn own_membership(user: UserId) -> SelectStatement {
    let own = |column: member::Column| Expr::col((Alias::new("own"), column));
    Query::select()
        .expr(Expr::value(1))
        .from_as(member::Entity, Alias::new("own"))
        .and_where(own(member::Column::RoomId).equals((member::Entity, member::Column::RoomId)))
        .and_where(own(member::Column::UserId).eq(user))
        .and_where(own(member::Column::LeftAt).is_null())
        .to_owned()
}

/// That room, if it is not public.
fn closed_room() -> SelectStatement {
    let of_room = |column: room::Column| Expr::col((room::Entity, column));
    Query::select()
        .expr(Expr::value(1))
        .from(room::Entity)
        .and_where(of_room(room::Column::Id).equals((member::Entity, member::Column::RoomId)))
        .and_where(of_room(room::Column::Visibility).ne(Visibility::Public))
        .and_where(of_room(room::Column::DeletedAt).is_null())
        .to_owned()
}
