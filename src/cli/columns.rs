//! Tables for people that fit the width there is: what is too long for its column is cut with a
//! sign, a column for which there is no room is left out, and no line is wrapped.

use std::fmt::Write;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// One column, from its heading down.
pub struct Column {
    heading: &'static str,
    cells: Vec<String>,
    gives: Gives,
}

/// What a column gives up when there is not room for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gives {
    /// Nothing.
    Nothing,
    /// Its end, down to so many columns of the terminal.
    Down(usize),
    /// All of it, if there is not room for so many columns of the terminal.
    All(usize),
}

impl Column {
    /// A column with this heading and these cells, harmless to a terminal.
    pub fn new(heading: &'static str, gives: Gives, cells: impl Iterator<Item = String>) -> Self {
        Self {
            heading,
            cells: cells.collect(),
            gives,
        }
    }

    fn natural_width(&self) -> usize {
        let widest = self.cells.iter().map(|cell| cell.width()).max();
        widest.unwrap_or(0).max(self.heading.width())
    }
}

/// The table in at most `width` columns of the terminal, with `gap` between its own; in as many as
/// it takes without a `width`. What may go gives first, the last column before the others, as
/// much as leaves it worth showing; then goes what needs least for that. What may not go gives last.
pub fn table(mut columns: Vec<Column>, gap: usize, width: Option<usize>, sign: char) -> String {
    let mut widths: Vec<_> = columns.iter().map(Column::natural_width).collect();
    let total =
        |widths: &[usize]| widths.iter().sum::<usize>() + gap * widths.len().saturating_sub(1);
    if let Some(room) = width {
        for at in (0..columns.len()).rev() {
            if let Gives::All(least) = columns[at].gives {
                widths[at] -= spared(widths[at], least, total(&widths), room);
            }
        }
        while total(&widths) > room {
            let least = |column: &Column| match column.gives {
                Gives::All(least) => Some(least),
                Gives::Down(_) | Gives::Nothing => None,
            };
            let may_go = columns.iter().enumerate();
            let may_go = may_go.filter_map(|(at, column)| Some((least(column)?, at)));
            let Some((_, at)) = may_go.min() else { break };
            columns.remove(at);
            widths.remove(at);
        }
        for at in (0..columns.len()).rev() {
            if let Gives::Down(least) = columns[at].gives {
                widths[at] -= spared(widths[at], least, total(&widths), room);
            }
        }
        widen(&mut widths, &columns, room, gap);
    }
    let rows = columns.iter().map(|column| column.cells.len()).max();
    let mut text = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let start = text.len();
        for (at, (cell, width)) in cells.zip(&widths).enumerate() {
            let between = if at == 0 { 0 } else { gap };
            let cell = fit(cell, *width, sign);
            let _ = write!(text, "{:between$}{}", "", pad(&cell, *width));
        }
        text.truncate(start + text[start..].trim_end().len());
        text.push('\n');
    };
    line(&mut columns.iter().map(|column| column.heading));
    for row in 0..rows.unwrap_or(0) {
        line(&mut columns.iter().map(|column| column.cells[row].as_str()));
    }
    text
}

/// What a column can give of what `total` is over `room`.
fn spared(width: usize, least: usize, total: usize, room: usize) -> usize {
    total.saturating_sub(room).min(width.saturating_sub(least))
}

/// Gives back, from the first column on, what the columns that went have left over.
fn widen(widths: &mut [usize], columns: &[Column], room: usize, gap: usize) {
    let mut spare =
        room.saturating_sub(widths.iter().sum::<usize>() + gap * widths.len().saturating_sub(1));
    for (width, column) in widths.iter_mut().zip(columns) {
        let more = spare.min(column.natural_width().saturating_sub(*width));
        *width += more;
        spare -= more;
    }
}

/// `text` in at most `width` columns of the terminal, with `sign` at its end where it was cut.
pub fn fit(text: &str, width: usize, sign: char) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut left = width.saturating_sub(1);
    let mut kept = String::new();
    for character in text.chars() {
        let Some(rest) = left.checked_sub(character.width().unwrap_or(0)) else {
            break;
        };
        left = rest;
        kept.push(character);
    }
    if width > 0 {
        kept.push(sign);
    }
    kept
}

/// `text` and as many spaces as make it `width` columns of the terminal.
pub fn pad(text: &str, width: usize) -> String {
    let spaces = width.saturating_sub(text.width());
    format!("{text}{:spaces$}", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Vec<Column> {
        let column = |heading, gives, cells: [&str; 2]| {
            Column::new(heading, gives, cells.into_iter().map(str::to_owned))
        };
        vec![
            column("SEQ", Gives::Nothing, ["1", "12345"]),
            column(
                "EVENT",
                Gives::Down(8),
                ["LOGIN_SUCCESS", "SESSION_CREATED"],
            ),
            column("ACCOUNT", Gives::All(8), ["世界@example.com", "-"]),
            column("DETAILS", Gives::All(6), ["reason=logout at=noon", "-"]),
        ]
    }

    #[test]
    fn no_line_is_wider_than_the_room_and_without_a_limit_nothing_is_cut() {
        for width in 15..90 {
            for line in table(columns(), 2, Some(width), '…').lines() {
                assert!(line.width() <= width, "{width}: {line}");
                assert!(!line.is_empty());
            }
        }
        let full = table(columns(), 2, None, '…');
        assert!(full.contains("reason=logout at=noon") && full.contains("世界@example.com"));
        assert_eq!(table(columns(), 2, Some(200), '…'), full);
    }

    #[test]
    fn what_needs_least_goes_first_and_what_may_not_go_is_cut_last() {
        let at = |width| table(columns(), 2, Some(width), '…');
        assert!(at(60).contains("reason=") && at(60).contains("SESSION_CREATED"));
        assert!(at(60).contains('…'));
        assert!(!at(30).contains("DETAILS") && at(30).contains("12345"));
        assert_eq!(at(15), "SEQ    EVENT\n1      LOGIN_S…\n12345  SESSION…\n");
    }

    #[test]
    fn wide_characters_count_as_two_and_are_not_cut_in_half() {
        assert_eq!(fit("世界世界", 8, '…'), "世界世界");
        assert_eq!(fit("世界世界", 7, '…'), "世界世…");
        assert_eq!(fit("世界世界", 6, '…'), "世界…");
        assert_eq!(fit("äöüß", 3, '~'), "äö~");
        assert_eq!(fit("äöü", 3, '~'), "äöü");
        assert_eq!(fit("abc", 0, '~'), "");
        assert_eq!(pad("世", 4), "世  ");
    }
}
