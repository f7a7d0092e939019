//! What texts may be: one rule for each kind of text, wherever it comes in.

mod visible;

use unicode_normalization::UnicodeNormalization;

use super::FieldError;

pub use visible::visible;
use visible::{is_blank, is_deceptive, is_visible};

/// Characters of a message.
pub const CONTENT_CHARS: usize = 4000;

/// Bytes of an emoji; the longest that is recommended (a family, or a kiss with two skin tones) has 35.
const EMOJI_BYTES: usize = 64;

/// Characters of an address of a picture.
const ADDRESS_CHARS: usize = 2048;

/// A name that people read: of a room, of a person. Neither blank nor longer than `max` characters, on one line, and as
/// it looks: nothing in it is invisible or changes the direction of writing. Joiners are taken where they join.
///
/// # Errors
/// The rule it breaks.
pub fn name(field: &str, text: &str, max: usize) -> Result<(), FieldError> {
    if is_blank(text) {
        return Err(refuse(field, "blank", "must not be blank"));
    }
    if is_longer(text, max) {
        return Err(too_long(field, max));
    }
    if !is_visible(text) {
        return Err(refuse(field, "characters", "must not contain control or invisible characters"));
    }
    Ok(())
}

/// What a message says: 1 to [`CONTENT_CHARS`] characters, not only blank ones.
///
/// # Errors
/// The rule it breaks.
pub fn content(field: &str, text: &str) -> Result<(), FieldError> {
    if is_blank(text) {
        return Err(refuse(field, "blank", "must not be blank"));
    }
    prose(field, text, CONTENT_CHARS)
}

/// Text of any number of lines, at most `max` characters; it may be empty.
///
/// # Errors
/// The rule it breaks.
pub fn prose(field: &str, text: &str, max: usize) -> Result<(), FieldError> {
    if is_longer(text, max) {
        return Err(too_long(field, max));
    }
    // PostgreSQL stores no U+0000 (https://www.postgresql.org/docs/current/datatype-character.html).
    if text.contains('\0') {
        return Err(refuse(field, "characters", "must not contain the character U+0000"));
    }
    Ok(())
}

/// An `https` address, such as that of a picture.
///
/// # Errors
/// The rule it breaks.
pub fn address(field: &str, text: &str) -> Result<(), FieldError> {
    let host = text.strip_prefix("https://").and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    if host.is_empty() || text.chars().any(|c| c.is_control() || c.is_whitespace() || is_deceptive(c)) {
        return Err(refuse(field, "address", "must be an https address"));
    }
    if text.chars().count() > ADDRESS_CHARS { Err(too_long(field, ADDRESS_CHARS)) } else { Ok(()) }
}

/// An e-mail address: `local@domain.tld` of visible ASCII, at most 254 characters (RFC 5321, section 4.5.3.1.3).
///
/// # Errors
/// The rule it breaks.
pub fn email(field: &str, text: &str) -> Result<(), FieldError> {
    if text.len() > 254 {
        return Err(too_long(field, 254));
    }
    let fits = text.split_once('@').is_some_and(|(local, domain)| {
        let labels: Vec<&str> = domain.split('.').collect();
        !local.is_empty()
            && local.len() <= 64
            && local.chars().all(|c| c.is_ascii_graphic() && !"@<>()[],;:\\\"".contains(c))
            && labels.len() >= 2
            && labels.iter().all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-'))
            && domain.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.')
    });
    if fits { Ok(()) } else { Err(refuse(field, "email", "must be an e-mail address, such as ada@example.com")) }
}

/// The e-mail address of a new account: not one of a domain that never is anybody's (RFC 2606, section 2). What is left of erased
/// accounts has such addresses.
///
/// # Errors
/// The rule it breaks.
pub fn new_email(field: &str, text: &str) -> Result<(), FieldError> {
    email(field, text)?;
    if text.to_ascii_lowercase().ends_with(".invalid") {
        return Err(refuse(field, "email", "addresses ending in .invalid are not accepted"));
    }
    Ok(())
}

/// A user name: 3 to 32 letters, digits, `_`, `-` or `.`.
///
/// # Errors
/// The rule it breaks.
pub fn username(field: &str, text: &str) -> Result<(), FieldError> {
    let fits = (3..=32).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    if fits { Ok(()) } else { Err(refuse(field, "username", "must be 3 to 32 letters, digits, '_', '-' or '.'")) }
}

/// A new password: 8 to 128 characters, in the form in which it is kept.
///
/// # Errors
/// The rule it breaks.
pub fn password(field: &str, text: &str) -> Result<(), FieldError> {
    if (8..=128).contains(&text.nfc().count()) {
        Ok(())
    } else {
        Err(refuse(field, "length", "must be 8 to 128 characters"))
    }
}

/// One emoji in the form in which it is stored and shown, however it was written.
///
/// # Errors
/// When it is not exactly one.
pub fn emoji(field: &str, text: &str) -> Result<String, FieldError> {
    let form = Some(text).filter(|text| text.len() <= EMOJI_BYTES).and_then(entity::emoji::canonical);
    form.ok_or_else(|| refuse(field, "emoji", "must be one emoji"))
}

/// What is said of a field that must be there and is not.
#[must_use]
pub fn required(field: &str) -> FieldError {
    refuse(field, "required", "is required")
}

fn refuse(field: &str, code: &'static str, detail: &str) -> FieldError {
    FieldError { field: field.to_owned(), code, detail: detail.to_owned() }
}

fn too_long(field: &str, max: usize) -> FieldError {
    refuse(field, "too_long", &format!("must be at most {max} characters"))
}

/// Whether a text has more than `max` characters, each counted once however it is put together: a letter with its accent is one.
fn is_longer(text: &str, max: usize) -> bool {
    text.chars().count() > max && text.nfc().count() > max
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_they_look_like() {
        for good in ["Ada Lovelace", "日本", "Zoë 🦀", "O'Neil-Smith"] {
            assert_eq!(name("name", good, 100), Ok(()), "{good}");
        }
        for bad in ["", "  ", "a\u{202e}b", "a\u{200b}b", "\u{feff}a", "a\nb", "a\0", "a\u{2066}b", "a\u{7f}"] {
            assert!(name("name", bad, 100).is_err(), "{bad:?}");
        }
        assert!(name("name", &"é".repeat(100), 100).is_ok());
        assert!(name("name", &"é".repeat(101), 100).is_err());
        assert!(name("name", &"e\u{301}".repeat(100), 100).is_ok(), "a letter with its accent is one character");
        assert!(name("name", &"e\u{301}".repeat(101), 100).is_err());
    }

    #[test]
    fn content_says_something() {
        for good in ["x", " x ", "two\nlines", "<img onerror>", "👩\u{200d}💻", "❤\u{fe0f}", "e\u{301}", "葛\u{e0100}"]
        {
            assert_eq!(content("content", good), Ok(()), "{good}");
        }
        for bad in [
            "",
            " \n\t",
            "\u{200b}",
            "a\0b",
            "\u{fe0f}",
            "\u{fe0e}\u{fe0f}",
            "\u{e0100}",
            "\u{301}",
            " \u{301}",
            "\u{20e3}",
            "\u{7}",
            "\u{1bca0}",
        ] {
            assert!(content("content", bad).is_err(), "{bad:?}");
        }
        assert!(content("content", &"ü".repeat(CONTENT_CHARS)).is_ok());
        assert!(content("content", &"x".repeat(CONTENT_CHARS + 1)).is_err());
    }

    #[test]
    fn addresses_have_their_form() {
        for good in ["ada@example.com", "a.b+c@mail.example.co.uk"] {
            assert_eq!(email("email", good), Ok(()), "{good}");
        }
        for bad in [
            "", "@", "a@", "@b.c", "a@b", "a@@b.c", "a@b@c.d", "a b@c.d", "a@b..c", "a@.b", "a@b.", "é@b.c", "a@-b.c",
            "<a>@b.c", "a\0@b.c", "a@b .c",
        ] {
            assert!(email("email", bad).is_err(), "{bad:?}");
        }
        assert!(email("email", &format!("a@{}.com", "b".repeat(250))).is_err());
        assert!(new_email("email", "ada@invalid.example").is_ok());
        assert!(new_email("email", "erased-1@erased.INVALID").is_err());
        assert_eq!(address("avatar_url", "https://example.com/a.png"), Ok(()));
        for bad in ["http://example.com", "javascript:alert(1)", "https://", "https:///a", "https://a b", ""] {
            assert!(address("avatar_url", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn one_emoji_is_any_sequence_that_shows_a_picture() {
        for good in ["👍", "👍🏽", "❤️", "👩‍💻", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪", "1️⃣", "🫡", "☹️"]
        {
            assert_eq!(emoji("emoji", good).as_deref(), Ok(good));
        }
        assert_eq!(emoji("emoji", "❤").as_deref(), Ok("❤️"));
        for bad in ["", "a", "1", "#", "👍👍", "👍a", ":+1:", "\u{200d}", "\u{fe0f}", "🇩", " 👍", "é", "你"]
        {
            assert!(emoji("emoji", bad).is_err(), "{bad:?}");
        }
        assert!(emoji("emoji", &format!("👩{}", "\u{200d}👩".repeat(50))).is_err());
    }

    #[test]
    fn user_names_and_passwords_have_their_length() {
        for good in ["ada", "Ada_L.1-2", &"a".repeat(32)] {
            assert_eq!(username("username", good), Ok(()), "{good}");
        }
        for bad in ["", "ab", "a b", "äöü", "a@b", &"a".repeat(33)] {
            assert!(username("username", bad).is_err(), "{bad:?}");
        }
        assert!(password("password", "pässwörd").is_ok());
        assert!(password("password", "short").is_err());
        assert!(password("password", &"e\u{301}".repeat(4)).is_err(), "four characters");
        assert!(password("password", &"x".repeat(129)).is_err());
    }
}
