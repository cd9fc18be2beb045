//! How much one account may have recorded: a terminal cannot fill the disk.

use tokio::time::Instant;

/// Rows at once: weeks of a busy account.
const BURST: f64 = 50_000.0;
/// Rows a second in the long run: far above what a broker lets anybody trade.
const PER_SECOND: f64 = 5.0;
/// An exceeded budget is told so often, seconds.
const TOLD_EVERY_S: f64 = 60.0;

/// A bucket that fills slowly.
#[derive(Debug)]
pub(super) struct Budget {
    left: f64,
    at: Instant,
    refused: u64,
    told: Option<Instant>,
}

impl Budget {
    pub(super) fn full(now: Instant) -> Self {
        Self { left: BURST, at: now, refused: 0, told: None }
    }

    /// Takes one row's worth. False when there is none left.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        self.left = (self.left + (now - self.at).as_secs_f64() * PER_SECOND).min(BURST);
        self.at = now;
        if self.left < 1.0 {
            self.refused += 1;
            return false;
        }
        self.left -= 1.0;
        true
    }

    /// How many were refused since this was last told, if it is time to tell.
    pub(super) fn refused(&mut self, now: Instant) -> Option<u64> {
        let due = self.told.is_none_or(|told| (now - told).as_secs_f64() >= TOLD_EVERY_S);
        if self.refused == 0 || !due {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.refused))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_stopped_and_told_once_and_the_bucket_fills_again() {
        let mut budget = Budget::full(Instant::now());
        let taken = (0..60_000).filter(|_| budget.take(Instant::now())).count();
        assert_eq!(taken, 50_000);
        assert_eq!(budget.refused(Instant::now()), Some(10_000));
        assert!(!budget.take(Instant::now()));
        assert_eq!(budget.refused(Instant::now()), None, "once a minute is enough");
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(budget.refused(Instant::now()), Some(1));
        assert_eq!((0..1_000).filter(|_| budget.take(Instant::now())).count(), 300);
    }
}
