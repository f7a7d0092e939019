//! The use cases, and their rules.
//!
//! Every function takes the actor and the request, and has the same order: check, change, commit, publish. Both transports call these
//! functions and nothing below them.

pub mod addition;
pub mod audit;
pub mod ban;
pub mod catch_up;
pub mod export;
pub mod invitation;
pub mod invite;
pub mod join;
pub mod media;
pub mod member;
pub mod message;
pub mod permission;
pub mod pin;
pub mod reaction;
pub mod receipt;
pub mod room;
pub mod succession;
pub mod sync;
pub mod user;

pub(crate) mod annotations;
pub(crate) mod attachment;
pub(crate) mod avatar;
pub(crate) mod entries;
pub(crate) mod find;
pub(crate) mod invite_rows;
pub(crate) mod membership;
pub(crate) mod mention;
pub(crate) mod privacy;
pub(crate) mod recipient;
pub(crate) mod room_log;
pub(crate) mod view;

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::{
    auth::{Actor, recheck},
    cluster::bus::Bus,
    config::{self, Config, Emails, Privacy},
    contract::UserId,
    db::{Db, SearchPermits, Transaction},
    error::Result,
    log::Log,
    mail::Mail,
    media::Files,
    tasks::Tasks,
};

use self::{media::Sweeper, recipient::Recipient, room_log::RoomLog};

/// Pages of exports that are read at the same time.
const EXPORTS: usize = 4;

/// What every use case works with.
#[derive(Clone, Debug)]
pub struct Chat {
    pub(crate) db: Db,
    pub(crate) bus: Bus,
    pub(crate) log: RoomLog,
    pub(crate) mail: Mail,
    pub(crate) rooms: config::Rooms,
    pub(crate) searches: SearchPermits,
    /// Permits to read a page of an export.
    pub(crate) exports: Arc<Semaphore>,
    pub(crate) files: Files,
    pub(crate) sweeper: Sweeper,
    pub(crate) privacy: Privacy,
}

impl Chat {
    /// Puts the use cases together; what they need to run goes to `tasks`.
    #[must_use]
    pub fn new(config: &Config, (db, bus, log): (Db, Bus, Log), mail: Mail, files: Files, tasks: &mut Tasks) -> Self {
        let signed = (files.signer.clone(), config.privacy.emails);
        let log = RoomLog::new(log, db.clone(), signed, tasks);
        let sweeper = Sweeper::new(db.clone(), files.clone(), log.clone(), tasks);
        Self {
            db,
            bus,
            log,
            mail,
            rooms: config.rooms.clone(),
            searches: SearchPermits::default(),
            exports: Arc::new(Semaphore::new(EXPORTS)),
            files,
            sweeper,
            privacy: config.privacy,
        }
    }

    /// Opens a transaction for a change, and checks in it that the actor's login and account still exist. Every change that a user asks for
    /// begins with this: either may have ended since the request came.
    ///
    /// # Errors
    /// `UNAUTHORIZED`, `ACCOUNT_DISABLED`.
    async fn begin(&self, actor: &Actor) -> Result<Transaction> {
        recheck::begin(&self.db, actor).await
    }

    /// One user, as a recipient.
    pub(crate) fn recipient(&self, user: UserId) -> Recipient<'_> {
        self.everyone().one(user)
    }

    /// All subscribers of a room, as a recipient.
    fn everyone(&self) -> Recipient<'_> {
        Recipient::everyone(&self.files.signer, self.privacy.emails)
    }

    /// Who sees e-mail addresses.
    #[must_use]
    pub fn emails(&self) -> Emails {
        self.privacy.emails
    }

    /// The media store and what belongs to it.
    #[must_use]
    pub fn files(&self) -> &Files {
        &self.files
    }
}
