//! Why the database did not do what was asked.

/// Why a statement was not carried out. Nothing was changed, unless [`StoreError::Uncertain`].
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, is full, or takes no changes at present. Answer with 503.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The connection broke while the change was being committed, so it is unknown whether it was
    /// made. Answer with 503; a repetition finds out.
    #[error("the database did not confirm a change: {0}")]
    Uncertain(String),
    /// The connection string cannot be used.
    #[error("the database's address: {0}")]
    Address(String),
    /// A fault of this program or of the database's contents.
    #[error("the database refused a statement: {0}")]
    Broken(String),
}
