//! Supabase Storage by its own REST API (<https://supabase.com/docs/reference/self-hosting-storage/introduction>): what its
//! secret key opens that has no S3 credentials.

use std::{ops::Range, sync::Arc, time::Duration};

use futures_util::{Stream, StreamExt, TryStreamExt, stream::try_unfold};
use reqwest::{Body, Client, Method, RequestBuilder, Response, StatusCode, header};
use serde::Deserialize;
use serde_json::json;

use super::{
    object::{Direct, Key, Outgoing},
    spool::Spool,
};
use crate::{
    config,
    contract::Timestamp,
    error::{Error, Result},
};

/// Objects that are listed in one answer.
const PAGE: usize = 1000;

/// Folders of ours.
const FOLDERS: [&str; 4] = ["files", "thumbnails", "incoming", "trials"];

/// Bytes that are read from the disk at a time.
const CHUNK: usize = 256 * 1024;

/// A bucket of a project.
#[derive(Clone, Debug)]
pub(super) struct Supabase(Arc<Inner>);

struct Inner {
    client: Client,
    /// `https://project.supabase.co/storage/v1`.
    base: String,
    key: String,
    bucket: String,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Supabase").field("base", &self.base).field("bucket", &self.bucket).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignedUrl {
    #[serde(rename = "signedURL")]
    signed_url: String,
}

#[derive(Deserialize)]
struct UploadUrl {
    url: String,
}

#[derive(Deserialize)]
struct Listed {
    name: String,
    #[serde(default)]
    updated_at: Option<Timestamp>,
}

impl Supabase {
    pub(super) fn new(config: &config::Supabase, time_limit: Duration) -> Result<Self> {
        let client = Client::builder().connect_timeout(time_limit / 2).build().map_err(Error::internal)?;
        let inner = Inner {
            client,
            base: format!("{}/storage/v1", config.url),
            key: config.key.expose().to_owned(),
            bucket: config.bucket.clone(),
        };
        Ok(Self(Arc::new(inner)))
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.0.client.request(method, format!("{}{path}", self.0.base));
        request.header("apikey", &self.0.key).bearer_auth(&self.0.key)
    }

    fn object(&self, way: &str, key: Key) -> String {
        format!("/object{way}/{}/{key}", self.0.bucket)
    }

    pub(super) async fn put(&self, key: Key, file: &Spool, content_type: &str, time_limit: Duration) -> Result<()> {
        // The whole goes in one request: its end comes when no byte moves for so long.
        let (moved, mut moves) = tokio::sync::watch::channel(());
        let chunks = file.chunks(CHUNK)?.inspect(move |_| {
            let _ = moved.send(());
        });
        let request = self
            .request(Method::POST, &self.object("", key))
            .header(header::CONTENT_TYPE, content_type)
            .header(header::CONTENT_LENGTH, file.size())
            .header("x-upsert", "true")
            .body(Body::wrap_stream(chunks));
        let mut sent = std::pin::pin!(send(request));
        loop {
            tokio::select! {
                answer = &mut sent => return answer.map(drop),
                Ok(()) = moves.changed() => {}
                () = tokio::time::sleep(time_limit) => return Err(Error::Storage("no answer".into())),
            }
        }
    }

    pub(super) async fn put_bytes(&self, key: Key, bytes: Vec<u8>, content_type: &str) -> Result<()> {
        let request = self
            .request(Method::POST, &self.object("", key))
            .header(header::CONTENT_TYPE, content_type)
            .header("x-upsert", "true")
            .body(bytes);
        send(request).await.map(drop)
    }

    pub(super) async fn get(&self, key: Key, range: Option<Range<u64>>) -> Result<Outgoing> {
        let mut request = self.request(Method::GET, &self.object("/authenticated", key));
        if let Some(range) = range {
            request = request.header(header::RANGE, format!("bytes={}-{}", range.start, range.end.saturating_sub(1)));
        }
        let answer = send(request).await?;
        Ok(answer.bytes_stream().map_err(|error| Error::Storage(Box::new(error))).boxed())
    }

    pub(super) async fn size(&self, key: Key) -> Result<u64> {
        let answer = send(self.request(Method::HEAD, &self.object("/authenticated", key))).await?;
        let length = answer.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        length.ok_or_else(|| Error::Storage("it does not tell the size of an object".into()))
    }

    pub(super) async fn delete(&self, key: Key) -> Result<()> {
        let names = json!({"prefixes": [key.to_string()]});
        send(self.request(Method::DELETE, &format!("/object/{}", self.0.bucket)).json(&names)).await.map(drop)
    }

    pub(super) async fn signed_url(&self, key: Key, saved_as: Option<&str>, life: Duration) -> Result<String> {
        let request =
            self.request(Method::POST, &self.object("/sign", key)).json(&json!({"expiresIn": life.as_secs()}));
        let signed: SignedUrl = json_of(send(request).await?).await?;
        let mut url = format!("{}{}", self.0.base, signed.signed_url);
        if let Some(name) = saved_as {
            url.push_str("&download=");
            url.extend(form_urlencoded::byte_serialize(name.as_bytes()));
        }
        Ok(url)
    }

    pub(super) async fn signed_upload_url(&self, key: Key) -> Result<Direct> {
        let request = self.request(Method::POST, &self.object("/upload/sign", key)).header("x-upsert", "true");
        let signed: UploadUrl = json_of(send(request.json(&json!({}))).await?).await?;
        Ok(Direct { url: format!("{}{}", self.0.base, signed.url), headers: vec![("x-upsert", "true".to_owned())] })
    }

    /// Page by page, folder by folder.
    pub(super) fn list(&self) -> impl Stream<Item = Result<(Key, Timestamp)>> + Send + '_ {
        let pages = try_unfold((0, 0), move |(folder, offset)| async move {
            let Some(prefix) = FOLDERS.get(folder) else { return Ok(None) };
            let wanted = json!({
                "prefix": prefix, "limit": PAGE, "offset": offset, "sortBy": {"column": "name", "order": "asc"},
            });
            let path = format!("/object/list/{}", self.0.bucket);
            let listed: Vec<Listed> = json_of(send(self.request(Method::POST, &path).json(&wanted)).await?).await?;
            let next = if listed.len() < PAGE { (folder + 1, 0) } else { (folder, offset + PAGE) };
            let named = listed.into_iter().filter_map(move |object| {
                let key = format!("{prefix}/{}", object.name).parse().ok()?;
                Some(Ok((key, object.updated_at.unwrap_or(Timestamp(0)))))
            });
            Ok::<_, Error>(Some((futures_util::stream::iter(named.collect::<Vec<_>>()), next)))
        });
        pages.try_flatten()
    }
}

/// Sends a request; a failure is recognised by its status. The API answers 400 for what is not there, with a
/// `statusCode` of 404 in its body (<https://supabase.com/docs/guides/storage/debugging/error-codes>).
async fn send(request: RequestBuilder) -> Result<Response> {
    let answer = request.send().await.map_err(|error| Error::Storage(Box::new(error.without_url())))?;
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let body: serde_json::Value = answer.json().await.unwrap_or_default();
    let code = body["statusCode"].as_str().map(str::to_owned).unwrap_or_else(|| body["statusCode"].to_string());
    // A HEAD has no body: there 400 is what the API answers for an object that is not there.
    if status == StatusCode::NOT_FOUND || code == "404" || (status == StatusCode::BAD_REQUEST && body.is_null()) {
        return Err(Error::MEDIA_NOT_FOUND);
    }
    Err(Error::Storage(format!("Supabase Storage answered {status}, {}", body["error"]).into()))
}

async fn json_of<T: serde::de::DeserializeOwned>(answer: Response) -> Result<T> {
    answer.json().await.map_err(|error| Error::Storage(Box::new(error.without_url())))
}
