//! Templates: text with `{{ nightlatch://NAME }}` in it.

use std::ops::Range;

use super::problem::{FileProblem, line_after};
use super::reference::{SCHEME, reference};
use crate::binding::SecretName;
use nightlatch_core::memory::SecretBuffer;

/// A template whose references are all valid.
pub struct Template<'a> {
    text: &'a [u8],
    parts: Vec<Part>,
}

enum Part {
    Text(Range<usize>),
    /// The number of the name.
    Secret(usize, SecretName),
}

/// A template with a broken reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct BadTemplate(FileProblem);

impl<'a> Template<'a> {
    /// Finds the references. Double braces that are not followed by `nightlatch://` are text: they
    /// may belong to another program's templates.
    ///
    /// # Errors
    /// The first reference that is not closed on its line, or has a name that no secret can have.
    pub fn parse(text: &'a [u8]) -> Result<Self, BadTemplate> {
        let mut parts = Vec::new();
        let (mut at, mut text_from, mut count) = (0, 0, 0);
        while let Some(open) = find(&text[at..], b"{{").map(|found| at + found) {
            let inner = &text[open + 2..];
            let skipped = inner.len() - trim_blanks(inner).len();
            let start = open + 2 + skipped;
            if !text[start..].starts_with(SCHEME.as_bytes()) {
                at = open + 1;
                continue;
            }
            let line = line_after(&text[..open]);
            let problem = |what: String| BadTemplate(FileProblem::new(line, what));
            let rest = &text[start..];
            let end_of_line = rest.iter().position(|&byte| byte == b'\n');
            let rest = &rest[..end_of_line.unwrap_or(rest.len())];
            let close = find(rest, b"}}")
                .ok_or_else(|| problem("a reference is not closed with }}".to_owned()))?;
            let name = reference(rest[..close].trim_ascii_end());
            let name = name.transpose().map_err(|bad| problem(bad.to_string()))?;
            if let Some(name) = name {
                parts.push(Part::Text(text_from..open));
                parts.push(Part::Secret(count, name));
                count += 1;
            }
            at = start + close + 2;
            text_from = at;
        }
        parts.push(Part::Text(text_from..text.len()));
        Ok(Self { text, parts })
    }

    /// The secrets that it refers to, in order; one that occurs twice is there twice.
    pub fn names(&self) -> Vec<SecretName> {
        let names = self.parts.iter().filter_map(|part| match part {
            Part::Secret(_, name) => Some(name.clone()),
            Part::Text(_) => None,
        });
        names.collect()
    }

    /// The text with the values in place of the references, in the order of [`Template::names`].
    ///
    /// # Panics
    /// When there are fewer values than names.
    pub fn fill(&self, values: &[SecretBuffer]) -> SecretBuffer {
        let piece = |part: &Part| -> &[u8] {
            match part {
                Part::Text(range) => &self.text[range.clone()],
                Part::Secret(at, _) => values[*at].expose(),
            }
        };
        let length = self.parts.iter().map(|part| piece(part).len()).sum();
        let mut filled = SecretBuffer::with_capacity(length);
        for part in &self.parts {
            let fits = filled.push(piece(part));
            debug_assert!(fits, "the buffer is as long as all parts");
        }
        filled
    }
}

fn trim_blanks(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| !b" \t".contains(byte));
    &text[end.unwrap_or(text.len())..]
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn filled(text: &str, values: &[&str]) -> String {
        let template = Template::parse(text.as_bytes()).unwrap();
        let values: Vec<_> = values
            .iter()
            .map(|value| SecretBuffer::copy_of(value.as_bytes()))
            .collect();
        assert_eq!(template.names().len(), values.len(), "{text}");
        String::from_utf8(template.fill(&values).expose().to_vec()).unwrap()
    }

    #[test]
    fn a_template_has_the_values_in_place_of_its_references() {
        assert_eq!(filled("", &[]), "");
        assert_eq!(filled("no reference", &[]), "no reference");
        assert_eq!(filled("p={{ nightlatch://prod/db }}\n", &["x"]), "p=x\n");
        assert_eq!(
            filled("{{nightlatch://a}}{{\tnightlatch://b b  }}", &["1", "2"]),
            "12"
        );
        // A value that looks like a reference is a value.
        let value = "{{ nightlatch://b }}";
        assert_eq!(filled("{{ nightlatch://a }}", &[value]), value);
    }

    #[test]
    fn braces_of_other_templates_are_left_alone() {
        for text in [
            "{{ .Values.x }}",
            "{{{ nightlatch: }}",
            "{ nightlatch://a }",
            "{{ {{",
            "{{",
        ] {
            assert_eq!(filled(text, &[]), text);
        }
        assert_eq!(filled("{{{nightlatch://a}}}", &["x"]), "{x}");
        assert_eq!(filled("{{ {{ nightlatch://a }} }}", &["x"]), "{{ x }}");
    }

    #[test]
    fn a_template_with_a_broken_reference_names_the_line_and_not_the_text() {
        for broken in [
            "{{ nightlatch://a",
            "{{ nightlatch://a\n}}",
            "{{ nightlatch:// }}",
            "{{ nightlatch://a//b }}",
        ] {
            let text = format!("one\ntwo {broken}\n");
            let bad = Template::parse(text.as_bytes()).err().unwrap().to_string();
            assert!(
                bad.starts_with("line 2: ") && !bad.contains("a//b"),
                "{bad}"
            );
        }
    }
}
