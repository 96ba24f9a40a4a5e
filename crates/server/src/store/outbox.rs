//! Audit events that were committed with their changes and are not in the sealed log yet.

use super::flow::Flow;
use super::value::{Row, Statement, Value};
use super::{Store, StoreError, all};
use crate::clock::Millis;

/// An event that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxRow {
    /// Its id, a UUID; also that of its line in the log.
    pub id: String,
    /// When it happened.
    pub at: Millis,
    /// The event, as JSON.
    pub event: String,
}

/// How many rows one statement removes.
const REMOVED: usize = 16;

impl OutboxRow {
    /// Puts the row into the outbox of `node`.
    pub fn insert(self, node: &str) -> Statement {
        Statement::new(
            "INSERT INTO outbox (id, node, at, event) VALUES ($1, $2, $3, $4)",
            [
                self.id.into(),
                node.into(),
                self.at.0.into(),
                self.event.into(),
            ],
        )
    }
}

fn read(row: &mut Row) -> Result<OutboxRow, StoreError> {
    Ok(OutboxRow {
        id: row.text()?,
        at: Millis(row.int()?),
        event: row.text()?,
    })
}

impl Store {
    /// The events that wait for a node, the oldest first.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn outbox(&self, node: &str, limit: i64) -> Result<Vec<OutboxRow>, StoreError> {
        let statement = Statement::new(
            "SELECT id, at, event FROM outbox WHERE node = $1 ORDER BY at, id LIMIT $2",
            [node.into(), limit.into()],
        );
        all(self.query(&statement).await?, read)
    }

    /// Removes events that are sealed.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn remove_from_outbox(&self, ids: &[String]) -> Result<(), StoreError> {
        let statements: Vec<Statement> = ids.chunks(REMOVED).map(remove).collect();
        self.change(move || Flow::Commit(statements.clone(), ()))
            .await
    }

    /// Hands the events of nodes that did not seal them since `before` to `node`, and returns how
    /// many there were.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn adopt_outbox(&self, node: &str, before: Millis) -> Result<usize, StoreError> {
        let statement = Statement::new(
            "UPDATE outbox SET node = $1 WHERE node <> $1 AND at < $2 RETURNING id",
            [node.into(), before.0.into()],
        );
        self.write(statement).await.map(|rows| rows.len())
    }
}

fn remove(ids: &[String]) -> Statement {
    // The last id fills the places that are left.
    let last = ids.last().cloned().unwrap_or_default();
    let mut parameters: Vec<Value> = ids.iter().map(|id| id.as_str().into()).collect();
    parameters.resize(REMOVED, last.into());
    Statement {
        text: "DELETE FROM outbox WHERE id IN \
               ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        parameters,
    }
}
