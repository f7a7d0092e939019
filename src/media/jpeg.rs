//! JPEG files, segment by segment (ITU-T T.81, annex B).

const START: [u8; 2] = [0xff, 0xd8];
const END: u8 = 0xd9;
const SCAN: u8 = 0xda;
const APP0: u8 = 0xe0;
const APP1: u8 = 0xe1;
const APP2: u8 = 0xe2;
const APP14: u8 = 0xee;
const APP15: u8 = 0xef;
const COMMENT: u8 = 0xfe;

/// Segments that a picture may have: tables, notes and scans. Decoders build something of each table.
const MOST: usize = 1_000;

/// How much work it is to decode a picture: how often its pixels are gone through, by all its scans together; nothing when its
/// segments cannot be parsed, or are too many. A scan may be some bytes long and yet cost as much as the whole picture.
pub(super) fn passes(file: &[u8]) -> Option<usize> {
    let mut rest = file.strip_prefix(&START)?;
    let (mut components, mut scanned) = (None, 0_usize);
    for _ in 0..MOST {
        let marker_at =
            rest.windows(2).position(|pair| pair[0] == 0xff && !matches!(pair[1], 0 | 0xff | 0x01 | 0xd0..=0xd7));
        let Some(marker_at) = marker_at else { return Some(scanned.div_ceil(components.unwrap_or(1))) };
        let marker = rest[marker_at + 1];
        rest = &rest[marker_at + 2..];
        if marker == END {
            return Some(scanned.div_ceil(components.unwrap_or(1)));
        }
        let length = usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?]));
        let segment = rest.get(..length).filter(|_| length >= 2)?;
        rest = &rest[length..];
        match marker {
            // The number of components stands behind the precision and both sides.
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) && components.is_none() => {
                components = Some(usize::from(*segment.get(7)?).max(1));
            }
            SCAN => scanned += usize::from(*segment.get(2)?).max(1),
            _ => {}
        }
    }
    None
}

/// The file with what is needed to show it and nothing else: no notes of cameras or programs, no other picture or film behind its
/// end. `exif` is put into it. Nothing when its segments cannot be parsed.
pub(super) fn without_notes(file: &[u8], exif: Option<&[u8]>) -> Option<Vec<u8>> {
    let mut rest = file.strip_prefix(&START)?;
    let mut kept = Vec::with_capacity(file.len());
    kept.extend_from_slice(&START);
    let mut exif = exif;
    loop {
        // Whatever stands between two segments is passed over, as decoders do.
        let marker_at = rest.windows(2).position(|pair| pair[0] == 0xff && !matches!(pair[1], 0 | 0xff));
        let Some(marker_at) = marker_at else { return Some(kept) };
        let marker = rest[marker_at + 1];
        rest = &rest[marker_at + 2..];
        if marker != APP0
            && let Some(exif) = exif.take()
        {
            let length = u16::try_from(exif.len() + 8).ok()?;
            kept.extend_from_slice(&[&[0xff, APP1], length.to_be_bytes().as_slice(), b"Exif\0\0", exif].concat());
        }
        match marker {
            END => {
                kept.extend_from_slice(&[0xff, END]);
                return Some(kept);
            }
            // These have no length: restarts, and a code for private use.
            0x01 | 0xd0..=0xd7 => kept.extend_from_slice(&[0xff, marker]),
            _ => {
                let length = usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?]));
                let segment = rest.get(..length).filter(|_| length >= 2)?;
                rest = &rest[length..];
                if is_needed(marker, &segment[2..]) {
                    kept.extend_from_slice(&[0xff, marker]);
                    kept.extend_from_slice(segment);
                }
                if marker == SCAN {
                    let (scan, after) = rest.split_at(scan_length(rest));
                    kept.extend_from_slice(scan);
                    rest = after;
                }
            }
        }
    }
}

/// Whether a segment says how to show the picture: its tables and frames, the kind of colours, and their profile.
fn is_needed(marker: u8, body: &[u8]) -> bool {
    match marker {
        APP0 => body.starts_with(b"JFIF\0"),
        APP2 => body.starts_with(b"ICC_PROFILE\0"),
        APP14 => body.starts_with(b"Adobe"),
        APP1..=APP15 | COMMENT => false,
        _ => true,
    }
}

/// How long the data of a scan are: up to a marker that is neither a stuffed byte nor a restart.
fn scan_length(data: &[u8]) -> usize {
    let ends = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0 | 0xff | 0xd0..=0xd7);
    data.windows(2).position(ends).unwrap_or(data.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len() + 2).unwrap();
        [&[0xff, marker], length.to_be_bytes().as_slice(), body].concat()
    }

    #[test]
    fn only_what_shows_the_picture_is_kept() {
        let needed = [segment(APP0, b"JFIF\0\x01"), segment(APP2, b"ICC_PROFILE\0x"), segment(0xdb, b"table")];
        let scan = [segment(SCAN, b"\x01"), b"data\xff\0more\xff\xd0data".to_vec()].concat();
        let second = [segment(0xc4, b"codes"), segment(SCAN, b"\x02"), b"rest".to_vec()].concat();
        let end = [0xff, END];
        let notes =
            [segment(APP1, b"Exif\0\0GPS"), segment(APP2, b"MPF\0"), segment(0xeb, b"JP"), segment(COMMENT, b"Ada")];
        let plain = [START.as_slice(), &needed.concat(), &scan, &second, &end].concat();
        let noted = [
            START.as_slice(),
            &needed[0],
            &notes.concat(),
            &needed[1..].concat(),
            &scan,
            &segment(COMMENT, b"between two scans"),
            &second,
            &end,
            &plain,
            b"ftypmp42",
        ]
        .concat();
        assert_eq!(without_notes(&noted, None).unwrap(), plain);
        assert_eq!(without_notes(&plain, None).unwrap(), plain);
        let turned = without_notes(&noted, Some(b"MM")).unwrap();
        let exif = segment(APP1, b"Exif\0\0MM");
        assert_eq!(turned, [START.as_slice(), &needed[0], &exif, &needed[1..].concat(), &scan, &second, &end].concat());
    }

    #[test]
    fn the_work_of_decoding_is_counted() {
        let frame = segment(0xc2, b"\x08\x00\x10\x00\x10\x03\x01\x11\x00\x02\x11\x01\x03\x11\x01");
        let scan = |components: u8| [segment(SCAN, &[components, 1, 0]), b"data\xff\0\xff\xd0data".to_vec()].concat();
        let file = |parts: &[Vec<u8>]| [&START, parts.concat().as_slice(), &[0xff, END]].concat();
        assert_eq!(passes(&file(&[frame.clone(), scan(3)])), Some(1));
        assert_eq!(passes(&file(&[frame.clone(), scan(3), scan(1), scan(1), scan(1), scan(1)])), Some(3));
        assert_eq!(passes(&file(&[frame.clone(), scan(1).repeat(600)])), Some(200));
        assert_eq!(passes(&file(&[frame, segment(0xc4, b"codes").repeat(2_000)])), None);
        assert_eq!(passes(b"GIF89a"), None);
    }

    #[test]
    fn what_is_cut_or_altered_does_no_harm() {
        let file = [START.as_slice(), &segment(APP0, b"JFIF\0"), &segment(SCAN, b"\x01"), b"data\xff\xd9"].concat();
        for end in 0..file.len() {
            let _ = without_notes(&file[..end], None);
        }
        assert_eq!(without_notes(b"GIF89a", None), None);
        assert_eq!(without_notes(&[START.as_slice(), &[0xff, APP1, 0, 1]].concat(), None), None);
    }
}
