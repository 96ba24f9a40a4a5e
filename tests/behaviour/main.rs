//! End-to-end tests of the program.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::panic
)]

mod support;

mod account;
mod accounts;
mod agent;
mod alerts;
mod appearance;
mod audit;
mod bad_input;
mod book;
mod clipboard;
mod clocks;
mod completions;
mod config;
mod crash;
mod doctor;
mod documented;
mod elsewhere;
mod end_notice;
mod ends;
mod enrolment;
mod export;
mod file_graph;
mod files;
mod hashed;
mod holds;
mod hook;
mod interactive;
mod jobs;
mod keepers;
mod leases;
mod library;
mod linking;
mod locking;
mod looking;
mod main_job;
mod manual;
mod masking;
mod memory;
mod messages;
mod migration;
mod on_end;
mod platforms;
mod prompt;
mod races;
mod recipes;
mod report;
mod report_browser;
mod retention;
mod revocation;
mod run;
mod secret_editing;
mod secret_memory;
mod secret_prompt;
mod secret_use;
mod secret_users;
mod secrets;
mod shipping;
mod sign_in;
mod signals;
mod status;
mod structure;
mod supply;
mod surroundings;
mod tamper;
mod transcripts;
mod users;
mod watch;
