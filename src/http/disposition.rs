//! The name that a part of a form gives its file (RFC 6266, RFC 8187, RFC 7578).

use axum::http::{HeaderMap, header::CONTENT_DISPOSITION};

/// The name of a file: `filename*` where it can be read, else `filename`.
pub(super) fn filename(headers: &HeaderMap) -> Option<String> {
    let header = text(headers.get(CONTENT_DISPOSITION)?.as_bytes());
    let (mut plain, mut extended) = (None, None);
    for (name, value) in parameters(&header) {
        if name.eq_ignore_ascii_case("filename") && plain.is_none() {
            plain = Some(value);
        } else if name.eq_ignore_ascii_case("filename*") && extended.is_none() {
            extended = decoded(&value);
        }
    }
    extended.or(plain)
}

/// UTF-8, or what old programs send, a byte a letter.
fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// Each `name=value` behind the kind of disposition, values without their quotes.
fn parameters(header: &str) -> Vec<(&str, String)> {
    let mut found = Vec::new();
    let mut rest = header.split_once(';').map_or("", |(_, rest)| rest);
    while let Some((name, value)) = rest.split_once('=') {
        // A parameter without a value.
        let name = name.rsplit(';').next().unwrap_or_default().trim();
        let value = value.trim_start();
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => unquoted(quoted),
            None => {
                let (value, after) = value.split_once(';').unwrap_or((value, ""));
                (value.trim_end().to_owned(), after)
            }
        };
        found.push((name, value));
        rest = after.trim_start().trim_start_matches(';');
    }
    found
}

/// A quoted text, and what stands behind it. Only quotes and backslashes are escaped: paths of Windows are sent as they are.
fn unquoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut rest = text.char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => match rest.next_if(|(_, next)| matches!(next, '"' | '\\')) {
                Some((_, escaped)) => value.push(escaped),
                None => value.push('\\'),
            },
            _ => value.push(c),
        }
    }
    (value, "")
}

/// A value as RFC 8187 writes it: a character set, a language, and bytes that are escaped by `%`.
fn decoded(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_, escaped) = rest.split_once('\'')?;
    let mut bytes = Vec::with_capacity(escaped.len());
    let mut rest = escaped.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let digits = after.first_chunk::<2>().and_then(|digits| std::str::from_utf8(digits).ok())?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(byte);
        }
    }
    if charset.eq_ignore_ascii_case("utf-8") {
        String::from_utf8(bytes).ok()
    } else if charset.eq_ignore_ascii_case("iso-8859-1") {
        Some(bytes.into_iter().map(char::from).collect())
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn named(header: &[u8]) -> Option<String> {
        let value = HeaderValue::from_bytes(header).ok()?;
        filename(&HeaderMap::from_iter([(CONTENT_DISPOSITION, value)]))
    }

    #[test]
    fn a_file_is_called_what_its_part_says() {
        for (header, name) in [
            (r#"form-data; name="file"; filename="a.txt""#, Some("a.txt")),
            (r#"form-data; name="file"; filename=a.txt"#, Some("a.txt")),
            (r#"form-data; filename="a;b=c.txt"; name="file""#, Some("a;b=c.txt")),
            (r#"form-data; name="file"; filename="a\"b\\c.txt""#, Some(r#"a"b\c.txt"#)),
            (r#"form-data; name="file"; filename="C:\fakepath\a.txt""#, Some(r"C:\fakepath\a.txt")),
            (r#"form-data; name="file"; filename="写真.txt""#, Some("写真.txt")),
            (r#"form-data; name="file"; filename*=UTF-8''%E5%86%99.txt"#, Some("写.txt")),
            (r#"form-data; name="file"; filename="x.txt"; filename*=utf-8'en'a%20b.txt"#, Some("a b.txt")),
            (r#"form-data; name="file"; filename*=utf-8''a.txt; filename="x.txt""#, Some("a.txt")),
            (r#"form-data; name="file"; FileName*=iso-8859-1''%FCber.txt"#, Some("über.txt")),
            (r#"form-data; name="file"; filename="x.txt"; filename*=koi8-r''%C1"#, Some("x.txt")),
            (r#"form-data; name="file"; filename="x.txt"; filename*=UTF-8''%E5%8"#, Some("x.txt")),
            (r#"form-data; name="file"; filename="x.txt"; filename*=nothing"#, Some("x.txt")),
            (r#"form-data; name="file"; filename="never closed"#, Some("never closed")),
            (r#"form-data; name="filename=no.txt"; filename=yes.txt"#, Some("yes.txt")),
            (r#"form-data; name="file""#, None),
            ("form-data", None),
        ] {
            assert_eq!(named(header.as_bytes()).as_deref(), name, "{header}");
        }
        assert_eq!(named(b"form-data; filename=\"\xfcber.txt\"").as_deref(), Some("über.txt"));
    }

    proptest! {
        #[test]
        fn no_header_does_harm(header in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = named(&header);
        }

        #[test]
        fn what_looks_like_one_does_no_harm(header in "form-data(; ?(name|filename|filename\\*)=\"?(UTF-8''|\\PC|%|\\\\|\"){0,9}){0,4}") {
            let _ = named(header.as_bytes());
        }
    }
}
