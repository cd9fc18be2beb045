//! What the paper broker remembers: a list of entries from which its whole state can be built again.
//!
//! With a file, an entry is written before the answer leaves, one JSON line each, so that a simulator which is killed at any step
//! and started again finds the broker as it was: in reality the broker is another machine, and lives on.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::domain::trade::{Deal, Order, Position, TradeRequest, TradeResult, Verdict};

/// One request that reached the broker, whatever it answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Executed {
    /// Broker time, epoch milliseconds.
    pub at_ms: i64,
    /// As the terminal sent it: magic and comment carry the hub's tag.
    pub request: TradeRequest,
    /// As the broker answered it.
    pub result: TradeResult,
    /// Tickets of the deals that it made at once; an order that stands makes more later.
    #[serde(default)]
    pub deals: Vec<u64>,
}

/// Why a deal was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Somebody asked for it: [`TradeResult::request_id`] of the [`Executed`].
    Request(u32),
    /// The first deposit.
    Deposit,
    /// The broker itself: a stop loss was touched.
    StopLoss,
    /// The broker itself: a take profit was touched.
    TakeProfit,
    /// The broker itself: the margin level was too low.
    StopOut,
    /// Nobody knows, which must never be; or the request is so old that memory has dropped it.
    Untraced,
}

impl Executed {
    /// Whether the broker did it, in whole or in part.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(Verdict::of(self.result.retcode, self.request.action), Verdict::Executed | Verdict::Partial | Verdict::Placed)
    }
}

/// One change of the broker's state.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Entry {
    /// Broker time, epoch milliseconds.
    pub(super) at_ms: i64,
    /// The request behind it; none for what the broker does by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) executed: Option<Executed>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) deals: Vec<Deal>,
    /// Positions as they are from now on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) positions: Vec<Position>,
    /// Positions that are no more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) gone: Vec<u64>,
    /// Open orders as they are from now on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) orders: Vec<Order>,
    /// Orders that go into the history.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) done: Vec<Order>,
}

/// An append-only file of JSON lines, or nothing at all.
///
/// A line is one write, which a killed process has made or has not. Nothing here promises to survive a power cut.
#[derive(Debug, Default)]
pub(super) struct Lines(Option<File>);

impl Lines {
    /// Opens the file, takes it for this process alone, and reads what stands in it. A line that was cut off is dropped.
    pub(super) fn open<T: DeserializeOwned>(path: &Path) -> io::Result<(Self, Vec<T>)> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        file.try_lock().map_err(|_| io::Error::other(format!("{} is in use by another process", path.display())))?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let mut found = Vec::new();
        for (at, line) in text[..whole].lines().enumerate() {
            let entry = serde_json::from_str(line);
            found.push(entry.map_err(|error| io::Error::other(format!("{} line {}: {error}", path.display(), at + 1)))?);
        }
        file.set_len(whole.try_into().unwrap_or(u64::MAX))?;
        file.seek(SeekFrom::End(0))?;
        Ok((Self(Some(file)), found))
    }

    /// Writes one line.
    pub(super) fn append(&mut self, entry: &impl Serialize) -> io::Result<()> {
        let Some(file) = &mut self.0 else { return Ok(()) };
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        file.write_all(&line)
    }

    /// Empties the file: the disk of the machine was lost.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        let Some(file) = &mut self.0 else { return Ok(()) };
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0)).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_cut_off_is_dropped_and_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.jsonl");
        std::fs::write(&path, "{\"at_ms\":1}\n{\"at_ms\":2}\n{\"at_").unwrap();
        let (mut lines, found) = Lines::open::<Entry>(&path).unwrap();
        assert_eq!(found.iter().map(|entry| entry.at_ms).collect::<Vec<_>>(), [1, 2]);
        lines.append(&Entry { at_ms: 3, ..Entry::default() }).unwrap();
        drop(lines);
        let (_, found) = Lines::open::<Entry>(&path).unwrap();
        assert_eq!(found.iter().map(|entry| entry.at_ms).collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn a_broken_line_and_a_second_process_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.jsonl");
        let (_held, _) = Lines::open::<Entry>(&path).unwrap();
        assert!(Lines::open::<Entry>(&path).unwrap_err().to_string().contains("in use by another process"));
        let broken = folder.path().join("broken.jsonl");
        std::fs::write(&broken, "{}\nnot json\n").unwrap();
        assert!(Lines::open::<Entry>(&broken).unwrap_err().to_string().contains("line 2"));
    }
}
