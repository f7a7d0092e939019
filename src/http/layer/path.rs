//! Addresses with a slash behind them, as some clients and proxies write them: they lead to the same place.

use axum::{
    Router,
    extract::Request,
    http::uri::{PathAndQuery, Uri},
};
use tower::{ServiceBuilder, util::MapRequestLayer};

use crate::listener::engine_io;

/// Paths below which a slash at the end means something: an Engine.IO client asks for `/socket.io/`, and pages of the
/// documentation lie beside each other.
const KEPT: [&str; 3] = [engine_io::PATH, "/docs", "/redoc"];

/// A router that takes a path with one slash behind it for the path without.
pub fn without_last_slash(router: Router) -> Router {
    // What changes a path has to stand before the router, not in it.
    Router::new().fallback_service(ServiceBuilder::new().layer(MapRequestLayer::new(shortened)).service(router))
}

fn shortened(mut request: Request) -> Request {
    if let Some(uri) = shorter(request.uri()) {
        *request.uri_mut() = uri;
    }
    request
}

fn shorter(uri: &Uri) -> Option<Uri> {
    let path = uri.path().strip_suffix('/')?;
    if path.is_empty() || path.ends_with('/') || KEPT.iter().any(|kept| path.starts_with(kept)) {
        return None;
    }
    let target = uri.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(target).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slash_is_left_out() {
        for (path, to) in [
            ("/api/chat/rooms/", Some("/api/chat/rooms")),
            ("/api/chat/rooms/?page=2&search=/", Some("/api/chat/rooms?page=2&search=/")),
            ("/health/", Some("/health")),
            ("/api/chat/rooms", None),
            ("/api/chat/rooms//", None),
            ("/", None),
            ("//", None),
            ("/socket.io/?EIO=4", None),
            ("/docs/", None),
            ("/api/chat/messages/x/reactions/%2F/", Some("/api/chat/messages/x/reactions/%2F")),
        ] {
            let uri: Uri = path.parse().unwrap();
            assert_eq!(shorter(&uri).map(|uri| uri.to_string()).as_deref(), to, "{path}");
        }
    }
}
