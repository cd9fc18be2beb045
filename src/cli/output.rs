//! What a command prints: tables for people, the hub's own JSON for scripts, notes on standard error.

use std::ffi::OsStr;
use std::io::{self, IsTerminal, Write};

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{
    exit::{self, ClosedPipe, Failure},
    remote::{Answer, Hub, Query},
    table::{self, Column},
};

/// Rows of one page, where the hub has pages.
const PAGE: usize = 500;

/// How the answer is to look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    json: bool,
    quiet: bool,
    colour: bool,
}

impl Output {
    pub(super) fn new(json: bool, quiet: bool) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { json, quiet, colour: wanted && is_screen(&io::stdout()) }
    }

    pub(super) const fn is_json(self) -> bool {
        self.json
    }

    pub(super) const fn is_coloured(self) -> bool {
        self.colour
    }

    pub(super) const fn is_quiet(self) -> bool {
        self.quiet
    }

    /// A line on standard output.
    #[expect(clippy::unused_self, reason = "whoever prints has an output at hand")]
    pub(super) fn line(self, text: &str) -> anyhow::Result<()> {
        write_out(text.as_bytes())?;
        write_out(b"\n")
    }

    /// A line on standard error, for people only.
    pub(super) fn note(self, text: &str) {
        if !self.quiet {
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// One thing, field by field.
    pub(super) fn one(self, answer: &Answer, columns: &[Column]) -> anyhow::Result<()> {
        let text = answer.text();
        if self.json {
            return self.line(text.trim_end());
        }
        let value: Value = serde_json::from_str(&text).map_err(|_| unreadable())?;
        if self.quiet {
            return self.line(&columns.first().map_or_else(String::new, |column| column.cell(&value)));
        }
        write_out(table::fields(&value, columns, self.colour).as_bytes())
    }

    /// A list that came whole, in one answer.
    pub(super) fn page(self, page: &Page, columns: &[Column]) -> anyhow::Result<()> {
        if self.json {
            return page.data.iter().try_for_each(|row| self.line(row.get()));
        }
        let rows = page.data.iter().map(|row| serde_json::from_str(row.get())).collect::<Result<Vec<_>, _>>()?;
        self.rows(&rows, columns)
    }

    /// Rows that are all there.
    pub(super) fn rows(self, rows: &[Value], columns: &[Column]) -> anyhow::Result<()> {
        write_out(self.rendered(rows, columns).as_bytes())
    }

    /// Rows as a table, or only their first column.
    pub(super) fn rendered(self, rows: &[Value], columns: &[Column]) -> String {
        match columns.first() {
            Some(first) if self.quiet => rows.iter().map(|row| first.cell(row) + "\n").collect(),
            _ => table::table(rows, columns, self.colour),
        }
    }

    /// A list, page after page: at most `limit` rows. Where the hub has no pages, `limit` is none and so is the parameter.
    pub(super) async fn list(
        self,
        hub: &Hub,
        path: &[&str],
        query: &Query,
        limit: Option<usize>,
        columns: &[Column],
    ) -> anyhow::Result<()> {
        let (mut rows, mut printed, mut cursor) = (Vec::new(), 0, None::<String>);
        loop {
            let mut query = query.clone();
            if let Some(limit) = limit {
                query.push(("limit", (limit - printed).min(PAGE).to_string()));
            }
            query.extend(cursor.take().map(|cursor| ("cursor", cursor)));
            let page = Page::read(&hub.get(path, &query).await?)?;
            for row in page.data.iter().take(limit.map_or(usize::MAX, |limit| limit - printed)) {
                if self.json {
                    self.line(row.get())?;
                } else {
                    rows.push(serde_json::from_str(row.get())?);
                }
                printed += 1;
            }
            cursor = page.next_cursor;
            let full = limit.is_some_and(|limit| printed >= limit);
            if full && cursor.is_some() {
                self.note("there are more: --limit N, or --all");
            }
            if full || cursor.is_none() {
                break;
            }
        }
        if self.json { Ok(()) } else { self.rows(&rows, columns) }
    }
}

/// A list's answer, its rows as the hub wrote them.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    pub(super) data: Vec<Box<RawValue>>,
    #[serde(default)]
    pub(super) next_cursor: Option<String>,
    /// It is not there yet: ask again.
    #[serde(default)]
    pub(super) loading: bool,
}

impl Page {
    pub(super) fn read(answer: &Answer) -> Result<Self, Failure> {
        serde_json::from_slice(&answer.body).map_err(|_| unreadable())
    }
}

pub(super) fn unreadable() -> Failure {
    Failure::new(exit::ERROR, "the answer is none of a hub's; check --url, and that both are of one version")
}

/// A token or a key that was just made: the only time that its value is seen.
pub(super) fn minted(out: Output, answer: &Answer, secret: &'static str) -> anyhow::Result<()> {
    if out.is_json() {
        return out.one(answer, &[]);
    }
    let value: Value = serde_json::from_slice(&answer.body).map_err(|_| unreadable())?;
    let text = |field: &str| value[field].as_str().ok_or_else(unreadable);
    if out.is_quiet() {
        return out.line(text(secret)?);
    }
    out.line(&format!("id    {}\nname  {}\n{secret:<5} {}", text("id")?, text("name")?, text(secret)?))?;
    out.note(&format!("this {secret} is shown once: keep it safe"));
    Ok(())
}

/// Writes to standard output.
pub(super) fn write_out(bytes: &[u8]) -> anyhow::Result<()> {
    let written = io::stdout().lock().write_all(bytes);
    written.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => ClosedPipe.into(),
        _ => anyhow::Error::new(error).context("standard output"),
    })
}

/// Whether a terminal shows this stream that understands more than text.
pub(super) fn is_screen(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && !is_dumb(std::env::var_os("TERM").as_deref())
}

/// A terminal that says so of itself: an editor's shell, a serial line.
fn is_dumb(term: Option<&OsStr>) -> bool {
    term.is_some_and(|term| term == "dumb")
}

/// Whether there is a person who can be asked.
pub(super) fn somebody_is_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks the person at the terminal; without one there is nobody to ask, and the answer is yes, as it is with `--yes`.
pub(super) fn confirm(question: &str, yes: bool) -> Result<(), Failure> {
    if yes || !somebody_is_there() {
        return Ok(());
    }
    let mut answer = String::new();
    let _ = write!(io::stderr(), "{question} [y/N] ");
    let _ = io::stdin().read_line(&mut answer);
    if agrees(&answer) { Ok(()) } else { Err(Failure::new(exit::NOT_EXECUTED, "not confirmed; nothing was sent")) }
}

fn agrees(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dumb_terminal_gets_text_alone() {
        for (term, dumb) in [(Some("dumb"), true), (Some("xterm-256color"), false), (None, false)] {
            assert_eq!(is_dumb(term.map(OsStr::new)), dumb, "{term:?}");
        }
    }

    #[test]
    fn only_a_yes_is_a_yes() {
        for (answer, yes) in [("y\n", true), ("YES\n", true), ("\n", false), ("", false), ("n\n", false), ("yep\n", false)] {
            assert_eq!(agrees(answer), yes, "{answer:?}");
        }
    }
}
