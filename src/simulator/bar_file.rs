//! Reading M1 bars from the files that people have: MetaTrader's exports and plain CSV.
//!
//! Taken are commas, semicolons and tabs, with a header (`<DATE> <TIME> <OPEN> …` as MetaTrader 5 writes it, or plain names) or without
//! one (`date,time,open,high,low,close,tick_volume[,real_volume,spread]`), date and time in one column or two, UTF-8 or UTF-16.

use std::{io::Read, path::Path};

use csv::StringRecord;
use jiff::civil::DateTime;

use super::bars::BadBarFile;
use crate::domain::market::Bar;

/// More minutes than fifty years of trading have; a longer file is an error instead of memory.
const MAX_BARS: usize = 20_000_000;
/// Prices have at most so many digits after the point.
const DIGITS_MAX: usize = 8;

/// Which column holds what.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Columns {
    count: usize,
    date: usize,
    /// None when the date's column has the time too.
    time: Option<usize>,
    prices: [usize; 4],
    tick_volume: Option<usize>,
    real_volume: Option<usize>,
    spread: Option<usize>,
}

/// Bars, oldest first, and how many digits after the point their prices have.
#[derive(Debug, Default)]
pub(super) struct BarFile {
    pub(super) bars: Vec<Bar>,
    pub(super) digits: u8,
}

impl BarFile {
    /// Reads a file; errors name it.
    pub(super) fn open(path: &Path) -> Result<Self, BadBarFile> {
        let named = |problem: BadBarFile| BadBarFile::In { file: path.display().to_string(), problem: Box::new(problem) };
        let file = std::fs::File::open(path).map_err(|error| named(BadBarFile::Io(error.to_string())))?;
        Self::read(file).map_err(named)
    }

    pub(super) fn read(mut source: impl Read) -> Result<Self, BadBarFile> {
        let mut bytes = Vec::new();
        source.read_to_end(&mut bytes).map_err(|error| BadBarFile::Io(error.to_string()))?;
        let text = decoded(bytes)?;
        let first = text.lines().next().unwrap_or_default();
        let delimiter = *b"\t;".iter().find(|byte| first.as_bytes().contains(byte)).unwrap_or(&b',');
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true)
            .from_reader(text.as_bytes());
        let mut record = StringRecord::new();
        let (mut found, mut columns, mut digits) = (Self::default(), None, 0);
        while reader.read_record(&mut record).map_err(|error| unreadable(&error))? {
            let line = record.position().map_or(0, csv::Position::line);
            let wrong = |problem: String| BadBarFile::Line { line, problem };
            let columns = match columns {
                Some(columns) => columns,
                None => {
                    let (these, header) = Columns::of(&record).map_err(wrong)?;
                    columns = Some(these);
                    if header {
                        continue;
                    }
                    these
                }
            };
            let bar = columns.parse(&record, &mut digits).map_err(wrong)?;
            if found.bars.last().is_some_and(|last| last.time >= bar.time) {
                return Err(wrong("opens no later than the line before it; bars come oldest first".into()));
            }
            if found.bars.len() == MAX_BARS {
                return Err(wrong(format!("more than {MAX_BARS} bars")));
            }
            found.bars.push(bar);
        }
        found.digits = u8::try_from(digits.min(DIGITS_MAX)).unwrap_or(5);
        Ok(found)
    }
}

/// MetaTrader writes some of its files as UTF-16 with a mark at the beginning.
fn decoded(bytes: Vec<u8>) -> Result<String, BadBarFile> {
    let no_text = |_| BadBarFile::Io("it is no text".into());
    match bytes.as_slice() {
        [0xff, 0xfe, rest @ ..] => {
            let (units, _) = rest.as_chunks::<2>();
            let units: Vec<u16> = units.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
            String::from_utf16(&units).map_err(|_| BadBarFile::Io("it is no text".into()))
        }
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8(rest.to_vec()).map_err(no_text),
        _ => String::from_utf8(bytes).map_err(no_text),
    }
}

fn unreadable(error: &csv::Error) -> BadBarFile {
    match error.position() {
        Some(at) => BadBarFile::Line { line: at.line(), problem: error.to_string() },
        None => BadBarFile::Io(error.to_string()),
    }
}

impl Columns {
    /// From the first line, and whether that is a header.
    fn of(first: &StringRecord) -> Result<(Self, bool), String> {
        let is_header = !first.get(0).is_some_and(|field| field.starts_with(|c: char| c.is_ascii_digit()));
        if is_header { Self::named(first).map(|columns| (columns, true)) } else { Self::by_count(first).map(|c| (c, false)) }
    }

    fn named(header: &StringRecord) -> Result<Self, String> {
        let names: Vec<String> =
            header.iter().map(|name| name.chars().filter(char::is_ascii_alphabetic).collect::<String>().to_lowercase()).collect();
        let find = |wanted: &[&str]| names.iter().position(|name| wanted.contains(&name.as_str()));
        let need = |name: &str| find(&[name]).ok_or_else(|| format!("the header has no column `{name}`"));
        let tick_volume = find(&["tickvol", "tickvolume"]);
        let volume = find(&["vol", "volume", "realvolume"]);
        let (date, time) = match (find(&["date"]), find(&["time"])) {
            (Some(date), time) => (date, time),
            (None, time) => (time.or_else(|| find(&["datetime"])).ok_or("the header has no column `date`")?, None),
        };
        Ok(Self {
            count: names.len(),
            date,
            time,
            prices: [need("open")?, need("high")?, need("low")?, need("close")?],
            // MetaTrader 4 has one volume, and it counts ticks.
            tick_volume: tick_volume.or(volume),
            real_volume: tick_volume.and(volume),
            spread: find(&["spread", "spreadpoints"]),
        })
    }

    fn by_count(first: &StringRecord) -> Result<Self, String> {
        let together = first.get(0).is_some_and(|field| field.contains(' ') || field.contains('T'));
        let open = if together { 1 } else { 2 };
        let count = first.len();
        if count < open + 4 {
            return Err(format!("{count} columns: date, time, open, high, low and close are needed"));
        }
        let at = |column: usize| (count > column).then_some(column);
        Ok(Self {
            count,
            date: 0,
            time: (!together).then_some(1),
            prices: [open, open + 1, open + 2, open + 3],
            tick_volume: at(open + 4),
            real_volume: at(open + 5),
            spread: at(open + 6),
        })
    }

    fn parse(self, record: &StringRecord, digits: &mut usize) -> Result<Bar, String> {
        if record.len() != self.count {
            return Err(format!("{} columns instead of {}", record.len(), self.count));
        }
        let date = field(record, self.date)?;
        let time = match self.time {
            Some(column) => epoch(&format!("{date} {}", field(record, column)?))?,
            None => epoch(date)?,
        };
        let mut prices = [0.0; 4];
        for (price, column) in prices.iter_mut().zip(self.prices) {
            *price = price_of(record, column, digits)?;
        }
        let [open, high, low, close] = prices;
        let whole = |column: Option<usize>| column.map_or(Ok(0), |at| number::<i64>(record, at));
        let bar = Bar {
            time,
            open,
            high,
            low,
            close,
            tick_volume: whole(self.tick_volume)?,
            real_volume: whole(self.real_volume)?,
            spread: self.spread.map_or(Ok(0), |at| number(record, at))?,
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
}

fn field(record: &StringRecord, at: usize) -> Result<&str, String> {
    record.get(at).ok_or_else(|| format!("column {} is missing", at + 1))
}

fn number<T: std::str::FromStr>(record: &StringRecord, at: usize) -> Result<T, String> {
    let text = field(record, at)?;
    text.parse().map_err(|_| format!("column {}: `{text}` is no whole number", at + 1))
}

fn price_of(record: &StringRecord, at: usize, digits: &mut usize) -> Result<f64, String> {
    let text = field(record, at)?;
    let price = text.parse::<f64>().ok().filter(|price| price.is_finite() && *price > 0.0);
    *digits = (*digits).max(text.split_once('.').map_or(0, |(_, after)| after.len()));
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

    fn read(rows: &str) -> Result<BarFile, BadBarFile> {
        BarFile::read(rows.as_bytes())
    }

    #[test]
    fn a_wrong_line_is_named_with_what_is_wrong() {
        let good = "2024.03.01,00:04:00,1.1,1.2,1.0,1.1,5,0,9\n";
        let error = |rows: &str| read(&format!("{HEADER}{rows}")).unwrap_err().to_string();
        assert_eq!(error(&format!("{good}2024.03.01,00:05:00,x,1.2,1.0,1.1,5,0,9\n")), "line 3: column 3: `x` is no price");
        assert_eq!(error("2024.03.01,00:04:00,1.1,NaN,1.0,1.1,5,0,9\n"), "line 2: column 4: `NaN` is no price");
        assert_eq!(
            error("yesterday,00:04:00,1.1,1.2,1.0,1.1,5,0,9\n"),
            "line 2: `yesterday 00:04:00` is no time: write 2024-03-01 00:04:00"
        );
        assert_eq!(error("2024.03.01,00:04:00,1.3,1.2,1.0,1.1,5,0,9\n"), "line 2: open or close is outside of low and high");
        assert!(error(&format!("{good}{good}")).starts_with("line 3: opens no later"));
        assert_eq!(error("2024.03.01,00:04:00,1.1\n"), "line 2: 3 columns instead of 9");
        assert_eq!(read("a,b\n").unwrap_err().to_string(), "line 1: the header has no column `date`");
    }

    #[test]
    fn every_usual_export_reads_as_the_same_bar() {
        let bar = Bar {
            time: 1_709_251_440,
            open: 1.07989,
            high: 1.07999,
            low: 1.07955,
            close: 1.0799,
            tick_volume: 5,
            spread: 0,
            real_volume: 0,
        };
        let metatrader5 = "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>\r\n\
                           2024.03.01\t00:04:00\t1.07989\t1.07999\t1.07955\t1.07990\t5\t7\t9\r\n";
        let found = read(metatrader5).unwrap();
        assert_eq!((found.bars.as_slice(), found.digits), ([Bar { real_volume: 7, spread: 9, ..bar }].as_slice(), 5));
        for text in [
            "2024.03.01,00:04,1.07989,1.07999,1.07955,1.07990,5\n",
            "time;open;high;low;close;volume\n2024-03-01T00:04:00;1.07989;1.07999;1.07955;1.0799;5\n",
            "\u{feff}2024.03.01 00:04,1.07989,1.07999,1.07955,1.0799,5\n",
        ] {
            assert_eq!(read(text).unwrap().bars, [bar], "{text}");
        }
        let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain(metatrader5.encode_utf16().flat_map(u16::to_le_bytes)).collect();
        assert_eq!(BarFile::read(utf16.as_slice()).unwrap().bars, found.bars);
    }

    #[test]
    fn broker_times_are_read_in_each_usual_spelling() {
        for text in ["2024.03.01 00:04:00", "2024-03-01 00:04", "2024-03-01T00:04:00"] {
            assert_eq!(epoch(text), Ok(1_709_251_440), "{text}");
        }
        assert!(epoch("soon").is_err());
    }
}
