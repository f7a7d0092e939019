//! The store of files: the local disk, an S3 bucket, or Supabase Storage.
//!
//! Each step of a store has the timeout `media.timeout_seconds`.

use std::{ops::Range, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream::BoxStream};
use object_store::{
    GetOptions, ObjectStore, ObjectStoreExt,
    local::LocalFileSystem,
    signer::{HeaderName, HeaderValue, Method, SignedUrlOptions, Signer},
};

use super::{
    object::{Direct, Key, Outgoing, failed, in_time},
    s3::S3,
    served::Served,
    spool::Spool,
    supabase::Supabase,
    unfinished,
};
use crate::{
    config::{Config, MediaStore, create_folder},
    contract::{MediaId, Timestamp},
    error::{Error, Result},
};

/// Bytes that are written to the local disk in one step.
const LOCAL_PART: usize = 256 * 1024;

/// The store.
#[derive(Clone, Debug)]
pub struct Store {
    backend: Backend,
    time_limit: Duration,
}

#[derive(Clone, Debug)]
enum Backend {
    Local(Arc<LocalFileSystem>),
    S3(Arc<S3>),
    Supabase(Supabase),
}

impl Store {
    /// The store as configured. It is not called yet.
    ///
    /// # Errors
    /// When the local folder cannot be created, or a URL is invalid.
    pub fn new(config: &Config) -> Result<Self> {
        let time_limit = Duration::from_secs(config.media.timeout_seconds);
        let backend = match config.media_store() {
            MediaStore::Auto | MediaStore::Local => {
                let folder = config.server.data_dir.join("media");
                create_folder(&folder).map_err(Error::internal)?;
                let disk = LocalFileSystem::new_with_prefix(folder).map_err(Error::internal)?;
                Backend::Local(Arc::new(disk.with_fsync(true)))
            }
            MediaStore::S3 => Backend::S3(S3::new(&config.s3, time_limit)?),
            MediaStore::Supabase => Backend::Supabase(Supabase::new(&config.supabase, time_limit)?),
        };
        Ok(Self { backend, time_limit })
    }

    /// Stores a file durably.
    ///
    /// # Errors
    /// `STORAGE_UNAVAILABLE`.
    pub async fn put(&self, key: Key, file: &Spool, served: &Served) -> Result<()> {
        match &self.backend {
            Backend::Local(disk) => self.write(disk, key, file).await,
            Backend::S3(s3) => s3.put(&key.path(), file, served).await,
            Backend::Supabase(supabase) => supabase.put(key, file, &served.content_type, self.time_limit).await,
        }
    }

    /// Stores a few bytes.
    ///
    /// # Errors
    /// `STORAGE_UNAVAILABLE`.
    pub async fn put_bytes(&self, key: Key, bytes: Vec<u8>, served: &Served) -> Result<()> {
        let put = async {
            match &self.backend {
                Backend::Local(disk) => disk.put(&key.path(), bytes.into()).await.map(drop).map_err(failed),
                Backend::S3(s3) => s3.put_bytes(&key.path(), bytes.into(), served).await,
                Backend::Supabase(supabase) => supabase.put_bytes(key, bytes, &served.content_type).await,
            }
        };
        self.in_time(put).await
    }

    /// Writes a file to the local disk, with a temporary name until it is complete.
    async fn write(&self, disk: &LocalFileSystem, key: Key, file: &Spool) -> Result<()> {
        let mut parts = std::pin::pin!(file.chunks(LOCAL_PART)?);
        let path = key.path();
        let mut upload = self.in_time(async { disk.put_multipart(&path).await.map_err(failed) }).await?;
        let written = async {
            while let Some(part) = parts.next().await {
                let part = part.map_err(|error| Error::Storage(Box::new(error)))?;
                self.in_time(async { upload.put_part(part.into()).await.map_err(failed) }).await?;
            }
            self.in_time(async { upload.complete().await.map(drop).map_err(failed) }).await
        };
        let written = written.await;
        if written.is_err() {
            let _ = self.in_time(async { upload.abort().await.map_err(failed) }).await;
        }
        written
    }

    /// The bytes of an object, or a part of them.
    ///
    /// # Errors
    /// `MEDIA_NOT_FOUND`, `STORAGE_UNAVAILABLE`; the stream ends with an error when the store fails in between.
    pub async fn get(&self, key: Key, range: Option<Range<u64>>) -> Result<Outgoing> {
        let path = key.path();
        let options = GetOptions::new().with_range(range.clone());
        let get = async {
            Ok(match &self.backend {
                Backend::Local(disk) => objects(disk.get_opts(&path, options).await.map_err(failed)?),
                Backend::S3(s3) => objects(s3.bucket.get_opts(&path, options).await.map_err(failed)?),
                Backend::Supabase(supabase) => supabase.get(key, range).await?,
            })
        };
        Ok(each(self.time_limit, self.in_time(get).await?))
    }

    /// How many bytes an object has, if it is there.
    ///
    /// # Errors
    /// `STORAGE_UNAVAILABLE`.
    pub async fn size(&self, key: Key) -> Result<Option<u64>> {
        let path = key.path();
        let head = async {
            match &self.backend {
                Backend::Local(disk) => disk.head(&path).await.map(|meta| meta.size).map_err(failed),
                Backend::S3(s3) => s3.bucket.head(&path).await.map(|meta| meta.size).map_err(failed),
                Backend::Supabase(supabase) => supabase.size(key).await,
            }
        };
        present(self.in_time(head).await)
    }

    /// Removes an object; one that does not exist is no error.
    ///
    /// # Errors
    /// `STORAGE_UNAVAILABLE`.
    pub async fn delete(&self, key: Key) -> Result<()> {
        let path = key.path();
        let delete = async {
            match &self.backend {
                Backend::Local(disk) => disk.delete(&path).await.map_err(failed),
                Backend::S3(s3) => s3.bucket.delete(&path).await.map_err(failed),
                Backend::Supabase(supabase) => supabase.delete(key).await,
            }
        };
        present(self.in_time(delete).await).map(drop)
    }

    /// The name of every object of ours, and when it came.
    pub fn list(&self) -> BoxStream<'_, Result<(Key, Timestamp)>> {
        let objects = |listed: BoxStream<'static, object_store::Result<object_store::ObjectMeta>>| {
            let named = listed.map_err(failed).map_ok(|meta| {
                (meta.location.as_ref().parse::<Key>().ok(), Timestamp(meta.last_modified.timestamp_millis()))
            });
            named.try_filter_map(|(key, at)| async move { Ok(key.map(|key| (key, at))) }).boxed()
        };
        let listed = match &self.backend {
            Backend::Local(disk) => objects(disk.list(None)),
            Backend::S3(s3) => objects(s3.bucket.list(None)),
            Backend::Supabase(supabase) => supabase.list().boxed(),
        };
        each(self.time_limit, listed)
    }

    /// A URL of the store that loads an object, unless this server serves it itself.
    ///
    /// # Errors
    /// `STORAGE_UNAVAILABLE`.
    pub async fn signed_url(
        &self,
        key: Key,
        filename: &str,
        served: &Served,
        life: Duration,
    ) -> Result<Option<String>> {
        let path = key.path();
        let signed = async {
            match &self.backend {
                Backend::Local(_) => Ok(None),
                Backend::S3(s3) => {
                    let url = s3.bucket.signed_url(Method::GET, &path, life).await.map_err(failed)?;
                    Ok(Some(url.into()))
                }
                Backend::Supabase(supabase) => {
                    let saved_as = served.disposition.starts_with("attachment").then_some(filename);
                    supabase.signed_url(key, saved_as, life).await.map(Some)
                }
            }
        };
        self.in_time(signed).await
    }

    /// Removes unfinished files of dead processes that were last written before `old`, and counts them. A bucket has a lifecycle rule for
    /// that.
    ///
    /// # Errors
    /// `STORAGE_UNAVAILABLE`.
    pub async fn remove_halves(&self, old: Timestamp) -> Result<usize> {
        let Backend::Local(disk) = self.backend.clone() else { return Ok(0) };
        let removed = tokio::task::spawn_blocking(move || unfinished::remove(&disk, old)).await;
        removed.map_err(Error::internal)?.map_err(|error| Error::Storage(Box::new(error)))
    }

    /// A URL of the store that accepts an object of this type, unless this server receives it itself.
    ///
    /// # Errors
    /// `STORAGE_UNAVAILABLE`.
    pub async fn signed_upload_url(&self, key: Key, mime_type: &str, life: Duration) -> Result<Option<Direct>> {
        let path = key.path();
        let signed = async {
            match &self.backend {
                Backend::Local(_) => Ok(None),
                Backend::S3(s3) => {
                    // The URL does not fix the length: that is checked when the upload is completed.
                    let mime_type = HeaderValue::from_str(mime_type).map_err(Error::internal)?;
                    let options = SignedUrlOptions::default()
                        .with_signed_header(HeaderName::from_static("content-type"), mime_type);
                    let url = s3.bucket.signed_url_opts(Method::PUT, &path, life, &options).await.map_err(failed)?;
                    Ok(Some(Direct { url: url.into(), headers: Vec::new() }))
                }
                Backend::Supabase(supabase) => supabase.signed_upload_url(key).await.map(Some),
            }
        };
        self.in_time(signed).await
    }

    /// Stores something, reads it, and removes it.
    ///
    /// # Errors
    /// `STORAGE_UNAVAILABLE`, with the reason as its source.
    pub async fn check(&self) -> Result<()> {
        let key = Key::Trial(MediaId::new());
        let served = super::served::served("text/plain", "trial.txt");
        self.put_bytes(key, b"parlour".to_vec(), &served).await?;
        let read: Vec<Bytes> = self.get(key, None).await?.try_collect().await?;
        self.delete(key).await?;
        if read.concat() == b"parlour" { Ok(()) } else { Err(Error::Storage("it gives back other bytes".into())) }
    }

    async fn in_time<T>(&self, step: impl Future<Output = Result<T>>) -> Result<T> {
        in_time(self.time_limit, step).await
    }
}

/// A stream with a timeout for each item.
fn each<'a, T: Send + 'a>(time_limit: Duration, stream: BoxStream<'a, Result<T>>) -> BoxStream<'a, Result<T>> {
    let steps = futures_util::stream::try_unfold(stream, move |mut stream| async move {
        let next = in_time(time_limit, stream.try_next()).await?;
        Ok(next.map(|item| (item, stream)))
    });
    steps.boxed()
}

fn objects(got: object_store::GetResult) -> Outgoing {
    got.into_stream().map_err(failed).boxed()
}

/// A missing object is no failure.
fn present<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Err(Error::Refused(..)) => Ok(None),
        other => other.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_by_its_name() {
        let id = MediaId::new();
        for key in Key::all(id) {
            assert_eq!(key.to_string().parse::<Key>().unwrap(), key);
        }
        for name in ["", "files", "files/x", "files/../secret", "other/0199d1c6-7a4e-7cc3-9d5a-3b1f0f6a2c11"] {
            assert!(name.parse::<Key>().is_err(), "{name}");
        }
    }
}
