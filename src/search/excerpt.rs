//! Excerpts: the part of a message that shows why it matches.

use super::fold::Folded;

/// Characters of an excerpt, about.
const CHARS: usize = 160;

/// Characters before the first place that was found.
const LEAD: usize = 40;

/// The text around the first place where a term stands, as HTML: what was found in `<mark>`, the rest escaped.
pub(super) fn excerpt<'a>(text: &str, terms: impl Iterator<Item = &'a str>) -> String {
    let places = Folded::of(text).places(terms);
    let first = places.first().map_or(0, |(start, _)| *start);
    let start = text[..first].char_indices().rev().take(LEAD).last().map_or(first, |(at, _)| at);
    let end = text[start..].char_indices().nth(CHARS).map_or(text.len(), |(at, _)| start + at);

    let mut html = String::new();
    if start > 0 {
        html.push('…');
    }
    let mut at = start;
    for (from, to) in places.into_iter().filter(|(from, _)| *from < end) {
        let to = to.min(end);
        escape(&mut html, &text[at..from]);
        html.push_str("<mark>");
        escape(&mut html, &text[from..to]);
        html.push_str("</mark>");
        at = to;
    }
    escape(&mut html, &text[at..end]);
    if end < text.len() {
        html.push('…');
    }
    html
}

/// Text that means itself in HTML.
fn escape(html: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, term: &str) -> String {
        excerpt(text, [term].into_iter())
    }

    #[test]
    fn what_was_found_is_marked_and_the_rest_is_harmless() {
        assert_eq!(shown("we run Qwen3.6", "qwen"), "we run <mark>Qwen</mark>3.6");
        assert_eq!(shown("<b>bold</b> & \"x\"", "bold"), "&lt;b&gt;<mark>bold</mark>&lt;/b&gt; &amp; &quot;x&quot;");
        assert_eq!(shown("<mark>", "mark"), "&lt;<mark>mark</mark>&gt;");
    }

    #[test]
    fn a_long_text_is_cut_around_the_first_place() {
        let text = format!("{}needle{}", "ü".repeat(500), "é".repeat(500));
        let html = shown(&text, "needle");
        assert!(html.starts_with('…') && html.ends_with('…'), "{html}");
        assert!(html.contains("ü<mark>needle</mark>é"), "{html}");
        assert!(html.chars().count() < CHARS + 30);
        let cut = shown(&format!("{}needle", "x".repeat(200)), "x");
        assert!(cut.starts_with("<mark>x") && cut.ends_with("</mark>…"), "{cut}");
    }
}
