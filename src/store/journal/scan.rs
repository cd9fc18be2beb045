//! Reading the journal: is it whole, where does it end, and what does it say.
//!
//! Nothing here writes. Every record is checked (CRC, sequence, chain), also those of old segments: a journal that
//! cannot vouch for its past is no truth to start from. Segments are first checked side by side, each against its own header
//! ([`whole`]); whatever is not in order there is read once more by the [`Reader`], which knows what damage means.

use std::path::{Path, PathBuf};

use super::frame::{self, BadHeader, Chain, Frame, GENESIS, HEADER, Header, Kind};
use super::whole;
use crate::store::disk::{self, Context as _};
use crate::store::{Seq, StoreError};

/// One segment file. Its name is the number of its first record.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    pub(crate) first: Seq,
    /// Compressed: out of the archive.
    pub(crate) packed: bool,
}

impl Segment {
    /// Its bytes, into `buffer`.
    pub(crate) fn read(&self, buffer: &mut Vec<u8>) -> Result<(), StoreError> {
        buffer.clear();
        let reading = std::fs::File::open(&self.path).and_then(|mut file| match self.packed {
            true => zstd::stream::copy_decode(file, &mut *buffer),
            false => std::io::Read::read_to_end(&mut file, buffer).map(drop),
        });
        reading.at("read", &self.path)
    }
}

/// Where the records to be read begin.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Base {
    /// With the first of a store's life, or as `Known` says when older ones were archived.
    Start,
    /// Everything up to record `seq`, after which the chain was `chain`, is kept elsewhere: in an export.
    Known { seq: Seq, chain: Chain },
    /// Wherever the first segment begins. What was before it is not there.
    Wherever,
}

/// Records that were durable once and cannot be read: numbers `first` to `last`.
#[derive(Debug, Clone)]
pub(crate) struct Gap {
    pub(crate) first: Seq,
    pub(crate) last: Seq,
    path: PathBuf,
    pub(crate) offset: u64,
    what: &'static str,
}

/// What a reading found.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) segments: Vec<Segment>,
    /// Number of the last good record; 0 for an empty journal.
    pub(crate) last_seq: Seq,
    /// Chain after it.
    pub(crate) chain: Chain,
    /// Where the last segment's good part ends.
    pub(crate) end: u64,
    /// Bytes after `end` that were being written when the process or the machine stopped.
    pub(crate) torn_bytes: u64,
    /// Damage that nobody has accepted yet.
    pub(crate) gaps: Vec<Gap>,
    /// Segments whose header must be written again (only with an accepted loss).
    pub(crate) bad_headers: Vec<(Segment, Header)>,
}

impl Scan {
    /// Records lost for good, counting a bad header as one.
    pub(crate) fn lost(&self) -> u64 {
        self.gaps.iter().map(|gap| gap.last - gap.first + 1).sum::<u64>() + self.bad_headers.len() as u64
    }

    /// Refuses damage beyond what the operator accepted.
    pub(crate) fn judge(&self, accept_loss: u64) -> Result<(), StoreError> {
        let lost = self.lost();
        if lost <= accept_loss {
            return Ok(());
        }
        let (path, offset, what) = match (self.gaps.first(), self.bad_headers.first()) {
            (Some(gap), _) => (gap.path.clone(), gap.offset, format!("{} (records {} to {})", gap.what, gap.first, gap.last)),
            (None, Some((segment, _))) => (segment.path.clone(), 0, "the header is not whole".into()),
            (None, None) => return Ok(()),
        };
        Err(damaged(path, offset, &what, lost))
    }
}

/// The error for `lost` records, with the way out.
pub(crate) fn damaged(path: PathBuf, offset: u64, what: &str, lost: u64) -> StoreError {
    StoreError::Damaged {
        path,
        offset,
        detail: format!(
            "{what}; {lost} durable record(s) cannot be read. Restore the data directory from a backup, or start once with accept_loss = {lost} to go on without them"
        ),
    }
}

/// Reads `segments`, oldest first. `visit` sees each good record that is not a plain batch, in order.
pub(crate) fn scan(
    segments: Vec<Segment>,
    base: Base,
    mut visit: impl FnMut(&Frame<'_>) -> Result<(), StoreError>,
) -> Result<Scan, StoreError> {
    let mut reader = Reader::begin(&segments, base);
    let mut checked = whole::check_all(&segments, reader.anchor);
    let mut data = Vec::new();
    let mut found = Scan {
        segments: Vec::new(),
        last_seq: 0,
        chain: GENESIS,
        end: 0,
        torn_bytes: 0,
        gaps: Vec::new(),
        bad_headers: Vec::new(),
    };
    let mut accepted: Vec<(Seq, Seq)> = Vec::new();
    for (index, segment) in segments.iter().enumerate() {
        let newest = index + 1 == segments.len();
        let mut special = |frame: &Frame<'_>| {
            if frame.kind == Kind::LossAccepted {
                accepted.extend(decode_losses(frame.payload));
            }
            if frame.kind == Kind::Batch { Ok(()) } else { visit(frame) }
        };
        if let Some(whole) = checked[index].take().filter(|whole| reader.takes(&whole.header)) {
            whole.specials().try_for_each(|frame| special(&frame))?;
            reader.expected = whole.last + 1;
            reader.chain = whole.chain;
            reader.after_gap = false;
            found.end = whole.end;
            continue;
        }
        segment.read(&mut data)?;
        if let Some(header) = reader.enter(segment, &data)? {
            found.bad_headers.push((segment.clone(), header));
        }
        let end = reader.frames(segment, &data, newest, &mut special)?;
        if newest {
            found.end = end as u64;
            found.torn_bytes = frame::written(&data).saturating_sub(end) as u64;
        }
    }
    found.segments = segments;
    found.last_seq = reader.expected - 1;
    found.chain = reader.chain;
    found.gaps = reader.gaps;
    found.gaps.retain(|gap| !accepted.iter().any(|(first, last)| *first <= gap.first && gap.last <= *last));
    Ok(found)
}

/// Reads again the records with the numbers `from` to `to`, for a journal that [`scan`] found good (or accepted), or one that is being
/// written and is good up to `to`.
pub(crate) fn replay(
    segments: &[Segment],
    from: Seq,
    to: Seq,
    mut visit: impl FnMut(&Frame<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let start = segments.iter().rposition(|segment| segment.first <= from).unwrap_or(0);
    let Some(first) = segments.get(start) else { return Ok(()) };
    let mut reader = Reader { expected: first.first, chain: GENESIS, gaps: Vec::new(), after_gap: true, anchor: None };
    let mut data = Vec::new();
    for (index, segment) in segments.iter().enumerate().skip(start).take_while(|(_, segment)| segment.first <= to) {
        segment.read(&mut data)?;
        reader.enter(segment, &data)?;
        reader.frames(segment, &data, index + 1 == segments.len(), &mut |frame| {
            if (from..=to).contains(&frame.seq) { visit(frame) } else { Ok(()) }
        })?;
    }
    Ok(())
}

/// The segments of the journal in `dir`, oldest first.
pub(crate) fn list(dir: &Path) -> Result<Vec<Segment>, StoreError> {
    named(dir, ".log", false)
}

/// The segments of the archive in `dir`, oldest first.
pub(crate) fn list_packed(dir: &Path) -> Result<Vec<Segment>, StoreError> {
    named(dir, ".log.zst", true)
}

fn named(dir: &Path, suffix: &str, packed: bool) -> Result<Vec<Segment>, StoreError> {
    let names = disk::matching(dir, |name| name.ends_with(suffix)).at("list", dir)?;
    let mut segments = Vec::with_capacity(names.len());
    for name in names {
        let path = dir.join(&name);
        let first = name.strip_suffix(suffix).filter(|digits| digits.len() == 20).and_then(|digits| digits.parse().ok());
        let Some(first) = first else {
            return Err(StoreError::Damaged {
                path,
                offset: 0,
                detail: "this is no name of a journal segment; move the file away".into(),
            });
        };
        segments.push(Segment { path, first, packed });
    }
    Ok(segments)
}

/// Walks over frames and knows what must come next.
struct Reader {
    expected: Seq,
    chain: Chain,
    gaps: Vec<Gap>,
    /// The record before is missing, so the next one's chain cannot be checked and is taken as it stands.
    after_gap: bool,
    /// A record whose chain is known from elsewhere.
    anchor: Option<(Seq, Chain)>,
}

impl Reader {
    fn begin(segments: &[Segment], base: Base) -> Self {
        let mut reader = Self { expected: 1, chain: GENESIS, gaps: Vec::new(), after_gap: false, anchor: None };
        let first = segments.first().map_or(1, |segment| segment.first);
        match base {
            Base::Start => {}
            Base::Wherever => {
                reader.expected = first;
                reader.after_gap = first > 1;
            }
            Base::Known { seq, chain } => {
                reader.anchor = Some((seq, chain));
                if seq + 1 == first {
                    reader.expected = first;
                    reader.chain = chain;
                } else if first > 1 && seq >= first {
                    // The header says where the chain stood, and record `seq` will vouch for it.
                    reader.expected = first;
                    reader.after_gap = true;
                }
            }
        }
        reader
    }

    /// Whether a segment with this header comes next as it should.
    fn takes(&self, header: &Header) -> bool {
        header.first == self.expected && (self.after_gap || header.chain == self.chain)
    }

    /// Checks a segment's header against what came before; returns the header to write when it is bad.
    fn enter(&mut self, segment: &Segment, data: &[u8]) -> Result<Option<Header>, StoreError> {
        let header = match Header::decode(data) {
            Err(BadHeader::Newer(found)) => {
                return Err(StoreError::NewerFormat { found, supported: frame::VERSION, path: segment.path.clone() });
            }
            other => other.ok().filter(|header| header.first == segment.first),
        };
        if segment.first < self.expected {
            return Err(StoreError::Damaged {
                path: segment.path.clone(),
                offset: 0,
                detail: format!(
                    "its records from {} on are also in the segment before it; move the file that does not belong here away",
                    segment.first
                ),
            });
        }
        if segment.first > self.expected {
            self.gap(segment.first, segment, 0, "a segment before this one is missing, or ends too early");
        }
        match header {
            Some(header) if self.after_gap => {
                self.chain = header.chain;
                self.after_gap = false;
                Ok(None)
            }
            Some(header) if header.chain == self.chain => Ok(None),
            // Nothing that is left says what the chain was.
            None if self.after_gap && self.gaps.is_empty() => Err(StoreError::Damaged {
                path: segment.path.clone(),
                offset: 0,
                detail: "the header of the journal's first segment is not whole; restore the data directory from a backup".into(),
            }),
            _ => Ok(Some(Header { first: segment.first, chain: self.chain })),
        }
    }

    /// Reads the frames of one segment; returns where its good part ends.
    fn frames(
        &mut self,
        segment: &Segment,
        data: &[u8],
        newest: bool,
        visit: &mut dyn FnMut(&Frame<'_>) -> Result<(), StoreError>,
    ) -> Result<usize, StoreError> {
        let written = frame::written(data);
        let mut at = HEADER.min(data.len());
        loop {
            let rest = &data[at..];
            if let Some(frame) = frame::decode(rest).filter(|frame| self.fits(frame)) {
                if frame.seq > self.expected {
                    self.gap(frame.seq, segment, at, "records are missing here");
                }
                if self.anchor.is_some_and(|(seq, chain)| frame.seq == seq && frame.chain != chain) {
                    return Err(StoreError::Damaged {
                        path: segment.path.clone(),
                        offset: at as u64,
                        detail: format!(
                            "record {} is not the one that the export was made from; journal/ and export/ come from different backups, restore both from the same one",
                            frame.seq
                        ),
                    });
                }
                self.expected = frame.seq + 1;
                self.chain = frame.chain;
                self.after_gap = false;
                visit(&frame)?;
                at += frame.length();
            } else if at >= written {
                return Ok(at);
            } else {
                match self.resume(data, written, at, newest) {
                    Resume::Torn => return Ok(at),
                    Resume::At(next, seq) => {
                        self.gap(seq, segment, at, "the record here is not what was written");
                        at = next;
                    }
                    // An old segment's end: the next header shows how much is missing.
                    Resume::Nothing => return Ok(at),
                }
            }
        }
    }

    /// Whether this is the record that should come here, or one after a gap.
    fn fits(&self, frame: &Frame<'_>) -> bool {
        match frame.seq.cmp(&self.expected) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Equal => self.after_gap || frame.follows(&self.chain),
            std::cmp::Ordering::Greater => true,
        }
    }

    /// Looks for good records behind a bad one at `bad`, byte by byte. They begin before `written`, but a payload may end with zeros,
    /// and so behind it.
    fn resume(&self, data: &[u8], written: usize, bad: usize, newest: bool) -> Resume {
        let mut first = None;
        let mut proof = !newest;
        let mut at = bad + 1;
        while at < written && !(first.is_some() && proof) {
            match frame::decode(&data[at..]) {
                // The bad record itself may decode when only its chain is wrong, so it must be a later one.
                Some(frame) if frame.seq > self.expected => {
                    first.get_or_insert((at, frame.seq));
                    proof |= frame.durable_before() > self.expected;
                    at += frame.length();
                }
                _ => at += 1,
            }
        }
        match first {
            Some((at, seq)) if proof => Resume::At(at, seq),
            // Nothing shows that the bad record was ever synced: it was being written when the machine stopped.
            _ if newest => Resume::Torn,
            _ => Resume::Nothing,
        }
    }

    fn gap(&mut self, next: Seq, segment: &Segment, offset: usize, what: &'static str) {
        self.gaps.push(Gap { first: self.expected, last: next - 1, path: segment.path.clone(), offset: offset as u64, what });
        self.expected = next;
        self.after_gap = true;
    }
}

enum Resume {
    At(usize, Seq),
    Torn,
    Nothing,
}

/// Payload of [`Kind::LossAccepted`].
pub(super) fn encode_losses(losses: &[(Seq, Seq)]) -> Vec<u8> {
    losses.iter().flat_map(|(first, last)| [first.to_le_bytes(), last.to_le_bytes()]).flatten().collect()
}

pub(crate) fn decode_losses(payload: &[u8]) -> Vec<(Seq, Seq)> {
    let (pairs, _) = payload.as_chunks::<16>();
    pairs
        .iter()
        .filter_map(|pair| Some((u64::from_le_bytes(*pair.first_chunk()?), u64::from_le_bytes(*pair.last_chunk()?))))
        .collect()
}
