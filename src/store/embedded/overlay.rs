//! What is in the journal and not yet in the projection: small, in memory, newest first to be asked.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};

use crate::store::Seq;
use crate::store::journal::{Chain, Op};

/// A value as the disk has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    /// Ciphertext of `sealing`, else the value itself.
    pub(super) sealed: bool,
    pub(super) bytes: Arc<[u8]>,
}

/// What a key holds since batch `seq`; `None` is deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) seq: Seq,
    pub(super) stored: Option<Stored>,
}

/// Durable writes on their way to the projection, in order.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) slots: Vec<(Vec<u8>, Slot)>,
    /// Keys whose values, if they still can never be opened again, are removed from the projection. The journal knows nothing of it.
    pub(super) purge: Vec<Vec<u8>>,
    /// The last record of the group, and the chain after it. 0: it says nothing of what is in.
    pub(super) last: Seq,
    pub(super) chain: Chain,
    /// Bytes of the values, to bound how much is applied at once.
    pub(super) bytes: usize,
}

impl Group {
    /// Adds one record's operations. Shreds are carried out elsewhere, they change no key.
    pub(super) fn add(&mut self, seq: Seq, chain: Chain, ops: Vec<Op>) {
        self.add_slots(seq, ops);
        self.last = seq;
        self.chain = chain;
    }

    /// The same, without saying that the record is in.
    pub(super) fn add_slots(&mut self, seq: Seq, ops: Vec<Op>) {
        for op in ops {
            let (key, stored) = match op {
                Op::Put { key, value } => (key, Some(Stored { sealed: false, bytes: value.into() })),
                Op::PutSealed { key, value } => (key, Some(Stored { sealed: true, bytes: value.into() })),
                Op::Delete { key } => (key, None),
                Op::Shred { .. } => continue,
            };
            self.put(key, Slot { seq, stored });
        }
    }

    /// Adds what one key holds.
    pub(super) fn put(&mut self, key: Vec<u8>, slot: Slot) {
        self.bytes += key.len() + slot.stored.as_ref().map_or(0, |stored| stored.bytes.len());
        self.slots.push((key, slot));
    }
}

#[derive(Debug, Default)]
pub(super) struct Overlay(RwLock<BTreeMap<Vec<u8>, Slot>>);

impl Overlay {
    pub(super) fn get(&self, key: &[u8]) -> Option<Slot> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// Everything under `prefix` after `after`, ascending.
    pub(super) fn range(&self, prefix: &[u8], after: Option<&[u8]>) -> Vec<(Vec<u8>, Slot)> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let map = self.0.read().unwrap_or_else(PoisonError::into_inner);
        map.range::<[u8], _>((from, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(|(key, slot)| (key.clone(), slot.clone()))
            .collect()
    }

    /// Everything under `prefix` before `before`, descending.
    pub(super) fn range_back(&self, prefix: &[u8], before: Option<&[u8]>) -> Vec<(Vec<u8>, Slot)> {
        let mut all = self.range(prefix, None);
        all.retain(|(key, _)| before.is_none_or(|before| key.as_slice() < before));
        all.reverse();
        all
    }

    /// The highest key under `prefix`, deleted or not.
    pub(super) fn last(&self, prefix: &[u8]) -> Option<Vec<u8>> {
        let map = self.0.read().unwrap_or_else(PoisonError::into_inner);
        map.range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .last()
            .map(|(key, _)| key.clone())
    }

    /// Makes a durable group visible, all of it at once.
    pub(super) fn show(&self, group: &Group) {
        let mut map = self.0.write().unwrap_or_else(PoisonError::into_inner);
        map.extend(group.slots.iter().cloned());
    }

    /// Drops what the projection has now, unless a later batch wrote the key again.
    pub(super) fn drop_applied(&self, groups: &[Group]) {
        let mut map = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (key, slot) in groups.iter().flat_map(|group| &group.slots) {
            if map.get(key).is_some_and(|held| held.seq <= slot.seq) {
                map.remove(key);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len()
    }
}
