//! Failed logins, counted by account and address together: who guesses is stopped, and the user is not locked out from elsewhere.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::domain::UnixMillis;

/// So many failures in so long.
pub(super) const FAILURES: u32 = 5;
const WINDOW_MS: i64 = 15 * 60_000;
/// Pairs remembered; above it the oldest is forgotten.
const PAIRS: usize = 20_000;

#[derive(Debug, Default)]
pub(super) struct Attempts {
    failed: Mutex<HashMap<(String, IpAddr), Failed>>,
}

#[derive(Debug, Clone, Copy)]
struct Failed {
    since: UnixMillis,
    times: u32,
}

impl Attempts {
    /// Seconds until this pair may try again; none if it may now.
    pub(super) fn blocked(&self, login: &str, from: IpAddr, now: UnixMillis) -> Option<u64> {
        let failed = self.failed();
        let one = failed.get(&pair(login, from)).filter(|one| now.since(one.since) < WINDOW_MS && one.times >= FAILURES)?;
        u64::try_from(WINDOW_MS - now.since(one.since)).ok().map(|left| left.div_ceil(1_000))
    }

    /// Counts an attempt as failed until [`Self::forget`] says that it was not, so that many at once do not all get through. The answer is how
    /// many it makes, or the seconds to wait.
    pub(super) fn begin(&self, login: &str, from: IpAddr, now: UnixMillis) -> Result<u32, u64> {
        if let Some(seconds) = self.blocked(login, from, now) {
            return Err(seconds);
        }
        let mut failed = self.failed();
        let pair = pair(login, from);
        if failed.len() >= PAIRS && !failed.contains_key(&pair) {
            failed.retain(|_, one| now.since(one.since) < WINDOW_MS);
            let oldest = failed.iter().min_by_key(|(_, one)| one.since).map(|(pair, _)| pair.clone());
            if let Some(oldest) = oldest.filter(|_| failed.len() >= PAIRS) {
                failed.remove(&oldest);
            }
        }
        let one = failed.entry(pair).or_insert(Failed { since: now, times: 0 });
        if now.since(one.since) >= WINDOW_MS {
            *one = Failed { since: now, times: 0 };
        }
        // Looked at again under the lock that counts: who came at the same moment may have taken the last.
        if one.times >= FAILURES {
            return Err(u64::try_from(WINDOW_MS - now.since(one.since)).unwrap_or(0).div_ceil(1_000));
        }
        one.times += 1;
        Ok(one.times)
    }

    /// The password was right.
    pub(super) fn forget(&self, login: &str, from: IpAddr) {
        self.failed().remove(&pair(login, from));
    }

    fn failed(&self) -> MutexGuard<'_, HashMap<(String, IpAddr), Failed>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who has a /64 of IPv6 has one address.
fn pair(login: &str, from: IpAddr) -> (String, IpAddr) {
    let network = match from.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from(u128::from(address) & !u128::from(u64::MAX))),
        v4 => v4,
    };
    (login.chars().take(64).collect(), network)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_sixth_attempt_waits_out_the_quarter_of_an_hour_and_only_there() {
        let (attempts, here) = (Attempts::default(), ip("203.0.113.9"));
        for times in 1..=5 {
            assert_eq!(attempts.begin("anna", here, UnixMillis(1_000)), Ok(times));
        }
        assert_eq!(attempts.begin("anna", here, UnixMillis(2_000)), Err(899));
        assert_eq!(attempts.begin("anna", ip("203.0.113.10"), UnixMillis(2_000)), Ok(1), "she comes in from elsewhere");
        assert_eq!(attempts.begin("bert", here, UnixMillis(2_000)), Ok(1), "and others from there");
        assert_eq!(attempts.begin("anna", here, UnixMillis(901_000)), Ok(1));
    }

    #[test]
    fn a_right_password_forgets_the_wrong_ones_before_it() {
        let (attempts, here) = (Attempts::default(), ip("203.0.113.9"));
        for _ in 0..4 {
            attempts.begin("anna", here, UnixMillis(0)).unwrap();
        }
        assert_eq!(attempts.begin("anna", here, UnixMillis(0)), Ok(5));
        attempts.forget("anna", here);
        assert_eq!(attempts.begin("anna", here, UnixMillis(0)), Ok(1));
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let attempts = Attempts::default();
        for host in 1..=5 {
            attempts.begin("anna", ip(&format!("2001:db8::{host}")), UnixMillis(0)).unwrap();
        }
        assert!(attempts.begin("anna", ip("2001:db8::99"), UnixMillis(0)).is_err());
        assert!(attempts.begin("anna", ip("2001:db8:0:1::1"), UnixMillis(0)).is_ok());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let attempts = Attempts::default();
        for at in 0..PAIRS + 100 {
            let from = IpAddr::from(u32::try_from(at).unwrap().to_be_bytes());
            attempts.begin("anna", from, UnixMillis(i64::try_from(at).unwrap() % 1_000)).unwrap();
        }
        assert_eq!(attempts.failed().len(), PAIRS);
    }
}
