//! Paths and other texts as words of a shell, for the commands that a hint names.

use std::path::Path;

/// One word of a shell such as sh, bash or zsh that means `text`, whatever is in it.
pub fn shell_word(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The same of a path.
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
