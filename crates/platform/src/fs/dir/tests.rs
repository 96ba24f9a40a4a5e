#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::time::Duration;

use super::*;

fn scratch() -> (tempfile::TempDir, Dir) {
    let temp = tempfile::tempdir().unwrap();
    let dir = Dir::open_or_create(&temp.path().join("home")).unwrap();
    (temp, dir)
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn mode_of(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn an_open_directory_is_closed_to_others() {
    let (_temp, dir) = scratch();
    set_mode(dir.path(), 0o777);
    Dir::open(dir.path()).unwrap().unwrap();
    assert_eq!(mode_of(dir.path()), 0o700);
}

#[test]
fn a_file_opened_for_update_is_changed_in_place_and_is_the_owners_alone() {
    use std::os::unix::fs::FileExt;
    let (_temp, dir) = scratch();
    let path = dir.path().join("state");
    dir.open_update("state")
        .unwrap()
        .write_all_at(b"abcd", 0)
        .unwrap();
    let inode = std::fs::metadata(&path).unwrap().ino();
    dir.open_update("state")
        .unwrap()
        .write_all_at(b"X", 1)
        .unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"aXcd");
    assert_eq!(
        (std::fs::metadata(&path).unwrap().ino(), mode_of(&path)),
        (inode, 0o600)
    );
    std::fs::remove_file(&path).unwrap();
    symlink("elsewhere", &path).unwrap();
    assert!(matches!(
        dir.open_update("state").unwrap_err().problem,
        FsProblem::Symlink
    ));
}

#[test]
fn a_linked_directory_is_refused_even_with_a_trailing_slash() {
    let (temp, dir) = scratch();
    let link = temp.path().join("link");
    symlink(dir.path(), &link).unwrap();
    for path in [link.clone(), PathBuf::from(format!("{}/", link.display()))] {
        let error = Dir::open(&path).unwrap_err();
        assert!(matches!(error.problem, FsProblem::Symlink), "{error}");
    }
}

#[test]
fn a_file_in_place_of_a_directory_is_refused() {
    let (temp, _dir) = scratch();
    let file = temp.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let error = Dir::open_or_create(&file).unwrap_err();
    assert!(matches!(error.problem, FsProblem::NotDirectory), "{error}");
}

#[test]
fn a_file_others_could_read_is_closed_and_used() {
    let (_temp, dir) = scratch();
    dir.write_atomic("a", b"x", Durability::Volatile).unwrap();
    set_mode(&dir.path().join("a"), 0o644);
    assert!(dir.open_file("a").unwrap().is_some());
    assert_eq!(mode_of(&dir.path().join("a")), 0o600);
}

#[test]
fn a_file_others_could_write_is_refused() {
    let (_temp, dir) = scratch();
    dir.write_atomic("a", b"x", Durability::Volatile).unwrap();
    set_mode(&dir.path().join("a"), 0o620);
    let error = dir.open_file("a").unwrap_err();
    assert!(
        matches!(error.problem, FsProblem::WritableByOthers { mode: 0o620 }),
        "{error}"
    );
}

#[test]
fn links_fifos_and_directories_are_no_files_of_ours() {
    let (_temp, dir) = scratch();
    dir.write_atomic("real", b"x", Durability::Volatile)
        .unwrap();
    symlink("real", dir.path().join("soft")).unwrap();
    assert!(matches!(
        dir.open_file("soft").unwrap_err().problem,
        FsProblem::Symlink
    ));
    std::fs::hard_link(dir.path().join("real"), dir.path().join("hard")).unwrap();
    let problem = dir.open_file("hard").unwrap_err().problem;
    assert!(matches!(problem, FsProblem::HardLinked { links: 2 }));
    dir.subdir_or_create("sub").unwrap();
    assert!(matches!(
        dir.open_file("sub").unwrap_err().problem,
        FsProblem::NotRegular
    ));
    rustix::fs::mknodat(dir.handle(), "fifo", FileType::Fifo, FILE_MODE, 0).unwrap();
    assert!(matches!(
        dir.open_file("fifo").unwrap_err().problem,
        FsProblem::NotRegular
    ));
    assert!(matches!(
        dir.open_append("fifo").unwrap_err().problem,
        FsProblem::NotRegular
    ));
}

#[test]
fn an_atomic_write_replaces_a_link_instead_of_following_it() {
    let (temp, dir) = scratch();
    let outside = temp.path().join("outside");
    std::fs::write(&outside, "untouched").unwrap();
    symlink(&outside, dir.path().join("a")).unwrap();
    dir.write_atomic("a", b"ours", Durability::Synced).unwrap();
    assert_eq!(std::fs::read_to_string(&outside).unwrap(), "untouched");
    assert_eq!(
        std::fs::read_to_string(dir.path().join("a")).unwrap(),
        "ours"
    );
    assert_eq!(mode_of(&dir.path().join("a")), 0o600);
}

#[test]
fn a_failed_write_leaves_the_old_content_and_no_leftover() {
    let (_temp, dir) = scratch();
    dir.subdir_or_create("a")
        .unwrap()
        .write_atomic("x", b"", Durability::Volatile)
        .unwrap();
    assert!(
        dir.write_atomic("a", b"ours", Durability::Volatile)
            .is_err()
    );
    assert_eq!(dir.names().unwrap(), ["a"]);
}

#[test]
fn leftovers_are_swept_and_nothing_else() {
    let (_temp, dir) = scratch();
    dir.write_atomic("keep", b"", Durability::Volatile).unwrap();
    dir.create_new(".tmp-0000").unwrap();
    dir.sweep_temporary().unwrap();
    assert_eq!(dir.names().unwrap(), ["keep"]);
}

#[test]
fn the_lock_excludes_a_second_holder_in_the_same_process() {
    let (_temp, dir) = scratch();
    let held = dir.lock().unwrap();
    let other = dir.reopen().unwrap();
    assert!(fs2::FileExt::try_lock_exclusive(&other).is_err());
    drop(held);
    // A child of another test has the file for as long as it takes to run its program.
    let again = dir.lock_within(Duration::from_secs(30)).unwrap();
    assert!(again.is_some());
}

#[test]
fn a_lock_lists_its_directory_as_often_as_it_is_asked() {
    let (_temp, dir) = scratch();
    // More than fits into one block of directory entries.
    let mut expected: Vec<_> = (0..300).map(|at| format!("a-name-of-{at:030}")).collect();
    for name in &expected {
        dir.create_new(name).unwrap();
    }
    let lock = dir.lock().unwrap();
    for _ in 0..2 {
        let mut names = lock.names().unwrap();
        names.sort();
        assert_eq!(names, expected);
        dir.create_new("zz")
            .map(|_| expected.push("zz".to_owned()))
            .ok();
    }
}

#[test]
fn a_directory_that_is_only_looked_at_is_neither_closed_nor_changed() {
    let (_temp, dir) = scratch();
    dir.write_atomic("file", b"x", Durability::Volatile)
        .unwrap();
    dir.subdir_or_create("sub").unwrap();
    for (name, mode) in [("", 0o755), ("file", 0o644), ("sub", 0o750)] {
        set_mode(&dir.path().join(name), mode);
    }
    let looked = Dir::open_to_look(dir.path()).unwrap().unwrap();
    assert!(looked.is_only_looked_at() && looked.contains("file").unwrap());
    assert!(looked.open_file("file").unwrap().is_some());
    assert!(looked.open_existing("file").unwrap().is_some());
    assert!(super::super::check_unopened(&looked, "file").unwrap());
    let sub = looked.subdir("sub").unwrap().unwrap();
    for refused in [
        looked.open_append("file").err(),
        looked.open_update("new").err(),
        looked.create_new("new").err(),
        looked.write_atomic("file", b"", Durability::Volatile).err(),
        looked.rename("file", "new").err(),
        looked.unlink("file").err(),
        looked.subdir_or_create("new").err(),
        sub.create_temporary().err(),
    ] {
        let problem = refused.map(|error| error.problem);
        assert!(
            matches!(problem, Some(FsProblem::OnlyLookedAt)),
            "{problem:?}"
        );
    }
    let modes = ["", "file", "sub"].map(|name| mode_of(&dir.path().join(name)));
    assert_eq!(modes, [0o755, 0o644, 0o750]);
    let used = looked.into_used().unwrap();
    assert_eq!(mode_of(used.path()), 0o700);
    assert!(used.unlink("file").unwrap());
}
