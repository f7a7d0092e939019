//! A bucket that speaks S3: how it is reached, and how a file gets there.

use std::{pin::pin, sync::Arc, time::Duration};

use futures_util::StreamExt;
use object_store::{
    Attribute, Attributes, ClientOptions, ObjectStore, PutMultipartOptions, PutOptions, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
    path::Path,
};
use tokio::time::timeout;

use super::{
    object::{failed, in_time},
    served::Served,
    spool::Spool,
    store_permits::StorePermits,
};
use crate::{
    config,
    error::{Error, Result},
};

/// Bytes of a part: the least that S3 takes, but for the last one
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>).
const PART: usize = 5 * 1024 * 1024;

/// Files that are sent at a time; each holds one part in memory.
const SENDING: usize = 3;

/// A bucket.
#[derive(Debug)]
pub(super) struct S3 {
    pub(super) bucket: AmazonS3,
    permits: StorePermits,
    time_limit: Duration,
}

impl S3 {
    pub(super) fn new(s3: &config::S3, time_limit: Duration) -> Result<Arc<Self>> {
        let retry = RetryConfig { max_retries: 2, retry_timeout: time_limit / 2, ..RetryConfig::default() };
        // A whole file takes as long as it takes; each step of it is waited for no longer than `time_limit`.
        let options =
            ClientOptions::new().with_timeout_disabled().with_connect_timeout(time_limit / 2).with_allow_http(true);
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&s3.bucket)
            .with_region(&s3.region)
            .with_virtual_hosted_style_request(!s3.path_style)
            .with_client_options(options)
            .with_retry(retry);
        // Without a key it is the machine's role that counts.
        if !s3.access_key_id.is_empty() {
            builder =
                builder.with_access_key_id(&s3.access_key_id).with_secret_access_key(s3.secret_access_key.expose());
        }
        if !s3.session_token.is_empty() {
            builder = builder.with_token(s3.session_token.expose());
        }
        if !s3.endpoint.is_empty() {
            builder = builder.with_endpoint(&s3.endpoint);
        }
        let bucket = builder.build().map_err(Error::internal)?;
        Ok(Arc::new(Self { bucket, permits: StorePermits::new(SENDING), time_limit }))
    }

    /// Sends a file; in parts where it has more than one.
    pub(super) async fn put(&self, path: &Path, file: &Spool, served: &Served) -> Result<()> {
        let _turn = self.permits.take().await?;
        if file.size() > PART as u64 {
            return self.put_parts(path, file, served).await;
        }
        let whole = pin!(file.chunks(PART)?).next().await.transpose().map_err(Error::internal)?;
        self.permits.note(self.put_bytes(path, whole.unwrap_or_default().into(), served).await)
    }

    pub(super) async fn put_bytes(&self, path: &Path, bytes: object_store::PutPayload, served: &Served) -> Result<()> {
        let options = PutOptions { attributes: attributes(served), ..PutOptions::default() };
        let put = async { self.bucket.put_opts(path, bytes, options).await.map(drop).map_err(failed) };
        in_time(self.time_limit, put).await
    }

    async fn put_parts(&self, path: &Path, file: &Spool, served: &Served) -> Result<()> {
        let mut parts = pin!(file.chunks(PART)?);
        let options = PutMultipartOptions { attributes: attributes(served), ..PutMultipartOptions::default() };
        let begun = async { self.bucket.put_multipart_opts(path, options).await.map_err(failed) };
        let mut upload = self.permits.note(in_time(self.time_limit, begun).await)?;
        let sent = async {
            while let Some(part) = parts.next().await {
                let part = part.map_err(Error::internal)?;
                let put = async { upload.put_part(part.into()).await.map_err(failed) };
                self.permits.note(in_time(self.time_limit, put).await)?;
            }
            let complete = async { upload.complete().await.map(drop).map_err(failed) };
            self.permits.note(in_time(self.time_limit, complete).await)
        };
        let sent = sent.await;
        if sent.is_err() {
            // What was sent is of no use, and nobody waits for its end; where the store does not hear this either, it is the
            // bucket's rule for unfinished uploads that removes it.
            let time_limit = self.time_limit;
            tokio::spawn(async move { timeout(time_limit, upload.abort()).await });
        }
        sent
    }
}

fn attributes(served: &Served) -> Attributes {
    Attributes::from_iter([
        (Attribute::ContentType, served.content_type.clone()),
        (Attribute::ContentDisposition, served.disposition.clone()),
    ])
}
