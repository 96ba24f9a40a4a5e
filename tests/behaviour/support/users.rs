//! Other users, by user id only: no account has to be added to the machine.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{EMAIL, Home, PASSWORD, Run, tree};

/// The owner of the home.
pub const ALICE: u32 = 54_321;
/// A user without access to the home.
pub const BOB: u32 = 54_322;

/// A copy of the program that other users can run, in a scratch directory they can enter.
pub fn program_for_all(home: &Home) -> Option<PathBuf> {
    let program = home.outside("program");
    // Copy it in another process: if this process had the file open for writing, a child that
    // another test is starting would inherit it, and a program that is open for writing cannot be
    // run.
    let mut copy = Command::new("cp");
    copy.arg(home.command(&[]).get_program()).arg(&program);
    copy.status()
        .ok()
        .filter(std::process::ExitStatus::success)?;
    let set_mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).ok()
    };
    set_mode(&program, 0o755)?;
    set_mode(program.parent()?, 0o711)?;
    Some(program)
}

/// Runs `act` as user `uid`, in a separate thread: in the kernel, each thread has its own user.
#[allow(unsafe_code)]
pub fn acting_as<T: Send>(uid: u32, act: impl FnOnce() -> T + Send) -> T {
    let act = move || {
        // SAFETY: raw calls with plain numbers, which change only this thread, and it ends here.
        let changed = unsafe {
            libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<u32>()) == 0
                && libc::syscall(libc::SYS_setresgid, uid, uid, uid) == 0
                && libc::syscall(libc::SYS_setresuid, uid, uid, uid) == 0
        };
        assert!(changed, "cannot become user {uid}");
        act()
    };
    std::thread::scope(|scope| scope.spawn(act).join().unwrap())
}

/// A home that belongs to Alice, on a machine with other users. Her sessions end when it is
/// dropped.
pub struct Alices {
    pub home: Home,
    program: PathBuf,
}

impl Alices {
    /// A home that does not exist yet except for its configuration, in Alice's scratch directory;
    /// `None`, with a message, if this process cannot act as other users.
    pub fn new(keeper: Option<&'static str>) -> Option<Self> {
        let mut home = Home::new();
        if let Some(keeper) = keeper {
            home = home.with_keeper(keeper);
        }
        let program = program_for_all(&home)
            .filter(|_| rustix::process::geteuid().is_root())
            .filter(|program| {
                let probe = Command::new(program)
                    .arg("--version")
                    .uid(BOB)
                    .gid(BOB)
                    .output();
                probe.is_ok_and(|output| output.status.success())
            });
        let Some(program) = program else {
            eprintln!("skipped: only root can act as other users");
            return None;
        };
        let alices = Self { home, program };
        chown(alices.home.outside(""), Some(ALICE), Some(ALICE)).unwrap();
        alices.give_to(ALICE);
        Some(alices)
    }

    /// Like [`Alices::new`], with an account that is signed in.
    pub fn signed_in(keeper: &'static str) -> Option<Self> {
        let alices = Self::new(Some(keeper))?;
        let register = ["register", EMAIL, "--password-stdin"];
        alices.run(ALICE, &register).succeeds();
        alices.run(ALICE, &["login", "--password-stdin"]).succeeds();
        Some(alices)
    }

    /// Makes `uid` the owner of the home and everything in it.
    pub fn give_to(&self, uid: u32) {
        for entry in tree(&self.home.path()) {
            std::os::unix::fs::lchown(entry.path, Some(uid), Some(uid)).unwrap();
        }
    }

    /// The program, run by user `uid`.
    pub fn command(&self, uid: u32, arguments: &[&str]) -> Command {
        let ours = self.home.command(arguments);
        let mut command = Command::new(&self.program);
        command.args(arguments).env_clear().current_dir("/");
        command.envs(
            ours.get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        command.env("NIGHTLATCH", &self.program).uid(uid).gid(uid);
        command
    }

    /// Runs the program as `uid`, with the password on its standard input.
    pub fn run(&self, uid: u32, arguments: &[&str]) -> Run {
        Run::with_input(self.command(uid, arguments), PASSWORD.as_bytes())
    }
}

impl Drop for Alices {
    fn drop(&mut self) {
        let _ = self
            .command(ALICE, &["logout", "--all", "--quiet"])
            .output();
    }
}
