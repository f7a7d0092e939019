//! Texts as they are compared in a search: without regard to case, width and the way in which accents are written.

use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

/// Stands before two characters of a script that writes words without spaces: so two of them are a trigram as well, which is
/// what the index is made of. A letter (of Yi, where it begins no word), as PostgreSQL's index leaves out what is none.
const PAIR: char = '\u{a000}';

/// A text as it is compared, and which part of the text each byte of it comes from.
pub(super) struct Folded {
    pub(super) text: String,
    /// For each byte, the grapheme of the original that it comes from: where that begins and ends.
    origins: Vec<(usize, usize)>,
}

impl Folded {
    pub(super) fn of(original: &str) -> Self {
        let mut folded = Self { text: String::with_capacity(original.len()), origins: Vec::new() };
        for (start, grapheme) in original.grapheme_indices(true) {
            push(&mut folded.text, grapheme);
            folded.origins.resize(folded.text.len(), (start, start + grapheme.len()));
        }
        folded
    }

    /// The parts of the original in which these terms stand, ascending, those that touch made one.
    pub(super) fn places(&self, terms: &[String]) -> Vec<(usize, usize)> {
        let mut places: Vec<(usize, usize)> = terms
            .iter()
            .flat_map(|term| self.text.match_indices(term.as_str()).map(|(at, found)| (at, at + found.len() - 1)))
            .map(|(first, last)| (self.origins[first].0, self.origins[last].1))
            .collect();
        places.sort_unstable();
        places.dedup_by(|later, earlier| {
            let touches = later.0 <= earlier.1;
            if touches {
                earlier.1 = earlier.1.max(later.1);
            }
            touches
        });
        places
    }
}

/// A text as it is compared.
pub(super) fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut folded = String::with_capacity(text.len());
    for grapheme in text.graphemes(true) {
        push(&mut folded, grapheme);
    }
    folded
}

/// Compatibility normal form, then upper case and back: which also makes `ß` what it is in capitals, and all sigmas one.
fn push(folded: &mut String, grapheme: &str) {
    folded.extend(grapheme.nfkc().flat_map(char::to_uppercase).flat_map(char::to_lowercase));
}

/// A folded text as it is indexed: with its pairs, where it has any.
pub(super) fn indexed(folded: &str) -> String {
    let mut text = folded.to_owned();
    let mut before = None;
    for c in folded.chars() {
        if let Some(before) = before.filter(|before| is_dense(*before) && is_dense(c)) {
            text.extend([PAIR, before, c]);
        }
        before = Some(c);
    }
    text
}

/// What to look for in the index where a term must stand; nothing if the index does not know terms that short.
pub(super) fn indexed_term(term: &str) -> Option<String> {
    let mut chars = term.chars();
    match (chars.next(), chars.next(), chars.next()) {
        (Some(_), Some(_), Some(_)) => Some(term.to_owned()),
        (Some(one), Some(two), None) if is_dense(one) && is_dense(two) => Some([PAIR, one, two].iter().collect()),
        _ => None,
    }
}

/// Whether a character is of a script whose words are short or not set apart: Han, Kana, Hangul, and those from Thai to Khmer.
fn is_dense(c: char) -> bool {
    matches!(
        c,
        '\u{e00}'..='\u{eff}'
            | '\u{1000}'..='\u{109f}'
            | '\u{1780}'..='\u{17ff}'
            | '\u{3005}'..='\u{3007}'
            | '\u{3040}'..='\u{30ff}'
            | '\u{3400}'..='\u{4dbf}'
            | '\u{4e00}'..='\u{9fff}'
            | '\u{ac00}'..='\u{d7af}'
            | '\u{f900}'..='\u{faff}'
            | '\u{20000}'..='\u{323af}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_compared_without_case_width_and_form() {
        for (one, other) in [
            ("QWEN3.6", "qwen3.6"),
            ("Straße", "STRASSE"),
            ("ｆｕｌｌ", "full"),
            ("Zoe\u{308}", "zoë"),
            ("ΌΣΟΣ", "όσος"),
            ("ﬁne", "fine"),
        ] {
            assert_eq!(fold(one), fold(other), "{one} and {other}");
            assert_eq!(Folded::of(one).text, fold(one), "{one}");
        }
    }

    #[test]
    fn places_are_those_of_the_original() {
        let shown = |text: &str, terms: &[&str]| {
            let terms: Vec<String> = terms.iter().map(|term| fold(term)).collect();
            let places = Folded::of(text).places(&terms);
            places.into_iter().map(|(from, to)| text[from..to].to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(shown("we run Qwen3.6", &["qwen"]), ["Qwen"]);
        assert_eq!(shown("die STRAßE, straße", &["rass"]), ["RAß", "raß"]);
        assert_eq!(shown("abcabc", &["ab", "bc"]), ["abcabc"]);
        assert_eq!(shown("你好世界", &["好世"]), ["好世"]);
        assert_eq!(shown("nothing", &["else"]), Vec::<String>::new());
    }

    #[test]
    fn two_characters_are_enough_where_words_are_short() {
        let text = indexed(&fold("你好, world"));
        for (term, known) in [("你好", true), ("wor", true), ("wo", false), ("好", false), ("o,", false)] {
            assert_eq!(indexed_term(term).is_some_and(|term| text.contains(&term)), known, "{term}");
        }
    }
}
