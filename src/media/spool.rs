//! Uploads in a temporary file without a name: counted and hashed as they arrive.

use std::{
    fs::File,
    io::{self, Seek, SeekFrom, Write},
    path::Path,
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt};
use sha2::{Digest, Sha256};

use super::bounded::{Bounded, Deadline};
use crate::{
    contract::ErrorCode,
    error::{Error, Result},
};

/// How many first bytes are kept, to find the MIME type.
const HEAD: usize = 8192;

/// Bytes that are collected before they go to the disk, in one step that may block.
const CHUNK: usize = 256 * 1024;

/// The file is larger than allowed.
pub const TOO_LARGE: Error = Error::Refused(ErrorCode::PayloadTooLarge, "the file is too large");

/// The bytes of a file. They are removed with this value, or with the process.
#[derive(Debug)]
pub struct Spool {
    file: File,
    limit: u64,
    size: u64,
    head: Vec<u8>,
    hash: Sha256,
}

/// The disk is full, or broken.
fn failed(error: io::Error) -> Error {
    Error::Storage(Box::new(error))
}

impl Spool {
    pub(super) fn new(folder: &Path, limit: u64) -> Result<Self> {
        let file = tempfile::tempfile_in(folder).map_err(failed)?;
        Ok(Self { file, limit, size: 0, head: Vec::new(), hash: Sha256::new() })
    }

    /// Takes bytes as they come. What is beyond the limit is not kept.
    ///
    /// # Errors
    /// `PAYLOAD_TOO_LARGE` beyond the limit, and what the bytes end with instead of their end.
    pub async fn fill(self, bytes: impl Stream<Item = Result<Bytes>> + Send) -> Result<Self> {
        let mut bytes = std::pin::pin!(bytes);
        let (mut spool, mut waiting) = (self, Vec::with_capacity(CHUNK));
        while let Some(more) = bytes.next().await {
            let more = more?;
            if spool.size + (waiting.len() + more.len()) as u64 > spool.limit {
                return Err(TOO_LARGE);
            }
            waiting.extend_from_slice(&more);
            if waiting.len() >= CHUNK {
                (spool, waiting) = spool.write(waiting).await?;
            }
        }
        let (spool, _) = spool.write(waiting).await?;
        Ok(spool)
    }

    async fn write(mut self, mut bytes: Vec<u8>) -> Result<(Self, Vec<u8>)> {
        let written = tokio::task::spawn_blocking(move || {
            self.append(&bytes)?;
            bytes.clear();
            Ok::<_, io::Error>((self, bytes))
        });
        written.await.map_err(Error::internal)?.map_err(failed)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
        let missing = HEAD.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..missing]);
        Ok(())
    }

    /// Bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The first bytes, enough to find the MIME type.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// SHA-256 of all bytes.
    #[must_use]
    pub fn sha256(&self) -> Vec<u8> {
        self.hash.clone().finalize().to_vec()
    }

    /// The bytes from the first one on. There is one place to read from: who reads is alone.
    pub(super) fn reader(&self) -> Result<File> {
        let mut file = self.file.try_clone().map_err(Error::internal)?;
        file.seek(SeekFrom::Start(0)).map_err(Error::internal)?;
        Ok(file)
    }

    /// The bytes for an examination until a deadline, with their own read position.
    pub(super) fn bounded(&self, deadline: Deadline) -> Result<Bounded> {
        Ok(Bounded::new(self.file.try_clone().map_err(Error::internal)?, self.size, deadline))
    }

    /// The same file with other bytes.
    pub(super) async fn replaced_by(mut self, bytes: Bytes) -> Result<Self> {
        let replaced = tokio::task::spawn_blocking(move || {
            self.file.set_len(0)?;
            self.file.seek(SeekFrom::Start(0))?;
            let mut empty = Self { size: 0, head: Vec::new(), hash: Sha256::new(), ..self };
            empty.append(&bytes)?;
            Ok::<_, io::Error>(empty)
        });
        replaced.await.map_err(Error::internal)?.map_err(failed)
    }

    /// The bytes in chunks of that size, the last one being smaller.
    pub(super) fn chunks(&self, size: usize) -> Result<impl Stream<Item = io::Result<Bytes>> + Send + use<>> {
        let file = tokio::fs::File::from_std(self.reader()?);
        let chunks = futures_util::stream::try_unfold(file, move |mut file| async move {
            let mut chunk = bytes::BytesMut::with_capacity(size);
            while chunk.len() < size {
                let missing = (size - chunk.len()) as u64;
                let mut rest = tokio::io::AsyncReadExt::take(&mut file, missing);
                if tokio::io::AsyncReadExt::read_buf(&mut rest, &mut chunk).await? == 0 {
                    break;
                }
            }
            Ok((!chunk.is_empty()).then(|| (chunk.freeze(), file)))
        });
        Ok(chunks.into_stream())
    }
}
