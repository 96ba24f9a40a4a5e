//! A request to a page.

use serde_json::{Map, Value};

use crate::api::fields::Fields;
use crate::api::{self, Answer, ApiError, App, Body, Call, Given, Operation, ROUTES};
use crate::service::Client;
use crate::token::SessionToken;

/// A request to a page, already checked as far as HTTP goes.
#[derive(Default)]
pub struct Visit {
    /// Whether a form was sent.
    pub is_post: bool,
    /// The path.
    pub path: String,
    /// The query of the address.
    pub query: Vec<(String, String)>,
    /// The fields of the form.
    pub form: Map<String, Value>,
    /// The cookies; nothing else identifies the visitor of a page.
    pub given: Given,
    /// Who sent it.
    pub client: Client,
}

impl Visit {
    /// The text of a field of the form, empty if it is absent.
    pub fn text(&self, name: &str) -> &str {
        self.form
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// A value of the query, empty if it is absent.
    pub fn query(&self, name: &str) -> &str {
        let found = self.query.iter().find(|(own, _)| own == name);
        found.map_or("", |(_, value)| value)
    }

    /// The identity of the visitor, for one request to the API.
    fn given(&self) -> Given {
        Given {
            bearer: None,
            cookie: self.given.cookie.as_ref().map(SessionToken::copied),
            user_id: None,
            claim: self.given.claim.as_ref().map(crate::token::Claim::copied),
        }
    }

    /// Carries out an operation of the API in the visitor's name, with its own checks. `body` is
    /// the object or document of the request, `path` the variables of the path.
    ///
    /// # Errors
    /// What the API answers instead.
    pub async fn perform(
        &self,
        app: &App,
        operation: Operation,
        body: Value,
        path: Vec<String>,
        query: Vec<(String, String)>,
    ) -> Result<Answer, ApiError> {
        let route = ROUTES.iter().find(|route| route.operation == operation);
        let route = route.ok_or_else(|| ApiError::not_found("there is no such operation"))?;
        let given = self.given();
        let owner = path.first().map(String::as_str);
        let session = api::admit(app, route, &given, owner).await?;
        let (fields, document) = match route.body {
            Body::None => (Fields::default(), Value::Null),
            Body::Document => (Fields::default(), body),
            Body::Json(fields) | Body::Form(fields) => (Fields::check(body, fields)?, Value::Null),
        };
        let call = Call {
            client: self.client.clone(),
            given,
            session,
            fields,
            document,
            path,
            query,
        };
        api::answer(app, operation, call).await
    }

    /// As [`Visit::perform`], with the form as the body.
    ///
    /// # Errors
    /// As [`Visit::perform`].
    pub async fn submit(&self, app: &App, operation: Operation) -> Result<Answer, ApiError> {
        let form = Value::Object(self.form.clone());
        self.perform(app, operation, form, Vec::new(), Vec::new())
            .await
    }
}
