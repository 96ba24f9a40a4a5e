//! The table of routes. The server answers by it, `/openapi.json` is made from it, and the tests of
//! isolation go through it.

use nightlatch_audit::IncidentId;
use nightlatch_core::display_name::NAME_MAX_CHARS;
use nightlatch_core::email::EMAIL_MAX_BYTES;

use super::answer::Answer;
use super::app::App;
use super::call::Call;
use super::error::ApiError;
use super::fields::Takes::{Ids, OneOf, Password, Text};
use super::fields::{Field, optional, required};
use super::{account, admin, guest, items, link, merge, session, sessions, token};
use crate::service::sessions::Activity;

/// An HTTP method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`, and `HEAD` without a body.
    Get,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `DELETE`
    Delete,
}

/// Every method, by its name.
pub const METHODS: [(&str, Method); 4] = [
    ("GET", Method::Get),
    ("POST", Method::Post),
    ("PUT", Method::Put),
    ("DELETE", Method::Delete),
];

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Open,
    /// Whoever has a live session.
    Session,
    /// Whoever has the session of a registered account.
    Account,
    /// Administrators.
    Admin,
    /// The account that the path names.
    Owner,
}

/// What a request's body is.
#[derive(Clone, Copy, Debug)]
pub enum Body {
    /// Ignored.
    None,
    /// A JSON object with these fields.
    Json(&'static [Field]),
    /// The same, or `application/x-www-form-urlencoded`.
    Form(&'static [Field]),
    /// A JSON document of any form.
    Document,
}

/// A route.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, with variables in braces.
    pub path: &'static str,
    /// What it does.
    pub operation: Operation,
    /// Who may use it.
    pub access: Access,
    /// What it takes.
    pub body: Body,
    /// What it is for, in a sentence.
    pub about: &'static str,
    /// The status codes of its answers, besides those that any route may give.
    pub answers: &'static [u16],
}

/// What a route does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the table says what each is for")]
pub enum Operation {
    BeginGuest,
    ShowSession,
    RefreshSession,
    EndSession,
    RequestLink,
    VerifyLink,
    Merge,
    LookUp,
    Revoke,
    Register,
    LogIn,
    LogOut,
    SetUp,
    ShowProfile,
    Rename,
    ListItems,
    CreateItem,
    ShowItem,
    ReplaceItem,
    RemoveItem,
    ListSessions,
    EndOneSession,
    KeySet,
    Metadata,
    Introspect,
    RevokeToken,
}

impl Operation {
    /// Whether a request counts as activity of the person.
    pub fn activity(self) -> Activity {
        match self {
            // Programs poll the first two, also while nobody is there. A refresh records its
            // activity itself, together with its event.
            Self::ShowSession | Self::Introspect | Self::RefreshSession => Activity::Passive,
            _ => Activity::Active,
        }
    }
}

const fn route(
    method: Method,
    path: &'static str,
    operation: Operation,
    (access, body): (Access, Body),
    about: &'static str,
    answers: &'static [u16],
) -> Route {
    Route {
        method,
        path,
        operation,
        access,
        body,
        about,
        answers,
    }
}

const LINK: &[Field] = &[
    required("email", Text(EMAIL_MAX_BYTES)),
    optional("anonymous_user_id", Text(36)),
];
const REGISTRATION: &[Field] = &[
    required("email", Text(EMAIL_MAX_BYTES)),
    required("name", Text(NAME_MAX_CHARS)),
    required("password", Password),
];
const SETUP: &[Field] = &[
    required("token", Text(43)),
    required("email", Text(EMAIL_MAX_BYTES)),
    required("name", Text(NAME_MAX_CHARS)),
    required("password", Password),
];
const TOKEN: &[Field] = &[
    required("token", Text(4096)),
    optional("token_type_hint", Text(100)),
];
const REVOCATION: &[Field] = &[
    required(
        "scope",
        OneOf(&["specific", "all_anonymous", "all_authenticated", "all"]),
    ),
    optional("user_ids", Ids),
    required("reason", Text(500)),
    optional("incident_id", Text(IncidentId::MAX_CHARS)),
];

/// Every route of the API.
pub const ROUTES: &[Route] = {
    use Access::{Account, Admin, Open, Owner, Session};
    use Body::{Document, Form, Json, None};
    use Method::{Delete, Get, Post, Put};
    use Operation as Op;
    &[
        route(
            Post,
            "/api/v2/auth/anonymous",
            Op::BeginGuest,
            (
                Open,
                Json(&[
                    optional("existing_session_id", Text(43)),
                    optional("timezone", Text(64)),
                ]),
            ),
            "Begins a guest session without registration, or goes on with the one given.",
            &[200, 201, 400, 429],
        ),
        route(
            Get,
            "/api/v2/auth/session",
            Op::ShowSession,
            (Session, None),
            "Says how long the session lives. Does not extend it.",
            &[200],
        ),
        route(
            Post,
            "/api/v2/auth/session/refresh",
            Op::RefreshSession,
            (Session, None),
            "Restarts the idle timer and issues a new access token.",
            &[200, 429],
        ),
        route(
            Delete,
            "/api/v2/auth/session",
            Op::EndSession,
            (Session, None),
            "Ends the session and its tokens.",
            &[204],
        ),
        route(
            Post,
            "/api/v2/auth/signout",
            Op::EndSession,
            (Session, None),
            "Ends the session and its tokens.",
            &[204],
        ),
        route(
            Post,
            "/api/v2/auth/magic-link/request",
            Op::RequestLink,
            (Open, Json(LINK)),
            "Mails a link that signs in once, within an hour. A newer link of the same browser replaces it.",
            &[202, 400, 429],
        ),
        route(
            Post,
            "/api/v2/auth/magic-link",
            Op::RequestLink,
            (Open, Json(LINK)),
            "The same, for older clients.",
            &[202, 400, 429],
        ),
        route(
            Post,
            "/api/v2/auth/magic-link/verify",
            Op::VerifyLink,
            (
                Open,
                Json(&[
                    required("token", Text(43)),
                    optional("signature", Text(500)),
                ]),
            ),
            "Redeems a sign-in link. Of any number of requests at once, exactly one succeeds.",
            &[200, 400, 409, 410, 429],
        ),
        route(
            Post,
            "/api/v2/auth/merge",
            Op::Merge,
            (
                Account,
                Json(&[
                    optional("source_user_id", Text(36)),
                    optional("anonymous_user_id", Text(36)),
                    optional("idempotency_key", Text(200)),
                ]),
            ),
            "Merges a guest into the account. A repetition gives the same answer.",
            &[200, 400, 404, 409],
        ),
        route(
            Get,
            "/api/v2/users/lookup",
            Op::LookUp,
            (Admin, None),
            "Finds an account by its email.",
            &[200, 400],
        ),
        route(
            Post,
            "/api/v2/admin/sessions/revoke",
            Op::Revoke,
            (Admin, Json(REVOCATION)),
            "Ends sessions on all nodes at once. Their people are told the reason.",
            &[200, 400],
        ),
        route(
            Post,
            "/api/auth/register",
            Op::Register,
            (Open, Json(REGISTRATION)),
            "Creates an account and signs in.",
            &[201, 202, 400, 409, 429],
        ),
        route(
            Post,
            "/api/auth/login",
            Op::LogIn,
            (
                Open,
                Json(&[
                    required("email", Text(EMAIL_MAX_BYTES)),
                    required("password", Password),
                ]),
            ),
            "Signs in with a password.",
            &[200, 400, 401, 423, 429],
        ),
        route(
            Post,
            "/api/auth/logout",
            Op::LogOut,
            (Session, None),
            "Ends the session and its tokens.",
            &[200],
        ),
        route(
            Post,
            "/api/v2/auth/setup",
            Op::SetUp,
            (Open, Json(SETUP)),
            "Creates the first administrator, with the setup link of the first start.",
            &[201, 400, 409, 410],
        ),
        route(
            Get,
            "/api/auth/profile",
            Op::ShowProfile,
            (Session, None),
            "The profile of the account.",
            &[200, 404],
        ),
        route(
            Put,
            "/api/auth/profile",
            Op::Rename,
            (Session, Json(&[required("name", Text(NAME_MAX_CHARS))])),
            "Changes the name of the account.",
            &[200, 400, 404],
        ),
        route(
            Get,
            "/api/users/{user_id}/{kind}",
            Op::ListItems,
            (Owner, None),
            "All documents of a kind, with those of the guests merged into the account.",
            &[200, 404],
        ),
        route(
            Post,
            "/api/users/{user_id}/{kind}",
            Op::CreateItem,
            (Owner, Document),
            "Creates a document of at most 32 KiB.",
            &[201, 400, 404, 409, 413],
        ),
        route(
            Get,
            "/api/users/{user_id}/{kind}/{id}",
            Op::ShowItem,
            (Owner, None),
            "One document.",
            &[200, 404],
        ),
        route(
            Put,
            "/api/users/{user_id}/{kind}/{id}",
            Op::ReplaceItem,
            (Owner, Document),
            "Replaces a document.",
            &[200, 400, 404, 409, 413],
        ),
        route(
            Delete,
            "/api/users/{user_id}/{kind}/{id}",
            Op::RemoveItem,
            (Owner, None),
            "Removes a document.",
            &[204, 404],
        ),
        route(
            Get,
            "/api/v2/sessions",
            Op::ListSessions,
            (Session, None),
            "The sessions of the account, ended ones included.",
            &[200],
        ),
        route(
            Delete,
            "/api/v2/sessions/{id}",
            Op::EndOneSession,
            (Session, None),
            "Ends one session of the account, or all others with the id `others`.",
            &[200, 204, 404],
        ),
        route(
            Get,
            "/.well-known/jwks.json",
            Op::KeySet,
            (Open, None),
            "The public keys that verify access tokens (RFC 7517).",
            &[200],
        ),
        route(
            Get,
            "/.well-known/oauth-authorization-server",
            Op::Metadata,
            (Open, None),
            "Where everything is (RFC 8414).",
            &[200],
        ),
        route(
            Post,
            "/oauth/introspect",
            Op::Introspect,
            (Session, Form(TOKEN)),
            "Whether an access token is valid and its session lives (RFC 7662).",
            &[200, 400],
        ),
        route(
            Post,
            "/oauth/revoke",
            Op::RevokeToken,
            (Open, Form(TOKEN)),
            "Ends the session of an access token (RFC 7009).",
            &[200, 400],
        ),
    ]
};

/// Carries out `operation`.
///
/// # Errors
/// What the route answers instead.
pub async fn answer(app: &App, operation: Operation, call: Call) -> Result<Answer, ApiError> {
    match operation {
        Operation::BeginGuest => guest::begin(app, call).await,
        Operation::ShowSession => session::show(&call),
        Operation::RefreshSession => session::refresh(app, call).await,
        Operation::EndSession => session::end(app, &call).await,
        Operation::RequestLink => link::request(app, call).await,
        Operation::VerifyLink => link::verify(app, call).await,
        Operation::Merge => merge::merge(app, &call).await,
        Operation::LookUp => admin::look_up(app, &call).await,
        Operation::Revoke => admin::revoke(app, &call).await,
        Operation::Register => account::register(app, call).await,
        Operation::LogIn => account::log_in(app, call).await,
        Operation::LogOut => session::log_out(app, &call).await,
        Operation::SetUp => account::set_up(app, call).await,
        Operation::ShowProfile => account::profile(&call),
        Operation::Rename => account::rename(app, &call).await,
        Operation::ListItems => items::list(app, &call).await,
        Operation::CreateItem => items::create(app, &call).await,
        Operation::ShowItem => items::show(app, &call).await,
        Operation::ReplaceItem => items::replace(app, &call).await,
        Operation::RemoveItem => items::remove(app, &call).await,
        Operation::ListSessions => sessions::list(app, &call).await,
        Operation::EndOneSession => sessions::end(app, &call).await,
        Operation::KeySet => Ok(token::keys(app)),
        Operation::Metadata => Ok(token::metadata(app)),
        Operation::Introspect => token::introspect(app, &call).await,
        Operation::RevokeToken => token::revoke(app, &call).await,
    }
}
