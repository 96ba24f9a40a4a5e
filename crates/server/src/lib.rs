//! `nightlatch-server`: accounts, guests, sessions and sign-in links of many people, on SQLite or
//! PostgreSQL, with a sealed audit log.

#![deny(missing_docs)]

pub mod api;
pub mod backup;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod http;
pub mod node;
pub mod pages;
pub mod record;
pub mod requester;
pub mod service;
pub mod store;
pub mod token;
