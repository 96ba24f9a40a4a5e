//! The prompt as a program under test. It stops and signals itself, so it runs in a separate
//! process: this test binary, started again with one ignored "test" as its main function.

use std::process::{Command, exit};

use nightlatch_core::memory::SecretBuffer;

use super::checks::until;

#[path = "../../../src/cli/prompt.rs"]
#[allow(dead_code)] // the real program uses what the program below does not
mod prompt;
#[path = "../../../src/cli/terminal.rs"]
#[allow(dead_code)] // as above
mod terminal;

/// Asks for passwords, with one prompt per argument, and prints the result.
const PROMPT: &str = concat!(
    "sh ",
    env!("CARGO_MANIFEST_DIR"),
    "/tests/behaviour/support/driver.sh ask_passwords"
);

/// A shell that runs `script`. In it, `$PROMPT` is the program above, and `$ASK` is a prompt text
/// that the shell does not show when it prints the job's command line.
pub fn shell(script: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", script])
        .env("NIGHTLATCH_TEST_EXE", std::env::current_exe().unwrap())
        .env("PROMPT", PROMPT)
        .env("ASK", "Password: ");
    command
}

fn arguments() -> Vec<String> {
    let count: usize = std::env::var("NIGHTLATCH_TEST_ARGC")
        .unwrap()
        .parse()
        .unwrap();
    (0..count)
        .map(|number| std::env::var(format!("NIGHTLATCH_TEST_ARG_{number}")).unwrap())
        .collect()
}

#[test]
#[ignore = "a program under test, not a test"]
fn ask_passwords() {
    let mut terminal = terminal::Terminal::open().unwrap();
    let arguments = arguments();
    let prompts: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let told = terminal::Terminal::open().unwrap();
    let result = match *prompts.as_slice() {
        // Simulates a password that is found to be wrong only after a while, when the file $OVER
        // appears, and is asked for again.
        ["slowly", first, second] => terminal.read_password(first, 16).and_then(|first| {
            told.write("hashing\n").unwrap();
            let over = std::env::var("OVER").unwrap();
            until("the work is over", || std::path::Path::new(&over).exists());
            terminal
                .read_password(second, 16)
                .map(|second| vec![first, second])
        }),
        ["line", prompt] => {
            let line = terminal.read_line(prompt);
            terminal.write(&format!("line: {line:?}\n")).unwrap();
            exit(0);
        }
        [prompt] => terminal
            .read_password(prompt, 16)
            .map(|answer| vec![answer]),
        [first, second] => {
            // Simulates the strength meter, and a weak password.
            let said = terminal::Terminal::open().unwrap();
            let accept = |first: &SecretBuffer| {
                let accepted = first.expose() != b"weak";
                said.write(if accepted { "good\n" } else { "weak\n" })
                    .unwrap();
                accepted
            };
            terminal
                .read_passwords([first, second], 16, accept)
                .map(Vec::from)
        }
        _ => exit(2),
    };
    drop(terminal);
    let terminal = told;
    match result {
        Ok(answers) => {
            for answer in answers {
                let text = String::from_utf8_lossy(answer.expose()).into_owned();
                terminal.write(&format!("got <{text}>\n")).unwrap();
            }
            exit(0);
        }
        Err(prompt::PromptError::Interrupted(signal)) => {
            terminal.write("interrupted\n").unwrap();
            signal_hook::low_level::emulate_default_handler(signal).unwrap();
        }
        Err(error) => {
            terminal.write(&format!("{error}\n")).unwrap();
            exit(1);
        }
    }
}
