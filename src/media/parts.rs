//! The number of chunks of an image. A parser keeps some bytes for each, so that a file of many empty chunks would take many times its
//! size in memory.

/// The most chunks of an image. Programs that write small ones need a few thousand for a large image.
const MOST: usize = 16_384;

/// Whether a PNG has few enough chunks (<https://www.w3.org/TR/png-3/#5Chunk-layout>).
pub(super) fn of_png_are_few(file: &[u8]) -> bool {
    are_few(file, 8, |head| {
        let [a, b, c, d, ..] = *head;
        // The length itself, the type, and the checksum.
        Some(u64::from(u32::from_be_bytes([a, b, c, d])) + 12)
    })
}

/// Whether a WebP has few enough chunks (<https://developers.google.com/speed/webp/docs/riff_container>), and none within others.
pub(super) fn of_webp_are_few(file: &[u8]) -> bool {
    are_few(file, 12, |head| {
        let [kind @ .., a, b, c, d] = *head;
        let length = u64::from(u32::from_le_bytes([a, b, c, d]));
        (!matches!(&kind, b"RIFF" | b"LIST" | b"seqt")).then_some(8 + length + length % 2)
    })
}

fn are_few(file: &[u8], start: usize, length: impl Fn(&[u8; 8]) -> Option<u64>) -> bool {
    let mut rest = file.get(start..).unwrap_or_default();
    for _ in 0..MOST {
        let Some(head) = rest.first_chunk::<8>() else { return true };
        let Some(length) = length(head) else { return false };
        // The last one may be cut.
        rest = usize::try_from(length).ok().and_then(|length| rest.get(length..)).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_a_bounded_number_of_parts() {
        let png = |count: usize| {
            [b"\x89PNG\r\n\x1a\n".to_vec(), [0, 0, 0, 0, b't', b'E', b'X', b't', 0, 0, 0, 0].repeat(count)].concat()
        };
        assert!(of_png_are_few(&png(1_000)) && of_png_are_few(&[]));
        assert!(!of_png_are_few(&png(100_000)));
        let webp = |count: usize| [b"RIFF\0\0\0\0WEBP".to_vec(), b"junk\0\0\0\0".repeat(count)].concat();
        assert!(of_webp_are_few(&webp(1_000)));
        assert!(!of_webp_are_few(&webp(100_000)));
        assert!(!of_webp_are_few(&[webp(1), b"LIST\0\0\0\0".to_vec()].concat()));
    }
}
