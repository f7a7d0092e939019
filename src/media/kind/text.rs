//! Texts, and among them pages and scripts: what browsers would make of them
//! (<https://mimesniff.spec.whatwg.org/#identifying-a-resource-with-an-unknown-mime-type>).

use std::borrow::Cow;

pub(super) const XML: &str = "application/xml";
const HTML: &str = "text/html";
const SVG: &str = "image/svg+xml";

/// Tags that make a page wherever they stand.
const PAGE_TAGS: &[&str] = &["<!doctype html", "<html", "<head", "<body", "<script", "<iframe", "<object", "<embed"];

/// Tags that make a page where a file begins with them.
const FIRST_TAGS: &[&str] = &[
    "<h1", "<div", "<font", "<table", "<a ", "<style", "<title", "<b>", "<br", "<p>", "<p ", "<img", "<form", "<meta",
    "<link",
];

/// How programs begin that browsers or shells run.
const SCRIPTS: &[&str] = &[
    "#!",
    "<?php",
    "<?=",
    "<%",
    "alert(",
    "eval(",
    "(function",
    "(()",
    "function ",
    "import ",
    "export ",
    "const ",
    "let ",
    "var ",
    "window.",
    "document.",
    "javascript:",
    "\"use strict\"",
    "'use strict'",
];

/// Types of texts that do not say so.
const TEXTS: &[&str] = &[
    "application/graphql",
    "application/json",
    "application/json5",
    "application/jsonlines",
    "application/mbox",
    "application/pgp-keys",
    "application/pgp-signature",
    "application/sql",
    "application/toml",
    "application/typescript",
    "application/x-csh",
    "application/x-httpd-php",
    "application/x-latex",
    "application/x-ndjson",
    "application/x-pem-file",
    "application/x-perl",
    "application/x-php",
    "application/x-python-code",
    "application/x-ruby",
    "application/x-sh",
    "application/x-sql",
    "application/x-subrip",
    "application/x-tcl",
    "application/x-tex",
    "application/x-x509-ca-cert",
    "application/x-yaml",
    "application/yaml",
    "message/rfc822",
];

/// The beginning of a text.
pub(super) struct Text {
    /// In small letters.
    text: String,
    is_unicode: bool,
}

impl Text {
    /// Nothing where the bytes are no text: it has no control characters but those that lay it out.
    pub(super) fn read(head: &[u8]) -> Option<Self> {
        let (text, is_unicode) = match head {
            [0xff, 0xfe, rest @ ..] => (Cow::Owned(utf_16(rest, u16::from_le_bytes)), true),
            [0xfe, 0xff, rest @ ..] => (Cow::Owned(utf_16(rest, u16::from_be_bytes)), true),
            _ => match std::str::from_utf8(head) {
                Ok(text) => (Cow::Borrowed(text), true),
                // Cut in the middle of a character.
                Err(error) if error.error_len().is_none() && error.valid_up_to() > 0 => {
                    (String::from_utf8_lossy(head), true)
                }
                // ISO 8859-1, or any other with a byte a letter: what matters here is the same in all of them.
                Err(_) => (Cow::Owned(head.iter().map(|byte| char::from(*byte)).collect()), false),
            },
        };
        let is_binary = |c: char| matches!(c, '\0'..='\x08' | '\x0b' | '\x0e'..='\x1a' | '\x1c'..='\x1f');
        (!text.contains(is_binary)).then(|| Self { text: text.to_ascii_lowercase(), is_unicode })
    }

    /// Whether these bytes are hardly anything else.
    pub(super) fn is_unicode(&self) -> bool {
        self.is_unicode
    }

    fn start(&self) -> &str {
        self.text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}' || c == '\u{ef}' || c == '\u{bb}')
    }

    /// The type of a text that browsers would run or parse.
    pub(super) fn markup(&self) -> Option<&'static str> {
        let start = self.start();
        if !start.starts_with('<') || start.starts_with("<?php") || start.starts_with("<?=") || start.starts_with("<%")
        {
            return None;
        }
        let page = PAGE_TAGS.iter().filter_map(|tag| start.find(tag)).min();
        let svg = start.find("<svg").or_else(|| start.find("<!doctype svg"));
        match (page, svg) {
            (Some(page), Some(svg)) => Some(if svg < page { SVG } else { HTML }),
            (None, Some(_)) => Some(SVG),
            (Some(_), None) => Some(HTML),
            (None, None) if start.starts_with("<?xml") || start.starts_with("<!doctype") => Some(XML),
            (None, None) if start.starts_with("<!--") || FIRST_TAGS.iter().any(|tag| start.starts_with(tag)) => {
                Some(HTML)
            }
            (None, None) => None,
        }
    }

    /// Whether this is a page or a script, and called something that is shown or played.
    pub(super) fn is_disguised_as(&self, claim: &str) -> bool {
        match self.markup() {
            // Comments may come before a drawing.
            Some(markup) if claim == SVG => markup == HTML && PAGE_TAGS.iter().any(|tag| self.text.contains(tag)),
            Some(_) => super::is_medium(claim),
            None => {
                super::is_medium(claim)
                    && (has_tags(&self.text) || SCRIPTS.iter().any(|script| self.start().starts_with(script)))
            }
        }
    }
}

fn utf_16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// Whether a text has the tags of a page or a drawing in it.
pub(super) fn has_tags(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains("<svg") || PAGE_TAGS.iter().any(|tag| text.contains(tag))
}

/// Whether files of a type are texts.
pub(super) fn may_be(mime: &str) -> bool {
    let is_medium = mime.starts_with("image/") || mime.starts_with("audio/") || mime.starts_with("video/");
    let is_written = ["+json", "+xml", "+yaml"].iter().any(|suffix| mime.ends_with(suffix)) || mime == XML;
    mime.starts_with("text/") || TEXTS.contains(&mime) || (is_written && !is_medium)
}
