//! Files of `NAME=value` lines, as shells and dotenv tools read them.
//!
//! A value ends with its line, without the white space around it, and a `#` after white space begins
//! a comment. In single quotes everything stands for itself; in double quotes a backslash stands
//! before `n`, `r`, `t`, `"`, `$`, `` ` `` and itself. Quoted values may have several lines. Nothing is expanded.

use super::problem::{FileProblem, ImportFile, line_after};
use nightlatch_core::memory::SecretBuffer;

/// One assignment.
pub struct EnvLine<'a> {
    /// The line on which it begins, counted from 1.
    pub line: usize,
    /// What stands before the equals sign, without `export`.
    pub name: &'a str,
    /// The value.
    pub value: SecretBuffer,
}

/// The secrets of a file of `NAME=value` lines, named by the variables.
pub fn read_env(text: &[u8]) -> ImportFile {
    let mut file = ImportFile::default();
    for line in env_lines(text) {
        match line {
            Ok(EnvLine { line, value, .. }) if value.is_empty() => {
                file.problem(line, "the value is empty");
            }
            Ok(EnvLine { line, name, value }) => file.add(line, name, value),
            Err(problem) => file.problems.push(problem),
        }
    }
    file
}

/// The assignments of a file, and what is wrong with the lines that are none.
pub fn env_lines(text: &[u8]) -> Vec<Result<EnvLine<'_>, FileProblem>> {
    let mut rest = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut line = 1;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (one, behind) = split_line(rest);
        let trimmed = one.trim_ascii();
        if trimmed.is_empty() || trimmed.starts_with(b"#") {
            rest = behind;
            line += 1;
            continue;
        }
        let (assignment, behind) = assignment(line, rest);
        found.push(assignment);
        let taken = &rest[..rest.len() - behind.len()];
        line += line_after(taken) - 1;
        rest = behind;
    }
    found
}

/// The first line without its line end, and what follows it.
fn split_line(text: &[u8]) -> (&[u8], &[u8]) {
    match text.iter().position(|&byte| byte == b'\n') {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &[]),
    }
}

/// The assignment at the beginning of `text`, and what follows its last line.
fn assignment(line: usize, text: &[u8]) -> (Result<EnvLine<'_>, FileProblem>, &[u8]) {
    let (one, behind) = split_line(text);
    let problem = |what: &str| Err(FileProblem::new(line, what));
    let Some(at) = one.iter().position(|&byte| byte == b'=') else {
        return (problem("there is no = in it"), behind);
    };
    let name = one[..at].trim_ascii();
    let name = name
        .strip_prefix(b"export")
        .filter(|rest| rest.first().is_some_and(u8::is_ascii_whitespace))
        .map_or(name, <[u8]>::trim_ascii);
    let Ok(name) = std::str::from_utf8(name) else {
        return (problem("the name is not UTF-8 text"), behind);
    };
    let value = one[at + 1..].trim_ascii_start();
    let assigned = |value| EnvLine { line, name, value };
    match value.first() {
        Some(&quote @ (b'"' | b'\'')) => {
            // It may go on beyond the line.
            let start = one.len() - value.len() + 1;
            match quoted(&text[start..], quote) {
                None => (
                    problem("the quote at the value's beginning is not closed"),
                    behind,
                ),
                Some((value, rest)) => {
                    let (left, behind) = split_line(rest);
                    let left = left.trim_ascii();
                    if left.is_empty() || left.starts_with(b"#") {
                        (Ok(assigned(value)), behind)
                    } else {
                        (problem("something follows the closing quote"), behind)
                    }
                }
            }
        }
        _ => (Ok(assigned(plain(value))), behind),
    }
}

/// A value without quotes: without a comment, and without white space at its end.
fn plain(value: &[u8]) -> SecretBuffer {
    let is_comment = |pair: &[u8]| pair[0].is_ascii_whitespace() && pair[1] == b'#';
    let end = match value.first() {
        Some(b'#') => 0,
        _ => value.windows(2).position(is_comment).unwrap_or(value.len()),
    };
    SecretBuffer::copy_of(value[..end].trim_ascii_end())
}

/// The value up to the closing quote, and what follows that.
fn quoted(text: &[u8], quote: u8) -> Option<(SecretBuffer, &[u8])> {
    let mut end = 0;
    loop {
        match *text.get(end)? {
            byte if byte == quote => break,
            b'\\' if quote == b'"' => end += 2,
            _ => end += 1,
        }
    }
    let raw = &text[..end];
    let mut value = SecretBuffer::with_capacity(raw.len());
    let mut bytes = raw.iter();
    while let Some(&byte) = bytes.next() {
        let fits = if byte == b'\\' && quote == b'"' {
            match bytes.next() {
                Some(b'n') => value.push(b"\n"),
                Some(b'r') => value.push(b"\r"),
                Some(b't') => value.push(b"\t"),
                Some(&escaped @ (b'"' | b'\\' | b'$' | b'`')) => value.push(&[escaped]),
                // As in a shell, the backslash stands for itself.
                Some(&other) => value.push(&[b'\\', other]),
                None => value.push(b"\\"),
            }
        } else {
            value.push(&[byte])
        };
        debug_assert!(fits, "a value is no longer than what it is written as");
    }
    Some((value, &text[end + 1..]))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<(usize, String, Vec<u8>)> {
        let lines = env_lines(text.as_bytes()).into_iter().map(Result::unwrap);
        let owned = |line: EnvLine<'_>| {
            (
                line.line,
                line.name.to_owned(),
                line.value.expose().to_vec(),
            )
        };
        lines.map(owned).collect()
    }

    #[test]
    fn an_env_file_is_read_as_shells_read_it() {
        for (text, value) in [
            ("A=b", "b"),
            ("export A = b ", "b"),
            ("A=b # comment", "b"),
            ("A=b#c", "b#c"),
            ("A='b # c'", "b # c"),
            ("A=\"b\\n\\\"c\\\" \\$d \\x\" # comment", "b\n\"c\" $d \\x"),
            ("A='b\\n'", "b\\n"),
            ("A=\"b\nc\"", "b\nc"),
            ("\u{feff}A=b\r\n", "b"),
            ("# comment\n\n  A=b=c", "b=c"),
            ("A=", ""),
            ("A=#b", ""),
            ("A=$HOME", "$HOME"),
        ] {
            let found = values(text);
            assert_eq!(found.len(), 1, "{text:?}");
            assert_eq!(
                (found[0].1.as_str(), &found[0].2[..]),
                ("A", value.as_bytes()),
                "{text:?}"
            );
        }
        let lines = values("A=\"1\n2\"\nB='3'\n");
        assert_eq!((lines[0].0, lines[1].0), (1, 3));
    }

    #[test]
    fn a_half_right_env_file_gives_what_is_right_and_names_the_lines_that_are_not() {
        let file = read_env(b"GOOD=1\nnonsense\nA//B=2\nOPEN=\"3\nEMPTY=\nLAST=4 \nX='5' 6\n=7\n");
        let names: Vec<_> = file.items.iter().map(|item| item.name.as_str()).collect();
        assert_eq!(names, ["GOOD", "LAST"]);
        let lines: Vec<_> = file.problems.iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [2, 3, 4, 5, 7, 8]);
        let told: String = file.problems.iter().map(ToString::to_string).collect();
        assert!(!told.contains("nonsense"), "{told}");
    }
}
