//! Fields of forms, with the problem of each beside it.

use nightlatch_core::display_name::NAME_MAX_CHARS;
use nightlatch_core::email::EMAIL_MAX_BYTES;
use nightlatch_core::password::PASSWORD_MAX_BYTES;
use serde_json::Value;

use super::visit::Visit;
use crate::api::ApiError;

/// A field of a form.
pub struct FormField {
    /// Its name.
    pub name: &'static str,
    /// Its label.
    pub label: &'static str,
    /// What people should know before they fill it in.
    pub hint: &'static str,
    /// The type of the input.
    pub kind: &'static str,
    /// What browsers fill in.
    pub autocomplete: &'static str,
    /// Its longest text.
    pub longest: usize,
    /// What was entered; never a password.
    pub value: String,
    /// What is wrong with it.
    pub problem: String,
}

/// A problem that concerns no field.
pub struct Problem {
    /// What happened.
    pub message: String,
}

impl Problem {
    /// The problem of `error`.
    pub fn of(error: &ApiError) -> Self {
        let message = match error.retry_after {
            Some(time) => format!(
                "{}; try again in {} s",
                error.message,
                time.as_secs().max(1)
            ),
            None => error.message.clone(),
        };
        Self { message }
    }
}

/// The fields of a registration, as they were sent.
pub fn registration(visit: &Visit) -> Vec<FormField> {
    let field = |name, label, hint, kind, autocomplete, longest| FormField {
        name,
        label,
        hint,
        kind,
        autocomplete,
        longest,
        value: if kind == "password" {
            String::new()
        } else {
            visit.text(name).to_owned()
        },
        problem: String::new(),
    };
    let hint = "Four or five unrelated words make a good password.";
    vec![
        field("email", "Email", "", "email", "username", EMAIL_MAX_BYTES),
        field("name", "Name", "", "text", "name", NAME_MAX_CHARS),
        field(
            "password",
            "Password",
            hint,
            "password",
            "new-password",
            PASSWORD_MAX_BYTES,
        ),
    ]
}

/// Puts the problems of `error` beside their fields, and returns what concerns none of them.
pub fn place(error: &ApiError, fields: &mut [FormField]) -> Option<Problem> {
    let problems = error.details.get("fields").and_then(Value::as_object);
    let mut is_placed = false;
    for field in fields.iter_mut() {
        let problem = problems.and_then(|problems| problems.get(field.name)?.as_str());
        if let Some(problem) = problem {
            problem.clone_into(&mut field.problem);
            is_placed = true;
        }
    }
    if error.kind == "EMAIL_ALREADY_EXISTS"
        && let Some(field) = fields.iter_mut().find(|field| field.name == "email")
    {
        field.problem.clone_from(&error.message);
        is_placed = true;
    }
    (!is_placed).then(|| Problem::of(error))
}
