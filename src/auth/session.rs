//! Sessions: how a login begins, is renewed, and ends.

use std::{net::IpAddr, time::Duration};

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, sea_query::Expr,
};
use uuid::Uuid;

use super::{
    Actor, Auth, accounts, known,
    password::Comparison,
    recheck,
    token::{Claims, Kind},
};
use crate::{
    clock,
    cluster::bus::{Notice, Revoked},
    contract::{
        ErrorCode, SessionId, Timestamp, UserId,
        account::{Login, Tokens},
        text,
    },
    db::Transaction,
    error::{Error, Result},
};
use entity::{session, spent_token, user};

/// Characters of an e-mail address, which is longer than any user name may be.
const NAME_CHARS: usize = 254;

const TOKEN_REUSED: Error =
    Error::Refused(ErrorCode::TokenReused, "this refresh token was used before; its login has been ended");

/// The account that a login attempt names, before the password is checked.
#[derive(Debug)]
pub struct LoginTarget {
    /// Names it where attempts are counted: one name for all that it can be called.
    pub name: String,
    /// The account, where there is one.
    user: Option<UserId>,
}

impl LoginTarget {
    /// The account of a signed-in user.
    #[must_use]
    pub fn of(actor: &Actor) -> Self {
        Self { name: actor.user_id.to_string(), user: Some(actor.user_id) }
    }

    /// Whether the owner of the account has signed in from this address before.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn has_signed_in_from(&self, auth: &Auth, address: IpAddr) -> Result<bool> {
        match self.user {
            Some(user) => known::is_known(auth.db.read(), user, address).await,
            None => Ok(false),
        }
    }
}

/// The account that a login names.
///
/// # Errors
/// `VALIDATION_ERROR` when it names none.
pub async fn login_target(auth: &Auth, request: &Login) -> Result<LoginTarget> {
    Error::check(
        [("email", &request.email), ("username", &request.username)]
            .map(|(field, text)| text.as_deref().map_or(Ok(()), |text| text::prose(field, text, NAME_CHARS))),
    )?;
    let name = name(request)?;
    let user = accounts::find(auth.db.read(), name).await?.map(|account| account.id);
    let unknown = || name.trim().to_lowercase();
    Ok(LoginTarget { name: user.map_or_else(unknown, |user| user.to_string()), user })
}

/// Signs in by e-mail address or user name, from this address.
///
/// # Errors
/// `INVALID_CREDENTIALS`, in the same time whether the account or the password is wrong; `ACCOUNT_DISABLED`.
pub async fn login(auth: &Auth, request: Login, from: IpAddr) -> Result<Tokens> {
    let account = accounts::find(auth.db.read(), name(&request)?).await?;
    let stored = account.as_ref().and_then(|account| account.password_hash.clone());
    let verdict = auth.passwords.verify(request.password.clone(), stored).await?;
    let mut account = account.filter(|_| verdict != Comparison::Wrong).ok_or(Error::INVALID_CREDENTIALS)?;
    if verdict == Comparison::Outdated {
        accounts::renew_password(auth, &mut account, &request.password).await?;
    }
    start(auth, account, Some(from)).await
}

/// The name of the account in a login.
fn name(request: &Login) -> Result<&str> {
    request.name().ok_or_else(|| Error::Validation(vec![text::required("email")]))
}

/// Exchanges a refresh token for a new pair. The same one may come again within `auth.refresh_leeway_seconds` of its first use,
/// from a second tab or after an answer that was lost: it gets the newest pair of its login. Later that ends the whole login,
/// because one of the two users has stolen it (RFC 9700, section 4.14.2). All repeats return the same new token, so that a
/// thief cannot continue beside the owner.
///
/// # Errors
/// `UNAUTHORIZED`, `TOKEN_EXPIRED`, `WRONG_TOKEN_TYPE`, `TOKEN_REUSED`, `ACCOUNT_DISABLED`.
pub async fn refresh(auth: &Auth, token: &str) -> Result<Tokens> {
    let now = clock::now();
    let claims = auth.signer.verify(token, Kind::Refresh, now)?;
    let next = Uuid::now_v7();

    let tx = auth.db.begin().await?;
    // The condition decides between simultaneous uses: only one of them finds the token unused.
    let rotated = session::Entity::update_many()
        .col_expr(session::Column::RefreshJti, Expr::value(next))
        .col_expr(session::Column::ExpiresAt, Expr::value(now.plus(auth.signer.life(Kind::Refresh))))
        .filter(session::Column::Id.eq(claims.sid))
        .filter(session::Column::UserId.eq(claims.sub))
        .filter(session::Column::RefreshJti.eq(claims.jti))
        .filter(session::Column::RevokedAt.is_null())
        .exec(&tx)
        .await?;
    let current = if rotated.rows_affected == 1 {
        spend(&tx, &claims, auth.refresh_leeway, now).await?;
        next
    } else {
        let Some(login) = open_login(&tx, &claims).await? else { return Err(Error::UNAUTHORIZED) };
        if login.revoked_at.is_some() || !is_repeat(&tx, &claims, auth.refresh_leeway, now).await? {
            return Err(end_reused(auth, &claims, now, tx).await?);
        }
        login.refresh_jti
    };
    let account = user::Entity::find_by_id(claims.sub).one(&tx).await?.ok_or(Error::UNAUTHORIZED)?;
    if !account.is_active {
        return Err(Error::ACCOUNT_DISABLED);
    }
    tx.commit().await?;

    issue(auth, account, claims.sid, current, now)
}

/// Ends the session of the actor.
///
/// # Errors
/// When the database does not answer.
pub async fn logout(auth: &Auth, actor: &Actor) -> Result<()> {
    let tx = recheck::begin_alone(&auth.db, actor).await?;
    revoke(&tx, actor.session_id, clock::now()).await?;
    let (user_id, session_id) = (actor.user_id, actor.session_id);
    let notice = Notice::Revoked { user_id, sockets: Revoked::Session { session_id, code: ErrorCode::Unauthorized } };
    auth.bus.commit(tx, notice).await
}

/// Ends every session of a user, except one.
pub(crate) async fn revoke_all(
    db: &impl ConnectionTrait,
    user: UserId,
    except: Option<SessionId>,
    now: Timestamp,
) -> Result<()> {
    let mut open = session::Entity::update_many()
        .col_expr(session::Column::RevokedAt, Expr::value(now))
        .filter(session::Column::UserId.eq(user))
        .filter(session::Column::RevokedAt.is_null());
    if let Some(except) = except {
        open = open.filter(session::Column::Id.ne(except));
    }
    open.exec(db).await?;
    Ok(())
}

/// Begins a session for an account whose owner was just authenticated.
pub(super) async fn start(auth: &Auth, mut account: user::Model, from: Option<IpAddr>) -> Result<Tokens> {
    if !account.is_active {
        return Err(Error::ACCOUNT_DISABLED);
    }
    let now = clock::now();
    let (id, jti) = (SessionId::new(), Uuid::now_v7());

    let tx = auth.db.begin().await?;
    if !mark_login(&tx, &account, now).await? {
        return Err(Error::INVALID_CREDENTIALS);
    }
    session::Entity::delete_many()
        .filter(session::Column::UserId.eq(account.id))
        .filter(session::Column::ExpiresAt.lt(now))
        .exec(&tx)
        .await?;
    session::ActiveModel {
        id: Set(id),
        user_id: Set(account.id),
        refresh_jti: Set(jti),
        created_at: Set(now),
        expires_at: Set(now.plus(auth.signer.life(Kind::Refresh))),
        revoked_at: Set(None),
    }
    .insert(&tx)
    .await?;
    if let Some(from) = from {
        known::remember(&tx, account.id, from, now).await?;
    }
    tx.commit().await?;

    account.last_login = Some(now);
    issue(auth, account, id, jti, now)
}

/// Notes the login, unless the password was changed or the account deactivated while the password was compared: a login
/// with the old one must not outlive the change.
async fn mark_login(db: &impl ConnectionTrait, account: &user::Model, now: Timestamp) -> Result<bool> {
    let unchanged = match &account.password_hash {
        Some(hash) => user::Column::PasswordHash.eq(hash),
        None => user::Column::PasswordHash.is_null(),
    };
    let marked = user::Entity::update_many()
        .col_expr(user::Column::LastLogin, Expr::value(now))
        .filter(user::Column::Id.eq(account.id))
        .filter(user::Column::IsActive.eq(true))
        .filter(unchanged)
        .exec(db)
        .await?;
    Ok(marked.rows_affected == 1)
}

fn issue(auth: &Auth, account: user::Model, session: SessionId, jti: Uuid, now: Timestamp) -> Result<Tokens> {
    let sign = |kind, jti| auth.signer.sign(kind, account.id, session, jti, now);
    Ok(Tokens {
        access_token: sign(Kind::Access, Uuid::now_v7())?,
        refresh_token: sign(Kind::Refresh, jti)?,
        token_type: "bearer",
        expires_in: auth.signer.life(Kind::Access).as_secs(),
        user: accounts::profile(account, &auth.url_signer),
    })
}

/// Remembers that a token was used, and forgets others of its login for which the leeway is over.
async fn spend(tx: &Transaction, claims: &Claims, leeway: Duration, now: Timestamp) -> Result<()> {
    let over = Timestamp(now.0.saturating_sub(i64::try_from(leeway.as_millis()).unwrap_or(i64::MAX)));
    spent_token::Entity::delete_many()
        .filter(spent_token::Column::SessionId.eq(claims.sid))
        .filter(spent_token::Column::UsedAt.lt(over))
        .exec(tx)
        .await?;
    let spent = spent_token::ActiveModel { jti: Set(claims.jti), session_id: Set(claims.sid), used_at: Set(now) };
    spent_token::Entity::insert(spent).exec_without_returning(tx).await?;
    Ok(())
}

/// The login of a token that is not, or not any more, its newest one. That of an ended login is merely refused.
async fn open_login(tx: &Transaction, claims: &Claims) -> Result<Option<session::Model>> {
    Ok(session::Entity::find_by_id(claims.sid)
        .filter(session::Column::UserId.eq(claims.sub))
        .filter(session::Column::RefreshJti.ne(claims.jti))
        .one(tx)
        .await?)
}

/// Whether a token was first used so lately that it may come again.
async fn is_repeat(tx: &Transaction, claims: &Claims, leeway: Duration, now: Timestamp) -> Result<bool> {
    let spent = spent_token::Entity::find_by_id(claims.jti)
        .filter(spent_token::Column::SessionId.eq(claims.sid))
        .one(tx)
        .await?;
    Ok(spent.is_some_and(|spent| now.since(spent.used_at) < leeway))
}

/// Ends the login of a token that came again too late; answers how that is refused.
async fn end_reused(auth: &Auth, claims: &Claims, now: Timestamp, tx: Transaction) -> Result<Error> {
    recheck::lock_account(&tx, claims.sub).await?;
    revoke(&tx, claims.sid, now).await?;
    let (user_id, session_id) = (claims.sub, claims.sid);
    auth.bus
        .commit(tx, Notice::Revoked { user_id, sockets: Revoked::Session { session_id, code: ErrorCode::TokenReused } })
        .await?;
    Ok(TOKEN_REUSED)
}

async fn revoke(db: &impl ConnectionTrait, id: SessionId, now: Timestamp) -> Result<()> {
    session::Entity::update_many()
        .col_expr(session::Column::RevokedAt, Expr::value(now))
        .filter(session::Column::Id.eq(id))
        .filter(session::Column::RevokedAt.is_null())
        .exec(db)
        .await?;
    Ok(())
}
