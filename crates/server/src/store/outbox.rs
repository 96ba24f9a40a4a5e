//! Audit events that were committed with their changes and are not in the sealed log yet.

use super::flow::Flow;
use super::value::{Row, Statement, Value};
use super::{Store, StoreError, all, first};
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
            "SELECT id, at, event FROM outbox WHERE node = $1 AND set_aside_at IS NULL \
             ORDER BY at, id LIMIT $2",
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

    /// Sets events aside: they wait no more, and stay as they are.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn set_aside(&self, ids: &[String], now: Millis) -> Result<(), StoreError> {
        let set_aside = |id: &String| {
            Statement::new(
                "UPDATE outbox SET set_aside_at = $1 WHERE id = $2",
                [now.0.into(), id.as_str().into()],
            )
        };
        let statements: Vec<Statement> = ids.iter().map(set_aside).collect();
        self.change(move || Flow::Commit(statements.clone(), ()))
            .await
    }

    /// Up to `limit` of the events that were set aside, by id, after the one with the id `after`.
    /// Before all of them is the empty text.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn set_aside_events(
        &self,
        after: &str,
        limit: i64,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        let statement = Statement::new(
            "SELECT id, at, event FROM outbox WHERE set_aside_at IS NOT NULL AND id > $1 \
             ORDER BY id LIMIT $2",
            [after.into(), limit.into()],
        );
        all(self.query(&statement).await?, read)
    }

    /// How many events are set aside.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn count_set_aside(&self) -> Result<i64, StoreError> {
        let count = "SELECT count(*) FROM outbox WHERE set_aside_at IS NOT NULL";
        let rows = self.query(&Statement::new(count, [])).await?;
        Ok(first(rows, Row::int)?.unwrap_or(0))
    }

    /// Lets an event that was set aside wait again, for `node`.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn return_to_outbox(&self, id: &str, node: &str) -> Result<(), StoreError> {
        let statement = Statement::new(
            "UPDATE outbox SET set_aside_at = NULL, node = $1 \
             WHERE id = $2 AND set_aside_at IS NOT NULL RETURNING id",
            [node.into(), id.into()],
        );
        self.write(statement).await.map(drop)
    }

    /// Hands the events of nodes that did not seal them since `before` to `node`, and returns how
    /// many there were.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn adopt_outbox(&self, node: &str, before: Millis) -> Result<usize, StoreError> {
        let statement = Statement::new(
            "UPDATE outbox SET node = $1 WHERE node <> $1 AND at < $2 \
             AND set_aside_at IS NULL RETURNING id",
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
