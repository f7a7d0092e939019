//! Uploading files and loading them again, on a node that keeps them in one of the stores.

use std::time::Duration;

use axum::body::Bytes;
use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    App, Person, Reply, Room, SOON, Server, eventually,
    people::PASSWORD,
    rest::{Request, Site},
    server::Settings,
    store::{Store, StoreKind},
    text,
};

/// Separates the parts of a form.
const BOUNDARY: &str = "----parlour-form-7MA4YWxkTrZu0gW";

/// The largest file that is taken, in bytes.
pub(crate) const FILE_LIMIT: usize = 25 * 1024 * 1024;

/// Makes of each named `async fn(StoreKind)` a test for every store.
macro_rules! on_every_store {
    ($($name:ident),+ $(,)?) => {
        $(mod $name {
            use $crate::support::store::StoreKind;

            #[tokio::test]
            async fn local() { super::$name(StoreKind::Local).await; }
            #[tokio::test]
            async fn s3() { super::$name(StoreKind::S3).await; }
            #[tokio::test]
            async fn supabase() { super::$name(StoreKind::Supabase).await; }
        })+
    };
}

/// The same for the stores that are reached over a network.
macro_rules! on_every_remote_store {
    ($($name:ident),+ $(,)?) => {
        $(mod $name {
            use $crate::support::store::StoreKind;

            #[tokio::test]
            async fn s3() { super::$name(StoreKind::S3).await; }
            #[tokio::test]
            async fn supabase() { super::$name(StoreKind::Supabase).await; }
        })+
    };
}

/// Makes of those named a test on moto too: of what it plays closer to AWS than the S3 that checks signatures. Everything else
/// would pass there as it does on that one.
macro_rules! on_moto {
    ($($name:ident),+ $(,)?) => {
        mod moto {
            use $crate::support::store::StoreKind;

            $(#[tokio::test]
            async fn $name() { super::$name(StoreKind::Moto).await; })+
        }
    };
}

pub(crate) use {on_every_remote_store, on_every_store, on_moto};

/// A node, and the store that it alone uses.
pub(crate) struct Gallery {
    pub(crate) app: App,
    pub(crate) store: Store,
}

impl Gallery {
    /// A node that looks every second for what is to go.
    pub(crate) async fn open(kind: StoreKind) -> Self {
        Self::open_with(kind, |settings| settings).await
    }

    /// The same with more settings.
    pub(crate) async fn open_with(kind: StoreKind, more: impl FnOnce(Settings) -> Settings) -> Self {
        let store = Store::start(kind).await;
        let settings = Server::settings().with("PARLOUR__MEDIA__SWEEP_SECONDS", "1");
        let app = App::with(more(store.settings(settings))).await;
        Self { app, store }
    }

    /// Waits until nothing takes up space in the store.
    pub(crate) async fn becomes_empty(&self) {
        self.becomes_empty_within(SOON).await;
    }

    pub(crate) async fn becomes_empty_within(&self, limit: Duration) {
        let mut keys = Vec::new();
        let end = tokio::time::Instant::now() + limit;
        while tokio::time::Instant::now() < end {
            keys = self.store.keys().await;
            if keys.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("still in the store after {limit:?}: {keys:?}");
    }

    /// Waits until the store holds no more than `keys`.
    pub(crate) async fn comes_back_to(&self, keys: &[String]) {
        eventually(SOON, "what was refused leaves the store", async || self.store.keys().await == keys).await;
    }
}

/// A file on somebody's device.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) name: String,
    /// What the device says it is.
    pub(crate) mime_type: String,
    pub(crate) bytes: Bytes,
}

impl File {
    pub(crate) fn new(name: &str, mime_type: &str, bytes: impl Into<Vec<u8>>) -> Self {
        Self { name: name.to_owned(), mime_type: mime_type.to_owned(), bytes: Bytes::from(bytes.into()) }
    }

    /// A small picture, each number another one.
    pub(crate) fn picture(number: u32) -> Self {
        Self::new(&format!("picture-{number}.png"), "image/png", super::picture::png(40 + number, 30))
    }

    /// Bytes that are nothing in particular, each seed others.
    pub(crate) fn noise(seed: u64, length: usize) -> Self {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend(state.to_le_bytes());
        }
        bytes.truncate(length);
        // never by chance the beginning of something
        if let Some(first) = bytes.first_mut() {
            *first = 0x01;
        }
        Self::new(&format!("noise-{seed}.bin"), "application/octet-stream", bytes)
    }

    pub(crate) fn sha256(&self) -> Vec<u8> {
        Sha256::digest(&self.bytes).to_vec()
    }
}

/// A form as browsers send it: fields first, then the file.
pub(crate) fn form(file: &File, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut body = Vec::with_capacity(file.bytes.len() + 1_000);
    for (name, value) in fields {
        let part = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend(part.as_bytes());
    }
    body.extend(opening(file).as_bytes());
    body.extend(&file.bytes);
    body.extend(closing().as_bytes());
    body
}

/// What stands before the bytes of the file. A name is escaped as HTML says
/// (<https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data>).
pub(crate) fn opening(file: &File) -> String {
    let name = file.name.replace('\n', "%0A").replace('\r', "%0D").replace('"', "%22");
    format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         Content-Type: {}\r\n\r\n",
        file.mime_type
    )
}

/// What stands behind them.
pub(crate) fn closing() -> String {
    format!("\r\n--{BOUNDARY}--\r\n")
}

/// The type of such a form.
pub(crate) fn form_type() -> String {
    format!("multipart/form-data; boundary={BOUNDARY}")
}

impl Person {
    /// An upload with this body.
    pub(crate) fn upload(&self, body: impl Into<reqwest::Body>) -> Request {
        self.request(Method::POST, "/api/chat/upload").header("content-type", &form_type()).body(body)
    }

    pub(crate) async fn tries_to_upload(&self, file: &File) -> Reply {
        self.upload(form(file, &[])).send().await
    }

    pub(crate) async fn tries_to_upload_for(&self, room_id: &str, file: &File) -> Reply {
        self.upload(form(file, &[("room_id", room_id)])).send().await
    }

    /// What the node says of the file that it took.
    pub(crate) async fn uploads(&self, file: &File) -> Value {
        self.tries_to_upload(file).await.with_status(201)
    }

    pub(crate) async fn tries_to_send(&self, room: &Room, fields: Value) -> Reply {
        let mut body = json!({"room_id": room.id});
        for (key, value) in fields.as_object().expect("fields are an object") {
            body[key] = value.clone();
        }
        self.post("/api/chat/messages", body).await
    }

    /// The message that carries what was uploaded.
    pub(crate) async fn shows(&self, room: &Room, uploaded: &Value) -> Value {
        self.tries_to_send(room, json!({"media_id": uploaded["id"]})).await.with_status(201)
    }

    pub(crate) async fn forwards(&self, message: &Value, room: &Room) -> Value {
        self.tries_to_send(room, json!({"forwarded_from_id": message["id"]})).await.with_status(201)
    }

    pub(crate) async fn takes_back(&self, message: &Value) {
        self.delete(&format!("/api/chat/messages/{}", text(message, "id"))).await.ok();
    }

    /// Loads a file by its id, as who one is.
    pub(crate) async fn loads(&self, uploaded: &Value) -> Loaded {
        self.site.load(&media_path(uploaded), &[("authorization", &format!("Bearer {}", self.token))]).await
    }

    /// Erases the account and all that it said.
    pub(crate) async fn goes_for_good(&self) {
        self.delete("/api/users/me?erase=true&erase_messages=true").await.with_status(204);
        self.login(PASSWORD).await.refused("INVALID_CREDENTIALS");
    }
}

/// The address of an uploaded file, for those who have a token.
pub(crate) fn media_path(uploaded: &Value) -> String {
    format!("/api/chat/media/{}", text(uploaded, "id"))
}

/// What was loaded from an address.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
    /// Whether the node sent us to the store.
    pub(crate) redirected: bool,
}

impl Loaded {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("headers here are ASCII"))
    }

    pub(crate) fn sha256(&self) -> Vec<u8> {
        Sha256::digest(&self.bytes).to_vec()
    }

    /// The bytes of a success.
    #[track_caller]
    pub(crate) fn ok(self) -> Bytes {
        assert!(self.status.is_success(), "{}: {}", self.status, String::from_utf8_lossy(&self.bytes));
        self.bytes
    }

    /// The code of a refusal.
    #[track_caller]
    pub(crate) fn refused(&self, code: &str) {
        let problem: Value = serde_json::from_slice(&self.bytes).unwrap_or_default();
        assert_eq!(problem["error_code"], code, "{}: {}", self.status, String::from_utf8_lossy(&self.bytes));
        assert_eq!(self.status.as_u16(), super::rest::status_of(code));
    }
}

impl Site {
    /// Loads an address as an `<img>` does: without a token, and where it is sent to.
    pub(crate) async fn load(&self, url: &str, headers: &[(&str, &str)]) -> Loaded {
        let first = self.ask(url, headers).await;
        if first.status != StatusCode::TEMPORARY_REDIRECT {
            return first;
        }
        let kept: Vec<_> = headers.iter().copied().filter(|(name, _)| *name != "authorization").collect();
        Loaded { redirected: true, ..self.ask(first.header("location"), &kept).await }
    }

    /// The bytes at an address that is good.
    pub(crate) async fn sees(&self, url: &str) -> Bytes {
        self.load(url, &[]).await.ok()
    }

    async fn ask(&self, url: &str, headers: &[(&str, &str)]) -> Loaded {
        let mut request = self.at(Method::GET, url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.load().await
    }
}

/// An upload that goes to the store directly.
pub(crate) struct Direct {
    /// What the node answered.
    pub(crate) begun: Value,
    /// Where the file is, as other answers would say it.
    pub(crate) media: Value,
}

impl Person {
    pub(crate) async fn tries_to_begin(&self, name: &str, mime_type: &str, size: &str) -> Reply {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("filename", name), ("mime_type", mime_type), ("size", size)])
            .finish();
        self.get(&format!("/api/chat/upload/signed-url?{query}")).await
    }

    pub(crate) async fn begins(&self, file: &File) -> Direct {
        let size = file.bytes.len().to_string();
        let begun = self.tries_to_begin(&file.name, &file.mime_type, &size).await.with_status(200);
        let media = json!({"id": begun["media_id"]});
        Direct { begun, media }
    }

    pub(crate) async fn completes(&self, direct: &Direct) -> Reply {
        self.request(Method::POST, &format!("{}/complete", media_path(&direct.media))).send().await
    }
}

impl Direct {
    /// Sends bytes as the node said to, without a token.
    pub(crate) async fn sends(&self, site: &Site, bytes: &Bytes) -> Loaded {
        self.sends_to(site, &text(&self.begun, "upload_url"), bytes, &[]).await
    }

    /// The same to another address, or with other headers.
    pub(crate) async fn sends_to(&self, site: &Site, url: &str, bytes: &Bytes, changed: &[(&str, &str)]) -> Loaded {
        let method = text(&self.begun, "method").parse().expect("a method");
        let mut request = site.at(method, url).body(bytes.clone());
        for (name, value) in self.begun["headers"].as_object().expect("headers by their names") {
            let other = changed.iter().find(|(changed, _)| changed.eq_ignore_ascii_case(name));
            let value = other.map_or(value.as_str().expect("a header is a text"), |(_, other)| other);
            request = request.header(name, value);
        }
        request.load().await
    }
}
