//! The time of day, and a time that never jumps.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::domain::UnixMillis;

/// Two clocks in one unit.
///
/// `wall` is what the system says and may jump; it dates records and judges expiry. `steady` starts at the wall clock's time and then
/// only counts; it judges deadlines and proofs of absence, which a jump must not shorten.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
    started_wall: UnixMillis,
}

impl Clock {
    /// Starts counting now.
    #[must_use]
    pub fn start() -> Self {
        Self { started: Instant::now(), started_wall: wall() }
    }

    /// The system's time of day, UTC.
    #[must_use]
    pub fn wall(&self) -> UnixMillis {
        wall()
    }

    /// How long it is until a moment of the steady clock; zero when it has passed.
    #[must_use]
    pub fn until(&self, moment: UnixMillis) -> Duration {
        Duration::from_millis(u64::try_from(moment.since(self.steady())).unwrap_or(0))
    }

    /// The time of day at the start plus what has passed since.
    #[must_use]
    pub fn steady(&self) -> UnixMillis {
        let passed = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.started_wall.plus_ms(passed)
    }
}

fn wall() -> UnixMillis {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixMillis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

/// Makes time-ordered 128-bit identifiers: 48 bits of wall clock, 80 random bits, counting up within one millisecond so that the
/// order of making is the order of the bytes.
#[derive(Debug, Default)]
pub struct Ids {
    last: std::sync::Mutex<u128>,
}

impl Ids {
    /// Goes on above `highest`, the highest identifier that was ever made: identifiers that went back with the system's clock would
    /// fall below what terminals have put behind them, and their commands would be refused until the time is reached again.
    #[must_use]
    pub fn above(highest: ulid::Ulid) -> Self {
        Self { last: std::sync::Mutex::new(highest.0) }
    }

    /// The next identifier; always above the one before, even when the clock steps back.
    ///
    /// # Errors
    /// [`crate::crypto::CryptoError::Random`].
    pub fn next(&self) -> Result<ulid::Ulid, crate::crypto::CryptoError> {
        let mut random = [0; 16];
        random[6..].copy_from_slice(&crate::crypto::random::<10>()?);
        let fresh = u128::from_be_bytes(random) | (u128::try_from(wall().0).unwrap_or(0) << 80);
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *last = if fresh >> 80 > *last >> 80 { fresh } else { last.saturating_add(1) };
        Ok(ulid::Ulid(*last))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn identifiers_go_on_above_the_highest_of_an_earlier_run_though_the_clock_was_set_back() {
        let future = ulid::Ulid::from_parts(u64::MAX >> 20, 7);
        let ids = super::Ids::above(future);
        let first = ids.next().unwrap();
        assert!(first > future && ids.next().unwrap() > first);
        let past = ulid::Ulid::from_parts(1, 7);
        assert!(super::Ids::above(past).next().unwrap().timestamp_ms() > 1_700_000_000_000, "else the clock is what counts");
    }

    #[test]
    fn identifiers_only_grow() {
        let ids = super::Ids::default();
        let made: Vec<_> = (0..1_000).map(|_| ids.next().unwrap()).collect();
        assert!(made.is_sorted_by(|a, b| a < b));
    }
}
