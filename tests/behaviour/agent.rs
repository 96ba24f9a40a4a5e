//! The life of the agent process.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::checks::{
    log_is_whole, nothing_lies_about, one_session_at_a_time, takes_at_most, together, until,
};
use crate::support::{Home, PASSWORD, Pty, Run, files_in};

/// Connects to the agent, as any program of the same user can.
fn connect(home: &Home) -> UnixStream {
    let stream = UnixStream::connect(home.path().join("run/agent.sock")).unwrap();
    let patience = Some(Duration::from_secs(30));
    stream.set_read_timeout(patience).unwrap();
    stream
}

/// The agent's answer to `request`; may be empty.
fn answer(home: &Home, request: &[u8]) -> Vec<u8> {
    let mut stream = connect(home);
    // The agent may hang up before everything is written or sent.
    let _ = stream.write_all(request);
    let _ = stream.shutdown(Shutdown::Write);
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    said
}

/// A request for the key of an account that is not signed in, as in docs/formats.md.
fn right_request() -> Vec<u8> {
    let mut request = vec![0; 236];
    request[..2].copy_from_slice(&[1, 2]);
    request
}

/// The agent's memory and number of open files; `None` if the system does not show them.
fn footprint(agent: Pid) -> Option<(u64, usize)> {
    let process = format!("/proc/{}", agent.as_raw_nonzero());
    let status = std::fs::read_to_string(format!("{process}/status")).unwrap();
    let resident = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kib = resident.split_whitespace().nth(1).unwrap().parse().unwrap();
    let files = std::fs::read_dir(format!("{process}/fd")).ok()?.count();
    Some((kib, files))
}

fn registered() -> Home {
    Home::registered().with_keeper("agent")
}

/// The agents that serve `home`, in any state except dead.
fn agents(home: &Path) -> Vec<Pid> {
    let home = home.to_str().unwrap().as_bytes();
    let numbers = std::fs::read_dir("/proc").unwrap();
    numbers
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .filter(|pid| {
            let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let mut arguments = arguments.split(|&byte| byte == 0);
            arguments.clone().any(|argument| argument == b"agent")
                && arguments.any(|argument| argument == home)
        })
        .filter_map(Pid::from_raw)
        .collect()
}

/// The only agent of `home`.
#[track_caller]
pub fn agent(home: &Home) -> Pid {
    // An agent that is exiting may coexist with its successor.
    until("there is one agent", || agents(&home.path()).len() == 1);
    agents(&home.path())[0]
}

#[track_caller]
fn agent_leaves(home: &Home) {
    until("the agent has left", || agents(&home.path()).is_empty());
    assert!(!home.path().join("run/agent.sock").exists());
}

#[test]
fn it_comes_with_a_login_and_leaves_with_the_last_session() {
    let home = registered();
    assert!(agents(&home.path()).is_empty());
    home.run(&["status"]).ends_with(4);
    home.run(&["exec", "--", "true"])
        .refuses(4, "no live session");
    assert!(agents(&home.path()).is_empty());
    home.login(&[]).succeeds();
    let first = agent(&home);
    home.run(&["exec", "--", "true"]).succeeds();
    home.run(&["extend"]).succeeds();
    assert_eq!(agent(&home), first);
    // A new session may need a new agent.
    home.login(&[]).succeeds();
    agent(&home);
    home.run(&["logout"]).succeeds();
    agent_leaves(&home);
    nothing_lies_about(&home);
}

#[test]
fn it_leaves_when_the_session_expires_though_nobody_asks() {
    let home = registered();
    home.login(&["--idle", "4s"]).succeeds();
    agent(&home);
    agent_leaves(&home);
    home.run(&["exec", "--", "true"])
        .refuses(4, " after 4s without activity; sign in with");
}

#[test]
fn it_survives_the_terminal_that_started_it() {
    let home = registered();
    let mut shell = Command::new("/bin/sh");
    let login = home.command(&["login"]);
    shell.args(["-c", "\"$0\" login; echo left; read line"]);
    shell.arg(login.get_program()).env_clear();
    for (name, value) in login.get_envs() {
        shell.env(name, value.unwrap());
    }
    let mut terminal = Pty::spawn(shell);
    terminal.expect("Password");
    terminal.send(&format!("{PASSWORD}\n"));
    terminal.expect("left");
    let _ = terminal.hang_up();
    home.run(&["exec", "--", "true"]).succeeds();
    agent(&home);
}

#[test]
fn a_killed_one_takes_the_session_with_it_and_the_next_login_works() {
    let home = registered();
    home.login(&[]).succeeds();
    kill_process(agent(&home), Signal::KILL).unwrap();
    until("it is dead", || agents(&home.path()).is_empty());
    // Its socket still exists, but no process listens.
    assert!(home.path().join("run/agent.sock").exists());
    assert!(!home.is_active());
    home.run(&["exec", "--", "true"])
        .refuses(4, "no live session");
    home.login(&[]).succeeds();
    home.run(&["exec", "--", "true"]).succeeds();
    home.run(&["logout"]).succeeds();
    agent_leaves(&home);
}

#[test]
fn one_that_is_told_to_end_takes_the_session_with_it() {
    let home = registered();
    home.login(&[]).succeeds();
    kill_process(agent(&home), Signal::TERM).unwrap();
    agent_leaves(&home);
    home.run(&["exec", "--", "true"])
        .refuses(4, "no live session");
}

#[test]
fn one_that_was_stopped_lets_nobody_through_and_the_hint_names_it() {
    let home = registered();
    home.login(&[]).succeeds();
    let agent = agent(&home);
    kill_process(agent, Signal::STOP).unwrap();
    let run = home.run(&["exec", "--json", "--", "true"]).ends_with(1);
    kill_process(agent, Signal::CONT).unwrap();
    let told: serde_json::Value = serde_json::from_str(&run.stderr).unwrap();
    let process = agent.as_raw_nonzero();
    let resume = format!("kill -CONT {process}");
    assert!(told["hint"].as_str().unwrap().contains(&resume), "{told}");
    home.run(&["exec", "--", "true"]).succeeds();
}

#[test]
fn it_takes_nothing_of_the_login_that_started_it() {
    let home = registered();
    let login = home.command(&["login", "--password-stdin"]);
    let marker = home.outside("marker");
    std::fs::write(&marker, "").unwrap();
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "exec \"$0\" \"$@\" 9<\"$MARKER\""]);
    shell.arg(login.get_program()).args(login.get_args());
    shell.env_clear().env("MARKER", &marker);
    for (name, value) in login.get_envs() {
        shell.env(name, value.unwrap());
    }
    Run::with_input(shell, PASSWORD.as_bytes()).succeeds();

    let process = format!("/proc/{}", agent(&home).as_raw_nonzero());
    let read = |name| std::fs::read_to_string(format!("{process}/{name}")).unwrap();
    let core = read("limits");
    let core = core
        .lines()
        .find(|line| line.contains("core file"))
        .unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    let session = read("stat");
    let session = session.rsplit(") ").next().unwrap();
    let session: Vec<_> = session.split(' ').collect();
    assert_eq!(session[3], agent(&home).as_raw_nonzero().to_string());
    assert_eq!(session[4], "0", "it has a terminal");

    if !rustix::process::geteuid().is_root() {
        // No process can read one that is not dumpable, not even of the same user.
        let refused = std::fs::read(format!("{process}/environ")).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::PermissionDenied);
        eprintln!("skipped: only root sees the agent's environment and files");
        return;
    }
    assert_eq!(read("environ"), "");
    assert_eq!(
        std::fs::read_link(format!("{process}/cwd")).unwrap(),
        Path::new("/")
    );
    for entry in std::fs::read_dir(format!("{process}/fd")).unwrap() {
        let entry = entry.unwrap();
        let Ok(target) = std::fs::read_link(entry.path()) else {
            continue; // the connection through which it was published, closed since
        };
        assert_ne!(target, marker);
        let number: u32 = entry.file_name().to_str().unwrap().parse().unwrap();
        assert!(
            number > 2 || target == Path::new("/dev/null"),
            "{number} is {}",
            target.display()
        );
    }
}

#[test]
fn it_works_in_a_home_deeper_than_a_socket_address_is_long() {
    let home = Home::new();
    let deep = home
        .path()
        .join("a-rather-long-name/".repeat(8))
        .join("home");
    assert!(deep.as_os_str().len() > 108);
    let run = |arguments: &[&str], input: &str| {
        let mut command = home.command(arguments);
        command
            .env("NIGHTLATCH_HOME", &deep)
            .env("NIGHTLATCH_KEEPER", "agent");
        Run::with_input(command, input.as_bytes())
    };
    run(
        &["register", "deep@example.com", "--password-stdin"],
        PASSWORD,
    )
    .succeeds();
    run(&["login", "--password-stdin", "--idle", "1m"], PASSWORD).succeeds();
    assert_eq!(
        run(&["status", "--json"], "").succeeds().json()["keeper"],
        "agent"
    );
    run(&["exec", "--", "true"], "").succeeds();
    run(&["logout"], "").succeeds();
    until("the agent has left", || agents(&deep).is_empty());
}

#[test]
fn many_logins_at_once_start_one() {
    let home = registered();
    for run in crate::support::checks::together(8, |_| home.login(&[])) {
        run.succeeds();
    }
    agent(&home);
    assert!(home.is_active());
}

#[test]
fn a_hundred_commands_at_once_are_all_answered() {
    let home = registered();
    home.login(&[]).succeeds();
    let first = agent(&home);
    let id = home.status()["session_id"].clone();
    together(100, |number| match number % 4 {
        0 => drop(home.run(&["exec", "--no-extend", "--", "true"]).succeeds()),
        1 => drop(home.run(&["exec", "--", "true"]).succeeds()),
        // Not `status`, which does not wait for such a busy agent.
        _ => {
            let extended = home.run(&["extend", "--json"]).succeeds().json();
            assert_eq!(extended["session_id"], id);
        }
    });
    assert_eq!(agent(&home), first);
    assert!(one_session_at_a_time(&home).is_some());
    log_is_whole(&home);
    home.run(&["logout"]).succeeds();
    agent_leaves(&home);
}

#[test]
fn garbage_and_thousands_of_connections_leave_it_as_it_was() {
    let home = registered();
    home.login(&[]).succeeds();
    let agent = agent(&home);
    let right = right_request();
    assert_eq!(
        answer(&home, &right)[..4],
        [1, 3, 0, 0],
        "this is no request"
    );
    let mut longer = right.clone();
    longer.push(0);
    let garbage = [
        Vec::new(),
        right[..235].to_vec(),
        longer,
        vec![0xff; 236],
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        (0..1 << 20)
            .map(|number: u32| number.to_le_bytes()[0])
            .collect(),
    ];
    let mischief = || {
        for _ in 0..1000 {
            drop(connect(&home));
        }
        for _ in 0..50 {
            for request in &garbage {
                assert!(answer(&home, request).is_empty(), "{} bytes", request.len());
            }
        }
    };
    mischief();
    home.run(&["extend"]).succeeds();
    let before = footprint(agent);
    mischief();
    home.run(&["extend"]).succeeds();
    if let (Some((memory, files)), Some((later, _))) = (before, footprint(agent)) {
        assert!(later <= memory + 1024, "{memory} KiB, then {later} KiB");
        // The agent may notice the end of the last client a moment later.
        until("the agent has closed what it was given", || {
            footprint(agent).is_some_and(|(_, files_later)| files_later <= files)
        });
    } else {
        eprintln!("skipped: only root sees the agent's open files");
    }
    home.run(&["logout"]).succeeds();
    agent_leaves(&home);
}

#[test]
fn many_silent_clients_keep_nobody_out() {
    let home = registered();
    home.login(&[]).succeeds();
    let agent = agent(&home);
    // More than are served at a time, but fewer than can wait.
    let mut silent: Vec<_> = (0..160).map(|_| connect(&home)).collect();
    for client in silent.iter_mut().step_by(2) {
        let _ = client.write_all(&right_request()[..100]);
    }
    // Two rounds of silent connections, of two seconds each, come first.
    let limit = Duration::from_secs(5);
    takes_at_most(limit, || home.run(&["extend"]).succeeds());
    if let Some((_, files)) = footprint(agent) {
        assert!(files < 100, "{files} files are open");
    }
    for client in &mut silent {
        let mut said = Vec::new();
        let _ = client.read_to_end(&mut said);
        assert!(said.is_empty());
    }
    home.run(&["logout"]).succeeds();
    agent_leaves(&home);
}

#[test]
fn one_whose_socket_was_taken_away_makes_a_new_one_and_the_session_lives_on() {
    let home = registered();
    home.login(&[]).succeeds();
    let (first, socket) = (agent(&home), home.path().join("run/agent.sock"));
    let elsewhere = home.outside("elsewhere");
    for round in 0..3 {
        match round {
            0 => std::fs::remove_file(&socket).unwrap(),
            // Restore the old socket, on which no process listens.
            1 => {
                std::fs::rename(&socket, &elsewhere).unwrap();
                until("there is another one", || socket.exists());
                std::fs::rename(&elsewhere, &socket).unwrap();
            }
            _ => {
                std::fs::remove_file(&socket).unwrap();
                home.login(&[]).succeeds();
            }
        }
        // Until then the key is unavailable, and a command would find the session ended.
        until("there is another one", || {
            std::os::unix::net::UnixStream::connect(&socket).is_ok()
        });
        until("the session can be used", || {
            home.run(&["exec", "--no-extend", "--", "true"]).code == 0
        });
        // A new session may need a new agent.
        assert!(agent(&home) == first || round == 2);
        let mode = std::fs::symlink_metadata(&socket).unwrap();
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777,
            0o600
        );
    }
    home.run(&["logout"]).succeeds();
    agent_leaves(&home);
}

#[test]
fn one_whose_directory_was_taken_away_leaves_and_the_next_login_works() {
    let home = registered();
    home.login(&[]).succeeds();
    agent(&home);
    // The agent may make another socket there while its directory is being removed.
    until("its directory is gone", || {
        std::fs::remove_dir_all(home.path().join("run")).is_ok()
    });
    until("the agent has left", || agents(&home.path()).is_empty());
    home.run(&["exec", "--", "true"])
        .refuses(4, "no live session");
    home.login(&[]).succeeds();
    home.run(&["exec", "--", "true"]).succeeds();
}

#[test]
fn one_that_was_stopped_keeps_nobody_waiting_who_only_looks_and_is_not_taken_for_a_session() {
    let home = registered();
    home.login(&[]).succeeds();
    let agent = agent(&home);
    kill_process(agent, Signal::STOP).unwrap();
    let resume = format!("kill -CONT {}", agent.as_raw_nonzero());
    let forms: [&[&str]; 7] = [
        &["status"],
        &["status", "--check"],
        &["status", "--prompt"],
        &["status", "--notice"],
        &["status", "--watch"],
        &["status", "--account", "alice@example.com"],
        &["whoami"],
    ];
    for form in forms {
        // Other commands have five seconds.
        let run = takes_at_most(Duration::from_secs(2), || home.run(form))
            .refuses(4, "cannot tell whether there is a live session");
        assert!(run.stderr.contains(&resume), "{run:#?}");
        assert_eq!(run.stdout, "");
    }
    let told = home.run(&["status", "--json"]).ends_with(4);
    let told: serde_json::Value = serde_json::from_str(&told.stderr).unwrap();
    assert_eq!(told["error"], "session_unknown");
    kill_process(agent, Signal::CONT).unwrap();
    home.run(&["status", "--check"]).succeeds();
}

#[test]
fn whoever_waits_for_one_that_was_stopped_says_so_holds_no_lock_and_can_be_stopped_and_ended() {
    let home = registered();
    home.login(&[]).succeeds();
    let agent = agent(&home);
    kill_process(agent, Signal::STOP).unwrap();
    let mut pty = Pty::spawn(home.shell(
        "trap : INT; set -m; $GUARD true; echo code=$?; $GUARD echo it ran; echo stopped=$?; \
         read go; fg; echo code=$?",
    ));
    let waiting = format!(
        "waiting for the agent (process {}), ",
        agent.as_raw_nonzero()
    );
    pty.expect(&waiting);
    pty.send("\x03");
    pty.expect("code=130");
    pty.expect(&waiting);
    let sessions = std::fs::File::open(home.path().join("sessions")).unwrap();
    sessions.try_lock().unwrap();
    sessions.unlock().unwrap();
    pty.send("\x1a");
    pty.expect("stopped=148");
    kill_process(agent, Signal::CONT).unwrap();
    pty.send("\n");
    pty.expect("it ran");
    pty.expect("code=0");
}

#[test]
fn while_all_its_names_are_taken_away_the_session_lives_on_and_no_second_one_takes_its_place() {
    let home = registered();
    home.login(&[]).succeeds();
    let first = agent(&home);
    for round in 0..10 {
        for file in files_in(&home.path().join("run")) {
            std::fs::remove_file(file).unwrap();
        }
        // At once, before it can have noticed.
        home.run(&["exec", "--no-extend", "--", "true"]).succeeds();
        assert_eq!(agent(&home), first, "round {round}");
    }
    for file in files_in(&home.path().join("run")) {
        std::fs::remove_file(file).unwrap();
    }
    home.login(&[]).succeeds();
    agent(&home);
    let events = home.events();
    assert!(
        !events.contains(&"SESSION_EXPIRED".to_owned()),
        "{events:?}"
    );
}

#[test]
fn a_session_does_not_come_back_with_the_socket_that_was_away_while_it_ended() {
    let home = registered();
    home.login(&[]).succeeds();
    let (file, socket) = (home.session_file(), home.path().join("run/agent.sock"));
    let (copy, aside) = (home.outside("session"), home.outside("socket"));
    std::fs::copy(&file, &copy).unwrap();
    let stopped = agent(&home);
    kill_process(stopped, Signal::STOP).unwrap();
    std::fs::rename(&socket, &aside).unwrap();
    // It is alive: it holds its lock.
    home.run(&["exec", "--", "true"])
        .refuses(1, "its socket is gone");
    home.run(&["logout"]).refuses(1, "its socket is gone");
    std::fs::rename(&aside, &socket).unwrap();
    std::fs::copy(&copy, &file).unwrap();
    kill_process(stopped, Signal::CONT).unwrap();
    home.run(&["exec", "--", "true"])
        .refuses(4, "no live session");
    assert_eq!(one_session_at_a_time(&home), None);
    log_is_whole(&home);
    home.login(&[]).succeeds();
    home.run(&["exec", "--", "true"]).succeeds();
}
