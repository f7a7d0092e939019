//! Texts as they are compared in a search: without regard to case, to width, and to accents where they are put on letters.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};
use unicode_segmentation::UnicodeSegmentation;

/// A text as it is compared.
#[must_use]
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut folded = String::with_capacity(text.len());
    for grapheme in text.graphemes(true) {
        push(&mut folded, grapheme);
    }
    folded
}

/// Adds a grapheme as it is compared: in compatibility normal form, in one case (`İ` and `ı` are an `i`), without accents where they
/// are put on letters, and without what shows nothing.
pub fn push(folded: &mut String, grapheme: &str) {
    if let [letter] = grapheme.as_bytes() {
        folded.push(char::from(letter.to_ascii_lowercase()));
        return;
    }
    let visible = grapheme.chars().filter(|c| !is_ignored(*c));
    if grapheme.chars().nfd().next().is_some_and(takes_accents) {
        let letters = visible.nfkd().filter(|c| c.general_category() != GeneralCategory::NonspacingMark);
        // Letters in capitals may decompose again.
        for letter in letters.flat_map(in_one_case).nfc() {
            match without_stroke(letter) {
                Some(plain) => folded.push_str(plain),
                None => folded.push(letter),
            }
        }
    } else {
        folded.extend(visible.nfkc().flat_map(in_one_case).filter(|c| !is_point(*c)));
    }
}

/// A character in lower case, as its capitals are: `ß`, `ẞ` and `SS` are the same, and so are all sigmas.
pub fn in_one_case(c: char) -> impl Iterator<Item = char> {
    c.to_lowercase().flat_map(char::to_uppercase).flat_map(char::to_lowercase)
}

/// Whether marks on a letter are accents: of Latin, Greek and Cyrillic. In other scripts they are vowels, or make another
/// letter.
fn takes_accents(letter: char) -> bool {
    !is_combining_mark(letter)
        && matches!(
            letter,
            'A'..='Z'
                | 'a'..='z'
                | '\u{c0}'..='\u{24f}'
                | '\u{250}'..='\u{2af}'
                | '\u{370}'..='\u{3ff}'
                | '\u{400}'..='\u{52f}'
                | '\u{1c80}'..='\u{1c8f}'
                | '\u{1e00}'..='\u{1fff}'
                | '\u{2c60}'..='\u{2c7f}'
                | '\u{a640}'..='\u{a69f}'
                | '\u{a720}'..='\u{a7ff}'
                | '\u{fb00}'..='\u{fb06}'
                | '\u{ff21}'..='\u{ff3a}'
                | '\u{ff41}'..='\u{ff5a}'
        )
}

/// What those write who do not have a letter on their keyboard: letters with a stroke do not decompose, and ligatures that are
/// letters do not either (<https://www.postgresql.org/docs/current/unaccent.html> maps them alike).
fn without_stroke(letter: char) -> Option<&'static str> {
    Some(match letter {
        'ø' => "o",
        'đ' | 'ð' => "d",
        'ł' => "l",
        'ħ' => "h",
        'ŧ' => "t",
        'ŋ' => "n",
        'ə' => "e",
        'æ' => "ae",
        'œ' => "oe",
        'þ' => "th",
        _ => return None,
    })
}

/// Points and vowel signs of Hebrew and Arabic, and the stroke that stretches a word: hardly anybody writes them, and nobody in a
/// search.
fn is_point(c: char) -> bool {
    matches!(
        c,
        '\u{591}'..='\u{5bd}'
            | '\u{5bf}'
            | '\u{5c1}'..='\u{5c2}'
            | '\u{5c4}'..='\u{5c5}'
            | '\u{5c7}'
            | '\u{610}'..='\u{61a}'
            | '\u{640}'
            | '\u{64b}'..='\u{65f}'
            | '\u{670}'
            | '\u{6d6}'..='\u{6dc}'
            | '\u{6df}'..='\u{6e8}'
            | '\u{6ea}'..='\u{6ed}'
    )
}

/// Characters without width that some write and some do not: joiners, soft hyphens, wishes for a style.
fn is_ignored(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{fe0e}' | '\u{fe0f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_compared_without_case_width_and_accents() {
        for (one, other) in [
            ("QWEN3.6", "qwen3.6"),
            ("Straße", "STRASSE"),
            ("STRAẞE", "STRASSE"),
            ("ｆｕｌｌ", "full"),
            ("ｆúｌｌ", "full"),
            ("Zoe\u{308}", "zoë"),
            ("Zoë", "zoe"),
            ("ΌΣΟΣ", "όσος"),
            ("ΌΣΟΣ", "οσοσ"),
            ("ﬁne", "fine"),
            ("İstanbul", "istanbul"),
            ("Diyarbakır", "DIYARBAKIR"),
            ("Šárka", "sarka"),
            ("Việt Nam", "viet nam"),
            ("Иван Ёлкин", "иван елкин"),
            ("می\u{200c}خواهم", "میخواهم"),
            ("❤\u{fe0f}", "❤"),
            ("Łódź", "lodz"),
            ("Smørrebrød", "smorrebrod"),
            ("Đorđe", "dorde"),
            ("Ærø", "aero"),
            ("ŒUVRE", "oeuvre"),
            ("שָׁלוֹם", "שלום"),
            ("مُحَمَّد", "محمد"),
            ("محـــمد", "محمد"),
            ("한국", "\u{1112}\u{1161}\u{11ab}\u{1100}\u{116e}\u{11a8}"),
        ] {
            assert_eq!(fold(one), fold(other), "{one} and {other}");
            assert_eq!(fold(&fold(one)), fold(one), "{one}");
        }
    }

    #[test]
    fn other_letters_stay_other_letters() {
        for (one, other) in [("กา", "กิ"), ("कि", "कु"), ("か", "が"), ("آ", "ا"), ("ش", "س"), ("и", "і")]
        {
            assert_ne!(fold(one), fold(other), "{one} and {other}");
        }
    }
}
