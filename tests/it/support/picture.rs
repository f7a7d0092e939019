//! Pictures and papers to upload, made when they are needed.

use std::io::Cursor;

use image::{ColorType, ImageEncoder, ImageFormat, Rgb, RgbImage};

/// Stands in the notes of the camera; nobody who is shown the picture may find it.
pub(crate) const CAMERA: &str = "Canary Camera 52N13E";

/// A picture that no two columns or rows of are the same, red on its left edge and blue on its right.
fn drawing(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let across = |most: u32| u8::try_from(x * most / width.max(1)).expect("at most 255");
        let down = u8::try_from(y * 255 / height.max(1)).expect("at most 255");
        Rgb([255 - across(255), down / 2, across(255)])
    })
}

fn encoded(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    drawing(width, height).write_to(&mut bytes, format).expect("a small picture can be encoded");
    bytes.into_inner()
}

pub(crate) fn png(width: u32, height: u32) -> Vec<u8> {
    encoded(width, height, ImageFormat::Png)
}

pub(crate) fn webp(width: u32, height: u32) -> Vec<u8> {
    encoded(width, height, ImageFormat::WebP)
}

/// A PNG that one can look through.
pub(crate) fn glass(width: u32, height: u32) -> Vec<u8> {
    let pixels = [0, 90, 180, 60].repeat((width * height) as usize);
    let mut bytes = Vec::new();
    let encoder = image::codecs::png::PngEncoder::new(&mut bytes);
    encoder.write_image(&pixels, width, height, ColorType::Rgba8.into()).expect("a small picture can be encoded");
    bytes
}

pub(crate) fn jpeg(width: u32, height: u32) -> Vec<u8> {
    encoded(width, height, ImageFormat::Jpeg)
}

/// A JPEG as a telephone makes it: lying on its side (`orientation` as Exif counts, 6 is a quarter turn clockwise), and with the
/// place where it was taken.
pub(crate) fn photo(width: u32, height: u32, orientation: u16) -> Vec<u8> {
    let plain = jpeg(width, height);
    let mut notes = b"Exif\0\0".to_vec();
    notes.extend(exif(orientation));
    let length = u16::try_from(notes.len() + 2).expect("the notes are short");
    let mut bytes = plain[..2].to_vec();
    bytes.extend([0xff, 0xe1]);
    bytes.extend(length.to_be_bytes());
    bytes.extend(notes);
    bytes.extend(&plain[2..]);
    bytes
}

/// Exif (CIPA DC-008): the camera's make, the orientation, and a directory with a place (52°31'N 13°24'E).
fn exif(orientation: u16) -> Vec<u8> {
    const HEADER: u32 = 8;
    const SHORT: u16 = 3;
    const LONG: u16 = 4;
    const ASCII: u16 = 2;
    const RATIONAL: u16 = 5;
    let make = format!("{CAMERA}\0");
    let make_length = u32::try_from(make.len()).expect("it is short");
    let main_length = 2 + 3 * 12 + 4;
    let make_at = HEADER + main_length;
    let place_at = make_at + make_length + make_length % 2;
    let north_at = place_at + 2 + 4 * 12 + 4;
    let mut bytes = b"II*\0".to_vec();
    bytes.extend(HEADER.to_le_bytes());
    let directory = |entries: &[(u16, u16, u32, [u8; 4])]| {
        let mut bytes = u16::try_from(entries.len()).expect("a few").to_le_bytes().to_vec();
        for (tag, kind, count, value) in entries {
            bytes.extend(tag.to_le_bytes());
            bytes.extend(kind.to_le_bytes());
            bytes.extend(count.to_le_bytes());
            bytes.extend(value);
        }
        bytes.extend([0; 4]);
        bytes
    };
    bytes.extend(directory(&[
        (0x010f, ASCII, make_length, make_at.to_le_bytes()),
        (0x0112, SHORT, 1, u32::from(orientation).to_le_bytes()),
        (0x8825, LONG, 1, place_at.to_le_bytes()),
    ]));
    bytes.extend(make.as_bytes());
    bytes.resize(place_at as usize, 0);
    bytes.extend(directory(&[
        (1, ASCII, 2, *b"N\0\0\0"),
        (2, RATIONAL, 3, north_at.to_le_bytes()),
        (3, ASCII, 2, *b"E\0\0\0"),
        (4, RATIONAL, 3, (north_at + 24).to_le_bytes()),
    ]));
    for number in [52_u32, 31, 0, 13, 24, 0] {
        bytes.extend(number.to_le_bytes());
        bytes.extend(1_u32.to_le_bytes());
    }
    bytes
}

/// A PNG that says it is this large, and has hardly any pixels.
pub(crate) fn png_that_claims(width: u32, height: u32) -> Vec<u8> {
    let mut header = width.to_be_bytes().to_vec();
    header.extend(height.to_be_bytes());
    // eight bits of grey
    header.extend([8, 0, 0, 0, 0]);
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    bytes.extend(chunk(b"IHDR", &header));
    // an empty stream of zlib
    bytes.extend(chunk(b"IDAT", &[0x78, 0x9c, 0x03, 0x00, 0x00, 0x00, 0x00, 0x01]));
    bytes.extend(chunk(b"IEND", &[]));
    bytes
}

/// A chunk of a PNG (<https://www.w3.org/TR/png-3/#5Chunk-layout>).
fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut sum = 0xffff_ffff_u32;
    for &byte in kind.iter().chain(data) {
        sum ^= u32::from(byte);
        for _ in 0..8 {
            sum = (sum >> 1) ^ (0xedb8_8320 & 0_u32.wrapping_sub(sum & 1));
        }
    }
    let mut bytes = u32::try_from(data.len()).expect("chunks here are short").to_be_bytes().to_vec();
    bytes.extend(kind);
    bytes.extend(data);
    bytes.extend((!sum).to_be_bytes());
    bytes
}

/// A GIF of one pixel and this many frames.
pub(crate) fn gif(frames: usize) -> Vec<u8> {
    // 1x1, a palette of two colours
    let mut bytes = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff".to_vec();
    for _ in 0..frames {
        bytes.extend(b"\x21\xf9\x04\0\x0a\0\0\0");
        bytes.extend(b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0");
    }
    bytes.push(0x3b);
    bytes
}

/// One page without anything on it.
pub(crate) const PDF: &[u8] = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n\
    2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 72 72]>>endobj\n\
    xref\n0 4\n0000000000 65535 f \n0000000009 00000 n \n0000000053 00000 n \n0000000102 00000 n \n\
    trailer<</Size 4/Root 1 0 R>>\nstartxref\n164\n%%EOF\n";

pub(crate) const SVG: &[u8] =
    br#"<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(document.domain)</script></svg>"#;

pub(crate) const HTML: &[u8] = b"<!DOCTYPE html><html><body><script>alert(document.domain)</script></body></html>";

pub(crate) const XML: &[u8] =
    br#"<?xml version="1.0"?><x:script xmlns:x="http://www.w3.org/1999/xhtml">alert(1)</x:script>"#;

/// A TIFF of one white pixel.
pub(crate) fn tiff() -> Vec<u8> {
    let mut bytes = b"II*\0\x08\0\0\0\x08\0".to_vec();
    // width, height, bits, no compression, black is zero, where the strip is, its rows, its bytes
    for (tag, value) in [(256, 1), (257, 1), (258, 8), (259, 1), (262, 1), (273, 110), (278, 1), (279, 1_u32)] {
        bytes.extend(u16::to_le_bytes(tag));
        bytes.extend([4, 0, 1, 0, 0, 0]);
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend([0, 0, 0, 0, 255]);
    bytes
}

/// The beginning of a Photoshop file: version 1, three channels, 1x1, eight bits, RGB.
pub(crate) const PSD: &[u8] =
    b"8BPS\0\x01\0\0\0\0\0\0\0\x03\0\0\0\x01\0\0\0\x01\0\x08\0\x03\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

pub(crate) const EPS: &[u8] = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) show\n%%EOF\n";
