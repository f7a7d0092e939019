//! REST requests, and what may be said about their answers.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::Value;

use super::{SOON, media::Loaded, text, within};

/// Where the node is; a restarted one is somewhere else.
#[derive(Clone)]
pub(crate) struct Site {
    http: reqwest::Client,
    addr: Arc<Mutex<SocketAddr>>,
}

impl Site {
    pub(crate) fn new(addr: SocketAddr) -> Self {
        Self::asked_from(None, addr)
    }

    /// Whose requests come from another address of this machine.
    pub(crate) fn asked_from(client: impl Into<Option<IpAddr>>, addr: SocketAddr) -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .local_address(client.into())
            .build()
            .expect("a plain client can be built");
        Self { http, addr: Arc::new(Mutex::new(addr)) }
    }

    pub(crate) fn moved_to(&self, addr: SocketAddr) {
        *self.addr.lock().expect("never held across a panic") = addr;
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        *self.addr.lock().expect("never held across a panic")
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr())
    }

    /// A request to an address that the node gave: a whole one, or a path.
    pub(crate) fn at(&self, method: Method, url: &str) -> Request {
        if url.starts_with('/') {
            return self.request(method, url);
        }
        Request { builder: self.http.request(method.clone(), url), what: format!("{method} {url}") }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> Request {
        Request { builder: self.http.request(method.clone(), self.url(path)), what: format!("{method} {path}") }
    }

    pub(crate) fn get(&self, path: &str) -> Request {
        self.request(Method::GET, path)
    }

    pub(crate) fn post(&self, path: &str) -> Request {
        self.request(Method::POST, path)
    }
}

/// A request that is being put together.
#[must_use]
pub(crate) struct Request {
    builder: reqwest::RequestBuilder,
    what: String,
}

impl Request {
    pub(crate) fn token(self, token: &str) -> Self {
        Self { builder: self.builder.bearer_auth(token), ..self }
    }

    pub(crate) fn header(self, name: &str, value: &str) -> Self {
        Self { builder: self.builder.header(name, value), ..self }
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        Self { builder: self.builder.json(body), ..self }
    }

    pub(crate) fn form(self, fields: &[(&str, &str)]) -> Self {
        Self { builder: self.builder.form(fields), ..self }
    }

    pub(crate) fn body(self, body: impl Into<reqwest::Body>) -> Self {
        Self { builder: self.builder.body(body), ..self }
    }

    /// The answer, or why there is none.
    pub(crate) async fn try_send(self) -> Result<Reply, reqwest::Error> {
        self.wait(SOON * 2).await
    }

    /// As [`Self::try_send`], for a request that the server holds until it has something to say.
    pub(crate) async fn try_send_in_time(self) -> Result<Reply, reqwest::Error> {
        self.wait(SOON * 6).await
    }

    async fn wait(self, limit: Duration) -> Result<Reply, reqwest::Error> {
        let response = self.builder.timeout(limit).send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.text().await?;
        Ok(Reply { what: self.what, status, headers, body })
    }

    /// The head of an answer whose body is taken later.
    pub(crate) async fn begin(self) -> reqwest::Response {
        match self.builder.timeout(SOON * 6).send().await {
            Ok(response) => response,
            Err(error) => panic!("{}: {error:?}", self.what),
        }
    }

    /// The answer as bytes, whatever its status.
    pub(crate) async fn load(self) -> Loaded {
        let what = self.what.clone();
        let loading = async {
            let response = self.builder.timeout(SOON * 2).send().await?;
            let (status, headers) = (response.status(), response.headers().clone());
            Ok::<_, reqwest::Error>(Loaded { status, headers, bytes: response.bytes().await?, redirected: false })
        };
        match within(SOON * 3, &what, loading).await {
            Ok(loaded) => loaded,
            Err(error) => panic!("{what}: {error:?}"),
        }
    }

    pub(crate) async fn send(self) -> Reply {
        let what = self.what.clone();
        match within(SOON * 3, &what, self.try_send()).await {
            Ok(reply) => reply,
            Err(error) => panic!("{what}: {error:?}"),
        }
    }
}

/// An answer.
#[derive(Clone)]
pub(crate) struct Reply {
    pub(crate) what: String,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// The statuses of the codes, as the contract lists them.
pub(crate) fn status_of(code: &str) -> u16 {
    match code {
        "UNAUTHORIZED"
        | "TOKEN_EXPIRED"
        | "TOKEN_REUSED"
        | "WRONG_TOKEN_TYPE"
        | "ACCOUNT_DISABLED"
        | "INVALID_CREDENTIALS" => 401,
        "PERMISSION_DENIED" | "BANNED" => 403,
        "ROOM_NOT_FOUND" | "MESSAGE_NOT_FOUND" | "USER_NOT_FOUND" | "MEDIA_NOT_FOUND" | "INVITE_NOT_FOUND"
        | "NOT_FOUND" => 404,
        "USER_EXISTS" | "ALREADY_MEMBER" | "LAST_OWNER" | "ROOM_FULL" | "CLIENT_MSG_ID_CONFLICT" | "CONFLICT" => 409,
        "PAYLOAD_TOO_LARGE" | "QUOTA_EXCEEDED" => 413,
        "UNSUPPORTED_MEDIA_TYPE" => 415,
        "VALIDATION_ERROR" | "INVALID_REFERENCE" | "INVALID_MEDIA" | "IMAGE_TOO_LARGE" => 422,
        "RATE_LIMITED" | "CONNECTION_LIMIT" | "TOO_MANY_ROOMS" => 429,
        "SERVICE_UNAVAILABLE" | "STORAGE_UNAVAILABLE" | "SERVER_DRAINING" => 503,
        other => panic!("`{other}` is not a code that these tests know"),
    }
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("headers here are ASCII"))
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self} should be JSON"))
    }

    /// The body of an answer with exactly this status.
    #[track_caller]
    pub(crate) fn with_status(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{self}");
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// The body of a success.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert!(self.status.is_success(), "{self} should have succeeded");
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// The problem document of a refusal with this code, complete and with the code's status.
    #[track_caller]
    pub(crate) fn refused(&self, code: &str) -> Value {
        let problem = self.json();
        assert_eq!(problem["error_code"], code, "{self}");
        assert_eq!(self.status.as_u16(), status_of(code), "{self}");
        assert_eq!(problem["status"], self.status.as_u16(), "{self}");
        let content_type = self.header("content-type").unwrap_or_default();
        assert!(content_type.starts_with("application/problem+json"), "{self} has type {content_type}");
        for key in ["type", "title", "detail", "request_id", "timestamp"] {
            assert!(!text(&problem, key).is_empty(), "{self} lacks {key}");
        }
        problem
    }

    /// The code of a refusal, or `OK`.
    #[track_caller]
    pub(crate) fn outcome(&self) -> String {
        if self.status.is_success() { "OK".to_owned() } else { text(&self.json(), "error_code") }
    }
}

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown: String = self.body.chars().take(2_000).collect();
        write!(f, "{} -> {} {shown}", self.what, self.status)
    }
}
