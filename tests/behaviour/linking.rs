//! How the program is linked, and what a program without shared libraries must do without.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::support::users::{BOB, program_for_all};
use crate::support::{Home, Run};

/// Whether the C compiler knows a file of this name: it gives the bare name of one it does not.
fn c_compiler_has(file: &str) -> bool {
    let asked = Command::new("cc")
        .arg(format!("-print-file-name={file}"))
        .output();
    asked.is_ok_and(|told| Path::new(String::from_utf8_lossy(&told.stdout).trim()).is_absolute())
}

#[test]
fn the_program_needs_no_shared_library_where_it_can_do_without_and_is_loaded_anywhere() {
    const POSITION_INDEPENDENT: u16 = 3;
    const INTERPRETER: u32 = 3;
    if cfg!(not(all(target_os = "linux", target_arch = "x86_64"))) {
        eprintln!("skipped: another format, or not tried");
        return;
    }
    let home = Home::bare();
    let program = std::fs::read(home.command(&[]).get_program()).unwrap();
    let number = |at: usize| u16::from_le_bytes(program[at..at + 2].try_into().unwrap());
    assert_eq!(program[..5], *b"\x7fELF\x02");
    assert_eq!(number(16), POSITION_INDEPENDENT);
    let (first, size, count) = (
        u64::from_le_bytes(program[32..40].try_into().unwrap()),
        usize::from(number(54)),
        usize::from(number(56)),
    );
    let first = usize::try_from(first).unwrap();
    let is_dynamic = (0..count)
        .map(|index| first + index * size)
        .any(|at| u32::from_le_bytes(program[at..at + 4].try_into().unwrap()) == INTERPRETER);
    if ["libc.a", "rcrt1.o", "libgcc_eh.a"]
        .into_iter()
        .all(c_compiler_has)
    {
        assert!(!is_dynamic, "it waits for the dynamic linker");
    } else {
        eprintln!("skipped in part: no static libraries here");
    }
}

#[test]
fn where_nothing_tells_where_home_is_the_error_says_so_whoever_it_is() {
    let home = Home::signed_in();
    let without_home = |mut command: Command| {
        command.env_remove("HOME").env_remove("NIGHTLATCH_HOME");
        Run::of(command)
    };
    without_home(home.command(&["status"])).refuses(1, "HOME is not set");
    let empty = |mut command: Command| {
        command.env("HOME", "").env_remove("NIGHTLATCH_HOME");
        Run::of(command)
    };
    empty(home.command(&["status", "--check"])).refuses(1, "HOME is not set");
    // A user that is in no database: looking for one there is where a static program would die.
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped in part: only root can be somebody else");
        return;
    }
    let mut command = Command::new(program_for_all(&home).unwrap());
    command.env_clear().uid(BOB).gid(BOB).arg("status");
    Run::of(command).refuses(1, "HOME is not set");
}
