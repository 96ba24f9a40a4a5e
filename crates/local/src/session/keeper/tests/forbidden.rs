//! Tests with the keyring forbidden by a container's profile, in processes under such a profile.

use super::*;

/// Forbids some system calls in this thread and its children, as container profiles do.
#[allow(unsafe_code)]
fn forbid(calls: &[libc::c_long], errno: i32) {
    fn step(code: u32, value: u32, yes: u8, no: u8) -> libc::sock_filter {
        libc::sock_filter {
            code: u16::try_from(code).unwrap(),
            jt: yes,
            jf: no,
            k: value,
        }
    }
    let returns = libc::BPF_RET | libc::BPF_K;
    let mut program = vec![step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0)];
    for &call in calls {
        let call = u32::try_from(call).unwrap();
        program.push(step(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            call,
            0,
            1,
        ));
        let refusal = libc::SECCOMP_RET_ERRNO | u32::try_from(errno).unwrap();
        program.push(step(returns, refusal, 0, 0));
    }
    program.push(step(returns, libc::SECCOMP_RET_ALLOW, 0, 0));
    let program = libc::sock_fprog {
        len: u16::try_from(program.len()).unwrap(),
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the program outlives the call, which copies it; neither call touches our memory.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let mode = libc::SECCOMP_MODE_FILTER;
        assert_eq!(
            libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program),
            0
        );
    }
}

#[test]
#[ignore = "a process that other tests start"]
fn process_without_a_keyring() {
    let Some([home, calls, errno]) = told() else {
        return;
    };
    let calls: &[_] = match calls.as_str() {
        "add" => &[libc::SYS_add_key],
        _ => &[libc::SYS_add_key, libc::SYS_keyctl, libc::SYS_request_key],
    };
    forbid(calls, errno.parse().unwrap());
    let home = Arc::new(Dir::open(Path::new(&home)).unwrap().unwrap());
    let slot = Slot::new(HomeId::random().unwrap(), AccountId::random().unwrap());

    let refused = KernelKeeper.publish(&slot, &payload(1), LONG);
    assert!(matches!(refused, Err(KeeperError::Unusable { .. })));

    let launcher = launcher(home.path());
    let keepers = Keepers::new(KeeperChoice::Auto, home, Some(launch(launcher)));
    keepers
        .publish(KeeperKind::Agent, &slot, &payload(2), LONG)
        .unwrap();
    // A keeper that does not work does not hide the other's payloads.
    let (found, kind) = keepers.read(&slot).unwrap().unwrap();
    assert_eq!((found.expose()[0], kind), (2, KeeperKind::Agent));
    assert!(
        keepers
            .destroy(&slot, None, Unresponsive::Stays, |_| false)
            .unwrap()
    );
    assert!(keepers.read(&slot).unwrap().is_none());
}

#[test]
fn where_a_profile_forbids_the_keyring_the_agent_is_used() {
    for calls in ["add", "all"] {
        for errno in [libc::EPERM, libc::EACCES, libc::ENOSYS] {
            let scratch = Scratch::new();
            let home = scratch.home.path().to_str().unwrap().to_owned();
            let name = "session::keeper::tests::forbidden::process_without_a_keyring";
            let mut child = spawn(name, &[&home, calls, &errno.to_string()]);
            assert!(child.wait().unwrap().success(), "{calls} {errno}");
            // Shows that the process did its work and reached the agent.
            assert!(scratch.home.subdir("run").unwrap().is_some());
        }
    }
}
