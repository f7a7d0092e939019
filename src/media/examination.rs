//! Examination of a file: its MIME type, the thumbnail of an image, the length of audio and video, and the removal of metadata.
//!
//! Files are untrusted and may be made to overload decoders. So each step is bounded in numbers (parts, frames, pixels, bytes), and all
//! steps together have a deadline, after which the file counts as a plain file. Files without examination do not wait.

use std::{io::Read, sync::Arc, time::Duration};

use bytes::Bytes;
use image::metadata::Orientation;
use tokio::{sync::Semaphore, time::timeout};

use super::{
    bounded::{Bounded, Deadline},
    duration, kind, metadata,
    picture::{self, Picture, Refusal},
    spool::Spool,
};
use crate::{
    contract::ErrorCode,
    error::{Error, Result},
};

pub use super::picture::Thumbnail;

const TOO_LARGE: Error = Error::Refused(ErrorCode::ImageTooLarge, "the picture has too many pixels");
const TOO_LONG: Error = Error::Refused(ErrorCode::ImageTooLarge, "the picture has too many frames");

/// MIME types that are decoded, or stripped of metadata.
const EXAMINED: &[&str] =
    &["image/avif", "image/gif", "image/heic", "image/heif", "image/jpeg", "image/png", "image/webp"];

/// The result of an examination.
#[derive(Debug)]
pub struct Examined {
    pub mime_type: String,
    /// Pixels, after the orientation is applied.
    pub dimensions: Option<(u32, u32)>,
    pub thumbhash: Option<String>,
    pub thumbnail: Option<Thumbnail>,
    pub duration: Option<Duration>,
}

/// The result for an image or a recording.
#[derive(Debug, Default)]
struct Seen {
    picture: Option<Picture>,
    /// The bytes without metadata, if they had any.
    cleaned: Option<Bytes>,
    duration: Option<Duration>,
}

/// Examines a file that has this MIME type by its first bytes. An image that cannot be decoded counts as a plain file.
///
/// # Errors
/// `UNSUPPORTED_MEDIA_TYPE` for a page behind the signature of a picture, `IMAGE_TOO_LARGE`.
pub(super) async fn examine(
    spool: Spool,
    mime_type: String,
    workers: Arc<Semaphore>,
    pixels: u64,
) -> Result<(Spool, Examined)> {
    let is_picture = EXAMINED.contains(&mime_type.as_str());
    let is_recording = mime_type.starts_with("audio/") || mime_type.starts_with("video/");
    if !is_picture && !is_recording {
        return Ok((spool, found(mime_type, Seen::default())));
    }
    let turn = workers.acquire_owned().await.map_err(Error::internal)?;
    let deadline = Deadline::start();
    let (file, mime) = (spool.bounded(deadline)?, mime_type.clone());
    let examination = tokio::task::spawn_blocking(move || {
        let _until_done = turn;
        if is_picture {
            examine_picture(file, &mime, pixels)
        } else {
            Ok(Seen { duration: duration::of(file, &mime), ..Seen::default() })
        }
    });
    // Should a decoder panic, or go on after its time, that is this file's fault and nobody else's.
    let seen =
        timeout(deadline.left(), examination).await.ok().and_then(Result::ok).unwrap_or(Err(Refusal::Unreadable));
    match seen {
        Ok(Seen { cleaned: Some(cleaned), picture, duration }) => {
            let seen = Seen { cleaned: None, picture, duration };
            Ok((spool.replaced_by(cleaned).await?, found(mime_type, seen)))
        }
        Ok(seen) => Ok((spool, found(mime_type, seen))),
        Err(Refusal::TooLarge) => Err(TOO_LARGE),
        Err(Refusal::TooLong) => Err(TOO_LONG),
        Err(Refusal::Unreadable) if is_recording => Ok((spool, found(mime_type, Seen::default()))),
        Err(Refusal::Unreadable) if kind::hides_a_page(spool.head()) => Err(kind::DISGUISED),
        Err(Refusal::Unreadable) => Ok((spool, found(kind::BINARY.to_owned(), Seen::default()))),
    }
}

fn examine_picture(mut file: Bounded, mime: &str, pixels: u64) -> Result<Seen, Refusal> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|_| Refusal::Unreadable)?;
    let bytes = Bytes::from(bytes);
    let picture = picture::examine(&bytes, file.rewound(), mime, pixels)?;
    let orientation = picture.as_ref().map_or(Orientation::NoTransforms, |picture| picture.orientation);
    let cleaned = metadata::without(bytes.clone(), mime, orientation).ok_or(Refusal::Unreadable)?;
    Ok(Seen { picture, cleaned: (cleaned != bytes).then_some(cleaned), duration: None })
}

fn found(mime_type: String, seen: Seen) -> Examined {
    let (dimensions, thumbhash, thumbnail) = match seen.picture {
        Some(picture) => (Some(picture.dimensions), Some(picture.thumbhash), Some(picture.thumbnail)),
        None => (None, None, None),
    };
    Examined { mime_type, dimensions, thumbhash, thumbnail, duration: seen.duration }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, time::Instant};

    use image::{DynamicImage, ImageFormat};
    use proptest::prelude::*;

    use super::*;
    use crate::media::{bounded::EXAMINATION_TIMEOUT, heif, jpeg, parts};

    /// Whole files, each of another format.
    fn whole() -> Vec<(&'static str, Vec<u8>)> {
        let picture = DynamicImage::new_rgb8(20, 12);
        let encoded = |format: ImageFormat| {
            let mut bytes = std::io::Cursor::new(Vec::new());
            picture.write_to(&mut bytes, format).unwrap();
            bytes.into_inner()
        };
        let part = |kind: &[u8; 4], body: &[u8]| {
            [&u32::try_from(body.len() + 8).unwrap().to_be_bytes(), kind.as_slice(), body].concat()
        };
        let infos = [b"\0\0\0\0\0\x01".as_slice(), &part(b"infe", b"\x02\0\0\0\0\x01\0\0Exif\0")].concat();
        let places = b"\0\0\0\0\x44\0\0\x01\0\x01\0\0\0\x01\0\0\0\x08\0\0\0\x04";
        let meta = [b"\0\0\0\0".as_slice(), &part(b"iinf", &infos), &part(b"iloc", places)].concat();
        let heic = [part(b"ftyp", b"heicmif1"), part(b"meta", &meta), part(b"mdat", b"HOME")].concat();
        let header = [&[0; 12], 1_000_u32.to_be_bytes().as_slice(), &2_000_u32.to_be_bytes(), &[0; 80]].concat();
        let film = [part(b"ftyp", b"isom\0\0\0\0"), part(b"moov", &part(b"mvhd", &header))].concat();
        let sound =
            b"RIFF\x2c\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0data\x08\0\0\0abcdefgh";
        let matroska =
            b"\x1a\x45\xdf\xa3\x87\x42\x82\x84webm\x18\x53\x80\x67\x8c\x15\x49\xa9\x66\x87\x44\x89\x84\x44\x7a\0\0";
        vec![
            ("image/png", encoded(ImageFormat::Png)),
            ("image/jpeg", encoded(ImageFormat::Jpeg)),
            ("image/gif", encoded(ImageFormat::Gif)),
            ("image/webp", encoded(ImageFormat::WebP)),
            ("image/heic", heic),
            ("video/mp4", film),
            ("audio/wav", sound.to_vec()),
            ("video/webm", matroska.to_vec()),
            (
                "audio/ogg",
                b"OggS\0\x02\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\x01\x13OpusHead\x01\x01\0\0\x80\xbb\0\0\0\0\0"
                    .to_vec(),
            ),
            ("audio/mpeg", b"\xff\xfb\x90\x64".repeat(300)),
            (
                "audio/flac",
                b"fLaC\x80\0\0\x22\x10\0\x10\0\0\0\0\0\0\0\x0a\xc4\x42\xf0\0\0\x10\0abcdefghijklmnop".to_vec(),
            ),
        ]
    }

    fn examined(mime: &str, bytes: &[u8]) -> Result<Examined> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let spool = Spool::new(folder.path(), u64::MAX).unwrap();
            let filled = spool.fill(futures_util::stream::iter([Ok(Bytes::copy_from_slice(bytes))])).await.unwrap();
            examine(filled, mime.to_owned(), Arc::new(Semaphore::new(1)), 1_000_000).await.map(|(_, found)| found)
        })
    }

    #[test]
    fn whole_files_are_understood() {
        for (mime, bytes) in whole() {
            let found = examined(mime, &bytes).unwrap();
            assert_eq!(found.mime_type, mime);
            if ["image/png", "image/jpeg", "image/gif", "image/webp"].contains(&mime) {
                assert_eq!(found.dimensions, Some((20, 12)), "{mime}");
            }
            if ["video/mp4", "audio/wav"].contains(&mime) {
                assert!(found.duration.is_some(), "{mime}");
            }
        }
    }

    /// A worker is not lost with a file that is read for ever.
    #[test]
    fn reading_ends_with_its_deadline() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&whole()[0].1).unwrap();
        let past = Bounded::new(file, 100, Deadline::over());
        assert_eq!(examine_picture(past, "image/png", 1_000).err(), Some(Refusal::Unreadable));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whole files with some bytes changed, doubled, or cut, and no files at all.
        #[test]
        fn no_file_does_harm(
            which in 0..11_usize,
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
            cut in any::<prop::sample::Index>(),
            is_cut in any::<bool>(),
            tail in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let (mime, mut bytes) = whole().swap_remove(which);
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if is_cut {
                bytes.truncate(cut.index(bytes.len()).max(1));
            }
            bytes.extend(tail);
            let begin = Instant::now();
            let _ = examined(mime, &bytes);
            // Our own parsers, without the net under the decoders.
            let _ = (jpeg::passes(&bytes), parts::of_png_are_few(&bytes), parts::of_webp_are_few(&bytes));
            if let Some(notes) = heif::notes(&bytes) {
                prop_assert!(notes.iter().all(|note| note.end <= bytes.len()));
                prop_assert!(notes.windows(2).all(|pair| pair[0].end < pair[1].start));
            }
            for mime in EXAMINED {
                let _ = metadata::without(Bytes::from(bytes.clone()), mime, Orientation::Rotate90);
            }
            prop_assert!(begin.elapsed() < EXAMINATION_TIMEOUT * 2);
        }
    }
}
