//! Emojis: sequences of characters that show one picture, and the one form in which each is stored
//! (<https://www.unicode.org/reports/tr51/>).

use unicode_properties::{EmojiStatus, UnicodeEmoji};

const JOINER: char = '\u{200d}';
const TEXT_STYLE: char = '\u{fe0e}';
const PICTURE_STYLE: char = '\u{fe0f}';
const KEYCAP: char = '\u{20e3}';
const BLACK_FLAG: char = '\u{1f3f4}';
const LAST_TAG: char = '\u{e007f}';

/// Characters of the longest name of a region in a flag.
const REGION_TAGS: usize = 6;

/// One emoji as it is stored, however it was written: with the wish to be drawn as a picture where it would else be drawn as
/// text, and without any other wish. Nothing for a text that is not exactly one emoji.
#[must_use]
pub fn canonical(text: &str) -> Option<String> {
    prefix(text).filter(|(length, _)| *length == text.len()).map(|(_, form)| form)
}

/// The emoji with which a text begins: how many bytes it takes, and how it is stored.
#[must_use]
pub fn prefix(text: &str) -> Option<(usize, String)> {
    let (mut length, mut form) = element(text)?;
    while let Some(rest) = text[length..].strip_prefix(JOINER)
        && let Some((more, joined)) = element(rest)
    {
        length += JOINER.len_utf8() + more;
        form.push(JOINER);
        form.push_str(&joined);
    }
    Some((length, form))
}

/// A part of a sequence: a flag, a key, or a picture with a skin tone.
fn element(text: &str) -> Option<(usize, String)> {
    let first = text.chars().next()?;
    let rest = &text[first.len_utf8()..];
    if is_regional(first) {
        let second = rest.chars().next().filter(|c| is_regional(*c))?;
        return Some((first.len_utf8() + second.len_utf8(), [first, second].iter().collect()));
    }
    let unstyled = rest.strip_prefix([TEXT_STYLE, PICTURE_STYLE]).unwrap_or(rest);
    if first.is_ascii_digit() || first == '#' || first == '*' {
        let after = unstyled.strip_prefix(KEYCAP)?;
        return Some((text.len() - after.len(), [first, PICTURE_STYLE, KEYCAP].iter().collect()));
    }
    if first.is_ascii() || !first.is_emoji_char() {
        return None;
    }
    let mut form = String::from(first);
    let mut after = unstyled;
    if let Some(tone) = unstyled.chars().next().filter(|c| is_skin_tone(*c) && has_skin(first)) {
        form.push(tone);
        let toned = &unstyled[tone.len_utf8()..];
        after = toned.strip_prefix([TEXT_STYLE, PICTURE_STYLE]).unwrap_or(toned);
    } else if let Some(tags) = region(unstyled).filter(|_| first == BLACK_FLAG) {
        form.push_str(tags);
        after = &unstyled[tags.len()..];
    } else if !is_drawn_as_picture(first) {
        form.push(PICTURE_STYLE);
    }
    Some((text.len() - after.len(), form))
}

/// The tags at the start of a text that name a region, such as England.
fn region(text: &str) -> Option<&str> {
    let is_named = |c: char| matches!(c, '\u{e0030}'..='\u{e0039}' | '\u{e0061}'..='\u{e007a}');
    let tags = text.chars().take_while(|c| is_named(*c)).count();
    let end = text.char_indices().nth(tags).filter(|(_, c)| *c == LAST_TAG)?.0 + LAST_TAG.len_utf8();
    (1..=REGION_TAGS).contains(&tags).then_some(&text[..end])
}

fn is_regional(c: char) -> bool {
    matches!(c, '\u{1f1e6}'..='\u{1f1ff}')
}

fn is_skin_tone(c: char) -> bool {
    matches!(c, '\u{1f3fb}'..='\u{1f3ff}')
}

fn has_skin(c: char) -> bool {
    matches!(c.emoji_status(), EmojiStatus::EmojiModifierBase | EmojiStatus::EmojiPresentationAndModifierBase)
}

/// Whether it is a picture without being asked to be one.
fn is_drawn_as_picture(c: char) -> bool {
    matches!(
        c.emoji_status(),
        EmojiStatus::EmojiPresentation
            | EmojiStatus::EmojiPresentationAndModifierBase
            | EmojiStatus::EmojiPresentationAndEmojiComponent
            | EmojiStatus::EmojiPresentationAndModifierAndEmojiComponent
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_emoji_has_one_form() {
        for (written, stored) in [
            ("❤", "❤\u{fe0f}"),
            ("❤\u{fe0f}", "❤\u{fe0f}"),
            ("☺\u{fe0e}", "☺\u{fe0f}"),
            ("👍", "👍"),
            ("👍\u{fe0f}", "👍"),
            ("👍\u{1f3fd}", "👍\u{1f3fd}"),
            ("👍\u{fe0f}\u{1f3fd}", "👍\u{1f3fd}"),
            ("☝\u{1f3fd}", "☝\u{1f3fd}"),
            ("☝", "☝\u{fe0f}"),
            ("1\u{20e3}", "1\u{fe0f}\u{20e3}"),
            ("#\u{fe0f}\u{20e3}", "#\u{fe0f}\u{20e3}"),
            ("🇩🇪", "🇩🇪"),
            (
                "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
                "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
            ),
            ("👩\u{200d}💻", "👩\u{200d}💻"),
            ("👩\u{200d}⚕", "👩\u{200d}⚕\u{fe0f}"),
            ("🏳\u{200d}🌈", "🏳\u{fe0f}\u{200d}🌈"),
            ("❤\u{200d}🔥", "❤\u{fe0f}\u{200d}🔥"),
            ("©", "©\u{fe0f}"),
            ("🫡", "🫡"),
            ("🏽", "🏽"),
        ] {
            assert_eq!(canonical(written).as_deref(), Some(stored), "{written:?}");
            assert_eq!(canonical(stored).as_deref(), Some(stored), "{stored:?}");
        }
    }

    #[test]
    fn what_is_more_or_less_than_one_emoji_is_none() {
        for text in [
            "",
            "a",
            "1",
            "1\u{fe0f}",
            "👍👍",
            "👍a",
            "\u{200d}",
            "\u{fe0f}",
            "🇩",
            "👩\u{200d}",
            "👩\u{200d}a",
            "🐶\u{1f3fd}",
            "👍\u{fe0f}\u{fe0f}",
            "👍\u{e0067}\u{e007f}",
            "🏴\u{e0067}\u{e0062}",
            "🏴\u{e007f}",
        ] {
            assert_eq!(canonical(text), None, "{text:?}");
        }
        assert_eq!(prefix("👩\u{200d}💻 Ada").map(|(length, _)| length), Some("👩\u{200d}💻".len()));
    }
}
