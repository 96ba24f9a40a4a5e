//! One label per purpose and format version. A key derived under one label reveals nothing about
//! keys under other labels. A new format version gets a new label.

/// What a derived key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label(&'static str);

impl Label {
    /// The label as input to the KDF.
    pub const fn as_bytes(self) -> &'static [u8] {
        self.0.as_bytes()
    }

    /// Its length in bytes.
    #[allow(clippy::len_without_is_empty)] // none is empty
    pub const fn len(self) -> usize {
        self.0.len()
    }
}

/// Opens the account key; derived from the password's root key.
pub const ACCOUNT_WRAP: Label = Label("nightlatch account wrap v1");
/// The secret key of a recovery code; derived from the code.
pub const RECOVERY_KEY: Label = Label("nightlatch recovery key v1");
/// Opens the account key in place of the password; agreed upon with the key of the recovery code.
pub const RECOVERY_WRAP: Label = Label("nightlatch recovery wrap v1");
/// Prefix of the bytes that a recovery code's check is a digest of.
pub const RECOVERY_CHECK: Label = Label("nightlatch recovery code check v1");
/// Seals a session file; derived from the session's key K.
pub const SESSION_FILE: Label = Label("nightlatch session file v1");
/// Digests a command's arguments for the audit log; derived from the account key.
pub const AUDIT_ARGV: Label = Label("nightlatch audit argv v1");
/// Seals the names of secrets; derived from the account key.
pub const SECRET_NAME: Label = Label("nightlatch secret name v1");
/// Seals the values of secrets; derived from the account key.
pub const SECRET_VALUE: Label = Label("nightlatch secret value v1");
/// The tag by which a secret is found in the database; derived from the account key.
pub const SECRET_TAG: Label = Label("nightlatch secret tag v1");
/// Names a secret in the audit log; derived from the account key.
pub const AUDIT_SECRET: Label = Label("nightlatch audit secret v1");
/// Signs the seal of a segment's first line; derived from the segment's seed.
pub const AUDIT_SEGMENT_KEY: Label = Label("nightlatch audit segment key v1");
/// The seed of the next segment; derived from the segment's seed.
pub const AUDIT_NEXT_SEGMENT: Label = Label("nightlatch audit next segment v1");
/// The seed of a segment's second seal; derived from the segment's seed.
pub const AUDIT_FIRST_SEAL: Label = Label("nightlatch audit first seal v1");
/// Signs a seal; derived from the seal's seed.
pub const AUDIT_SEAL_KEY: Label = Label("nightlatch audit seal key v1");
/// The seed of the next seal; derived from the seal's seed.
pub const AUDIT_NEXT_SEAL: Label = Label("nightlatch audit next seal v1");
/// Prefix of the message that a seal signs.
pub const AUDIT_SEAL: Label = Label("nightlatch audit seal v1");
/// Prefix of the message that the log's head signs.
pub const AUDIT_HEAD: Label = Label("nightlatch audit head v1");

#[cfg(test)]
pub(crate) const ALL: &[Label] = &[
    ACCOUNT_WRAP,
    RECOVERY_KEY,
    RECOVERY_WRAP,
    RECOVERY_CHECK,
    SESSION_FILE,
    AUDIT_ARGV,
    SECRET_NAME,
    SECRET_VALUE,
    SECRET_TAG,
    AUDIT_SECRET,
    AUDIT_SEGMENT_KEY,
    AUDIT_NEXT_SEGMENT,
    AUDIT_FIRST_SEAL,
    AUDIT_SEAL_KEY,
    AUDIT_NEXT_SEAL,
    AUDIT_SEAL,
    AUDIT_HEAD,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_purposes_share_a_label() {
        for (at, label) in ALL.iter().enumerate() {
            assert!(!ALL[..at].contains(label), "{label:?} twice");
        }
    }
}
