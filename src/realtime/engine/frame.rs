//! The heads of WebSocket frames (RFC 6455, section 5.2).

/// Bytes of the longest head.
const HEAD: usize = 14;

pub(super) const CONTINUATION: u8 = 0x0;
pub(super) const TEXT: u8 = 0x1;
pub(super) const BINARY: u8 = 0x2;
pub(super) const CLOSE: u8 = 0x8;
pub(super) const PING: u8 = 0x9;
pub(super) const PONG: u8 = 0xa;

/// The head of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) is_final: bool,
    /// The bits that no extension of ours gives a meaning.
    pub(super) reserved: u8,
    pub(super) opcode: u8,
    pub(super) mask: Option<[u8; 4]>,
    /// Bytes of the head itself.
    pub(super) size: usize,
    /// Bytes of the payload.
    pub(super) length: u64,
}

impl Head {
    /// The head at the start of `bytes`, once it is all there.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let [first, second, rest @ ..] = bytes else { return None };
        let (length, rest) = match second & 0x7f {
            126 => (u64::from(u16::from_be_bytes(*rest.first_chunk()?)), &rest[2..]),
            127 => (u64::from_be_bytes(*rest.first_chunk()?), &rest[8..]),
            short => (u64::from(short), rest),
        };
        let mask = if second & 0x80 == 0 { None } else { Some(*rest.first_chunk()?) };
        let rest = if mask.is_some() { &rest[4..] } else { rest };
        Some(Self {
            is_final: first & 0x80 != 0,
            reserved: first & 0x70,
            opcode: first & 0x0f,
            mask,
            size: bytes.len() - rest.len(),
            length,
        })
    }

    /// Bytes of the whole frame.
    pub(super) fn total(&self) -> u64 {
        self.length.saturating_add(self.size as u64)
    }

    /// The whole frame's payload, unmasked, if all of it is in `bytes`.
    pub(super) fn payload(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let end = usize::try_from(self.total()).ok()?;
        Some(self.unmasked(bytes.get(self.size..end)?).collect())
    }

    /// What these bytes, the first of the payload, say.
    pub(super) fn unmasked(&self, payload: &[u8]) -> impl Iterator<Item = u8> {
        let mask = self.mask.unwrap_or_default();
        payload.iter().zip(mask.into_iter().cycle()).map(|(byte, mask)| byte ^ mask)
    }
}

/// A whole frame. One from a client must be masked; a mask of zeros leaves its payload as it is.
pub(super) fn build(opcode: u8, payload: &[u8], from_client: bool) -> Vec<u8> {
    let mut frame = Vec::with_capacity(payload.len() + HEAD);
    frame.push(0x80 | opcode);
    let masked = if from_client { 0x80 } else { 0 };
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short @ ..126), _) => frame.push(masked | short),
        (_, Ok(length)) => {
            frame.push(masked | 126);
            frame.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            frame.push(masked | 127);
            frame.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    if from_client {
        frame.extend_from_slice(&[0; 4]);
    }
    frame.extend_from_slice(payload);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_built_is_parsed() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536] {
            for from_client in [false, true] {
                let payload = vec![b'x'; length];
                let frame = build(TEXT, &payload, from_client);
                let head = Head::parse(&frame).unwrap();
                assert_eq!((head.opcode, head.is_final, head.total()), (TEXT, true, frame.len() as u64));
                assert_eq!(head.payload(&frame), Some(payload));
                assert_eq!(head.payload(&frame[..frame.len() - 1]), None);
                for cut in 0..head.size {
                    assert_eq!(Head::parse(&frame[..cut]), None, "{length}: {cut} bytes");
                }
            }
        }
    }
}
