//! The past out of the journal, a page at a time, while it is being written. What is in the archive is not told again.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::Shared;
use super::layout::journal_dir;
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

/// Where records begin in their files: a page begins where the one before it ended, and need not read the segment up to there again.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<Vec<(PathBuf, Seq, u64)>>);

impl Places {
    /// The nearest known place at or before record `seq` of a segment.
    fn find(&self, path: &Path, seq: Seq) -> Option<(Seq, u64)> {
        let places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let here = places.iter().filter(|(file, known, _)| file == path && *known <= seq);
        here.max_by_key(|(_, known, _)| *known).map(|(_, known, at)| (*known, *at))
    }

    fn note(&self, path: &Path, seq: Seq, at: u64) {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= PLACES {
            places.remove(0);
        }
        places.push((path.to_owned(), seq, at));
    }
}

/// What comes after record `after`. Blocking.
pub(super) fn from_journal(shared: &Shared, after: Seq, limit: usize) -> Result<Replay, StoreError> {
    let durable = shared.durable();
    let segments = scan::list(&journal_dir(&shared.dir))?;
    let oldest = segments.first().map_or(durable + 1, |segment| segment.first);
    if after > durable || after + 1 < oldest {
        return Ok(Replay::Gone { oldest });
    }
    let mut page = Page { shared, expected: after + 1, durable, limit, told: Vec::new(), bytes: 0, resumes: None };
    let start = segments.iter().rposition(|segment| segment.first <= after + 1).unwrap_or(0);
    for segment in &segments[start..] {
        if segment.first > page.expected && page.resumes.is_none() {
            page.resumes = Some(segment.first);
        }
        if page.is_full() {
            break;
        }
        match page.read(segment) {
            // Archived a moment ago.
            Err(error) if error.kind() == io::ErrorKind::NotFound => page.resumes = Some(segment.first + 1),
            other => other.at("read", &segment.path)?,
        }
    }
    match page.resumes.filter(|_| page.told.is_empty() && after < durable) {
        Some(oldest) => Ok(Replay::Gone { oldest }),
        None => page.told.iter().map(|told| told.reveal(&shared.keyring)).collect::<Result<_, _>>().map(Replay::Batches),
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
        let (mut next, mut at) = self.shared.places.find(&segment.path, self.expected).unwrap_or((segment.first, HEADER as u64));
        let mut file = File::open(&segment.path)?;
        file.seek(SeekFrom::Start(at))?;
        let (mut data, mut used) = (Vec::new(), 0);
        while !self.is_full() {
            let Some(frame) = frame::decode(&data[used..]) else {
                data.drain(..used);
                used = 0;
                // A piece, or as much as the frame that begins here is long.
                let wanted = data.first_chunk::<4>().map_or(0, |length| u32::from_le_bytes(*length) as usize + FRAME);
                let room = wanted.min(frame::MAX_PAYLOAD + FRAME).saturating_sub(data.len()).max(PIECE);
                let read = (&mut file).take(room as u64).read_to_end(&mut data)?;
                if read == 0 || (wanted > FRAME && data.len() - read >= wanted) {
                    return Ok(());
                }
                if frame::decode(&data).is_none() && data.len() >= wanted.max(PIECE) {
                    // Space that was never written, or damage: the next segment tells.
                    return Ok(());
                }
                continue;
            };
            if frame.seq > next {
                self.resumes = Some(frame.seq);
                return Ok(());
            }
            if frame.seq >= self.expected {
                self.take(&frame)?;
            }
            used += frame.length();
            at += frame.length() as u64;
            next = frame.seq + 1;
        }
        self.shared.places.note(&segment.path, next, at);
        Ok(())
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
