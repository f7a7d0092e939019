//! People to talk to, as far as the asker may see them.

use sea_orm::{
    ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    sea_query::{Expr, Func},
};

use crate::{
    auth::{Actor, accounts},
    chat::{
        Chat,
        privacy::{self, EmailVisibility},
        user::{self as people, DirectRoom},
    },
    config::Emails,
    contract::{
        User, UserId,
        list::{Page, SearchQuery, UserList},
        text,
        user::Contact,
    },
    db::{Pool, query},
    error::{Error, Result},
};
use entity::{fold::fold, member, user};

/// Characters that are searched for.
const SEARCH_CHARS: usize = 100;

/// People with an account, other than who is asking, by name; each with the direct room the two have.
///
/// # Errors
/// `VALIDATION_ERROR`.
pub async fn list(chat: &Chat, actor: &Actor, query: SearchQuery) -> Result<UserList> {
    let page = query.page().check()?;
    let search = query.search.unwrap_or_default();
    Error::check([text::prose("search", &search, SEARCH_CHARS)])?;
    if search.is_empty() {
        return matches(chat, chat.db.read(), actor, page, "").await;
    }
    chat.searches.take(actor.user_id, matches(chat, chat.db.search(), actor, page, search.trim())).await
}

async fn matches(chat: &Chat, db: &Pool, actor: &Actor, page: Page, search: &str) -> Result<UserList> {
    let found = user::Entity::find()
        .filter(user::Column::IsActive.eq(true))
        .filter(user::Column::Id.ne(actor.user_id))
        .filter(matching(actor.user_id, chat.privacy.emails, search));
    let total = found.clone().count(db).await?;
    let models = found
        .order_by_asc(Func::coalesce([
            Expr::col(user::Column::UsernameKey),
            Expr::col(user::Column::NameKey),
            Expr::value(""),
        ]))
        .order_by_asc(user::Column::Id)
        .offset(page.offset())
        .limit(page.size())
        .all(db)
        .await?;

    let users = seen_by(chat, actor, models).await?;
    let ids: Vec<UserId> = users.iter().map(|user| user.id).collect();
    let mut rooms = people::direct_rooms(chat, actor, &ids).await?;
    let users = users.into_iter().map(|user| contact(rooms.remove(&user.id), user)).collect();
    Ok(UserList { users, info: page.info(total) })
}

/// One person, active or not.
///
/// # Errors
/// `USER_NOT_FOUND`.
pub async fn get(chat: &Chat, actor: &Actor, id: UserId) -> Result<User> {
    let model = user::Entity::find_by_id(id).one(chat.db.read()).await?.ok_or(Error::USER_NOT_FOUND)?;
    seen_by(chat, actor, vec![model]).await?.pop().ok_or(Error::USER_NOT_FOUND)
}

/// Part of a name, or the start of an e-mail address. An address that is masked is found only by who knows it whole:
/// otherwise it could be guessed letter by letter.
fn matching(viewer: UserId, emails: Emails, search: &str) -> Condition {
    let key = fold(search);
    // Characters that nobody sees are no search, as blanks are none.
    if key.is_empty() {
        return Condition::all();
    }
    let address = search.to_lowercase();
    let part = || query::containing(&key);
    let start = query::starting(&address);
    let begins = Condition::all().add(user::Column::Email.like(start));
    let begins = match emails {
        Emails::Hidden => None,
        Emails::Contacts => {
            let contacts = privacy::contacts_of(viewer).select_only().column(member::Column::UserId);
            Some(begins.add(user::Column::Id.in_subquery(contacts.into_query())))
        }
        Emails::Everyone => Some(begins),
    };
    Condition::any()
        .add(user::Column::UsernameKey.like(part()))
        .add(user::Column::NameKey.like(part()))
        .add(user::Column::Email.eq(&address))
        .add_option(begins)
}

/// Users as the asker sees them.
async fn seen_by(chat: &Chat, actor: &Actor, models: Vec<user::Model>) -> Result<Vec<User>> {
    let ids = models.iter().map(|model| model.id);
    let emails = EmailVisibility::of(chat.db.read(), chat.recipient(actor.user_id), ids).await?;
    let seen = |model: user::Model| {
        let mut user = accounts::profile(model, &chat.files.signer);
        if !emails.shows(user.id, false) {
            user = user.masked();
        }
        if user.id != actor.user_id {
            user.last_login = None;
            user.shares_receipts = None;
        }
        user
    };
    Ok(models.into_iter().map(seen).collect())
}

fn contact(direct: Option<DirectRoom>, user: User) -> Contact {
    match direct {
        Some(direct) => Contact {
            user,
            room_id: Some(direct.room_id),
            last_message: direct.last_message,
            unread_count: direct.unread_count,
        },
        None => Contact { user, room_id: None, last_message: None, unread_count: 0 },
    }
}
