//! The file of the sealing state, and the journal behind it.
//!
//! The state is one disk sector, overwritten in place, so that a save erases the seeds before. Nothing
//! is synced: after a crash of the program the state is at most one append behind the log, and after
//! a loss of power either may be behind the other. The journal repeats the lines that the log may
//! then lack.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::sealer::{SECTOR, Sealer};
use nightlatch_core::crypto::KeySector;
use nightlatch_platform::fs::{Archive, Dir, FileExt, FsError};

/// The directory of the state, in the home, beside that of the log: a copy of the log has no secret.
pub(super) const SEAL_DIRECTORY: &str = "seal";
/// The file of the state, in that directory.
pub(super) const STATE_FILE: &str = "state";
/// Where in the file the journal begins: on a page of its own.
const JOURNAL_AT: u64 = 4096;
/// How many bytes of lines the journal holds.
pub(super) const JOURNAL_SIZE: u64 = 128 * 1024;
/// How often a state that looks damaged is read again, which one being written may.
const READS: u32 = 4;
/// Tells backup programs to leave the directory out (<https://bford.info/cachedir/>).
const TAG_FILE: &str = "CACHEDIR.TAG";
const TAG: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55\n\
    # Nightlatch keeps the keys of the audit log's next seals here. A copy of them in a backup would\n\
    # let whoever reads it change what was recorded after the copy was made.\n";

/// The state was there and cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadState;

/// The file of the state, open for reading and writing.
pub(super) struct StateFile {
    file: File,
    path: PathBuf,
}

impl StateFile {
    /// That of the log in `home`; `None` when there is none.
    ///
    /// # Errors
    /// When the file, or its directory, is not ours alone, or cannot be opened.
    pub(super) fn open(home: &Dir) -> Result<Option<Self>, FsError> {
        let Some(dir) = home.subdir(SEAL_DIRECTORY)? else {
            return Ok(None);
        };
        let path = dir.path().join(STATE_FILE);
        let file = dir.open_existing(STATE_FILE)?;
        Ok(file.map(|file| Self { file, path }))
    }

    /// Creates the file with the state `sealer` of a log that has no line yet, durably.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn create(home: &Dir, sealer: &mut Sealer) -> Result<Self, FsError> {
        let dir = home.subdir_or_create(SEAL_DIRECTORY)?;
        // Before there is a file: those that are there already keep what they have.
        dir.disable_copy_on_write()?;
        if dir.open_file(TAG_FILE)?.is_none() {
            dir.write_atomic(TAG_FILE, TAG, nightlatch_platform::fs::Durability::Volatile)?;
        }
        let (mut file, temporary) = dir.create_temporary()?;
        let path = dir.path().join(STATE_FILE);
        let written = (|| {
            file.write_all(sealer.encode_next().expose())?;
            // In full now, so that no later save runs out of space.
            let rest = JOURNAL_AT + JOURNAL_SIZE - SECTOR as u64;
            std::io::copy(
                &mut std::io::Read::take(std::io::repeat(0), rest),
                &mut file,
            )?;
            file.sync_all()
        })();
        if let Err(error) = written {
            // The failure to report is the first one; a leftover is never a state.
            let _ = dir.unlink(&temporary);
            return Err(FsError::new("write to", path, error));
        }
        dir.rename(&temporary, STATE_FILE)?;
        dir.sync()?;
        home.sync()?;
        Ok(Self { file, path })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The state of the file.
    ///
    /// # Errors
    /// When the system refuses to read.
    pub(super) fn read(&self) -> Result<Result<Sealer, BadState>, FsError> {
        read(&self.file).map_err(|error| FsError::new("read", &self.path, error))
    }

    /// Overwrites the state with `sealer`, which erases the one before it.
    ///
    /// # Errors
    /// When the system refuses; what was saved before then still is.
    pub(super) fn save(&self, sealer: &mut Sealer) -> Result<(), FsError> {
        self.file
            .write_all_at(sealer.encode_next().expose(), 0)
            .map_err(|error| FsError::new("write to", &self.path, error))
    }

    /// Puts `lines` into the journal, `at` bytes after its beginning; they must fit.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn write_journal(&self, at: u64, lines: &[u8]) -> Result<(), FsError> {
        self.file
            .write_all_at(lines, JOURNAL_AT + at)
            .map_err(|error| FsError::new("write to", &self.path, error))
    }

    /// The first `length` bytes of the journal; `None` when it cannot hold as many.
    ///
    /// # Errors
    /// When the system refuses.
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

/// The state that belongs to the log in `directory`: that of the home it is in, where it can be read.
/// A copy of a log has none beside it.
///
/// # Errors
/// When the file is there, may be read, and cannot be.
pub(super) fn load_beside(directory: &Path) -> Result<Option<Result<Sealer, BadState>>, FsError> {
    match open_beside(directory)? {
        None => Ok(None),
        Some(Err(bad)) => Ok(Some(Err(bad))),
        Some(Ok((file, path))) => read(&file)
            .map(Some)
            .map_err(|error| FsError::new("read", path, error)),
    }
}

/// The journal of the state `sealer` that [`load_beside`] gave; `None` when there is none any more.
///
/// # Errors
/// When the file is there, may be read, and cannot be.
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

/// The file of that state, and where it is.
#[allow(clippy::type_complexity)] // no file, not a file of ours, or one
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
        // A link, or anything else that is no file or directory of ours.
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
        // Whoever reads without the log's lock may meet a state that is being written.
        if let Some(state) = Sealer::decode(sector.expose()) {
            return Ok(Ok(state));
        }
    }
    Ok(Err(BadState))
}
