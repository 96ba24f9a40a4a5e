//! The same lines in systemd's journal, for its own verification.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Writing more of them to a journal takes minutes.
const MOST: u64 = 1_000_000;
/// Not in the search path: a service.
const IMPORTER: &str = "/usr/lib/systemd/systemd-journal-remote";

/// How long `journalctl --verify` takes for the first events of the log in `files`, and how many they
/// are; `None` when a program is not there or fails.
pub fn verification(files: &[PathBuf], scratch: &Path) -> Option<(Duration, u64)> {
    let directory = scratch.join("journal");
    std::fs::create_dir(&directory).expect("a directory");
    let written = write(files, &directory.join("log.journal"));
    let mut worked = true;
    let verify = || {
        let status = Command::new("journalctl")
            .arg("--verify")
            .arg(format!("--file={}/*.journal", directory.display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        worked = status.is_ok_and(|status| status.success());
    };
    let took = written.map(|events| (super::timed(verify), events));
    std::fs::remove_dir_all(directory).expect("removed");
    took.filter(|_| worked)
}

/// A field for the message, and one for each that a question would be asked about.
fn write(files: &[PathBuf], journal: &Path) -> Option<u64> {
    let mut importer = Command::new(IMPORTER)
        .arg("--split-mode=none")
        .arg(format!("--output={}", journal.display()))
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut input = std::io::BufWriter::new(importer.stdin.take()?);
    let mut events = 0;
    for file in files {
        let file = BufReader::new(std::fs::File::open(file).expect("a segment"));
        for line in file.lines().map_while(Result::ok) {
            if events == MOST {
                break;
            }
            events += 1;
            let time = 1_750_000_000_000_000 + events * 777_000;
            let text = |key: &str| {
                let start = line.find(key).map(|at| at + key.len());
                let value = start.and_then(|at| line[at..].split('"').next());
                value.unwrap_or_default()
            };
            let (event, user) = (text("\"event_type\":\""), text("\"username\":\""));
            let written = write!(
                input,
                "__REALTIME_TIMESTAMP={time}\n__MONOTONIC_TIMESTAMP={events}\n\
                 _BOOT_ID=00000000000000000000000000000001\nMESSAGE={line}\n\
                 EVENT_TYPE={event}\nUSERNAME={user}\nSEQ={events}\n\n"
            );
            written.ok()?;
        }
    }
    input.into_inner().ok()?;
    importer.wait().ok()?.success().then_some(events)
}
