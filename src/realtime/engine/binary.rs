//! Binary packets of polling sessions: base64, of which the library reads the padded form of the standard alphabet only.
//! Node's server reads the URL-safe alphabet as well, and what is not padded.

use base64::{
    Engine as _, alphabet,
    engine::{
        DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig,
        general_purpose::{PAD, STANDARD},
    },
};

const LENIENT: GeneralPurposeConfig =
    PAD.with_decode_padding_mode(DecodePaddingMode::Indifferent).with_decode_allow_trailing_bits(true);

/// Whether a binary packet is not written as the library reads it.
pub(super) fn is_odd(packet: &[u8]) -> bool {
    packet.len() % 4 != 1 || packet.iter().any(|byte| matches!(byte, b'-' | b'_'))
}

/// Writes it so; what is no base64 at all stays as it is.
pub(super) fn rewrite(packet: &str) -> String {
    let digits = packet.get(1..).unwrap_or_default();
    let alphabet = if digits.contains(['-', '_']) { &alphabet::URL_SAFE } else { &alphabet::STANDARD };
    GeneralPurpose::new(alphabet, LENIENT)
        .decode(digits)
        .map_or_else(|_| packet.to_owned(), |bytes| format!("b{}", STANDARD.encode(bytes)))
}
