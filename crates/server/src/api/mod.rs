//! The API: one file per resource, from a checked request to an answer. What HTTP is, is in `http`.

mod account;
mod admin;
mod admission;
mod answer;
mod app;
mod call;
pub mod error;
pub mod fields;
mod guest;
mod identity;
mod items;
mod link;
mod merge;
mod routes;
mod session;
mod sessions;
mod token;

pub use admission::admit;
pub use answer::{Answer, SessionCookie, session_answer};
pub use app::{App, Options};
pub use call::{Call, Given};
pub use error::ApiError;
pub use identity::resolve;
pub use routes::{Access, Body, METHODS, Method, Operation, ROUTES, Route, answer};
