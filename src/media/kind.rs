//! The MIME type of a file. Its bytes decide, and so how it is served. Its name and declared type are hints that choose among the types
//! that the bytes allow: a zip may be a document or a program, an Ogg audio or video.

mod signature;
mod text;

use self::text::Text;
use crate::{
    contract::{ErrorCode, MessageType},
    error::{Error, Result},
};

/// A page or a script that is declared an image, audio or video.
pub(super) const DISGUISED: Error = Error::Refused(
    ErrorCode::UnsupportedMediaType,
    "the file is a page or a script, not what its type or its name says",
);

/// A type that is not accepted.
const REFUSED_TYPE: Error = Error::Refused(ErrorCode::UnsupportedMediaType, "files of this type are not accepted");

/// Any bytes.
pub const BINARY: &str = "application/octet-stream";

/// Image types whose decoders have a history of vulnerabilities (such as CVE-2024-53863): they are not safe to open.
const REFUSED: &[&str] = &["application/postscript", "image/tiff", "image/vnd.adobe.photoshop", "image/x-canon-cr2"];

/// Image types that browsers show.
const PICTURES: &[&str] = &["image/avif", "image/gif", "image/jpeg", "image/png", "image/webp"];

/// Declared types that mean nothing.
const PLACEHOLDERS: &[&str] = &[
    BINARY,
    "application/binary",
    "application/download",
    "application/force-download",
    "application/unknown",
    "application/x-binary",
    "application/x-download",
    "application/x-unknown",
    "application/x-www-form-urlencoded",
    "binary/octet-stream",
    "unknown/unknown",
];

/// Other names of MIME types.
const ALIASES: &[(&str, &str)] = &[
    ("application/font-woff", "font/woff"),
    ("application/font-woff2", "font/woff2"),
    ("application/ogg", "audio/ogg"),
    ("application/x-7z", "application/x-7z-compressed"),
    ("application/x-bzip", "application/x-bzip2"),
    ("application/x-deb", "application/vnd.debian.binary-package"),
    ("application/x-debian-package", "application/vnd.debian.binary-package"),
    ("application/x-font-otf", "font/otf"),
    ("application/x-font-ttf", "font/ttf"),
    ("application/x-gzip", "application/gzip"),
    ("application/x-javascript", "text/javascript"),
    ("application/javascript", "text/javascript"),
    ("application/x-midi", "audio/midi"),
    ("application/x-pdf", "application/pdf"),
    ("application/x-rar", "application/vnd.rar"),
    ("application/x-rar-compressed", "application/vnd.rar"),
    ("application/x-rtf", "application/rtf"),
    ("application/x-sqlite3", "application/vnd.sqlite3"),
    ("application/x-zip-compressed", "application/zip"),
    ("application/x-zstd", "application/zstd"),
    ("audio/m4a", "audio/mp4"),
    ("audio/mid", "audio/midi"),
    ("audio/mp3", "audio/mpeg"),
    ("audio/vnd.wave", "audio/wav"),
    ("audio/wave", "audio/wav"),
    ("audio/x-aac", "audio/aac"),
    ("audio/x-aiff", "audio/aiff"),
    ("audio/x-caf", "audio/caf"),
    ("audio/x-flac", "audio/flac"),
    ("audio/x-m4a", "audio/mp4"),
    ("audio/x-midi", "audio/midi"),
    ("audio/x-mp3", "audio/mpeg"),
    ("audio/x-mpeg", "audio/mpeg"),
    ("audio/x-wav", "audio/wav"),
    ("image/jpg", "image/jpeg"),
    ("image/pjpeg", "image/jpeg"),
    ("image/x-icon", "image/vnd.microsoft.icon"),
    ("image/x-ms-bmp", "image/bmp"),
    ("image/x-png", "image/png"),
    ("text/rtf", "application/rtf"),
    ("text/xml", "application/xml"),
    ("video/avi", "video/x-msvideo"),
    ("video/msvideo", "video/x-msvideo"),
    ("video/x-m4v", "video/mp4"),
];

/// Types that have the same signature, the first of them being what it stands for: which of them a file is may be said by its name.
const FAMILIES: &[&[&str]] = &[
    &["video/webm", "audio/webm"],
    &["video/x-matroska", "audio/x-matroska"],
    &[
        "video/mp4",
        "audio/3gpp",
        "audio/3gpp2",
        "audio/mp4",
        "audio/x-m4b",
        "video/3gpp",
        "video/3gpp2",
        "video/quicktime",
    ],
    &["video/3gpp", "audio/3gpp"],
    &["video/3gpp2", "audio/3gpp2"],
    &["audio/mp4", "audio/x-m4b"],
    &["audio/ogg", "audio/opus", "video/ogg"],
    &["video/x-ms-asf", "audio/x-ms-wma", "video/x-ms-wmv"],
    &["image/heif", "image/heic", "image/heic-sequence", "image/heif-sequence"],
    &["image/heic", "image/heic-sequence"],
    &["application/vnd.microsoft.portable-executable", "application/x-msdos-program", "application/x-msdownload"],
    &["application/gzip", "application/x-compressed-tar", "application/x-gtar", "application/x-tgz"],
];

/// Names whose ending means something else among those who write programs and lists than among those who film.
const AMBIGUOUS_NAMES: &[&str] = &["cts", "m3u", "m3u8", "mod", "mts", "pls", "ts", "xm"];

/// The MIME type of a file, by its first bytes, its declared type, and its name.
///
/// # Errors
/// `UNSUPPORTED_MEDIA_TYPE` for a page or a script that is declared an image, audio or video, and for types that are not accepted.
pub fn identify(head: &[u8], declared: Option<&str>, filename: &str) -> Result<String> {
    let claims: Vec<String> = self::declared(declared).into_iter().chain(named_type(filename)).collect();
    let text = Text::read(head);
    let signed = signature::of(head, text.as_ref().is_some_and(Text::is_unicode));
    if let Some(mime) = signed {
        return if REFUSED.contains(&mime) { Err(REFUSED_TYPE) } else { Ok(chosen(mime, head, &claims)) };
    }
    let Some(text) = text else { return Ok(unsigned(&claims)) };
    let said = self::declared(declared);
    let is_disguised = if is_ambiguous(filename) {
        text.markup().is_some() && said.is_some_and(|said| is_medium(&said))
    } else {
        let is_script_in_name = claims.iter().any(|claim| runs(claim));
        claims.iter().any(|claim| text.is_disguised_as(claim) || (is_script_in_name && is_medium(claim)))
    };
    if is_disguised {
        return Err(DISGUISED);
    }
    let claimed = claims.into_iter().find(|claim| text::may_be(claim));
    Ok(match text.markup() {
        Some(markup) => {
            claimed.filter(|claim| markup == text::XML && claim.ends_with("xml")).unwrap_or_else(|| markup.into())
        }
        None => claimed.unwrap_or_else(|| "text/plain".to_owned()),
    })
}

/// Whether the beginning of a file has what pages and scripts have, wherever in it.
pub(super) fn hides_a_page(head: &[u8]) -> bool {
    text::has_tags(&String::from_utf8_lossy(head))
}

/// The type that a file is expected to have, before its bytes are known.
///
/// # Errors
/// `UNSUPPORTED_MEDIA_TYPE`.
pub fn expected(declared: Option<String>, filename: &str) -> Result<String> {
    let expected = declared.or_else(|| named_type(filename)).unwrap_or_else(|| BINARY.to_owned());
    if REFUSED.contains(&expected.as_str()) { Err(REFUSED_TYPE) } else { Ok(expected) }
}

/// A type without its parameters, by its usual name.
#[must_use]
pub fn essence(mime: &str) -> String {
    let bare = mime.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    ALIASES.iter().find(|(alias, _)| *alias == bare).map_or(bare, |(_, usual)| (*usual).to_owned())
}

/// The declared type, unless it means nothing.
#[must_use]
pub fn declared(said: Option<&str>) -> Option<String> {
    let declared = essence(said?);
    let (kind, rest) = declared.split_once('/')?;
    let is_placeholder = kind.is_empty()
        || rest.is_empty()
        || declared.contains('*')
        || kind == "multipart"
        || PLACEHOLDERS.contains(&declared.as_str());
    (!is_placeholder).then_some(declared)
}

fn named_type(filename: &str) -> Option<String> {
    mime_guess::from_path(filename).first_raw().and_then(|named| declared(Some(named)))
}

fn is_ambiguous(filename: &str) -> bool {
    let ending = filename.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    ending.is_some_and(|ending| AMBIGUOUS_NAMES.contains(&ending.as_str()))
}

/// Which of the types that a signature stands for.
fn chosen(mime: &str, head: &[u8], claims: &[String]) -> String {
    let mime = signature::seen_inside(mime, head).unwrap_or(mime);
    let fits = |claim: &&String| match mime {
        "application/zip" => signature::may_be_zip(claim),
        "application/x-ole-storage" => signature::may_be_ole(claim),
        // What is seen inside is a film, whatever it is called.
        _ if mime.starts_with("video/") && signature::shows_film(head) => is_one_family(mime, claim) && is_video(claim),
        _ => is_one_family(mime, claim),
    };
    claims.iter().find(fits).cloned().unwrap_or_else(|| essence(mime))
}

fn is_video(mime: &str) -> bool {
    mime.starts_with("video/")
}

/// Bytes without a signature are whatever program their sender says, but nothing that has one.
fn unsigned(claims: &[String]) -> String {
    let fits = |claim: &&String| {
        claim.starts_with("application/") && !text::may_be(claim) && !runs(claim) && !signature::is_known(claim)
    };
    claims.iter().find(fits).cloned().unwrap_or_else(|| BINARY.to_owned())
}

fn is_one_family(mime: &str, claim: &str) -> bool {
    FAMILIES.iter().any(|family| family[0] == mime && family.contains(&claim))
}

/// Whether a type is that of an image, audio or video.
fn is_medium(mime: &str) -> bool {
    ["audio/", "image/", "video/"].iter().any(|kind| mime.starts_with(kind)) && mime != "image/svg+xml"
}

/// Whether a browser would run a file of a type, or style a page with it, if it came from our origin.
#[must_use]
pub fn runs(mime: &str) -> bool {
    let (_, rest) = mime.split_once('/').unwrap_or_default();
    rest.ends_with("xml")
        || ["javascript", "ecmascript", "jscript", "livescript", "vbscript"].iter().any(|script| rest.contains(script))
        || matches!(
            mime,
            "text/html"
                | "text/css"
                | "text/x-component"
                | "text/cache-manifest"
                | "application/wasm"
                | "application/x-shockwave-flash"
                | "application/vnd.adobe.flash.movie"
                | "application/x-httpd-php"
                | "application/x-mimearchive"
                | "message/rfc822"
        )
}

/// The message type for a file of a MIME type.
#[must_use]
pub fn message_type(mime: &str) -> MessageType {
    if PICTURES.contains(&mime) {
        MessageType::Image
    } else if mime.starts_with("video/") {
        MessageType::Video
    } else if mime.starts_with("audio/") {
        MessageType::Audio
    } else {
        MessageType::File
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    const PAGE: &[u8] = b"<html><script>alert(1)</script>";
    const DRAWING: &[u8] = b"<?xml version=\"1.0\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\"/>";

    #[test]
    fn bytes_decide() {
        for (head, declared, name, found) in [
            (PNG, Some("image/png"), "a.png", "image/png"),
            (PNG, None, "picture", "image/png"),
            (PNG, Some("image/jpeg"), "a.jpg", "image/png"),
            (PNG, Some("text/html"), "a.html", "image/png"),
            (PAGE, Some("text/plain"), "a.txt", "text/html"),
            (DRAWING, Some("image/svg+xml"), "a.svg", "image/svg+xml"),
            (DRAWING, None, "a.txt", "image/svg+xml"),
            (b"<!-- drawn by hand --><svg/>", Some("image/svg+xml"), "a.svg", "image/svg+xml"),
            (b"hello", Some("text/plain; charset=utf-8"), "a.txt", "text/plain"),
            (b"hello", Some("video/mp4"), "a.mp4", "text/plain"),
            (b"hello", Some("application/pdf"), "a.pdf", "text/plain"),
            (b"\xff\xfe\0\0\x01", None, "a.bin", BINARY),
            (b"\x01\x02", Some("audio/mpeg"), "a.mp3", BINARY),
            (b"\x01\x02", Some("image/svg+xml"), "a.js", BINARY),
            (b"%PDF-1.7", Some("image/png"), "a.png", "application/pdf"),
        ] {
            assert_eq!(identify(head, declared, name).ok().as_deref(), Some(found), "{declared:?} {name}");
        }
    }

    #[test]
    fn placeholders_say_nothing() {
        for declared in PLACEHOLDERS.iter().chain(&["", "*/*", "image/*", "multipart/form-data", "image", "/", "a/"]) {
            assert_eq!(super::declared(Some(declared)), None, "{declared}");
        }
        assert_eq!(super::declared(Some("Image/PJPEG; q=1")).as_deref(), Some("image/jpeg"));
    }

    #[test]
    fn pages_and_scripts_are_no_pictures_sounds_or_films() {
        let wide: Vec<u8> = "\u{feff}<html>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let heads: &[&[u8]] = &[
            PAGE,
            DRAWING,
            &wide,
            b"\xef\xbb\xbf \n<!DOCTYPE HTML>",
            b"<!-- a page -->",
            b"<?xml version=\"1.0\"?><x:script xmlns:x=\"http://www.w3.org/1999/xhtml\"/>",
            b"#!/bin/sh\n",
            b"<?php echo 1;",
            b"alert(document.domain)",
            b"GIF89a/*<script>alert(1)</script>*/",
            b"Gr\xfc\xdfe <iframe>",
        ];
        for head in heads {
            for (declared, name) in [("image/png", "a.png"), ("image/png", "a"), ("", "a.jpg"), ("text/html", "a.gif")]
            {
                for (declared, name) in [(declared, name), ("audio/mpeg", "a.txt"), ("video/mp4", name)] {
                    let identified = identify(head, Some(declared), name);
                    assert!(identified.is_err(), "{declared} {name}: {identified:?} {}", String::from_utf8_lossy(head));
                }
            }
        }
        assert!(identify(b"hello", Some("text/javascript"), "a.png").is_err());
        assert!(identify(PAGE, Some("video/mp2t"), "a.ts").is_err());
        assert!(identify(PAGE, Some("image/svg+xml"), "a.svg").is_err());
    }

    #[test]
    fn what_harms_decoders_is_refused_by_its_bytes() {
        for head in [
            b"II*\0\x08\0\0\0".as_slice(),
            b"MM\0*\0\0\0\x08",
            b"II+\0",
            b"8BPS\0\x01",
            b"%!PS-Adobe",
            b"\xc5\xd0\xd3\xc6",
        ] {
            assert!(identify(head, None, "a.bin").is_err() && identify(head, Some("image/png"), "a.png").is_err());
        }
        assert!(expected(declared(Some("image/tiff")), "a").is_err());
        assert_eq!(expected(None, "a.png").ok().as_deref(), Some("image/png"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_something(
            signature in proptest::sample::select(vec![&b""[..], b"<", b"RIFF", b"\0\0\0\x14ftyp", b"\x1a\x45\xdf\xa3", b"PK\x03\x04", b"G", b"\xff", b"BM", b"\xfe\xff"]),
            rest in proptest::collection::vec(any::<u8>(), 0..600),
            declared in "\\PC{0,30}",
            name in "\\PC{0,30}",
        ) {
            let head = [signature, &rest].concat();
            if let Ok(mime) = identify(&head, Some(&declared), &name) {
                prop_assert!(!(PICTURES.contains(&mime.as_str()) && std::str::from_utf8(&head).is_ok_and(|text| text.starts_with('<'))));
                let served = crate::media::served::served(&mime, &name);
                prop_assert!(!runs(&served.content_type));
                prop_assert!(served.disposition.is_ascii());
            }
        }
    }
}
