//! Another command-line program that guards one of its own commands with the user's Nightlatch
//! session: `status` is for anyone, `deploy` is not.
//!
//! ```console
//! $ cargo run --example deploy -- status
//! $ cargo run --example deploy -- deploy production
//! ```

#![allow(clippy::disallowed_macros)] // an example prints as other programs do

use std::process::{Command, ExitCode};

use nightlatch::{ActiveSession, Denied, Guard, GuardConfig};

/// Takes the proof, so that nobody can call it without one.
fn deploy(session: &ActiveSession<'_>, target: &str) -> Result<(), Box<dyn std::error::Error>> {
    println!("deploying to {target} as {}", session.username());
    // A command that runs under the guard as `nightlatch exec` would run it: recorded, with a lease.
    let finished = session.run(Command::new("echo").arg("uploading"))?;
    println!(
        "{:?}; the session lives until {}",
        finished.ended,
        session.expires_at()
    );
    Ok(())
}

#[allow(clippy::disallowed_methods)] // an example's main reads its own surroundings
fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let config = match std::env::var_os("NIGHTLATCH_HOME") {
        Some(home) => GuardConfig::under(home),
        None => GuardConfig::of_user()?,
    };
    let guard = Guard::open(config)?;
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["status"] => println!("all systems up"),
        ["deploy", target] => match guard.require("deploy") {
            Ok(session) => deploy(&session, target)?,
            Err(denied @ Denied::NoSession { .. }) => {
                eprintln!("deploy: {denied}; sign in with: nightlatch login");
                return Ok(ExitCode::from(4));
            }
            Err(denied) => return Err(denied.into()),
        },
        _ => {
            eprintln!("usage: deploy status | deploy deploy TARGET");
            return Ok(ExitCode::from(2));
        }
    }
    Ok(ExitCode::SUCCESS)
}
