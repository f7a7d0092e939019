//! Authentication. A token becomes an [`Actor`], the same for REST and for sockets.
//!
//! A token is signed and names a session (`sid`). The database is asked each time whether the session still exists, so that a logout
//! takes effect at once on every node.

pub mod accounts;
pub mod recheck;
pub mod session;

mod actor;
pub(crate) mod known;
mod password;
mod token;

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::http::{HeaderMap, header};
use sea_orm::{ColumnTrait, EntityTrait, JoinType, QueryFilter, QuerySelect};

pub use actor::Actor;

use self::{
    password::Passwords,
    token::{Kind, Signer},
};
use crate::{
    clock,
    cluster::bus::Bus,
    config::Config,
    contract::{ErrorCode, SessionId, Timestamp, UserId},
    db::Db,
    error::{Error, Result},
    media::signed_url::UrlSigner,
};
use entity::{session as login_table, user as account_table};

/// What stands in the header `Authorization` behind the name of a scheme (RFC 9110, section 11.4).
#[must_use]
pub fn credentials<'a>(headers: &'a HeaderMap, scheme: &str) -> Option<&'a str> {
    let (given, credentials) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.trim().split_once(' ')?;
    given.eq_ignore_ascii_case(scheme).then(|| credentials.trim())
}

/// Accounts, logins and tokens.
#[derive(Clone, Debug)]
pub struct Auth {
    db: Db,
    bus: Bus,
    passwords: Passwords,
    signer: Arc<Signer>,
    /// How long a refresh token may be used again.
    refresh_leeway: Duration,
    url_signer: UrlSigner,
}

impl Auth {
    /// Needs `auth.secret_key` to be set, or to have been generated, by now.
    ///
    /// # Errors
    /// When the secret key is empty.
    pub fn new(config: &Config, db: Db, bus: Bus, url_signer: UrlSigner) -> Result<Self> {
        if config.auth.secret_key.is_empty() {
            return Err(Error::internal("auth.secret_key is empty"));
        }
        let passwords = Passwords::new(config.auth.password_workers)?;
        let (signer, refresh_leeway) = (Arc::new(Signer::new(&config.auth)), config.auth.refresh_leeway());
        Ok(Self { db, bus, passwords, signer, refresh_leeway, url_signer })
    }

    /// Checks an access token, its login and its account.
    ///
    /// # Errors
    /// `UNAUTHORIZED`, `TOKEN_EXPIRED`, `WRONG_TOKEN_TYPE`, `ACCOUNT_DISABLED`.
    pub async fn authenticate(&self, token: &str) -> Result<Actor> {
        let claims = self.signer.verify(token, Kind::Access, clock::now())?;
        let account = login_table::Entity::belongs_to(account_table::Entity)
            .from(login_table::Column::UserId)
            .to(account_table::Column::Id)
            .into();
        let state: Option<(Option<Timestamp>, Timestamp, bool)> = login_table::Entity::find_by_id(claims.sid)
            .select_only()
            .columns([login_table::Column::RevokedAt, login_table::Column::ExpiresAt])
            .column(account_table::Column::IsActive)
            .join(JoinType::InnerJoin, account)
            .filter(login_table::Column::UserId.eq(claims.sub))
            .into_tuple()
            .one(self.db.read())
            .await?;
        match state {
            Some((_, _, false)) => Err(Error::ACCOUNT_DISABLED),
            Some((None, ends, true)) if ends > clock::now() => {
                Ok(Actor { user_id: claims.sub, session_id: claims.sid, expires_at: claims.expires_at() })
            }
            _ => Err(Error::UNAUTHORIZED),
        }
    }

    /// Which of these sessions have ended, each with the reason.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn ended(&self, logins: &[SessionId]) -> Result<Vec<(SessionId, ErrorCode)>> {
        let account = login_table::Entity::belongs_to(account_table::Entity)
            .from(login_table::Column::UserId)
            .to(account_table::Column::Id)
            .into();
        let rows: Vec<(SessionId, Option<Timestamp>, Timestamp, bool)> = login_table::Entity::find()
            .select_only()
            .columns([login_table::Column::Id, login_table::Column::RevokedAt, login_table::Column::ExpiresAt])
            .column(account_table::Column::IsActive)
            .join(JoinType::InnerJoin, account)
            .filter(login_table::Column::Id.is_in(logins.iter().copied()))
            .into_tuple()
            .all(self.db.read())
            .await?;
        let now = clock::now();
        let states: HashMap<SessionId, (bool, bool)> = rows
            .into_iter()
            .map(|(id, revoked, ends, is_active)| (id, (revoked.is_none() && ends > now, is_active)))
            .collect();
        let reason = |id: &SessionId| match states.get(id) {
            Some((true, true)) => None,
            Some((_, false)) => Some((*id, ErrorCode::AccountDisabled)),
            _ => Some((*id, ErrorCode::Unauthorized)),
        };
        Ok(logins.iter().filter_map(reason).collect())
    }

    /// An access token for the user of this id, e-mail address or user name, without a password: for operators.
    ///
    /// # Errors
    /// `USER_NOT_FOUND`, `ACCOUNT_DISABLED`.
    pub async fn token_for(&self, who: &str) -> Result<String> {
        let account = match who.parse::<UserId>() {
            Ok(id) => account_table::Entity::find_by_id(id).one(self.db.read()).await?,
            Err(_) => accounts::find(self.db.read(), who).await?,
        };
        Ok(session::start(self, account.ok_or(Error::USER_NOT_FOUND)?, None).await?.access_token)
    }
}
