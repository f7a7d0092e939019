//! Notes in HEIF pictures (HEIC, AVIF): where in the file they are, after ISO/IEC 14496-12 and 23008-12.
//!
//! They are overwritten in place: everything else in such a file is found by its distance from the beginning.

use std::{collections::HashSet, ops::Range};

/// Kinds of items with metadata: Exif, and what has a type or an address of its own, XMP for one.
const NOTES: &[&[u8; 4]] = &[b"Exif", b"mime", b"uri "];

/// Boxes that lie one after the other, and items of a picture. The largest pictures of cameras have some hundred tiles.
const MOST: usize = 10_000;

/// Pieces of all items together. A piece may take no byte of the list, so that the size of the file does not bound them.
const PIECES: usize = 65_536;

/// The positions of the metadata of an image, in order and disjoint; nothing when it cannot be parsed, or
/// are too many.
pub(super) fn notes(file: &[u8]) -> Option<Vec<Range<usize>>> {
    let mut notes = Vec::new();
    let mut has_items = false;
    for part in boxes(file, 0..file.len())? {
        match &part.kind {
            // There is one (ISO/IEC 14496-12, 8.11.1).
            b"meta" if has_items => return None,
            b"meta" => {
                has_items = true;
                notes.extend(items(file, &part.body)?);
            }
            b"uuid" => notes.push(part.body),
            _ => {}
        }
    }
    Some(apart(notes))
}

/// The same bytes, each of them once: notes may lie over each other.
fn apart(mut notes: Vec<Range<usize>>) -> Vec<Range<usize>> {
    notes.sort_unstable_by_key(|note| note.start);
    let mut apart: Vec<Range<usize>> = Vec::new();
    for note in notes {
        match apart.last_mut() {
            Some(last) if note.start <= last.end => last.end = last.end.max(note.end),
            _ => apart.push(note),
        }
    }
    apart
}

struct Part {
    kind: [u8; 4],
    body: Range<usize>,
}

/// The boxes that lie one after the other in a part of the file.
fn boxes(file: &[u8], within: Range<usize>) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut at = within.start;
    while at < within.end {
        let mut reader = BoxReader { bytes: file.get(..within.end)?, at };
        let size = reader.number(4)?;
        let kind = reader.take(4)?.try_into().ok()?;
        let size = match size {
            // To the end of the file.
            0 => within.end - at,
            1 => reader.number(8)?,
            size => size,
        };
        let end = at.checked_add(size).filter(|end| *end <= within.end && *end >= reader.at)?;
        if parts.len() == MOST {
            return None;
        }
        parts.push(Part { kind, body: reader.at..end });
        at = end;
    }
    Some(parts)
}

/// The positions of the metadata in a `meta` box.
fn items(file: &[u8], meta: &Range<usize>) -> Option<Vec<Range<usize>>> {
    // A version and flags come first.
    let parts = boxes(file, meta.start.checked_add(4)?..meta.end)?;
    let part = |kind: &[u8; 4]| parts.iter().find(|part| &part.kind == kind).map(|part| part.body.clone());
    let (Some(infos), Some(places)) = (part(b"iinf"), part(b"iloc")) else { return Some(Vec::new()) };
    let ids = ids_of_notes(file, infos)?;
    places_of(file, places, part(b"idat").map_or(0, |body| body.start), &ids)
}

fn ids_of_notes(file: &[u8], infos: Range<usize>) -> Option<HashSet<usize>> {
    let mut reader = BoxReader { bytes: file.get(..infos.end)?, at: infos.start };
    let version = reader.version()?;
    reader.number(if version == 0 { 2 } else { 4 })?;
    let mut ids = HashSet::new();
    for info in boxes(file, reader.at..infos.end)? {
        let mut reader = BoxReader { bytes: file.get(..info.body.end)?, at: info.body.start };
        let version = reader.version()?;
        if &info.kind != b"infe" || version < 2 {
            continue;
        }
        let id = reader.number(if version == 2 { 2 } else { 4 })?;
        reader.number(2)?;
        let kind = reader.take(4)?;
        if NOTES.iter().any(|note| note.as_slice() == kind) {
            ids.insert(id);
        }
    }
    Some(ids)
}

fn places_of(file: &[u8], places: Range<usize>, inline: usize, ids: &HashSet<usize>) -> Option<Vec<Range<usize>>> {
    let mut reader = BoxReader { bytes: file.get(..places.end)?, at: places.start };
    let version = reader.version()?;
    let sizes = reader.number(2)?;
    let [offset_bytes, length_bytes, base_bytes, index_bytes] = [12, 8, 4, 0].map(|shift| (sizes >> shift) & 0xf);
    let wide = if version < 2 { 2 } else { 4 };
    let (mut found, mut pieces) = (Vec::new(), 0);
    let count = reader.number(wide).filter(|count| *count <= MOST)?;
    for _ in 0..count {
        let is_note = ids.contains(&reader.number(wide)?);
        let way = if version == 0 { 0 } else { reader.number(2)? & 0xf };
        reader.number(2)?;
        let base = reader.number(base_bytes)?;
        let more = reader.number(2)?;
        pieces += more;
        if pieces > PIECES {
            return None;
        }
        for _ in 0..more {
            if version > 0 {
                reader.number(index_bytes)?;
            }
            let (offset, length) = (reader.number(offset_bytes)?, reader.number(length_bytes)?);
            if is_note {
                let from = match way {
                    0 => 0,
                    1 => inline,
                    _ => return None,
                };
                let start = from.checked_add(base)?.checked_add(offset)?;
                let end = start.checked_add(length).filter(|end| *end <= file.len())?;
                // A length of 0 is the rest of the file.
                found.push(start..if length == 0 { file.len() } else { end });
            }
        }
    }
    Some(found)
}

struct BoxReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BoxReader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(count)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    /// A number of so many bytes, the highest first.
    fn number(&mut self, bytes: usize) -> Option<usize> {
        let bytes = self.take(bytes)?;
        let number = bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        usize::try_from(number).ok()
    }

    /// The version of a box that has one; its flags are passed over.
    fn version(&mut self) -> Option<usize> {
        self.number(4).map(|both| both >> 24)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let size = u32::try_from(body.len() + 8).unwrap();
        [&size.to_be_bytes(), kind.as_slice(), body].concat()
    }

    fn info(id: u8, kind: &[u8; 4]) -> Vec<u8> {
        part(b"infe", &[&[2, 0, 0, 0, 0, id, 0, 0], kind.as_slice(), b"\0"].concat())
    }

    /// A picture of one item, and Exif for it, each of four bytes at the end.
    fn picture() -> Vec<u8> {
        let infos = [b"\0\0\0\0\0\x02".to_vec(), info(1, b"hvc1"), info(2, b"Exif")].concat();
        let head = part(b"ftyp", b"heicmif1");
        let place = |id: u8, at: u8| [0, id, 0, 0, 0, 1, 0, 0, 0, at, 0, 0, 0, 4];
        let places = |at: u8| [b"\0\0\0\0\x44\0\0\x02".as_slice(), &place(1, at), &place(2, at + 4)].concat();
        let meta =
            |at| part(b"meta", &[b"\0\0\0\0".to_vec(), part(b"iinf", &infos), part(b"iloc", &places(at))].concat());
        let at = u8::try_from(head.len() + meta(0).len() + 8).unwrap();
        [head, meta(at), part(b"mdat", b"PIXLHOME")].concat()
    }

    #[test]
    fn notes_are_found_where_they_are() {
        let file = picture();
        let notes = notes(&file).unwrap();
        assert_eq!(notes.len(), 1);
        assert_eq!(&file[notes[0].clone()], b"HOME");
    }

    /// Each of these took minutes, or would have.
    #[test]
    fn lists_are_bounded() {
        let infos = |count: u32| {
            [&[1, 0, 0, 0], count.to_be_bytes().as_slice(), &info(1, b"Exif").repeat(count as usize)].concat()
        };
        let file = |infos: &[u8], places: &[u8]| {
            let lists = [b"\0\0\0\0".as_slice(), &part(b"iinf", infos), &part(b"iloc", places)].concat();
            [part(b"ftyp", b"heicmif1"), part(b"meta", &lists), part(b"mdat", &[7; 100])].concat()
        };
        let places = |count: u32, item: &[u8]| {
            [b"\x02\0\0\0\0\0".as_slice(), &count.to_be_bytes(), &item.repeat(count as usize)].concat()
        };
        let none = [0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        assert_eq!(notes(&file(&infos(20_000), &places(5, &none))), None, "many notes");
        assert_eq!(notes(&file(&infos(5), &places(20_000, &none))), None, "many places");
        let endless = [0, 0, 0, 1, 0, 0, 0, 0, 0xff, 0xff];
        assert_eq!(notes(&file(&infos(5), &places(9_000, &endless))), None, "pieces that take no byte");
        assert_eq!(notes(&part(b"free", b"").repeat(20_000)), None, "many boxes");
        // Each is the whole file.
        let whole = [0, 0, 0, 1, 0, 0, 0, 0, 0, 9];
        let found = notes(&file(&infos(9), &places(7_000, &whole))).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(notes(&file(&infos(9_000), &places(9_000, &none))).unwrap(), Vec::<Range<usize>>::new());
    }

    #[test]
    fn what_is_cut_or_altered_is_told_apart_or_not_at_all() {
        let file = picture();
        for end in 1..file.len() - 1 {
            let _ = notes(&file[..end]);
        }
        for at in 0..file.len() {
            for byte in [0, 1, 0x7f, 0xff] {
                let mut altered = file.clone();
                altered[at] = byte;
                if let Some(notes) = notes(&altered) {
                    assert!(notes.iter().all(|note| note.end <= altered.len()));
                }
            }
        }
    }
}
