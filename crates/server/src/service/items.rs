//! Documents of accounts, by kind. An account sees its own and those of the guests merged into it.

use std::sync::Arc;

use nightlatch_core::id::{AccountId, ItemId};

use super::context::Context;
use super::error::ServiceError;
use super::sessions::ActiveSession;
use crate::store::rows::{AccountKind, ItemRow};
use crate::store::{Quota, StoreError};

/// The largest document, in bytes of JSON text.
pub const LARGEST: usize = 32 * 1024;
/// The most that a guest may store.
pub const OF_A_GUEST: Quota = Quota {
    documents: 100,
    bytes: 1024 * 1024,
};
/// The most that a user may store, with the guests that were merged into the account.
pub const OF_A_USER: Quota = Quota {
    documents: 1_000,
    bytes: 8 * 1024 * 1024,
};

/// Why a document was not read or changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ItemError {
    /// 403 USER_MISMATCH: the path names another account, whether it exists or not.
    #[error("this belongs to another account")]
    Mismatch,
    /// 404: no such kind.
    #[error("there is no such kind of document")]
    UnknownKind,
    /// 404: no such document.
    #[error("there is no such document")]
    NotFound,
    /// 413: larger than [`LARGEST`].
    #[error("the document is larger than {LARGEST} bytes")]
    TooLarge,
    /// 409 QUOTA_EXCEEDED: the account has no room for it.
    #[error("this account may store {} documents of {} MiB together; remove some first", .0.documents, .0.bytes / (1024 * 1024))]
    NoRoom(Quota),
    /// 400: it has a NUL or another control character in a text.
    #[error("the document has a control character in it")]
    ControlCharacter,
    /// Anything else.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// Reads and changes documents. `owner` and `kind` are those of the path.
pub struct Items {
    context: Arc<Context>,
    kinds: Vec<String>,
}

impl Items {
    /// The documents of a node, of these kinds.
    pub fn new(context: Arc<Context>, kinds: Vec<String>) -> Self {
        Self { context, kinds }
    }

    /// All documents of a kind, the oldest first.
    ///
    /// # Errors
    /// [`ItemError`].
    pub async fn list(
        &self,
        session: &ActiveSession,
        owner: AccountId,
        kind: &str,
    ) -> Result<Vec<ItemRow>, ItemError> {
        self.authorize(session, owner, kind)?;
        Ok(self
            .context
            .store
            .items(owner, kind)
            .await
            .map_err(ServiceError::from)?)
    }

    /// Creates a document.
    ///
    /// # Errors
    /// [`ItemError`].
    pub async fn create(
        &self,
        session: &ActiveSession,
        owner: AccountId,
        kind: &str,
        body: &serde_json::Value,
    ) -> Result<ItemRow, ItemError> {
        self.authorize(session, owner, kind)?;
        let now = self.context.now();
        let item = ItemRow {
            id: ItemId::random().map_err(ServiceError::from)?.to_string(),
            body: written(body)?,
            created: now,
            updated: now,
        };
        let quota = quota(session);
        let insert = self.context.store.insert_item(owner, kind, &item, quota);
        if self.changed(insert).await? {
            Ok(item)
        } else {
            Err(ItemError::NoRoom(quota))
        }
    }

    /// One document.
    ///
    /// # Errors
    /// [`ItemError`].
    pub async fn get(
        &self,
        session: &ActiveSession,
        owner: AccountId,
        kind: &str,
        id: &str,
    ) -> Result<ItemRow, ItemError> {
        self.authorize(session, owner, kind)?;
        let found = self.context.store.item(owner, kind, known_form(id)?).await;
        found
            .map_err(ServiceError::from)?
            .ok_or(ItemError::NotFound)
    }

    /// Replaces a document.
    ///
    /// # Errors
    /// [`ItemError`].
    pub async fn put(
        &self,
        session: &ActiveSession,
        owner: AccountId,
        kind: &str,
        id: &str,
        body: &serde_json::Value,
    ) -> Result<ItemRow, ItemError> {
        self.authorize(session, owner, kind)?;
        let (body, now) = (written(body)?, self.context.now());
        let (store, quota, id) = (&self.context.store, quota(session), known_form(id)?);
        let update = store.update_item(owner, kind, id, &body, quota, now);
        if let Some(item) = self.changed(update).await? {
            return Ok(item);
        }
        let found = store.item(owner, kind, id).await;
        Err(match found.map_err(ServiceError::from)? {
            Some(_) => ItemError::NoRoom(quota),
            None => ItemError::NotFound,
        })
    }

    /// Removes a document.
    ///
    /// # Errors
    /// [`ItemError`].
    pub async fn delete(
        &self,
        session: &ActiveSession,
        owner: AccountId,
        kind: &str,
        id: &str,
    ) -> Result<(), ItemError> {
        self.authorize(session, owner, kind)?;
        let delete = self.context.store.delete_item(owner, kind, known_form(id)?);
        let deleted = self.changed(delete).await?;
        if deleted {
            Ok(())
        } else {
            Err(ItemError::NotFound)
        }
    }

    fn authorize(
        &self,
        session: &ActiveSession,
        owner: AccountId,
        kind: &str,
    ) -> Result<(), ItemError> {
        if session.account().id != owner {
            return Err(ItemError::Mismatch);
        }
        let is_known = self.kinds.iter().any(|known| known == kind);
        if is_known {
            Ok(())
        } else {
            Err(ItemError::UnknownKind)
        }
    }

    /// Makes a change that is not recorded, but not while changes are refused.
    async fn changed<T>(
        &self,
        change: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, ServiceError> {
        self.context.check()?;
        Ok(change.await?)
    }
}

/// The most that the session's account may store.
fn quota(session: &ActiveSession) -> Quota {
    match session.account().kind {
        AccountKind::Guest => OF_A_GUEST,
        AccountKind::User => OF_A_USER,
    }
}

/// The id, if a document can have it.
fn known_form(id: &str) -> Result<&str, ItemError> {
    match id.parse::<ItemId>() {
        Ok(_) => Ok(id),
        Err(_) => Err(ItemError::NotFound),
    }
}

/// The document as it is stored.
fn written(body: &serde_json::Value) -> Result<String, ItemError> {
    if has_control(body) {
        return Err(ItemError::ControlCharacter);
    }
    let text = body.to_string();
    if text.len() > LARGEST {
        return Err(ItemError::TooLarge);
    }
    Ok(text)
}

/// Whether a text in the document has a control character other than white space.
fn has_control(body: &serde_json::Value) -> bool {
    let text = |text: &str| {
        text.chars()
            .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
    };
    match body {
        serde_json::Value::String(value) => text(value),
        serde_json::Value::Array(values) => values.iter().any(has_control),
        serde_json::Value::Object(values) => values
            .iter()
            .any(|(key, value)| text(key) || has_control(value)),
        _ => false,
    }
}
