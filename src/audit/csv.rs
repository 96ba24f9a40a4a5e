//! Records as comma-separated values (RFC 4180), safe to open in a spreadsheet.

use std::io::{self, Write};

use super::record::Record;

/// The columns, in order.
const HEADER: &str =
    "seq,timestamp,event_type,username,session_id,success,details,host,uid,pid,tty,id,prev,hash";

/// Writes the header row.
///
/// # Errors
/// When `out` does not take it.
pub fn write_csv_header(out: &mut impl Write) -> io::Result<()> {
    write!(out, "{HEADER}\r\n")
}

/// Writes `record` as one row; what is absent is an empty field.
///
/// # Errors
/// When `out` does not take it.
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

/// Writes `text` as a field. What a spreadsheet would take for a formula gets an apostrophe before
/// it, by which spreadsheets mark text (OWASP, "CSV Injection").
fn write_field(out: &mut impl Write, text: &str) -> io::Result<()> {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let quoted = formula || text.contains([',', '"', '\r', '\n']);
    if !quoted {
        return out.write_all(text.as_bytes());
    }
    out.write_all(if formula { b"\"'" } else { b"\"" })?;
    out.write_all(text.replace('"', "\"\"").as_bytes())?;
    out.write_all(b"\"")
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
        for start in ["=", "+", "-", "@", "\t", "\r", "\n"] {
            assert_eq!(field(&format!("{start}1")), format!("\"'{start}1\""));
        }
        assert_eq!(field("=HYPERLINK(\"x\",1)"), "\"'=HYPERLINK(\"\"x\"\",1)\"");
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
