//! `/openapi.json`, made from the table of routes.

use serde_json::{Map, Value, json};

use crate::api::fields::Field;
use crate::api::{Access, Body, METHODS, ROUTES, Route};

/// The description of the API (OpenAPI 3.1). `origin` is what browsers call this server.
pub fn describe(origin: &str) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        let method = METHODS.iter().find(|(_, method)| *method == route.method);
        if let (Some(path), Some((name, _))) = (path.as_object_mut(), method) {
            path.insert(name.to_ascii_lowercase(), operation(route));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "nightlatch-server",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Accounts, guests, sessions, sign-in links and revocation.",
        },
        "servers": [{ "url": origin }],
        "paths": paths,
        "components": {
            "schemas": { "Error": error() },
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" },
                "cookie": { "type": "apiKey", "in": "cookie", "name": "__Host-nightlatch" },
                "guest": { "type": "apiKey", "in": "header", "name": "X-User-ID" },
            },
        },
    })
}

fn operation(route: &Route) -> Value {
    let mut operation = json!({
        "operationId": operation_id(route),
        "summary": route.about,
        "responses": responses(route),
    });
    let Some(fields) = operation.as_object_mut() else {
        return operation;
    };
    let mut parameters: Vec<Value> = variables(route.path)
        .map(|name| {
            json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } })
        })
        .collect();
    if route.path.ends_with("/lookup") {
        let schema = json!({ "type": "string", "format": "email" });
        parameters
            .push(json!({ "name": "email", "in": "query", "required": true, "schema": schema }));
    }
    if !parameters.is_empty() {
        fields.insert("parameters".to_owned(), parameters.into());
    }
    if let Some(body) = request_body(route.body) {
        fields.insert("requestBody".to_owned(), body);
    }
    let security = match route.access {
        Access::Open => json!([]),
        Access::Session | Access::Owner => {
            json!([{ "bearer": [] }, { "cookie": [] }, { "guest": [] }])
        }
        Access::Account | Access::Admin => json!([{ "bearer": [] }, { "cookie": [] }]),
    };
    fields.insert("security".to_owned(), security);
    operation
}

/// A name for generated clients: the method and the path's words. Two routes of one operation have
/// two names.
fn operation_id(route: &Route) -> String {
    let method = METHODS.iter().find(|(_, method)| *method == route.method);
    let method = method.map_or("", |(name, _)| name).to_ascii_lowercase();
    let words = route.path.split(|c: char| !c.is_ascii_alphanumeric());
    let words = words.filter(|word| !word.is_empty() && !["api", "v2"].contains(word));
    words.fold(method, |name, word| format!("{name}_{word}"))
}

/// The names in braces in a path.
fn variables(path: &'static str) -> impl Iterator<Item = &'static str> {
    path.split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn request_body(body: Body) -> Option<Value> {
    let (schema, types, is_required): (Value, &[&str], bool) = match body {
        Body::None => return None,
        Body::Document => (json!({}), &["application/json"], true),
        Body::Json(fields) => (object(fields), &["application/json"], needs_any(fields)),
        Body::Form(fields) => {
            let types = &["application/x-www-form-urlencoded", "application/json"];
            (object(fields), types, needs_any(fields))
        }
    };
    let content: Map<String, Value> = types
        .iter()
        .map(|&media_type| (media_type.to_owned(), json!({ "schema": schema })))
        .collect();
    Some(json!({ "required": is_required, "content": content }))
}

fn needs_any(fields: &[Field]) -> bool {
    fields.iter().any(|field| field.is_required)
}

fn object(fields: &[Field]) -> Value {
    let properties: Map<String, Value> = fields
        .iter()
        .map(|field| (field.name.to_owned(), field.takes.schema()))
        .collect();
    let required: Vec<&str> = fields
        .iter()
        .filter(|field| field.is_required)
        .map(|field| field.name)
        .collect();
    json!({ "type": "object", "properties": properties, "required": required })
}

/// The answers of a route: its own, those of its access and body, and those of any route.
fn responses(route: &Route) -> Map<String, Value> {
    let mut statuses: Vec<u16> = route.answers.to_vec();
    statuses.extend([400, 421, 503]);
    if route.access != Access::Open {
        statuses.extend([401, 403]);
    } else if !matches!(route.method, crate::api::Method::Get) {
        statuses.push(403);
    }
    if !matches!(route.body, Body::None) {
        statuses.extend([408, 413, 415]);
    }
    statuses.sort_unstable();
    statuses.dedup();
    statuses
        .into_iter()
        .map(|status| (status.to_string(), response(status)))
        .collect()
}

fn response(status: u16) -> Value {
    let reason = hyper::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("");
    match status {
        204 => json!({ "description": reason }),
        200..=299 => json!({
            "description": reason,
            "content": { "application/json": { "schema": { "type": "object" } } },
        }),
        _ => json!({
            "description": reason,
            "content": {
                "application/json": { "schema": { "$ref": "#/components/schemas/Error" } },
            },
        }),
    }
}

/// The one form of all errors.
fn error() -> Value {
    json!({
        "type": "object",
        "properties": {
            "error": { "type": "string" },
            "message": { "type": "string" },
            "code": { "type": "string" },
            "detail": { "type": "string" },
            "details": { "type": "object" },
        },
        "required": ["error", "message", "code", "detail", "details"],
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use nightlatch_audit::IncidentId;

    use super::*;

    #[test]
    fn every_route_is_described_once_under_its_own_name() {
        let described = describe("https://login.example.com");
        let names: BTreeSet<String> = ROUTES.iter().map(operation_id).collect();
        assert_eq!(names.len(), ROUTES.len());
        for route in ROUTES {
            let method = METHODS.iter().find(|(_, method)| *method == route.method);
            let method = method.map_or("", |(name, _)| name).to_ascii_lowercase();
            let operation = &described["paths"][route.path][method];
            assert_eq!(operation["operationId"], operation_id(route));
        }
        let register = &described["paths"]["/api/auth/register"]["post"];
        let schema = &register["requestBody"]["content"]["application/json"]["schema"];
        assert_eq!(schema["required"], json!(["email", "name", "password"]));
    }

    #[test]
    fn the_described_length_of_an_incident_id_is_the_one_of_the_log() {
        let described = describe("https://login.example.com");
        let revoke = &described["paths"]["/api/v2/admin/sessions/revoke"]["post"];
        let schema = &revoke["requestBody"]["content"]["application/json"]["schema"];
        assert_eq!(schema["properties"]["incident_id"]["maxLength"], 64);
        let is_taken = |length| "x".repeat(length).parse::<IncidentId>().is_ok();
        assert!(is_taken(64) && !is_taken(65));
    }
}
