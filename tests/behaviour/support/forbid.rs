//! Blocks system calls, as a container's profile does.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// The kernel's keyring.
pub const KEYRING: &[libc::c_long] = &[libc::SYS_add_key, libc::SYS_keyctl, libc::SYS_request_key];
/// The kernel's keyring, and sockets of any kind.
pub const KEYRING_AND_SOCKETS: &[libc::c_long] = &[
    libc::SYS_add_key,
    libc::SYS_keyctl,
    libc::SYS_request_key,
    libc::SYS_socket,
    libc::SYS_socketpair,
];

/// Makes `calls` fail with `errno` in `command` and all its children.
pub fn forbid(command: &mut Command, calls: &[libc::c_long], errno: i32) {
    let errno = u32::try_from(errno).unwrap();
    confine(command, filter(calls, libc::SECCOMP_RET_ERRNO | errno));
}

/// Kills `command` or any of its children at the first of `calls`.
pub fn kill_on(command: &mut Command, calls: &[libc::c_long]) {
    confine(command, filter(calls, libc::SECCOMP_RET_KILL_PROCESS));
}

#[allow(unsafe_code)]
fn confine(command: &mut Command, mut filter: Vec<libc::sock_filter>) {
    // SAFETY: only two system calls run between fork and exec; the filter was built before.
    unsafe {
        command.pre_exec(move || {
            let program = libc::sock_fprog {
                len: u16::try_from(filter.len()).unwrap_or(0),
                filter: filter.as_mut_ptr(),
            };
            let mode = libc::SECCOMP_MODE_FILTER;
            if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
                && libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program) == 0
            {
                Ok(())
            } else {
                Err(std::io::Error::last_os_error())
            }
        });
    }
}

fn filter(calls: &[libc::c_long], refusal: u32) -> Vec<libc::sock_filter> {
    let step = |code: u32, value: u32, no: u8| libc::sock_filter {
        code: u16::try_from(code).unwrap(),
        jt: 0,
        jf: no,
        k: value,
    };
    // The number of the system call is at offset 0.
    let mut filter = vec![step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0)];
    for &call in calls {
        let call = u32::try_from(call).unwrap();
        filter.push(step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, call, 1));
        filter.push(step(libc::BPF_RET | libc::BPF_K, refusal, 0));
    }
    let allowed = libc::SECCOMP_RET_ALLOW;
    filter.push(step(libc::BPF_RET | libc::BPF_K, allowed, 0));
    filter
}
