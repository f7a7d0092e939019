//! Files: what they are, where their bytes lie, and addresses that load them.
//!
//! Knows nothing of rooms or messages; who may do what with a file is decided in [`chat::media`](crate::chat::media).
//!
//! Bytes that arrive go to a file without a name first ([`spool`]): so they are counted, hashed and looked at in constant memory
//! before the store hears of them, and a process that dies leaves nothing behind. A file has one object in the store under its id,
//! a second one for its small picture, and while its owner sends it to the store directly a third one; see [`store::Key`].

pub mod kind;
pub mod link;
pub mod origin;
pub mod served;
pub mod spool;
pub mod store;

mod bounded;
mod duration;
mod examination;
mod heif;
mod jpeg;
mod metadata;
mod parts;
mod picture;
mod s3;
mod store_permits;
mod supabase;
mod unfinished;

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use tokio::{
    sync::{Mutex, Semaphore},
    time::{Instant, timeout},
};
use uuid::Uuid;

use crate::{
    config::{self, Config, create_folder},
    contract::MediaId,
    error::Result,
};

pub use self::examination::{Examined, Thumbnail};
use self::{
    link::Links,
    spool::Spool,
    store::{Key, Store},
};

/// How long what was learned about the store counts as news: probes come often, and each question may cost money.
const PROBE_LIFE: Duration = Duration::from_secs(5);

/// How long the store may take to show that it is there.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Everything that deals with the bytes of files.
#[derive(Clone, Debug)]
pub struct Files {
    pub store: Store,
    pub links: Links,
    /// Where bytes are kept until they are known.
    spool: Arc<PathBuf>,
    workers: Arc<Semaphore>,
    rules: Arc<config::Media>,
    /// Whether the store was there, and when.
    probed: Arc<Mutex<Option<(Instant, bool)>>>,
}

impl Files {
    /// Where bytes are kept until they are known.
    pub(crate) fn spool_of(config: &Config) -> PathBuf {
        config.server.data_dir.join("spool")
    }

    /// Files as configured, in this store. `links` signs their addresses.
    ///
    /// # Errors
    /// When the folder cannot be made in which bytes are kept until they are known.
    pub fn new(config: &Config, store: Store, links: Links) -> io::Result<Self> {
        let spool = Self::spool_of(config);
        create_folder(&spool)?;
        Ok(Self {
            store,
            links,
            spool: Arc::new(spool),
            workers: Arc::new(Semaphore::new(config.media.workers)),
            rules: Arc::new(config.media.clone()),
            probed: Arc::default(),
        })
    }

    /// The rules that files are held to.
    #[must_use]
    pub fn rules(&self) -> &config::Media {
        &self.rules
    }

    /// Whether the store answers, as it was found to some seconds ago at the most.
    pub async fn are_reachable(&self) -> bool {
        // Who comes meanwhile waits for the same answer.
        let mut probed = self.probed.lock().await;
        if let Some((at, found)) = *probed
            && at.elapsed() < PROBE_LIFE
        {
            return found;
        }
        // Nothing has that name: that the store says so is enough.
        let nothing = Key::Trial(MediaId(Uuid::nil()));
        let found = match timeout(PROBE_TIMEOUT, self.store.size(nothing)).await {
            Ok(Ok(_)) => true,
            Ok(Err(error)) => {
                error.record();
                false
            }
            Err(_) => false,
        };
        *probed = Some((Instant::now(), found));
        found
    }

    /// A place for the bytes of a file of at most `limit` bytes.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn spool(&self, limit: u64) -> Result<Spool> {
        Spool::new(&self.spool, limit)
    }

    /// Looks at a file: finds out what it is, takes from a picture what cameras note, and makes the small one.
    ///
    /// # Errors
    /// `UNSUPPORTED_MEDIA_TYPE` for a page or a script that is called a picture, a sound or a film, and for what is not taken;
    /// `IMAGE_TOO_LARGE`.
    pub async fn examine(&self, spool: Spool, declared: Option<&str>, filename: &str) -> Result<(Spool, Examined)> {
        let mime_type = kind::identify(spool.head(), declared, filename)?;
        examination::examine(spool, mime_type, Arc::clone(&self.workers), self.rules.image_pixels).await
    }
}
