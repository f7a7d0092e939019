//! Accounts: created, shown to their owner, and changed.

use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, SqlErr,
    sea_query::Expr,
};

use super::{Actor, Auth, password::Comparison};
use crate::{
    clock,
    contract::{ErrorCode, User, UserId, account::Register, text},
    error::{Error, Result},
    media::signed_url::UrlSigner,
};
use entity::user;

/// Characters of a full name.
pub(crate) const FULL_NAME_CHARS: usize = 100;

/// The longest password, in characters.
pub(crate) const PASSWORD_CHARS: usize = 128;

/// Creates an account.
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
        created_at: Set(clock::now()),
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
    Ok(profile(account, &auth.url_signer))
}

/// The account of the actor.
///
/// # Errors
/// `UNAUTHORIZED` when it is gone.
pub async fn me(auth: &Auth, actor: &Actor) -> Result<User> {
    Ok(profile(own(auth.db.read(), actor).await?, &auth.url_signer))
}

/// An account as its owner sees it.
pub(crate) fn profile(model: user::Model, signer: &UrlSigner) -> User {
    User {
        id: model.id,
        email: model.email,
        username: model.username,
        full_name: model.full_name,
        avatar_url: model.avatar_media_id.map(|id| signer.avatar(id)).or(model.avatar_url),
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

pub(crate) async fn own(db: &impl ConnectionTrait, actor: &Actor) -> Result<user::Model> {
    user::Entity::find_by_id(actor.user_id).one(db).await?.ok_or(Error::UNAUTHORIZED)
}

/// The stored form of a new password, for a user who knows the present one.
pub(crate) async fn exchange_password(
    auth: &Auth,
    account: &user::Model,
    current: Option<String>,
    new: String,
) -> Result<String> {
    let current = current.unwrap_or_default();
    if auth.passwords.verify(current, account.password_hash.clone()).await? == Comparison::Wrong {
        return Err(Error::INVALID_CREDENTIALS);
    }
    auth.passwords.hash(&new).await
}

/// Two simultaneous requests for one name both find it free; the database lets one of them have it.
pub(crate) fn taken(error: DbErr) -> Error {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => {
            Error::Refused(ErrorCode::UserExists, "the e-mail address or user name is taken")
        }
        _ => error.into(),
    }
}
