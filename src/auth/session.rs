//! Logins: how one begins, is renewed, and ends.

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, sea_query::Expr,
};
use uuid::Uuid;

use super::{
    Actor, Auth, account,
    token::{Claims, Kind},
};
use crate::{
    bus::Notice,
    contract::{
        ErrorCode, SessionId, Timestamp, UserId,
        account::{Login, Tokens},
        text,
    },
    error::{Error, Result},
};
use entity::{session, user};

pub(super) const INVALID_CREDENTIALS: Error =
    Error::Refused(ErrorCode::InvalidCredentials, "the account or the password is wrong");
pub(super) const ACCOUNT_DISABLED: Error = Error::Refused(ErrorCode::AccountDisabled, "the account was deactivated");
const TOKEN_REUSED: Error =
    Error::Refused(ErrorCode::TokenReused, "this refresh token was used before; its login has been ended");

/// Signs in by e-mail address or user name.
///
/// # Errors
/// `INVALID_CREDENTIALS`, in the same time whether the account or the password is wrong; `ACCOUNT_DISABLED`.
pub async fn login(auth: &Auth, request: Login) -> Result<Tokens> {
    let name = request.email.or(request.username);
    let name = name.ok_or_else(|| Error::Validation(vec![text::required("email")]))?;
    let account = account::find(auth.db.read(), &name).await?;
    let stored = account.as_ref().and_then(|account| account.password_hash.clone());
    let matches = auth.passwords.verify(request.password, stored).await?;
    let account = account.filter(|_| matches).ok_or(INVALID_CREDENTIALS)?;
    start(auth, account).await
}

/// Exchanges a refresh token for a new pair. Each is good once: another use of it ends the whole login, because one of the
/// two users has stolen it (RFC 9700, section 4.14.2).
///
/// # Errors
/// `UNAUTHORIZED`, `TOKEN_EXPIRED`, `WRONG_TOKEN_TYPE`, `TOKEN_REUSED`, `ACCOUNT_DISABLED`.
pub async fn refresh(auth: &Auth, token: &str) -> Result<Tokens> {
    let claims = auth.signer.verify(token, Kind::Refresh)?;
    let now = auth.clock.now();
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
    if rotated.rows_affected == 0 {
        let reused = revoke_if_reused(&tx, &claims, now).await?;
        if !reused {
            return Err(Error::UNAUTHORIZED);
        }
        let (user_id, session_id) = (claims.sub, claims.sid);
        auth.bus.commit(tx, Notice::SessionRevoked { user_id, session_id, code: ErrorCode::TokenReused }).await?;
        return Err(TOKEN_REUSED);
    }
    let account = user::Entity::find_by_id(claims.sub).one(&tx).await?.ok_or(Error::UNAUTHORIZED)?;
    if !account.is_active {
        return Err(ACCOUNT_DISABLED);
    }
    tx.commit().await?;

    issue(auth, account, claims.sid, next, now)
}

/// Ends the login that is asking.
///
/// # Errors
/// When the database does not answer.
pub async fn logout(auth: &Auth, actor: &Actor) -> Result<()> {
    let tx = auth.db.begin().await?;
    revoke(&tx, actor.session_id, auth.clock.now()).await?;
    let (user_id, session_id) = (actor.user_id, actor.session_id);
    let notice = Notice::SessionRevoked { user_id, session_id, code: ErrorCode::Unauthorized };
    auth.bus.commit(tx, notice).await
}

/// Ends every login of a user, but for `except`.
pub(super) async fn revoke_all(
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

/// Begins a login for an account whose owner was just recognised.
pub(super) async fn start(auth: &Auth, mut account: user::Model) -> Result<Tokens> {
    if !account.is_active {
        return Err(ACCOUNT_DISABLED);
    }
    let now = auth.clock.now();
    let (id, jti) = (SessionId::new(), Uuid::now_v7());

    let tx = auth.db.begin().await?;
    if !mark_login(&tx, &account, now).await? {
        return Err(INVALID_CREDENTIALS);
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
        user: account::profile(account, &auth.links),
    })
}

/// Ends the login of a refresh token that is not its newest one. The newest one of an ended login is merely refused.
async fn revoke_if_reused(db: &impl ConnectionTrait, claims: &Claims, now: Timestamp) -> Result<bool> {
    let session = session::Entity::find_by_id(claims.sid)
        .filter(session::Column::UserId.eq(claims.sub))
        .filter(session::Column::RefreshJti.ne(claims.jti))
        .one(db)
        .await?;
    match session {
        Some(session) => revoke(db, session.id, now).await.map(|()| true),
        None => Ok(false),
    }
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
