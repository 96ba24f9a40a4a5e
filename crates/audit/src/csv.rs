//! Records as comma-separated values (RFC 4180), safe to open in a spreadsheet.

use std::io::{self, Write};

use super::record::Record;

/// The columns, in order.
const HEADER: &str =
    "seq,timestamp,event_type,username,session_id,success,details,host,uid,pid,tty,id,prev,hash";

/// Writes the header row.
///
/// # Errors
/// When writing to `out` fails.
pub fn write_csv_header(out: &mut impl Write) -> io::Result<()> {
    write!(out, "{HEADER}\r\n")
}

/// Writes `record` as one row. An absent value is an empty field.
///
/// # Errors
/// When writing to `out` fails.
pub fn write_csv_record(out: &mut impl Write, record: &Record) -> io::Result<()> {
    write!(
        out,
        "{},{},{},",
        record.seq, record.timestamp, record.event_type
    )?;
    write_field(out, record.username.as_deref().unwrap_or_default())?;
    match record.session_id {
        Some(session) => write!(out, ",{session},")?,
        None => write!(out, ",,")?,
    }
    write!(out, "{},", record.success)?;
    write_field(out, record.details.get())?;
    write!(out, ",")?;
    write_field(out, &record.host)?;
    write!(out, ",{},{},", record.uid, record.pid)?;
    write_field(out, record.tty.as_deref().unwrap_or_default())?;
    write!(out, ",")?;
    write_field(out, &record.id)?;
    write!(out, ",{},{}\r\n", record.prev, record.hash)
}

/// Writes `text` as a field. If a spreadsheet would read the text as a formula, an apostrophe is
/// put before it, which marks text in spreadsheets (OWASP, "CSV Injection"). The same applies to
/// the parts of the text that become cells when a spreadsheet splits at semicolons, tabs or line
/// ends regardless of quotes.
fn write_field(out: &mut impl Write, text: &str) -> io::Result<()> {
    let mut disarmed = String::with_capacity(text.len());
    let mut begins_a_cell = true;
    for character in text.chars() {
        let begins_the_field = disarmed.is_empty();
        if begins_a_cell && is_formula(character) || begins_the_field && is_blank(character) {
            disarmed.push('\'');
        }
        begins_a_cell = match character {
            ';' | '\t' | '\r' | '\n' => true,
            // A program may skip these characters before it looks for a formula.
            ' ' | '"' => begins_a_cell,
            _ => false,
        };
        disarmed.push(character);
    }
    if disarmed.len() == text.len() && !text.contains([',', '"', ';', '\t', '\r', '\n']) {
        return out.write_all(text.as_bytes());
    }
    write!(out, "\"{}\"", disarmed.replace('"', "\"\""))
}

/// Whether a cell that begins with this character is a formula. Spreadsheets treat the full-width
/// forms alike.
fn is_formula(character: char) -> bool {
    matches!(character, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠')
}

/// Whether a program may trim this character from the beginning of a field.
fn is_blank(character: char) -> bool {
    matches!(character, '\t' | '\r' | '\n')
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn field(text: &str) -> String {
        let mut out = Vec::new();
        write_field(&mut out, text).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_field_that_would_be_a_formula_is_text() {
        for start in ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"] {
            assert_eq!(field(&format!("{start}1")), format!("\"'{start}1\""));
        }
        assert_eq!(field("=HYPERLINK(\"x\",1)"), "\"'=HYPERLINK(\"\"x\"\",1)\"");
    }

    #[test]
    fn a_formula_behind_another_separator_is_text_too() {
        assert_eq!(field("a;=1"), "\"a;'=1\"");
        assert_eq!(field("a\t@x"), "\"a\t'@x\"");
        assert_eq!(field("a\r\n=1"), "\"a\r\n'=1\"");
        assert_eq!(
            field("{\"p\":\"; \"=1\"}"),
            "\"{\"\"p\"\":\"\"; \"\"'=1\"\"}\""
        );
        assert_eq!(field("  =1"), "\"  '=1\"");
        assert_eq!(field("\"=1"), "\"\"\"'=1\"");
        assert_eq!(field("a;b=1"), "\"a;b=1\"");
    }

    #[test]
    fn a_field_is_quoted_only_where_it_must_be() {
        assert_eq!(field("plain"), "plain");
        assert_eq!(field(""), "");
        assert_eq!(field("a,b"), "\"a,b\"");
        assert_eq!(field("a\"b"), "\"a\"\"b\"");
        assert_eq!(field("a\r\nb"), "\"a\r\nb\"");
        assert_eq!(field("a=b"), "a=b");
    }

    #[test]
    fn a_record_is_a_row_with_the_columns_of_the_header() {
        let line = format!(
            "{{\"seq\":7,\"id\":\"01970000-0000-7000-8000-000000000001\",\
             \"timestamp\":\"2025-11-20T23:41:07.123456Z\",\"event_type\":\"SESSION_VALIDATED\",\
             \"username\":\"=cmd@example.com\",\"session_id\":null,\"success\":true,\
             \"details\":{{\"action\":\"a,b\"}},\"host\":\"ws1\",\"uid\":1000,\"pid\":4242,\
             \"tty\":null,\"prev\":\"{0}\",\"hash\":\"{0}\"}}",
            "0".repeat(64)
        );
        let record = Record::parse(line.as_bytes()).unwrap();
        let mut out = Vec::new();
        write_csv_header(&mut out).unwrap();
        write_csv_record(&mut out, &record).unwrap();
        let expected = format!(
            "{HEADER}\r\n7,2025-11-20T23:41:07.123456Z,SESSION_VALIDATED,\"'=cmd@example.com\",,\
             true,\"{{\"\"action\"\":\"\"a,b\"\"}}\",ws1,1000,4242,,\
             01970000-0000-7000-8000-000000000001,{0},{0}\r\n",
            "0".repeat(64)
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
