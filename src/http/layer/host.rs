//! By which name a client came to this server: what the addresses in its answers begin with.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, header},
    middleware::Next,
    response::Response,
};
use futures_util::TryStreamExt;
use http_body_util::BodyExt;

use super::address::is_trusted;
use crate::{
    app::App,
    config::host_and_port,
    error::Error,
    listener::ConnInfo,
    media::{base_url::BaseUrl, signed_url::UrlSigner},
};

/// Characters of a host and its port (RFC 1035, section 2.3.4).
const HOST_CHARS: usize = 261;

/// Finds the name once, for all who ask.
pub async fn find(
    State(app): State<Arc<App>>,
    ConnectInfo(connection): ConnectInfo<ConnInfo>,
    mut request: Request,
    next: Next,
) -> Response {
    let is_believed = is_trusted(connection.peer.ip(), &app.config.server.trusted_proxies);
    if let Some(base_url) = base_url(request.headers(), is_believed) {
        request.extensions_mut().insert(base_url);
    }
    next.run(request).await
}

/// Completes the addresses in an answer.
pub async fn complete(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let signer = &app.chat.files().signer;
    if !signer.base_urls().depends_on_client() {
        return next.run(request).await;
    }
    let base_url = request.extensions().get().cloned().unwrap_or_else(|| app.base_url());
    let response = next.run(request).await;
    let content_type = response.headers().get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    if content_type.starts_with(b"application/json") {
        whole(response, signer, &base_url).await
    } else if content_type == b"application/x-ndjson" {
        // Each piece has whole lines.
        let signer = signer.clone();
        response.map(|body| {
            Body::from_stream(body.into_data_stream().map_ok(move |chunk| filled(chunk, &signer, &base_url)))
        })
    } else {
        response
    }
}

async fn whole(response: Response, signer: &UrlSigner, base_url: &BaseUrl) -> Response {
    let (mut head, body) = response.into_parts();
    match body.collect().await {
        Ok(body) => {
            head.headers.remove(header::CONTENT_LENGTH);
            Response::from_parts(head, Body::from(filled(body.to_bytes(), signer, base_url)))
        }
        // It is in memory, so that this does not happen.
        Err(error) => axum::response::IntoResponse::into_response(Error::internal(error)),
    }
}

fn filled(bytes: Bytes, signer: &UrlSigner, base_url: &BaseUrl) -> Bytes {
    match std::str::from_utf8(&bytes).map(|text| signer.base_urls().fill(text, base_url)) {
        Ok(std::borrow::Cow::Owned(text)) => text.into(),
        _ => bytes,
    }
}

/// The scheme and the host. Headers of a trusted proxy count. Otherwise the origin of the page shows whether its own address is
/// secure, as behind a proxy that is not configured.
fn base_url(headers: &HeaderMap, is_believed: bool) -> Option<BaseUrl> {
    let told = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let first = |name: &str| told(name).and_then(|list| list.split(',').next()).map(str::trim);
    let forwarded = |name: &str| first(name).filter(|_| is_believed);
    let host = forwarded("x-forwarded-host").filter(|host| is_host(host)).or_else(|| told("host"))?;
    if !is_host(host) {
        return None;
    }
    let scheme = match forwarded("x-forwarded-proto") {
        Some(scheme) if ["https", "wss"].iter().any(|secure| scheme.eq_ignore_ascii_case(secure)) => "https",
        Some(_) => "http",
        None if told("origin").and_then(|page| page.strip_prefix("https://")) == Some(host) => "https",
        None => "http",
    };
    Some(BaseUrl::new(scheme, host))
}

/// A name or an address, and perhaps a port: nothing that would end it in an address, or in a text.
fn is_host(host: &str) -> bool {
    host.len() <= HOST_CHARS && host_and_port(host).is_some()
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn a_client_comes_by_the_name_that_it_or_a_trusted_proxy_says() {
        for (is_believed, headers, found) in [
            (false, &[("host", "chat.example")][..], Some("http://chat.example")),
            (false, &[("host", "127.0.0.1:8000")], Some("http://127.0.0.1:8000")),
            (false, &[("host", "[::1]:8000")], Some("http://[::1]:8000")),
            (
                false,
                &[("host", "a"), ("x-forwarded-host", "evil.example"), ("x-forwarded-proto", "https")],
                Some("http://a"),
            ),
            (false, &[("host", "a"), ("origin", "https://a")], Some("https://a")),
            (false, &[("host", "a"), ("origin", "https://b")], Some("http://a")),
            (
                true,
                &[("host", "inner"), ("x-forwarded-host", "a:8443"), ("x-forwarded-proto", "https")],
                Some("https://a:8443"),
            ),
            (
                true,
                &[("host", "inner"), ("x-forwarded-host", "a, b"), ("x-forwarded-proto", "HTTPS, http")],
                Some("https://a"),
            ),
            (true, &[("host", "a"), ("x-forwarded-proto", "wss")], Some("https://a")),
            (true, &[("host", "a"), ("x-forwarded-proto", "http"), ("origin", "https://a")], Some("http://a")),
            (true, &[("host", "a"), ("x-forwarded-host", "b\"><script>")], Some("http://a")),
            (true, &[("host", "a"), ("x-forwarded-host", "")], Some("http://a")),
            (false, &[("host", "user@a")], None),
            (false, &[("host", "a/b")], None),
            (false, &[("host", "")], None),
            (false, &[], None),
        ] {
            let headers =
                headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            let (scheme, host) = found.and_then(|found| found.split_once("://")).unzip();
            let found = scheme.zip(host).map(|(scheme, host)| BaseUrl::new(scheme, host));
            assert_eq!(base_url(&headers.clone().collect(), is_believed), found, "{:?}", headers.collect::<Vec<_>>());
        }
    }
}
