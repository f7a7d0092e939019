//! Changes of accounts by their owners. What others see of one is its profile: a change of that is noted, so that who was away
//! hears of it, and told to people who share a room.

use std::{collections::HashSet, sync::Arc};

use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{Set, Unchanged},
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::Expr,
};

use crate::{
    auth::{
        Actor, Auth,
        accounts::{self, FULL_NAME_CHARS, PASSWORD_CHARS},
        recheck, session,
    },
    chat::{Chat, avatar::Avatar, room as rooms, view},
    clock,
    cluster::bus::{Notice, Revoked, Topic},
    contract::{
        ErrorCode, RoomId, Timestamp, User, UserId, event::Ephemeral, names_nothing, text, user::UpdateProfile,
    },
    db::Transaction,
    error::{Error, Result},
    media::signed_url::UrlSigner,
};
use entity::{room, user};

/// Changes that are read at a time.
const CHANGES: u64 = 5_000;

/// A profile, and when it changed last.
#[derive(Debug)]
pub struct Changed {
    pub user: User,
    pub at: Timestamp,
    /// The rooms in which their members see the e-mail address.
    pub known_in: HashSet<RoomId>,
}

/// Changes the account of who is asking. A new password ends all their other logins.
///
/// # Errors
/// `VALIDATION_ERROR`; `INVALID_CREDENTIALS` when `current_password` is wrong; `USER_EXISTS` when the user name is taken.
pub async fn update(auth: &Auth, chat: &Chat, actor: &Actor, mut request: UpdateProfile) -> Result<User> {
    check_update(&request)?;
    // Passwords take long to compare: that is not done with the account locked.
    let read = accounts::own(chat.db.read(), actor).await?;
    let new_hash = match request.password.take() {
        Some(new) => Some(accounts::exchange_password(auth, &read, request.current_password.take(), new).await?),
        None => None,
    };
    let changes_password = new_hash.is_some();
    let avatar_url = request.avatar_url.take();
    let mut change = changes(actor.user_id, request, new_hash);

    let tx = recheck::begin_alone(&chat.db, actor).await?;
    let before = accounts::own(&tx, actor).await?;
    if changes_password {
        if before.password_hash != read.password_hash {
            return Err(Error::INVALID_CREDENTIALS);
        }
        session::revoke_all(&tx, actor.user_id, Some(actor.session_id), clock::now()).await?;
    }
    let account = match avatar_url {
        Some(url) => {
            let present = before.avatar_media_id;
            let avatar = Avatar::named(&tx, &chat.files.signer, actor.user_id, url, present).await?;
            change.avatar_url = Set(avatar.url.clone());
            change.avatar_media_id = Set(avatar.media_id);
            let account = change.update(&tx).await.map_err(accounts::taken)?;
            avatar.replaces(&tx, present).await?;
            account
        }
        None => change.update(&tx).await.map_err(accounts::taken)?,
    };
    let mut notices = Vec::new();
    if changes_password {
        let except = Some(actor.session_id);
        notices.push(Notice::Revoked {
            user_id: actor.user_id,
            sockets: Revoked::AllBut { session_id: except, code: ErrorCode::Unauthorized },
        });
    }
    if visible_to_others(&account) != visible_to_others(&before) {
        notices.push(note(&tx, &chat.files.signer, actor.user_id, clock::now()).await?);
    }
    chat.bus.commit_all(tx, notices).await?;
    Ok(accounts::profile(account, &chat.files.signer))
}

/// Gives the account up: nobody signs in to it again, and all its logins end. What it said stays.
///
/// # Errors
/// When the database does not answer.
pub async fn deactivate(chat: &Chat, actor: &Actor) -> Result<()> {
    let tx = recheck::begin_alone(&chat.db, actor).await?;
    let change = user::ActiveModel { id: Unchanged(actor.user_id), is_active: Set(false), ..Default::default() };
    change.update(&tx).await?;
    session::revoke_all(&tx, actor.user_id, None, clock::now()).await?;
    let revoked = Notice::Revoked {
        user_id: actor.user_id,
        sockets: Revoked::AllBut { session_id: None, code: ErrorCode::AccountDisabled },
    };
    let changed = note(&tx, &chat.files.signer, actor.user_id, clock::now()).await?;
    chat.bus.commit_all(tx, vec![revoked, changed]).await
}

/// What others see of an account that may change.
fn visible_to_others(account: &user::Model) -> impl PartialEq + '_ {
    (&account.username, &account.full_name, &account.avatar_url, account.avatar_media_id)
}

/// The row's part that a request changes.
fn changes(id: UserId, request: UpdateProfile, password_hash: Option<String>) -> user::ActiveModel {
    let mut change = user::ActiveModel { id: Unchanged(id), ..Default::default() };
    if let Some(username) = request.username {
        change.username_key = Set(Some(username.to_lowercase()));
        change.username = Set(Some(username));
    }
    if let Some(full_name) = request.full_name {
        change.full_name = Set(full_name);
    }
    if let Some(shares_receipts) = request.shares_receipts {
        change.shares_receipts = Set(shares_receipts);
    }
    if let Some(hash) = password_hash {
        change.password_hash = Set(Some(hash));
    }
    change
}

fn check_update(request: &UpdateProfile) -> Result<()> {
    if (UpdateProfile { current_password: None, ..request.clone() }) == UpdateProfile::default() {
        return Err(names_nothing(UpdateProfile::FIELDS).into());
    }
    let name = request.full_name.as_ref();
    Error::check([
        request.username.as_deref().map_or(Ok(()), |username| text::username("username", username)),
        name.and_then(Option::as_deref).map_or(Ok(()), |name| text::name("full_name", name, FULL_NAME_CHARS)),
        request.password.as_deref().map_or(Ok(()), |password| text::password("password", password)),
        request
            .current_password
            .as_deref()
            .map_or(Ok(()), |text| text::prose("current_password", text, PASSWORD_CHARS)),
        match (&request.password, &request.current_password) {
            (Some(_), None) => Err(text::required("current_password")),
            _ => Ok(()),
        },
    ])
}

/// Notes that a profile changes in this transaction; answers the notice to publish after the commit.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn note(tx: &Transaction, signer: &UrlSigner, user_id: UserId, now: Timestamp) -> Result<Notice> {
    let last = || Expr::col(user::Column::ProfileChangedAt);
    // Two changes never have the same time: the second would look as if it were sent already.
    let next = Expr::case(last().gte(now), last().add(1)).finally(Expr::value(now));
    let changed = user::Entity::update_many()
        .col_expr(user::Column::ProfileChangedAt, next.into())
        .filter(user::Column::Id.eq(user_id))
        .exec_with_returning(tx)
        .await?;
    let user = changed.into_iter().next().ok_or(Error::USER_NOT_FOUND)?;
    // Whoever receives the whole address is found out when it is sent.
    let event = Ephemeral::UserUpdated { user: Arc::new(view::person(user, signer).masked()) };
    Ok(Notice::Emit { topic: Topic::Rooms(rooms_of(tx, user_id).await?.into()), event })
}

/// The rooms of a user, where others see their profile.
///
/// # Errors
/// When the database does not answer.
pub async fn rooms(chat: &Chat, user: UserId) -> Result<Vec<RoomId>> {
    rooms_of(chat.db.read(), user).await
}

async fn rooms_of(db: &impl ConnectionTrait, user: UserId) -> Result<Vec<RoomId>> {
    let ids = room::Entity::find().select_only().column(room::Column::Id).filter(rooms::of_user(user));
    Ok(ids.into_tuple().all(db).await?)
}

/// Whose profiles changed at this time or later, and when; the latest, where there are many.
///
/// # Errors
/// When the database does not answer.
pub async fn changed_since(chat: &Chat, time: Timestamp) -> Result<Vec<(UserId, Timestamp)>> {
    Ok(user::Entity::find()
        .select_only()
        .columns([user::Column::Id, user::Column::ProfileChangedAt])
        .filter(user::Column::ProfileChangedAt.gte(time))
        .order_by_desc(user::Column::ProfileChangedAt)
        .limit(CHANGES)
        .into_tuple()
        .all(chat.db.read())
        .await?)
}

/// A profile as those see it of whom that person is a contact.
///
/// # Errors
/// `USER_NOT_FOUND`.
pub async fn changed(chat: &Chat, id: UserId) -> Result<Changed> {
    let model = user::Entity::find_by_id(id).one(chat.db.read()).await?.ok_or(Error::USER_NOT_FOUND)?;
    let at = model.profile_changed_at.unwrap_or(model.created_at);
    let joined = rooms::rooms_of_users(chat, vec![id]).await?.remove(&id).unwrap_or_default();
    let known_in = joined.into_iter().filter(|room| room.is_contact).map(|room| room.room_id).collect();
    Ok(Changed { user: view::person(model, &chat.files.signer), at, known_in })
}
