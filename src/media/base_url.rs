//! What the URLs of files begin with: `PUBLIC_URL`, or else the name under which each client reached this server.
//!
//! When a URL is written, it is not known yet which client will read it. So a placeholder stands for its base URL until the answer or
//! the event goes out to a client ([`BaseUrls::fill`]). The base URL is signed too: a URL that a client sends back must begin as it
//! did when the client received it.

use std::{borrow::Cow, net::SocketAddr, sync::Arc};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::{config::Secret, contract::event::Encoded};

/// Where files are loaded.
pub(super) const PATH: &str = "/api/chat/media/";

/// Characters of the signature of a base URL.
const TAG_CHARS: usize = 12;

/// The base URL under which a client reached this server, such as `https://chat.example`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(Arc<str>);

impl BaseUrl {
    /// `scheme` is `http` or `https`, `host` a name or an address, with a port or without.
    #[must_use]
    pub fn new(scheme: &str, host: &str) -> Self {
        Self(format!("{scheme}://{host}").into())
    }

    /// For clients that do not say which name they used.
    #[must_use]
    pub fn listening(address: SocketAddr) -> Self {
        match address.ip().is_unspecified() {
            true => Self::new("http", &format!("localhost:{}", address.port())),
            false => Self::new("http", &address.to_string()),
        }
    }
}

/// Chooses what the URLs of files begin with.
#[derive(Debug)]
pub struct BaseUrls {
    /// Signs base URLs.
    key: Hmac<Sha256>,
    base: Base,
}

#[derive(Debug)]
enum Base {
    /// What the configuration says.
    Public(String),
    /// A placeholder that is secret, so that no text of a client becomes a URL.
    Placeholder(Secret),
}

impl BaseUrls {
    pub(super) fn new(public_url: &str, key: Hmac<Sha256>) -> Self {
        let base = if public_url.is_empty() {
            let mut mac = key.clone();
            mac.update(b"origin");
            Base::Placeholder(format!("origin-{}:", BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())).into())
        } else {
            Base::Public(public_url.to_owned())
        };
        Self { key, base }
    }

    /// What is written at the start of a URL: the base URL, or its placeholder.
    pub(super) fn prefix(&self) -> &str {
        match &self.base {
            Base::Public(base_url) => base_url,
            Base::Placeholder(placeholder) => placeholder.expose(),
        }
    }

    /// Whether each client gets the base URL that it used itself.
    #[must_use]
    pub fn depends_on_client(&self) -> bool {
        matches!(self.base, Base::Placeholder(_))
    }

    /// A text, JSON or a URL, with `base_url` in place of the placeholders.
    #[must_use]
    pub fn fill<'a>(&self, text: &'a str, base_url: &BaseUrl) -> Cow<'a, str> {
        let Base::Placeholder(placeholder) = &self.base else { return Cow::Borrowed(text) };
        if memchr::memmem::find(text.as_bytes(), placeholder.expose().as_bytes()).is_none() {
            return Cow::Borrowed(text);
        }
        let tag = self.tag(&base_url.0);
        let mut parts = text.split(placeholder.expose());
        let mut filled = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (path, query) = part.split_once('?').unwrap_or((part, ""));
            filled.extend([&*base_url.0, path, "?at=", &tag, "&", query]);
        }
        Cow::Owned(filled)
    }

    /// An event with `base_url` in place of the placeholders.
    ///
    /// # Panics
    /// Never: a URL has nothing that JSON must escape.
    #[must_use]
    pub fn fill_event<'a>(&self, data: &'a Encoded, base_url: &BaseUrl) -> Cow<'a, Encoded> {
        match self.fill(data.as_str(), base_url) {
            Cow::Borrowed(_) => Cow::Borrowed(data),
            Cow::Owned(text) => Cow::Owned(Encoded::from_json(text).expect("URLs are plain text")),
        }
    }

    /// Whether a client received a URL with this base URL; `tag` is the signature in that URL.
    pub(super) fn was_issued(&self, base_url: &str, tag: Option<&str>) -> bool {
        let is_public = matches!(&self.base, Base::Public(public) if base_url == public);
        // The configured one may have been another then.
        is_public || tag.is_some_and(|tag| tag == self.tag(base_url))
    }

    /// Whether a text looks like a URL of a file.
    pub(super) fn may_begin(&self, url: &str) -> bool {
        match &self.base {
            Base::Public(public) => url.strip_prefix(public.as_str()).is_some_and(|path| path.starts_with(PATH)),
            Base::Placeholder(_) => url.contains(PATH) && url.contains("signature="),
        }
    }

    fn tag(&self, base_url: &str) -> String {
        let mut mac = self.key.clone();
        mac.update(format!("origin\n{base_url}").as_bytes());
        let mut tag = BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        tag.truncate(TAG_CHARS);
        tag
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Config,
        contract::{MediaId, UserId},
        media::signed_url::{SignedQuery, UrlSigner, Variant},
    };

    fn parsed(url: &str) -> SignedQuery {
        serde_urlencoded::from_str(url.split_once('?').unwrap().1).unwrap()
    }

    #[test]
    fn a_url_begins_with_the_base_url_that_a_client_used() {
        let mut config = Config::defaults();
        config.auth.secret_key = "31415926535897932384626433832795".to_owned().into();
        let (signer, id, user) = (UrlSigner::new(&config), MediaId::new(), UserId::new());
        let url = signer.file(id, Variant::Thumbnail, user).url;
        let json = format!("{{\"a\":\"{url}\",\"b\":\"{}\"}}", signer.avatar(id));
        for (scheme, host) in [("http", "127.0.0.1:8000"), ("https", "chat.example"), ("http", "[::1]:9")] {
            let base_url = BaseUrl::new(scheme, host);
            let value: serde_json::Value = serde_json::from_str(&signer.base_urls().fill(&json, &base_url)).unwrap();
            for field in ["a", "b"] {
                let url = value[field].as_str().unwrap();
                assert!(url.starts_with(&format!("{scheme}://{host}{PATH}{id}?")), "{url}");
                assert!(signer.check(id, &parsed(url)).is_ok(), "{url}");
                assert_eq!(signer.media_id_of(url), Some(id), "{url}");
                assert!(signer.looks_ours(url));
                assert_eq!(signer.media_id_of(&url.replace(host, "evil.example")), None);
                assert_eq!(signer.media_id_of(&url.replace(host, &format!("evil.example/{host}"))), None);
                assert_eq!(signer.media_id_of(url.strip_prefix(&format!("{scheme}://{host}")).unwrap()), Some(id));
            }
        }
        assert!(matches!(signer.base_urls().fill("{}", &BaseUrl::new("http", "a")), Cow::Borrowed("{}")));
    }
}
