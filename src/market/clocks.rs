//! The clock of every account's trade server: as the settings have it, or worked out from what its terminal measures and from the weekly
//! openings of its bars. What was worked out is noted beside the cached bars, so that they can be told in UTC while the terminal is away.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    broker_time::BrokerClock,
    holder,
    weekly_open::{rule_of, weekly_opens},
};
use crate::{
    config::{Dst, ServerClock},
    domain::{account::Account, ids::OwnerId, market::Bar},
    hub::SessionHandle,
    store::cache::BarCache,
};

/// What is known of one account's server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    /// The last measurement: broker time, and its offset from UTC in seconds.
    broker_time: i64,
    offset_s: i32,
    /// What weekly openings have shown.
    rule: Option<Dst>,
}

/// A clock must be dated anew in a note only when it says something else by then; the measurement's own time hardly matters.
const DATED: i64 = 7 * 86_400;

/// Clocks of all accounts. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Clocks {
    configured: Arc<BTreeMap<String, ServerClock>>,
    cache: Arc<BarCache>,
    known: Arc<Mutex<HashMap<String, Known>>>,
}

impl Clocks {
    /// Takes up what was noted. Blocks for a moment.
    #[must_use]
    pub fn open(configured: BTreeMap<String, ServerClock>, cache: Arc<BarCache>) -> Self {
        let noted = cache.notes().into_iter().filter_map(|(name, note)| Some((name, Known::decode(&note)?)));
        let known = Arc::new(Mutex::new(noted.collect()));
        Self { configured: Arc::new(configured), cache, known }
    }

    /// The clock of a live terminal's server.
    #[must_use]
    pub fn live(&self, session: &SessionHandle) -> BrokerClock {
        if let Some(rule) = self.configured.get(&session.account().server) {
            return BrokerClock::configured(*rule);
        }
        let (broker_time, offset_s) = session.measured_offset();
        let rule = self.known().get(&holder(session.owner(), session.account())).and_then(|known| known.rule);
        Known { broker_time, offset_s, rule }.clock()
    }

    /// The clock of a server whose terminal is away, if it is configured or was noted.
    #[must_use]
    pub fn offline(&self, owner: OwnerId, account: &Account) -> Option<BrokerClock> {
        if let Some(rule) = self.configured.get(&account.server) {
            return Some(BrokerClock::configured(*rule));
        }
        self.known().get(&holder(owner, account)).map(|known| known.clock())
    }

    /// Learns from bars of one symbol, oldest first, and notes what is known now.
    pub(super) async fn learn(&self, session: &SessionHandle, bars: &[Bar]) {
        let (broker_time, offset_s) = session.measured_offset();
        let shown = rule_of(&weekly_opens(bars), broker_time, offset_s);
        let name = holder(session.owner(), session.account());
        if let (Some(configured), Some(shown)) = (self.configured.get(&session.account().server), shown)
            && BrokerClock::following(shown, broker_time, offset_s).rule() != *configured
        {
            tracing::warn!(
                server = session.account().server,
                ?configured,
                ?shown,
                "weekly openings contradict the configured clock"
            );
        }
        let note = {
            let mut all = self.known();
            let before = all.get(&name).copied();
            let now = Known { broker_time, offset_s, rule: shown.or(before.and_then(|known| known.rule)) };
            let same = |before: Known| {
                (before.offset_s, before.rule) == (offset_s, now.rule) && (broker_time - before.broker_time).abs() < DATED
            };
            if before.is_some_and(same) {
                return;
            }
            if before.is_some_and(|before| before.rule.is_some() && before.rule != now.rule) {
                tracing::warn!(account = %session.account(), ?before, ?now, "weekly openings show another summer time than before");
            }
            all.insert(name.clone(), now);
            now.encode()
        };
        let cache = Arc::clone(&self.cache);
        // Lost, it is measured again.
        let _ = tokio::task::spawn_blocking(move || cache.note(&name, &note)).await;
    }

    /// Forgets an account.
    pub(super) fn forget(&self, holder: &str) {
        self.known().remove(holder);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn clock(self) -> BrokerClock {
        match self.rule {
            Some(dst) => BrokerClock::following(dst, self.broker_time, self.offset_s),
            None => BrokerClock::measured(self.broker_time, self.offset_s),
        }
    }

    /// `broker_time i64 · offset i32 · rule u8`, big-endian.
    fn encode(self) -> [u8; 13] {
        let rule = match self.rule {
            None => 0,
            Some(Dst::Us) => 1,
            Some(Dst::Eu) => 2,
            Some(Dst::None) => 3,
        };
        let mut note = [rule; 13];
        note[..8].copy_from_slice(&self.broker_time.to_be_bytes());
        note[8..12].copy_from_slice(&self.offset_s.to_be_bytes());
        note
    }

    fn decode(note: &[u8]) -> Option<Self> {
        let (time, rest) = note.split_first_chunk::<8>()?;
        let (offset, rest) = rest.split_first_chunk::<4>()?;
        let rule = match rest {
            [0] => None,
            [1] => Some(Dst::Us),
            [2] => Some(Dst::Eu),
            [3] => Some(Dst::None),
            _ => return None,
        };
        Some(Self { broker_time: i64::from_be_bytes(*time), offset_s: i32::from_be_bytes(*offset), rule })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_reads_back() {
        for rule in [None, Some(Dst::Us), Some(Dst::Eu), Some(Dst::None)] {
            let known = Known { broker_time: 1_710_000_000, offset_s: -18_000, rule };
            assert_eq!(Known::decode(&known.encode()), Some(known));
        }
        assert_eq!(Known::decode(&[0; 12]), None);
        assert_eq!(Known::decode(&[9; 13]), None);
    }
}
