//! Lists the names in an open directory.

use std::ffi::CStr;
#[cfg(target_os = "linux")]
use std::mem::MaybeUninit;
use std::os::fd::AsFd;

use rustix::io::Errno;

/// The names of the files in an open directory, without those that are not UTF-8.
pub(super) fn names_in(directory: impl AsFd) -> Result<Vec<String>, Errno> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(directory)? {
        names.extend(name_of(entry?.file_name()));
    }
    Ok(names)
}

/// The names of the files in an open directory, with invalid UTF-8 replaced.
pub(super) fn all_names_in(directory: impl AsFd) -> Result<Vec<String>, Errno> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(directory)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != "." && name != ".." {
            names.push(name);
        }
    }
    Ok(names)
}

/// Lists through this handle itself, whose read position nobody else may rely on.
#[cfg(target_os = "linux")]
pub(super) fn names_by(directory: impl AsFd) -> Result<Vec<String>, Errno> {
    rustix::fs::seek(&directory, rustix::fs::SeekFrom::Start(0))?;
    let mut buffer = [const { MaybeUninit::uninit() }; 4096];
    let mut entries = rustix::fs::RawDir::new(directory, &mut buffer);
    let mut names = Vec::new();
    while let Some(entry) = entries.next() {
        names.extend(name_of(entry?.file_name()));
    }
    Ok(names)
}

#[cfg(not(target_os = "linux"))]
pub(super) use names_in as names_by;

fn name_of(name: &CStr) -> Option<String> {
    let name = name.to_str().ok()?;
    (name != "." && name != "..").then(|| name.to_owned())
}
