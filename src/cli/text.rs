//! Text for people: escapes text from elsewhere, and formats durations.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use nightlatch_audit::CommandEnd;
use nightlatch_local::account::LOCK;
use nightlatch_platform::fs::Wait;

/// `text` with everything escaped that a terminal would interpret or that changes the reading
/// direction.
pub fn escape(text: &str) -> String {
    text.chars()
        .fold(String::with_capacity(text.len()), |mut shown, character| {
            if is_harmless(character) {
                shown.push(character);
            } else {
                let _ = write!(shown, "{}", character.escape_unicode());
            }
            shown
        })
}

/// JSON lines with the same meaning, but without anything that a terminal would interpret: strings
/// get JSON's own escapes, and whitespace between values becomes spaces.
pub fn escape_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '\n' => shown.push('\n'),
            // In strings, control characters are always escaped, so those here are whitespace.
            '\0'..=' ' => shown.push(' '),
            _ if is_harmless(character) => shown.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    let _ = write!(shown, "\\u{unit:04x}");
                }
            }
        }
    }
    shown
}

/// The maximum length of a message, in characters: names in it may be of any length.
const LONGEST: usize = 1000;

/// `text`, without its middle if it is longer than a message may be.
pub fn bounded(text: &str) -> Cow<'_, str> {
    if !is_too_long(text) {
        return Cow::Borrowed(text);
    }
    let half = LONGEST / 2;
    let beginning = text.chars().take(half);
    let end = text.chars().skip(text.chars().count() - half);
    Cow::Owned(beginning.chain(" ... ".chars()).chain(end).collect())
}

/// Whether the text is too long for a message.
pub fn is_too_long(text: &str) -> bool {
    text.chars().count() > LONGEST
}

fn is_harmless(character: char) -> bool {
    !character.is_control()
        && !matches!(character,
            // Bidirectional controls and marks, and separators where a terminal may break lines.
            '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}'
            // Invisible: zero-width characters, byte order mark, tags.
            | '\u{200B}'..='\u{200D}' | '\u{2060}'..='\u{2065}' | '\u{FEFF}'
            | '\u{E0000}'..='\u{E007F}')
}

/// A duration for people, in its two largest units: `14m 32s`.
pub fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, 0) => format!("{minutes}m"),
        (0, minutes, seconds) => format!("{minutes}m {seconds}s"),
        (hours, 0, _) => format!("{hours}h"),
        (hours, minutes, _) => format!("{hours}h {minutes}m"),
    }
}

/// How long something took; with decimals below ten seconds.
pub fn took(duration: Duration) -> String {
    match duration.as_millis() {
        millis @ 0..1000 => format!("{millis}ms"),
        millis @ 1000..10_000 => format!("{}.{}s", millis / 1000, millis % 1000 / 100),
        _ => span(duration),
    }
}

/// How a guarded command ended: `exit 3`, `SIGTERM`, `not found`.
pub fn command_end(end: CommandEnd) -> String {
    match end {
        CommandEnd::Exited(code) => format!("exit {code}"),
        CommandEnd::Signalled(signal) => super::terminal::signal_name(signal)
            .map_or_else(|| format!("signal {signal}"), str::to_owned),
        CommandEnd::Failed(failure) => failure.as_str().replace('_', " "),
    }
}

/// The words of a command line, as a shell would split it; `None` if a quote is not closed or there
/// are no words.
pub fn words(line: &str) -> Option<Vec<String>> {
    shlex::split(line).filter(|words| !words.is_empty())
}

/// In days if it is a whole number of them, else in all units.
pub fn days(length: Duration) -> String {
    let seconds = length.as_secs();
    match (seconds / 86_400, seconds % 86_400) {
        (1, 0) => "1 day".to_owned(),
        (days, 0) => format!("{days} days"),
        _ => humantime::format_duration(length).to_string(),
    }
}

/// The message that the program is waiting for another process.
pub fn waiting(wait: &Wait<'_>) -> String {
    let process = |number: i32| format!("process {number}");
    match wait {
        Wait::Lock { path, holder } => {
            let holder = holder.map_or_else(|| "another process".to_owned(), process);
            let path = escape(&path.to_string_lossy());
            format!("waiting for {holder}, which holds the lock on {path}")
        }
        Wait::Agent { process: 0 } => "waiting for the agent, which does not answer".to_owned(),
        Wait::Agent { process: number } => {
            let agent = process(*number);
            format!("waiting for the agent ({agent}), which does not answer")
        }
        _ => "waiting for another process".to_owned(),
    }
}

/// At or below this number, the remaining attempts are shown.
const FEW_ATTEMPTS: u32 = 2;

/// The end of a message: the number of remaining attempts before `what` is locked, if there are few.
pub fn attempts_left(left: u32, what: &str) -> String {
    let lock = span(LOCK);
    match left {
        0 => format!("; {what} is locked now, for {lock}"),
        1 => format!("; 1 attempt left before {what} is locked for {lock}"),
        2..=FEW_ATTEMPTS => format!("; {left} attempts left before {what} is locked for {lock}"),
        _ => String::new(),
    }
}

/// `{"reason":"logout"}` as `reason=logout`.
pub fn plain_details(details: &str) -> String {
    use serde_json::Value;
    let Ok(Value::Object(fields)) = serde_json::from_str(details) else {
        return details.to_owned();
    };
    let show = |(key, value): (&String, &Value)| match value {
        Value::String(text) => format!("{key}={text}"),
        other => format!("{key}={other}"),
    };
    fields.iter().map(show).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_act_on_is_shown_instead() {
        assert_eq!(escape("a\u{1b}[31mb"), "a\\u{1b}[31mb");
        assert_eq!(escape("user\u{202e}moc"), "user\\u{202e}moc");
        assert_eq!(escape("line\nbreak"), "line\\u{a}break");
        assert_eq!(escape("Grüße, 世界 🔒"), "Grüße, 世界 🔒");
    }

    #[test]
    fn a_long_message_loses_its_middle() {
        assert_eq!(bounded(&"ä".repeat(1000)), "ä".repeat(1000));
        let cut = bounded(&format!("{}{}", "a".repeat(700), "z".repeat(700))).into_owned();
        assert!(cut.starts_with("aaa") && cut.ends_with("zzz") && cut.contains("a ... z"));
        assert_eq!(cut.chars().count(), 1005);
    }

    #[test]
    fn json_on_a_terminal_is_harmless_and_means_the_same() {
        let hostile = "{\"a\":\t\"\u{9b}31m\u{7f}\u{202e}\u{e0041}\\u001b, 世界\"\r}\n{}\n";
        let shown = escape_json(hostile);
        assert_eq!(
            shown,
            "{\"a\": \"\\u009b31m\\u007f\\u202e\\udb40\\udc41\\u001b, 世界\" }\n{}\n"
        );
        let parse = |text: &str| {
            let first = text.lines().next().unwrap_or_default();
            serde_json::from_str::<serde_json::Value>(first).ok()
        };
        assert!(parse(hostile).is_some());
        assert_eq!(parse(&shown), parse(hostile));
    }

    #[test]
    fn whole_days_are_told_as_days() {
        let hours = |hours: u64| days(Duration::from_secs(hours * 3600));
        assert_eq!(hours(24), "1 day");
        assert_eq!(hours(14 * 24), "14 days");
        assert_eq!(hours(6), "6h");
    }

    #[test]
    fn a_short_run_is_told_in_parts_of_a_second() {
        for (millis, told) in [
            (0, "0ms"),
            (999, "999ms"),
            (1250, "1.2s"),
            (9999, "9.9s"),
            (61_000, "1m 1s"),
        ] {
            assert_eq!(took(Duration::from_millis(millis)), told);
        }
    }

    #[test]
    fn the_end_of_a_command_is_told_in_a_word_or_two() {
        for (end, told) in [
            (CommandEnd::Exited(3), "exit 3"),
            (CommandEnd::Signalled(15), "SIGTERM"),
            (CommandEnd::Signalled(99), "signal 99"),
            (
                CommandEnd::Failed(nightlatch_audit::CommandFailure::NotFound),
                "not found",
            ),
        ] {
            assert_eq!(command_end(end), told);
        }
    }

    #[test]
    fn spans_are_told_in_two_units() {
        for (seconds, told) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (872, "14m 32s"),
            (3600, "1h"),
            (14_399, "3h 59m"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), told);
        }
    }
}
