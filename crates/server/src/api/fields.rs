//! The fields of request bodies: one table describes, checks and documents them.

use nightlatch_core::email::Email;
use nightlatch_core::id::AccountId;
use nightlatch_core::password::PASSWORD_MAX_BYTES;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::error::ApiError;

/// A field of a request body. Fields that are not listed are ignored.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub takes: Takes,
    /// Whether the request must have it.
    pub is_required: bool,
}

/// What a field takes.
#[derive(Clone, Copy, Debug)]
pub enum Takes {
    /// Text of at most this many characters, without control characters.
    Text(usize),
    /// A password: any text of at most [`PASSWORD_MAX_BYTES`].
    Password,
    /// A list of user ids.
    Ids,
    /// One of these words.
    OneOf(&'static [&'static str]),
}

/// The longest list of ids.
const IDS: usize = 10_000;

/// A field that must be there.
pub const fn required(name: &'static str, takes: Takes) -> Field {
    Field {
        name,
        takes,
        is_required: true,
    }
}

/// A field that may be there.
pub const fn optional(name: &'static str, takes: Takes) -> Field {
    Field {
        name,
        takes,
        is_required: false,
    }
}

/// The checked fields of a request.
#[derive(Debug, Default)]
pub struct Fields(Map<String, Value>);

impl Fields {
    /// Checks `body` against the `fields` of a route and keeps only those.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` with a problem for each field that has one.
    pub fn check(body: Value, fields: &[Field]) -> Result<Self, ApiError> {
        let Value::Object(mut body) = body else {
            return Err(ApiError::new(
                400,
                "VALIDATION_ERROR",
                "the body must be a JSON object",
            ));
        };
        let mut kept = Map::new();
        let mut problems = Map::new();
        for field in fields {
            let value = body.remove(field.name).filter(|value| !value.is_null());
            match value {
                Some(value) => match field.takes.problem(&value) {
                    Some(problem) => {
                        problems.insert(field.name.to_owned(), problem.into());
                    }
                    None => {
                        kept.insert(field.name.to_owned(), value);
                    }
                },
                None if field.is_required => {
                    problems.insert(field.name.to_owned(), "it is required".into());
                }
                None => {}
            }
        }
        let Some((first, problem)) = problems.iter().next() else {
            return Ok(Self(kept));
        };
        let message = format!("{first}: {}", problem.as_str().unwrap_or_default());
        let error = ApiError::new(400, "VALIDATION_ERROR", message).with("field", first.as_str());
        Err(error.with("fields", problems))
    }

    /// The text of a field, empty if it is absent.
    pub fn text(&self, name: &str) -> &str {
        self.optional_text(name).unwrap_or_default()
    }

    /// The text of a field that may be absent.
    pub fn optional_text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// A password, which is wiped after use.
    pub fn password(&self, name: &str) -> Zeroizing<String> {
        Zeroizing::new(self.text(name).to_owned())
    }

    /// An email.
    ///
    /// # Errors
    /// `INVALID_EMAIL`.
    pub fn email(&self, name: &str) -> Result<Email, ApiError> {
        email(name, self.text(name))
    }

    /// A list of user ids.
    pub fn ids(&self, name: &str) -> Vec<AccountId> {
        let ids = self.0.get(name).and_then(Value::as_array);
        let ids = ids.into_iter().flatten();
        ids.filter_map(|id| id.as_str()?.parse().ok()).collect()
    }
}

/// Reads an email from the field called `name`.
///
/// # Errors
/// `INVALID_EMAIL`, with the reason.
pub fn email(name: &str, text: &str) -> Result<Email, ApiError> {
    text.parse::<Email>().map_err(|problem| ApiError {
        kind: "INVALID_EMAIL",
        ..ApiError::field(name, problem.to_string())
    })
}

impl Takes {
    /// What is wrong with `value`, if anything.
    fn problem(self, value: &Value) -> Option<String> {
        let text = value.as_str();
        match self {
            Self::Text(longest) => match text {
                None => Some("it must be a text".to_owned()),
                Some(text) if text.chars().any(char::is_control) => {
                    Some("it has a control character in it".to_owned())
                }
                Some(text) if text.chars().count() > longest => {
                    Some(format!("it is longer than {longest} characters"))
                }
                Some(_) => None,
            },
            Self::Password => match text {
                None => Some("it must be a text".to_owned()),
                Some(text) if text.len() > PASSWORD_MAX_BYTES => {
                    Some(format!("it is longer than {PASSWORD_MAX_BYTES} bytes"))
                }
                Some(_) => None,
            },
            Self::Ids => {
                let ids = value.as_array().filter(|ids| ids.len() <= IDS);
                let is_id = |id: &Value| {
                    id.as_str()
                        .is_some_and(|id| id.parse::<AccountId>().is_ok())
                };
                let are_ids = ids.is_some_and(|ids| ids.iter().all(is_id));
                (!are_ids).then(|| format!("it must be a list of at most {IDS} user ids"))
            }
            Self::OneOf(words) => {
                let is_one = text.is_some_and(|text| words.contains(&text));
                (!is_one).then(|| format!("it must be one of {}", words.join(", ")))
            }
        }
    }

    /// The same as a JSON schema.
    pub fn schema(self) -> Value {
        match self {
            Self::Text(longest) => json!({ "type": "string", "maxLength": longest }),
            Self::Password => {
                json!({ "type": "string", "format": "password", "maxLength": PASSWORD_MAX_BYTES })
            }
            Self::Ids => json!({
                "type": "array", "maxItems": IDS,
                "items": { "type": "string", "format": "uuid" },
            }),
            Self::OneOf(words) => json!({ "type": "string", "enum": words }),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const FIELDS: &[Field] = &[
        required("name", Takes::Text(5)),
        required("password", Takes::Password),
        optional("scope", Takes::OneOf(&["all", "some"])),
        optional("ids", Takes::Ids),
    ];

    #[test]
    fn every_field_has_its_own_problem() {
        let body = json!({ "name": "a\u{0}", "scope": "none", "ids": ["x"], "other": 1 });
        let error = Fields::check(body, FIELDS).unwrap_err();
        assert_eq!(error.status, 400);
        let fields = error.details["fields"].as_object().unwrap();
        let named: Vec<_> = fields.keys().map(String::as_str).collect();
        assert_eq!(named, ["name", "password", "scope", "ids"]);
        for body in [json!([]), json!(null), json!("x"), json!(1)] {
            assert!(Fields::check(body, FIELDS).is_err());
        }
        let long = json!({ "name": "abcdef", "password": "p" });
        assert!(Fields::check(long, FIELDS).is_err());
    }

    #[test]
    fn fields_that_a_route_does_not_list_are_dropped() {
        let body = json!({ "name": "ann", "password": "p", "is_admin": true, "scope": null });
        let fields = Fields::check(body, FIELDS).unwrap();
        assert_eq!(fields.text("name"), "ann");
        assert_eq!(fields.optional_text("scope"), None);
        assert_eq!(fields.0.len(), 2);
    }
}
