//! Signed URLs: they load a file without a token. Each names the file and its expiry, and carries a signature over both.
//!
//! The URL of a file also names the user for whom it was made, who must still be allowed to read the file when it is loaded. Data that
//! is encoded once for all subscribers of a room has a placeholder instead of each URL; each user receives it with URLs of their own
//! ([`UrlSigner::fill`]). Only the thumbnails that users and rooms have as avatars have one URL for everybody.

use std::{borrow::Cow, sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;

use super::base_url::{BaseUrls, PATH};
use crate::{
    clock,
    config::{Config, Secret},
    contract::{ErrorCode, MediaId, Timestamp, UserId, event::Encoded},
    error::{Error, Result},
};

/// Where a client sends the bytes of a direct upload.
const UPLOAD_PATH: &str = "/api/chat/upload/";

/// URLs made within this span are equal, so that a browser loads a picture once.
const STEP: Duration = Duration::from_secs(60);

/// How long the URL of an avatar is valid: it is shown beside everything that a user says.
pub const AVATAR_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
const AVATAR_STEP: Duration = Duration::from_secs(60 * 60);

/// Characters of an id.
const ID_CHARS: usize = 36;

/// A URL that was altered or has expired.
pub const REFUSED: Error =
    Error::Refused(ErrorCode::PermissionDenied, "this signed URL is invalid or has expired; request a new one");

/// Makes signed URLs, and recognises its own.
#[derive(Clone, Debug)]
pub struct UrlSigner(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    key: Hmac<Sha256>,
    /// What a placeholder begins with, before the id of a file and the letter of a variant. It is secret, so that no text of a client
    /// becomes a URL.
    placeholder: Secret,
    base_urls: BaseUrls,
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

/// The query of a signed URL.
#[derive(Debug, Default, Deserialize)]
pub struct SignedQuery {
    #[serde(default)]
    pub variant: Variant,
    pub user: Option<UserId>,
    pub expires: Option<i64>,
    pub signature: Option<String>,
    /// The signature of its base URL, where that is the one that a client used.
    pub at: Option<String>,
}

/// A signed URL, and when it expires.
#[derive(Debug)]
pub struct SignedUrl {
    pub url: String,
    pub expires_at: Timestamp,
}

impl UrlSigner {
    /// Signs with a key that is made of `auth.secret_key`.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let mut key = mac(config.auth.secret_key.expose().as_bytes());
        key.update(b"parlour media addresses");
        let key = mac(&key.finalize().into_bytes());
        let mut mac = key.clone();
        mac.update(b"mark");
        let placeholder = format!("file-{}:", BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()));
        let base_urls = BaseUrls::new(&config.server.public_url, key.clone());
        let life = Duration::from_secs(config.media.url_seconds);
        Self(Arc::new(Inner { key, placeholder: placeholder.into(), base_urls, life }))
    }

    /// What its URLs begin with.
    #[must_use]
    pub fn base_urls(&self) -> &BaseUrls {
        &self.0.base_urls
    }

    /// The URL of a file for `user`.
    #[must_use]
    pub fn file(&self, id: MediaId, variant: Variant, user: UserId) -> SignedUrl {
        self.sign(id, variant, Some(user), until(self.0.life, STEP))
    }

    /// What stands for a URL in data that is encoded once for several users; see [`Self::fill`].
    #[must_use]
    pub fn placeholder(&self, id: MediaId, variant: Variant) -> String {
        let letter = match variant {
            Variant::Original => 'o',
            Variant::Thumbnail => 't',
        };
        format!("{}{id}{letter}", self.0.placeholder.expose())
    }

    /// An event with URLs for `user` in place of the placeholders.
    ///
    /// # Panics
    /// Never: a URL has nothing that JSON must escape.
    #[must_use]
    pub fn fill_event<'a>(&self, data: &'a Encoded, user: UserId) -> Cow<'a, Encoded> {
        match self.fill(data.as_str(), user) {
            Cow::Borrowed(_) => Cow::Borrowed(data),
            Cow::Owned(text) => Cow::Owned(Encoded::from_json(text).expect("URLs are plain text")),
        }
    }

    /// A text with URLs for `user` in place of the placeholders.
    #[must_use]
    pub fn fill<'a>(&self, text: &'a str, user: UserId) -> Cow<'a, str> {
        let mut parts = text.split(self.0.placeholder.expose());
        let first = parts.next().unwrap_or_default();
        if first.len() == text.len() {
            return Cow::Borrowed(text);
        }
        let mut filled = first.to_owned();
        for part in parts {
            let id = part.get(..ID_CHARS).and_then(|id| id.parse().ok());
            let (variant, rest) = match part.get(ID_CHARS..).and_then(|rest| Some((rest.get(..1)?, rest.get(1..)?))) {
                Some(("o", rest)) => (Some(Variant::Original), rest),
                Some(("t", rest)) => (Some(Variant::Thumbnail), rest),
                _ => (None, part),
            };
            if let (Some(id), Some(variant)) = (id, variant) {
                filled.push_str(&self.file(id, variant, user).url);
                filled.push_str(rest);
            }
        }
        Cow::Owned(filled)
    }

    /// The URL of the thumbnail of an avatar, of a user or a room.
    #[must_use]
    pub fn avatar(&self, id: MediaId) -> String {
        self.sign(id, Variant::Thumbnail, None, until(AVATAR_LIFE, AVATAR_STEP)).url
    }

    fn sign(&self, id: MediaId, variant: Variant, user: Option<UserId>, expires_at: Timestamp) -> SignedUrl {
        let expires = expires_at.seconds();
        let signature = BASE64_URL_SAFE_NO_PAD.encode(self.mac(id, variant, user, expires).finalize().into_bytes());
        let variant = match variant {
            Variant::Original => "",
            Variant::Thumbnail => "variant=thumbnail&",
        };
        let user = user.map(|user| format!("user={user}&")).unwrap_or_default();
        let base = self.0.base_urls.prefix();
        SignedUrl {
            url: format!("{base}{PATH}{id}?{variant}{user}expires={expires}&signature={signature}"),
            expires_at,
        }
    }

    /// Checks that a URL is one of ours and has not expired.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`.
    pub fn check(&self, id: MediaId, signed: &SignedQuery) -> Result<()> {
        let expires = signed.expires.ok_or(REFUSED)?;
        if !self.is_ours(id, signed) || clock::now().seconds() >= expires {
            return Err(REFUSED);
        }
        Ok(())
    }

    /// The file that a URL of ours names, even if it has expired. The base URL must be one that was issued, or be left out.
    #[must_use]
    pub fn media_id_of(&self, url: &str) -> Option<MediaId> {
        let (base_url, path) = url.split_at(url.find(PATH)?);
        let (id, query) = path.strip_prefix(PATH)?.split_once('?')?;
        let (id, signed): (_, SignedQuery) = (id.parse().ok()?, serde_urlencoded::from_str(query).ok()?);
        let is_issued = base_url.is_empty() || self.0.base_urls.was_issued(base_url, signed.at.as_deref());
        (is_issued && self.is_ours(id, &signed)).then_some(id)
    }

    /// Whether a text looks like one of our URLs.
    #[must_use]
    pub fn looks_ours(&self, url: &str) -> bool {
        url.starts_with(PATH) || self.0.base_urls.may_begin(url) || self.media_id_of(url).is_some()
    }

    fn is_ours(&self, id: MediaId, signed: &SignedQuery) -> bool {
        let (Some(expires), Some(signature)) = (signed.expires, &signed.signature) else { return false };
        let Ok(signature) = BASE64_URL_SAFE_NO_PAD.decode(signature) else { return false };
        self.mac(id, signed.variant, signed.user, expires).verify_slice(&signature).is_ok()
    }

    fn mac(&self, id: MediaId, variant: Variant, user: Option<UserId>, expires: i64) -> Hmac<Sha256> {
        let mut mac = self.0.key.clone();
        let user = user.map(|user| user.to_string()).unwrap_or_default();
        mac.update(format!("load\n{id}\n{variant:?}\n{user}\n{expires}").as_bytes());
        mac
    }

    /// A URL to which the bytes of one file may be sent, and nothing else.
    #[must_use]
    pub fn upload(&self, id: MediaId, mime_type: &str, size: i64, expires_at: Timestamp) -> String {
        let expires = expires_at.seconds();
        let mac = self.upload_mac(id, mime_type, size, expires).finalize().into_bytes();
        let signature = BASE64_URL_SAFE_NO_PAD.encode(mac);
        format!("{}{UPLOAD_PATH}{id}?expires={expires}&signature={signature}", self.0.base_urls.prefix())
    }

    /// Checks that a URL for sending these bytes is ours and has not expired.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`.
    pub fn check_upload(&self, id: MediaId, mime_type: &str, size: i64, signed: &SignedQuery) -> Result<()> {
        let (expires, signature) = signed.expires.zip(signed.signature.as_deref()).ok_or(REFUSED)?;
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).map_err(|_| REFUSED)?;
        let is_ours = self.upload_mac(id, mime_type, size, expires).verify_slice(&signature).is_ok();
        if is_ours && clock::now().seconds() < expires { Ok(()) } else { Err(REFUSED) }
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

/// When a URL of that life expires, rounded down to a step.
fn until(life: Duration, step: Duration) -> Timestamp {
    let step = i64::try_from(step.as_secs()).unwrap_or(1);
    let end = clock::now().plus(life).seconds();
    Timestamp((end - end.rem_euclid(step)) * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer() -> UrlSigner {
        let mut config = Config::defaults();
        config.auth.secret_key = "31415926535897932384626433832795".to_owned().into();
        config.server.public_url = "https://chat.example".to_owned();
        UrlSigner::new(&config)
    }

    fn parsed(url: &str) -> SignedQuery {
        serde_urlencoded::from_str(url.split_once('?').unwrap().1).unwrap()
    }

    #[test]
    fn a_url_is_valid_unaltered_and_until_it_expires() {
        let (signer, id) = (signer(), MediaId::new());
        for user in [UserId::new(), UserId::new()] {
            let signed = signer.file(id, Variant::Thumbnail, user);
            let life = signed.expires_at.since(clock::now());
            assert!(life <= Duration::from_secs(86_400) && life >= Duration::from_secs(86_339), "{life:?}");
            assert!(signer.check(id, &parsed(&signed.url)).is_ok());
            assert!(signer.check(MediaId::new(), &parsed(&signed.url)).is_err());
            assert_eq!(signer.media_id_of(&signed.url), Some(id));
            assert_eq!(signer.media_id_of(signed.url.strip_prefix("https://chat.example").unwrap()), Some(id));
            assert_eq!(signer.media_id_of(&signed.url.replace("chat.example", "evil.example")), None);
            let altered = [
                SignedQuery { variant: Variant::Original, ..parsed(&signed.url) },
                SignedQuery { user: Some(UserId::new()), ..parsed(&signed.url) },
                SignedQuery { user: None, ..parsed(&signed.url) },
                SignedQuery { expires: Some(i64::MAX), ..parsed(&signed.url) },
                SignedQuery { signature: Some("AAAA".to_owned()), ..parsed(&signed.url) },
                SignedQuery { signature: None, ..parsed(&signed.url) },
            ];
            for altered in altered {
                assert!(signer.check(id, &altered).is_err(), "{altered:?}");
            }
        }
        let over = signer.sign(id, Variant::Original, None, Timestamp(clock::now().0 - 1000));
        assert!(signer.check(id, &parsed(&over.url)).is_err());
        assert_eq!(signer.media_id_of(&over.url), Some(id), "an expired URL still names its file");
    }

    #[test]
    fn each_user_gets_urls_of_their_own() {
        let (signer, id, user) = (signer(), MediaId::new(), UserId::new());
        let (original, small) = (signer.placeholder(id, Variant::Original), signer.placeholder(id, Variant::Thumbnail));
        let text = format!("{{\"url\":\"{original}\",\"thumbnail_url\":\"{small}\",\"size\":7}}");
        let value: serde_json::Value = serde_json::from_str(&signer.fill(&text, user)).unwrap();
        assert_eq!(value["url"], signer.file(id, Variant::Original, user).url);
        assert_eq!(value["thumbnail_url"], signer.file(id, Variant::Thumbnail, user).url);
        assert_eq!(value["size"], 7);
        for plain in ["", "{}", "file-x:", "https://chat.example/api/chat/media/"] {
            assert!(matches!(signer.fill(plain, user), Cow::Borrowed(same) if same == plain));
        }
        // Cut short, it is no placeholder.
        assert_eq!(signer.fill(&format!("a{}", &original[..original.len() - 1]), user), "a");
    }

    #[test]
    fn an_upload_url_takes_one_file() {
        let (signer, id) = (signer(), MediaId::new());
        let signed = parsed(&signer.upload(id, "image/png", 7, clock::now().plus(Duration::from_secs(9))));
        assert!(signer.check_upload(id, "image/png", 7, &signed).is_ok());
        assert!(signer.check_upload(id, "image/png", 8, &signed).is_err());
        assert!(signer.check_upload(id, "text/html", 7, &signed).is_err());
        assert!(signer.check_upload(MediaId::new(), "image/png", 7, &signed).is_err());
        assert!(signer.check(id, &signed).is_err(), "it does not load");
    }
}
