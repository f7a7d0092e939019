//! Sounds and films to upload, made when they are needed. All are silent.

/// PCM at 8 kHz, one byte a sample.
pub(crate) fn wav(milliseconds: u32) -> Vec<u8> {
    let samples = milliseconds * 8;
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + samples).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    bytes.extend(8_000_u32.to_le_bytes());
    bytes.extend(8_000_u32.to_le_bytes());
    bytes.extend(b"\x01\0\x08\0data");
    bytes.extend(samples.to_le_bytes());
    bytes.extend(std::iter::repeat_n(0x80, samples as usize));
    bytes
}

/// A film (ISO/IEC 14496-12) whose only track is sound, PCM at 8 kHz with two bytes a sample.
pub(crate) fn mp4(milliseconds: u32) -> Vec<u8> {
    let samples = milliseconds * 8;
    let ftyp = atom(b"ftyp", &[b"isom\0\0\x02\0isommp42"]);
    let data = atom(b"mdat", &[&vec![0; samples as usize * 2]]);
    let first_sample = u32::try_from(ftyp.len() + 8).expect("it is short");
    let mut file = ftyp;
    file.extend(data);
    file.extend(atom(b"moov", &[&movie_header(milliseconds), &track(milliseconds, samples, first_sample)]));
    file
}

fn movie_header(milliseconds: u32) -> Vec<u8> {
    // when it was made and changed; a thousand units a second
    let mut body = [0; 12].to_vec();
    body.extend(1_000_u32.to_be_bytes());
    body.extend(milliseconds.to_be_bytes());
    // normal speed and volume, upright
    body.extend([0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    body.extend(upright());
    body.extend([0; 24]);
    body.extend(2_u32.to_be_bytes());
    atom(b"mvhd", &[&body])
}

fn track(milliseconds: u32, samples: u32, first_sample: u32) -> Vec<u8> {
    let number = u32::to_be_bytes;
    let mut header = [0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0].to_vec();
    header.extend(number(milliseconds));
    header.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
    header.extend(upright());
    header.extend([0; 8]);
    // eight thousand units a second, no language
    let timing = atom(b"mdhd", &[&[0; 12], &number(8_000), &number(samples), b"\x55\xc4\0\0"]);
    let handler = atom(b"hdlr", &[&[0; 8], b"soun", &[0; 12], b"sound\0"]);
    let here = atom(b"url ", &[&[0, 0, 0, 1]]);
    let source = atom(b"dinf", &[&atom(b"dref", &[&[0; 4], &number(1), &here])]);
    // one channel of 16 bits
    let entry = atom(b"sowt", &[&[0, 0, 0, 0, 0, 0, 0, 1], &[0; 8], &[0, 1, 0, 16, 0, 0, 0, 0], &number(8_000 << 16)]);
    let table = atom(
        b"stbl",
        &[
            &atom(b"stsd", &[&[0; 4], &number(1), &entry]),
            &atom(b"stts", &[&[0; 4], &number(1), &number(samples), &number(1)]),
            &atom(b"stsc", &[&[0; 4], &number(1), &number(1), &number(samples), &number(1)]),
            &atom(b"stsz", &[&[0; 4], &number(2), &number(samples)]),
            &atom(b"stco", &[&[0; 4], &number(1), &number(first_sample)]),
        ],
    );
    let contents = atom(b"minf", &[&atom(b"smhd", &[&[0; 8]]), &source, &table]);
    atom(b"trak", &[&atom(b"tkhd", &[&header]), &atom(b"mdia", &[&timing, &handler, &contents])])
}

/// The matrix that turns nothing.
fn upright() -> Vec<u8> {
    [0x1_0000_u32, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000].iter().flat_map(|number| number.to_be_bytes()).collect()
}

fn atom(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut bytes = u32::try_from(length + 8).expect("it is short").to_be_bytes().to_vec();
    bytes.extend(kind);
    bytes.extend(parts.concat());
    bytes
}

/// Opus in Ogg (RFC 7845): this many packets of 20 ms, at most 255, so that one page takes them.
pub(crate) fn opus(packets: u8) -> Vec<u8> {
    // one channel, nothing to skip, from 48 kHz
    let head = b"OpusHead\x01\x01\0\0\x80\xbb\0\0\0\0\0".as_slice();
    let tags = b"OpusTags\x07\0\0\0parlour\0\0\0\0".as_slice();
    // a full band frame of silence
    let packet = [0xf8, 0xff, 0xfe].as_slice();
    let mut bytes = page(0, 2, 0, &[head]);
    bytes.extend(page(1, 0, 0, &[tags]));
    bytes.extend(page(2, 4, u64::from(packets) * 960, &vec![packet; usize::from(packets)]));
    bytes
}

/// A page of Ogg (RFC 3533, 6).
fn page(sequence: u32, kind: u8, position: u64, packets: &[&[u8]]) -> Vec<u8> {
    let mut bytes = b"OggS\0".to_vec();
    bytes.push(kind);
    bytes.extend(position.to_le_bytes());
    bytes.extend(0x5041_524c_u32.to_le_bytes());
    bytes.extend(sequence.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.push(u8::try_from(packets.len()).expect("a page takes 255"));
    bytes.extend(packets.iter().map(|packet| u8::try_from(packet.len()).expect("packets here are short")));
    bytes.extend(packets.concat());
    let mut sum = 0_u32;
    for &byte in &bytes {
        sum ^= u32::from(byte) << 24;
        for _ in 0..8 {
            sum = (sum << 1) ^ if sum >> 31 == 1 { 0x04c1_1db7 } else { 0 };
        }
    }
    bytes[22..26].copy_from_slice(&sum.to_le_bytes());
    bytes
}
