#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::sync::Barrier;

use crate::account::model::Account;
use crate::account::sealed_key::SealedKey;
use nightlatch_core::clock::Timestamp;
use nightlatch_core::crypto::kdf::Argon2Params;
use nightlatch_core::id::AccountId;
use nightlatch_platform::fs::{Durability, FsError, FsProblem};

use super::*;

fn scratch() -> (tempfile::TempDir, Dir) {
    let temp = tempfile::tempdir().unwrap();
    let home = Dir::open_or_create(&temp.path().join("home")).unwrap();
    (temp, home)
}

fn record(email: &str) -> Record {
    let now = Timestamp::from_unix_seconds(1_800_000_000);
    Record {
        account: Account {
            id: AccountId::random().unwrap(),
            email: email.parse().unwrap(),
            name: Some("Alice".parse().unwrap()),
            created_at: now,
            updated_at: now,
            generation: 7,
        },
        sealed: SealedKey {
            salt: [1; 16],
            params: Argon2Params::FLOOR,
            nonce: [2; 12],
            text: [3; 32],
            tag: [4; 16],
        },
    }
}

fn insert(home: &Dir, record: &Record) -> Result<Inserted, DirectoryError> {
    insert_into(Directory::open_or_create(home)?, record)
}

fn insert_into(directory: Directory, record: &Record) -> Result<Inserted, DirectoryError> {
    let writing = directory.begin()?;
    let inserted = writing.insert(record)?;
    writing.commit()?;
    Ok(inserted)
}

fn raw(home: &Dir) -> Connection {
    Connection::open(home.path().join(FILE)).unwrap()
}

fn refusal(home: &Dir) -> DirectoryError {
    let error = Directory::open_existing(home).err().unwrap();
    assert!(Directory::open_or_create(home).is_err());
    error
}

#[test]
fn there_is_no_database_until_one_is_created() {
    let (_temp, home) = scratch();
    assert!(Directory::open_existing(&home).unwrap().is_none());
    assert!(home.names().unwrap().is_empty());
    let key = Directory::open_or_create(&home).unwrap().tag_key().unwrap();
    let again = Directory::open_existing(&home).unwrap().unwrap();
    assert_eq!(again.tag_key().unwrap().expose(), key.expose());
    drop(again);
    assert_eq!(home.names().unwrap(), [FILE]);
}

#[test]
fn the_files_are_closed_to_others_and_writes_are_synced() {
    let (_temp, home) = scratch();
    let directory = Directory::open_or_create(&home).unwrap();
    insert(&home, &record("a@example.com")).unwrap();
    for name in home.names().unwrap() {
        let mode = std::fs::metadata(home.path().join(&name)).unwrap().mode();
        assert_eq!(mode & 0o7777, 0o600, "{name}");
    }
    let pragma = |name| {
        let connection = &directory.connection;
        connection.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
    };
    assert_eq!(pragma("journal_mode").unwrap(), "wal".to_owned().into());
    assert_eq!(pragma("synchronous").unwrap(), 2_i64.into());
    assert_eq!(pragma("foreign_keys").unwrap(), 1_i64.into());
    assert_eq!(pragma("trusted_schema").unwrap(), 0_i64.into());
    assert_eq!(pragma("secure_delete").unwrap(), 1_i64.into());
}

#[test]
fn emails_are_read_without_a_trace_wherever_the_home_is() {
    let temp = tempfile::tempdir().unwrap();
    for name in ["home", "a b", "a?mode=memory", "a#b", "100%41", "ä'\""] {
        let home = Dir::open_or_create(&temp.path().join(name)).unwrap();
        assert!(Directory::open_at_rest(&home).unwrap().is_none(), "{name}");
        let directory = Directory::open_or_create(&home).unwrap();
        for email in ["b@example.com", "a@example.com", "c@example.com"] {
            insert(&home, &record(email)).unwrap();
        }
        // The last write is still in the companion file.
        let read = || Directory::open_at_rest(&home)?.map_or(Ok(Vec::new()), |it| it.emails(2));
        let in_use = home.names().unwrap();
        assert_eq!(read().unwrap(), [""; 0], "{name}");
        assert_eq!(home.names().unwrap(), in_use, "{name}");
        drop(directory);
        let before = home.names().unwrap();
        assert_eq!(
            read().unwrap(),
            ["a@example.com", "b@example.com"],
            "{name}"
        );
        assert_eq!(home.names().unwrap(), before, "{name}");
    }
}

#[test]
fn an_account_reads_back_as_it_was_written() {
    let (_temp, home) = scratch();
    let directory = Directory::open_or_create(&home).unwrap();
    let record = record("Alice@Example.com");
    insert(&home, &record).unwrap();
    let email = "alice@example.COM".parse().unwrap();
    let found = directory.by_email(&email).unwrap().unwrap();
    assert_eq!(found.account, record.account);
    assert_eq!(found.sealed.text, record.sealed.text);
    assert_eq!(found.sealed.params, record.sealed.params);
    assert!(directory.by_id(record.account.id).unwrap().is_some());
    assert!(directory.only().unwrap().is_some());
    insert(&home, &self::record("b@example.com")).unwrap();
    assert!(directory.only().unwrap().is_none());
    assert_eq!(directory.count().unwrap(), 2);
}

#[test]
fn of_a_hundred_concurrent_accounts_with_one_email_exactly_one_is_made() {
    let (_temp, home) = scratch();
    let barrier = Barrier::new(100);
    let outcomes: Vec<Inserted> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..100)
            .map(|at| {
                let (home, barrier) = (&home, &barrier);
                scope.spawn(move || {
                    let email = ["alice@example.com", "ALICE@example.com"][at % 2];
                    let record = record(email);
                    barrier.wait();
                    insert(home, &record).unwrap()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let made = outcomes.iter().filter(|&&outcome| outcome == Inserted::New);
    assert_eq!(made.count(), 1);
    let directory = Directory::open_existing(&home).unwrap().unwrap();
    assert_eq!(directory.count().unwrap(), 1);
}

#[test]
fn work_that_fails_leaves_nothing() {
    let (_temp, home) = scratch();
    let directory = Directory::open_or_create(&home).unwrap();
    let writing = directory.begin().unwrap();
    writing.insert(&record("a@example.com")).unwrap();
    assert_eq!(writing.count().unwrap(), 1);
    drop(writing);
    let directory = Directory::open_existing(&home).unwrap().unwrap();
    assert_eq!(directory.count().unwrap(), 0);
}

#[test]
fn what_is_no_database_is_refused_and_left_alone() {
    for content in [&b""[..], b"hello", &[0; 4096], &[b'x'; 10_000]] {
        let (_temp, home) = scratch();
        home.write_atomic(FILE, content, Durability::Volatile)
            .unwrap();
        let error = refusal(&home);
        assert!(
            matches!(
                error,
                DirectoryError::NotADatabase { .. } | DirectoryError::Foreign { .. }
            ),
            "{error:?}"
        );
        assert_eq!(std::fs::read(home.path().join(FILE)).unwrap(), content);
    }
}

#[test]
fn another_programs_database_and_a_newer_one_are_told_apart_and_left_alone() {
    for (change, newer) in [
        ("PRAGMA application_id = 1", false),
        ("PRAGMA user_version = 1000", true),
    ] {
        let (_temp, home) = scratch();
        drop(Directory::open_or_create(&home).unwrap());
        raw(&home).execute_batch(change).unwrap();
        let before = std::fs::read(home.path().join(FILE)).unwrap();
        let error = refusal(&home);
        match error {
            DirectoryError::Newer { found, known, .. } => {
                assert!(newer && found == 1000 && known == schema::VERSION);
            }
            error => assert!(!newer && matches!(error, DirectoryError::Foreign { .. })),
        }
        assert_eq!(std::fs::read(home.path().join(FILE)).unwrap(), before);
    }
}

/// A database as the first version of the program left it, with one account.
fn oldest(home: &Dir) -> Record {
    let record = record("a@example.com");
    drop(home.create_new(FILE).unwrap());
    let connection = raw(home);
    schema::create_oldest(&connection).unwrap();
    let tag_key = [7_u8; 32].as_slice();
    connection
        .execute("INSERT INTO meta VALUES ('tag_key', ?1)", [tag_key])
        .unwrap();
    let id = schema::APPLICATION_ID;
    connection
        .pragma_update(None, "application_id", id)
        .unwrap();
    let wal = |_: &rusqlite::Row<'_>| Ok(());
    connection
        .pragma_update_and_check(None, "journal_mode", "WAL", wal)
        .unwrap();
    let path = home.path().join(FILE);
    insert_into(Directory::unchecked(connection, path), &record).unwrap();
    record
}

/// The tables and indexes of a database.
fn tables(directory: &Directory) -> Vec<(String, Option<String>)> {
    let sql = "SELECT name, sql FROM sqlite_schema ORDER BY name";
    let mut statement = directory.connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_database_of_the_first_version_is_migrated_and_keeps_its_accounts() {
    let (_temp, home) = scratch();
    let record = oldest(&home);
    let migrated = Directory::open_existing(&home).unwrap().unwrap();
    let found = migrated.by_id(record.account.id).unwrap().unwrap();
    assert_eq!(found.account, record.account);
    assert_eq!(migrated.tag_key().unwrap().expose(), &[7; 32]);
    let new = scratch();
    let fresh = Directory::open_or_create(&new.1).unwrap();
    assert_eq!(tables(&migrated), tables(&fresh));
    assert_eq!(migrated.number(VERSION).unwrap(), schema::VERSION);
    assert_eq!(migrated.version, schema::VERSION);
}

/// The databases of the released versions, as their programs wrote them, from version 1 on.
const RELEASED: [&str; 1] = [include_str!("released/1.sql")];

#[test]
fn a_database_that_a_released_version_wrote_is_migrated_and_keeps_its_rows() {
    for sql in RELEASED {
        let (_temp, home) = scratch();
        drop(home.create_new(FILE).unwrap());
        raw(&home).execute_batch(sql).unwrap();
        let migrated = Directory::open_existing(&home).unwrap().unwrap();
        let email = "alice@example.com".parse().unwrap();
        let account = migrated.by_email(&email).unwrap().unwrap().account;
        assert_eq!(account.email.as_str(), "Alice@Example.com");
        assert_eq!(migrated.tag_key().unwrap().expose()[..2], [0x64, 0xea]);
        assert!(migrated.has_failures(1).unwrap());
        let fresh = scratch();
        let fresh = Directory::open_or_create(&fresh.1).unwrap();
        assert_eq!(tables(&migrated), tables(&fresh));
    }
}

#[test]
fn a_migration_that_fails_halfway_leaves_the_old_tables_and_rows() {
    let (_temp, home) = scratch();
    let record = oldest(&home);
    // A table of the last migration is in its way.
    let obstacle = "CREATE TABLE recovery_codes (a)";
    raw(&home).execute_batch(obstacle).unwrap();
    let before = std::fs::read(home.path().join(FILE)).unwrap();
    assert!(Directory::open_existing(&home).is_err());
    assert_eq!(std::fs::read(home.path().join(FILE)).unwrap(), before);
    raw(&home)
        .execute_batch("DROP TABLE recovery_codes")
        .unwrap();
    let migrated = Directory::open_existing(&home).unwrap().unwrap();
    assert!(migrated.by_id(record.account.id).unwrap().is_some());
}

#[test]
fn looking_at_an_older_database_does_not_migrate_it() {
    let (_temp, home) = scratch();
    let record = oldest(&home);
    let before = std::fs::read(home.path().join(FILE)).unwrap();
    let looked_at = Dir::open_to_look(home.path()).unwrap().unwrap();
    let opened = Directory::open_existing(&looked_at).unwrap().unwrap();
    assert!(opened.by_id(record.account.id).unwrap().is_some());
    let at_rest = Directory::open_at_rest(&home).unwrap().unwrap();
    assert_eq!(at_rest.count().unwrap(), 1);
    let state = check_database(home.path()).unwrap();
    assert_eq!(state, DatabaseState::Whole { accounts: 1 });
    assert_eq!(std::fs::read(home.path().join(FILE)).unwrap(), before);
}

#[test]
fn of_ten_processes_that_migrate_one_does_and_all_go_on() {
    let (_temp, home) = scratch();
    oldest(&home);
    let barrier = Barrier::new(10);
    std::thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                barrier.wait();
                let opened = Directory::open_existing(&home).unwrap().unwrap();
                assert_eq!(opened.count().unwrap(), 1);
            });
        }
    });
}

#[test]
fn a_damaged_database_is_an_error_and_never_an_empty_one() {
    let (_temp, home) = scratch();
    let directory = Directory::open_or_create(&home).unwrap();
    insert(&home, &record("a@example.com")).unwrap();
    drop(directory);
    let path = home.path().join(FILE);
    let mut content = std::fs::read(&path).unwrap();
    content[100..].fill(0xa5);
    std::fs::write(&path, &content).unwrap();
    let outcome = Directory::open_existing(&home).and_then(|found| found.unwrap().count());
    assert!(
        matches!(outcome, Err(DirectoryError::Corrupt { .. })),
        "{outcome:?}"
    );
}

#[test]
fn values_that_are_never_written_are_named_as_damage() {
    for change in [
        "memory_kib = 1",
        "passes = 4000000000",
        "lanes = -1",
        "email = 'nobody'",
        "name = char(27)",
    ] {
        let (_temp, home) = scratch();
        let directory = Directory::open_or_create(&home).unwrap();
        insert(&home, &record("a@example.com")).unwrap();
        raw(&home)
            .execute_batch(&format!("UPDATE accounts SET {change}"))
            .unwrap();
        let email = "a@example.com".parse().unwrap();
        let error = directory.by_email(&email).err().unwrap();
        assert!(matches!(error, DirectoryError::Corrupt { .. }), "{change}");
    }
}

#[test]
fn links_and_files_others_may_write_are_refused_companions_too() {
    for name in [
        FILE,
        "accounts.db-wal",
        "accounts.db-shm",
        "accounts.db-journal",
    ] {
        let (temp, home) = scratch();
        drop(Directory::open_or_create(&home).unwrap());
        let (path, outside) = (home.path().join(name), temp.path().join("outside"));
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
        let writable = refusal(&home);
        let problem = |error| match error {
            DirectoryError::File(FsError { problem, .. }) => problem,
            error => panic!("{error:?}"),
        };
        let writable = problem(writable);
        assert!(matches!(writable, FsProblem::WritableByOthers { .. }));
        std::fs::remove_file(&path).unwrap();
        symlink(&outside, &path).unwrap();
        assert!(matches!(problem(refusal(&home)), FsProblem::Symlink));
        assert!(!outside.exists());
    }
}

#[test]
fn a_home_reached_through_a_link_works_and_one_swapped_away_is_refused() {
    let (temp, home) = scratch();
    let link = temp.path().join("link");
    symlink(temp.path(), &link).unwrap();
    let linked = Dir::open(&link.join("home")).unwrap().unwrap();
    drop(Directory::open_or_create(&linked).unwrap());
    std::fs::rename(home.path(), temp.path().join("away")).unwrap();
    Dir::open_or_create(home.path()).unwrap();
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(home.path(), open).unwrap();
    assert!(matches!(refusal(&home), DirectoryError::File(_)));
    // The directory may be shared with others, so its mode stays as it was.
    let mode = std::fs::metadata(home.path()).unwrap().mode();
    assert_eq!(mode & 0o7777, 0o755);
}

#[test]
fn leftovers_of_an_unfinished_creation_do_not_matter() {
    let (_temp, home) = scratch();
    for name in [UNFINISHED, ".tmp-accounts.db-journal", "accounts.db-wal"] {
        home.write_atomic(name, b"junk", Durability::Volatile)
            .unwrap();
    }
    drop(Directory::open_or_create(&home).unwrap());
    assert_eq!(home.names().unwrap(), [FILE]);
}
