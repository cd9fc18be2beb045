//! When to ping, when to give up, how long the answer took: pure timer state of one session.

use std::time::Duration;

use tokio::time::Instant;

/// Timer state of one session. Any frame counts as life; the round trip is measured from a ping to the next pong, one at a time,
/// because pings carry no payload (WinHTTP breaks on one).
#[derive(Debug)]
pub(super) struct Heartbeat {
    interval: Duration,
    dead_after: Duration,
    heard: Instant,
    next_ping: Instant,
    pinged: Option<Instant>,
    lease_until: Option<Instant>,
}

/// What the clock asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    Ping,
    Dead,
}

impl Heartbeat {
    /// `first` spreads the pings of many sessions over the interval.
    pub(super) fn new(interval: Duration, dead_after: Duration, first: Duration, now: Instant) -> Self {
        Self { interval, dead_after, heard: now, next_ping: now + first, pinged: None, lease_until: None }
    }

    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// The round trip, if this pong answers our ping.
    pub(super) fn pong(&mut self, now: Instant) -> Option<Duration> {
        self.pinged.take().map(|sent| now - sent)
    }

    /// Until then silence means that the terminal is inside `OrderSend`.
    pub(super) fn lease(&mut self, until: Option<Instant>) {
        self.lease_until = until;
    }

    /// When to look at the clock again.
    pub(super) fn wake_at(&self) -> Instant {
        self.next_ping.min(self.dead_at())
    }

    fn dead_at(&self) -> Instant {
        let silent = self.heard + self.dead_after;
        self.lease_until.map_or(silent, |lease| lease.max(silent))
    }

    pub(super) fn due(&mut self, now: Instant) -> Due {
        if now >= self.dead_at() {
            return Due::Dead;
        }
        if now < self.next_ping {
            return Due::Nothing;
        }
        self.next_ping = now + self.interval;
        if self.pinged.is_some() {
            return Due::Nothing;
        }
        self.pinged = Some(now);
        Due::Ping
    }

    /// A ping out of turn, for a newcomer that wants the same token.
    pub(super) fn ping_now(&mut self, now: Instant) {
        self.pinged = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn heartbeat(now: Instant) -> Heartbeat {
        Heartbeat::new(2 * SECOND, 5 * SECOND, SECOND, now)
    }

    #[test]
    fn silence_is_dead_after_its_time_and_not_before() {
        let start = Instant::now();
        let mut beat = heartbeat(start);
        assert_eq!(beat.due(start + SECOND), Due::Ping);
        assert_eq!(beat.due(start + 3 * SECOND), Due::Nothing, "one ping at a time");
        assert_eq!(beat.due(start + 5 * SECOND - Duration::from_millis(1)), Due::Nothing);
        assert!(beat.wake_at() <= start + 5 * SECOND);
        assert_eq!(beat.due(start + 5 * SECOND), Due::Dead);
    }

    #[test]
    fn any_frame_is_life_and_a_pong_gives_the_round_trip() {
        let start = Instant::now();
        let mut beat = heartbeat(start);
        assert_eq!(beat.due(start + SECOND), Due::Ping);
        beat.heard(start + 4 * SECOND);
        assert_eq!(beat.pong(start + 4 * SECOND), Some(3 * SECOND));
        assert_eq!(beat.pong(start + 4 * SECOND), None, "a pong nobody asked for says nothing");
        assert_ne!(beat.due(start + 8 * SECOND), Due::Dead);
    }

    #[test]
    fn inside_the_send_lease_silence_is_not_death() {
        let start = Instant::now();
        let mut beat = heartbeat(start);
        beat.lease(Some(start + 30 * SECOND));
        assert_ne!(beat.due(start + 29 * SECOND), Due::Dead);
        assert_eq!(beat.due(start + 30 * SECOND), Due::Dead);
    }
}
