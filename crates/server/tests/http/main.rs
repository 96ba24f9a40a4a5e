//! The server as its clients see it: the real program, over HTTP, on SQLite and on PostgreSQL.

#![allow(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used
)]

mod accounts;
mod backup;
mod bad_input;
mod browsers;
mod documents;
mod fixture;
mod guests;
mod held_bodies;
mod isolation;
mod links;
mod lockouts;
mod mails;
mod operation;
mod pages;
#[path = "../support/postgres.rs"]
#[allow(dead_code)]
mod postgres;
mod races;
mod restore;
mod retention;
mod revocation;
mod sessions;
#[path = "../support/smtp.rs"]
mod smtp;
mod stalled;
mod tokens;
mod tour;
mod unreadable_events;
