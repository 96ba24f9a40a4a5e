//! The tables, version by version. Each version is one transaction that starts with its row, so
//! that of several nodes that start at once one makes it and the others wait and find it made.

use super::error::StoreError;
use super::value::{Statement, Value};
use super::{Engine, Store};
use crate::clock::Millis;

/// The scripts, the first version first. A released one never changes.
const SCRIPTS: [&str; 5] = [
    include_str!("0001.sql"),
    include_str!("0002.sql"),
    include_str!("0003.sql"),
    include_str!("0004.sql"),
    include_str!("0005.sql"),
];

/// Where the versions are kept.
const TABLE: &str =
    "CREATE TABLE IF NOT EXISTS migration (version BIGINT PRIMARY KEY, applied BIGINT NOT NULL)";

impl Store {
    /// Brings the tables up to date.
    ///
    /// # Errors
    /// When the database is not available, or was made by a later version of this program.
    pub async fn migrate(&self, now: Millis) -> Result<(), StoreError> {
        self.migrate_to(&SCRIPTS, now).await
    }

    /// Applies those of `scripts` that were not applied yet.
    async fn migrate_to(&self, scripts: &[&'static str], now: Millis) -> Result<(), StoreError> {
        self.create_version_table().await?;
        let applied = self.version().await?;
        let known = i64::try_from(scripts.len()).unwrap_or(i64::MAX);
        if applied > known {
            return Err(StoreError::Broken(format!(
                "the database has version {applied}, and this program knows only up to {known}"
            )));
        }
        for (version, script) in (1..).zip(scripts) {
            let first = Statement::new(
                "INSERT INTO migration (version, applied) VALUES ($1, $2) \
                 ON CONFLICT (version) DO NOTHING RETURNING version",
                [Value::Int(version), now.0.into()],
            );
            match &self.engine {
                Engine::Sqlite(engine) => engine.script(first, script).await?,
                Engine::Postgres(engine) => Box::pin(engine.script(&first, script)).await?,
            }
        }
        Ok(())
    }

    /// The newest version that was applied.
    async fn version(&self) -> Result<i64, StoreError> {
        let newest = "SELECT coalesce(max(version), 0) FROM migration";
        let rows = self.query(&Statement::new(newest, [])).await?;
        rows.into_iter().next().map_or(Ok(0), |mut row| row.int())
    }

    /// Creates the table of versions. Two nodes that do so at once disturb each other in
    /// PostgreSQL, in spite of IF NOT EXISTS; the second try finds it.
    async fn create_version_table(&self) -> Result<(), StoreError> {
        let create = || self.write(Statement::new(TABLE, []));
        match create().await {
            Err(StoreError::Broken(_)) => create().await.map(drop),
            result => result.map(drop),
        }
    }
}
