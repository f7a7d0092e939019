//! Binary packets of polling sessions: base64, of which the library reads one form only, padded and of the standard alphabet.
//! Node's server reads whatever `Buffer.from` does (<https://nodejs.org/api/buffer.html#buffers-and-character-encodings>).

use base64::{
    Engine as _, alphabet,
    engine::{
        GeneralPurpose, GeneralPurposeConfig,
        general_purpose::{NO_PAD, STANDARD},
    },
};

const LENIENT: GeneralPurposeConfig = NO_PAD.with_decode_allow_trailing_bits(true);

/// Whether a binary packet is not written as the library reads it.
pub(super) fn is_odd(packet: &[u8]) -> bool {
    STANDARD.decode(packet.get(1..).unwrap_or_default()).is_err()
}

/// Writes it so. As Node does, this skips what is no digit of either alphabet, stops at the first `=`, and drops the bits at the
/// end that make no byte.
pub(super) fn rewrite(packet: &str) -> String {
    let mut digits: Vec<u8> = packet.bytes().skip(1).take_while(|byte| *byte != b'=').filter_map(digit).collect();
    if digits.len() % 4 == 1 {
        digits.pop();
    }
    let bytes = GeneralPurpose::new(&alphabet::STANDARD, LENIENT).decode(digits);
    format!("b{}", STANDARD.encode(bytes.unwrap_or_default()))
}

/// A digit of the standard alphabet, for one of that or of the URL-safe one.
fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'-' | b'+' => Some(b'+'),
        b'_' | b'/' => Some(b'/'),
        _ => byte.is_ascii_alphanumeric().then_some(byte),
    }
}
