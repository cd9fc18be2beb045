//! The past out of the journal, a page at a time, while it is being written, and out of the archive as far as that is told again.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::Shared;
use super::layout::{archive_dir, journal_dir};
use super::overlay::Stored;
use super::recent::{Told, mark};
use crate::store::disk::Context as _;
use crate::store::journal::frame::{self, FRAME, Frame, HEADER};
use crate::store::journal::{Kind, Op, Segment, decode_ops, scan};
use crate::store::{REPLAY_BYTES, Replay, Seq, StoreError};

/// Bytes read from a segment at once.
const PIECE: usize = 256 << 10;
/// Places remembered, one for each of those who may be reading.
const PLACES: usize = 16;
/// And beside them places that far apart, bytes, for whoever reads one record here and one there; so many of them.
const APART: u64 = 1 << 20;
const SPARSE: usize = 4_096;

/// Where records begin in their files: a page begins where the one before it ended, and need not read the segment up to there again.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Where a page ended, the newest last.
    ends: Mutex<Vec<(PathBuf, Seq, u64)>>,
    /// A place each [`APART`] bytes of what was read.
    sparse: Mutex<BTreeMap<Seq, (PathBuf, u64)>>,
    unpacking: Mutex<Vec<Reading>>,
}

/// A segment that is being read.
struct Reading {
    path: PathBuf,
    /// The record that comes next, and where it begins.
    next: Seq,
    at: u64,
    from: Box<dyn Read + Send>,
    /// What was read and not yet taken.
    data: Vec<u8>,
    /// The last place that was noted; none in a file that cannot be entered in the midst.
    passed: Option<u64>,
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reading").field("path", &self.path).field("next", &self.next).finish_non_exhaustive()
    }
}

impl Reading {
    /// From the beginning of an archived segment.
    fn unpack(segment: &Segment) -> io::Result<Self> {
        let mut from = zstd::Decoder::new(File::open(&segment.path)?)?;
        io::copy(&mut (&mut from).take(HEADER as u64), &mut io::sink())?;
        let (path, next, at) = (segment.path.clone(), segment.first, HEADER as u64);
        Ok(Self { path, next, at, from: Box::new(from), data: Vec::new(), passed: None })
    }
}

impl Places {
    /// An archived segment that was read up to record `seq`, or not yet so far.
    fn take_up(&self, path: &Path, seq: Seq) -> Option<Reading> {
        let mut readings = self.unpacking.lock().unwrap_or_else(PoisonError::into_inner);
        let here = readings.iter().enumerate().filter(|(_, reading)| reading.path == path && reading.next <= seq);
        let index = here.max_by_key(|(_, reading)| reading.next)?.0;
        Some(readings.remove(index))
    }

    fn lay_down(&self, reading: Reading) {
        let mut readings = self.unpacking.lock().unwrap_or_else(PoisonError::into_inner);
        if readings.len() >= UNPACKING {
            readings.remove(0);
        }
        readings.push(reading);
    }

    /// The nearest known place at or before record `seq` of a segment.
    fn find(&self, path: &Path, seq: Seq) -> Option<(Seq, u64)> {
        let places = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        let here = places.iter().filter(|(file, known, _)| file == path && *known <= seq);
        let end = here.max_by_key(|(_, known, _)| *known).map(|(_, known, at)| (*known, *at));
        let sparse = self.sparse.lock().unwrap_or_else(PoisonError::into_inner);
        let near = sparse.range(..=seq).next_back().filter(|(_, (file, _))| file == path).map(|(known, (_, at))| (*known, *at));
        end.max(near)
    }

    fn pass(&self, path: &Path, seq: Seq, at: u64) {
        let mut sparse = self.sparse.lock().unwrap_or_else(PoisonError::into_inner);
        if sparse.len() >= SPARSE {
            // The oldest, which goes to the archive first.
            sparse.pop_first();
        }
        sparse.insert(seq, (path.to_owned(), at));
    }

    fn note(&self, path: &Path, seq: Seq, at: u64) {
        let mut places = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= PLACES {
            places.remove(0);
        }
        places.push((path.to_owned(), seq, at));
    }
}

/// Segments that went to the archive longer ago are not told again, so that no reader has years to go through. A webhook's retries and a
/// weekend's outage are well within it.
const TOLD_FROM_ARCHIVE: Duration = Duration::from_secs(14 * 86_400);
/// Archived segments that are being read, each as far as a reader has come: nobody unpacks the same part twice to go on.
const UNPACKING: usize = 4;
/// A segment may be archived between the look at the directory and the reading of it; then it is looked again, so often.
const LOOKS: usize = 3;

/// What comes after record `after`. Blocking.
pub(super) fn from_journal(shared: &Shared, after: Seq, limit: usize) -> Result<Replay, StoreError> {
    for _ in 1..LOOKS {
        if let Some(found) = look(shared, after, limit, false)? {
            return Ok(found);
        }
    }
    look(shared, after, limit, true).map(|found| found.unwrap_or(Replay::Batches(Vec::new())))
}

/// The journal's segments and before them those of the archive that are told again, oldest first and without a hole between files.
fn segments(shared: &Shared) -> Result<Vec<Segment>, StoreError> {
    // The journal first: what leaves it meanwhile is in the archive already.
    let journal = scan::list(&journal_dir(&shared.dir))?;
    let archive = archive_dir(&shared.dir);
    let begins = journal.first().map_or(Seq::MAX, |segment| segment.first);
    let told = |segment: &Segment| {
        let made = std::fs::metadata(&segment.path).and_then(|metadata| metadata.modified());
        made.is_ok_and(|made| SystemTime::now().duration_since(made).unwrap_or_default() < TOLD_FROM_ARCHIVE)
    };
    let archived = scan::list_packed(&archive).unwrap_or_else(|error| {
        tracing::error!(%error, "the archive cannot be listed: what is in it is not told again");
        Vec::new()
    });
    let mut segments: Vec<_> = archived.into_iter().filter(|segment| segment.first < begins).collect();
    let old = segments.iter().rposition(|segment| !told(segment)).map_or(0, |last| last + 1);
    segments.drain(..old);
    segments.extend(journal);
    Ok(segments)
}

/// None when a segment went to the archive meanwhile and nothing was read before it; on the `last` look that is a gap.
fn look(shared: &Shared, after: Seq, limit: usize, last: bool) -> Result<Option<Replay>, StoreError> {
    let durable = shared.durable();
    let segments = segments(shared)?;
    let oldest = segments.first().map_or(durable + 1, |segment| segment.first);
    if after > durable || after + 1 < oldest {
        return Ok(Some(Replay::Gone { oldest }));
    }
    let mut page = Page { shared, expected: after + 1, durable, limit, told: Vec::new(), bytes: 0, resumes: None };
    let start = segments.iter().rposition(|segment| segment.first <= after + 1).unwrap_or(0);
    for (index, segment) in segments.iter().enumerate().skip(start) {
        if segment.first > page.expected && page.resumes.is_none() {
            page.resumes = Some(segment.first);
        }
        if page.is_full() {
            break;
        }
        match page.read(segment) {
            // Archived a moment ago, or removed from there.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if page.told.is_empty() && !last {
                    return Ok(None);
                }
                page.resumes = Some(segment.first + 1);
            }
            // What is gone from the archive must not hold up what is still there; the check of the chain says more.
            Err(error) if segment.packed => {
                tracing::error!(segment = %segment.path.display(), %error, "an archived segment does not read: what is in it is not told again");
                page.resumes = Some(segments.get(index + 1).map_or(durable + 1, |next| next.first));
            }
            other => other.at("read", &segment.path)?,
        }
    }
    match page.resumes.filter(|_| page.told.is_empty() && after < durable) {
        Some(oldest) => Ok(Some(Replay::Gone { oldest })),
        None => {
            let batches = page.told.iter().map(|told| told.reveal(&shared.keyring)).collect::<Result<_, _>>()?;
            Ok(Some(Replay::Batches(batches)))
        }
    }
}

struct Page<'a> {
    shared: &'a Shared,
    /// The record that comes next.
    expected: Seq,
    durable: Seq,
    limit: usize,
    told: Vec<Told>,
    bytes: usize,
    /// Records are missing here, by damage that an operator has accepted; this is the first one after them.
    resumes: Option<Seq>,
}

impl Page<'_> {
    fn is_full(&self) -> bool {
        self.expected > self.durable || self.told.len() >= self.limit || self.bytes >= REPLAY_BYTES || self.resumes.is_some()
    }

    fn read(&mut self, segment: &Segment) -> io::Result<()> {
        if segment.packed {
            let mut reading = match self.shared.places.take_up(&segment.path, self.expected) {
                Some(reading) => reading,
                None => Reading::unpack(segment)?,
            };
            self.frames(&mut reading)?;
            if self.is_full() && self.resumes.is_none() {
                self.shared.places.lay_down(reading);
            }
            return Ok(());
        }
        let (next, at) = self.shared.places.find(&segment.path, self.expected).unwrap_or((segment.first, HEADER as u64));
        let mut file = File::open(&segment.path)?;
        file.seek(SeekFrom::Start(at))?;
        let mut reading =
            Reading { path: segment.path.clone(), next, at, from: Box::new(file), data: Vec::new(), passed: Some(at) };
        if self.frames(&mut reading)? {
            self.shared.places.note(&segment.path, reading.next, reading.at);
        }
        Ok(())
    }

    /// Reads on until the page is full; whether it is.
    fn frames(&mut self, reading: &mut Reading) -> io::Result<bool> {
        let Reading { path, next, at, from: file, data, passed } = reading;
        let mut used = 0;
        while !self.is_full() {
            let Some(frame) = frame::decode(&data[used..]) else {
                data.drain(..used);
                used = 0;
                // A piece, or as much as the frame that begins here is long.
                let wanted = data.first_chunk::<4>().map_or(0, |length| u32::from_le_bytes(*length) as usize + FRAME);
                let room = wanted.min(frame::MAX_PAYLOAD + FRAME).saturating_sub(data.len()).max(PIECE);
                let read = file.by_ref().take(room as u64).read_to_end(data)?;
                if read == 0 || (wanted > FRAME && data.len() - read >= wanted) {
                    return Ok(false);
                }
                if frame::decode(data).is_none() && data.len() >= wanted.max(PIECE) {
                    // Space that was never written, or damage: the next segment tells.
                    return Ok(false);
                }
                continue;
            };
            if frame.seq > *next {
                self.resumes = Some(frame.seq);
                return Ok(false);
            }
            if frame.seq >= self.expected {
                self.take(&frame)?;
            }
            used += frame.length();
            *at += frame.length() as u64;
            *next = frame.seq + 1;
            if passed.is_some_and(|last| *at - last >= APART) {
                *passed = Some(*at);
                self.shared.places.pass(path, *next, *at);
            }
        }
        data.drain(..used);
        Ok(true)
    }

    fn take(&mut self, frame: &Frame<'_>) -> io::Result<()> {
        let ops = match frame.kind {
            Kind::LossAccepted => Vec::new(),
            Kind::Batch | Kind::Shredding => {
                decode_ops(frame.payload).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a record is none of ours"))?
            }
        };
        let (mut writes, mut shreds) = (Vec::with_capacity(ops.len()), Vec::new());
        for op in ops {
            let stored = |sealed, value: Vec<u8>| Some(Stored { sealed, bytes: Arc::from(value) });
            match op {
                Op::Put { key, value } => writes.push((key, stored(false, value))),
                Op::PutSealed { key, value } => writes.push((key, stored(true, value))),
                Op::Delete { key } => writes.push((key, None)),
                Op::Shred { scope, .. } => shreds.push(scope),
            }
        }
        let told = Told { seq: frame.seq, mark: mark(&frame.chain), writes, shreds };
        self.bytes += told.bytes();
        self.expected = frame.seq + 1;
        self.told.push(told);
        Ok(())
    }
}
