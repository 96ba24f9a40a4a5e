//! What the audit log says about secrets: which one, by a keyed tag of its name, and never the name
//! or the value.

use crate::secrets::{Sealed, SecretKeys, SecretName, SecretsState};
use crate::session::Session;
use nightlatch_audit::{Details, Event, SecretChange, SecretsDigest};
use nightlatch_core::id::ExecId;

/// A secret was set; `before` and `after` are the states that this led from and to.
pub(super) fn set_event(
    session: &Session,
    keys: &SecretKeys,
    (name, version, how): (&SecretName, u64, SecretChange),
    (before, after): (&SecretsState, &SecretsState),
) -> Event {
    session.event(Details::SecretSet {
        secret: keys.audit_tag(name),
        version: written(version),
        how,
        count: after.count,
        digest: SecretsDigest::from_bytes(after.digest),
        before: Some(SecretsDigest::from_bytes(before.digest)),
    })
}

/// A secret was removed.
pub(super) fn removed_event(
    session: &Session,
    keys: &SecretKeys,
    name: &SecretName,
    (before, after): (&SecretsState, &SecretsState),
) -> Event {
    session.event(Details::SecretRemoved {
        secret: keys.audit_tag(name),
        count: after.count,
        digest: SecretsDigest::from_bytes(after.digest),
        before: Some(SecretsDigest::from_bytes(before.digest)),
    })
}

/// The value of a secret is read.
pub(super) fn read_event(session: &Session, keys: &SecretKeys, sealed: &Sealed) -> Event {
    session.event(Details::SecretRead {
        secret: keys.audit_tag(sealed.name()),
        version: written(sealed.version()),
    })
}

/// A guarded command gets the secret.
pub(in crate::guard) fn used_event(
    session: &Session,
    keys: &SecretKeys,
    exec: ExecId,
    sealed: &Sealed,
) -> Event {
    session.event(Details::SecretUsed {
        exec,
        secret: keys.audit_tag(sealed.name()),
        version: written(sealed.version()),
    })
}

/// The log has smaller numbers of versions than the database; nobody gets that far.
fn written(version: u64) -> u32 {
    u32::try_from(version).unwrap_or(u32::MAX)
}
