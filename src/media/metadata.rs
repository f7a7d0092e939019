//! Removes the metadata of images: place, time, device. The pixels and the orientation stay.

use bytes::Bytes;
use image::metadata::Orientation;
use img_parts::{ImageEXIF, png::Png, webp::WebP};

use super::{heif, jpeg};

/// Chunks of a PNG with metadata (<https://www.w3.org/TR/png-3/#11Ancillary-chunks>).
const PNG_NOTES: &[[u8; 4]] = &[*b"eXIf", *b"tEXt", *b"zTXt", *b"iTXt", *b"tIME"];

/// Chunks of a WebP with metadata (<https://developers.google.com/speed/webp/docs/riff_container>).
const WEBP_NOTES: &[[u8; 4]] = &[*b"EXIF", *b"XMP "];

/// The bytes without metadata; the same bytes if there is none, and nothing if the file cannot be parsed.
pub(super) fn without(file: Bytes, mime: &str, orientation: Orientation) -> Option<Bytes> {
    let turned = turned(orientation);
    match mime {
        "image/jpeg" => {
            let cleaned = jpeg::without_notes(&file, turned.as_deref())?;
            Some(if cleaned == file { file } else { cleaned.into() })
        }
        "image/png" => {
            let mut png = Png::from_bytes(file.clone()).ok()?;
            if !png.chunks().iter().any(|chunk| PNG_NOTES.contains(&chunk.kind())) {
                return Some(file);
            }
            for kind in PNG_NOTES {
                png.remove_chunks_by_type(*kind);
            }
            png.set_exif(turned);
            Some(png.encoder().bytes())
        }
        "image/webp" => {
            let mut webp = WebP::from_bytes(file.clone()).ok()?;
            if !WEBP_NOTES.iter().any(|id| webp.has_chunk(*id)) {
                return Some(file);
            }
            for id in WEBP_NOTES {
                webp.remove_chunks_by_id(*id);
            }
            webp.set_exif(turned);
            Some(webp.encoder().bytes())
        }
        "image/avif" | "image/heic" | "image/heif" => {
            let notes = heif::notes(&file)?;
            if notes.is_empty() {
                return Some(file);
            }
            let mut file = Vec::from(file);
            for note in notes {
                file[note].fill(0);
            }
            Some(file.into())
        }
        _ => Some(file),
    }
}

/// Exif that says how a picture is to be turned and nothing else: one directory with one entry, tag 0x0112 (CIPA DC-008, 4.6.4).
fn turned(orientation: Orientation) -> Option<Bytes> {
    if orientation == Orientation::NoTransforms {
        return None;
    }
    let mut exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.push(orientation.to_exif());
    exif.extend_from_slice(b"\0\0\0\0\0\0");
    Some(exif.into())
}
