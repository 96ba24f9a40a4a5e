//! The account database: an SQLite file in the home, shared by all of the user's processes.
//!
//! It holds emails, names and counts, and account keys and secrets, which are sealed.

mod changes;
mod check;
mod error;
mod recovery;
mod rows;
mod schema;

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use nightlatch_core::crypto::Key;
use nightlatch_platform::fs::{Dir, FsError, check_unopened};

pub use check::{DatabaseState, check as check_database};
pub use error::DirectoryError;
pub(crate) use recovery::StoredCode;
pub(crate) use rows::{Attempted, Inserted, Record};

const FILE: &str = "accounts.db";
/// The name under which a new database is prepared; swept with the other temporary files.
const UNFINISHED: &str = ".tmp-accounts.db";
/// Suffixes of the files that SQLite keeps beside a database.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];
/// The pragma that has the version of the tables.
const VERSION: &str = "user_version";
/// The length of the header of SQLite's log, in bytes.
const WAL_HEADER: u64 = 32;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// One connection to the account database.
pub(crate) struct Directory {
    connection: Connection,
    path: PathBuf,
    /// The version of the tables, once they are known to be ours.
    version: i64,
}

/// A write transaction: no other process can write to the database meanwhile. Reading through it
/// shows what it has written. Dropped before it is committed, it changes nothing, because closing
/// the connection rolls back.
#[must_use = "nothing is written until it is committed"]
pub(crate) struct Writing {
    directory: Directory,
}

impl Deref for Writing {
    type Target = Directory;

    fn deref(&self) -> &Directory {
        &self.directory
    }
}

impl Writing {
    /// Commits durably, and returns the connection.
    ///
    /// # Errors
    /// When the database cannot be written; nothing is changed then.
    pub fn commit(self) -> Result<Directory, DirectoryError> {
        let Self { directory } = self;
        let committed = directory.connection.execute_batch("COMMIT");
        committed.map_err(|error| directory.failed(error))?;
        Ok(directory)
    }
}

impl Directory {
    /// Opens the database in `home`; `None` when there is none yet.
    ///
    /// # Errors
    /// When it is not private to this user, or not a database that this program knows. Nothing is
    /// changed then.
    pub fn open_existing(home: &Dir) -> Result<Option<Self>, DirectoryError> {
        if !check_files(home, FILE)? {
            return Ok(None);
        }
        if home.is_only_looked_at() {
            return Ok(Some(Self::connect_to_look(home)?.check_identity()?));
        }
        let opened = Self::connect(home, FILE)?.check_identity()?;
        Ok(Some(opened.migrate()?))
    }

    /// Opens the database in `home` for reading as it is on disk, without changing anything; `None`
    /// when there is none yet.
    ///
    /// # Errors
    /// As [`Directory::open_existing`], and it may be read in the middle of a change.
    pub fn open_at_rest(home: &Dir) -> Result<Option<Self>, DirectoryError> {
        if !check_files(home, FILE)? {
            return Ok(None);
        }
        let opened = Self::connect_by(home, "immutable=1")?;
        Ok(Some(opened.check_identity()?))
    }

    /// As [`Directory::open_existing`], but creates the database when there is none. This takes the
    /// lock of `home`, so call it without.
    ///
    /// # Errors
    /// As [`Directory::open_existing`], and when it cannot be created.
    pub fn open_or_create(home: &Dir) -> Result<Self, DirectoryError> {
        if let Some(opened) = Self::open_existing(home)? {
            return Ok(opened);
        }
        create(home)?;
        Self::open_existing(home)?.ok_or_else(|| DirectoryError::Corrupt {
            path: home.path().join(FILE),
            what: "it disappeared when it had just been created".to_owned(),
        })
    }

    fn connect(home: &Dir, name: &str) -> Result<Self, DirectoryError> {
        let path = home.path().join(name);
        let failed = |error| DirectoryError::from_sqlite(&path, error);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let real = home.real_path()?.join(name);
        let connection = Connection::open_with_flags(real, flags).map_err(failed)?;
        Self::harden(&connection).map_err(failed)?;
        Ok(Self::unchecked(connection, path))
    }

    /// Connects for reading without changing anything. Uses SQLite's companion files if they exist,
    /// which are then only read, and otherwise reads the file as it is on disk.
    fn connect_to_look(home: &Dir) -> Result<Self, DirectoryError> {
        let is_in_use = Self::has_changes_in_wal(home)? && home.contains(&format!("{FILE}-shm"))?;
        Self::connect_by(
            home,
            if is_in_use {
                "readonly_shm=1"
            } else {
                "immutable=1"
            },
        )
    }

    /// Whether SQLite's log may hold a change. One that was killed right after its header makes SQLite
    /// try for ten seconds, and then fail, where it may only read.
    fn has_changes_in_wal(home: &Dir) -> Result<bool, DirectoryError> {
        let name = format!("{FILE}-wal");
        let Some(log) = home.open_file(&name)? else {
            return Ok(false);
        };
        let found = log.metadata();
        let found =
            found.map_err(|error| FsError::new("inspect", home.path().join(&name), error))?;
        Ok(found.len() > WAL_HEADER)
    }

    /// Connects with SQLite's `options`. With `immutable=1`, it reads the file as it is on disk,
    /// without a lock and without companion files, so it may miss changes by a process that has the
    /// database open.
    fn connect_by(home: &Dir, options: &str) -> Result<Self, DirectoryError> {
        let path = home.path().join(FILE);
        let failed = |error| DirectoryError::from_sqlite(&path, error);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
            | OpenFlags::SQLITE_OPEN_URI
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let real = home.real_path()?.join(FILE);
        let connection = Connection::open_with_flags(uri(&real, options), flags).map_err(failed)?;
        connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
            .map_err(failed)?;
        Self::harden(&connection).map_err(failed)?;
        Ok(Self::unchecked(connection, path))
    }

    fn unchecked(connection: Connection, path: PathBuf) -> Self {
        Self {
            connection,
            path,
            version: 0,
        }
    }

    fn harden(connection: &Connection) -> rusqlite::Result<()> {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        // Keeps an edited database from making SQLite run code for it.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "synchronous", "FULL")
    }

    /// Refuses a file that is not our database in a version that we know.
    fn check_identity(mut self) -> Result<Self, DirectoryError> {
        let path = || self.path.clone();
        if self.number("page_count")? == 0 {
            return Err(DirectoryError::NotADatabase { path: path() });
        }
        if self.number("application_id")? != schema::APPLICATION_ID {
            return Err(DirectoryError::Foreign { path: path() });
        }
        self.version = self.number(VERSION)?;
        self.check_version(self.version)?;
        // Overwrites free pages: the key sealed under a changed password must not linger there.
        self.connection
            .pragma_update(None, "secure_delete", true)
            .map_err(|error| self.failed(error))?;
        Ok(self)
    }

    fn check_version(&self, found: i64) -> Result<(), DirectoryError> {
        match found {
            schema::OLDEST..=schema::VERSION => Ok(()),
            found if found > schema::VERSION => Err(DirectoryError::Newer {
                path: self.path.clone(),
                found,
                known: schema::VERSION,
            }),
            found => Err(self.corrupt(format!("it has no format {found}"))),
        }
    }

    fn number(&self, pragma: &str) -> Result<i64, DirectoryError> {
        self.connection
            .pragma_query_value(None, pragma, |row| row.get(0))
            .map_err(|error| self.failed(error))
    }

    /// Whether there are tables for secrets. A database that is only looked at keeps its old tables,
    /// and those of an earlier version have none.
    pub fn has_secrets(&self) -> bool {
        self.version >= schema::WITH_SECRETS
    }

    /// Brings the tables up to date, if an older version of the program wrote them.
    fn migrate(self) -> Result<Self, DirectoryError> {
        if self.version == schema::VERSION {
            return Ok(self);
        }
        let writing = self.begin()?;
        // Another process may have done it meanwhile.
        let found = writing.number(VERSION)?;
        if found < schema::VERSION {
            let applied = schema::apply(&writing.connection, found);
            applied.map_err(|error| writing.failed(error))?;
        }
        let mut migrated = writing.commit()?;
        migrated.version = schema::VERSION;
        Ok(migrated)
    }

    /// Begins a write transaction.
    ///
    /// # Errors
    /// When another process writes for too long, or the database cannot be written.
    pub fn begin(self) -> Result<Writing, DirectoryError> {
        let begun = self.connection.execute_batch("BEGIN IMMEDIATE");
        begun.map_err(|error| self.failed(error))?;
        Ok(Writing { directory: self })
    }

    /// The key used to compute tags of emails.
    ///
    /// # Errors
    /// From the database.
    pub fn tag_key(&self) -> Result<Key, DirectoryError> {
        let mut key = Key::zeroed();
        let whole = self
            .connection
            .query_row("SELECT value FROM meta WHERE key = 'tag_key'", [], |row| {
                let stored = row.get_ref(0)?.as_blob()?;
                let whole = stored.len() == key.expose().len();
                if whole {
                    key.expose_mut().copy_from_slice(stored);
                }
                Ok(whole)
            })
            .map_err(|error| self.failed(error))?;
        if whole {
            Ok(key)
        } else {
            Err(self.corrupt("its tag key is not 32 bytes".to_owned()))
        }
    }

    /// The connection and the database's path, for the tables of other parts of the program.
    pub fn parts(&self) -> (&Connection, &Path) {
        (&self.connection, &self.path)
    }

    /// Copies what was written into the database itself and empties the file beside it, so that
    /// neither holds what was overwritten. Best effort: while another process reads, it is done by
    /// a later write.
    pub fn erase_leftovers(&self) {
        let done = |_: &rusqlite::Row<'_>| Ok(());
        let emptied = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], done);
        if let Err(error) = emptied {
            tracing::debug!(%error, "the database is in use and is emptied later");
        }
    }

    fn failed(&self, error: rusqlite::Error) -> DirectoryError {
        DirectoryError::from_sqlite(&self.path, error)
    }

    fn corrupt(&self, what: String) -> DirectoryError {
        DirectoryError::Corrupt {
            path: self.path.clone(),
            what,
        }
    }
}

/// Prepares a database under another name and then renames it, so that `accounts.db` is always
/// complete. The descriptors of the new file are closed by then; closing them later could release
/// another connection's lock.
fn create(home: &Dir) -> Result<(), DirectoryError> {
    let _lock = home.lock()?;
    if check_files(home, FILE)? {
        return Ok(());
    }
    home.unlink(UNFINISHED)?;
    for companion in COMPANIONS {
        home.unlink(&format!("{UNFINISHED}{companion}"))?;
        // SQLite would take leftovers of a removed database for the new one's.
        home.unlink(&format!("{FILE}{companion}"))?;
    }
    drop(home.create_new(UNFINISHED)?);
    let unfinished = Directory::connect(home, UNFINISHED)?;
    let tag_key = Key::random()?;
    (|| {
        let connection = &unfinished.connection;
        schema::create(connection)?;
        connection.execute(
            "INSERT INTO meta (key, value) VALUES ('tag_key', ?1)",
            [tag_key.expose().as_slice()],
        )?;
        connection.pragma_update(None, "application_id", schema::APPLICATION_ID)?;
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))
    })()
    .map_err(|error| unfinished.failed(error))?;
    let Directory {
        connection, path, ..
    } = unfinished;
    connection
        .close()
        .map_err(|(_, error)| DirectoryError::from_sqlite(&path, error))?;
    home.rename(UNFINISHED, FILE)?;
    home.sync()?;
    Ok(())
}

/// Checks the database and its companion files. Returns whether there is a database.
fn check_files(home: &Dir, name: &str) -> Result<bool, DirectoryError> {
    for companion in COMPANIONS {
        check_unopened(home, &format!("{name}{companion}"))?;
    }
    Ok(check_unopened(home, name)?)
}

/// The path as an SQLite URI, with special bytes escaped.
fn uri(path: &Path, options: &str) -> String {
    use std::fmt::Write;
    let mut uri = String::from("file:");
    for &byte in path.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02x}");
        }
    }
    format!("{uri}?{options}")
}

#[cfg(test)]
mod tests;
