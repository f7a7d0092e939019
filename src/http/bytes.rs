//! Bytes of files on their way out: parts and tags (RFC 9110, sections 13 and 14).

use std::ops::Range;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;

use super::problem;
use crate::{
    chat::media::Opened,
    error::{Error, Result},
    media::store::Store,
};

/// Forbids everything that a page could run, load or send, if a browser opens the file as a page
/// (<https://www.w3.org/TR/CSP3/#directive-sandbox>).
const POLICY: &str = "default-src 'none'; sandbox";

/// How long browsers may cache a file; its URL is not valid for longer.
const KEPT: &str = "private, max-age=300";

/// Answers the bytes of a file, or the requested part.
///
/// # Errors
/// `STORAGE_UNAVAILABLE`.
pub(super) async fn answer(store: &Store, opened: &Opened, asked: &HeaderMap) -> Result<Response> {
    let value = |name: HeaderName| asked.get(name).and_then(|value| value.to_str().ok());
    let etag = opened.etag.as_str();
    let is_known = value(header::IF_NONE_MATCH).is_some_and(|tags| {
        tags.split(',').any(|tag| matches!(tag.trim().trim_start_matches("W/"), tag if tag == etag || tag == "*"))
    });
    if is_known {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag), (header::CACHE_CONTROL, KEPT)]).into_response());
    }
    let is_same = value(header::IF_RANGE).is_none_or(|tag| tag == etag);
    let part = value(header::RANGE).filter(|_| is_same).and_then(|range| part(range, opened.size));
    let (status, range) = match part {
        None => (StatusCode::OK, 0..opened.size),
        Some(Ok(range)) => (StatusCode::PARTIAL_CONTENT, range),
        Some(Err(NoSuchPart)) => {
            let size = format!("bytes */{}", opened.size);
            return Ok(([(header::CONTENT_RANGE, size)], problem::no_such_part()).into_response());
        }
    };
    let wanted = (status == StatusCode::PARTIAL_CONTENT).then(|| range.clone());
    // An empty read ahead: a missing object is answered by the status, not by a body that ends early.
    let mut bytes = store.get(opened.key, wanted).await?.peekable();
    if let Some(Err(_)) = std::pin::Pin::new(&mut bytes).peek().await
        && let Some(Err(error)) = bytes.next().await
    {
        return Err(error);
    }
    let mut answer = Response::new(Body::from_stream(bytes));
    *answer.status_mut() = status;
    let text = |text: &str| HeaderValue::from_str(text).map_err(Error::internal);
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, text(&opened.served.content_type)?);
    headers.insert(header::CONTENT_DISPOSITION, text(&opened.served.disposition)?);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::ETAG, text(etag)?);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(KEPT));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    // Pages of other origins show it, as they may load it by its address.
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("cross-origin"));
    if status == StatusCode::PARTIAL_CONTENT {
        let place = format!("bytes {}-{}/{}", range.start, range.end - 1, opened.size);
        headers.insert(header::CONTENT_RANGE, text(&place)?);
    }
    Ok(answer)
}

#[derive(Debug, PartialEq, Eq)]
struct NoSuchPart;

/// The part that a `Range` names. A range of several parts, or one that is not of bytes, is answered with the whole file.
fn part(range: &str, size: u64) -> Option<Result<Range<u64>, NoSuchPart>> {
    let (first, last) = range.trim().strip_prefix("bytes=")?.trim().split_once('-')?;
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let range = match (first.trim(), last.trim()) {
        ("", last) => {
            let length = number(last)?;
            size.saturating_sub(length)..if length == 0 { 0 } else { size }
        }
        (first, "") => number(first)?..size,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            first..last.saturating_add(1).min(size)
        }
    };
    Some(if range.start < range.end { Ok(range) } else { Err(NoSuchPart) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_names_one_part() {
        for (range, expected) in [
            ("bytes=0-0", Some(Ok(0..1))),
            ("bytes=2-", Some(Ok(2..10))),
            ("bytes=-3", Some(Ok(7..10))),
            ("bytes=-30", Some(Ok(0..10))),
            ("bytes=5-100", Some(Ok(5..10))),
            ("bytes=10-", Some(Err(NoSuchPart))),
            ("bytes=-0", Some(Err(NoSuchPart))),
            ("bytes=18446744073709551615-", Some(Err(NoSuchPart))),
            ("bytes=4-2", None),
            ("bytes=0-1,4-5", None),
            ("lines=0-1", None),
            ("bytes=x-y", None),
        ] {
            assert_eq!(part(range, 10), expected, "{range}");
        }
    }
}
