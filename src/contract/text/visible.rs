//! Characters that show nothing, or make other text look like what it is not, and where some of them belong to what is written.

use unicode_normalization::char::{canonical_combining_class, is_combining_mark};

/// The combining class of signs that join two letters, such as U+094D.
const VIRAMA: u8 = 9;

/// A text without what shows nothing. Joiners stay where they join.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let length = shown_at(text, at);
        shown.push_str(&text[at..at + length]);
        at += length.max(c.len_utf8());
    }
    shown
}

/// Whether all of a text shows.
pub(super) fn is_visible(text: &str) -> bool {
    let mut at = 0;
    while at < text.len() {
        match shown_at(text, at) {
            0 => return false,
            length => at += length,
        }
    }
    true
}

/// Whether nothing of a text is seen: it has no letter or sign, only blanks, and what needs a letter or sign to stand at.
pub(super) fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || c.is_control() || is_deceptive(c) || is_style(c) || is_combining_mark(c))
}

/// How many bytes from a place on are something that shows: an emoji, or one character; none if that shows nothing.
fn shown_at(text: &str, at: usize) -> usize {
    let (before, rest) = text.split_at(at);
    if let Some((length, _)) = entity::emoji::prefix(rest) {
        return length;
    }
    let Some(c) = rest.chars().next() else { return 0 };
    let after = &rest[c.len_utf8()..];
    let shows = match c {
        '\u{200c}' | '\u{200d}' => joins(before, after),
        '\u{fe0e}' | '\u{fe0f}' => before.chars().next_back().is_some_and(is_symbol),
        '\u{fe00}'..='\u{fe0d}' | '\u{180b}'..='\u{180d}' | '\u{180f}' | '\u{e0100}'..='\u{e01ef}' => {
            before.chars().next_back().is_some_and(has_variants)
        }
        _ => !c.is_control() && !is_deceptive(c),
    };
    if shows { c.len_utf8() } else { 0 }
}

/// Whether a joiner or non-joiner between these texts changes what is seen: beside the sign that joins letters in the scripts of
/// India, and between letters that are written joined (RFC 5892, appendix A).
fn joins(before: &str, after: &str) -> bool {
    let is_virama = |c: char| canonical_combining_class(c) == VIRAMA;
    let (last, next) = (before.chars().next_back(), after.chars().next());
    if last.is_some_and(is_virama) || (next.is_some_and(is_virama) && last.is_some_and(char::is_alphabetic)) {
        return true;
    }
    let last = before.chars().rev().find(|c| !is_combining_mark(*c));
    let next = after.chars().find(|c| !is_combining_mark(*c));
    last.is_some_and(is_written_joined) && next.is_some_and(is_written_joined)
}

/// Letters, and digits among them, of the scripts whose letters join: Arabic, Syriac, N'Ko, Mandaic, Mongolian, Phags-pa, Adlam
/// and Hanifi Rohingya.
fn is_written_joined(c: char) -> bool {
    c.is_alphanumeric()
        && matches!(
            c,
            '\u{620}'..='\u{6ff}'
                | '\u{710}'..='\u{74f}'
                | '\u{750}'..='\u{77f}'
                | '\u{7c0}'..='\u{7ea}'
                | '\u{840}'..='\u{8c9}'
                | '\u{1820}'..='\u{1878}'
                | '\u{a840}'..='\u{a873}'
                | '\u{fb50}'..='\u{fefc}'
                | '\u{10d00}'..='\u{10d23}'
                | '\u{1e900}'..='\u{1e943}'
        )
}

/// Whether a wish for a style may stand behind it.
fn is_symbol(c: char) -> bool {
    !c.is_alphanumeric() && !c.is_whitespace() && !c.is_control() && !c.is_ascii() && !is_deceptive(c) && !is_style(c)
}

/// Whether letters like this one are drawn in more than one way: those of Asia, and signs.
fn has_variants(c: char) -> bool {
    c > '\u{58f}' && !c.is_whitespace() && !is_deceptive(c) && !is_style(c)
}

fn is_style(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{180b}'..='\u{180d}' | '\u{180f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Whether a character shows nothing, or makes other text look like what it is not: the bidirectional controls
/// (<https://www.unicode.org/reports/tr9/>), and those that have no width (<https://www.unicode.org/reports/tr36/>).
pub(super) fn is_deceptive(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [&str; 22] = [
        "Ada Lovelace",
        "O'Neil-Smith",
        "日本",
        "علی\u{200c}رضا",
        "می\u{200c}خواهم",
        "عَ\u{200c}ب",
        "۲۰\u{200c}ساله",
        "پرو\u{200d}ژه",
        "പ്രവീണ്\u{200d}",
        "क्\u{200d}ष",
        "क्\u{200c}ष",
        "ශ්\u{200d}රී",
        "র\u{200d}্যাব",
        "Team 👩\u{200d}💻",
        "👨\u{200d}👩\u{200d}👧 Family",
        "👩🏽\u{200d}❤\u{fe0f}\u{200d}💋\u{200d}👨🏽",
        "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f} England",
        "Mia ❤\u{fe0f}",
        "No. 1\u{fe0f}\u{20e3}",
        "🇩🇪",
        "葛\u{e0100}飾",
        "🏳\u{fe0f}\u{200d}⚧\u{fe0f}",
    ];

    const BAD: [&str; 22] = [
        "a\u{202e}b",
        "a\u{200b}b",
        "a\u{200d}b",
        "a\u{200c}b",
        "\u{200d}Ada",
        "Ada\u{200d}",
        "علی\u{200c}",
        "\u{200c}علی",
        "علی\u{200c}\u{200c}رضا",
        "علی\u{200c}b",
        "علی \u{200c}رضا",
        "👩\u{200d}",
        "👩\u{200d}a",
        "a\u{200d}👩",
        "👩\u{200d}\u{200d}💻",
        "x\u{e0067}\u{e0062}\u{e007f}",
        "🏴\u{e0067}\u{e0062}",
        "Ada\u{fe0f}",
        "Ada\u{e0100}",
        "\u{feff}a",
        "a\u{2066}b",
        "a\u{7f}",
    ];

    #[test]
    fn joiners_belong_where_they_join() {
        for good in GOOD {
            assert!(is_visible(good), "{good:?}");
            assert_eq!(visible(good), good);
        }
        for bad in BAD {
            assert!(!is_visible(bad), "{bad:?}");
            assert!(is_visible(&visible(bad)), "{bad:?} becomes {:?}", visible(bad));
        }
    }
}
