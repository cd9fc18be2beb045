//! `mtbridge bars`, `mtbridge ticks`: page after page until it is whole, and no file under its name before that.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use serde_json::{Value, value::RawValue};
use tokio::time::{Instant, sleep};

use super::{
    StopSignal,
    arguments::{At, ask, segment, time},
    download_file::Sink,
    exit::{self, Failure},
    output::{Page, unreadable},
    progress::Progress,
    remote::{Answer, Hub, Query, Remote},
    table::Column,
};

/// Rows that are asked for at once: small enough that progress is seen, and that a page that fails costs little.
const PAGE: u64 = 10_000;
/// How long a terminal may go on loading history before the download gives up.
const LOADING_MAX: Duration = Duration::from_secs(120);
/// Between two questions while it loads, where the hub names no time.
const LOADING_PAUSE_S: u64 = 2;

const BARS: &[Column] = &[
    Column::time("TIME (UTC)", &["/time"]),
    Column::number("OPEN", &["/open"]),
    Column::number("HIGH", &["/high"]),
    Column::number("LOW", &["/low"]),
    Column::number("CLOSE", &["/close"]),
    Column::number("TICKS", &["/tick_volume"]),
    Column::number("SPREAD", &["/spread"]),
    Column::number("VOLUME", &["/real_volume"]),
    Column::text("COMPLETE", &["/complete"]),
];

const TICKS: &[Column] = &[
    Column::text("TIME (UTC)", &["/time"]),
    Column::number("BID", &["/bid"]),
    Column::number("ASK", &["/ask"]),
    Column::number("LAST", &["/last"]),
    Column::number("VOLUME", &["/volume_real", "/volume"]),
    Column::number("FLAGS", &["/flags"]),
];

/// Bars of a symbol, as a table or into a file
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mtbridge bars EURUSD --timeframe H1 --limit 10
  mtbridge bars EURUSD --timeframe M1 --from 2024-03-01 --to 2024-04-01 --output eurusd.csv
  mtbridge bars EURUSD --timeframe D1 --from 2020-01-01 --format ndjson
  mtbridge bars EURUSD --from 2024-03-01 --format packed --output eurusd.bin")]
pub(super) struct Bars {
    /// The broker's own name, with suffix
    #[arg(value_parser = segment)]
    symbol: String,
    /// M1 to MN1, also 1m 1h 1d, or minutes
    #[arg(short = 'T', long, default_value = "M1")]
    timeframe: String,
    #[command(flatten)]
    span: Span,
}

/// Ticks of a symbol, as a table or into a file
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mtbridge ticks EURUSD --from '2024-03-12 10:00' --to '2024-03-12 11:00' --output ticks.csv
  mtbridge ticks EURUSD --from '2024-03-12 10:00' --limit 20 --flags info")]
pub(super) struct Ticks {
    /// The broker's own name, with suffix
    #[arg(value_parser = segment)]
    symbol: String,
    /// Which ticks
    #[arg(long, value_enum, default_value_t = Flags::All)]
    flags: Flags,
    #[command(flatten)]
    span: Span,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Flags {
    /// Every tick
    All,
    /// Changes of bid and ask
    Info,
    /// Changes of last and volume
    Trade,
}

#[derive(Debug, Args)]
struct Span {
    /// From this time on; a time without a zone is UTC
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<String>,
    /// Up to this time, and without it
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<String>,
    /// How many; with --from the first ones, else the last ones [default: all from --from to --to; without --from the hub's 500]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// How they are written [default: a table; with --output csv]
    #[arg(long, value_enum, conflicts_with = "json")]
    format: Option<Format>,
    /// Into this file, which appears when everything is in it
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Take what there is, although parts of it are missing, because the terminal is offline or does not have them
    #[arg(long)]
    partial: bool,
    /// Replace the file if it exists
    #[arg(long, requires = "output")]
    force: bool,
    /// Whose clock the times are of
    #[arg(long, value_enum, default_value_t = Zone::Utc)]
    tz: Zone,
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A header and a line each
    Csv,
    /// One array
    Json,
    /// One object a line
    Ndjson,
    /// MetaTrader's records of 60 bytes
    Packed,
    /// For people
    Table,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Zone {
    Utc,
    /// The trade server's
    Server,
}

/// What is downloaded, apart from when and whereto.
struct Kind<'a> {
    /// `bars`, `ticks`.
    name: &'static str,
    symbol: &'a str,
    query: Query,
    columns: &'static [Column],
}

impl Bars {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let query = vec![("timeframe", self.timeframe.clone())];
        self.span.run(Kind { name: "bars", symbol: &self.symbol, query, columns: BARS }).await
    }
}

impl Ticks {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let flags = super::order::word(self.flags);
        self.span.run(Kind { name: "ticks", symbol: &self.symbol, query: vec![("flags", flags)], columns: TICKS }).await
    }
}

impl Span {
    async fn run(&self, kind: Kind<'_>) -> anyhow::Result<u8> {
        let (hub, out) = self.remote.open()?;
        let format = match (self.format, &self.output) {
            _ if out.is_json() => Format::Ndjson,
            (Some(format), _) => format,
            (None, Some(_)) => Format::Csv,
            (None, None) => Format::Table,
        };
        let mut stop = StopSignal::listen()?;
        let mut sink = Sink::open(self.output.clone(), self.force)?;
        let progress = Progress::new(kind.name, self.limit, !out.is_quiet() && sink.leaves_the_screen_free());
        let mut download =
            Download { hub: &hub, format, progress, partial: self.partial, header: false, rows: 0, table: Vec::new() };
        let done = tokio::select! {
            done = self.pages(&mut download, &kind, &mut sink) => done,
            () = stop.asked() => Err(Failure::new(exit::INTERRUPTED, "interrupted; nothing was kept").into()),
        };
        download.progress.clear();
        done?;
        if format == Format::Table {
            sink.write(out.rendered(&download.table, kind.columns).as_bytes())?;
        }
        let (rows, name) = (download.rows, kind.name);
        if let Some(path) = sink.finish()? {
            out.note(&format!("{rows} {name} in {}", path.display()));
        }
        Ok(0)
    }

    async fn pages(&self, download: &mut Download<'_>, kind: &Kind<'_>, sink: &mut Sink) -> anyhow::Result<()> {
        let path = ["terminals", self.at.terminal.as_str(), kind.name, kind.symbol];
        let mut cursor = None;
        download.begin(sink)?;
        loop {
            let left = self.limit.map(|limit| limit - download.rows);
            let mut query = kind.query.clone();
            ask(&mut query, "from", self.from.as_ref());
            ask(&mut query, "to", self.to.as_ref());
            ask(&mut query, "cursor", cursor.as_ref());
            // Without a beginning there are no pages: the last ones come all at once.
            let limit = if self.from.is_some() { Some(left.map_or(PAGE, |left| left.min(PAGE))) } else { left };
            ask(&mut query, "limit", limit.as_ref());
            if self.tz == Zone::Server {
                query.push(("tz", "server".to_owned()));
            }
            cursor = download.page(&path, query, sink).await?;
            if cursor.is_none() || self.limit.is_some_and(|limit| download.rows >= limit) {
                break;
            }
        }
        download.end(sink)
    }
}

struct Download<'a> {
    hub: &'a Hub,
    format: Format,
    progress: Progress,
    /// Parts may be missing.
    partial: bool,
    /// The first page's header is written.
    header: bool,
    rows: u64,
    /// What a table will be made of.
    table: Vec<Value>,
}

impl Download<'_> {
    /// Gets a page and writes it; gives the cursor of the next one.
    async fn page(&mut self, path: &[&str], mut query: Query, sink: &mut Sink) -> anyhow::Result<Option<String>> {
        let asked = match self.format {
            Format::Csv => "csv",
            Format::Packed => "packed",
            Format::Json | Format::Ndjson | Format::Table => "json",
        };
        query.push(("format", asked.to_owned()));
        let answer = self.loaded(path, &query).await?;
        let next = match self.format {
            Format::Csv => {
                self.csv(&answer, sink)?;
                answer.next_cursor
            }
            Format::Packed => {
                self.rows += (answer.body.len() / crate::domain::market::Bar::SIZE) as u64;
                sink.write(&answer.body)?;
                answer.next_cursor
            }
            Format::Json | Format::Ndjson | Format::Table => {
                let page = Page::read(&answer)?;
                page.data.iter().try_for_each(|row| self.row(row, sink))?;
                page.next_cursor
            }
        };
        self.progress.tell(self.rows);
        Ok(next)
    }

    /// A page of which the terminal says that it is whole.
    async fn loaded(&mut self, path: &[&str], query: &Query) -> anyhow::Result<Answer> {
        let until = Instant::now() + LOADING_MAX;
        loop {
            let answer = self.hub.get(path, query).await?;
            let Some(pause) = answer.retry_after else {
                if answer.incomplete && !self.partial {
                    let message = "the hub does not have all of it, and cannot get it now; --partial takes what there is";
                    return Err(Failure::new(exit::NOT_NOW, message).into());
                }
                return Ok(answer);
            };
            if Instant::now() >= until {
                if self.partial {
                    return Ok(answer);
                }
                let message = "the terminal is away or still loading, so there would be holes; try again later, or take what there is with --partial";
                return Err(Failure::new(exit::NOT_NOW, message).into());
            }
            self.progress.say("waiting for the terminal");
            sleep(Duration::from_secs(pause.clamp(1, LOADING_PAUSE_S * 5))).await;
        }
    }

    fn begin(&self, sink: &mut Sink) -> anyhow::Result<()> {
        if self.format == Format::Json { sink.write(b"[") } else { Ok(()) }
    }

    fn end(&self, sink: &mut Sink) -> anyhow::Result<()> {
        if self.format == Format::Json { sink.write(b"]\n") } else { Ok(()) }
    }

    fn row(&mut self, row: &RawValue, sink: &mut Sink) -> anyhow::Result<()> {
        self.rows += 1;
        match self.format {
            Format::Table => self.table.push(serde_json::from_str(row.get())?),
            Format::Json => {
                sink.write(if self.rows == 1 { b"\n" } else { b",\n" })?;
                sink.write(row.get().as_bytes())?;
            }
            _ => {
                sink.write(row.get().as_bytes())?;
                sink.write(b"\n")?;
            }
        }
        Ok(())
    }

    /// The header of the first page stands for all.
    fn csv(&mut self, answer: &Answer, sink: &mut Sink) -> anyhow::Result<()> {
        let end =
            answer.body.iter().position(|byte| *byte == b'\n').map(|at| at + 1).filter(|_| answer.body.starts_with(b"time"));
        // A page without rows has no header.
        let Some(end) = end else {
            return if answer.body.is_empty() { Ok(()) } else { Err(unreadable().into()) };
        };
        let (header, rows) = answer.body.split_at(end);
        if !std::mem::replace(&mut self.header, true) {
            sink.write(header)?;
        }
        self.rows += rows.iter().filter(|byte| **byte == b'\n').count() as u64;
        sink.write(rows)
    }
}
