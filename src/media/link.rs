//! Addresses that load a file without a token: they name it, say until when, and carry a signature over both.
//!
//! An address of a file names its reader, who must still be allowed to read it when it is loaded. What is written once for all who
//! hear a room has a mark in the place of each address, and each of them is told their own ([`Links::addressed`]). Only the small
//! pictures of people and rooms have addresses for everybody.

use std::{borrow::Cow, sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;

use super::origin::Beginning;
use crate::{
    clock::Clock,
    config::{Config, Secret},
    contract::{ErrorCode, MediaId, Timestamp, UserId, event::Encoded},
    error::{Error, Result},
};

/// Where files are loaded.
pub const PATH: &str = "/api/chat/media/";

/// Where the bytes of a file arrive that its owner sends directly.
const UPLOAD_PATH: &str = "/api/chat/upload/";

/// Addresses made within this span are equal, so that browsers need not load a picture twice.
const STEP: Duration = Duration::from_secs(60);

/// How long the address of somebody's picture lives: it is shown beside everything they say.
pub const AVATAR_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
const AVATAR_STEP: Duration = Duration::from_secs(60 * 60);

/// Characters of an id.
const ID_CHARS: usize = 36;

/// An address that was altered or is too old.
pub const REFUSED: Error =
    Error::Refused(ErrorCode::PermissionDenied, "this signed address is invalid or has expired; ask for a new one");

/// Makes addresses, and knows its own again.
#[derive(Clone, Debug)]
pub struct Links(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    key: Hmac<Sha256>,
    /// What stands in the place of an address, before the id of a file and the letter of a variant. Nobody else knows it, so that
    /// no text of theirs becomes an address.
    mark: Secret,
    beginning: Beginning,
    life: Duration,
}

/// Which bytes of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Variant {
    #[default]
    Original,
    Thumbnail,
}

/// What a signed address carries behind its `?`.
#[derive(Debug, Default, Deserialize)]
pub struct Signed {
    #[serde(default)]
    pub variant: Variant,
    pub user: Option<UserId>,
    pub expires: Option<i64>,
    pub signature: Option<String>,
    /// Shows that it began with the name by which some client came.
    pub at: Option<String>,
}

/// An address, and when it ends.
#[derive(Debug)]
pub struct Link {
    pub url: String,
    pub expires_at: Timestamp,
}

impl Links {
    /// Signs with a key that is made of `auth.secret_key`.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let mut key = mac(config.auth.secret_key.expose().as_bytes());
        key.update(b"parlour media addresses");
        let key = mac(&key.finalize().into_bytes());
        let mut mark = key.clone();
        mark.update(b"mark");
        let mark = format!("file-{}:", BASE64_URL_SAFE_NO_PAD.encode(mark.finalize().into_bytes()));
        let beginning = Beginning::new(&config.server.public_url, key.clone());
        let life = Duration::from_secs(config.media.url_seconds);
        Self(Arc::new(Inner { key, mark: mark.into(), beginning, life }))
    }

    /// What addresses begin with.
    #[must_use]
    pub fn beginning(&self) -> &Beginning {
        &self.0.beginning
    }

    /// An address for `reader`.
    #[must_use]
    pub fn file(&self, id: MediaId, variant: Variant, reader: UserId) -> Link {
        self.sign(id, variant, Some(reader), until(self.0.life, STEP))
    }

    /// What stands in the place of an address where several people read the same; see [`Self::addressed`].
    #[must_use]
    pub fn placeholder(&self, id: MediaId, variant: Variant) -> String {
        let letter = match variant {
            Variant::Original => 'o',
            Variant::Thumbnail => 't',
        };
        format!("{}{id}{letter}", self.0.mark.expose())
    }

    /// An event with addresses for `reader` in their places.
    ///
    /// # Panics
    /// Never: an address has nothing that JSON must escape.
    #[must_use]
    pub fn address<'a>(&self, data: &'a Encoded, reader: UserId) -> Cow<'a, Encoded> {
        match self.addressed(data.as_str(), reader) {
            Cow::Borrowed(_) => Cow::Borrowed(data),
            Cow::Owned(text) => Cow::Owned(Encoded::from_json(text).expect("addresses are plain text")),
        }
    }

    /// A text with addresses for `reader` in their places.
    #[must_use]
    pub fn addressed<'a>(&self, text: &'a str, reader: UserId) -> Cow<'a, str> {
        let mut parts = text.split(self.0.mark.expose());
        let first = parts.next().unwrap_or_default();
        if first.len() == text.len() {
            return Cow::Borrowed(text);
        }
        let mut addressed = first.to_owned();
        for part in parts {
            let id = part.get(..ID_CHARS).and_then(|id| id.parse().ok());
            let (variant, rest) = match part.get(ID_CHARS..).and_then(|rest| Some((rest.get(..1)?, rest.get(1..)?))) {
                Some(("o", rest)) => (Some(Variant::Original), rest),
                Some(("t", rest)) => (Some(Variant::Thumbnail), rest),
                _ => (None, part),
            };
            if let (Some(id), Some(variant)) = (id, variant) {
                addressed.push_str(&self.file(id, variant, reader).url);
                addressed.push_str(rest);
            }
        }
        Cow::Owned(addressed)
    }

    /// An address of the picture of a person or a room, in small.
    #[must_use]
    pub fn avatar(&self, id: MediaId) -> String {
        self.sign(id, Variant::Thumbnail, None, until(AVATAR_LIFE, AVATAR_STEP)).url
    }

    fn sign(&self, id: MediaId, variant: Variant, reader: Option<UserId>, expires_at: Timestamp) -> Link {
        let expires = expires_at.seconds();
        let signature = BASE64_URL_SAFE_NO_PAD.encode(self.mac(id, variant, reader, expires).finalize().into_bytes());
        let variant = match variant {
            Variant::Original => "",
            Variant::Thumbnail => "variant=thumbnail&",
        };
        let user = reader.map(|reader| format!("user={reader}&")).unwrap_or_default();
        let origin = self.0.beginning.text();
        Link { url: format!("{origin}{PATH}{id}?{variant}{user}expires={expires}&signature={signature}"), expires_at }
    }

    /// Whether an address is one of ours that still counts.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`.
    pub fn check(&self, id: MediaId, signed: &Signed) -> Result<()> {
        let expires = signed.expires.ok_or(REFUSED)?;
        if !self.is_ours(id, signed) || Clock.now().seconds() >= expires {
            return Err(REFUSED);
        }
        Ok(())
    }

    /// The file that an address of ours names, even if its time is over. It begins as it did when a client was given it, or is
    /// but the path.
    #[must_use]
    pub fn named_by(&self, url: &str) -> Option<MediaId> {
        let (origin, path) = url.split_at(url.find(PATH)?);
        let (id, query) = path.strip_prefix(PATH)?.split_once('?')?;
        let (id, signed): (_, Signed) = (id.parse().ok()?, serde_urlencoded::from_str(query).ok()?);
        let is_given = origin.is_empty() || self.0.beginning.was_given(origin, signed.at.as_deref());
        (is_given && self.is_ours(id, &signed)).then_some(id)
    }

    /// Whether a text is meant to be one of our addresses.
    #[must_use]
    pub fn looks_ours(&self, url: &str) -> bool {
        url.starts_with(PATH) || self.0.beginning.may_begin(url) || self.named_by(url).is_some()
    }

    fn is_ours(&self, id: MediaId, signed: &Signed) -> bool {
        let (Some(expires), Some(signature)) = (signed.expires, &signed.signature) else { return false };
        let Ok(signature) = BASE64_URL_SAFE_NO_PAD.decode(signature) else { return false };
        self.mac(id, signed.variant, signed.user, expires).verify_slice(&signature).is_ok()
    }

    fn mac(&self, id: MediaId, variant: Variant, reader: Option<UserId>, expires: i64) -> Hmac<Sha256> {
        let mut mac = self.0.key.clone();
        let reader = reader.map(|reader| reader.to_string()).unwrap_or_default();
        mac.update(format!("load\n{id}\n{variant:?}\n{reader}\n{expires}").as_bytes());
        mac
    }

    /// An address to which the bytes of a file may be sent, and nothing else.
    #[must_use]
    pub fn upload(&self, id: MediaId, mime_type: &str, size: i64, expires_at: Timestamp) -> String {
        let expires = expires_at.seconds();
        let mac = self.upload_mac(id, mime_type, size, expires).finalize().into_bytes();
        let signature = BASE64_URL_SAFE_NO_PAD.encode(mac);
        format!("{}{UPLOAD_PATH}{id}?expires={expires}&signature={signature}", self.0.beginning.text())
    }

    /// Whether an address for sending these bytes is ours and still counts.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`.
    pub fn check_upload(&self, id: MediaId, mime_type: &str, size: i64, signed: &Signed) -> Result<()> {
        let (expires, signature) = signed.expires.zip(signed.signature.as_deref()).ok_or(REFUSED)?;
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).map_err(|_| REFUSED)?;
        let is_ours = self.upload_mac(id, mime_type, size, expires).verify_slice(&signature).is_ok();
        if is_ours && Clock.now().seconds() < expires { Ok(()) } else { Err(REFUSED) }
    }

    fn upload_mac(&self, id: MediaId, mime_type: &str, size: i64, expires: i64) -> Hmac<Sha256> {
        let mut mac = self.0.key.clone();
        mac.update(format!("store\n{id}\n{mime_type}\n{size}\n{expires}").as_bytes());
        mac
    }
}

fn mac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

/// The end of a life that began at most a step ago.
fn until(life: Duration, step: Duration) -> Timestamp {
    let step = i64::try_from(step.as_secs()).unwrap_or(1);
    let end = Clock.now().plus(life).seconds();
    Timestamp((end - end.rem_euclid(step)) * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links() -> Links {
        let mut config = Config::defaults();
        config.auth.secret_key = "31415926535897932384626433832795".to_owned().into();
        config.server.public_url = "https://chat.example".to_owned();
        Links::new(&config)
    }

    fn parsed(url: &str) -> Signed {
        serde_urlencoded::from_str(url.split_once('?').unwrap().1).unwrap()
    }

    #[test]
    fn an_address_counts_as_it_was_made_and_until_its_end() {
        let (links, id, user) = (links(), MediaId::new(), UserId::new());
        for reader in [user, UserId::new()] {
            let link = links.file(id, Variant::Thumbnail, reader);
            let life = link.expires_at.since(Clock.now());
            assert!(life <= Duration::from_secs(86_400) && life >= Duration::from_secs(86_339), "{life:?}");
            assert!(links.check(id, &parsed(&link.url)).is_ok());
            assert!(links.check(MediaId::new(), &parsed(&link.url)).is_err());
            assert_eq!(links.named_by(&link.url), Some(id));
            assert_eq!(links.named_by(link.url.strip_prefix("https://chat.example").unwrap()), Some(id));
            assert_eq!(links.named_by(&link.url.replace("chat.example", "evil.example")), None);
            let altered = [
                Signed { variant: Variant::Original, ..parsed(&link.url) },
                Signed { user: Some(UserId::new()), ..parsed(&link.url) },
                Signed { user: None, ..parsed(&link.url) },
                Signed { expires: Some(i64::MAX), ..parsed(&link.url) },
                Signed { signature: Some("AAAA".to_owned()), ..parsed(&link.url) },
                Signed { signature: None, ..parsed(&link.url) },
            ];
            for altered in altered {
                assert!(links.check(id, &altered).is_err(), "{altered:?}");
            }
        }
        let over = links.sign(id, Variant::Original, None, Timestamp(Clock.now().0 - 1000));
        assert!(links.check(id, &parsed(&over.url)).is_err());
        assert_eq!(links.named_by(&over.url), Some(id), "it still says which file is meant");
    }

    #[test]
    fn what_many_read_has_addresses_for_each() {
        let (links, id, user) = (links(), MediaId::new(), UserId::new());
        let (original, small) = (links.placeholder(id, Variant::Original), links.placeholder(id, Variant::Thumbnail));
        let text = format!("{{\"url\":\"{original}\",\"thumbnail_url\":\"{small}\",\"size\":7}}");
        let value: serde_json::Value = serde_json::from_str(&links.addressed(&text, user)).unwrap();
        assert_eq!(value["url"], links.file(id, Variant::Original, user).url);
        assert_eq!(value["thumbnail_url"], links.file(id, Variant::Thumbnail, user).url);
        assert_eq!(value["size"], 7);
        for plain in ["", "{}", "file-x:", "https://chat.example/api/chat/media/"] {
            assert!(matches!(links.addressed(plain, user), Cow::Borrowed(same) if same == plain));
        }
        // Cut short, it is no address.
        assert_eq!(links.addressed(&format!("a{}", &original[..original.len() - 1]), user), "a");
    }

    #[test]
    fn an_address_for_sending_fits_one_file() {
        let (links, id) = (links(), MediaId::new());
        let signed = parsed(&links.upload(id, "image/png", 7, Clock.now().plus(Duration::from_secs(9))));
        assert!(links.check_upload(id, "image/png", 7, &signed).is_ok());
        assert!(links.check_upload(id, "image/png", 8, &signed).is_err());
        assert!(links.check_upload(id, "text/html", 7, &signed).is_err());
        assert!(links.check_upload(MediaId::new(), "image/png", 7, &signed).is_err());
        assert!(links.check(id, &signed).is_err(), "it does not load");
    }
}
