//! Where a series is complete: the stretches of time of which the cache holds every closed bar.

use crate::domain::UnixMillis;

/// A stretch of broker time, seconds, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First second.
    pub from: i64,
    /// Last second.
    pub to: i64,
}

impl Span {
    pub(super) fn contains(self, time: i64) -> bool {
        self.from <= time && time <= self.to
    }

    fn touches(self, other: Self) -> bool {
        self.from <= other.to.saturating_add(1) && other.from <= self.to.saturating_add(1)
    }
}

/// A stretch that is complete, and when a terminal last said something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Covered {
    /// The stretch.
    pub span: Span,
    /// When a terminal last confirmed or extended it.
    pub heard: UnixMillis,
}

/// All complete stretches of a series, oldest first, none touching the next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cover {
    /// Opening time of the oldest bar that the terminal can get, as last told; 0 if not known.
    pub oldest: i64,
    /// The stretches.
    pub spans: Vec<Covered>,
}

/// Most separate stretches of one series; above it the oldest are forgotten. Keeps the entry below 4 KiB.
pub(super) const MAX_SPANS: usize = 160;

impl Cover {
    /// The stretch that holds `time`.
    #[must_use]
    pub fn at(&self, time: i64) -> Option<Covered> {
        self.spans.iter().find(|covered| covered.span.contains(time)).copied()
    }

    /// Where the next stretch after `time` begins.
    #[must_use]
    pub fn next_after(&self, time: i64) -> Option<i64> {
        self.spans.iter().map(|covered| covered.span.from).find(|from| *from > time)
    }

    /// Where the last stretch before `time` ends.
    #[must_use]
    pub fn last_before(&self, time: i64) -> Option<i64> {
        self.spans.iter().rev().map(|covered| covered.span.to).find(|to| *to < time)
    }

    /// Adds a stretch; those that overlap or follow without a second between become one.
    pub(super) fn add(&mut self, added: Covered) {
        let (touching, apart): (Vec<_>, Vec<_>) = self.spans.iter().partition(|covered| covered.span.touches(added.span));
        let whole = touching.iter().fold(added, |whole, covered: &Covered| Covered {
            span: Span { from: whole.span.from.min(covered.span.from), to: whole.span.to.max(covered.span.to) },
            heard: whole.heard.max(covered.heard),
        });
        self.spans = apart;
        self.spans.push(whole);
        self.spans.sort_by_key(|covered| covered.span.from);
        let surplus = self.spans.len().saturating_sub(MAX_SPANS);
        self.spans.drain(..surplus);
    }

    /// Takes a stretch out.
    pub(super) fn remove(&mut self, gone: Span) {
        let rest = |covered: &Covered| {
            let Span { from, to } = covered.span;
            let before = Span { from, to: to.min(gone.from.saturating_sub(1)) };
            let after = Span { from: from.max(gone.to.saturating_add(1)), to };
            let heard = covered.heard;
            [before, after].into_iter().filter(|span| span.from <= span.to).map(move |span| Covered { span, heard })
        };
        self.spans = self.spans.iter().flat_map(rest).collect();
    }

    /// `oldest i64 · (from i64 · to i64 · heard i64)*`, big-endian.
    pub(super) fn encode(&self) -> Vec<u8> {
        let numbers = self.spans.iter().flat_map(|covered| [covered.span.from, covered.span.to, covered.heard.0]);
        std::iter::once(self.oldest).chain(numbers).flat_map(i64::to_be_bytes).collect()
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (numbers, rest) = bytes.as_chunks::<8>();
        let (oldest, numbers) = numbers.split_first()?;
        let (spans, odd) = numbers.as_chunks::<3>();
        let number = |bytes: &[u8; 8]| i64::from_be_bytes(*bytes);
        let covered = |[from, to, heard]: &[[u8; 8]; 3]| Covered {
            span: Span { from: number(from), to: number(to) },
            heard: UnixMillis(number(heard)),
        };
        (rest.is_empty() && odd.is_empty()).then(|| Self { oldest: number(oldest), spans: spans.iter().map(covered).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covered(from: i64, to: i64, heard: i64) -> Covered {
        Covered { span: Span { from, to }, heard: UnixMillis(heard) }
    }

    fn cover(spans: &[(i64, i64)]) -> Cover {
        let mut cover = Cover::default();
        spans.iter().for_each(|(from, to)| cover.add(covered(*from, *to, 1)));
        cover
    }

    #[test]
    fn stretches_are_bounded_and_the_oldest_are_forgotten() {
        let cover = cover(&(0..500).map(|n| (n * 10, n * 10 + 1)).collect::<Vec<_>>());
        assert_eq!(cover.spans.len(), MAX_SPANS);
        assert_eq!(cover.spans.last(), Some(&covered(4_990, 4_991, 1)));
        assert!(cover.encode().len() <= 4_096);
    }

    #[test]
    fn a_stretch_that_joins_others_takes_them_in_with_the_latest_time_they_were_heard() {
        let mut cover = cover(&[(0, 9), (20, 29), (40, 49)]);
        cover.add(covered(10, 20, 7));
        assert_eq!(cover.spans, [covered(0, 29, 7), covered(40, 49, 1)]);
        assert_eq!((cover.next_after(29), cover.last_before(40)), (Some(40), Some(29)));
    }

    #[test]
    fn what_is_taken_out_leaves_both_sides() {
        let mut cover = cover(&[(0, 99), (200, 299)]);
        cover.remove(Span { from: 50, to: 220 });
        assert_eq!(cover.spans, [covered(0, 49, 1), covered(221, 299, 1)]);
        cover.remove(Span { from: i64::MIN, to: i64::MAX });
        assert_eq!(cover.spans, []);
    }

    #[test]
    fn it_reads_back_and_refuses_other_lengths() {
        let cover = Cover { oldest: -5, ..cover(&[(0, 9), (20, 29)]) };
        let bytes = cover.encode();
        assert_eq!(Cover::decode(&bytes), Some(cover));
        assert_eq!(Cover::decode(&bytes[1..]), None);
        assert_eq!(Cover::decode(&[]), None);
    }
}
