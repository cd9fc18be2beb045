//! The newest batches in memory, as the disk has them, so that whoever follows the store reads no file.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{PoisonError, RwLock};

use super::overlay::{Slot, Stored};
use crate::store::journal::Chain;
use crate::store::sealing::{Keyring, Opened};
use crate::store::{Committed, REPLAY_BYTES, SealScope, Seq, StoreError, Written};

/// Batches kept, by number and by bytes.
const BATCHES: usize = 4_096;
const BYTES: usize = 4 << 20;

/// A batch that is durable. Sealed values stay sealed until somebody asks, so that what is forgotten meanwhile is never told.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) seq: Seq,
    pub(super) mark: u32,
    pub(super) writes: Vec<(Vec<u8>, Option<Stored>)>,
    pub(super) shreds: Vec<[u8; 32]>,
}

impl Told {
    pub(super) fn new(seq: Seq, chain: &Chain, slots: &[(Vec<u8>, Slot)], shreds: Vec<[u8; 32]>) -> Self {
        let writes = slots.iter().map(|(key, slot)| (key.clone(), slot.stored.clone())).collect();
        Self { seq, mark: mark(chain), writes, shreds }
    }

    /// With its values opened.
    pub(super) fn reveal(&self, keyring: &Keyring) -> Result<Committed, StoreError> {
        let mut writes = Vec::with_capacity(self.writes.len());
        for (key, stored) in &self.writes {
            let written = match stored {
                None => Written::Delete,
                Some(stored) if !stored.sealed => Written::Put(stored.bytes.to_vec()),
                Some(stored) => match keyring.open_value(key, &stored.bytes) {
                    Opened::Plain(value) => Written::Put(value),
                    Opened::Forgotten => Written::Forgotten,
                    Opened::Damaged => {
                        let detail = format!(
                            "record {} does not fit its key; restore keys/ and the journal from the same backup",
                            self.seq
                        );
                        return Err(StoreError::Damaged { path: PathBuf::from("journal"), offset: 0, detail });
                    }
                },
            };
            writes.push((key.clone(), written));
        }
        let forgets = self.shreds.iter().map(|digest| SealScope::of_digest(*digest)).collect();
        Ok(Committed { seq: self.seq, mark: self.mark, writes, forgets })
    }

    pub(super) fn bytes(&self) -> usize {
        let of = |(key, stored): &(Vec<u8>, Option<Stored>)| key.len() + stored.as_ref().map_or(0, |stored| stored.bytes.len());
        self.writes.iter().map(of).sum()
    }
}

/// The mark of a record after which the chain stands so.
pub(super) fn mark(chain: &Chain) -> u32 {
    let [a, b, c, d, ..] = *chain;
    u32::from_be_bytes([a, b, c, d])
}

/// Without a hole from its oldest to the last durable batch.
#[derive(Debug, Default)]
pub(super) struct Recent(RwLock<Kept>);

#[derive(Debug, Default)]
struct Kept {
    batches: VecDeque<Told>,
    bytes: usize,
}

impl Recent {
    pub(super) fn extend(&self, told: Vec<Told>) {
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        kept.bytes += told.iter().map(Told::bytes).sum::<usize>();
        kept.batches.extend(told);
        // The newest stays whatever its size.
        while kept.batches.len() > 1 && (kept.batches.len() > BATCHES || kept.bytes > BYTES) {
            let Some(oldest) = kept.batches.pop_front() else { break };
            kept.bytes -= oldest.bytes();
        }
    }

    /// What comes after `after`; none when some of it is only on the disk.
    pub(super) fn after(&self, after: Seq, limit: usize, keyring: &Keyring) -> Result<Option<Vec<Committed>>, StoreError> {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let Some(first) = kept.batches.front().map(|told| told.seq).filter(|first| *first <= after + 1) else { return Ok(None) };
        // Numbers have no hole, so the place is a subtraction.
        let skip = usize::try_from(after + 1 - first).unwrap_or(usize::MAX);
        if skip > kept.batches.len() {
            return Ok(None);
        }
        let (mut found, mut bytes) = (Vec::new(), 0);
        for told in kept.batches.iter().skip(skip).take(limit) {
            found.push(told.reveal(keyring)?);
            bytes += told.bytes();
            if bytes >= REPLAY_BYTES {
                break;
            }
        }
        Ok(Some(found))
    }
}
