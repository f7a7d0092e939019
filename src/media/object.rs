//! What every store has in common: the names of objects, what comes of them, and how their steps end.

use std::{fmt, str::FromStr, time::Duration};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use object_store::path::Path;
use tokio::time::timeout;

use crate::{
    contract::MediaId,
    error::{Error, Result},
};

/// The name of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// The bytes of a file.
    File(MediaId),
    /// Its thumbnail.
    Thumbnail(MediaId),
    /// A direct upload that is not examined yet.
    Incoming(MediaId),
    /// A test object.
    Trial(MediaId),
}

impl Key {
    /// The file it belongs to.
    #[must_use]
    pub fn id(self) -> MediaId {
        match self {
            Self::File(id) | Self::Thumbnail(id) | Self::Incoming(id) | Self::Trial(id) => id,
        }
    }

    /// Every object that a file may have.
    pub(super) fn all(id: MediaId) -> [Self; 4] {
        [Self::File(id), Self::Thumbnail(id), Self::Incoming(id), Self::Trial(id)]
    }

    pub(super) fn path(self) -> Path {
        Path::from(self.to_string())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folder = match self {
            Self::File(_) => "files",
            Self::Thumbnail(_) => "thumbnails",
            Self::Incoming(_) => "incoming",
            Self::Trial(_) => "trials",
        };
        write!(f, "{folder}/{}", self.id())
    }
}

/// Names that are not of our objects.
#[derive(Debug)]
pub struct Foreign;

impl FromStr for Key {
    type Err = Foreign;

    fn from_str(name: &str) -> Result<Self, Foreign> {
        let (folder, id) = name.split_once('/').ok_or(Foreign)?;
        let id = id.parse().map_err(|_| Foreign)?;
        match folder {
            "files" => Ok(Self::File(id)),
            "thumbnails" => Ok(Self::Thumbnail(id)),
            "incoming" => Ok(Self::Incoming(id)),
            "trials" => Ok(Self::Trial(id)),
            _ => Err(Foreign),
        }
    }
}

/// A stream of bytes from the store.
pub type Outgoing = BoxStream<'static, Result<Bytes>>;

/// A URL of the store itself, and what a request to it must carry.
#[derive(Debug)]
pub struct Direct {
    pub url: String,
    pub headers: Vec<(&'static str, String)>,
}

/// One step of a store, with a timeout.
pub(super) async fn in_time<T>(time_limit: Duration, step: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(time_limit, step).await.unwrap_or_else(|_| Err(Error::Storage("no answer".into())))
}

pub(super) fn failed(error: object_store::Error) -> Error {
    match error {
        object_store::Error::NotFound { .. } => Error::MEDIA_NOT_FOUND,
        other => Error::Storage(Box::new(other)),
    }
}
