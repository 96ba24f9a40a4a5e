//! Asking a person: for a password, unseen, or for a line of text.
//!
//! The terminal is set back on every way out: an answer, an error, a panic, a signal. Text typed and
//! not read is dropped then, so that half a password never reaches the shell. A password's bytes
//! are read straight into their [`SecretBuffer`] and are nowhere else.

#[path = "prompt/error.rs"]
mod error;

use std::io;

use nightlatch::guard::signals::{Catch, stop_ourselves};
use nightlatch::memory::{ReadSecretError, SecretBuffer};
use rustix::event::{PollFd, PollFlags};
use rustix::termios::{QueueSelector, Termios};
use signal_hook::consts::{
    SIGALRM, SIGCONT, SIGHUP, SIGINT, SIGPROF, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2,
    SIGVTALRM,
};

use super::terminal::Terminal;
pub use error::PromptError;

/// Every signal that would end or stop us with the echo off and could be caught. Not SIGTTIN and
/// SIGTTOU: the kernel sends those when a background job touches the terminal, until it is stopped.
const WATCHED: &[i32] = &[
    SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGALRM, SIGVTALRM, SIGPROF, SIGUSR1, SIGUSR2, SIGTSTP,
];

/// The most bytes of a visible line: an email address has at most 254.
const LINE_LIMIT: usize = 1024;

impl From<rustix::io::Errno> for PromptError {
    fn from(error: rustix::io::Errno) -> Self {
        Self::Io(error.into())
    }
}

/// Why the reading of answers was left.
enum Left {
    /// For good, without the answers.
    Failed(PromptError),
    /// Ctrl-Z: stop, and ask again when resumed.
    ToStop,
    /// We were stopped and resumed: the shell may have set the terminal anew, so ask again.
    Resumed,
}

impl<E: Into<PromptError>> From<E> for Left {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Terminal {
    /// Asks for one password of at most `capacity` bytes. The newline is not part of it; it may be
    /// empty. What was typed before the prompt appeared is dropped.
    ///
    /// # Errors
    /// Any [`PromptError`] but [`PromptError::NotText`] and [`PromptError::NotAccepted`].
    pub fn read_password(
        &mut self,
        prompt: &str,
        capacity: usize,
    ) -> Result<SecretBuffer, PromptError> {
        let [password] = self.read_passwords([prompt], capacity, |_| true)?;
        Ok(password)
    }

    /// Asks for several passwords in a row (a new one, and again), as [`Terminal::read_password`].
    /// Nothing typed is shown or dropped between them: all may be typed or pasted at once.
    ///
    /// Before the next one is asked for, `accept` looks at the one just given, and may say something
    /// about it. What was typed after one that it does not accept is dropped. A stop in between
    /// (Ctrl-Z) begins anew with the first.
    ///
    /// # Errors
    /// [`PromptError::NotAccepted`], or as [`Terminal::read_password`].
    pub fn read_passwords<const N: usize>(
        &mut self,
        prompts: [&str; N],
        capacity: usize,
        mut accept: impl FnMut(&SecretBuffer) -> bool,
    ) -> Result<[SecretBuffer; N], PromptError> {
        // One byte more for the newline.
        let mut answers = prompts.map(|_| SecretBuffer::with_capacity(capacity.saturating_add(1)));
        let mut original = None;
        loop {
            self.await_foreground()?;
            let original = match &original {
                Some(original) => original,
                None => original.insert(self.settings()?),
            };
            let mut catch = Catch::new(WATCHED, &[SIGCONT])?;
            let result = self.ask(prompts, &mut answers, original, &mut catch, &mut accept);
            // From here on signals act by default again; none that came before is lost.
            let late = catch
                .finish()
                .iter()
                .map(|caught| caught.signal)
                .find(|&s| ends_us(s));
            match (result, late) {
                (Ok(()), None) => return Ok(answers),
                (Err(Left::Failed(error)), _) => return Err(error),
                (_, Some(signal)) => return Err(PromptError::Interrupted(signal)),
                (Err(Left::ToStop), None) => stop_ourselves()?,
                (Err(Left::Resumed), None) => {}
            }
            for answer in &mut answers {
                answer.truncate(0);
            }
        }
    }

    /// One attempt: hides the typing, asks, and shows it again whatever came of it.
    fn ask<const N: usize>(
        &self,
        prompts: [&str; N],
        answers: &mut [SecretBuffer; N],
        original: &Termios,
        catch: &mut Catch,
        accept: &mut impl FnMut(&SecretBuffer) -> bool,
    ) -> Result<(), Left> {
        let hidden = self.hide_typing(original)?;
        let mut given: Option<&SecretBuffer> = None;
        for (prompt, answer) in prompts.into_iter().zip(answers) {
            if given.is_some_and(|given| !accept(given)) {
                return Err(PromptError::NotAccepted.into());
            }
            self.write(prompt)?;
            if let Err(left) = self.read_hidden_line(answer, catch) {
                // Without an Enter, what comes next would begin on the prompt's line.
                if !matches!(left, Left::Failed(PromptError::TooLong { .. })) {
                    let _ = self.write("\n");
                }
                drop(hidden);
                return Err(left);
            }
            given = Some(answer);
        }
        Ok(())
    }

    /// Reads up to a newline into `answer`, which has room for it, unless a signal comes first.
    fn read_hidden_line(&self, answer: &mut SecretBuffer, catch: &mut Catch) -> Result<(), Left> {
        loop {
            let mut fds = [
                PollFd::new(self, PollFlags::IN),
                PollFd::new(&*catch, PollFlags::IN),
            ];
            rustix::io::retry_on_intr(|| rustix::event::poll(&mut fds, None))?;
            let typed = !fds[0].revents().is_empty();
            check_signals(catch)?;
            if !typed {
                continue;
            }
            match answer.read_once(self) {
                Ok(0) => return Err(PromptError::Cancelled.into()),
                Ok(_) => {}
                Err(ReadSecretError::TooLong { limit }) => return Err(too_long(limit)),
                Err(ReadSecretError::Io(error)) => return Err(error.into()),
                Err(error) => return Err(io::Error::other(error).into()),
            }
            if answer.expose().last() == Some(&b'\n') {
                answer.truncate(answer.len() - 1);
                return Ok(());
            }
        }
    }

    /// Asks for one visible line of at most 1,024 bytes, given without its newline. Signals act as
    /// they do by default; there is nothing to set back.
    ///
    /// # Errors
    /// Any [`PromptError`] but [`PromptError::Interrupted`] and [`PromptError::NotAccepted`].
    pub fn read_line(&mut self, prompt: &str) -> Result<String, PromptError> {
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

/// Whether a signal is one that ends a program.
fn ends_us(signal: i32) -> bool {
    signal != SIGTSTP && signal != SIGCONT
}

/// Whether a signal has come; one that ends us goes before one that stops us.
fn check_signals(catch: &mut Catch) -> Result<(), Left> {
    let signals: Vec<i32> = catch.pending().iter().map(|caught| caught.signal).collect();
    if let Some(&signal) = signals.iter().find(|&&signal| ends_us(signal)) {
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

/// The buffer is one byte longer than the answer may be.
fn too_long(buffer: usize) -> Left {
    let limit = buffer.saturating_sub(1);
    PromptError::TooLong { limit }.into()
}
