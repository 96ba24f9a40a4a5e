//! What processes use, by the kernel's account.

use std::time::Duration;

/// The kernel counts processor time in hundredths of a second, whatever its own clock.
const TICK: Duration = Duration::from_millis(10);

/// The processes to watch.
#[derive(Clone, Copy)]
pub struct Watched {
    /// The server, or the program beside it.
    pub server: u32,
    /// The first process of the database, where it has its own.
    pub database: Option<u32>,
}

/// Processor time since they began.
#[derive(Clone, Copy)]
pub struct Used {
    pub server: Duration,
    pub database: Duration,
}

impl Watched {
    /// The process that runs the program with this argument.
    pub fn program_with(argument: &str, database: Option<u32>) -> Self {
        let found = numbers().find(|process| {
            let line = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line);
            let mut words = line.split('\0');
            let is_shell = words.next() == Some("sh");
            !is_shell && words.any(|word| word == argument)
        });
        Self {
            server: found.expect("the server runs"),
            database,
        }
    }

    /// This process.
    pub fn this() -> Self {
        Self {
            server: std::process::id(),
            database: None,
        }
    }

    pub fn used(self) -> Used {
        let [server, _] = times(self.server).expect("the server runs").times;
        // Those that it started, and those that have ended already.
        let database = self.database.map_or(Duration::ZERO, |leader| {
            let [own, ended] = times(leader).expect("the database runs").times;
            let children = numbers().filter_map(times);
            let children = children.filter(|child| child.parent == leader);
            children.fold(own + ended, |sum, child| sum + child.times[0])
        });
        Used { server, database }
    }

    /// The memory of the server that is resident, in MiB.
    #[allow(clippy::cast_precision_loss)]
    pub fn resident(self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.server)).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib: u64 = line
            .unwrap()
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .unwrap();
        kib as f64 / 1024.0
    }
}

/// The load averages of the machine.
pub fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

struct Times {
    parent: u32,
    /// Of the process itself, and of its children that have ended.
    times: [Duration; 2],
}

fn times(process: u32) -> Option<Times> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // After the name, which can contain anything.
    let fields: Vec<_> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let time = |at: usize| {
        let ticks: u32 = fields[at].parse().unwrap();
        ticks * TICK
    };
    Some(Times {
        parent: fields[1].parse().ok()?,
        times: [time(11) + time(12), time(13) + time(14)],
    })
}

fn numbers() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").unwrap();
    entries.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
}
