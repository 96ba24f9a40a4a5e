//! `status --watch`: counts down until the session ends. Every second it checks again, as `status`
//! does, and keeps no state. A signal ends it like any program: nothing needs restoring.

use std::time::Duration;

use nightlatch_core::clock::{Clock, Timestamp};
use nightlatch_local::session::{SessionState, SessionStatus};
use nightlatch_platform::clock::SystemClock;

use super::context::Context;
use super::end::End;
use super::exit::Failure;
use super::session_state::look;
use super::terminal::columns;
use super::ui::{GOOD, STRONG, Ui};
use super::{ending, text};

/// The maximum time between checks: another terminal may end the session.
const LOOK: Duration = Duration::from_secs(1);
/// A delay after the turn of a second, so that the check does not see the previous second.
const MARGIN: Duration = Duration::from_millis(1);

/// The assumed width of a terminal without a size.
const COLUMNS: usize = 80;

pub fn run(context: &Context) -> Result<End, Failure> {
    let guard = context.guard_to_look()?;
    let mut line = Line::new(context.ui);
    let mut was_live = false;
    loop {
        let status = look(&guard)?;
        let is_live = status.state == SessionState::Active;
        let is_read = if context.ui.json {
            context.ui.json(&status)?
        } else {
            !is_live || line.show(&status)?
        };
        if !is_read {
            return Ok(End::Done);
        }
        if !is_live {
            line.clear()?;
            let how = if was_live {
                ending::of_status(context, &status)
                    .unwrap_or_else(|| "the session has ended".to_owned())
            } else {
                "no live session".to_owned()
            };
            return Err(Failure::no_session(how));
        }
        was_live = true;
        SystemClock.sleep(until_the_next_second(&status));
    }
}

/// The time until the remaining seconds change, at most one second.
fn until_the_next_second(status: &SessionStatus) -> Duration {
    let ends = status.expires_at.unwrap_or(Timestamp::from_unix_seconds(0));
    let left = ends.since(SystemClock.now().wall);
    match Duration::from_nanos(left.subsec_nanos().into()) {
        Duration::ZERO => LOOK,
        part => (part + MARGIN).min(LOOK),
    }
}

/// The width to draw in. The last column stays free, because a terminal may wrap after writing to
/// it.
fn room() -> usize {
    columns(std::io::stdout()).unwrap_or(COLUMNS) - 1
}

/// The countdown. On a terminal it is one line, overwritten using only spaces and carriage returns,
/// which every terminal supports and which leave no mode switched on; elsewhere it is one line per
/// second.
struct Line {
    ui: Ui,
    /// The width of what is drawn now.
    drawn: usize,
}

impl Line {
    fn new(ui: Ui) -> Self {
        Self { ui, drawn: 0 }
    }

    /// `false` if stdout is closed.
    fn show(&mut self, status: &SessionStatus) -> Result<bool, Failure> {
        let left = text::span(Duration::from_secs(status.remaining_seconds.unwrap_or(0)));
        if !self.ui.on_terminal {
            return self.ui.data(&format!("{left}\n"));
        }
        let room = room();
        let name = text::escape(status.username.as_deref().unwrap_or("nobody"));
        let fits = |plain: &str| plain.chars().count() <= room;
        let whole = format!("● signed in as {name}; locks in {left}");
        let (shown, width) = if fits(&whole) {
            let styled = format!(
                "{GOOD}●{GOOD:#} signed in as {STRONG}{name}{STRONG:#}; locks in {STRONG}{left}{STRONG:#}"
            );
            (styled, whole.chars().count())
        } else {
            let short: String = left.chars().take(room).collect();
            let width = short.chars().count();
            (short, width)
        };
        let rest = self.blank(width, room);
        self.drawn = width;
        self.ui.data(&format!("\r{shown}{rest}"))
    }

    /// Spaces over the old text beyond `width`, and as many backspaces.
    fn blank(&self, width: usize, room: usize) -> String {
        let over = self.drawn.min(room).saturating_sub(width);
        format!("{}{}", " ".repeat(over), "\u{8}".repeat(over))
    }

    /// Clears the line.
    fn clear(&mut self) -> Result<(), Failure> {
        if self.drawn > 0 {
            let blank = " ".repeat(self.drawn.min(room()));
            self.ui.data(&format!("\r{blank}\r"))?;
            self.drawn = 0;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_check_is_at_most_a_second_away_and_never_at_once() {
        let now = SystemClock.now().wall;
        for nanos in [0, 1, 999_999_999, 1_000_000_000, 60_500_000_000] {
            let mut status = SessionStatus::none();
            status.expires_at = Some(now.plus(Duration::from_nanos(nanos)));
            let pause = until_the_next_second(&status);
            assert!(
                pause > Duration::ZERO && pause <= LOOK,
                "{nanos}: {pause:?}"
            );
        }
    }
}
