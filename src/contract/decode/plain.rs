//! What serde says of a value that does not fit, in words that those understand who wrote the value.

/// The ranges of whole numbers, which serde names by Rust's types.
const RANGES: [(&str, i128, i128); 8] = [
    ("i8", i8::MIN as i128, i8::MAX as i128),
    ("i16", i16::MIN as i128, i16::MAX as i128),
    ("i32", i32::MIN as i128, i32::MAX as i128),
    ("i64", i64::MIN as i128, i64::MAX as i128),
    ("u8", 0, u8::MAX as i128),
    ("u16", 0, u16::MAX as i128),
    ("u32", 0, u32::MAX as i128),
    ("u64", 0, u64::MAX as i128),
];

/// Names of wanted kinds, as serde and as JSON have them.
const WANTED: [(&str, &str); 8] = [
    ("a string", "text"),
    ("string", "text"),
    ("a borrowed string", "text"),
    ("a boolean", "true or false"),
    ("a sequence", "an array"),
    ("a map", "an object"),
    ("usize", "a whole number from 0 on"),
    ("option", "a value"),
];

/// A sentence of serde's as one that says what the value must be.
#[must_use]
pub(crate) fn plain(sentence: &str) -> String {
    let sentence = without_position(sentence);
    let wrong = ["invalid type: ", "invalid value: ", "invalid length "];
    if let Some(rest) = wrong.iter().find_map(|start| sentence.strip_prefix(start))
        && let Some((found, wanted)) = rest.rsplit_once(", expected ")
    {
        return format!("must be {}, not {}", this(wanted), that(found));
    }
    if let Some((_, wanted)) = sentence.strip_prefix("unknown variant ").and_then(|rest| rest.split_once(", expected "))
    {
        return format!("must be {wanted}");
    }
    sentence.to_owned()
}

/// Where a value stands in its line helps nobody whose field is named; where text stops being JSON does.
fn without_position(sentence: &str) -> &str {
    let is_of_value =
        ["invalid ", "unknown ", "duplicate ", "missing ", "must "].iter().any(|it| sentence.starts_with(it));
    match sentence.rfind(" at line ") {
        Some(at) if is_of_value => &sentence[..at],
        _ => sentence,
    }
}

/// What is wanted.
fn this(wanted: &str) -> String {
    if let Some((_, least, most)) = RANGES.iter().find(|(name, ..)| *name == wanted) {
        return format!("a whole number from {least} to {most}");
    }
    if wanted.starts_with("struct ") {
        return "an object".to_owned();
    }
    WANTED.iter().find(|(serde, _)| *serde == wanted).map_or(wanted, |(_, plain)| plain).to_owned()
}

/// What was found.
fn that(found: &str) -> String {
    let number =
        ["integer ", "floating point ", "boolean ", "character "].iter().find_map(|kind| found.strip_prefix(kind));
    match (number, found) {
        (Some(value), _) => value.trim_matches('`').to_owned(),
        (None, "sequence" | "array" | "tuple") => "an array".to_owned(),
        (None, "map" | "object" | "struct") => "an object".to_owned(),
        (None, "unit value" | "null" | "Option value") => "null".to_owned(),
        (None, other) => other.replacen("string ", "", 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serde_is_understood() {
        for (serde, said) in [
            ("invalid type: integer `42`, expected a string at line 1 column 9", "must be text, not 42"),
            (
                "invalid type: string \"x, expected y\", expected u16",
                "must be a whole number from 0 to 65535, not \"x, expected y\"",
            ),
            ("invalid value: integer `70000`, expected u16", "must be a whole number from 0 to 65535, not 70000"),
            ("invalid type: sequence, expected struct Login", "must be an object, not an array"),
            ("invalid type: floating point `5.5`, expected a whole number", "must be a whole number, not 5.5"),
            ("invalid type: null, expected a boolean", "must be true or false, not null"),
            ("unknown variant `x`, expected one of `a`, `b` at line 1 column 2", "must be one of `a`, `b`"),
            ("expected `,` or `}` at line 2 column 3", "expected `,` or `}` at line 2 column 3"),
        ] {
            assert_eq!(plain(serde), said);
        }
    }
}
