//! Tables for people: aligned columns, numbers to the right. A crate for it would bring twenty others for these few lines.

use serde_json::Value;

/// Between two columns.
const GAP: &str = "  ";

/// A column of a table, or a line of one thing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    header: &'static str,
    /// Where the value stands in the row (RFC 6901); the first of several that is there.
    pointers: &'static [&'static str],
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    /// To the right.
    Number,
    /// RFC 3339 in UTC, shown to the second.
    Time,
    /// The same to the millisecond.
    Moment,
    /// A word that is good, bad, or neither.
    State,
}

impl Column {
    pub(super) const fn text(header: &'static str, pointers: &'static [&'static str]) -> Self {
        Self { header, pointers, kind: Kind::Text }
    }

    pub(super) const fn number(header: &'static str, pointers: &'static [&'static str]) -> Self {
        Self { header, pointers, kind: Kind::Number }
    }

    pub(super) const fn time(header: &'static str, pointers: &'static [&'static str]) -> Self {
        Self { header, pointers, kind: Kind::Time }
    }

    pub(super) const fn moment(header: &'static str, pointers: &'static [&'static str]) -> Self {
        Self { header, pointers, kind: Kind::Moment }
    }

    pub(super) const fn state(header: &'static str, pointers: &'static [&'static str]) -> Self {
        Self { header, pointers, kind: Kind::State }
    }

    /// What stands in this column for a row.
    pub(super) fn cell(&self, row: &Value) -> String {
        let value = self.pointers.iter().filter_map(|pointer| row.pointer(pointer)).find(|value| !value.is_null());
        match value {
            None => String::new(),
            Some(Value::String(text)) if self.kind == Kind::Time => short_time(text, 19),
            Some(Value::String(text)) if self.kind == Kind::Moment => short_time(text, 23),
            Some(value) => plain(value),
        }
    }
}

/// `2024-03-12T11:36:03.692Z` to `2024-03-12 11:36:03`, the first `end` characters of it; anything else stays.
fn short_time(text: &str, end: usize) -> String {
    match (text.get(..10), text.get(10..11), text.get(11..end)) {
        (Some(date), Some("T"), Some(time)) if text.ends_with('Z') => format!("{date} {time}"),
        _ => printable(text),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => printable(text),
        // An account, wherever it stands.
        Value::Object(fields) if fields.contains_key("login") && fields.contains_key("server") => {
            format!("{}@{}", plain(&fields["login"]), plain(&fields["server"]))
        }
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        Value::Object(_) => printable(&value.to_string()),
    }
}

/// Names and comments come from brokers and strangers: what would steer the terminal is not shown.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// Rows under a header.
pub(super) fn table(rows: &[Value], columns: &[Column], colour: bool) -> String {
    let cells: Vec<Vec<String>> = rows.iter().map(|row| columns.iter().map(|column| column.cell(row)).collect()).collect();
    let width = |at: usize| cells.iter().map(|row| row[at].chars().count()).chain([columns[at].header.len()]).max().unwrap_or(0);
    let widths: Vec<_> = (0..columns.len()).map(width).collect();
    let header: Vec<_> = columns.iter().map(|column| column.header.to_owned()).collect();
    let mut text = line(&header, columns, &widths, false);
    for row in &cells {
        text += &line(row, columns, &widths, colour);
    }
    text
}

fn line(cells: &[String], columns: &[Column], widths: &[usize], colour: bool) -> String {
    let mut text = String::new();
    for ((cell, column), width) in cells.iter().zip(columns).zip(widths) {
        if !text.is_empty() {
            text += GAP;
        }
        let space = " ".repeat(width - cell.chars().count());
        if column.kind == Kind::Number {
            text += &space;
            text += cell;
        } else {
            text += &painted(cell, *column, colour);
            text += &space;
        }
    }
    text.truncate(text.trim_end().len());
    text + "\n"
}

/// One thing: a line a field, those that are empty left out.
pub(super) fn fields(value: &Value, columns: &[Column], colour: bool) -> String {
    let shown: Vec<_> = columns.iter().map(|column| (column, column.cell(value))).filter(|(_, cell)| !cell.is_empty()).collect();
    let width = shown.iter().map(|(column, _)| column.header.len()).max().unwrap_or(0);
    shown.iter().map(|(column, cell)| format!("{:width$}{GAP}{}\n", column.header, painted(cell, **column, colour))).collect()
}

/// Green for what is well, red for what is not, yellow for what is neither yet.
fn painted(cell: &str, column: Column, colour: bool) -> String {
    if !colour || column.kind != Kind::State {
        return cell.to_owned();
    }
    let code = match cell {
        "connected" | "active" | "executed" | "placed" | "off" | "open" => 32,
        "unknown" | "partial" | "pending" | "dispatched" | "accepted" | "busy" | "received" => 33,
        "revoked" | "expired" | "broker_rejected" | "ea_refused" | "not_executed" | "block" | "cancel" | "flatten" => 31,
        _ => return cell.to_owned(),
    };
    format!("\u{1b}[{code}m{cell}\u{1b}[0m")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COLUMNS: &[Column] = &[
        Column::text("NAME", &["/name"]),
        Column::number("VOLUME", &["/volume"]),
        Column::time("TIME (UTC)", &["/done", "/time"]),
        Column::state("STATE", &["/state"]),
    ];

    #[test]
    fn columns_are_aligned_and_numbers_stand_to_the_right() {
        let rows = [
            json!({"name": "a", "volume": 0.1, "time": "2024-03-12T11:36:03.692Z", "state": "executed"}),
            json!({"name": "longer", "volume": 1200, "time": null, "state": null}),
        ];
        let text = table(&rows, COLUMNS, false);
        assert_eq!(
            text,
            "NAME    VOLUME  TIME (UTC)           STATE\n\
             a          0.1  2024-03-12 11:36:03  executed\n\
             longer    1200\n"
        );
        assert!(table(&rows, COLUMNS, true).contains("\u{1b}[32mexecuted\u{1b}[0m"));
    }

    #[test]
    fn nothing_that_a_stranger_wrote_steers_the_terminal() {
        let row = json!({"name": "x\u{1b}[2J\r\n"});
        assert_eq!(COLUMNS[0].cell(&row), "x?[2J??");
    }

    #[test]
    fn one_thing_shows_its_fields_line_by_line_and_leaves_out_what_is_empty() {
        let row = json!({"name": "a", "volume": null, "time": "2024-03-12T11:36:03.692Z"});
        assert_eq!(fields(&row, COLUMNS, false), "NAME        a\nTIME (UTC)  2024-03-12 11:36:03\n");
        let account = json!({"name": {"login": 1001, "server": "Demo"}});
        assert_eq!(COLUMNS[0].cell(&account), "1001@Demo");
    }
}
