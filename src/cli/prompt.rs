//! Prompts a person for a password, without echo, or for a line of text.
//!
//! The terminal is restored on every way out: an answer, an error, a panic, a signal. Input that was
//! typed but not read is dropped then, so that half a password never reaches the shell. The echo
//! stays off between passwords, until the [`Terminal`] is dropped. A password's bytes are read
//! directly into their [`SecretBuffer`], and are stored nowhere else.

#[path = "prompt/error.rs"]
mod error;

use std::io;

use nightlatch_core::memory::{ReadSecretError, SecretBuffer};
use nightlatch_local::guard::{signals::Catch, signals::stop_ourselves};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::termios::QueueSelector;
use signal_hook::consts::{
    SIGABRT, SIGALRM, SIGCONT, SIGHUP, SIGINT, SIGPROF, SIGQUIT, SIGSYS, SIGTERM, SIGTRAP, SIGTSTP,
    SIGUSR1, SIGUSR2, SIGVTALRM, SIGXCPU,
};

use super::terminal::{Hidden, Quiet, Terminal, ends_us};
pub use error::PromptError;

/// The signals that would end or stop this process while the echo is off, and that a handler can
/// catch and release again; the others are [held back](super::terminal::Held). SIGTTIN and SIGTTOU
/// are not among them: the kernel sends those when a background job accesses the terminal, until the
/// job stops. Neither are those of a fault, after which none of our code runs.
const WATCHED: &[i32] = &[
    SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGALRM, SIGVTALRM, SIGPROF, SIGUSR1, SIGUSR2, SIGABRT,
    SIGTRAP, SIGSYS, SIGXCPU, SIGTSTP,
];

/// The maximum length of a visible line, in bytes; an email has at most 254.
const LINE_LIMIT: usize = 1024;

/// The maximum length of a hidden line of any kind, in bytes. The terminal drops what a line has
/// beyond 4,095 bytes (1,023 on macOS and the BSDs) without a word, so a line of that length may have
/// been cut.
const HIDDEN_LINE_LIMIT: usize = if cfg!(target_os = "linux") {
    4094
} else {
    1022
};

/// How soon after a line its successor arrives if both were pasted.
const PASTE_PAUSE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 200_000_000,
};

/// After a refusal, the rest of a slow paste is waited for this long.
const PASTE_END: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};

/// After this many lines of a paste, no more are waited for.
const PASTE_LINES: u32 = 4096;

/// Whether answers to several prompts may arrive at once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pasted {
    Together,
    OneByOne,
}

impl From<rustix::io::Errno> for PromptError {
    fn from(error: rustix::io::Errno) -> Self {
        Self::Io(error.into())
    }
}

/// Why reading the answers was abandoned.
enum Left {
    /// For good, without answers.
    Failed(PromptError),
    /// Ctrl-Z: stop, and ask again when resumed.
    ToStop,
    /// This process was stopped and resumed. The shell may have changed the terminal, so ask again.
    Resumed,
}

impl<E: Into<PromptError>> From<E> for Left {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Terminal {
    /// Asks for one password of at most `capacity` bytes. The newline is not included; the password
    /// may be empty. What was typed before the prompt appeared is dropped.
    ///
    /// # Errors
    /// Any [`PromptError`] except [`PromptError::NotText`] and [`PromptError::NotAccepted`].
    pub fn read_password(
        &mut self,
        prompt: &str,
        capacity: usize,
    ) -> Result<SecretBuffer, PromptError> {
        let [password] = self.read_passwords([prompt], capacity, |_| true)?;
        Ok(password)
    }

    /// Asks for several passwords in a row (such as a new one, twice), like
    /// [`Terminal::read_password`]. Input between them is neither shown nor dropped, so all may be
    /// typed or pasted at once.
    ///
    /// Before each next prompt, `accept` checks the password just given, and may print a message.
    /// If it rejects the password, input after it is dropped. A stop (Ctrl-Z) starts again with the
    /// first prompt, unless the terminal [leaves then](Terminal::leave_when_resumed).
    ///
    /// # Errors
    /// [`PromptError::NotAccepted`], or as for [`Terminal::read_password`].
    pub fn read_passwords<const N: usize>(
        &mut self,
        prompts: [&str; N],
        capacity: usize,
        accept: impl FnMut(&SecretBuffer) -> bool,
    ) -> Result<[SecretBuffer; N], PromptError> {
        self.read_hidden(prompts, (capacity, Pasted::Together), accept)
    }

    /// Like [`Terminal::read_passwords`], for values that may be pasted: an answer that another line
    /// follows at once is refused, because only its first line would be taken.
    ///
    /// # Errors
    /// [`PromptError::SeveralLines`], or as for [`Terminal::read_passwords`].
    pub fn read_single_lines<const N: usize>(
        &mut self,
        prompts: [&str; N],
        accept: impl FnMut(&SecretBuffer) -> bool,
    ) -> Result<[SecretBuffer; N], PromptError> {
        self.read_hidden(prompts, (usize::MAX, Pasted::OneByOne), accept)
    }

    /// Drops the rest of a paste: all input until no line has arrived for a second.
    pub fn drop_paste(&self) {
        for _ in 0..PASTE_LINES {
            let mut fds = [PollFd::new(self, PollFlags::IN)];
            let polled = rustix::event::poll(&mut fds, Some(&PASTE_END));
            if polled == Ok(0) || rustix::termios::tcflush(self, QueueSelector::IFlush).is_err() {
                return;
            }
        }
    }

    fn read_hidden<const N: usize>(
        &mut self,
        prompts: [&str; N],
        (capacity, pasted): (usize, Pasted),
        mut accept: impl FnMut(&SecretBuffer) -> bool,
    ) -> Result<[SecretBuffer; N], PromptError> {
        // One extra byte for the newline.
        let room = capacity.min(HIDDEN_LINE_LIMIT) + 1;
        let mut answers = prompts.map(|_| SecretBuffer::with_capacity(room));
        let mut original = None;
        let mut set_up = self.what_is_set_up()?;
        loop {
            self.wait_for_turn()?;
            self.await_foreground()?;
            let (hidden, mut catch) = if let Some(before) = set_up.take() {
                before
            } else {
                let original = match &original {
                    Some(original) => original,
                    None => original.insert(self.settings()?),
                };
                let catch = Catch::new(WATCHED, &[SIGCONT])?;
                (self.hide_typing(original.clone())?, catch)
            };
            let mut watched = Watched {
                hidden: &hidden,
                catch: &mut catch,
            };
            let result = self.ask((prompts, pasted), &mut answers, &mut watched, &mut accept);
            if matches!(
                result,
                Ok(())
                    | Err(Left::Failed(
                        PromptError::NotAccepted
                            | PromptError::TooLong { .. }
                            | PromptError::SeveralLines
                    ))
            ) {
                self.quiet = Quiet::begin(hidden, catch);
                return match result {
                    Err(Left::Failed(error)) => Err(error),
                    _ => Ok(answers),
                };
            }
            drop(hidden);
            // From here on signals have their default action again; earlier ones are in the
            // returned list.
            let late = catch
                .finish()
                .iter()
                .map(|caught| caught.signal)
                .find(|&s| ends_us(s));
            match (result, late) {
                (Err(Left::Failed(error)), _) => return Err(error),
                (_, Some(signal)) => return Err(PromptError::Interrupted(signal)),
                (Err(Left::ToStop), None) => self.stop()?,
                _ => {}
            }
            self.look_after_resumption()?;
            for answer in &mut answers {
                answer.truncate(0);
            }
        }
    }

    /// The state that the last prompt set up, if it has not been restored yet.
    fn what_is_set_up(&mut self) -> Result<Option<(Hidden, Catch)>, PromptError> {
        let Some((hidden, catch, to_stop)) = self.quiet.take().and_then(Quiet::end) else {
            return Ok(None);
        };
        if to_stop {
            drop(hidden);
            let late = catch.finish();
            if let Some(caught) = late.iter().find(|caught| ends_us(caught.signal)) {
                return Err(PromptError::Interrupted(caught.signal));
            }
            self.stop()?;
            self.look_after_resumption()?;
            return Ok(None);
        }
        Ok(Some((hidden, catch)))
    }

    /// Stops this process, as Ctrl-Z does. Other prompts may take their turn meanwhile.
    fn stop(&mut self) -> io::Result<()> {
        self.give_turn_back();
        stop_ourselves()
    }

    /// Abandons the question if it may no longer be needed.
    fn look_after_resumption(&self) -> Result<(), PromptError> {
        if self.leaves_when_resumed {
            return Err(PromptError::Resumed);
        }
        Ok(())
    }

    /// One attempt, with the echo off.
    fn ask<const N: usize>(
        &self,
        (prompts, pasted): ([&str; N], Pasted),
        answers: &mut [SecretBuffer; N],
        signals: &mut Watched<'_>,
        accept: &mut impl FnMut(&SecretBuffer) -> bool,
    ) -> Result<(), Left> {
        let mut given: Option<&SecretBuffer> = None;
        for (prompt, answer) in prompts.into_iter().zip(answers) {
            if given.is_some_and(|given| !accept(given)) {
                return Err(PromptError::NotAccepted.into());
            }
            self.write(prompt)?;
            if let Err(left) = self.read_hidden_line(answer, signals) {
                // Without an Enter, the next output would continue on the prompt's line.
                if !matches!(left, Left::Failed(PromptError::TooLong { .. })) {
                    let _ = self.write("\n");
                }
                return Err(left);
            }
            // Nobody types a line that soon.
            if pasted == Pasted::OneByOne && self.input_within(signals, Some(&PASTE_PAUSE))? {
                return Err(PromptError::SeveralLines.into());
            }
            given = Some(answer);
        }
        Ok(())
    }

    /// Reads up to a newline into `answer`, which has room for it, unless a signal comes first.
    fn read_hidden_line(
        &self,
        answer: &mut SecretBuffer,
        signals: &mut Watched<'_>,
    ) -> Result<(), Left> {
        loop {
            if !self.input_within(signals, None)? {
                continue;
            }
            match answer.read_once(self) {
                Ok(0) => return Err(PromptError::Cancelled.into()),
                Ok(_) => {}
                Err(ReadSecretError::TooLong { limit }) => return Err(too_long(limit)),
                Err(ReadSecretError::Io(error)) => return Err(error.into()),
                Err(error) => return Err(io::Error::other(error).into()),
            }
            // More than one line, or a carriage return, can arrive if a program started meanwhile
            // has switched the terminal to raw mode.
            let end = answer.expose().iter().position(|key| b"\r\n".contains(key));
            if let Some(end) = end {
                answer.truncate(end);
                return Ok(());
            }
        }
    }

    /// Whether there is input, waiting for it until `limit` if given. A signal comes first.
    fn input_within(
        &self,
        signals: &mut Watched<'_>,
        limit: Option<&Timespec>,
    ) -> Result<bool, Left> {
        let mut fds = vec![
            PollFd::new(self, PollFlags::IN),
            PollFd::new(&*signals.catch, PollFlags::IN),
        ];
        fds.extend(signals.hidden.held.poll());
        rustix::io::retry_on_intr(|| rustix::event::poll(&mut fds, limit))?;
        let is_there = !fds[0].revents().is_empty();
        signals.check()?;
        Ok(is_there)
    }

    /// Asks for one visible line of at most 1,024 bytes, returned without its newline. Signals have
    /// their default action; nothing needs restoring, because the echo is switched on first.
    ///
    /// # Errors
    /// Any [`PromptError`] except [`PromptError::Interrupted`] and [`PromptError::NotAccepted`].
    pub fn read_line(&mut self, prompt: &str) -> Result<String, PromptError> {
        self.quiet = None;
        self.wait_for_turn()?;
        self.take_plain_pastes()?;
        self.write(prompt)?;
        let mut line = [0; LINE_LIMIT + 1];
        let mut len = 0;
        while !line[..len].ends_with(b"\n") {
            if len == line.len() {
                rustix::termios::tcflush(&*self, QueueSelector::IFlush)?;
                return Err(PromptError::TooLong { limit: LINE_LIMIT });
            }
            match rustix::io::retry_on_intr(|| rustix::io::read(&*self, &mut line[len..]))? {
                0 => {
                    self.write("\n")?;
                    return Err(PromptError::Cancelled);
                }
                count => len += count,
            }
        }
        let text = std::str::from_utf8(&line[..len - 1]).map_err(|_| PromptError::NotText)?;
        Ok(text.to_owned())
    }
}

/// The signals that may arrive while the echo is off.
struct Watched<'a> {
    hidden: &'a Hidden,
    catch: &'a mut Catch,
}

impl Watched<'_> {
    /// Checks for signals. One that ends the process takes precedence over one that stops it.
    fn check(&mut self) -> Result<(), Left> {
        let signals: Vec<i32> = self
            .catch
            .pending()
            .iter()
            .map(|caught| caught.signal)
            .collect();
        let ends = signals.iter().copied().find(|&signal| ends_us(signal));
        if let Some(signal) = ends.or_else(|| self.hidden.held.next()) {
            return Err(PromptError::Interrupted(signal).into());
        }
        if signals.contains(&SIGTSTP) {
            return Err(Left::ToStop);
        }
        if signals.contains(&SIGCONT) {
            return Err(Left::Resumed);
        }
        Ok(())
    }
}

/// The buffer is one byte longer than the maximum length.
fn too_long(buffer: usize) -> Left {
    let limit = buffer.saturating_sub(1);
    PromptError::TooLong { limit }.into()
}
