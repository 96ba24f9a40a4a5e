//! A user's quota of kernel keys.

use linux_keyutils::{KeyRing, KeyRingIdentifier};

use super::users::acting_as;

/// Fills this user's quota with keys of `size` bytes, which belong to this thread and disappear
/// when it ends.
#[allow(unsafe_code)]
pub fn use_up(size: usize) {
    let content = vec![b'x'; size];
    let mut size = size;
    for number in 0..1000 {
        let name = format!("test:{number}\0");
        // SAFETY: the strings end in zeros, and all outlive the call.
        let key = unsafe {
            libc::syscall(
                libc::SYS_add_key,
                c"user".as_ptr(),
                name.as_ptr(),
                content.as_ptr(),
                size,
                -1, // the thread's own keyring
            )
        };
        if key == -1 {
            let error = std::io::Error::last_os_error();
            assert_eq!(error.raw_os_error(), Some(libc::EDQUOT), "{error}");
            if size == 1 {
                return;
            }
            // Fill what is left with smaller keys.
            size = (size / 2).max(1);
        }
    }
    panic!("there is no quota");
}

/// The number of keys in the keyring of user `uid`.
pub fn count_of(uid: u32) -> usize {
    acting_as(uid, || {
        let ring = KeyRing::from_special_id(KeyRingIdentifier::User, false).unwrap();
        let links = ring.get_links(64).unwrap();
        links.len()
    })
}
