//! Quoting of paths and other texts for shell commands in hints.

use std::path::Path;

/// Quotes `text` as one word for sh, bash or zsh, whatever it contains.
pub fn shell_word(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Quotes a path as one word.
pub fn shell_path(path: &Path) -> String {
    shell_word(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_word_has_no_quote_that_ends_it_early() {
        assert_eq!(shell_word(r"a'b $c\"), r"'a'\''b $c\'");
        assert_eq!(shell_path(Path::new("x'; id; '")), r"'x'\''; id; '\'''");
    }
}
