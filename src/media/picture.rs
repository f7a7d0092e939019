//! Images: their size, thumbnail and thumbhash.

use std::io::{BufReader, Seek};

use base64::{Engine, prelude::BASE64_STANDARD};
use image::{
    DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, codecs::jpeg::JpegEncoder,
    metadata::Orientation,
};

use super::{bounded::Bounded, jpeg, parts};

/// Pixels of the longer side of a thumbnail.
const SMALL: u32 = 512;

/// Pixels of the longer side that a blur is made of, at most 100 by its definition (<https://evanw.github.io/thumbhash/>).
const BLURRED: u32 = 100;

/// Of 100; below, faces show blocks.
const QUALITY: u8 = 82;

/// The most frames of an animated image. A minute at 30 frames a second has 1,800.
const FRAMES: usize = 2000;

/// Bytes of memory a pixel that decoding may take: four channels of 16 bits.
const PIXEL_BYTES: u64 = 8;

/// How often the pixels of the largest picture may be gone through, by one of many scans that is smaller.
const PASSES: u64 = 6;

/// Why an image is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It has too many pixels.
    TooLarge,
    /// It has too many frames.
    TooLong,
    /// It is not a valid image, or takes too long to decode.
    Unreadable,
}

/// A decoded image.
#[derive(Debug)]
pub(super) struct Picture {
    /// After the orientation is applied.
    pub(super) dimensions: (u32, u32),
    /// Its orientation.
    pub(super) orientation: Orientation,
    pub(super) thumbnail: Thumbnail,
    pub(super) thumbhash: String,
}

/// A thumbnail.
#[derive(Debug)]
pub struct Thumbnail {
    pub mime_type: &'static str,
    pub bytes: Vec<u8>,
}

/// Decodes an image of a supported type; nothing for other files.
///
/// # Errors
/// The refusal comes before anything too large is decoded.
pub(super) fn examine(
    file: &[u8],
    mut reader: Bounded,
    mime: &str,
    most_pixels: u64,
) -> Result<Option<Picture>, Refusal> {
    let format = match mime {
        "image/gif" => ImageFormat::Gif,
        "image/jpeg" => ImageFormat::Jpeg,
        "image/png" if parts::of_png_are_few(file) => ImageFormat::Png,
        "image/webp" if parts::of_webp_are_few(file) => ImageFormat::WebP,
        "image/png" | "image/webp" => return Err(Refusal::Unreadable),
        _ => return Ok(None),
    };
    let passes = if format == ImageFormat::Jpeg { jpeg::passes(file).ok_or(Refusal::Unreadable)? } else { 1 };
    if format == ImageFormat::Gif {
        count_frames(&mut reader)?;
        reader.rewind().map_err(|_| Refusal::Unreadable)?;
    }
    let mut reader = ImageReader::with_format(BufReader::new(reader), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(most_pixels.saturating_mul(PIXEL_BYTES));
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|error| refuse(&error))?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels > most_pixels {
        return Err(Refusal::TooLarge);
    }
    if pixels.saturating_mul(passes as u64) > most_pixels.saturating_mul(PASSES) {
        return Err(Refusal::Unreadable);
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let whole = DynamicImage::from_decoder(decoder).map_err(|error| refuse(&error))?;
    let mut small = if width > SMALL || height > SMALL { whole.thumbnail(SMALL, SMALL) } else { whole };
    small.apply_orientation(orientation);
    let lies = matches!(
        orientation,
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH
    );
    Ok(Some(Picture {
        dimensions: if lies { (height, width) } else { (width, height) },
        orientation,
        thumbhash: blur(&small),
        thumbnail: encode(&small).ok_or(Refusal::Unreadable)?,
    }))
}

/// Walks through the frames without decoding them.
fn count_frames(reader: &mut Bounded) -> Result<(), Refusal> {
    let mut options = gif::DecodeOptions::new();
    options.skip_frame_decoding(true);
    let mut decoder = options.read_info(BufReader::new(reader)).map_err(|_| Refusal::Unreadable)?;
    for _ in 0..FRAMES {
        if decoder.next_frame_info().map_err(|_| Refusal::Unreadable)?.is_none() {
            return Ok(());
        }
    }
    Err(Refusal::TooLong)
}

fn blur(small: &DynamicImage) -> String {
    let tiny = small.thumbnail(BLURRED, BLURRED).into_rgba8();
    let (width, height) = (tiny.width() as usize, tiny.height() as usize);
    BASE64_STANDARD.encode(thumbhash::rgba_to_thumb_hash(width, height, tiny.as_raw()))
}

/// As JPEG, or as WebP if it is transparent.
fn encode(small: &DynamicImage) -> Option<Thumbnail> {
    let mut bytes = Vec::new();
    let mime_type = if small.color().has_alpha() {
        let rgba = DynamicImage::ImageRgba8(small.to_rgba8());
        rgba.write_to(&mut std::io::Cursor::new(&mut bytes), ImageFormat::WebP).ok()?;
        "image/webp"
    } else {
        let encoder = JpegEncoder::new_with_quality(&mut bytes, QUALITY);
        small.to_rgb8().write_with_encoder(encoder).ok()?;
        "image/jpeg"
    };
    Some(Thumbnail { mime_type, bytes })
}

fn refuse(error: &ImageError) -> Refusal {
    match error {
        ImageError::Limits(_) => Refusal::TooLarge,
        _ => Refusal::Unreadable,
    }
}
