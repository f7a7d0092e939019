//! What bytes are, by their beginning; and whether that is what they are said to be.
//!
//! A type is a promise to whoever opens the file. Bytes that have a signature decide it; bytes that have none may be called any text,
//! but no picture, sound or film.

use crate::{
    contract::{ErrorCode, MessageType},
    error::{Error, Result},
};

/// Not what it is said to be.
const LIE: Error = Error::Refused(ErrorCode::UnsupportedMediaType, "the file is not what its type or its name says");

/// Of a type that is not taken.
const REFUSED_TYPE: Error = Error::Refused(ErrorCode::UnsupportedMediaType, "files of this type are not taken");

/// A picture that cannot be decoded.
pub const UNREADABLE: Error =
    Error::Refused(ErrorCode::UnsupportedMediaType, "the file cannot be read as what it says it is");

/// Any bytes.
pub const BINARY: &str = "application/octet-stream";

/// Pictures whose decoders have a history of harm (CVE-2024-53863 is one) or whose notes of place and time nobody here can take
/// out, and that browsers do not show.
const REFUSED: &[&str] = &[
    "application/postscript",
    "image/jp2",
    "image/jxl",
    "image/tiff",
    "image/vnd.adobe.photoshop",
    "image/vnd.ms-photo",
    "image/x-canon-cr2",
];

/// Pictures that browsers show.
const PICTURES: &[&str] = &["image/avif", "image/gif", "image/jpeg", "image/png", "image/webp"];

/// Types that run in the page that opens them.
const MARKUP: &[&str] = &["application/xhtml+xml", "application/xml", "image/svg+xml", "text/html", "text/xml"];

/// What each of these is also called.
const ALIASES: &[(&str, &str)] = &[
    ("application/x-gzip", "application/gzip"),
    ("application/x-pdf", "application/pdf"),
    ("application/x-zip-compressed", "application/zip"),
    ("audio/m4a", "audio/mp4"),
    ("audio/mp3", "audio/mpeg"),
    ("audio/vnd.wave", "audio/wav"),
    ("audio/wave", "audio/wav"),
    ("audio/x-flac", "audio/flac"),
    ("audio/x-m4a", "audio/mp4"),
    ("audio/x-wav", "audio/wav"),
    ("image/jpg", "image/jpeg"),
    ("image/pjpeg", "image/jpeg"),
    ("image/x-png", "image/png"),
    ("video/x-m4v", "video/mp4"),
];

/// Containers: the same beginning, whatever is inside.
const CONTAINERS: &[&[&str]] = &[
    &["audio/webm", "audio/x-matroska", "video/webm", "video/x-matroska"],
    &["audio/3gpp", "audio/mp4", "video/3gpp", "video/mp4", "video/quicktime"],
    &["application/ogg", "audio/ogg", "audio/opus", "video/ogg"],
    &["image/heic", "image/heif"],
];

/// What the beginning of some bytes says.
enum Sniffed {
    /// Bytes with a signature.
    Known(String),
    /// A text that browsers run.
    Markup(&'static str),
    Text,
    Nothing,
}

/// The type of a file, by its first bytes, by what its sender says, and by its name.
///
/// # Errors
/// `UNSUPPORTED_MEDIA_TYPE` when these contradict each other, or where the type is not taken.
pub fn identify(head: &[u8], declared: Option<&str>, filename: &str) -> Result<String> {
    let declared = declared.map(essence).filter(|declared| declared != BINARY && !declared.is_empty());
    let named = mime_guess::from_path(filename).first_raw().map(essence);
    let claims: Vec<String> = declared.into_iter().chain(named).collect();
    let sniffed = sniff(head);
    let refused = |mime: &str| REFUSED.contains(&mime);
    if claims.iter().any(|claim| refused(claim)) || matches!(&sniffed, Sniffed::Known(mime) if refused(mime)) {
        return Err(REFUSED_TYPE);
    }
    if !claims.iter().all(|claim| agrees(claim, &sniffed)) {
        return Err(LIE);
    }
    // The claim that is nearest to its sender says best what is inside.
    let claim = claims.into_iter().next();
    Ok(match sniffed {
        Sniffed::Known(mime) => claim.unwrap_or(mime),
        Sniffed::Markup(mime) => mime.to_owned(),
        Sniffed::Text => claim.unwrap_or_else(|| "text/plain".to_owned()),
        Sniffed::Nothing => claim.filter(|claim| !claim.starts_with("text/")).unwrap_or_else(|| BINARY.to_owned()),
    })
}

/// Whether a file may be what its sender says, before its bytes are seen.
///
/// # Errors
/// `UNSUPPORTED_MEDIA_TYPE`.
pub fn may_be(mime: &str, filename: &str) -> Result<()> {
    let named = mime_guess::from_path(filename).first_raw().map(essence);
    let named = named.as_deref().unwrap_or(mime);
    if REFUSED.contains(&mime) || REFUSED.contains(&named) {
        return Err(REFUSED_TYPE);
    }
    let shown = |mime: &str| has_signature(mime) && !mime.starts_with("application/");
    let is_same = mime == named || mime == BINARY || one_container(mime, named);
    if is_same || !(shown(mime) || shown(named)) { Ok(()) } else { Err(LIE) }
}

/// A type without its parameters, by its usual name.
#[must_use]
pub fn essence(mime: &str) -> String {
    let bare = mime.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    ALIASES.iter().find(|(alias, _)| *alias == bare).map_or(bare, |(_, usual)| (*usual).to_owned())
}

fn sniff(head: &[u8]) -> Sniffed {
    if head.starts_with(b"%!PS") {
        return Sniffed::Known("application/postscript".to_owned());
    }
    let text = std::str::from_utf8(head).or_else(|error| match error.error_len() {
        // Cut in the middle of a character.
        None => Ok(std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()),
        Some(_) => Err(error),
    });
    let text = text.ok().filter(|text| !text.contains('\0'));
    if let Some(markup) = text.and_then(markup) {
        return Sniffed::Markup(markup);
    }
    match infer::get(head).map(|kind| essence(kind.mime_type())) {
        Some(mime) if !mime.starts_with("text/") => Sniffed::Known(mime),
        _ if text.is_some() => Sniffed::Text,
        _ => Sniffed::Nothing,
    }
}

/// What browsers would make of a text (<https://mimesniff.spec.whatwg.org/#identifying-a-resource-with-an-unknown-mime-type>),
/// wherever in its beginning the first tag stands.
fn markup(text: &str) -> Option<&'static str> {
    let lower = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}').to_ascii_lowercase();
    let begins = |tags: &[&str]| tags.iter().any(|tag| lower.starts_with(tag));
    let first = |tag: &str| lower.starts_with('<') && lower.contains(tag);
    if first("<svg") {
        Some("image/svg+xml")
    } else if begins(&["<!doctype html", "<!--"])
        || ["<html", "<head", "<body", "<script", "<iframe"].iter().any(|tag| first(tag))
    {
        Some("text/html")
    } else if begins(&["<?xml", "<!doctype"]) {
        Some("application/xml")
    } else {
        None
    }
}

fn agrees(claim: &str, sniffed: &Sniffed) -> bool {
    match sniffed {
        Sniffed::Known(mime) => {
            claim == mime
                || one_container(claim, mime)
                || (mime == "application/zip" && !has_signature(claim))
                || (is_office(claim) && (is_office(mime) || mime == "application/x-ole-storage"))
        }
        Sniffed::Markup(_) => MARKUP.contains(&claim) || claim.ends_with("+xml") || is_text(claim),
        Sniffed::Text => is_text(claim) || !has_signature(claim),
        Sniffed::Nothing => !has_signature(claim),
    }
}

fn one_container(one: &str, other: &str) -> bool {
    CONTAINERS.iter().any(|family| family.contains(&one) && family.contains(&other))
}

fn is_text(mime: &str) -> bool {
    mime.starts_with("text/")
}

fn is_office(mime: &str) -> bool {
    mime.starts_with("application/vnd.") || mime.starts_with("application/ms")
}

/// Whether files of a type can be told by their first bytes.
fn has_signature(mime: &str) -> bool {
    let media = ["audio/", "image/", "video/", "font/"].iter().any(|kind| mime.starts_with(kind));
    (media && mime != "image/svg+xml") || matches!(mime, "application/pdf" | "application/zip" | "application/gzip")
}

/// What kind of message carries a file of a type.
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

/// How a file is handed out: what browsers may do with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    pub content_type: String,
    /// As RFC 6266 writes it.
    pub disposition: String,
}

/// Pictures, sounds and films are shown where they are asked for; everything else is saved, and markup as mere bytes.
#[must_use]
pub fn served(mime: &str, filename: &str) -> Served {
    let is_shown = message_type(mime) != MessageType::File;
    let content_type = if MARKUP.contains(&mime) || mime.ends_with("+xml") { BINARY } else { mime };
    let way = if is_shown { "inline" } else { "attachment" };
    let ascii: String =
        filename.chars().map(|c| if (' '..='~').contains(&c) && !"\"\\%/".contains(c) { c } else { '_' }).collect();
    let encoded: String = filename
        .bytes()
        .map(|byte| {
            let is_plain = byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte);
            if is_plain { char::from(byte).to_string() } else { format!("%{byte:02X}") }
        })
        .collect();
    Served {
        content_type: content_type.to_owned(),
        disposition: format!("{way}; filename=\"{ascii}\"; filename*=UTF-8''{encoded}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    const ZIP: &[u8] = b"PK\x03\x04\x14\0\0\0";

    #[test]
    fn bytes_are_what_they_are_and_nothing_else() {
        let html = b"<html><script>alert(1)</script>".as_slice();
        let webm = [b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm".as_slice(), &[0; 300]].concat();
        let svg = b"<?xml version=\"1.0\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\"/>".as_slice();
        for (head, declared, name, found) in [
            (PNG, Some("image/png"), "a.png", Ok("image/png")),
            (PNG, None, "picture", Ok("image/png")),
            (PNG, Some("application/octet-stream"), "a.png", Ok("image/png")),
            (PNG, Some("image/jpeg"), "a.jpg", Err(())),
            (PNG, Some("image/png"), "a.html", Err(())),
            (html, Some("image/png"), "a.png", Err(())),
            (html, None, "a.png", Err(())),
            (html, Some("text/html"), "a.html", Ok("text/html")),
            (html, Some("text/plain"), "a.txt", Ok("text/html")),
            (svg, Some("image/svg+xml"), "a.svg", Ok("image/svg+xml")),
            (svg, Some("image/png"), "a.svg", Err(())),
            (b"hello", Some("text/plain; charset=utf-8"), "a.txt", Ok("text/plain")),
            (b"hello", Some("application/json"), "a.json", Ok("application/json")),
            (b"hello", Some("video/mp4"), "a.mp4", Err(())),
            (b"hello", Some("application/pdf"), "a.pdf", Err(())),
            (b"\xff\xfe\0\x01", None, "a.bin", Ok("application/octet-stream")),
            (b"\xff\xfe\0\x01", Some("audio/mpeg"), "a.mp3", Err(())),
            (b"II*\0\x08\0\0\0", Some("image/tiff"), "a.tiff", Err(())),
            (b"8BPS\0\x01", None, "a.psd", Err(())),
            (b"%!PS-Adobe-3.0 EPSF-3.0", None, "a.eps", Err(())),
            (
                ZIP,
                Some("application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
                "a.docx",
                Ok("application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
            ),
            (&webm, Some("audio/webm;codecs=opus"), "voice.webm", Ok("audio/webm")),
        ] {
            let identified = identify(head, declared, name);
            assert_eq!(identified.as_deref().map_err(|_| ()), found, "{declared:?} {name}");
        }
    }

    #[test]
    fn what_could_run_is_saved_as_bytes() {
        for mime in MARKUP {
            let served = served(mime, "a\"b\r\n/ü.svg");
            assert_eq!(served.content_type, BINARY);
            assert_eq!(
                served.disposition,
                "attachment; filename=\"a_b____.svg\"; filename*=UTF-8''a%22b%0D%0A%2F%C3%BC.svg"
            );
        }
        assert!(served("image/png", "a.png").disposition.starts_with("inline"));
        assert!(served("application/pdf", "a.pdf").disposition.starts_with("attachment"));
    }
}
