//! The quick look at a start: segments that are in order as they stand, read and hashed on several threads at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::frame::{self, Chain, Frame, HEADER, Header, Kind};
use super::scan::Segment;
use crate::store::Seq;

/// Most threads that read at once; each holds one segment in memory.
const READERS_MAX: usize = 4;

/// A segment in which every record follows the one before, from its header to its end.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) header: Header,
    /// Its last record (the one before it, if it has none), and the chain after it.
    pub(super) last: Seq,
    pub(super) chain: Chain,
    /// Where its records end, bytes.
    pub(super) end: u64,
    specials: Vec<Special>,
}

/// A record that is no plain batch.
#[derive(Debug)]
struct Special {
    seq: Seq,
    kind: Kind,
    place: u16,
    chain: Chain,
    payload: Vec<u8>,
}

impl Whole {
    pub(super) fn specials(&self) -> impl Iterator<Item = Frame<'_>> {
        self.specials.iter().map(|special| Frame {
            seq: special.seq,
            kind: special.kind,
            place: special.place,
            chain: special.chain,
            payload: &special.payload,
        })
    }
}

/// Looks at all segments. `None` stands for one that does not read, or is not in order: the careful reader says what is wrong with it.
pub(super) fn check_all(segments: &[Segment], anchor: Option<(Seq, Chain)>) -> Vec<Option<Whole>> {
    let found: Vec<Mutex<Option<Whole>>> = segments.iter().map(|_| Mutex::new(None)).collect();
    let next = AtomicUsize::new(0);
    let read = || {
        let mut data = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(segment) = segments.get(index) else { return };
            if segment.read(&mut data).is_ok() {
                *found[index].lock().unwrap_or_else(PoisonError::into_inner) = check(segment, &data, anchor);
            }
        }
    };
    let readers = std::thread::available_parallelism().map_or(1, usize::from).min(READERS_MAX).min(segments.len());
    std::thread::scope(|scope| {
        for _ in 1..readers {
            scope.spawn(read);
        }
        read();
    });
    found.into_iter().map(|whole| whole.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
}

fn check(segment: &Segment, data: &[u8], anchor: Option<(Seq, Chain)>) -> Option<Whole> {
    let header = Header::decode(data).ok().filter(|header| header.first == segment.first)?;
    let mut whole = Whole { header, last: header.first - 1, chain: header.chain, end: HEADER as u64, specials: Vec::new() };
    let written = frame::written(data);
    let mut at = HEADER;
    while let Some(frame) = frame::decode(&data[at..]) {
        let anchored = anchor.is_none_or(|(seq, chain)| frame.seq != seq || frame.chain == chain);
        if frame.seq != whole.last + 1 || !frame.follows(&whole.chain) || !anchored {
            return None;
        }
        whole.last = frame.seq;
        whole.chain = frame.chain;
        at += frame.length();
        if frame.kind != Kind::Batch {
            let Frame { seq, kind, place, chain, payload } = frame;
            whole.specials.push(Special { seq, kind, place, chain, payload: payload.to_vec() });
        }
    }
    whole.end = at as u64;
    // Bytes behind the last record: torn, or damage.
    (at >= written).then_some(whole)
}
