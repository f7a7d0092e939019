//! How a file is served: what browsers may do with it.

use super::kind::{BINARY, message_type, runs};
use crate::contract::MessageType;

/// MIME types besides images, audio and video that a download declares.
const DECLARED: &[&str] = &[
    "application/gzip",
    "application/json",
    "application/msword",
    "application/pdf",
    "application/rtf",
    "application/zip",
    "application/zstd",
    "text/calendar",
    "text/csv",
    "text/markdown",
    "text/plain",
    "text/vcard",
];

/// The headers of an answer with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    pub content_type: String,
    /// As RFC 6266 writes it.
    pub disposition: String,
}

/// Images, audio and video are shown inline. Everything else is a download, and what a browser could run is declared as plain bytes.
#[must_use]
pub fn served(mime: &str, filename: &str) -> Served {
    let is_shown = message_type(mime) != MessageType::File;
    let is_declared = is_shown || DECLARED.contains(&mime) || is_harmless(mime);
    let content_type = if is_declared && !runs(mime) { mime } else { BINARY };
    let kind = if is_shown { "inline" } else { "attachment" };
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
        disposition: format!("{kind}; filename=\"{ascii}\"; filename*=UTF-8''{encoded}"),
    }
}

/// MIME types that browsers only draw or save.
fn is_harmless(mime: &str) -> bool {
    mime.starts_with("image/")
        || mime.starts_with("font/")
        || mime.starts_with("application/vnd.openxmlformats-officedocument.")
        || mime.starts_with("application/vnd.oasis.opendocument.")
        || mime.starts_with("application/vnd.ms-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_run_is_saved_as_bytes() {
        let running = [
            "application/wasm",
            "application/x-javascript",
            "application/xhtml+xml",
            "application/xml",
            "image/svg+xml",
            "text/css",
            "text/html",
            "text/javascript",
            "text/jscript",
            "text/xml",
        ];
        for mime in running {
            let served = served(mime, "a\"b\r\n/ü.svg");
            assert_eq!(served.content_type, BINARY, "{mime}");
            assert_eq!(
                served.disposition,
                "attachment; filename=\"a_b____.svg\"; filename*=UTF-8''a%22b%0D%0A%2F%C3%BC.svg"
            );
        }
        assert!(served("image/png", "a.png").disposition.starts_with("inline"));
        assert!(served("application/pdf", "a.pdf").disposition.starts_with("attachment"));
    }
}
