//! Several lists of the store read as one, in the order of what stands behind each list's prefix, from either end.

use std::collections::VecDeque;

use super::{Entry, Store, StoreError};

/// Entries read of one list in one step, at most and at least; the more lists, the fewer of each.
const STEP_MAX: usize = 500;
const STEP_MIN: usize = 32;

/// From which end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// Oldest first.
    #[default]
    Ascending,
    /// Newest first.
    Descending,
}

impl Direction {
    /// Of two places behind a prefix, the one that is told later: where a reader that must pass both begins.
    #[must_use]
    pub fn later<T: Ord>(self, one: Option<T>, other: Option<T>) -> Option<T> {
        match self {
            Self::Ascending => one.max(other),
            // None is no bound, and not the lowest.
            Self::Descending => [one, other].into_iter().flatten().min(),
        }
    }
}

/// One of the lists.
#[derive(Debug)]
struct Lane {
    prefix: Vec<u8>,
    /// The last key that was read; at first where to begin.
    from: Option<Vec<u8>>,
    read: VecDeque<(Vec<u8>, Entry)>,
    ended: bool,
}

/// Lists with entries of the same order under different prefixes. Not a snapshot, as [`Store::scan`] is none.
#[derive(Debug)]
pub struct Merged<'a> {
    store: &'a dyn Store,
    direction: Direction,
    lanes: Vec<Lane>,
    step: usize,
}

impl<'a> Merged<'a> {
    /// The lists under these prefixes, beginning behind `start` (exclusive), which is what stands behind the prefix, or the beginning of it.
    pub fn new(store: &'a dyn Store, direction: Direction, prefixes: Vec<Vec<u8>>, start: Option<&[u8]>) -> Self {
        let step = (STEP_MAX / prefixes.len().max(1)).max(STEP_MIN);
        let lanes = prefixes.into_iter().map(|prefix| {
            let from = start.map(|start| [prefix.as_slice(), start].concat());
            Lane { prefix, from, read: VecDeque::new(), ended: false }
        });
        Self { store, direction, lanes: lanes.collect(), step }
    }

    /// The next entry of all lists, and the number of its list. Of equal places the first list's comes first, and last
    /// from the other end, so that each order is the other one turned round.
    ///
    /// # Errors
    /// The store's.
    pub async fn next(&mut self) -> Result<Option<(usize, Vec<u8>, Entry)>, StoreError> {
        for lane in &mut self.lanes {
            if !lane.ended && lane.read.is_empty() {
                lane.fill(self.store, self.direction, self.step).await?;
            }
        }
        let heads = self.lanes.iter().enumerate().filter_map(|(number, lane)| lane.place().map(|place| (place, number)));
        let chosen = match self.direction {
            Direction::Ascending => heads.min_by_key(|(place, number)| (*place, *number)),
            Direction::Descending => heads.max_by_key(|(place, number)| (*place, *number)),
        };
        let Some(number) = chosen.map(|(_, number)| number) else { return Ok(None) };
        let next = self.lanes.get_mut(number).and_then(|lane| lane.read.pop_front());
        Ok(next.map(|(key, entry)| (number, key, entry)))
    }
}

impl Lane {
    async fn fill(&mut self, store: &dyn Store, direction: Direction, step: usize) -> Result<(), StoreError> {
        let page = match direction {
            Direction::Ascending => store.scan(&self.prefix, self.from.as_deref(), step).await?,
            Direction::Descending => store.scan_back(&self.prefix, self.from.as_deref(), step).await?,
        };
        self.ended = page.len() < step;
        if let Some((key, _)) = page.last() {
            self.from = Some(key.clone());
        }
        self.read = page.into();
        Ok(())
    }

    /// What stands behind the prefix of its next entry.
    fn place(&self) -> Option<&[u8]> {
        self.read.front().and_then(|(key, _)| key.get(self.prefix.len()..))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::store::{Batch, memory::MemoryStore};

    async fn read(store: &MemoryStore, direction: Direction, start: Option<&[u8]>) -> Vec<(usize, u8)> {
        let mut merged = Merged::new(store, direction, vec![b"a/".to_vec(), b"b/".to_vec()], start);
        let mut found = Vec::new();
        while let Some((lane, key, _)) = merged.next().await.unwrap() {
            found.push((lane, key[2]));
        }
        found
    }

    #[tokio::test]
    async fn two_lists_are_read_as_one_from_either_end() {
        let store = MemoryStore::default();
        let keys: [&[u8]; 5] = [b"a/\x01", b"a/\x04", b"b/\x02", b"b/\x04", b"c/\x03"];
        store.commit(keys.iter().fold(Batch::outcome(), |batch, key| batch.put(key.to_vec(), vec![1]))).await.unwrap();
        assert_eq!(read(&store, Direction::Ascending, None).await, [(0, 1), (1, 2), (0, 4), (1, 4)]);
        assert_eq!(read(&store, Direction::Descending, None).await, [(1, 4), (0, 4), (1, 2), (0, 1)]);
        assert_eq!(read(&store, Direction::Ascending, Some(&[2])).await, [(0, 4), (1, 4)]);
        assert_eq!(read(&store, Direction::Descending, Some(&[4])).await, [(1, 2), (0, 1)]);
    }

    #[tokio::test]
    async fn lists_longer_than_a_step_come_whole() {
        let store = MemoryStore::default();
        let keys = (0..700_u16).map(|n| [if n % 3 == 0 { b"a/" } else { b"b/" }.as_slice(), &n.to_be_bytes()].concat());
        store.commit(keys.fold(Batch::outcome(), |batch, key| batch.put(key, vec![1]))).await.unwrap();
        for direction in [Direction::Ascending, Direction::Descending] {
            let mut merged = Merged::new(&store, direction, vec![b"a/".to_vec(), b"b/".to_vec()], None);
            let mut found = Vec::new();
            while let Some((_, key, _)) = merged.next().await.unwrap() {
                found.push(u16::from_be_bytes([key[2], key[3]]));
            }
            let ascending = (0..700).collect::<Vec<u16>>();
            let right = if direction == Direction::Ascending { ascending } else { ascending.into_iter().rev().collect() };
            assert_eq!(found, right);
        }
    }

    #[test]
    fn a_reader_begins_behind_both_bounds() {
        assert_eq!(Direction::Ascending.later(Some(3), Some(5)), Some(5));
        assert_eq!(Direction::Ascending.later(None, Some(5)), Some(5));
        assert_eq!(Direction::Descending.later(Some(3), Some(5)), Some(3));
        assert_eq!(Direction::Descending.later(None, Some(5)), Some(5));
        assert_eq!(Direction::Descending.later::<u8>(None, None), None);
    }
}
