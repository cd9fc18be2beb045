//! The newest events in memory, with the frames that readers share.

use std::{
    collections::VecDeque,
    ops::Deref,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;

use crate::{
    domain::event::{Event, end_of},
    store::{SealScope, Seq, records},
};

/// Events kept, by number and by bytes of the records that they came from; they take about four times as much in memory.
const EVENTS: usize = 8_192;
const BYTES: usize = 4 << 20;
/// Marks of batches kept, four bytes each.
const MARKS: usize = 65_536;

/// An event as it is handed out: the same one to everybody, so that it is written once for each encoding.
#[derive(Debug)]
pub struct Told {
    event: Event,
    /// What the store says of the event's batch and all before it.
    pub mark: u32,
    bytes: usize,
    frames: [OnceLock<Bytes>; 6],
}

impl Told {
    pub(super) fn new(event: Event, mark: u32, bytes: usize) -> Self {
        Self { event, mark, bytes, frames: Default::default() }
    }

    /// The event in the encoding number `encoding`, which is written at the first call; the encodings for people are numbered apart.
    pub fn frame(&self, encoding: usize, write: impl FnOnce() -> Bytes) -> Bytes {
        self.frames.get(encoding).map_or_else(Bytes::new, |frame| frame.get_or_init(write).clone())
    }
}

impl Deref for Told {
    type Target = Event;
    fn deref(&self) -> &Event {
        &self.event
    }
}

/// Every event after a place, up to the last batch that was looked at.
#[derive(Debug, Default)]
pub(super) struct Ring {
    events: VecDeque<Arc<Told>>,
    bytes: usize,
    /// Every later event is here.
    after: u64,
    /// The last batch that was looked at, and the marks of those before it.
    pub(super) head: Seq,
    marks: VecDeque<u32>,
}

impl Ring {
    /// Begins anew: knows of nothing up to this batch.
    pub(super) fn restart(&mut self, head: Seq) {
        // There is no batch 0, and so nothing before the first.
        *self = Self { after: if head == 0 { 0 } else { end_of(head) }, head, ..Self::default() };
    }

    /// Takes in the next batch.
    pub(super) fn push(&mut self, seq: Seq, mark: u32, events: Vec<Arc<Told>>, forgets: &[SealScope]) {
        if !forgets.is_empty() {
            let forgotten =
                |told: &Told| told.account.as_ref().is_some_and(|account| forgets.contains(&records::scope(told.owner, account)));
            self.events.retain(|told| !forgotten(told));
            self.bytes = self.events.iter().map(|told| told.bytes).sum();
        }
        self.bytes += events.iter().map(|told| told.bytes).sum::<usize>();
        self.events.extend(events);
        self.head = seq;
        self.marks.push_back(mark);
        if self.marks.len() > MARKS {
            self.marks.pop_front();
        }
        while self.events.len() > EVENTS || self.bytes > BYTES {
            let Some(oldest) = self.events.pop_front() else { break };
            self.bytes -= oldest.bytes;
            self.after = oldest.seq;
        }
    }

    /// The events after `cursor`; none when older ones than are here are asked for.
    pub(super) fn after(&self, cursor: u64, limit: usize) -> Option<Vec<Arc<Told>>> {
        if cursor < self.after {
            return None;
        }
        let first = self.events.partition_point(|told| told.seq <= cursor);
        Some(self.events.range(first..).take(limit).cloned().collect())
    }

    /// The mark of a batch, if it is remembered.
    pub(super) fn mark_of(&self, seq: Seq) -> Option<u32> {
        let back = usize::try_from(self.head.checked_sub(seq)?).ok()?;
        self.marks.len().checked_sub(back + 1).and_then(|at| self.marks.get(at)).copied()
    }
}
