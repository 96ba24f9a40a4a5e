#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

use std::collections::HashSet;
use std::time::Duration;

use nightlatch_core::clock::Timestamp;
use nightlatch_core::crypto::AccountKey;
use nightlatch_core::id::AccountId;
use nightlatch_platform::fs::Dir;

use super::*;
use crate::account::{Directory, DirectoryError};

const START: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);
const ALICE: AccountId = AccountId::from_bytes([1; 16]);

struct Scratch {
    _temp: tempfile::TempDir,
    home: Dir,
    directory: Directory,
    keys: SecretKeys,
}

impl Scratch {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let home = Dir::open_or_create(&temp.path().join("home")).unwrap();
        let directory = Directory::open_or_create(&home).unwrap();
        for (id, email) in [
            (ALICE, "a@example.com"),
            (AccountId::from_bytes([2; 16]), "b@example.com"),
        ] {
            let sql =
                "INSERT INTO accounts VALUES (?1, ?2, ?2, NULL, 0, 0, 0, zeroblob(16), 19456, 2,
                1, zeroblob(12), zeroblob(32), zeroblob(16))";
            let values = rusqlite::params![id.as_bytes(), email];
            directory.parts().0.execute(sql, values).unwrap();
        }
        Self {
            _temp: temp,
            home,
            directory,
            keys: keys(9),
        }
    }

    fn write<T>(
        &mut self,
        work: impl FnOnce(&Store<'_>) -> Result<T, SecretStoreError>,
    ) -> Result<T, SecretStoreError> {
        let writing = Directory::open_existing(&self.home)?.unwrap().begin()?;
        let done = work(&Store::of(&writing, &self.keys))?;
        writing.commit()?;
        Ok(done)
    }

    fn set(&mut self, name: &str, value: &[u8]) -> Result<u64, SecretStoreError> {
        self.write(|store| store.set(&name.parse().unwrap(), value, START))
    }

    fn store(&self) -> Store<'_> {
        Store::of(&self.directory, &self.keys)
    }

    fn get(&self, name: &str, version: Option<u64>) -> Result<Vec<u8>, SecretStoreError> {
        let sealed = self.store().locate(&name.parse().unwrap(), version)?;
        Ok(sealed.open(&self.keys)?.expose().to_vec())
    }

    fn sql(&self, change: &str) {
        self.directory.parts().0.execute_batch(change).unwrap();
    }
}

fn keys(byte: u8) -> SecretKeys {
    SecretKeys::of(ALICE, &AccountKey::init_with(|bytes| bytes.fill(byte)))
}

fn name(text: &str) -> SecretName {
    text.parse().unwrap()
}

#[test]
fn a_secret_is_read_back_as_it_was_set() {
    let mut scratch = Scratch::new();
    let binary: Vec<u8> = (0..=255).collect();
    for (at, value) in [&b"hunter2"[..], b"two\nlines\n", b"a\0b", &binary]
        .into_iter()
        .enumerate()
    {
        let name = format!("secret-{at}");
        assert_eq!(scratch.set(&name, value).unwrap(), 1);
        assert_eq!(scratch.get(&name, None).unwrap(), value);
    }
    assert!(matches!(
        scratch.get("none", None),
        Err(SecretStoreError::NotFound { .. })
    ));
}

#[test]
fn a_value_of_64_kib_is_kept_and_one_byte_more_or_none_at_all_is_refused() {
    let mut scratch = Scratch::new();
    scratch.set("long", &vec![7; VALUE_MAX_BYTES]).unwrap();
    assert_eq!(scratch.get("long", None).unwrap().len(), VALUE_MAX_BYTES);
    let longer = scratch.set("long", &vec![7; VALUE_MAX_BYTES + 1]);
    assert!(matches!(longer, Err(SecretStoreError::ValueTooLong)));
    assert!(matches!(
        scratch.set("long", b""),
        Err(SecretStoreError::EmptyValue)
    ));
    assert_eq!(scratch.store().facts(&name("long")).unwrap().version, 1);
}

#[test]
fn a_secret_keeps_its_last_ten_versions() {
    let mut scratch = Scratch::new();
    for version in 1..=12_u64 {
        let set = scratch.set("db", format!("value {version}").as_bytes());
        assert_eq!(set.unwrap(), version);
    }
    let versions = scratch.store().history(&name("db")).unwrap();
    let versions: Vec<_> = versions.iter().map(|facts| facts.version).collect();
    assert_eq!(versions, (3..=12).collect::<Vec<_>>());
    assert_eq!(scratch.get("db", Some(3)).unwrap(), b"value 3");
    assert_eq!(scratch.get("db", None).unwrap(), b"value 12");
    match scratch.get("db", Some(2)).unwrap_err() {
        SecretStoreError::NoVersion { first, last, .. } => assert_eq!((first, last), (3, 12)),
        error => panic!("{error}"),
    }
}

#[test]
fn an_older_version_is_restored_as_a_new_one() {
    let mut scratch = Scratch::new();
    scratch.set("db", b"first").unwrap();
    scratch.set("db", b"second").unwrap();
    let later = START.plus(Duration::from_secs(60));
    let restored = scratch.write(|store| store.restore(&name("db"), 1, later));
    assert_eq!(restored.unwrap(), 3);
    assert_eq!(scratch.get("db", None).unwrap(), b"first");
    let facts = scratch.store().facts(&name("db")).unwrap();
    assert_eq!((facts.created_at, facts.set_at), (START, later));
}

#[test]
fn case_twins_are_refused_and_named() {
    let mut scratch = Scratch::new();
    scratch.set("Prod-DB", b"value").unwrap();
    match scratch.set("prod-db", b"other").unwrap_err() {
        SecretStoreError::Exists { existing } => assert_eq!(existing, name("Prod-DB")),
        error => panic!("{error}"),
    }
    match scratch.get("prod-db", None).unwrap_err() {
        SecretStoreError::OtherCase { existing, .. } => assert_eq!(existing, name("Prod-DB")),
        error => panic!("{error}"),
    }
    assert_eq!(scratch.get("Prod-DB", None).unwrap(), b"value");
}

#[test]
fn a_renamed_secret_keeps_its_versions_and_frees_its_name() {
    let mut scratch = Scratch::new();
    scratch.set("db", b"first").unwrap();
    scratch.set("db", b"second").unwrap();
    scratch.set("other", b"value").unwrap();
    let rename = |scratch: &mut Scratch, old: &str, new: &str| {
        scratch.write(|store| store.rename(&name(old), &name(new)))
    };
    let taken = rename(&mut scratch, "db", "OTHER");
    assert!(matches!(taken, Err(SecretStoreError::Exists { .. })));
    rename(&mut scratch, "db", "DB").unwrap();
    rename(&mut scratch, "DB", "prod/db").unwrap();
    assert_eq!(scratch.get("prod/db", Some(1)).unwrap(), b"first");
    assert_eq!(scratch.get("prod/db", None).unwrap(), b"second");
    assert_eq!(scratch.set("db", b"new").unwrap(), 1);
}

#[test]
fn secrets_are_listed_by_name_for_their_account_only() {
    let mut scratch = Scratch::new();
    for text in ["b", "a/2", "a/1"] {
        scratch.set(text, b"value").unwrap();
    }
    let bob = SecretKeys::of(
        AccountId::from_bytes([2; 16]),
        &AccountKey::init_with(|_| ()),
    );
    Store::of(&scratch.directory, &bob)
        .set(&name("b"), b"bobs", START)
        .unwrap();
    let names = |keys| {
        let all = Store::of(&scratch.directory, keys).list().unwrap();
        all.iter()
            .map(|facts| facts.name.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&scratch.keys), ["a/1", "a/2", "b"]);
    assert_eq!(names(&bob), ["b"]);
}

type Step<'a> = &'a dyn Fn(&Store<'_>) -> Result<(), SecretStoreError>;

#[test]
fn each_change_of_a_secret_changes_the_state_and_an_older_one_never_returns() {
    let mut scratch = Scratch::new();
    let mut seen = vec![scratch.store().state().unwrap()];
    assert_eq!(seen[0], SecretsState::empty());
    let steps: [Step; 6] = [
        &|store| store.set(&name("a"), b"value", START).map(drop),
        &|store| store.set(&name("a"), b"value", START).map(drop),
        &|store| store.rename(&name("a"), &name("b")),
        &|store| store.rename(&name("b"), &name("a")),
        &|store| store.restore(&name("a"), 1, START).map(drop),
        &|store| store.set(&name("c"), b"value", START).map(drop),
    ];
    for step in steps {
        scratch.write(step).unwrap();
        let state = scratch.store().state().unwrap();
        assert!(!seen.contains(&state));
        seen.push(state);
    }
    assert_eq!(seen.last().unwrap().count, 2);
    assert_eq!(state_of(&scratch.directory, ALICE).unwrap(), seen[6]);
}

#[test]
fn resealing_keeps_secrets_versions_and_state_and_the_old_key_opens_nothing() {
    let mut scratch = Scratch::new();
    for value in ["first", "second"] {
        scratch.set("db", value.as_bytes()).unwrap();
    }
    scratch.set("other", b"third").unwrap();
    let before = scratch.store().state().unwrap();
    let new = keys(10);
    scratch.write(|store| store.reseal(&new)).unwrap();
    assert_eq!(scratch.store().state().unwrap(), before);
    assert!(scratch.get("db", None).is_err());
    assert!(matches!(
        scratch.store().list(),
        Err(SecretStoreError::Damaged { .. })
    ));
    scratch.keys = new;
    assert_eq!(scratch.get("db", Some(1)).unwrap(), b"first");
    assert_eq!(scratch.get("db", None).unwrap(), b"second");
    assert_eq!(scratch.get("other", None).unwrap(), b"third");
}

#[test]
fn work_on_secrets_that_fails_changes_nothing() {
    let mut scratch = Scratch::new();
    scratch.set("db", b"first").unwrap();
    let before = scratch.store().state().unwrap();
    let failed = scratch.write(|store| {
        store.set(&name("db"), b"second", START)?;
        store.set(&name("DB"), b"third", START)
    });
    assert!(failed.is_err());
    assert_eq!(scratch.store().state().unwrap(), before);
}

#[test]
fn rows_that_were_moved_or_put_back_are_damage() {
    for change in [
        // The name and the value of another secret.
        "UPDATE secret_versions SET sealed_value = (SELECT sealed_value FROM secret_versions
            WHERE secret = (SELECT id FROM secrets ORDER BY created_at LIMIT 1) AND version = 1)",
        // An older value in place of the current one.
        "UPDATE secret_versions SET version = 9 WHERE version = 2;
         UPDATE secret_versions SET version = 2 WHERE version = 1",
        "UPDATE secrets SET version = 1",
        "UPDATE secrets SET set_at = set_at + 1",
        "UPDATE secret_versions SET set_at = set_at + 1",
        "UPDATE secrets SET created_at = created_at + 1",
        "UPDATE secrets SET sealed_name = zeroblob(64)",
        "DELETE FROM secret_versions",
    ] {
        let mut scratch = Scratch::new();
        scratch.set("db", b"first").unwrap();
        scratch.set("db", b"second").unwrap();
        scratch.sql(change);
        let got = scratch.get("db", None);
        assert!(
            matches!(got, Err(SecretStoreError::Damaged { .. })),
            "{change}: {got:?}"
        );
    }
}

#[test]
fn names_swapped_between_two_secrets_are_damage() {
    let mut scratch = Scratch::new();
    scratch.set("a", b"first").unwrap();
    scratch.set("b", b"second").unwrap();
    let tag = |text| nightlatch_core::crypto::hex(&scratch.keys.tag(&name(text)));
    scratch.sql(&format!(
        "UPDATE secrets SET name_tag = zeroblob(16) WHERE name_tag = x'{a}';
         UPDATE secrets SET name_tag = x'{a}' WHERE name_tag = x'{b}'",
        a = tag("a"),
        b = tag("b")
    ));
    assert!(matches!(
        scratch.get("a", None),
        Err(SecretStoreError::Damaged { .. })
    ));
}

/// The content of all files in the home, one after the other.
fn all_bytes(home: &Dir) -> Vec<u8> {
    let mut all = Vec::new();
    for name in home.names().unwrap() {
        all.extend(std::fs::read(home.path().join(name)).unwrap());
    }
    all
}

/// The length of a nonce.
const PIECE: usize = 12;

fn contains(all: &[u8], part: &[u8]) -> bool {
    all.windows(part.len()).any(|window| window == part)
}

#[test]
fn nothing_of_a_removed_outgrown_or_resealed_secret_remains_in_a_file() {
    let sealed = |scratch: &Scratch| -> Vec<Vec<u8>> {
        let sql =
            "SELECT sealed_value FROM secret_versions UNION ALL SELECT sealed_name FROM secrets
            UNION ALL SELECT nonce FROM secret_versions UNION ALL SELECT tag FROM secret_versions
            UNION ALL SELECT name_tag FROM secrets";
        let mut statement = scratch.directory.parts().0.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let ends: [&dyn Fn(&mut Scratch); 3] = [
        &|scratch| scratch.write(|store| store.remove(&name("db"))).unwrap(),
        &|scratch| scratch.write(|store| store.reseal(&keys(10))).unwrap(),
        &|scratch| {
            for _ in 0..KEPT_VERSIONS {
                scratch.set("db", b"short").unwrap();
            }
        },
    ];
    for end in ends {
        let mut scratch = Scratch::new();
        // One that fits into a row's page, and one that needs pages of its own.
        scratch.set("db", b"hunter2").unwrap();
        scratch.set("db", &vec![7; 40_000]).unwrap();
        let old = sealed(&scratch);
        // A long one is spread over several pages.
        let before = all_bytes(&scratch.home);
        let is_there = |part: &Vec<u8>| contains(&before, &part[..part.len().min(PIECE)]);
        assert!(old.iter().all(is_there));
        end(&mut scratch);
        scratch.directory.erase_leftovers();
        let all = all_bytes(&scratch.home);
        let all: HashSet<_> = all.windows(PIECE).collect();
        let still = sealed(&scratch);
        let still: HashSet<_> = still.iter().flat_map(|part| part.windows(PIECE)).collect();
        // Any piece of a long one shows that it was not overwritten.
        for piece in old.iter().flat_map(|part| part.chunks_exact(PIECE)) {
            assert!(still.contains(piece) || !all.contains(piece));
        }
    }
}

#[test]
fn neither_names_nor_values_of_secrets_are_in_a_file() {
    let mut scratch = Scratch::new();
    scratch
        .set("merger-talks-with-acme", b"correct horse battery staple")
        .unwrap();
    let all = all_bytes(&scratch.home);
    for part in [&b"merger"[..], b"acme", b"horse", b"battery"] {
        assert!(!contains(&all, part));
    }
}

#[test]
fn an_account_that_is_removed_takes_its_secrets_along() {
    let mut scratch = Scratch::new();
    scratch.set("db", b"value").unwrap();
    scratch.sql("DELETE FROM accounts WHERE id = x'01010101010101010101010101010101'");
    assert!(scratch.store().list().unwrap().is_empty());
    let sql = "SELECT count(*) FROM secret_versions";
    let left: i64 = scratch
        .directory
        .parts()
        .0
        .query_row(sql, [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 0);
}

#[test]
fn a_locked_database_is_an_error_and_nothing_is_lost() {
    let mut scratch = Scratch::new();
    scratch.set("db", b"value").unwrap();
    let other = rusqlite::Connection::open(scratch.home.path().join("accounts.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    scratch.sql("PRAGMA busy_timeout = 1");
    let refused = scratch
        .store()
        .set(&name("db"), b"other", START)
        .unwrap_err();
    assert!(
        matches!(
            refused,
            SecretStoreError::Directory(DirectoryError::Busy { .. })
        ),
        "{refused}"
    );
    assert_eq!(scratch.get("db", None).unwrap(), b"value");
}
