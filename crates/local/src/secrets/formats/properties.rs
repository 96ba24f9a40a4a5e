//! What holds for any file, for the fuzzers and the tests. Each returns whether the input was
//! accepted.

use super::problem::line_after;
use super::{ImportFile, Template, env_lines, read_aws, read_env, read_json};
use crate::secrets::formats::write_json;
use nightlatch_core::memory::SecretBuffer;

/// A file of secrets in any format: every line is accounted for in order, and what was read is
/// written and read again as it was.
pub fn secret_import(bytes: &[u8]) -> bool {
    let lines = line_after(bytes);
    let mut is_any = false;
    let json = read_json(bytes).unwrap_or_default();
    for file in [read_env(bytes), read_aws(bytes), json] {
        check(&file, lines, bytes.len());
        is_any |= !file.items.is_empty();
        let all: Vec<_> = file
            .items
            .into_iter()
            .map(|item| (item.name, item.value))
            .collect();
        let again = read_json(write_json(&all).expose()).unwrap_or_default();
        assert!(again.problems.is_empty());
        let is_same = all.iter().zip(&again.items).all(|((name, value), item)| {
            *name == item.name && value.expose() == item.value.expose()
        });
        assert!(is_same && all.len() == again.items.len());
    }
    assert!(env_lines(bytes).len() <= lines);
    is_any
}

fn check(file: &ImportFile, lines: usize, length: usize) {
    assert!(file.items.is_sorted_by_key(|item| item.line));
    assert!(file.problems.is_sorted_by_key(|problem| problem.line));
    for item in &file.items {
        assert!((1..=lines).contains(&item.line));
        assert!(!item.value.is_empty() && item.value.len() <= length);
    }
}

/// A template: what lies between its references stays as it is, and values are never read as
/// templates.
pub fn secret_template(bytes: &[u8]) -> bool {
    let Ok(template) = Template::parse(bytes) else {
        return false;
    };
    let names = template.names();
    let value = |text: &[u8]| -> Vec<SecretBuffer> {
        names.iter().map(|_| SecretBuffer::copy_of(text)).collect()
    };
    let empty = template.fill(&value(b""));
    assert!(empty.len() <= bytes.len());
    assert_eq!(names.is_empty(), empty.expose() == bytes);
    let filled = template.fill(&value(b"{{ nightlatch://x }}"));
    assert_eq!(filled.len(), empty.len() + names.len() * 20);
    true
}
