//! Reads the memory of another process.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;

use memchr::memmem::Finder;
use rustix::process::{Pid, Signal, kill_process};

use super::checks::until;

/// Whether the memory of other processes can be read; prints a message if not.
pub fn sees_into_processes() -> bool {
    let sees = rustix::process::geteuid().is_root();
    if !sees {
        eprintln!("skipped: only root sees into a process that cannot be dumped");
    }
    sees
}

/// The name of a secret, and its bytes.
pub type Secret = (&'static str, Vec<u8>);

/// What reveals a secret: any twelve consecutive bytes of it; for a text, any twelve characters, as
/// UTF-8 and as the program's `char`s, unchanged and in lower case.
pub fn traces((name, bytes): &Secret) -> Vec<(String, Vec<u8>)> {
    const ENOUGH: usize = 12;
    let mut traces = Vec::new();
    let mut add = |form: &str, pieces: Vec<Vec<u8>>| {
        for (at, piece) in pieces.into_iter().enumerate() {
            traces.push((format!("the {name} from {at}{form}"), piece));
        }
    };
    let Ok(text) = std::str::from_utf8(bytes) else {
        add("", bytes.windows(ENOUGH).map(<[u8]>::to_vec).collect());
        return traces;
    };
    for text in [text.to_owned(), text.to_lowercase()] {
        let chars: Vec<char> = text.chars().collect();
        let pieces = chars.windows(ENOUGH);
        let utf_8 = pieces
            .clone()
            .map(|piece| piece.iter().collect::<String>().into());
        add("", utf_8.collect());
        let utf_32 = |piece: &[char]| {
            piece
                .iter()
                .flat_map(|&c| u32::from(c).to_ne_bytes())
                .collect()
        };
        add(" in chars", pieces.map(utf_32).collect());
    }
    traces
}

/// All readable memory of a process at one moment.
pub struct Memory {
    /// Each mapping's description from the system, and its content.
    mappings: Vec<(String, Vec<u8>)>,
}

impl Memory {
    /// Reads the memory of process `pid`, which is stopped meanwhile.
    #[track_caller]
    pub fn of(pid: u32) -> Self {
        let process = Pid::from_raw(pid.cast_signed()).unwrap();
        kill_process(process, Signal::STOP).unwrap();
        until("it has stopped", || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
            stat.rsplit(") ").next().unwrap().starts_with('T')
        });
        let memory = Self::of_stopped(pid, "r");
        kill_process(process, Signal::CONT).unwrap();
        memory
    }

    /// The memory that process `pid`, which is stopped, can write to, and so may have written a
    /// secret to.
    pub fn writable_of_stopped(pid: u32) -> Self {
        Self::of_stopped(pid, "rw")
    }

    /// The mappings with at least these `rights`.
    fn of_stopped(pid: u32, rights: &str) -> Self {
        let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
        let mut mappings = Vec::new();
        for line in maps.lines() {
            // 7f0000000000-7f0000021000 rw-p 00000000 00:00 0    [heap]
            let mut fields = line.split_whitespace();
            let (start, end) = fields.next().unwrap().split_once('-').unwrap();
            let number = |text| u64::from_str_radix(text, 16).unwrap();
            let (start, end) = (number(start), number(end));
            if !fields.next().unwrap().starts_with(rights) {
                continue;
            }
            let mut content = vec![0; usize::try_from(end - start).unwrap()];
            if memory.read_exact_at(&mut content, start).is_ok() {
                mappings.push((line.to_owned(), content));
            } else {
                // The kernel's own mappings cannot be read from outside, and another thread of the
                // process may have unmapped this one since.
                let is_there = || {
                    let now = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
                    now.lines().any(|mapping| mapping == line)
                };
                assert!(line.contains("[v") || !is_there(), "cannot read {line}");
            }
        }
        Self { mappings }
    }

    /// Where the bytes occur: one line per place.
    pub fn places(&self, bytes: &[u8]) -> Vec<String> {
        let finder = Finder::new(bytes);
        let mut places = Vec::new();
        for (line, content) in &self.mappings {
            places.extend(
                finder
                    .find_iter(content)
                    .map(|at| format!("{at:#x} of {line}")),
            );
        }
        places
    }

    /// The addresses of the mappings that contain the bytes.
    pub fn mappings_with(&self, bytes: &[u8]) -> Vec<&str> {
        let finder = Finder::new(bytes);
        let with = |(_, content): &&(String, Vec<u8>)| finder.find(content).is_some();
        let found = self.mappings.iter().filter(with);
        found
            .map(|(line, _)| line.split(' ').next().unwrap())
            .collect()
    }
}

/// The mappings of process `pid` that are locked in memory, by their addresses.
pub fn locked_mappings(pid: u32) -> Vec<String> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap();
    let (mut current, mut locked) = ("", Vec::new());
    for line in maps.lines() {
        match line.split_once(' ') {
            Some(("VmFlags:", flags)) if flags.split(' ').any(|flag| flag == "lo") => {
                locked.push(current.to_owned());
            }
            Some((first, _)) if !first.ends_with(':') => current = first,
            _ => {}
        }
    }
    locked
}

/// The amount of locked memory of process `pid`, in KiB.
pub fn locked_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let locked = status.lines().find(|line| line.starts_with("VmLck:"));
    let kib = locked.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse().unwrap()
}

/// A full pipe, so that a writer blocks. The caller must keep the read end.
pub fn full_pipe() -> (OwnedFd, OwnedFd) {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let size = rustix::pipe::fcntl_setpipe_size(&writer, 4096).unwrap();
    File::from(writer.try_clone().unwrap())
        .write_all(&vec![b'.'; size])
        .unwrap();
    (reader, writer)
}

/// Waits until process `pid` blocks on writing to its standard error.
#[track_caller]
pub fn waits_to_speak(pid: u32) {
    let call = format!("{} 0x2 ", libc::SYS_write);
    until("it waits to write", || {
        std::fs::read_to_string(format!("/proc/{pid}/syscall"))
            .is_ok_and(|current| current.starts_with(&call))
    });
}

/// Keeps emptying a pipe from now on.
pub fn drain(reader: &impl AsFd) {
    let mut piece = [0; 4096];
    let _ = rustix::io::read(reader, &mut piece).unwrap();
}
