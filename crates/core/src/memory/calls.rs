//! System calls for which no crate has a suitable wrapper. They are here because this module holds
//! all unsafe code.

use std::mem::MaybeUninit;

use nix::libc;

/// Whether this process ignores `signal`, either since it started or by its own later choice.
pub fn ignores(signal: i32) -> bool {
    let mut now = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: without a new action, the call changes nothing and fills in the current action. If it
    // fails because there is no such signal, all zeros are a valid value too.
    #[allow(unsafe_code)]
    let (asked, now) = unsafe {
        let asked = libc::sigaction(signal, std::ptr::null(), now.as_mut_ptr());
        (asked, now.assume_init())
    };
    asked == 0 && now.sa_sigaction == libc::SIG_IGN
}

/// Ends this process with `signal` at its default action, whatever was set and blocked before.
/// Returns when the signal does not end the process: its default action is another one, or this is
/// the first process of a container, which its own signals cannot end.
pub fn die_of(signal: i32) {
    // SAFETY: the default action runs no code of ours. The set is initialized before it is used,
    // and where one call refuses the signal, the next does too.
    #[allow(unsafe_code)]
    unsafe {
        let mut only = MaybeUninit::<libc::sigset_t>::zeroed();
        libc::sigemptyset(only.as_mut_ptr());
        libc::signal(signal, libc::SIG_DFL);
        libc::sigaddset(only.as_mut_ptr(), signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, only.as_ptr(), std::ptr::null_mut());
        libc::raise(signal);
    }
}

/// Whether a seccomp filter limits the system calls of this process and may kill it for one, as a
/// container's profile does.
#[cfg(target_os = "linux")]
pub fn is_filtered() -> bool {
    // SAFETY: the call only reads a number. A mode other than 0, or a refusal, means a filter.
    #[allow(unsafe_code)]
    let mode = unsafe { libc::prctl(libc::PR_GET_SECCOMP, 0, 0, 0, 0) };
    mode != 0
}

/// No filter is known here.
#[cfg(not(target_os = "linux"))]
pub fn is_filtered() -> bool {
    false
}
