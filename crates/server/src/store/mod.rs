//! The database: SQLite or PostgreSQL. Each verb is one statement, whose text both run; what
//! belongs together is one transaction.

mod accounts;
mod error;
mod flow;
mod items;
mod links;
mod migrations;
mod outbox;
mod postgres;
mod retention;
mod revocations;
pub mod rows;
mod secrets;
mod sessions;
mod sqlite;
mod throttles;
mod value;

pub use accounts::{NewUser, RECLAIMED, WithPassword};
pub use error::StoreError;
pub use items::{Merge, Quota};
pub use links::{LinkRow, LinkState, NewLink, Redeemed, Redemption};
pub use outbox::OutboxRow;
pub use retention::{Kept, Removed};
pub use secrets::SecretRow;
pub use sessions::{Found, Key, NewSession};
pub use throttles::{Attempts, forget_sign_ins};
pub use value::{Statement, Value};

use std::path::PathBuf;
use std::sync::Arc;

use crate::clock::Millis;
use flow::Flow;
use postgres::Postgres;
use sqlite::Sqlite;
use value::Row;

/// Which database a node uses.
#[derive(Clone, PartialEq, Eq)]
pub enum Database {
    /// A file on this machine.
    Sqlite(PathBuf),
    /// A connection string of PostgreSQL, with one host or several. It may have the password.
    Postgres(String),
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => f.debug_tuple("Sqlite").field(path).finish(),
            Self::Postgres(_) => f.write_str("Postgres(..)"),
        }
    }
}

/// The database of a node. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    engine: Engine,
}

#[derive(Clone)]
enum Engine {
    Sqlite(Arc<Sqlite>),
    Postgres(Postgres),
}

impl Store {
    /// Opens the database. PostgreSQL is connected to by the first statement.
    ///
    /// # Errors
    /// When the file cannot be opened, or the connection string cannot be read.
    pub fn open(database: &Database) -> Result<Self, StoreError> {
        let engine = match database {
            Database::Sqlite(path) => Engine::Sqlite(Sqlite::open(path)?),
            Database::Postgres(string) => Engine::Postgres(Postgres::new(string)?),
        };
        Ok(Self { engine })
    }

    /// Closes the database, after which nobody has its file open; unless somebody else has this
    /// store still.
    ///
    /// # Errors
    /// When the writer has failed.
    pub fn close(self) -> Result<(), StoreError> {
        match self.engine {
            Engine::Sqlite(engine) => Arc::into_inner(engine).map_or(Ok(()), Sqlite::close),
            Engine::Postgres(_) => Ok(()),
        }
    }

    /// The clock of a database that several nodes share; `None` for a file.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn shared_clock(&self) -> Result<Option<Millis>, StoreError> {
        let Engine::Postgres(engine) = &self.engine else {
            return Ok(None);
        };
        let clock = "SELECT CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS BIGINT)";
        let rows = Box::pin(engine.query(&Statement::new(clock, []))).await?;
        first(rows, Row::int).map(|now| now.map(Millis))
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.query(&Statement::new("SELECT CAST(1 AS BIGINT)", []))
            .await
            .map(drop)
    }

    /// Commits events that belong to no change.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn record(&self, record: Vec<Statement>) -> Result<(), StoreError> {
        self.change(move || Flow::Commit(record.clone(), ())).await
    }

    /// Runs a statement that only reads.
    async fn query(&self, statement: &Statement) -> Result<Vec<Row>, StoreError> {
        match &self.engine {
            Engine::Sqlite(engine) => engine.query(statement),
            // Boxed, so that what waits for a file is not as large as what waits for a server.
            Engine::Postgres(engine) => Box::pin(engine.query(statement)).await,
        }
    }

    /// Runs a change of one statement.
    async fn write(&self, statement: Statement) -> Result<Vec<Row>, StoreError> {
        match &self.engine {
            Engine::Sqlite(engine) => engine.write(statement).await,
            Engine::Postgres(engine) => Box::pin(engine.write(statement)).await,
        }
    }

    /// Runs a change of several statements in one transaction.
    async fn change<T: Send + 'static>(
        &self,
        flow: impl Fn() -> Flow<T> + Send + Sync + 'static,
    ) -> Result<T, StoreError> {
        match &self.engine {
            Engine::Sqlite(engine) => engine.change(flow).await,
            Engine::Postgres(engine) => Box::pin(engine.change(flow)).await,
        }
    }
}

/// The first row, read by `read`.
fn first<T>(
    rows: Vec<Row>,
    read: impl FnOnce(&mut Row) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    rows.into_iter()
        .next()
        .map(|mut row| read(&mut row))
        .transpose()
}

/// All rows, each read by `read`.
fn all<T>(
    rows: Vec<Row>,
    read: impl Fn(&mut Row) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    rows.into_iter().map(|mut row| read(&mut row)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_shown_without_its_password() {
        let database = Database::Postgres("postgres://app@db/app?password=7gulls".to_owned());
        assert_eq!(format!("{database:?}"), "Postgres(..)");
        let file = Database::Sqlite("server.db".into());
        assert_eq!(format!("{file:?}"), "Sqlite(\"server.db\")");
    }
}
