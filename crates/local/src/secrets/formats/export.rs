//! Secrets as files that `import` reads again.

use base64ct::{Base64, Encoding};

use crate::binding::{SecretName, is_variable};
use nightlatch_core::memory::SecretBuffer;

/// The bytes that mean something between double quotes.
const SPECIAL: &[u8] = b"\"\\$`";

/// Why a secret is not in an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotExported {
    /// Its name cannot be that of a variable.
    #[error("its name is not that of a variable")]
    NoVariable,
    /// A variable cannot have its value.
    #[error("its value has a NUL byte or is not UTF-8 text")]
    NotText,
}

/// One JSON object: text as strings, anything else as `{"base64": …}`.
pub fn write_json(secrets: &[(SecretName, SecretBuffer)]) -> SecretBuffer {
    filled(|push| {
        push(b"{");
        for (at, (name, value)) in secrets.iter().enumerate() {
            push(if at == 0 { b"\n  " } else { b",\n  " });
            json_string(push, name.as_str());
            push(b": ");
            if let Ok(text) = std::str::from_utf8(value.expose()) {
                json_string(push, text);
            } else {
                push(b"{\"base64\": \"");
                push(base64(value.expose()).expose());
                push(b"\"}");
            }
        }
        push(b"\n}\n");
    })
}

/// `NAME='value'` lines that shells read, for the secrets whose names are those of variables; and
/// the others.
pub fn write_env(
    secrets: &[(SecretName, SecretBuffer)],
) -> (SecretBuffer, Vec<(SecretName, NotExported)>) {
    let mut others = Vec::new();
    let mut lines = Vec::new();
    for (name, value) in secrets {
        let text = std::str::from_utf8(value.expose());
        if !is_variable(name.as_str()) {
            others.push((name.clone(), NotExported::NoVariable));
        } else if let Some(text) = text.ok().filter(|text| !text.contains('\0')) {
            lines.push((name, text));
        } else {
            others.push((name.clone(), NotExported::NotText));
        }
    }
    let written = filled(|push| {
        for (name, value) in &lines {
            push(name.as_str().as_bytes());
            push(b"=\"");
            for piece in value
                .as_bytes()
                .split_inclusive(|byte| SPECIAL.contains(byte))
            {
                match piece.split_last() {
                    Some((last, before)) if SPECIAL.contains(last) => {
                        push(before);
                        push(&[b'\\', *last]);
                    }
                    _ => push(piece),
                }
            }
            push(b"\"\n");
        }
    });
    (written, others)
}

/// What `write` pushes, in a buffer of just that length.
fn filled(write: impl Fn(&mut dyn FnMut(&[u8]))) -> SecretBuffer {
    let mut length = 0;
    write(&mut |bytes| length += bytes.len());
    let mut buffer = SecretBuffer::with_capacity(length);
    write(&mut |bytes| {
        let fits = buffer.push(bytes);
        debug_assert!(fits, "both times the same is written");
    });
    buffer
}

/// The bytes in base64.
pub fn base64(bytes: &[u8]) -> SecretBuffer {
    let mut encoded = SecretBuffer::with_capacity(Base64::encoded_len(bytes));
    while encoded.push(&[0]) {}
    let written = Base64::encode(bytes, encoded.expose_mut());
    debug_assert!(written.is_ok(), "the buffer has the encoded length");
    encoded
}

fn json_string(push: &mut dyn FnMut(&[u8]), text: &str) {
    push(b"\"");
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0..=0x1f => {
                push(&text.as_bytes()[from..at]);
                push(b"\\u00");
                push(&[
                    b"01"[usize::from(byte >> 4)],
                    b"0123456789abcdef"[usize::from(byte & 15)],
                ]);
                from = at + 1;
                continue;
            }
            _ => continue,
        };
        push(&text.as_bytes()[from..at]);
        push(escape);
        from = at + 1;
    }
    push(&text.as_bytes()[from..]);
    push(b"\"");
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::secrets::formats::{read_env, read_json};

    fn secrets(pairs: &[(&str, &[u8])]) -> Vec<(SecretName, SecretBuffer)> {
        let secret =
            |(name, value): &(&str, &[u8])| (name.parse().unwrap(), SecretBuffer::copy_of(value));
        pairs.iter().map(secret).collect()
    }

    #[test]
    fn an_env_export_leaves_out_what_no_variable_can_be_and_says_so() {
        let all = secrets(&[
            ("A", b"x"),
            ("prod/db", b"y"),
            ("B", b"a\0b"),
            ("C", b"\xff"),
        ]);
        let (written, others) = write_env(&all);
        assert_eq!(written.expose(), b"A=\"x\"\n");
        let why: Vec<_> = others.iter().map(|(_, why)| *why).collect();
        assert_eq!(
            why,
            [
                NotExported::NoVariable,
                NotExported::NotText,
                NotExported::NotText
            ]
        );
    }

    #[test]
    fn a_shell_reads_an_env_export_as_it_was() {
        let value = "a'b\"c$HOME`id`\\d\n #e é";
        let (written, _) = write_env(&secrets(&[("A", value.as_bytes())]));
        let script = format!(
            "{}printf %s \"$A\"",
            std::str::from_utf8(written.expose()).unwrap()
        );
        let shell = std::process::Command::new("sh")
            .args(["-c", &script])
            .output()
            .unwrap();
        assert_eq!(shell.stdout, value.as_bytes());
    }

    proptest! {
        #[test]
        fn an_export_is_imported_as_it_was(
            values in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..6),
            texts in prop::collection::vec("[^\0]{1,40}", 0..6),
        ) {
            let all = |values: Vec<Vec<u8>>| -> Vec<_> {
                let named = (0..).zip(values).map(|(at, value)| (format!("S{at}").parse().unwrap(), SecretBuffer::copy_of(&value)));
                named.collect()
            };
            let same = |one: &[(SecretName, SecretBuffer)], file: &crate::secrets::formats::ImportFile| {
                one.len() == file.items.len() && one.iter().zip(&file.items).all(|((name, value), item)| {
                    *name == item.name && value.expose() == item.value.expose()
                })
            };
            let bytes = all(values);
            let json = write_json(&bytes);
            prop_assert!(serde_json::from_slice::<serde_json::Value>(json.expose()).is_ok());
            prop_assert!(same(&bytes, &read_json(json.expose()).unwrap()));
            let texts = all(texts.into_iter().map(String::into_bytes).collect());
            let (env, others) = write_env(&texts);
            prop_assert!(others.is_empty());
            prop_assert!(same(&texts, &read_env(env.expose())));
        }
    }
}
