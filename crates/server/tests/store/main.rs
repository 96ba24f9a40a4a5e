//! What the rest of the server relies on of the database, on SQLite and on PostgreSQL alike.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::disallowed_macros
)]

#[allow(dead_code)] // no standby here
#[path = "../support/postgres.rs"]
mod postgres;

mod fixture;

mod accounts;
mod items;
mod links;
mod merges;
mod migrations;
mod restarts;
mod retention;
mod revocations;
mod sessions;
mod throttles;
mod tls;
mod waiting_events;
