//! How the program is linked, and the limits of a program without shared libraries.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::support::users::{BOB, program_for_all};
use crate::support::{Home, Run};

#[test]
fn the_program_is_position_independent() {
    const POSITION_INDEPENDENT: u16 = 3;
    if cfg!(not(all(target_os = "linux", target_endian = "little"))) {
        eprintln!("skipped: another format, or not tried");
        return;
    }
    let home = Home::bare();
    let program = std::fs::read(home.command(&[]).get_program()).unwrap();
    assert_eq!(program[..4], *b"\x7fELF");
    let kind = u16::from_le_bytes(program[16..18].try_into().unwrap());
    assert_eq!(kind, POSITION_INDEPENDENT);
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
    // A user that is in no database: looking it up is where a static program would crash.
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped in part: only root can be somebody else");
        return;
    }
    let mut command = Command::new(program_for_all(&home).unwrap());
    command.env_clear().uid(BOB).gid(BOB).arg("status");
    Run::of(command).refuses(1, "HOME is not set");
}
