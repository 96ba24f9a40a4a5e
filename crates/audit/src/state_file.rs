//! The file with the sealing state and the journal.
//!
//! The state is one disk sector, overwritten in place, so that saving it erases the previous seeds.
//! Nothing is synced: after a crash of the program, the state is at most one append behind the log,
//! and after a loss of power, either can be behind the other. The journal has copies of the lines
//! that the log may then lack.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::sealer::{SECTOR, Sealer};
use nightlatch_core::crypto::KeySector;
use nightlatch_platform::fs::{Archive, Dir, FileExt, FsError};

/// The state's directory, in the home. It is beside the log's directory, so that a copy of the log
/// has no secret.
pub(super) const SEAL_DIRECTORY: &str = "seal";
/// The state's file, in that directory.
pub(super) const STATE_FILE: &str = "state";
/// The offset of the journal in the file: on its own page.
const JOURNAL_AT: u64 = 4096;
/// The capacity of the journal, in bytes.
pub(super) const JOURNAL_SIZE: u64 = 128 * 1024;
/// How many times a state that looks damaged is read again, since another process may be writing
/// it.
const READS: u32 = 4;
/// Makes backup programs skip the directory (<https://bford.info/cachedir/>).
const TAG_FILE: &str = "CACHEDIR.TAG";
const TAG: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55\n\
    # Nightlatch keeps the keys of the audit log's next seals here. A copy of them in a backup would\n\
    # let whoever reads it change what was recorded after the copy was made.\n";

/// The state exists and cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadState;

/// The file of the state, open for reading and writing.
pub(super) struct StateFile {
    file: File,
    path: PathBuf,
}

impl StateFile {
    /// Opens the state of the log in `home`; `None` if there is none.
    ///
    /// # Errors
    /// When the file or its directory is not this user's alone, or cannot be opened.
    pub(super) fn open(home: &Dir) -> Result<Option<Self>, FsError> {
        let Some(dir) = home.subdir(SEAL_DIRECTORY)? else {
            return Ok(None);
        };
        let path = dir.path().join(STATE_FILE);
        let file = dir.open_existing(STATE_FILE)?;
        Ok(file.map(|file| Self { file, path }))
    }

    /// Creates the file with the state `sealer` of a log without lines, durably.
    ///
    /// # Errors
    /// When the system fails.
    pub(super) fn create(home: &Dir, sealer: &mut Sealer) -> Result<Self, FsError> {
        let dir = home.subdir_or_create(SEAL_DIRECTORY)?;
        // Do this before the file exists: existing files do not change.
        dir.disable_copy_on_write()?;
        if dir.open_file(TAG_FILE)?.is_none() {
            dir.write_atomic(TAG_FILE, TAG, nightlatch_platform::fs::Durability::Volatile)?;
        }
        let (mut file, temporary) = dir.create_temporary()?;
        let path = dir.path().join(STATE_FILE);
        let written = (|| {
            file.write_all(sealer.encode_next().expose())?;
            // Allocate everything now, so that no later save runs out of space.
            let rest = JOURNAL_AT + JOURNAL_SIZE - SECTOR as u64;
            std::io::copy(
                &mut std::io::Read::take(std::io::repeat(0), rest),
                &mut file,
            )?;
            file.sync_all()
        })();
        if let Err(error) = written {
            // The first failure is the one to report; a leftover temporary file is never used as a
            // state.
            let _ = dir.unlink(&temporary);
            return Err(FsError::new("write to", path, error));
        }
        dir.rename(&temporary, STATE_FILE)?;
        dir.sync()?;
        home.sync()?;
        Ok(Self { file, path })
    }

    /// The path of the file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the state from the file.
    ///
    /// # Errors
    /// When reading fails.
    pub(super) fn read(&self) -> Result<Result<Sealer, BadState>, FsError> {
        read(&self.file).map_err(|error| FsError::new("read", &self.path, error))
    }

    /// Overwrites the state with `sealer`, which erases the previous one.
    ///
    /// # Errors
    /// When the system fails; the previous state is then intact.
    pub(super) fn save(&self, sealer: &mut Sealer) -> Result<(), FsError> {
        self.file
            .write_all_at(sealer.encode_next().expose(), 0)
            .map_err(|error| FsError::new("write to", &self.path, error))
    }

    /// Writes `lines` into the journal at the offset `at`; they must fit.
    ///
    /// # Errors
    /// When the system fails.
    pub(super) fn write_journal(&self, at: u64, lines: &[u8]) -> Result<(), FsError> {
        self.file
            .write_all_at(lines, JOURNAL_AT + at)
            .map_err(|error| FsError::new("write to", &self.path, error))
    }

    /// The first `length` bytes of the journal; `None` if that is more than its capacity.
    ///
    /// # Errors
    /// When the system fails.
    pub(super) fn read_journal(&self, length: u64) -> Result<Option<Vec<u8>>, FsError> {
        if length > JOURNAL_SIZE {
            return Ok(None);
        }
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        self.file
            .read_exact_at(&mut bytes, JOURNAL_AT)
            .map_err(|error| FsError::new("read", &self.path, error))?;
        Ok(Some(bytes))
    }
}

/// The state that belongs to the log in `directory`: that of its home, if it is readable. A copy of
/// a log has no state beside it.
///
/// # Errors
/// When the file exists and its permissions allow reading, but reading fails.
pub(super) fn load_beside(directory: &Path) -> Result<Option<Result<Sealer, BadState>>, FsError> {
    match open_beside(directory)? {
        None => Ok(None),
        Some(Err(bad)) => Ok(Some(Err(bad))),
        Some(Ok((file, path))) => read(&file)
            .map(Some)
            .map_err(|error| FsError::new("read", path, error)),
    }
}

/// The journal of the state `sealer`, which [`load_beside`] returned; `None` if it is gone.
///
/// # Errors
/// When the file exists and its permissions allow reading, but reading fails.
pub(super) fn journal_beside(
    directory: &Path,
    sealer: &Sealer,
) -> Result<Option<Vec<u8>>, FsError> {
    let Some(Ok((file, path))) = open_beside(directory)? else {
        return Ok(None);
    };
    let length = sealer.place().offset - sealer.journal_start;
    StateFile { file, path }.read_journal(length)
}

/// Opens the file of that state, with its path.
#[allow(clippy::type_complexity)] // no file, not a file of ours, or a file
fn open_beside(directory: &Path) -> Result<Option<Result<(File, PathBuf), BadState>>, FsError> {
    if directory.file_name() != Some(super::segment::DIRECTORY.as_ref()) {
        return Ok(None);
    }
    let home = directory
        .parent()
        .filter(|home| !home.as_os_str().is_empty());
    let Ok(home) = Archive::open(home.unwrap_or(Path::new("."))) else {
        return Ok(None);
    };
    let opened = match home.subdir(SEAL_DIRECTORY) {
        Ok(Some(archive)) => archive
            .open_file(STATE_FILE)
            .map(|file| file.map(|file| (file, archive.path().join(STATE_FILE)))),
        Ok(None) => return Ok(None),
        Err(error) => Err(error),
    };
    match opened {
        Ok(opened) => Ok(opened.map(Ok)),
        Err(error) if error.io_kind() == Some(std::io::ErrorKind::PermissionDenied) => Ok(None),
        // A link, or something else that is not our file or directory.
        Err(error) if error.io_kind().is_none() => Ok(Some(Err(BadState))),
        Err(error) => Err(error),
    }
}

fn read(file: &File) -> std::io::Result<Result<Sealer, BadState>> {
    let mut sector = KeySector::zeroed();
    if file.metadata()?.len() != JOURNAL_AT + JOURNAL_SIZE {
        return Ok(Err(BadState));
    }
    for _ in 0..READS {
        match file.read_exact_at(sector.expose_mut(), 0) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(error),
        }
        // A reader without the log's lock may see a state that is being written.
        if let Some(state) = Sealer::decode(sector.expose()) {
            return Ok(Ok(state));
        }
    }
    Ok(Err(BadState))
}
