//! System calls that no crate makes as we need them. They are here because all unsafe code is.

use std::mem::MaybeUninit;

use nix::libc;

/// Whether this process ignores `signal`, as it was started to unless it has since done otherwise.
pub fn ignores(signal: i32) -> bool {
    let mut now = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: without a new action the call changes nothing, and fills in what is in force; where
    // it does not, because there is no such signal, all zeros are a value as well.
    #[allow(unsafe_code)]
    let (asked, now) = unsafe {
        let asked = libc::sigaction(signal, std::ptr::null(), now.as_mut_ptr());
        (asked, now.assume_init())
    };
    asked == 0 && now.sa_sigaction == libc::SIG_IGN
}

/// Ends this process by `signal`, at its default action, whatever was set and blocked before. Returns where
/// that does not end it: the default action is another one, or this is the first process of a container,
/// which no signal of its own ends.
pub fn die_of(signal: i32) {
    // SAFETY: the default action runs no code of ours; the set is filled in before it is used, and where a
    // call refuses the signal, the next one does so as well.
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

/// Whether a filter decides which system calls this process may make, and may end it for one, as the profile
/// of a container does.
#[cfg(target_os = "linux")]
pub fn is_filtered() -> bool {
    // SAFETY: the call looks a number up; a mode other than 0, or a refusal, is a filter.
    #[allow(unsafe_code)]
    let mode = unsafe { libc::prctl(libc::PR_GET_SECCOMP, 0, 0, 0, 0) };
    mode != 0
}

/// None that is known.
#[cfg(not(target_os = "linux"))]
pub fn is_filtered() -> bool {
    false
}
