//! What a restore refuses, and what is left when it is killed.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use nightlatch_server::client::Request;

use crate::backup::{events, fails, root, run, sign_in, succeeds};
use crate::fixture::{Server, User, accepted, files, program};

#[test]
fn a_restore_refuses_a_running_server_and_a_damaged_backup() {
    let server = Server::start("", &[]);
    server.user();
    server.wait_for_event("ACCOUNT_REGISTERED");
    let scratch = tempfile::tempdir().unwrap();
    let backup = scratch.path().join("backup");
    let from = backup.to_str().unwrap();
    succeeds(&run(&["backup", from], &server.data));
    fails(
        &run(&["restore", from], &server.data),
        "in use by a running nightlatch-server",
    );
    let target = scratch.path().join("target");
    fails(
        &run(&["restore", scratch.path().to_str().unwrap()], &target),
        "no such file",
    );
    // A changed log.
    let segment = files(&backup.join("audit"))
        .into_iter()
        .find(|file| file.extension().is_some_and(|end| end == "jsonl"))
        .unwrap();
    let text = std::fs::read_to_string(&segment).unwrap();
    let changed = text.replacen("ACCOUNT_REGISTERED", "ACCOUNT_REMOVED", 1);
    assert_ne!(changed, text);
    std::fs::write(&segment, changed).unwrap();
    fails(&run(&["restore", from], &target), "does not verify");
    std::fs::write(&segment, text).unwrap();
    // A damaged database.
    let database = backup.join("server.db");
    let content = std::fs::read(&database).unwrap();
    let mut damaged = content.clone();
    damaged[4096..8192].fill(0xff);
    std::fs::write(&database, damaged).unwrap();
    fails(&run(&["restore", from], &target), "server.db");
    assert!(!target.join("server.db").exists());
    std::fs::write(&database, content).unwrap();
    assert!(!target.join("server.db.restoring").exists());
    // What SQLite would apply to it.
    let log = backup.join("server.db-wal");
    std::fs::write(&log, "of another database").unwrap();
    fails(&run(&["restore", from], &target), "not part of a backup");
    std::fs::remove_file(log).unwrap();
    // A link to another one.
    std::fs::rename(&database, scratch.path().join("other.db")).unwrap();
    std::os::unix::fs::symlink(scratch.path().join("other.db"), &database).unwrap();
    fails(&run(&["restore", from], &target), "symbolic link");
    std::fs::rename(scratch.path().join("other.db"), &database).unwrap();
    // What failed can be repeated.
    succeeds(&run(&["restore", from], &target));
}

/// A backup of a server that has stopped, with a certificate and an account.
fn backup(scratch: &Path) -> (PathBuf, User) {
    let mut server = Server::start("", &[]);
    let user = server.user();
    assert_eq!(server.stop(), "ended with 0\n");
    for name in ["tls.pem", "tls.key"] {
        let path = server.data.join(name);
        std::fs::write(&path, name).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    }
    let backup = scratch.join("backup");
    succeeds(&run(&["backup", backup.to_str().unwrap()], &server.data));
    (backup, user)
}

/// Everything below a directory: the mode, and the content of files.
fn tree(directory: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut left = vec![directory.to_owned()];
    while let Some(path) = left.pop() {
        let stat = path.symlink_metadata().unwrap();
        if stat.is_dir() {
            left.extend(files(&path));
        }
        let content = std::fs::read(&path).unwrap_or_default();
        found.insert(path, (stat.mode(), content));
    }
    found
}

#[test]
fn a_restore_that_would_replace_something_changes_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let (backup, _) = backup(scratch.path());
    let from = backup.to_str().unwrap();
    let before = tree(&backup);
    for name in [
        "server.db",
        "server.db-wal",
        "server.db-journal",
        "audit",
        "seal",
        "restored-audit",
        "tls.pem",
        "tls.key",
    ] {
        let target = scratch.path().join(format!("with {name}"));
        std::fs::create_dir(&target).unwrap();
        std::fs::set_permissions(&target, PermissionsExt::from_mode(0o755)).unwrap();
        if name.contains('.') {
            std::fs::write(target.join(name), "of the operator").unwrap();
        } else {
            std::fs::create_dir(target.join(name)).unwrap();
            std::fs::write(target.join(name).join("1.jsonl"), "of the operator").unwrap();
        }
        let found = tree(&target);
        let refused = run(&["restore", from], &target);
        fails(&refused, "a restore replaces nothing");
        fails(&refused, &format!("{name}:"));
        assert_eq!(tree(&target), found, "{name}");
    }
    // Nor is the place of a link taken, wherever it leads.
    let target = scratch.path().join("with a link");
    std::fs::create_dir(&target).unwrap();
    std::os::unix::fs::symlink("/nowhere", target.join("server.db")).unwrap();
    fails(
        &run(&["restore", from], &target),
        "a restore replaces nothing",
    );
    // Restoring leaves the backup as it is.
    succeeds(&run(&["restore", from], &scratch.path().join("empty")));
    assert_eq!(tree(&backup), before);
}

#[test]
fn a_database_on_another_file_system_is_backed_up_and_restored() {
    let scratch = tempfile::tempdir().unwrap();
    let (backup, user) = backup(scratch.path());
    // Shared memory, where there is some, is another file system than the data directory.
    let elsewhere = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    let elsewhere = elsewhere.unwrap();
    let database = elsewhere.path().join("users.db");
    let root = root();
    let config = std::fs::read_to_string(root.join("config.toml")).unwrap();
    let config = format!("database = \"sqlite:{}\"\n{config}", database.display());
    std::fs::write(root.join("config.toml"), config).unwrap();
    let with_config = |arguments: &[&str]| {
        let mut command = program();
        command.arg("--config").arg(root.join("config.toml"));
        let command = command.args(arguments).arg("--data").arg(root.join("data"));
        succeeds(&command.output().unwrap())
    };
    with_config(&["restore", backup.to_str().unwrap()]);
    let mut server = Server::run(&root, &[]);
    sign_in(&server, &user);
    assert_eq!(server.stop(), "ended with 0\n");
    let again = scratch.path().join("again");
    with_config(&["backup", again.to_str().unwrap()]);
    assert!(again.join("server.db").exists());
    let names = files(elsewhere.path());
    assert!(
        names
            .iter()
            .all(|name| !name.ends_with("users.db.restoring")),
        "{names:?}"
    );
}

/// Runs a restore that is killed at its `nth` call of `call`. Returns whether it was.
fn restore_and_kill(from: &str, target: &Path, call: &str, nth: usize) -> bool {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e"]);
    let strace = strace.arg(format!("trace={call}"));
    let strace = strace
        .arg("-e")
        .arg(format!("inject={call}:signal=KILL:when={nth}"));
    let strace = strace.arg(env!("CARGO_BIN_EXE_nightlatch-server"));
    let output = strace
        .args(["restore", from, "--data"])
        .arg(target)
        .output();
    !output.unwrap().status.success()
}

#[test]
fn a_killed_restore_can_be_repeated_and_no_server_starts_before_that() {
    if Command::new("strace").arg("-V").output().is_err() {
        eprintln!("\n*** SKIPPED: strace is not installed, so no restore is killed here ***\n");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let (backup, _) = backup(scratch.path());
    let from = backup.to_str().unwrap();
    let (mut unfinished, mut kills) = (0, 0);
    for call in ["/^f(data)?sync$", "/^rename", "/^unlink", "/^mkdir"] {
        for nth in 1..1000 {
            let target = scratch
                .path()
                .join(format!("{} {nth}", call.replace('/', "")));
            if !restore_and_kill(from, &target, call, nth) {
                break;
            }
            kills += 1;
            if target.join("server.db").exists() {
                // It was only not told that it is done.
                fails(
                    &run(&["restore", from], &target),
                    "a restore replaces nothing",
                );
            } else {
                if target.join("server.db.restoring").exists() {
                    unfinished += 1;
                    let start = run(&["--listen", "127.0.0.1:0"], &target);
                    fails(&start, "a restore did not finish; repeat it");
                }
                succeeds(&run(&["restore", from], &target));
            }
            assert!(!target.join("server.db.restoring").exists());
            let (log, copy) = (backup.join("audit"), target.join("restored-audit"));
            assert_eq!(files(&log).len(), files(&copy).len(), "{call} {nth}");
            assert_eq!(std::fs::read(target.join("tls.key")).unwrap(), b"tls.key");
            succeeds(&run(&["migrate"], &target));
            assert!(!events(&target).contains("SET_ASIDE"));
        }
    }
    assert!(
        unfinished > 3 && kills > unfinished,
        "{unfinished} of {kills}"
    );
}

#[test]
fn a_backup_is_private_and_closes_no_directory_of_others() {
    let server = Server::start("", &[]);
    let scratch = tempfile::tempdir().unwrap();
    let mode = |path: &Path| path.metadata().unwrap().mode() & 0o777;
    let empty = scratch.path().join("empty");
    let full = scratch.path().join("full");
    for directory in [&empty, &full] {
        std::fs::create_dir(directory).unwrap();
        std::fs::set_permissions(directory, PermissionsExt::from_mode(0o755)).unwrap();
    }
    std::fs::write(full.join("index.html"), "").unwrap();
    fails(
        &run(&["backup", full.to_str().unwrap()], &server.data),
        "not empty",
    );
    assert_eq!(mode(&full), 0o755);
    succeeds(&run(&["backup", empty.to_str().unwrap()], &server.data));
    for (path, (mode, _)) in tree(&empty) {
        assert_eq!(mode & 0o077, 0, "{}", path.display());
    }
    // A link in the place of the backup is not followed.
    let link = scratch.path().join("link");
    std::fs::create_dir(scratch.path().join("other")).unwrap();
    std::os::unix::fs::symlink(scratch.path().join("other"), &link).unwrap();
    fails(
        &run(&["backup", link.to_str().unwrap()], &server.data),
        "symbolic link",
    );
    fails(
        &run(
            &["restore", link.to_str().unwrap()],
            &scratch.path().join("x"),
        ),
        "symbolic link",
    );
}

/// The tables of each version, the first one first.
const VERSIONS: [&str; 4] = [
    include_str!("../../src/store/migrations/0001.sql"),
    include_str!("../../src/store/migrations/0002.sql"),
    include_str!("../../src/store/migrations/0003.sql"),
    include_str!("../../src/store/migrations/0004.sql"),
];

/// Makes a database of an earlier version with the accounts, sessions and documents of `from`.
fn older(from: &Path, to: &Path, version: usize) {
    let database = rusqlite::Connection::open(to).unwrap();
    let table = "CREATE TABLE migration (version BIGINT PRIMARY KEY, applied BIGINT NOT NULL)";
    database.execute_batch(table).unwrap();
    for (at, script) in (1_u32..).zip(&VERSIONS[..version]) {
        database.execute_batch(script).unwrap();
        let applied = "INSERT INTO migration VALUES (?1, 0)";
        database.execute(applied, [at]).unwrap();
    }
    let attach = "ATTACH ?1 AS new";
    database.execute(attach, [from.to_str().unwrap()]).unwrap();
    for table in ["account", "session", "item", "secret", "outbox"] {
        let columns = format!("SELECT group_concat(name, ', ') FROM pragma_table_info('{table}')");
        let columns: String = database.query_row(&columns, [], |row| row.get(0)).unwrap();
        let copy = format!("INSERT INTO {table} ({columns}) SELECT {columns} FROM new.{table}");
        database.execute_batch(&copy).unwrap();
    }
}

#[test]
fn a_database_of_an_earlier_version_is_backed_up_and_restored() {
    let mut server = Server::start("", &[]);
    let mut user = server.user();
    let task = serde_json::json!({ "title": "milk" });
    accepted(&user.visitor.post(&user.tasks(), &task), 201);
    assert_eq!(server.stop(), "ended with 0\n");
    for version in 1..=VERSIONS.len() {
        let scratch = tempfile::tempdir().unwrap();
        let (data, backup) = (scratch.path().join("data"), scratch.path().join("backup"));
        std::fs::create_dir(&data).unwrap();
        let database = data.join("server.db");
        older(&server.data.join("server.db"), &database, version);
        std::fs::set_permissions(&database, PermissionsExt::from_mode(0o600)).unwrap();
        succeeds(&run(&["backup", backup.to_str().unwrap()], &data));
        let root = root();
        let restore = run(&["restore", backup.to_str().unwrap()], &root.join("data"));
        assert!(succeeds(&restore).contains("1 sessions ended"), "{version}");
        let restored = Server::run(&root, &[]);
        let again = sign_in(&restored, &user);
        let list = again.with_token(Request::new("GET", &again.tasks()));
        assert!(
            accepted(&list, 200).to_string().contains("milk"),
            "{version}"
        );
    }
}
