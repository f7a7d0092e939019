//! What the addresses of files begin with: `PUBLIC_URL`, else the name by which each client came to this server.
//!
//! Where an address is written it is not known yet who will read it. So a mark stands in the place of its beginning until the answer
//! or the event is on its way to a client ([`Beginning::completed`]). What such an address begins with is signed as well: one that a
//! client sends back begins as it did when it was given.

use std::{borrow::Cow, net::SocketAddr, sync::Arc};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::link::PATH;
use crate::{config::Secret, contract::event::Encoded};

/// Characters of the signature of a beginning.
const TAG_CHARS: usize = 12;

/// The name by which a client came, as the beginning of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(Arc<str>);

impl Origin {
    /// `scheme` is `http` or `https`, `host` a name or an address, with a port or without.
    #[must_use]
    pub fn new(scheme: &str, host: &str) -> Self {
        Self(format!("{scheme}://{host}").into())
    }

    /// For clients that do not say by which name they came.
    #[must_use]
    pub fn listening(address: SocketAddr) -> Self {
        match address.ip().is_unspecified() {
            true => Self::new("http", &format!("localhost:{}", address.port())),
            false => Self::new("http", &address.to_string()),
        }
    }
}

/// What addresses begin with.
#[derive(Debug)]
pub struct Beginning {
    /// Signs beginnings.
    key: Hmac<Sha256>,
    base: Base,
}

#[derive(Debug)]
enum Base {
    /// What the configuration says.
    Public(String),
    /// Nobody else knows this mark, so that no text of theirs becomes an address.
    Mark(Secret),
}

impl Beginning {
    pub(super) fn new(public_url: &str, key: Hmac<Sha256>) -> Self {
        let base = if public_url.is_empty() {
            let mut mark = key.clone();
            mark.update(b"origin");
            Base::Mark(format!("origin-{}:", BASE64_URL_SAFE_NO_PAD.encode(mark.finalize().into_bytes())).into())
        } else {
            Base::Public(public_url.to_owned())
        };
        Self { key, base }
    }

    /// What is written at the beginning of an address.
    pub(super) fn text(&self) -> &str {
        match &self.base {
            Base::Public(origin) => origin,
            Base::Mark(mark) => mark.expose(),
        }
    }

    /// Whether it is the name by which each client came.
    #[must_use]
    pub fn depends_on_client(&self) -> bool {
        matches!(self.base, Base::Mark(_))
    }

    /// A text for a client that came by the name `origin`: JSON, or an address.
    #[must_use]
    pub fn completed<'a>(&self, text: &'a str, origin: &Origin) -> Cow<'a, str> {
        let Base::Mark(mark) = &self.base else { return Cow::Borrowed(text) };
        if memchr::memmem::find(text.as_bytes(), mark.expose().as_bytes()).is_none() {
            return Cow::Borrowed(text);
        }
        let tag = self.tag(&origin.0);
        let mut parts = text.split(mark.expose());
        let mut completed = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (path, query) = part.split_once('?').unwrap_or((part, ""));
            completed.extend([&*origin.0, path, "?at=", &tag, "&", query]);
        }
        Cow::Owned(completed)
    }

    /// An event for a client that came by the name `origin`.
    ///
    /// # Panics
    /// Never: an address has nothing that JSON must escape.
    #[must_use]
    pub fn completed_event<'a>(&self, data: &'a Encoded, origin: &Origin) -> Cow<'a, Encoded> {
        match self.completed(data.as_str(), origin) {
            Cow::Borrowed(_) => Cow::Borrowed(data),
            Cow::Owned(text) => Cow::Owned(Encoded::from_json(text).expect("addresses are plain text")),
        }
    }

    /// Whether a client was given an address that begins so; `tag` is what that address says of it.
    pub(super) fn was_given(&self, origin: &str, tag: Option<&str>) -> bool {
        let is_public = matches!(&self.base, Base::Public(public) if origin == public);
        // Also before the configuration said another one.
        is_public || tag.is_some_and(|tag| tag == self.tag(origin))
    }

    /// Whether a text is meant to begin so.
    pub(super) fn may_begin(&self, url: &str) -> bool {
        match &self.base {
            Base::Public(public) => url.strip_prefix(public.as_str()).is_some_and(|path| path.starts_with(PATH)),
            Base::Mark(_) => url.contains(PATH) && url.contains("signature="),
        }
    }

    fn tag(&self, origin: &str) -> String {
        let mut mac = self.key.clone();
        mac.update(format!("origin\n{origin}").as_bytes());
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
        media::link::{Links, Signed, Variant},
    };

    fn parsed(url: &str) -> Signed {
        serde_urlencoded::from_str(url.split_once('?').unwrap().1).unwrap()
    }

    #[test]
    fn an_address_begins_with_the_name_by_which_a_client_came() {
        let mut config = Config::defaults();
        config.auth.secret_key = "31415926535897932384626433832795".to_owned().into();
        let (links, id, user) = (Links::new(&config), MediaId::new(), UserId::new());
        let url = links.file(id, Variant::Thumbnail, user).url;
        let json = format!("{{\"a\":\"{url}\",\"b\":\"{}\"}}", links.avatar(id));
        for (scheme, host) in [("http", "127.0.0.1:8000"), ("https", "chat.example"), ("http", "[::1]:9")] {
            let origin = Origin::new(scheme, host);
            let value: serde_json::Value = serde_json::from_str(&links.beginning().completed(&json, &origin)).unwrap();
            for field in ["a", "b"] {
                let url = value[field].as_str().unwrap();
                assert!(url.starts_with(&format!("{scheme}://{host}{PATH}{id}?")), "{url}");
                assert!(links.check(id, &parsed(url)).is_ok(), "{url}");
                assert_eq!(links.named_by(url), Some(id), "{url}");
                assert!(links.looks_ours(url));
                assert_eq!(links.named_by(&url.replace(host, "evil.example")), None);
                assert_eq!(links.named_by(&url.replace(host, &format!("evil.example/{host}"))), None);
                assert_eq!(links.named_by(url.strip_prefix(&format!("{scheme}://{host}")).unwrap()), Some(id));
            }
        }
        assert!(matches!(links.beginning().completed("{}", &Origin::new("http", "a")), Cow::Borrowed("{}")));
    }
}
