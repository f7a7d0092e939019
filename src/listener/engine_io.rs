//! The addresses of Engine.IO, as the library reads them. Whoever asks what a request is asks here: two who read it differently
//! would let it pass between them.

use axum::http::{Uri, uri::InvalidUri};
use serde::Deserialize;

/// Where Engine.IO is asked for.
pub const PATH: &str = "/socket.io";

/// The routes of it: the library takes whatever stands below.
pub const ROUTES: [&str; 3] = [PATH, "/socket.io/", "/socket.io/{*rest}"];

/// The session that a request belongs to; none where a new one begins.
pub fn session(uri: &Uri) -> Option<&str> {
    part(uri, "sid")
}

/// The address at which a session is polled.
pub fn polling(session: &str) -> Result<Uri, InvalidUri> {
    format!("{PATH}/?EIO=4&transport=polling&sid={session}").parse()
}

/// The session that a packet opens, if it opens one (<https://socket.io/docs/v4/engine-io-protocol/#handshake>).
pub fn opened_by(packet: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Open {
        sid: String,
    }
    let Open { sid } = serde_json::from_slice(packet.strip_prefix(b"0")?).ok()?;
    Some(sid)
}

/// A part of the query, as it stands there: the library decodes neither names nor values.
pub fn part<'a>(uri: &'a Uri, name: &str) -> Option<&'a str> {
    let mut parts = uri.query()?.split('&').filter_map(|part| part.split_once('='));
    parts.find_map(|(found, value)| (found == name).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_what_the_library_takes_for_one() {
        for (uri, expected) in [
            ("/socket.io/?EIO=4&sid=AAAA&transport=polling", Some("AAAA")),
            ("/socket.io?sid=AAAA&sid=BBBB", Some("AAAA")),
            ("/socket.io/?sid=", Some("")),
            ("/socket.io/?sid=%41AAA", Some("%41AAA")),
            ("/socket.io/?%73id=AAAA", None),
            ("/socket.io/?nosid=AAAA&sid", None),
        ] {
            assert_eq!(session(&uri.parse().unwrap()), expected, "{uri}");
        }
    }
}
