//! Folded texts for comparison, the positions of matches in the original, and the parts for which the index is asked.

use std::collections::HashSet;

use entity::fold::{in_one_case, push};
use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

/// Characters of a term that the index is asked for: it compares each of their trigrams with each place of each message.
const PART: usize = 12;

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
    pub(super) fn places<'a>(&self, terms: impl Iterator<Item = &'a str>) -> Vec<(usize, usize)> {
        let mut places: Vec<(usize, usize)> = terms
            .flat_map(|term| self.text.match_indices(term).map(|(at, found)| (at, at + found.len() - 1)))
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

/// A text with its accents: those that have a term in this form as well are shown before those that have it without.
pub(super) fn with_accents(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.nfkc().flat_map(in_one_case).nfc().collect()
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

/// What to look for in the index where a term must stand: the longest part of it that repeats nothing, no longer than is looked
/// for at once. Nothing if the index does not know terms that short.
pub(super) fn indexed_term(term: &str) -> Option<String> {
    let chars: Vec<char> = term.chars().collect();
    match chars[..] {
        [one, two] if is_dense(one) && is_dense(two) => Some([PAIR, one, two].iter().collect()),
        [_, _, _, ..] => {
            let parts = (0..chars.len() - 2).map(|start| without_repeats(&chars[start..]));
            let longest = parts.reduce(|longest, part| if part.len() > longest.len() { part } else { longest })?;
            Some(longest.iter().collect())
        }
        _ => None,
    }
}

/// The beginning of a text up to the first trigram that it has had already: asking for that again adds nothing,
/// and costs as much again.
fn without_repeats(chars: &[char]) -> &[char] {
    let mut known = HashSet::new();
    let new = chars.windows(3).take(PART - 2).take_while(|trigram| known.insert(*trigram)).count();
    &chars[..new + 2]
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
    use entity::fold::fold;

    use super::*;

    #[test]
    fn places_are_those_of_the_original() {
        let shown = |text: &str, terms: &[&str]| {
            let terms: Vec<String> = terms.iter().map(|term| fold(term)).collect();
            let places = Folded::of(text).places(terms.iter().map(String::as_str));
            places.into_iter().map(|(from, to)| text[from..to].to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(shown("we run Qwen3.6", &["qwen"]), ["Qwen"]);
        assert_eq!(shown("die STRAßE, straße", &["rass"]), ["RAß", "raß"]);
        assert_eq!(shown("abcabc", &["ab", "bc"]), ["abcabc"]);
        assert_eq!(shown("你好世界", &["好世"]), ["好世"]);
        assert_eq!(shown("ein Café", &["cafe"]), ["Café"]);
        assert_eq!(shown("Cafe\u{301}s", &["fé"]), ["fe\u{301}"]);
        assert_eq!(shown("nothing", &["else"]), Vec::<String>::new());
    }

    #[test]
    fn the_index_is_asked_for_a_short_part_without_repeats() {
        for (term, part) in [
            ("a".repeat(180), "aaa".to_owned()),
            ("ab".repeat(90), "abab".to_owned()),
            (format!("{}bcdef", "a".repeat(100)), "aaabcdef".to_owned()),
            ("qwen3.6".to_owned(), "qwen3.6".to_owned()),
            ("internationalization".to_owned(), "internationa".to_owned()),
        ] {
            assert_eq!(indexed_term(&term).as_ref(), Some(&part), "{term}");
            assert!(term.contains(&part));
        }
    }

    #[test]
    fn two_characters_are_enough_where_words_are_short() {
        let text = indexed(&fold("你好, world"));
        for (term, known) in [("你好", true), ("wor", true), ("wo", false), ("好", false), ("o,", false)] {
            assert_eq!(indexed_term(term).is_some_and(|term| text.contains(&term)), known, "{term}");
        }
    }
}
