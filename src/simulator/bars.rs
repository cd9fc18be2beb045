//! The market's record: M1 bars read from a CSV file, checked, and shared by every terminal of the process.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::Path,
    sync::{Arc, LazyLock, OnceLock},
};

use csv::StringRecord;
use jiff::civil::DateTime;

use super::timeframes;
use crate::domain::market::{Bar, Timeframe};

/// More minutes than fifty years of trading have; a longer file is an error instead of memory.
const MAX_BARS: usize = 20_000_000;
/// Two openings up to this far apart belong to one session; a longer pause (a night, a weekend) is skipped.
const LONGEST_WAIT_MS: i64 = 5 * 60_000;
/// The excerpt that the program carries with it; `data/README.md` names its source.
static EMBEDDED: LazyLock<Result<Arc<BarSet>, BadBarFile>> =
    LazyLock::new(|| BarSet::read(include_str!("data/eurusd-m1.csv").as_bytes()).map(Arc::new));

/// A file that is no M1 bars.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadBarFile {
    /// It cannot be opened or read.
    #[error("cannot read bars: {0}")]
    Io(String),
    /// A line is wrong.
    #[error("line {line}: {problem}")]
    Line {
        /// Counted from 1; the header is line 1.
        line: u64,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// A header and nothing else.
    #[error("no bars in it")]
    Empty,
}

/// A stretch of broker time in which the market is open, in milliseconds, the end excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) from_ms: i64,
    pub(super) to_ms: i64,
    /// How long all sessions before this one lasted together.
    pub(super) before_ms: i64,
}

/// M1 bars, oldest first and never empty, with the higher timeframes built from them when first asked for.
#[derive(Debug)]
pub struct BarSet {
    m1: Vec<Bar>,
    sessions: Vec<Session>,
    higher: [OnceLock<Vec<Bar>>; 21],
}

impl BarSet {
    /// EURUSD, 2024-03-07 to 2024-03-12, a broker's real bars around a summer-time switch. Parsed once a process.
    ///
    /// # Errors
    /// Never, unless the program was built with another file in its place.
    pub fn embedded() -> Result<Arc<Self>, BadBarFile> {
        EMBEDDED.clone()
    }

    /// Reads a file of `date,time,open,high,low,close,tick_volume,real_volume,spread_points`.
    ///
    /// # Errors
    /// [`BadBarFile`] names the first line that is wrong.
    pub fn open(path: &Path) -> Result<Arc<Self>, BadBarFile> {
        let file = File::open(path).map_err(|error| BadBarFile::Io(format!("{}: {error}", path.display())))?;
        Self::read(BufReader::new(file)).map(Arc::new)
    }

    /// As [`Self::open`], from anything that reads.
    ///
    /// # Errors
    /// [`BadBarFile`] names the first line that is wrong.
    pub fn read(source: impl Read) -> Result<Self, BadBarFile> {
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(source);
        let mut m1: Vec<Bar> = Vec::new();
        let mut record = StringRecord::new();
        while reader.read_record(&mut record).map_err(|error| unreadable(&error))? {
            let line = record.position().map_or(0, csv::Position::line);
            let wrong = |problem: String| BadBarFile::Line { line, problem };
            let bar = parse(&record).map_err(wrong)?;
            if m1.last().is_some_and(|last| last.time >= bar.time) {
                return Err(wrong("opens no later than the line before it; bars come oldest first".into()));
            }
            if m1.len() == MAX_BARS {
                return Err(wrong(format!("more than {MAX_BARS} bars")));
            }
            m1.push(bar);
        }
        Self::from_bars(m1)
    }

    /// From bars that are already in memory.
    ///
    /// # Errors
    /// [`BadBarFile::Empty`] without any; [`BadBarFile::Line`] (counted from 1) for bars out of order.
    pub fn from_bars(m1: Vec<Bar>) -> Result<Self, BadBarFile> {
        if let Some(at) = m1.windows(2).position(|pair| pair[0].time >= pair[1].time) {
            let line = u64::try_from(at).unwrap_or(u64::MAX).saturating_add(2);
            return Err(BadBarFile::Line { line, problem: "opens no later than the bar before it".into() });
        }
        let sessions = sessions_of(&m1);
        if sessions.is_empty() {
            return Err(BadBarFile::Empty);
        }
        Ok(Self { m1, sessions, higher: Default::default() })
    }

    /// The M1 bars.
    #[must_use]
    pub fn m1(&self) -> &[Bar] {
        &self.m1
    }

    /// All bars of a timeframe, from the whole file.
    #[must_use]
    pub fn all(&self, timeframe: Timeframe) -> &[Bar] {
        if timeframe == Timeframe::M1 {
            return &self.m1;
        }
        match Timeframe::all().position(|one| one == timeframe).and_then(|at| self.higher.get(at)) {
            Some(cell) => cell.get_or_init(|| timeframes::build(&self.m1, timeframe)),
            None => &[],
        }
    }

    /// Broker time, epoch seconds, at which the last tenth of the file begins.
    #[must_use]
    pub fn last_tenth(&self) -> i64 {
        self.m1.get(self.m1.len() * 9 / 10).map_or(0, |bar| bar.time)
    }

    pub(super) fn sessions(&self) -> &[Session] {
        &self.sessions
    }
}

fn unreadable(error: &csv::Error) -> BadBarFile {
    match error.position() {
        Some(at) => BadBarFile::Line { line: at.line(), problem: error.to_string() },
        None => BadBarFile::Io(error.to_string()),
    }
}

/// Runs of bars with no long pause in them.
fn sessions_of(m1: &[Bar]) -> Vec<Session> {
    let mut sessions: Vec<Session> = Vec::new();
    for bar in m1 {
        let (from_ms, to_ms) = (bar.time * 1000, bar.time * 1000 + 60_000);
        match sessions.last_mut() {
            Some(last) if from_ms - (last.to_ms - 60_000) <= LONGEST_WAIT_MS => last.to_ms = to_ms,
            last => {
                let before_ms = last.map_or(0, |last| last.before_ms + last.to_ms - last.from_ms);
                sessions.push(Session { from_ms, to_ms, before_ms });
            }
        }
    }
    sessions
}

fn parse(record: &StringRecord) -> Result<Bar, String> {
    if record.len() != 9 {
        return Err(format!("{} columns instead of 9", record.len()));
    }
    let time = epoch(&format!("{} {}", field(record, 0)?, field(record, 1)?))?;
    let bar = Bar {
        time,
        open: price(record, 2)?,
        high: price(record, 3)?,
        low: price(record, 4)?,
        close: price(record, 5)?,
        tick_volume: number(record, 6)?,
        real_volume: number(record, 7)?,
        spread: number(record, 8)?,
    };
    if time % 60 != 0 {
        return Err("does not open on a full minute".into());
    }
    if bar.low > bar.open.min(bar.close) || bar.high < bar.open.max(bar.close) {
        return Err("open or close is outside of low and high".into());
    }
    if bar.tick_volume < 0 || bar.spread < 0 {
        return Err("volume and spread must not be negative".into());
    }
    Ok(bar)
}

fn field(record: &StringRecord, at: usize) -> Result<&str, String> {
    record.get(at).ok_or_else(|| format!("column {} is missing", at + 1))
}

fn number<T: std::str::FromStr>(record: &StringRecord, at: usize) -> Result<T, String> {
    let text = field(record, at)?;
    text.parse().map_err(|_| format!("column {}: `{text}` is no whole number", at + 1))
}

fn price(record: &StringRecord, at: usize) -> Result<f64, String> {
    let text = field(record, at)?;
    let price = text.parse::<f64>().ok().filter(|price| price.is_finite() && *price > 0.0);
    price.ok_or_else(|| format!("column {}: `{text}` is no price", at + 1))
}

/// Broker time as epoch seconds, from `2024.03.01 00:04:00`, `2024-03-01 00:04` or `2024-03-01T00:04:00`.
///
/// # Errors
/// In words, with what would be right.
pub fn epoch(text: &str) -> Result<i64, String> {
    let iso = text.trim().replacen('.', "-", 2);
    let time = iso.parse::<DateTime>().map_err(|_| format!("`{text}` is no time: write 2024-03-01 00:04:00"))?;
    let utc = time.to_zoned(jiff::tz::TimeZone::UTC).map_err(|error| error.to_string())?;
    Ok(utc.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "date,time,open,high,low,close,tick_volume,real_volume,spread_points\n";

    fn read(rows: &str) -> Result<BarSet, BadBarFile> {
        BarSet::read(format!("{HEADER}{rows}").as_bytes())
    }

    #[test]
    fn the_embedded_bars_are_the_brokers_figures() {
        let set = BarSet::embedded().unwrap();
        assert_eq!(set.m1().len(), 5_711);
        let first = set.m1()[0];
        assert_eq!(first.time, epoch("2024.03.07 00:04:00").unwrap());
        assert_eq!((first.open, first.high, first.low, first.close), (1.08939, 1.08939, 1.08928, 1.08939));
        assert_eq!((first.tick_volume, first.real_volume, first.spread), (4, 4_156_000, 47));
        assert!(Arc::ptr_eq(&set, &BarSet::embedded().unwrap()), "thousands of terminals share one set");
    }

    #[test]
    fn nights_weekends_and_holes_part_the_sessions() {
        let set = BarSet::embedded().unwrap();
        let openings: Vec<_> = set.sessions().iter().map(|s| s.from_ms / 1000).collect();
        let expected =
            ["2024.03.07 00:04:00", "2024.03.08 00:04:00", "2024.03.11 00:05:00", "2024.03.11 00:30:00", "2024.03.12 00:04:00"];
        assert_eq!(openings, expected.map(|text| epoch(text).unwrap()));
    }

    #[test]
    fn a_wrong_line_is_named_with_what_is_wrong() {
        let good = "2024.03.01,00:04:00,1.1,1.2,1.0,1.1,5,0,9\n";
        let error = |rows: &str| read(rows).unwrap_err().to_string();
        assert_eq!(error(&format!("{good}2024.03.01,00:05:00,x,1.2,1.0,1.1,5,0,9\n")), "line 3: column 3: `x` is no price");
        assert_eq!(error("2024.03.01,00:04:00,1.1,NaN,1.0,1.1,5,0,9\n"), "line 2: column 4: `NaN` is no price");
        assert_eq!(
            error("yesterday,00:04:00,1.1,1.2,1.0,1.1,5,0,9\n"),
            "line 2: `yesterday 00:04:00` is no time: write 2024-03-01 00:04:00"
        );
        assert_eq!(error("2024.03.01,00:04:00,1.3,1.2,1.0,1.1,5,0,9\n"), "line 2: open or close is outside of low and high");
        assert!(error(&format!("{good}{good}")).starts_with("line 3: opens no later"));
        assert!(error("2024.03.01,00:04:00,1.1\n").starts_with("line 2: "));
        assert_eq!(read("").unwrap_err(), BadBarFile::Empty);
    }

    #[test]
    fn broker_times_are_read_in_each_usual_spelling() {
        for text in ["2024.03.01 00:04:00", "2024-03-01 00:04", "2024-03-01T00:04:00"] {
            assert_eq!(epoch(text), Ok(1_709_251_440), "{text}");
        }
        assert!(epoch("soon").is_err());
    }
}
