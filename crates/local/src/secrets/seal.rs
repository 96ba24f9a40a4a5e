//! Sealing of names and values.

use crate::binding::SecretName;
use nightlatch_audit::SecretTag;
use nightlatch_core::crypto::kdf::derive;
use nightlatch_core::crypto::seal::{self, NONCE_LENGTH, Opener, TAG_LENGTH};
use nightlatch_core::crypto::{AccountKey, Key, keyed_digest, labels};
use nightlatch_core::id::{AccountId, SecretId};
use nightlatch_core::memory::SecretBuffer;

/// The version of this format, authenticated by the seal.
const FORMAT: u8 = 1;
/// Sealed texts have a multiple of this length, so that their length says little.
const BLOCK: usize = 64;
/// Bytes of the length at the end of a sealed text.
const LENGTH: usize = 4;

/// The keys for an account's secrets, derived from the account key.
pub(crate) struct SecretKeys {
    account: AccountId,
    names: Key,
    values: Key,
    tags: Key,
    log: Key,
}

/// Opens names; see [`SecretKeys::open_names`].
pub(super) struct NameOpener<'a> {
    keys: &'a SecretKeys,
    opener: &'a Opener,
}

/// What a seal is for. The seal authenticates all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SealedFor {
    pub id: SecretId,
    pub version: u64,
    pub stamp: [u8; 16],
    /// When this version was set, in nanoseconds since the Unix epoch.
    pub set_at: i64,
}

/// A sealed name or value.
#[derive(Clone)]
pub(super) struct SealedText {
    pub nonce: [u8; NONCE_LENGTH],
    pub tag: [u8; TAG_LENGTH],
    pub text: Vec<u8>,
}

impl SecretKeys {
    /// Derives the keys for the secrets of `account`.
    pub fn of(account: AccountId, account_key: &AccountKey) -> Self {
        let key = |label| derive(account_key.key(), label, account.as_bytes());
        Self {
            account,
            names: key(labels::SECRET_NAME),
            values: key(labels::SECRET_VALUE),
            tags: key(labels::SECRET_TAG),
            log: key(labels::AUDIT_SECRET),
        }
    }

    /// The account.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// The tag under which a secret is stored. Names that differ only in case have the same.
    pub(super) fn tag(&self, name: &SecretName) -> [u8; 16] {
        cut(&keyed_digest(&self.tags, [name.folded().as_bytes()]))
    }

    /// What stands for the name in the audit log.
    pub fn audit_tag(&self, name: &SecretName) -> SecretTag {
        SecretTag::of(&self.log, name.as_str().as_bytes())
    }

    pub(super) fn seal_name(
        &self,
        sealed_for: SealedFor,
        created_at: i64,
        name: &SecretName,
    ) -> Result<SealedText, getrandom::Error> {
        let associated = self.associated(sealed_for, &created_at.to_le_bytes());
        seal(&self.names, &associated, name.as_str().as_bytes())
    }

    /// Lets `work` open any number of names.
    pub(super) fn open_names<T>(&self, work: impl FnOnce(&NameOpener<'_>) -> T) -> T {
        let keys = self;
        seal::open_many(&keys.names, |opener| work(&NameOpener { keys, opener }))
    }

    pub(super) fn seal_value(
        &self,
        sealed_for: SealedFor,
        name: &SecretName,
        value: &[u8],
    ) -> Result<SealedText, getrandom::Error> {
        let associated = self.associated(sealed_for, name.as_str().as_bytes());
        seal(&self.values, &associated, value)
    }

    /// `None` when it does not open.
    pub(super) fn open_value(
        &self,
        sealed_for: SealedFor,
        name: &SecretName,
        sealed: &SealedText,
    ) -> Option<SecretBuffer> {
        let associated = self.associated(sealed_for, name.as_str().as_bytes());
        seal::open_many(&self.values, |opener| open(opener, &associated, sealed))
    }

    /// `rest` comes last, because only its length varies.
    fn associated(&self, sealed_for: SealedFor, rest: &[u8]) -> Vec<u8> {
        let mut data = vec![FORMAT];
        data.extend_from_slice(self.account.as_bytes());
        data.extend_from_slice(sealed_for.id.as_bytes());
        data.extend_from_slice(&sealed_for.version.to_le_bytes());
        data.extend_from_slice(&sealed_for.stamp);
        data.extend_from_slice(&sealed_for.set_at.to_le_bytes());
        data.extend_from_slice(rest);
        data
    }
}

/// Seals the text, zeros up to a multiple of [`BLOCK`], and the text's length at the end.
fn seal(key: &Key, associated: &[u8], text: &[u8]) -> Result<SealedText, getrandom::Error> {
    let mut nonce = [0; NONCE_LENGTH];
    getrandom::fill(&mut nonce)?;
    Ok(seal_with(nonce, key, associated, text))
}

fn seal_with(nonce: [u8; NONCE_LENGTH], key: &Key, associated: &[u8], text: &[u8]) -> SealedText {
    let whole = (text.len() + LENGTH).next_multiple_of(BLOCK);
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes();
    let mut padded = SecretBuffer::with_capacity(whole);
    let fits = padded.push(text)
        && padded.push(&[0; BLOCK][..whole - LENGTH - text.len()])
        && padded.push(&length);
    debug_assert!(fits, "the buffer is as long as text, padding and length");
    let tag = seal::seal(key, &nonce, associated, padded.expose_mut());
    SealedText {
        nonce,
        tag,
        text: padded.expose().to_vec(), // sealed by now
    }
}

impl NameOpener<'_> {
    /// `None` when it does not open.
    pub(super) fn open(
        &self,
        sealed_for: SealedFor,
        created_at: i64,
        sealed: &SealedText,
    ) -> Option<SecretName> {
        let associated = self.keys.associated(sealed_for, &created_at.to_le_bytes());
        let opened = open(self.opener, &associated, sealed)?;
        std::str::from_utf8(opened.expose()).ok()?.parse().ok()
    }
}

fn open(opener: &Opener, associated: &[u8], sealed: &SealedText) -> Option<SecretBuffer> {
    let mut text = SecretBuffer::copy_of(&sealed.text);
    let result = opener.open(&sealed.nonce, associated, text.expose_mut(), &sealed.tag);
    result.ok()?;
    let length = *text.expose().last_chunk::<LENGTH>()?;
    let length = usize::try_from(u32::from_le_bytes(length)).ok()?;
    if length + LENGTH > text.len() {
        return None;
    }
    text.truncate(length);
    Some(text)
}

fn cut<const N: usize>(digest: &[u8; 32]) -> [u8; N] {
    let mut start = [0; N];
    start.copy_from_slice(&digest[..N]);
    start
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn keys(account: u8, key: u8) -> SecretKeys {
        let key = AccountKey::init_with(|bytes| bytes.fill(key));
        SecretKeys::of(AccountId::from_bytes([account; 16]), &key)
    }

    const FOR: SealedFor = SealedFor {
        id: SecretId::from_bytes([2; 16]),
        version: 3,
        stamp: [4; 16],
        set_at: 5,
    };

    fn name(text: &str) -> SecretName {
        text.parse().unwrap()
    }

    fn opened(
        keys: &SecretKeys,
        sealed_for: SealedFor,
        created_at: i64,
        sealed: &SealedText,
    ) -> Option<SecretName> {
        keys.open_names(|opener| opener.open(sealed_for, created_at, sealed))
    }

    #[test]
    fn a_secret_opens_for_its_account_id_version_stamp_time_and_name_only() {
        let (mine, db) = (keys(1, 9), name("prod/db"));
        let sealed = mine.seal_value(FOR, &db, b"hunter2").unwrap();
        let value = mine.open_value(FOR, &db, &sealed).unwrap();
        assert_eq!(value.expose(), b"hunter2");
        for other in [
            SealedFor {
                id: SecretId::from_bytes([3; 16]),
                ..FOR
            },
            SealedFor { version: 2, ..FOR },
            SealedFor {
                stamp: [5; 16],
                ..FOR
            },
            SealedFor { set_at: 6, ..FOR },
        ] {
            assert!(mine.open_value(other, &db, &sealed).is_none(), "{other:?}");
            let sealed = mine.seal_name(FOR, 7, &db).unwrap();
            assert_eq!(opened(&mine, FOR, 7, &sealed).as_ref(), Some(&db));
            assert!(opened(&mine, FOR, 8, &sealed).is_none());
            assert!(opened(&mine, other, 7, &sealed).is_none(), "{other:?}");
        }
        assert!(mine.open_value(FOR, &name("prod/dc"), &sealed).is_none());
        assert!(keys(2, 9).open_value(FOR, &db, &sealed).is_none());
        assert!(keys(1, 8).open_value(FOR, &db, &sealed).is_none());
        assert!(
            opened(&mine, FOR, 7, &sealed).is_none(),
            "a value is no name"
        );
    }

    #[test]
    fn a_sealed_secret_does_not_show_its_length() {
        let length = |value: &[u8]| {
            let sealed = keys(1, 9).seal_value(FOR, &name("x"), value).unwrap();
            sealed.text.len()
        };
        assert_eq!(length(b"a"), length(&[b'a'; 60]));
        assert_eq!(length(&[b'a'; 60]), 64);
        assert_eq!(length(&[b'a'; 61]), 128);
    }

    #[test]
    fn a_secret_of_any_bytes_and_length_opens_as_it_was() {
        let keys = keys(1, 9);
        for length in [0, 1, 59, 60, 61, 64, 123, 124, 65_535, 65_536] {
            let value: Vec<u8> = (0..length).map(|at: usize| at.to_le_bytes()[0]).collect();
            let sealed = keys.seal_value(FOR, &name("x"), &value).unwrap();
            let opened = keys.open_value(FOR, &name("x"), &sealed).unwrap();
            assert_eq!(opened.expose(), value);
        }
    }

    /// The expected bytes come from independent code: HKDF-SHA-256, HMAC-SHA-256 and AES-256-GCM of
    /// Python's `cryptography`, following docs/formats.md.
    #[test]
    fn a_sealed_secret_is_what_the_format_says() {
        let keys = keys(0x1D, 0xAC);
        let db = name("Prod/DB");
        let associated = keys.associated(FOR, b"Prod/DB");
        let sealed = seal_with([0x0C; 12], &keys.values, &associated, b"hunter2");
        let hex = nightlatch_core::crypto::hex;
        assert_eq!(
            hex(&sealed.text),
            "4d7920a8b168f14afeb17635818e17e81c92f83d8220dc44984ad53438a23a6e\
             6789fcfb4ebf8bb699360f67bb012d8b49b3eb2a35bbfb37c8ad2953468350e2"
        );
        assert_eq!(hex(&sealed.tag), "a2bf56d085200559e2fe739af6757a3f");
        let associated = keys.associated(FOR, &7_i64.to_le_bytes());
        let sealed = seal_with([0x0C; 12], &keys.names, &associated, b"Prod/DB");
        assert_eq!(
            hex(&sealed.text),
            "0924852b9d289f2a6ac996142c161cf60c523bedf8fee55cc20ccaf1360b19e8\
             ccc3709011d05ed1d9dc64686a5f6d5fac332cf3498092bd99a66a43c4383dcc"
        );
        assert_eq!(hex(&sealed.tag), "b52018ac4f03b4349e4fcf4ba903b05b");
        assert_eq!(hex(&keys.tag(&db)), "26ce97827b9c534b1b8f85a67da73022");
        assert_eq!(keys.audit_tag(&db).to_string(), "acb8543789fbc90f");
    }
}
