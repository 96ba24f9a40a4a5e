//! A change: statements in one transaction, each chosen by what the one before returned.

use super::error::StoreError;
use super::value::{Row, Statement};

/// What to do with the rows of a statement.
pub type Then<T> = Box<dyn FnOnce(Vec<Row>) -> Result<Flow<T>, StoreError> + Send>;

/// The rest of a transaction.
pub enum Flow<T> {
    /// Run a statement and go on with its rows.
    Run(Statement, Then<T>),
    /// Run these statements, commit, and return the result.
    Commit(Vec<Statement>, T),
    /// Undo everything and return the result.
    Abandon(T),
}

impl<T> Flow<T> {
    /// Runs `statement` and goes on with its rows.
    pub fn run(
        statement: Statement,
        then: impl FnOnce(Vec<Row>) -> Result<Self, StoreError> + Send + 'static,
    ) -> Self {
        Self::Run(statement, Box::new(then))
    }
}
