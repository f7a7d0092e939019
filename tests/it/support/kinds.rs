//! The beginnings of files of many kinds, as the programs write them that make such files.

use super::{File, picture, recording};

/// A file, and what it is.
pub(crate) struct Kind {
    pub(crate) file: File,
    /// By its bytes; where several are right, what its name adds.
    pub(crate) mime_type: &'static str,
    /// The kind of message that carries it.
    pub(crate) message_type: &'static str,
}

fn kind(name: &str, declared: &str, bytes: impl Into<Vec<u8>>, mime_type: &'static str) -> Kind {
    let message_type = match mime_type {
        "image/png" | "image/jpeg" | "image/gif" | "image/webp" | "image/avif" => "image",
        _ if mime_type.starts_with("audio/") => "audio",
        _ if mime_type.starts_with("video/") => "video",
        _ => "file",
    };
    Kind { file: File::new(name, declared, bytes), mime_type, message_type }
}

/// A signature, and bytes that say nothing.
fn padded(signature: &[u8]) -> Vec<u8> {
    [signature, &[0; 600]].concat()
}

/// A file of boxes of this brand.
fn boxes(brand: &[u8; 4]) -> Vec<u8> {
    padded(&[b"\0\0\0\x14ftyp", brand.as_slice(), b"\0\0\x02\0", brand, b"\0\0\0\x08mdat"].concat())
}

fn zip(first: &str, content: &str) -> Vec<u8> {
    let length = u32::try_from(content.len()).expect("it is short").to_le_bytes();
    let name = u16::try_from(first.len()).expect("it is short").to_le_bytes();
    let head = [b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0".as_slice(), &length, &length, &name, b"\0\0"].concat();
    padded(&[head.as_slice(), first.as_bytes(), content.as_bytes()].concat())
}

fn utf_16(text: &str) -> Vec<u8> {
    [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
const ODT: &str = "application/vnd.oasis.opendocument.text";
const EXE: &str = "application/vnd.microsoft.portable-executable";

/// Honest files: bytes, name and declared type agree, as real senders say it.
pub(crate) fn honest() -> Vec<Kind> {
    [pictures(), recordings(), archives(), papers(), programs(), texts()].into_iter().flatten().collect()
}

fn pictures() -> Vec<Kind> {
    let bmp = [b"BM\x9a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".as_slice(), &[0; 130]].concat();
    vec![
        kind("a.png", "image/png", picture::png(9, 9), "image/png"),
        kind("a.PNG", "IMAGE/PNG; charset=binary", picture::png(9, 9), "image/png"),
        kind("a.jpg", "image/jpg", picture::jpeg(9, 9), "image/jpeg"),
        kind("a.jpeg", "image/pjpeg", picture::jpeg(9, 9), "image/jpeg"),
        kind("a.gif", "image/gif", picture::gif(3), "image/gif"),
        kind("a.webp", "image/webp", picture::webp(9, 9), "image/webp"),
        kind("a.avif", "image/avif", boxes(b"avif"), "image/avif"),
        kind("IMG_1.HEIC", "image/heic", boxes(b"heic"), "image/heic"),
        kind("a.bmp", "image/bmp", bmp.clone(), "image/bmp"),
        kind("b.bmp", "image/x-ms-bmp", bmp, "image/bmp"),
        kind("favicon.ico", "image/x-icon", padded(b"\0\0\x01\0\x01\0\x10\x10\0\0\x01\0"), "image/vnd.microsoft.icon"),
        kind("a.svg", "image/svg+xml", picture::SVG, "image/svg+xml"),
    ]
}

fn recordings() -> Vec<Kind> {
    let avi = padded(b"RIFF\x24\0\0\0AVI LIST");
    let asf = padded(b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\0\xaa\0\x62\xce\x6c");
    let webm = padded(b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm");
    let voice = [padded(b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm"), padded(b"\x86\x86A_OPUS")].concat();
    let sectors = [b"G\x40\0\x10".as_slice(), &[0xff; 184]].concat().repeat(4);
    vec![
        kind("VID_2026.3gp", "video/3gpp", boxes(b"3gp4"), "video/3gpp"),
        kind("voice.3gp", "audio/3gpp", boxes(b"3gp5"), "audio/3gpp"),
        kind("a.3g2", "video/3gpp2", boxes(b"3g2a"), "video/3gpp2"),
        kind("Audio Message.caf", "audio/x-caf", padded(b"caff\0\x01\0\0desc"), "audio/caf"),
        kind("a.m4a", "audio/mpeg", boxes(b"M4A "), "audio/mp4"),
        kind("b.m4a", "audio/mp4", boxes(b"M4A "), "audio/mp4"),
        kind("c.m4a", "audio/x-m4a", boxes(b"M4A "), "audio/mp4"),
        kind("ring.m4r", "", boxes(b"M4A "), "audio/mp4"),
        kind("a.mp4", "video/mp4", boxes(b"isom"), "video/mp4"),
        kind("dash.mp4", "video/mp4", boxes(b"dsms"), "video/mp4"),
        kind("voice.mp4", "audio/mp4", boxes(b"isom"), "audio/mp4"),
        kind("IMG_1.MOV", "video/quicktime", boxes(b"qt  "), "video/quicktime"),
        kind("a.m4v", "video/x-m4v", boxes(b"M4V "), "video/mp4"),
        kind("a.avi", "video/avi", avi.clone(), "video/x-msvideo"),
        kind("b.avi", "video/x-msvideo", avi.clone(), "video/x-msvideo"),
        kind("c.avi", "video/msvideo", avi, "video/x-msvideo"),
        kind("a.ts", "video/mp2t", sectors.clone(), "video/mp2t"),
        kind("b.ts", "", sectors, "video/mp2t"),
        kind("a.mid", "audio/mid", padded(b"MThd\0\0\0\x06\0\x01"), "audio/midi"),
        kind("b.mid", "audio/midi", padded(b"MThd\0\0\0\x06\0\x01"), "audio/midi"),
        kind("a.flac", "audio/flac", padded(b"fLaC\0\0\0\x22"), "audio/flac"),
        kind("a.opus", "audio/opus", recording::opus(9), "audio/opus"),
        kind("a.ogg", "application/ogg", recording::opus(9), "audio/ogg"),
        kind("a.ogv", "video/ogg", padded(b"OggS\0\x02\0\0\x80theora"), "video/ogg"),
        kind("a.amr", "audio/amr", padded(b"#!AMR\n\x3c"), "audio/amr"),
        kind("a.aiff", "audio/aiff", padded(b"FORM\0\0\0\0AIFFCOMM"), "audio/aiff"),
        kind("b.aif", "audio/x-aiff", padded(b"FORM\0\0\0\0AIFFCOMM"), "audio/aiff"),
        kind("a.wav", "audio/vnd.wave", recording::wav(9), "audio/wav"),
        kind("a.wma", "audio/x-ms-wma", asf.clone(), "audio/x-ms-wma"),
        kind("a.wmv", "video/x-ms-wmv", asf, "video/x-ms-wmv"),
        kind("a.flv", "video/x-flv", padded(b"FLV\x01\x05\0\0\0\x09"), "video/x-flv"),
        kind("a.mkv", "video/x-matroska", padded(b"\x1a\x45\xdf\xa3\x93\x42\x82\x88matroska"), "video/x-matroska"),
        kind("a.webm", "video/webm", webm.clone(), "video/webm"),
        kind("voice.webm", "audio/webm;codecs=opus", webm, "audio/webm"),
        kind("blob", "video/webm", voice, "audio/webm"),
        kind("a.mp3", "audio/mp3", padded(b"ID3\x04\0\0\0\0\0\x20"), "audio/mpeg"),
        kind("b.mp3", "audio/mpeg", padded(b"\xff\xfa\x90\x64"), "audio/mpeg"),
        kind("a.aac", "audio/aac", padded(b"\xff\xf1\x50\x80"), "audio/aac"),
        kind("a.mpg", "video/mpeg", padded(b"\0\0\x01\xba\x44"), "video/mpeg"),
    ]
}

fn archives() -> Vec<Kind> {
    let gz = padded(b"\x1f\x8b\x08\0\0\0\0\0\0\x03");
    let tar = [b"notes.txt".as_slice(), &[0; 248], b"ustar\x0000", &[0; 247]].concat();
    vec![
        kind("a.rar", "application/x-rar-compressed", padded(b"Rar!\x1a\x07\x01\0"), "application/vnd.rar"),
        kind("b.rar", "application/vnd.rar", padded(b"Rar!\x1a\x07\0"), "application/vnd.rar"),
        kind("a.gz", "application/x-gzip", gz.clone(), "application/gzip"),
        kind("a.tgz", "application/x-compressed-tar", gz.clone(), "application/x-compressed-tar"),
        kind("b.tar.gz", "application/gzip", gz, "application/gzip"),
        kind("a.tar", "application/x-tar", tar, "application/x-tar"),
        kind("a.zip", "application/x-zip-compressed", zip("a.txt", "a"), "application/zip"),
        kind("a.7z", "application/x-7z-compressed", padded(b"7z\xbc\xaf\x27\x1c\0\x04"), "application/x-7z-compressed"),
        kind("a.zst", "application/zstd", padded(b"\x28\xb5\x2f\xfd\x04\0"), "application/zstd"),
        kind("a.xz", "application/x-xz", padded(b"\xfd7zXZ\0\0\x04"), "application/x-xz"),
        kind("a.bz2", "application/x-bzip2", padded(b"BZh91AY&SY"), "application/x-bzip2"),
        kind(
            "a.deb",
            "application/x-debian-package",
            padded(b"!<arch>\ndebian-binary   "),
            "application/vnd.debian.binary-package",
        ),
        kind("a.iso", "application/x-iso9660-image", vec![0; 40_000], "application/x-iso9660-image"),
        kind(
            "a.apk",
            "application/vnd.android.package-archive",
            zip("AndroidManifest.xml", "x"),
            "application/vnd.android.package-archive",
        ),
        kind("a.jar", "application/java-archive", zip("META-INF/MANIFEST.MF", "x"), "application/java-archive"),
        kind("a.epub", "application/epub+zip", zip("mimetype", "application/epub+zip"), "application/epub+zip"),
    ]
}

fn papers() -> Vec<Kind> {
    let ole = padded(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1");
    vec![
        kind("a.pdf", "application/pdf", picture::PDF, "application/pdf"),
        kind("a.docx", DOCX, zip("[Content_Types].xml", "x"), DOCX),
        kind("b.docx", "", zip("[Content_Types].xml", "x"), DOCX),
        kind("a.xlsx", XLSX, zip("[Content_Types].xml", "x"), XLSX),
        kind("a.odt", ODT, zip("mimetype", ODT), ODT),
        kind("a.doc", "application/msword", ole.clone(), "application/msword"),
        kind("a.xls", "application/vnd.ms-excel", ole, "application/vnd.ms-excel"),
        kind("letter.rtf", "text/rtf", r"{\rtf1\ansi hello}", "application/rtf"),
        kind("b.rtf", "application/msword", r"{\rtf1\ansi hello}", "application/rtf"),
        kind("a.ttf", "font/ttf", padded(b"\0\x01\0\0\0\x0b\0\x80"), "font/ttf"),
        kind("b.ttf", "application/x-font-ttf", padded(b"\0\x01\0\0\0\x0b\0\x80"), "font/ttf"),
        kind("a.otf", "font/otf", padded(b"OTTO\0\x0b\0\x80"), "font/otf"),
        kind("a.woff", "application/font-woff", padded(b"wOFF\0\x01\0\0"), "font/woff"),
        kind("a.woff2", "font/woff2", padded(b"wOF2\0\x01\0\0"), "font/woff2"),
    ]
}

fn programs() -> Vec<Kind> {
    vec![
        kind("setup.exe", "application/x-msdownload", padded(b"MZ\x90\0"), "application/x-msdownload"),
        kind("program", "", padded(b"MZ\x90\0"), EXE),
        kind("a.wasm", "application/wasm", padded(b"\0asm\x01\0\0\0"), "application/wasm"),
        kind("a.sqlite", "application/vnd.sqlite3", padded(b"SQLite format 3\0"), "application/vnd.sqlite3"),
        kind("a.so", "application/x-sharedlib", padded(b"\x7fELF\x02\x01\x01"), "application/x-executable"),
        kind("noise.bin", "application/octet-stream", b"\x01\x02\x03\x04".as_slice(), "application/octet-stream"),
        kind("model.onnx", "", b"\x08\x07\x12\x07pytorch\0".as_slice(), "application/octet-stream"),
        kind("README", "", b"\x01\x02\x03\x04".as_slice(), "application/octet-stream"),
    ]
}

fn texts() -> Vec<Kind> {
    vec![
        kind("main.ts", "video/vnd.dlna.mpeg-tts", "export const a: number = 1;\n", "text/plain"),
        kind("other.ts", "", "import { b } from './b';\n", "text/plain"),
        kind("third.ts", "text/typescript", "const c = 1;\n", "text/typescript"),
        kind("go.mod", "", "module example.com/x\n", "text/plain"),
        kind("b.mod", "audio/x-mod", "module example.com/x\n", "text/plain"),
        kind("list.m3u", "audio/x-mpegurl", "#EXTM3U\nhttps://radio.example/a\n", "text/plain"),
        kind("a.php", "application/x-httpd-php", "<?php echo 1;\n", "application/x-httpd-php"),
        kind("b.php", "", "<?php echo 1; ?><html></html>\n", "application/x-httpd-php"),
        kind("a.py", "text/x-python", "#!/usr/bin/env python3\nprint(1)\n", "text/x-python"),
        kind("a.sh", "application/x-sh", "#!/bin/sh\necho\n", "application/x-sh"),
        kind("a.js", "application/javascript", "alert(1)\n", "text/javascript"),
        kind("a.css", "text/css", "body { color: red }\n", "text/css"),
        kind("a.json", "application/json", "{\"a\": 1}", "application/json"),
        kind("a.csv", "application/vnd.ms-excel", "a,b\n1,2\n", "text/csv"),
        kind("a.md", "text/markdown", "# Title\n", "text/markdown"),
        kind("a.eml", "message/rfc822", "From: ada@example.com\nSubject: x\n\nhello\n", "message/rfc822"),
        kind("a.ics", "text/calendar", "BEGIN:VCALENDAR\nEND:VCALENDAR\n", "text/calendar"),
        kind("a.vcf", "text/vcard", "BEGIN:VCARD\nEND:VCARD\n", "text/vcard"),
        kind("wide.txt", "text/plain", utf_16("Grüße"), "text/plain"),
        kind("latin.txt", "text/plain", b"Gr\xfc\xdfe aus K\xf6ln\n".as_slice(), "text/plain"),
        kind("bom.csv", "text/csv", "\u{feff}a;b\n", "text/csv"),
        kind("BMW.txt", "text/plain", "BMW and MZ and BCD are names\n", "text/plain"),
        kind("notes", "", "no ending\n", "text/plain"),
        kind("a.unknown-ending", "", "an ending that nobody knows\n", "text/plain"),
        kind("a.yml", "application/yaml", "a: 1\n", "application/yaml"),
        kind("page.html", "text/html", picture::HTML, "text/html"),
        kind("a.xml", "text/xml", picture::XML, "application/xml"),
        kind("icons.html", "text/html", "<html><svg></svg></html>", "text/html"),
    ]
}
