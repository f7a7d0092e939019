//! What the first bytes of files say: the signatures of `infer`, and those that it lacks or takes too easily.

/// A sector of a film for broadcasting (ISO/IEC 13818-1), each beginning with `G`.
const SECTOR: usize = 188;

/// Signatures that are words as well: what is a text may have no other.
const OF_TEXTS: &[(&[u8], &str)] = &[
    (b"%!PS", "application/postscript"),
    (b"%PDF-", "application/pdf"),
    (b"{\\rtf", "application/rtf"),
    (b"!<arch>\ndebian", "application/vnd.debian.binary-package"),
    (b"!<arch>\n", "application/x-unix-archive"),
    (b"#!AMR", "audio/amr"),
];

const OF_BYTES: &[(&[u8], &str)] = &[
    (b"\xc5\xd0\xd3\xc6", "application/postscript"),
    (b"8BPS", "image/vnd.adobe.photoshop"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"II+\0", "image/tiff"),
    (b"MM\0+", "image/tiff"),
    (b"caff\0", "audio/caf"),
    (b".snd\0", "audio/basic"),
    (b"ID3", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "video/x-ms-asf"),
    (b"OTTO", "font/otf"),
    (b"ttcf", "font/collection"),
    (b"wOFF", "font/woff"),
    (b"wOF2", "font/woff2"),
    (b"\0asm", "application/wasm"),
    (b"MZ", "application/vnd.microsoft.portable-executable"),
    (b"\x7fELF", "application/x-executable"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (b"PK\x05\x06", "application/zip"),
    (b"PK\x07\x08", "application/zip"),
    (b"SQLite format 3\0", "application/vnd.sqlite3"),
];

/// Types that `infer` sees in bytes that mean nothing, as their signature is short.
const WEAK: &[&str] = &["application/x-llvm", "application/x-executable", "application/x-x509-ca-cert", "image/bmp"];

/// The type that a file has by its signature.
pub(super) fn of(head: &[u8], is_text: bool) -> Option<&'static str> {
    if let Some((_, mime)) = OF_TEXTS.iter().find(|(signature, _)| head.starts_with(signature)) {
        return Some(mime);
    }
    if is_text {
        return None;
    }
    let listed = OF_BYTES.iter().find(|(signature, _)| head.starts_with(signature)).map(|(_, mime)| *mime);
    listed.or_else(|| built(head)).or_else(|| {
        let inferred = infer::get(head)?;
        let mime = inferred.mime_type();
        if mime == "application/font-sfnt" {
            return Some("font/ttf");
        }
        (!WEAK.contains(&mime) && !mime.starts_with("text/")).then_some(mime)
    })
}

/// Signatures that are more than some bytes at the beginning.
fn built(head: &[u8]) -> Option<&'static str> {
    let at = |from: usize, length: usize| head.get(from..from + length);
    match (at(0, 4)?, at(4, 4), at(8, 4)) {
        (_, Some(b"ftyp"), Some(brand)) => return Some(of_brand(brand)),
        (b"RIFF", _, Some(b"WAVE")) => return Some("audio/wav"),
        (b"RIFF", _, Some(b"AVI ")) => return Some("video/x-msvideo"),
        (b"RIFF", _, Some(b"WEBP")) => return Some("image/webp"),
        (b"RIFF", _, Some(b"RMID")) => return Some("audio/midi"),
        (b"FORM", _, Some(b"AIFF" | b"AIFC")) => return Some("audio/aiff"),
        ([0x1a, 0x45, 0xdf, 0xa3], ..) => {
            let is_webm = head[..head.len().min(256)].windows(4).any(|bytes| bytes == b"webm");
            return Some(if is_webm { "video/webm" } else { "video/x-matroska" });
        }
        _ => {}
    }
    let little =
        |at: usize| head.get(at..at + 4).map(|bytes| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
    // Four bytes are reserved, and the header that follows is short.
    if head.starts_with(b"BM") && little(6) == Some(0) && little(14).is_some_and(|length| (12..=256).contains(&length))
    {
        return Some("image/bmp");
    }
    if head.first() == Some(&0xff) {
        return of_frame(head);
    }
    let is_sector = |start: usize, step: usize| {
        head.len() >= start + SECTOR && head.iter().skip(start).step_by(step).all(|byte| *byte == b'G')
    };
    if is_sector(0, SECTOR) || is_sector(4, SECTOR + 4) {
        return Some("video/mp2t");
    }
    None
}

/// A file of boxes (ISO/IEC 14496-12), by its major brand (<https://mp4ra.org/registered-types/brands>).
fn of_brand(brand: &[u8]) -> &'static str {
    match brand {
        b"M4A " | b"M4B " | b"M4P " | b"F4A " | b"F4B " => "audio/mp4",
        b"qt  " => "video/quicktime",
        b"avif" | b"avis" => "image/avif",
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" => "image/heic",
        b"mif1" | b"msf1" => "image/heif",
        b"jp2 " | b"jpx " | b"jpm " => "image/jp2",
        b"crx " => "image/x-canon-cr3",
        [b'3', b'g', b'2', _] => "video/3gpp2",
        [b'3', b'g', ..] => "video/3gpp",
        _ => "video/mp4",
    }
}

/// A frame of MPEG audio (ISO/IEC 11172-3, 2.4.2.3) or of AAC (ISO/IEC 13818-7, 6.2); other files begin so, too.
fn of_frame(head: &[u8]) -> Option<&'static str> {
    let (second, third) = (*head.get(1)?, *head.get(2)?);
    let is_synchronized = second & 0xe0 == 0xe0 && second & 0x18 != 0x08;
    let (layer, rate, frequency) = (second & 0x06, third >> 4, (third >> 2) & 0x03);
    if !is_synchronized || frequency == 3 {
        None
    } else if layer == 0 {
        (second & 0xf0 == 0xf0).then_some("audio/aac")
    } else {
        (rate != 0x0f && rate != 0).then_some("audio/mpeg")
    }
}

/// The content of a container, if its beginning shows it.
pub(super) fn seen_inside(mime: &str, head: &[u8]) -> Option<&'static str> {
    let has = |what: &[u8]| head.windows(what.len()).any(|bytes| bytes == what);
    match mime {
        "video/webm" if has(b"A_OPUS") || has(b"A_VORBIS") => (!shows_film(head)).then_some("audio/webm"),
        "audio/ogg" if has(b"\x80theora") => Some("video/ogg"),
        "application/zip" if has(b"mimetypeapplication/epub+zip") => Some("application/epub+zip"),
        _ => None,
    }
}

/// Whether a container has a video track.
pub(super) fn shows_film(head: &[u8]) -> bool {
    let has = |what: &[u8]| head.windows(what.len()).any(|bytes| bytes == what);
    let handler = head.windows(16).any(|bytes| bytes.starts_with(b"hdlr") && bytes.ends_with(b"vide"));
    handler || has(b"V_VP8") || has(b"V_VP9") || has(b"V_AV1") || has(b"V_MPEG") || has(b"\x80theora")
}

/// Whether files of a type are zips, for all that is known of it.
pub(super) fn may_be_zip(mime: &str) -> bool {
    let rest = mime.strip_prefix("application/").unwrap_or_default();
    let is_zip = rest == "java-archive"
        || rest.ends_with("+zip")
        || ["vnd.openxmlformats-officedocument.", "vnd.oasis.opendocument."].iter().any(|kind| rest.starts_with(kind));
    let is_program = rest.starts_with("vnd.") || rest.starts_with("x-");
    is_zip || (is_program && !is_known(mime) && !super::runs(mime))
}

/// Whether files of a type are compound files as those of older office programs.
pub(super) fn may_be_ole(mime: &str) -> bool {
    let rest = mime.strip_prefix("application/").unwrap_or_default();
    rest.starts_with("ms") || rest.starts_with("vnd.ms-") || rest.starts_with("x-ms") || rest.contains("hwp")
}

/// Whether files of a type are recognised by their bytes.
pub(super) fn is_known(mime: &str) -> bool {
    let listed = OF_BYTES.iter().chain(OF_TEXTS).any(|(_, listed)| *listed == mime);
    listed
        || (mime != super::BINARY && infer::is_mime_supported(mime))
        || super::is_medium(mime)
        || mime.starts_with("font/")
}
