//! Browser origins, and which of them may call.

use std::{fmt, net::Ipv6Addr, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::Config;

/// Where a page comes from: `scheme://host`, with a port unless it is the scheme's own (RFC 6454, section 6.2).
///
/// Origins are compared as a whole, never by a prefix or a suffix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    text: String,
    /// Whether the page is on this machine.
    local: bool,
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not an origin such as https://app.example or http://localhost:3000");
        let lower = text.to_ascii_lowercase();
        let (scheme, authority) = lower.split_once("://").ok_or_else(wrong)?;
        let (host, port) = host_and_port(authority).ok_or_else(wrong)?;
        let is_scheme = scheme.starts_with(|first: char| first.is_ascii_lowercase())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
        if !is_scheme {
            return Err(wrong());
        }
        let local = matches!(scheme, "http" | "https") && matches!(host, "localhost" | "127.0.0.1" | "[::1]");
        let text = match (scheme, port) {
            (_, None) | ("http", Some(80)) | ("https", Some(443)) => format!("{scheme}://{host}"),
            (_, Some(port)) => format!("{scheme}://{host}:{port}"),
        };
        Ok(Self { text, local })
    }
}

/// A name or an address, that of version 6 in brackets, and the port behind it, if there is one; nothing where it is none.
pub(crate) fn host_and_port(authority: &str) -> Option<(&str, Option<u16>)> {
    // The colons of an IPv6 address are inside brackets.
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => {
            let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
            (host, Some(port.parse().ok().filter(|_| is_number)?))
        }
        _ => (authority, None),
    };
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(v6) => v6.parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_')),
    };
    is_host.then_some((host, port))
}

/// The address of a web server, its scheme and its host in lower case and without slashes at its end; nothing where it is none. It
/// may have a path, but neither a login, nor a query, nor a fragment: what is asked of that server is written behind it.
pub(super) fn web_address(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let origin: Origin = format!("{scheme}://{authority}").parse().ok()?;
    let is_web = origin.text.starts_with("http://") || origin.text.starts_with("https://");
    let is_path = path.chars().all(|c| c.is_ascii_alphanumeric() || "/-._~!$&'()*+,;=:@%".contains(c));
    (is_web && is_path).then(|| format!("{origin}{}", path.trim_end_matches('/')))
}

/// Reads an address that [`web_address`] takes in its usual form; whatever else is there stays as it is, to be refused by its name.
pub(super) fn usual<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(web_address(&text).unwrap_or(text))
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "*" {
            return Err(D::Error::custom("`*` would let every site act for its visitors; list the origins"));
        }
        text.trim_end_matches('/').parse().map_err(D::Error::custom)
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl Config {
    /// Whether pages of an origin may call: those that are listed, and in development those on this machine.
    #[must_use]
    pub fn allows_origin(&self, header: &str) -> bool {
        header
            .parse::<Origin>()
            .is_ok_and(|origin| self.cors.origins.contains(&origin) || (origin.local && !self.is_production()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    #[test]
    fn addresses_of_servers_have_one_form() {
        for (written, read) in [
            ("https://chat.example", Some("https://chat.example")),
            ("HTTPS://Chat.Example", Some("https://chat.example")),
            ("https://chat.example/", Some("https://chat.example")),
            ("https://chat.example:443/Chat/", Some("https://chat.example/Chat")),
            ("http://[::1]:8000", Some("http://[::1]:8000")),
            ("http://chat_1:9000/a/b%20c", Some("http://chat_1:9000/a/b%20c")),
            ("https://chat.example?x", None),
            ("https://chat.example/?x", None),
            ("https://chat.example#f", None),
            ("https://chat.example/a#f", None),
            ("https://chat .example", None),
            ("https://chat.example/a b", None),
            (" https://chat.example", None),
            ("https://u:p@chat.example", None),
            ("https://u@chat.example", None),
            ("https://chat.example:99999", None),
            ("https://chat.example:+80", None),
            ("https://chat.example:", None),
            ("https://[::1", None),
            ("https://ch\u{e4}t.example", None),
            ("https:///chat.example", None),
            ("https:chat.example", None),
            ("https:\\\\chat.example", None),
            ("https://", None),
            ("ftp://chat.example", None),
            ("chat.example", None),
            ("", None),
        ] {
            assert_eq!(web_address(written).as_deref(), read, "{written:?}");
        }
    }

    #[test]
    fn only_listed_origins_and_in_development_local_ones_may_call() {
        let mut config = Config::defaults();
        config.cors.origins =
            vec!["https://app.example".parse().unwrap(), "http://[2001:db8::1]:8080".parse().unwrap()];
        for (origin, in_development, in_production) in [
            ("https://app.example", true, true),
            ("https://APP.example", true, true),
            ("https://app.example:443", true, true),
            ("http://[2001:db8::1]:8080", true, true),
            ("http://app.example", false, false),
            ("https://app.example:8443", false, false),
            ("https://app.example.evil", false, false),
            ("https://evilapp.example", false, false),
            ("https://app.example@evil.example", false, false),
            ("https://app.example/", false, false),
            ("https://app.example, https://evil.example", false, false),
            ("null", false, false),
            ("", false, false),
            ("*", false, false),
            ("http://localhost:5173", true, false),
            ("https://localhost", true, false),
            ("http://127.0.0.1:3000", true, false),
            ("http://[::1]:3000", true, false),
            ("http://localhost.evil.example", false, false),
            ("http://127.0.0.1.evil.example", false, false),
            ("http://localhost:3000.evil.example", false, false),
            ("file://localhost", false, false),
        ] {
            config.server.environment = Environment::Development;
            assert_eq!(config.allows_origin(origin), in_development, "{origin} in development");
            config.server.environment = Environment::Production;
            assert_eq!(config.allows_origin(origin), in_production, "{origin} in production");
        }
    }
}
