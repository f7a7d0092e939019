//! Accounts: opened, shown to their owner, changed, and given up.

use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set, Unchanged},
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, SqlErr,
    sea_query::Expr,
};

use super::{
    Actor, Auth,
    password::Verdict,
    recheck,
    session::{self, INVALID_CREDENTIALS},
};
use crate::{
    bus::Notice,
    chat::{avatar::Avatar, profile as profiles},
    contract::{ErrorCode, User, UserId, account::Register, names_nothing, text, user::UpdateProfile},
    error::{Error, Result},
    media::link::Links,
};
use entity::user;

/// Characters of a full name.
const FULL_NAME_CHARS: usize = 100;

/// Characters of a password, at the most.
const PASSWORD_CHARS: usize = 128;

/// Opens an account.
///
/// # Errors
/// `VALIDATION_ERROR`; `USER_EXISTS` when the e-mail address or the user name is taken.
pub async fn register(auth: &Auth, request: Register) -> Result<User> {
    Error::check([
        text::new_email("email", &request.email),
        text::password("password", &request.password),
        request.username.as_deref().map_or(Ok(()), |username| text::username("username", username)),
        request.full_name.as_deref().map_or(Ok(()), |name| text::name("full_name", name, FULL_NAME_CHARS)),
    ])?;
    let password_hash = auth.passwords.hash(&request.password).await?;

    let account = user::ActiveModel {
        id: Set(UserId::new()),
        email: Set(request.email.to_lowercase()),
        username_key: Set(request.username.as_deref().map(str::to_lowercase)),
        username: Set(request.username),
        password_hash: Set(Some(password_hash)),
        full_name: Set(request.full_name),
        name_key: NotSet,
        avatar_url: Set(None),
        avatar_media_id: Set(None),
        is_active: Set(true),
        is_verified: Set(false),
        is_superuser: Set(false),
        is_bot: Set(false),
        created_at: Set(auth.clock.now()),
        shares_receipts: Set(true),
        profile_changed_at: Set(None),
        erasing: Set(None),
        is_invisible: Set(false),
        last_login: Set(None),
        last_seen_at: Set(None),
    };
    let tx = auth.db.begin().await?;
    let account = account.insert(&tx).await.map_err(taken)?;
    tx.commit().await?;
    Ok(profile(account, &auth.links))
}

/// The account of who is asking.
///
/// # Errors
/// `UNAUTHORIZED` when it is gone.
pub async fn me(auth: &Auth, actor: &Actor) -> Result<User> {
    Ok(profile(own(auth.db.read(), actor).await?, &auth.links))
}

/// Changes the account of who is asking. A new password ends all their other logins.
///
/// # Errors
/// `VALIDATION_ERROR`; `INVALID_CREDENTIALS` when `current_password` is wrong; `USER_EXISTS` when the user name is taken.
pub async fn update(auth: &Auth, actor: &Actor, mut request: UpdateProfile) -> Result<User> {
    check_update(&request)?;
    // Passwords take long to compare: that is not done with the account locked.
    let read = own(auth.db.read(), actor).await?;
    let new_hash = match request.password.take() {
        Some(new) => Some(exchange_password(auth, &read, request.current_password.take(), new).await?),
        None => None,
    };
    let changes_password = new_hash.is_some();
    let avatar_url = request.avatar_url.take();
    let mut change = changes(actor.user_id, request, new_hash);

    let tx = recheck::begin_alone(&auth.db, auth.clock, actor).await?;
    let before = own(&tx, actor).await?;
    if changes_password {
        if before.password_hash != read.password_hash {
            return Err(INVALID_CREDENTIALS);
        }
        session::revoke_all(&tx, actor.user_id, Some(actor.session_id), auth.clock.now()).await?;
    }
    let account = match avatar_url {
        Some(url) => {
            let present = before.avatar_media_id;
            let avatar = Avatar::named(&tx, &auth.links, actor.user_id, url, present).await?;
            change.avatar_url = Set(avatar.url.clone());
            change.avatar_media_id = Set(avatar.media_id);
            let account = change.update(&tx).await.map_err(taken)?;
            avatar.replaces(&tx, present).await?;
            account
        }
        None => change.update(&tx).await.map_err(taken)?,
    };
    let mut notices = Vec::new();
    if changes_password {
        let except = Some(actor.session_id);
        notices.push(Notice::UserRevoked { user_id: actor.user_id, except, code: ErrorCode::Unauthorized });
    }
    if looks(&account) != looks(&before) {
        notices.push(profiles::note(&tx, actor.user_id, auth.clock.now()).await?);
    }
    auth.bus.commit_all(tx, notices).await?;
    Ok(profile(account, &auth.links))
}

/// Gives the account up: nobody signs in to it again, and all its logins end. What it said stays.
///
/// # Errors
/// When the database does not answer.
pub async fn deactivate(auth: &Auth, actor: &Actor) -> Result<()> {
    let tx = recheck::begin_alone(&auth.db, auth.clock, actor).await?;
    let change = user::ActiveModel { id: Unchanged(actor.user_id), is_active: Set(false), ..Default::default() };
    change.update(&tx).await?;
    session::revoke_all(&tx, actor.user_id, None, auth.clock.now()).await?;
    let revoked = Notice::UserRevoked { user_id: actor.user_id, except: None, code: ErrorCode::AccountDisabled };
    let changed = profiles::note(&tx, actor.user_id, auth.clock.now()).await?;
    auth.bus.commit_all(tx, vec![revoked, changed]).await
}

/// What others see of an account that may change.
fn looks(account: &user::Model) -> impl PartialEq + '_ {
    (&account.username, &account.full_name, &account.avatar_url, account.avatar_media_id)
}

/// An account as its owner sees it.
pub(crate) fn profile(model: user::Model, links: &Links) -> User {
    User {
        id: model.id,
        email: model.email,
        username: model.username,
        full_name: model.full_name,
        avatar_url: model.avatar_media_id.map(|id| links.avatar(id)).or(model.avatar_url),
        is_active: model.is_active,
        is_verified: model.is_verified,
        is_superuser: model.is_superuser,
        is_bot: model.is_bot,
        created_at: model.created_at,
        last_login: model.last_login,
        shares_receipts: Some(model.shares_receipts),
    }
}

/// The account of this e-mail address or user name. What can be neither is not looked up: the database might not even take
/// it as a text.
pub(super) async fn find(db: &impl ConnectionTrait, name: &str) -> Result<Option<user::Model>> {
    // Both are of ASCII alone. In lower case, letters that are not may become some that are, such as the sign of the kelvin.
    let key = name.to_ascii_lowercase();
    let column = if text::email("email", &key).is_ok() {
        user::Column::Email
    } else if text::username("username", &key).is_ok() {
        user::Column::UsernameKey
    } else {
        return Ok(None);
    };
    Ok(user::Entity::find().filter(column.eq(key)).one(db).await?)
}

/// Stores the password of an account in its present form, unless it was changed meanwhile.
pub(super) async fn renew_password(auth: &Auth, account: &mut user::Model, password: &str) -> Result<()> {
    let hash = auth.passwords.hash(password).await?;
    let renewed = user::Entity::update_many()
        .col_expr(user::Column::PasswordHash, Expr::value(hash.clone()))
        .filter(user::Column::Id.eq(account.id))
        .filter(user::Column::PasswordHash.eq(account.password_hash.clone()))
        .exec(auth.db.writer())
        .await?;
    if renewed.rows_affected == 1 {
        account.password_hash = Some(hash);
    }
    Ok(())
}

async fn own(db: &impl ConnectionTrait, actor: &Actor) -> Result<user::Model> {
    user::Entity::find_by_id(actor.user_id).one(db).await?.ok_or(Error::UNAUTHORIZED)
}

/// The stored form of a new password, for who knows the present one.
async fn exchange_password(auth: &Auth, account: &user::Model, current: Option<String>, new: String) -> Result<String> {
    let current = current.unwrap_or_default();
    if auth.passwords.verify(current, account.password_hash.clone()).await? == Verdict::Wrong {
        return Err(INVALID_CREDENTIALS);
    }
    auth.passwords.hash(&new).await
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
        return Err(names_nothing(UpdateProfile::FIELDS));
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

/// Two simultaneous requests for one name both find it free; the database lets one of them have it.
fn taken(error: DbErr) -> Error {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => {
            Error::Refused(ErrorCode::UserExists, "the e-mail address or user name is taken")
        }
        _ => error.into(),
    }
}
