//! Files: their MIME types, where their bytes are stored, and signed URLs that load them.
//!
//! Knows nothing of rooms or messages; who may do what with a file is decided in [`chat::media`](crate::chat::media).
//!
//! An upload is first written to a temporary file without a name ([`spool`]): there it is counted, hashed and examined in constant
//! memory before it is sent to the store, and a process that dies leaves nothing behind. A file has one object in the store under
//! its id, a second one for its thumbnail, and during a direct upload a third one; see [`object::Key`].

pub mod base_url;
pub mod kind;
pub mod object;
pub mod served;
pub mod signed_url;
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
use self::{object::Key, signed_url::UrlSigner, spool::Spool, store::Store};

/// How long the result of a probe is reused: probes come often, and each call to the store may cost money.
const PROBE_LIFE: Duration = Duration::from_secs(5);

/// How long the store may take to answer a probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Everything that deals with the bytes of files.
#[derive(Clone, Debug)]
pub struct Files {
    pub store: Store,
    pub signer: UrlSigner,
    /// Where uploads are kept until they are stored.
    spool: Arc<PathBuf>,
    workers: Arc<Semaphore>,
    rules: Arc<config::Media>,
    /// Whether the store answered the last probe, and when.
    probed: Arc<Mutex<Option<(Instant, bool)>>>,
}

impl Files {
    /// Where uploads are kept until they are stored.
    pub(crate) fn spool_of(config: &Config) -> PathBuf {
        config.server.data_dir.join("spool")
    }

    /// Files as configured, in this store. `signer` signs their URLs.
    ///
    /// # Errors
    /// When the folder for uploads cannot be made.
    pub fn new(config: &Config, store: Store, signer: UrlSigner) -> io::Result<Self> {
        let spool = Self::spool_of(config);
        create_folder(&spool)?;
        Ok(Self {
            store,
            signer,
            spool: Arc::new(spool),
            workers: Arc::new(Semaphore::new(config.media.workers)),
            rules: Arc::new(config.media.clone()),
            probed: Arc::default(),
        })
    }

    /// The rules for files.
    #[must_use]
    pub fn rules(&self) -> &config::Media {
        &self.rules
    }

    /// Whether the store answers, as of some seconds ago at the most.
    pub async fn are_reachable(&self) -> bool {
        // Others who ask meanwhile wait for the same answer.
        let mut probed = self.probed.lock().await;
        if let Some((at, found)) = *probed
            && at.elapsed() < PROBE_LIFE
        {
            return found;
        }
        // There is no such object: any answer of the store is enough.
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

    /// A temporary file for an upload of at most `limit` bytes.
    ///
    /// # Errors
    /// When the disk is full or broken.
    pub fn spool(&self, limit: u64) -> Result<Spool> {
        Spool::new(&self.spool, limit)
    }

    /// Examines a file: finds its MIME type, and for an image removes its metadata and makes its thumbnail.
    ///
    /// # Errors
    /// `UNSUPPORTED_MEDIA_TYPE` for a page or a script that is declared an image, audio or video, and for types that are refused;
    /// `IMAGE_TOO_LARGE`.
    pub async fn examine(&self, spool: Spool, declared: Option<&str>, filename: &str) -> Result<(Spool, Examined)> {
        let mime_type = kind::identify(spool.head(), declared, filename)?;
        examination::examine(spool, mime_type, Arc::clone(&self.workers), self.rules.image_pixels).await
    }
}
