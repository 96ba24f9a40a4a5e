//! `tour`: the whole job on the real program. Starts the server on a free port with its data in a
//! scratch directory, sends real requests, prints each with its answer, and leaves nothing.

mod process;
mod steps;

use super::Failure;
use super::settings::Start;
use crate::node::Database;
use process::{Scratch, Server};

/// Shows everything.
///
/// # Errors
/// When a step is not as it should be.
pub async fn run(start: Start, program: std::path::PathBuf) -> Result<u8, Failure> {
    // The address as configured, and with the password.
    let database = match &start.settings.database {
        Database::Postgres(url) => Some((start.config.database_url(), url.clone())),
        Database::Sqlite(_) => None,
    };
    let scratch = Scratch::create(database).await?;
    let shown = show(&program, &scratch).await;
    // First the data is removed, whatever happened.
    scratch.remove().await?;
    shown
}

async fn show(program: &std::path::Path, scratch: &Scratch) -> Result<u8, Failure> {
    let server = Server::start(program, scratch)?;
    let (address, outbox) = (server.address, scratch.data().join("outbox"));
    let setup = scratch.data().join("setup-link");
    let steps = tokio::task::spawn_blocking(move || {
        // Kept in one place, so that they can be read from top to bottom.
        steps::all(address, &outbox, &setup).map_err(|error| error.to_string())
    });
    let shown = steps.await?;
    let stopped = server.stop();
    shown?;
    stopped?;
    process::verify_log(program, scratch)?;
    super::ui::print("\nAll steps were as they should be. Nothing is left.")?;
    Ok(0)
}
