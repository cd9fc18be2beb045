//! The market's record: M1 bars read from a CSV file, checked, and shared by every terminal of the process.

use std::{
    io::Read,
    path::Path,
    sync::{Arc, LazyLock, OnceLock},
};

pub use super::bar_file::epoch;
use super::{bar_file::BarFile, instrument::SYNTHETIC, timeframes};
use crate::domain::market::{Bar, Timeframe};

/// Digits after the point where nothing tells how many there are.
const DIGITS: u8 = 5;
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
    /// One of several files.
    #[error("{file}: {problem}")]
    In {
        /// Its path.
        file: String,
        /// What is wrong with it.
        problem: Box<Self>,
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
    digits: u8,
    sessions: Vec<Session>,
    higher: [OnceLock<Vec<Bar>>; 21],
    synthetic: [OnceLock<Arc<Self>>; SYNTHETIC.len()],
}

impl BarSet {
    /// EURUSD, 2024-03-07 to 2024-03-12, a broker's real bars around a summer-time switch. Parsed once a process.
    ///
    /// # Errors
    /// Never, unless the program was built with another file in its place.
    pub fn embedded() -> Result<Arc<Self>, BadBarFile> {
        EMBEDDED.clone()
    }

    /// Reads one file of M1 bars; `docs/simulator.md` lists the formats.
    ///
    /// # Errors
    /// [`BadBarFile`] names the first line that is wrong.
    pub fn open(path: &Path) -> Result<Arc<Self>, BadBarFile> {
        Self::open_all(&[path])
    }

    /// Reads several files, as one for each month, the oldest first.
    ///
    /// # Errors
    /// [`BadBarFile`] names the file and its first line that is wrong, or the file that does not follow the one before it.
    pub fn open_all(paths: &[impl AsRef<Path>]) -> Result<Arc<Self>, BadBarFile> {
        let mut all = BarFile::default();
        for path in paths {
            let path = path.as_ref();
            let BarFile { bars, digits } = BarFile::open(path)?;
            if let (Some(last), Some(first)) = (all.bars.last(), bars.first())
                && last.time >= first.time
            {
                let problem = "begins before the file before it ends; give the oldest first".into();
                let problem = Box::new(BadBarFile::Line { line: 1, problem });
                return Err(BadBarFile::In { file: path.display().to_string(), problem });
            }
            all.bars.extend(bars);
            all.digits = all.digits.max(digits);
        }
        Self::from_file(all).map(Arc::new)
    }

    /// As [`Self::open`], from anything that reads.
    ///
    /// # Errors
    /// [`BadBarFile`] names the first line that is wrong.
    pub fn read(source: impl Read) -> Result<Self, BadBarFile> {
        Self::from_file(BarFile::read(source)?)
    }

    fn from_file(file: BarFile) -> Result<Self, BadBarFile> {
        Ok(Self { digits: file.digits, ..Self::from_bars(file.bars)? })
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
        Ok(Self { m1, digits: DIGITS, sessions, higher: Default::default(), synthetic: Default::default() })
    }

    /// Digits after the point of every price.
    #[must_use]
    pub const fn digits(&self) -> u8 {
        self.digits
    }

    /// The bars of a symbol that is made from these, made when first asked for and shared from then on.
    pub(super) fn synthetic(&self, at: usize) -> &Arc<Self> {
        let make = || {
            let (m1, digits) = SYNTHETIC[at].bars(self);
            let sessions = self.sessions.clone();
            Arc::new(Self { m1, digits, sessions, higher: Default::default(), synthetic: Default::default() })
        };
        self.synthetic[at].get_or_init(make)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_bars_are_the_brokers_figures() {
        let set = BarSet::embedded().unwrap();
        assert_eq!((set.m1().len(), set.digits()), (5_711, 5));
        let first = set.m1()[0];
        assert_eq!(first.time, epoch("2024.03.07 00:04:00").unwrap());
        assert_eq!((first.open, first.high, first.low, first.close), (1.08939, 1.08939, 1.08928, 1.08939));
        assert_eq!((first.tick_volume, first.real_volume, first.spread), (4, 4_156_000, 47));
        assert!(Arc::ptr_eq(&set, &BarSet::embedded().unwrap()), "thousands of terminals share one set");
        assert_eq!(BarSet::read("".as_bytes()).unwrap_err(), BadBarFile::Empty);
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
    fn several_files_are_one_history_and_the_wrong_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let march = file("march.csv", "2024.03.01,00:04,1.1,1.2,1.0,1.1,5\n");
        let april = file("april.csv", "2024.04.01,00:04,1.1,1.2,1.0,1.15,5\n2024.04.01,00:05,1.1,1.2,1.0,x,5\n");
        let may = file("may.csv", "2024.05.01,00:04,1.1,1.2,1.0,1.15,5\n");
        let set = BarSet::open_all(&[&march, &may]).unwrap();
        assert_eq!((set.m1().len(), set.sessions().len(), set.digits()), (2, 2, 2));
        let error = |paths: &[&std::path::PathBuf]| BarSet::open_all(paths).unwrap_err().to_string();
        assert!(error(&[&march, &april]).ends_with("april.csv: line 2: column 6: `x` is no price"));
        assert!(
            error(&[&may, &march]).ends_with("march.csv: line 1: begins before the file before it ends; give the oldest first")
        );
    }
}
