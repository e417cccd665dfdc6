//! Aligned plain columns: with a head and cut to its width on a terminal, whole and without a head for programs.

use crate::print::{one_line, style};

/// What stands in one column of one row.
pub struct Cell {
    text: String,
    /// What a terminal gets instead.
    short: Option<String>,
    style: &'static str,
}

impl Cell {
    /// Text of others, made fit for a line.
    pub fn of(text: &str) -> Cell {
        Cell { text: one_line(text).into_owned(), short: None, style: "" }
    }

    /// An ISO time in UTC; a terminal gets it to the minute.
    pub fn time(text: &str) -> Cell {
        let minute = text.get(..16).map(|minute| one_line(minute).replace('T', " "));
        Cell { short: minute, ..Cell::of(text) }
    }

    /// In that style of [`style`].
    pub fn styled(self, style: &'static str) -> Cell {
        Cell { style, ..self }
    }

    fn shown(&self, room: Option<usize>) -> &str {
        match (room, &self.short) {
            (Some(_), Some(short)) => short,
            (Some(_) | None, _) => &self.text,
        }
    }
}

/// However narrow the terminal is, so much of the last column is shown, characters.
const LEAST: usize = 30;

/// Draws rows as they come, part by part; a column grows with what comes and never shrinks.
pub struct Table {
    head: &'static [&'static str],
    widths: Vec<usize>,
    /// The terminal's width in characters, where there is one.
    room: Option<usize>,
}

impl Table {
    /// With these names of columns. The last column is cut where the room ends.
    pub fn new(head: &'static [&'static str], room: Option<usize>) -> Table {
        let shown = if room.is_some() { head } else { &[] };
        let mut widths: Vec<usize> = shown.iter().map(|name| name.len()).collect();
        widths.resize(head.len(), 0);
        Table { head: shown, widths, room }
    }

    /// The lines of these rows; the head before the first ones.
    pub fn draw(&mut self, rows: &[Vec<Cell>]) -> Vec<String> {
        for row in rows {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(cell.shown(self.room).chars().count());
            }
        }
        if rows.is_empty() {
            return Vec::new();
        }
        let head = std::mem::take(&mut self.head);
        let head: Vec<Cell> = head.iter().map(|name| Cell::of(name).styled(style::DIM)).collect();
        let head = Some(head).filter(|head| !head.is_empty());
        head.iter().chain(rows).map(|row| self.line(row)).collect()
    }

    fn line(&self, row: &[Cell]) -> String {
        let mut line = String::new();
        let mut column = 0;
        for (index, (cell, width)) in row.iter().zip(&self.widths).enumerate() {
            let is_last = index + 1 == row.len();
            let text = match self.room {
                Some(room) if is_last => cut(cell.shown(self.room), room.saturating_sub(column).max(LEAST)),
                Some(_) | None => cell.shown(self.room).to_owned(),
            };
            let reset = if cell.style.is_empty() { "" } else { style::RESET };
            line.push_str(&format!("{}{text}{reset}", cell.style));
            if !is_last {
                line.extend(std::iter::repeat_n(' ', width - text.chars().count() + 2));
            }
            column += width + 2;
        }
        line.trim_end().to_owned()
    }
}

fn cut(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let mut shown: String = text.chars().take(room.saturating_sub(1)).collect();
    shown.push('…');
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<Cell>> {
        let row = |id: &str, name: &str| {
            vec![Cell::of(id).styled(style::GREEN), Cell::time("2026-11-24T13:39:31.163Z"), Cell::of(name)]
        };
        vec![row("1", "short\nname"), row("22", "a name that is too long for its line"), row("333", "")]
    }

    fn drawn(room: Option<usize>) -> String {
        let lines = Table::new(&["ID", "AT, UTC", "NAME"], room).draw(&rows()).join("\n");
        anstream::adapter::strip_str(&lines).to_string()
    }

    #[test]
    fn programs_get_every_letter_and_no_head() {
        insta::assert_snapshot!(drawn(None), @r"
        1    2026-11-24T13:39:31.163Z  short name
        22   2026-11-24T13:39:31.163Z  a name that is too long for its line
        333  2026-11-24T13:39:31.163Z
        ");
    }

    #[test]
    fn a_terminal_gets_a_head_and_no_long_lines() {
        insta::assert_snapshot!(drawn(Some(54)), @r"
        ID   AT, UTC           NAME
        1    2026-11-24 13:39  short name
        22   2026-11-24 13:39  a name that is too long for it…
        333  2026-11-24 13:39
        ");
        assert_eq!(drawn(Some(1)), drawn(Some(53)), "what one looks for is never cut away");
    }

    #[test]
    fn the_head_stands_once() {
        let mut table = Table::new(&["ID", "AT, UTC", "NAME"], Some(80));
        assert_eq!((table.draw(&[]).len(), table.draw(&rows()).len(), table.draw(&rows()).len()), (0, 4, 3));
    }
}
