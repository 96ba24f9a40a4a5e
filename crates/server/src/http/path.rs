//! Paths and queries of addresses.

/// The values of the variables in `pattern`, if `path` matches it.
pub fn matches(pattern: &str, path: &str) -> Option<Vec<String>> {
    let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
    let mut values = Vec::new();
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return Some(values),
            (Some(expected), Some(found)) if expected.starts_with('{') => {
                let value = decoded(found, Plus::Literal)?;
                if value.is_empty() {
                    return None;
                }
                values.push(value);
            }
            (Some(expected), Some(found)) if expected == found => {}
            _ => return None,
        }
    }
}

/// The names and values of a query or of a form; `None` when it is not UTF-8 or badly encoded.
pub fn pairs(encoded: &str) -> Option<Vec<(String, String)>> {
    let pairs = encoded.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decoded(name, Plus::Space)?, decoded(value, Plus::Space)?))
        })
        .collect()
}

/// What `+` means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Plus {
    Literal,
    Space,
}

/// Decodes `%` and two hexadecimal digits.
fn decoded(text: &str, plus: Plus) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                let [Some(high), Some(low)] = digits.map(|digit| char::from(digit).to_digit(16))
                else {
                    return None;
                };
                u8::try_from(16 * high + low).ok()?
            }
            b'+' if plus == Plus::Space => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_path_matches_its_pattern_with_the_decoded_values() {
        let pattern = "/api/users/{user_id}/{kind}";
        assert_eq!(
            matches(pattern, "/api/users/1/tasks").unwrap(),
            ["1", "tasks"]
        );
        assert_eq!(
            matches(pattern, "/api/users/a%2Fb/t").unwrap(),
            ["a/b", "t"]
        );
        for other in [
            "/api/users/1",
            "/api/users/1/",
            "/api/users//tasks",
            "/api/users/1/tasks/",
            "/api/users/1/tasks/2",
            "//api/users/1/tasks",
            "/api/users/%ff/tasks",
            "/api/users/%2/tasks",
            "/API/users/1/tasks",
        ] {
            assert_eq!(matches(pattern, other), None, "{other}");
        }
    }

    #[test]
    fn a_query_is_decoded_into_its_pairs() {
        let expected = [("email", "a+b@c d"), ("x", ""), ("y", "=")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(pairs("email=a%2Bb%40c+d&x&&y==").unwrap(), expected);
        assert_eq!(pairs(""), Some(Vec::new()));
        assert_eq!(pairs("a=%zz"), None);
    }
}
