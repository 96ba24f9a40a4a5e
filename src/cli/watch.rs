//! `status --watch`: counts down until the session ends. Each second it looks anew, as `status` does,
//! and keeps nothing of what it saw. A signal ends it as any program: there is nothing to set back.

use std::time::Duration;

use nightlatch::clock::{Clock, SystemClock, Timestamp};
use nightlatch::session::{SessionState, SessionStatus};

use super::context::Context;
use super::end::End;
use super::exit::Failure;
use super::session_state::look;
use super::terminal::columns;
use super::ui::{GOOD, STRONG, Ui};
use super::{ending, text};

/// The longest between two looks: the end may come from another terminal.
const LOOK: Duration = Duration::from_secs(1);
/// Past the turn of a second, for the look after it not to see the second before.
const MARGIN: Duration = Duration::from_millis(1);

/// What a terminal without a size is taken for.
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

/// Until the number of seconds left changes, and no longer than a second.
fn until_the_next_second(status: &SessionStatus) -> Duration {
    let ends = status.expires_at.unwrap_or(Timestamp::from_unix_seconds(0));
    let left = ends.since(SystemClock.now().wall);
    match Duration::from_nanos(left.subsec_nanos().into()) {
        Duration::ZERO => LOOK,
        part => (part + MARGIN).min(LOOK),
    }
}

/// The columns to draw in. The last one stays free: a terminal may move on to the next line when it is
/// written to.
fn room() -> usize {
    columns(std::io::stdout()).unwrap_or(COLUMNS) - 1
}

/// The countdown: on a terminal one line, drawn over itself with no more than spaces and carriage
/// returns, which every terminal knows, and which leave nothing switched on; elsewhere a line a second.
struct Line {
    ui: Ui,
    /// Columns of what is drawn now.
    drawn: usize,
}

impl Line {
    fn new(ui: Ui) -> Self {
        Self { ui, drawn: 0 }
    }

    /// `false` when nobody reads any more.
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

    /// Spaces over what is drawn beyond `width`, and as many steps back.
    fn blank(&self, width: usize, room: usize) -> String {
        let over = self.drawn.min(room).saturating_sub(width);
        format!("{}{}", " ".repeat(over), "\u{8}".repeat(over))
    }

    /// Nothing is left of it.
    fn clear(&mut self) -> Result<(), Failure> {
        if self.drawn > 0 {
            let blank = " ".repeat(self.drawn.min(room()));
            self.ui.data(&format!("\r{blank}\r"))?;
            self.drawn = 0;
        }
        Ok(())
    }
}
