//! Tables for people that fit the available width: a cell that is too long is cut and marked with a
//! sign, a column without room is dropped, and no line wraps.

use std::fmt::Write;

use anstyle::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::ui::STRONG;

/// A column with its heading.
pub struct Column {
    heading: &'static str,
    cells: Vec<String>,
    /// One per cell, or none.
    styles: Vec<Style>,
    least: usize,
    gives: Shrink,
}

/// How a column shrinks if there is not enough room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shrink {
    /// Not at all.
    Nothing,
    /// It is cut, down to this width.
    Down(usize),
    /// It is cut, down to this width, and then dropped.
    All(usize),
}

impl Column {
    /// A column with this heading and these cells, which are escaped for the terminal.
    pub fn new(heading: &'static str, gives: Shrink, cells: impl Iterator<Item = String>) -> Self {
        Self {
            heading,
            cells: cells.collect(),
            styles: Vec::new(),
            least: 0,
            gives,
        }
    }

    /// Sets a style for each cell.
    #[must_use]
    pub fn styled(mut self, styles: impl Iterator<Item = Style>) -> Self {
        self.styles = styles.collect();
        self
    }

    /// Sets a minimum width that applies if there is room, so that consecutive tables align.
    #[must_use]
    pub fn at_least(mut self, width: usize) -> Self {
        self.least = width;
        self
    }

    fn natural_width(&self) -> usize {
        let widest = self.cells.iter().map(|cell| cell.width()).max();
        widest
            .unwrap_or(0)
            .max(self.heading.width())
            .max(self.least)
    }
}

/// The table in at most `width` columns of the terminal, or unlimited without a `width`, with `gap`
/// between columns. Columns that can be dropped shrink first, the last one before the others, down
/// to their minimum; then the one with the smallest minimum is dropped. Columns that cannot be
/// dropped shrink last.
pub fn table(
    mut columns: Vec<Column>,
    gap: usize,
    width: Option<usize>,
    sign: char,
    header: Header,
) -> String {
    let mut widths: Vec<_> = columns.iter().map(Column::natural_width).collect();
    let total =
        |widths: &[usize]| widths.iter().sum::<usize>() + gap * widths.len().saturating_sub(1);
    if let Some(room) = width {
        for at in (0..columns.len()).rev() {
            if let Shrink::All(least) = columns[at].gives {
                widths[at] -= spared(widths[at], least, total(&widths), room);
            }
        }
        while total(&widths) > room {
            let least = |column: &Column| match column.gives {
                Shrink::All(least) => Some(least),
                Shrink::Down(_) | Shrink::Nothing => None,
            };
            let may_go = columns.iter().enumerate();
            let may_go = may_go.filter_map(|(at, column)| Some((least(column)?, at)));
            let Some((_, at)) = may_go.min() else { break };
            columns.remove(at);
            widths.remove(at);
        }
        for at in (0..columns.len()).rev() {
            if let Shrink::Down(least) = columns[at].gives {
                widths[at] -= spared(widths[at], least, total(&widths), room);
            }
        }
        widen(&mut widths, &columns, room, gap);
    }
    let rows = columns.iter().map(|column| column.cells.len()).max();
    let mut text = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = (&str, Style)>| {
        // The padding is written before the next cell, so that no line ends with spaces.
        let mut blanks = 0;
        for ((cell, style), width) in cells.zip(&widths) {
            let cell = fit(cell, *width, sign);
            let used = cell.width();
            if !cell.is_empty() {
                let _ = write!(text, "{:blanks$}{style}{cell}{style:#}", "");
                blanks = 0;
            }
            blanks += width.saturating_sub(used) + gap;
        }
        text.push('\n');
    };
    if header == Header::Shown {
        line(&mut columns.iter().map(|column| (column.heading, STRONG)));
    }
    for row in 0..rows.unwrap_or(0) {
        let cell = |column| {
            let Column { cells, styles, .. }: &Column = column;
            let style = styles.get(row).copied().unwrap_or_default();
            (cells[row].as_str(), style)
        };
        line(&mut columns.iter().map(cell));
    }
    text
}

/// Whether a table begins with its headings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// The headings are printed.
    Shown,
    /// The headings were printed further up.
    Above,
}

/// How much of the excess of `total` over `room` this column can give up.
fn spared(width: usize, least: usize, total: usize, room: usize) -> usize {
    total.saturating_sub(room).min(width.saturating_sub(least))
}

/// Distributes the space that dropped columns left, from the first column on.
fn widen(widths: &mut [usize], columns: &[Column], room: usize, gap: usize) {
    let mut spare =
        room.saturating_sub(widths.iter().sum::<usize>() + gap * widths.len().saturating_sub(1));
    for (width, column) in widths.iter_mut().zip(columns) {
        let more = spare.min(column.natural_width().saturating_sub(*width));
        *width += more;
        spare -= more;
    }
}

/// Cuts `text` to at most `width` columns of the terminal, with `sign` at the end if it was cut.
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

/// Pads `text` with spaces to `width` columns of the terminal.
pub fn pad(text: &str, width: usize) -> String {
    let spaces = width.saturating_sub(text.width());
    format!("{text}{:spaces$}", "")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn columns() -> Vec<Column> {
        let column = |heading, gives, cells: [&str; 2]| {
            Column::new(heading, gives, cells.into_iter().map(str::to_owned))
        };
        vec![
            column("SEQ", Shrink::Nothing, ["1", "12345"]),
            column(
                "EVENT",
                Shrink::Down(8),
                ["LOGIN_SUCCESS", "SESSION_CREATED"],
            ),
            column("ACCOUNT", Shrink::All(8), ["世界@example.com", "-"]),
            column("DETAILS", Shrink::All(6), ["reason=logout at=noon", "-"]),
        ]
    }

    fn plain(width: Option<usize>) -> String {
        let text = table(columns(), 2, width, '…', Header::Shown);
        anstream::adapter::strip_str(&text).to_string()
    }

    #[test]
    fn a_table_that_goes_on_has_no_headings_and_a_style_takes_no_room() {
        let styled = |header| {
            let mut columns = columns();
            let last = columns.pop().unwrap();
            columns.push(last.styled([Style::new().bold(), Style::new()].into_iter()));
            table(columns, 2, None, '…', header)
        };
        let shown = anstream::adapter::strip_str(&styled(Header::Shown)).to_string();
        assert_eq!(shown, plain(None));
        let above = anstream::adapter::strip_str(&styled(Header::Above)).to_string();
        assert_eq!(shown.split_once('\n').unwrap().1, above);
        assert!(styled(Header::Above).contains("\u{1b}[1mreason=logout"));
    }

    #[test]
    fn no_line_is_wider_than_the_room_and_without_a_limit_nothing_is_cut() {
        for width in 15..90 {
            for line in plain(Some(width)).lines() {
                assert!(line.width() <= width, "{width}: {line}");
                assert!(!line.is_empty());
            }
        }
        let full = plain(None);
        assert!(full.contains("reason=logout at=noon") && full.contains("世界@example.com"));
        assert_eq!(plain(Some(200)), full);
    }

    #[test]
    fn what_needs_least_goes_first_and_what_may_not_go_is_cut_last() {
        let at = |width| plain(Some(width));
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
