//! Text from the log on the page. It is hostile: invisible characters are made visible and long
//! text is cut here, and the template escapes HTML.

use std::ops::Range;

use askama::Template;
use askama::filters::HtmlSafe;

use crate::cli::text::escape;

/// A longer word may wrap, but only after one of [`SEPARATORS`].
const LONG: usize = 24;
const SEPARATORS: &[u8] = b"@./_-:=,;&?|";
/// Hashes have no separators: they may wrap after this many digits.
const DIGITS: usize = 16;

/// Text that wraps between words, and within long words only after a separator.
#[derive(Template)]
#[template(
    ext = "html",
    source = "<bdi>{% for part in parts %}{{ part }}{% if !loop.last %}<wbr>{% endif %}{% endfor %}</bdi>"
)]
pub struct Text {
    parts: Vec<String>,
}

/// The template escapes it.
impl HtmlSafe for Text {}

impl Text {
    /// At most `most` characters of `text`, with invisible characters escaped.
    pub fn new(text: &str, most: usize) -> Self {
        let text = shown(text, most);
        let mut parts = Vec::new();
        let mut rest = 0;
        for word in words(&text) {
            for at in breaks(&text[word.clone()]) {
                parts.push(text[rest..word.start + at].to_owned());
                rest = word.start + at;
            }
        }
        parts.push(text[rest..].to_owned());
        Self { parts }
    }
}

/// `text` with invisible characters escaped, in at most `most` characters.
pub fn shown(text: &str, most: usize) -> String {
    // Cut first: an escape is longer than the character it replaces.
    let mut kept: String = text.chars().take(most).collect();
    if kept.len() < text.len() {
        kept.pop();
        kept.push('…');
    }
    escape(&kept)
}

/// The ranges of the words.
fn words(text: &str) -> impl Iterator<Item = Range<usize>> {
    text.split(' ').scan(0, |next, word| {
        let start = *next;
        *next += word.len() + 1;
        Some(start..start + word.len())
    })
}

/// The positions where a word may wrap.
fn breaks(word: &str) -> Vec<usize> {
    if word.chars().count() <= LONG {
        return Vec::new();
    }
    let bytes = word.as_bytes();
    let mut digits = 0;
    let mut places = Vec::new();
    for (at, byte) in bytes.iter().enumerate() {
        digits = if byte.is_ascii_hexdigit() {
            digits + 1
        } else {
            0
        };
        if SEPARATORS.contains(byte) || digits == DIGITS {
            places.push(at + 1);
            digits = 0;
        }
    }
    places.retain(|place| *place < bytes.len());
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_before_its_invisible_parts_are_written_out() {
        assert_eq!(shown("abc", 3), "abc");
        assert_eq!(shown("abcd", 3), "ab…");
        assert_eq!(shown("a\u{202e}b", 3), "a\\u{202e}b");
    }

    #[test]
    fn a_long_word_wraps_after_separators_only_and_a_hash_after_16_digits() {
        let html = |text: &str| Text::new(text, 300).to_string();
        assert_eq!(html("a short-one b"), "<bdi>a short-one b</bdi>");
        assert_eq!(
            html("to somebody.with.a.name@example.com now"),
            "<bdi>to somebody.<wbr>with.<wbr>a.<wbr>name@<wbr>example.<wbr>com now</bdi>"
        );
        let hash = "0123456789abcdef".repeat(2);
        assert_eq!(
            html(&hash),
            "<bdi>0123456789abcdef<wbr>0123456789abcdef</bdi>"
        );
        let word = "wörter".repeat(5);
        assert_eq!(html(&word), format!("<bdi>{word}</bdi>"));
    }

    #[test]
    fn what_means_something_in_html_is_escaped_around_the_breaks() {
        let html = Text::new("<script>alert(1)//aaaaaaaaaaaaaaa", 300).to_string();
        assert_eq!(
            html,
            "<bdi>&#60;script&#62;alert(1)/<wbr>/<wbr>aaaaaaaaaaaaaaa</bdi>"
        );
    }
}
