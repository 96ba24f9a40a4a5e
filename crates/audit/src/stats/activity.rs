//! What kept a session alive: the number of extensions, and their most frequent cause.

use crate::facts::Facts;
use crate::record::Record;

/// The maximum number of programs and actions counted per session; the least frequent one is
/// replaced.
const MOST: usize = 16;
/// The action of a guarded command; its start names the program.
const EXEC: &str = "exec";

/// What extended a session, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extender {
    /// The program, or another kind of action, such as `extend`.
    pub name: String,
    /// The number of extensions; possibly a few too many if there were more than 16 different
    /// causes.
    pub times: u64,
}

/// The extensions of one session.
#[derive(Clone, Debug, Default)]
pub(super) struct Activity {
    /// The last action for which the session was validated.
    action: Option<String>,
    /// Extensions by guarded commands whose start has not been seen yet.
    starting: u64,
    total: u64,
    by: Vec<Extender>,
}

impl Activity {
    pub(super) fn validated(&mut self, record: &Record) {
        self.action = Facts::of(&record.details).action.map(String::from);
    }

    pub(super) fn extended(&mut self) {
        self.total += 1;
        match self.action.take() {
            Some(action) if action != EXEC => self.count(action),
            _ => self.starting += 1,
        }
    }

    pub(super) fn started(&mut self, record: &Record) {
        if self.starting > 0 {
            self.starting -= 1;
            let program = Facts::of(&record.details).program;
            self.count(program.map(String::from).unwrap_or_default());
        }
    }

    fn count(&mut self, name: String) {
        if let Some(known) = self.by.iter_mut().find(|by| by.name == name) {
            known.times += 1;
        } else if self.by.len() < MOST {
            self.by.push(Extender { name, times: 1 });
        } else if let Some(least) = self.by.iter_mut().min_by_key(|by| by.times) {
            // It inherits the count, so that a frequent cause is never lost.
            least.name = name;
            least.times += 1;
        }
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// The most frequent cause; in a tie, the one whose name sorts first.
    pub(super) fn most(&self) -> Option<&Extender> {
        let first = |one: &&Extender, other: &&Extender| {
            (one.times, &other.name).cmp(&(other.times, &one.name))
        };
        self.by.iter().max_by(first)
    }
}
