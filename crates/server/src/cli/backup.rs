//! `backup` and `restore`: copies of a node on SQLite.

use std::path::Path;
use std::sync::Arc;

use nightlatch_platform::clock::SystemClock;

use super::settings::Start;
use super::{Failure, ui};
use crate::backup::{RESTORED_LOG, back_up, restore};
use crate::node::Database;

/// Copies the database and the audit log to a new directory.
pub fn back_up_to(start: &Start, to: &Path) -> Result<u8, Failure> {
    let database = sqlite(&start.settings.database)?;
    let made = back_up(&start.settings.data, database, to)?;
    let (shown, events) = (to.display(), made.events);
    ui::print(&format!(
        "Backup made in {shown} ({events} events in its audit log)"
    ))?;
    Ok(0)
}

/// Restores a backup into the data directory.
pub async fn restore_from(start: Start, from: &Path) -> Result<u8, Failure> {
    let database = sqlite(&start.settings.database)?;
    let data = &start.settings.data;
    let made = restore(from, data, database, Arc::new(SystemClock)).await?;
    let (shown, sessions) = (data.display(), made.sessions);
    ui::print(&format!("Restored into {shown}; {sessions} sessions ended"))?;
    if made.events > 0 {
        let log = data.join(RESTORED_LOG);
        let (events, log) = (made.events, log.display());
        ui::print(&format!(
            "The log of the backup ({events} events) is in {log}"
        ))?;
    }
    Ok(0)
}

fn sqlite(database: &Database) -> Result<&Path, Failure> {
    match database {
        Database::Sqlite(path) => Ok(path),
        Database::Postgres(_) => Err(
            "the database is PostgreSQL: back it up with pg_dump, and the \
                                      audit log of each node with it; see docs/server/operating.md"
                .into(),
        ),
    }
}
