//! The whole past: archive, journal and exports checked against each other, from the first record that is kept to the last.
//!
//! One segment at a time, so that a hub can do it while it runs: one segment in memory, one thread, and it ends when the store is closed.

use std::path::{Path, PathBuf};

use super::layout::{Layout, archive_dir, export_dir, journal_dir};
use super::{Shared, export};
use crate::crypto;
use crate::domain::UnixMillis;
use crate::store::disk::Context as _;
use crate::store::journal::{Base, Chain, GENESIS, Kind, Op, Segment, decode_ops, scan};
use crate::store::{History, Seq, StoreError, records};

/// Reads every record of archive and journal in the data directory `dir`, and every export: CRC, order and chain, end to end.
/// Writes nothing. What a running hub is writing at the moment is left out, and told as [`History::torn_bytes`].
///
/// # Errors
/// `Damaged` names the first file, and in its detail the first record, that does not fit; `Io`.
pub fn verify_history(dir: &Path) -> Result<History, StoreError> {
    verify(dir, None, &|| Ok(()))
}

/// The same of a folder that no hub holds: a stopped one, or a copy.
///
/// # Errors
/// As [`verify_history`], and `Locked` while a hub runs on it.
pub fn verify_stopped(dir: &Path, expected: Option<&(Seq, String)>) -> Result<History, StoreError> {
    if Layout::is_held(dir) {
        return Err(StoreError::Locked { path: dir.to_owned() });
    }
    let format = dir.join("format");
    if !format.exists() {
        return Err(damaged(format, 0, "it is missing: this is no data folder of mtbridge".to_owned()));
    }
    verify(dir, expected, &|| Ok(()))
}

/// The same of the store that is open, which exports and archives nothing meanwhile.
pub(super) fn verify_open(shared: &Shared, expected: Option<&(Seq, String)>) -> Result<History, StoreError> {
    let Some(_turn) = shared.take_turn() else { return Err(StoreError::Busy) };
    shared.usable()?;
    let durable = shared.durable();
    let mut history = verify(&shared.dir, expected, &|| shared.usable())?;
    if history.last < durable {
        let detail = format!(
            "record {} is not what was written, or the journal ends before it (records {0} to {durable})",
            history.last + 1
        );
        return Err(damaged(journal_dir(&shared.dir), 0, detail));
    }
    // What is being written this moment.
    history.torn_bytes = 0;
    Ok(history)
}

fn verify(
    dir: &Path,
    expected: Option<&(Seq, String)>,
    go_on: &dyn Fn() -> Result<(), StoreError>,
) -> Result<History, StoreError> {
    let segments = all_segments(dir)?;
    let mut walk = Walk::begin(segments.first().map_or(1, |segment| segment.first));
    for (index, segment) in segments.iter().enumerate() {
        go_on()?;
        walk.segment(segment, index + 1 == segments.len())?;
    }
    walk.judge()?;
    let at = |seq| chain_at(&segments, walk.first, walk.last, seq);
    let (exports, unreadable) = export::list_all(&export_dir(dir))?;
    if let Some((path, error)) = unreadable.into_iter().next() {
        return Err(damaged(path, 0, error.to_string()));
    }
    for export in &exports {
        go_on()?;
        export.check().at("check", &export.path)?;
        let known = at(export.seq)?;
        if export.seq > walk.last || known.is_some_and(|chain| chain != export.chain) {
            let detail = format!("it says that it was made after record {}, and the journal says otherwise", export.seq);
            return Err(damaged(export.path.clone(), 0, detail));
        }
    }
    if let Some((seq, chain)) = expected {
        let found = at(*seq)?.map(|chain| crypto::hex(&chain));
        if found.as_ref() != Some(chain) {
            let found = found.map_or_else(|| "is not kept".to_owned(), |found| format!("has {found}"));
            let detail = format!("record {seq} was expected with the chain {chain}, and {found}: this is another history");
            return Err(damaged(dir.to_owned(), 0, detail));
        }
    }
    Ok(walk.finish(exports.len()))
}

fn damaged(path: PathBuf, offset: u64, detail: String) -> StoreError {
    StoreError::Damaged { path, offset, detail }
}

/// From segment to segment.
struct Walk {
    first: Seq,
    last: Seq,
    chain: Chain,
    torn_bytes: u64,
    missing: Vec<(Seq, Seq, StoreError)>,
    accepted: Vec<(Seq, Seq)>,
    audit_records: u64,
    times: Option<(u64, u64)>,
}

impl Walk {
    fn begin(first: Seq) -> Self {
        Self {
            first,
            last: first - 1,
            chain: GENESIS,
            torn_bytes: 0,
            missing: Vec::new(),
            accepted: Vec::new(),
            audit_records: 0,
            times: None,
        }
    }

    fn segment(&mut self, segment: &Segment, newest: bool) -> Result<(), StoreError> {
        let goes_on = self.last + 1 == segment.first;
        if !goes_on {
            self.miss(self.last + 1, segment.first.saturating_sub(1), segment, 0, "the records before this segment are missing");
        }
        let base = match goes_on {
            true if self.last == 0 => Base::Start,
            true if self.last >= self.first => Base::Known { seq: self.last, chain: self.chain },
            _ => Base::Wherever,
        };
        let accepted = &mut self.accepted;
        let found = scan::scan(vec![segment.clone()], base, |frame| {
            if frame.kind == Kind::LossAccepted {
                accepted.extend(scan::decode_losses(frame.payload));
            }
            Ok(())
        })?;
        if !found.bad_headers.is_empty() {
            self.miss(
                segment.first,
                segment.first,
                segment,
                0,
                "the segment's header is not whole, or does not follow the record before",
            );
        }
        for gap in &found.gaps {
            self.miss(gap.first, gap.last, segment, gap.offset, "what is there is not what was written");
        }
        if found.torn_bytes > 0 && !newest {
            self.miss(found.last_seq + 1, found.last_seq + 1, segment, found.end, "what is there is not what was written");
        }
        self.torn_bytes = found.torn_bytes;
        (self.last, self.chain) = (found.last_seq, found.chain);
        self.count(segment)
    }

    fn miss(&mut self, first: Seq, last: Seq, segment: &Segment, offset: u64, what: &str) {
        let detail = format!("record {first} (of the missing {first} to {last}): {what}");
        self.missing.push((first, last, damaged(segment.path.clone(), offset, detail)));
    }

    fn count(&mut self, segment: &Segment) -> Result<(), StoreError> {
        scan::replay(std::slice::from_ref(segment), segment.first, self.last, |frame| {
            if frame.kind == Kind::LossAccepted {
                return Ok(());
            }
            let ops = decode_ops(frame.payload).ok_or_else(|| {
                damaged(segment.path.clone(), 0, format!("record {} was written by no mtbridge that this one knows", frame.seq))
            })?;
            for op in ops {
                let Op::Put { key, .. } = op else { continue };
                if let Some(id) = records::audit_of(&key) {
                    let at = id.timestamp_ms();
                    let (from, to) = self.times.unwrap_or((at, at));
                    self.times = Some((from.min(at), to.max(at)));
                    self.audit_records += 1;
                }
            }
            Ok(())
        })
    }

    /// Damage that no operator has accepted.
    fn judge(&mut self) -> Result<(), StoreError> {
        let accepted = |first, last| self.accepted.iter().any(|(from, to)| *from <= first && last <= *to);
        self.missing.iter().find(|(first, last, _)| !accepted(*first, *last)).map_or(Ok(()), |(_, _, error)| Err(error.clone()))
    }

    fn finish(self, exports: usize) -> History {
        let time = |ms: u64| UnixMillis(i64::try_from(ms).unwrap_or(i64::MAX));
        History {
            first: self.first,
            last: self.last,
            chain: crypto::hex(&self.chain),
            exports,
            torn_bytes: self.torn_bytes,
            audit_records: self.audit_records,
            from: self.times.map(|(from, _)| time(from)),
            to: self.times.map(|(_, to)| time(to)),
        }
    }
}

/// Archive and journal, oldest first. A segment on its way from one to the other is in both.
pub(super) fn all_segments(dir: &Path) -> Result<Vec<Segment>, StoreError> {
    let journal = scan::list(&journal_dir(dir))?;
    let begins = journal.first().map_or(Seq::MAX, |segment| segment.first);
    let mut segments = scan::list_packed(&archive_dir(dir))?;
    segments.retain(|segment| segment.first < begins);
    segments.extend(journal);
    Ok(segments)
}

/// The chain after record `seq`, if that is kept.
fn chain_at(segments: &[Segment], first: Seq, last: Seq, seq: Seq) -> Result<Option<Chain>, StoreError> {
    if seq == 0 {
        return Ok(Some(GENESIS));
    }
    let mut chain = None;
    if (first..=last).contains(&seq) {
        scan::replay(segments, seq, seq, |frame| {
            chain = Some(frame.chain);
            Ok(())
        })?;
    }
    Ok(chain)
}
