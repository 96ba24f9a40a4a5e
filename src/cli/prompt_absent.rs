//! Prompts on Windows, where no terminal is used yet: nobody is asked.

#[path = "prompt/error.rs"]
#[expect(dead_code, reason = "nobody is asked, so no answer is missing")]
mod error;

use nightlatch_core::memory::SecretBuffer;

use super::terminal::Terminal;
pub use error::PromptError;

impl Terminal {
    /// Unreachable: there is no terminal.
    pub fn read_password(&mut self, _: &str, _: usize) -> Result<SecretBuffer, PromptError> {
        match *self {}
    }

    /// Unreachable: there is no terminal.
    pub fn read_passwords<const N: usize>(
        &mut self,
        _: [&str; N],
        _: usize,
        _: impl FnMut(&SecretBuffer) -> bool,
    ) -> Result<[SecretBuffer; N], PromptError> {
        match *self {}
    }

    /// Unreachable: there is no terminal.
    pub fn read_single_lines<const N: usize>(
        &mut self,
        _: [&str; N],
        _: impl FnMut(&SecretBuffer) -> bool,
    ) -> Result<[SecretBuffer; N], PromptError> {
        match *self {}
    }

    /// Unreachable: there is no terminal.
    pub fn drop_paste(&self) {
        match *self {}
    }

    /// Unreachable: there is no terminal.
    pub fn read_line(&mut self, _: &str) -> Result<String, PromptError> {
        match *self {}
    }
}
