//! The newest state of each thing that is followed, put into words once for all its readers.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
};

use bytes::Bytes;
use serde_json::Value;

use super::{
    topic::Want,
    words::{self, Encoding},
};
use crate::{domain::ids::OwnerId, market::feed::State, telemetry::metrics::Metrics};

/// A state with its number and its frames.
#[derive(Debug)]
pub(super) struct Numbered {
    pub(super) seq: u64,
    state: Arc<State>,
    frames: [OnceLock<Bytes>; 3],
}

impl Numbered {
    /// In an encoding, written at the first call.
    pub(super) fn frame(&self, want: &Want, encoding: Encoding, metrics: &Metrics) -> Bytes {
        let write = || encoding.write(&self.message(want, &|_| true), None, metrics);
        self.frames[encoding.index()].get_or_init(write).clone()
    }

    /// For a reader who may not see every symbol.
    pub(super) fn message(&self, want: &Want, shows: &dyn Fn(&str) -> bool) -> Value {
        words::state(want, self.seq, &self.state, shows)
    }
}

/// One thing that is followed.
#[derive(Debug, Default)]
pub(super) struct Shared {
    newest: Mutex<Option<Arc<Numbered>>>,
}

impl Shared {
    /// The newest state. `latest` is asked under the lock, so that no reader is ever given an older one than another was before.
    pub(super) fn newest(&self, latest: impl FnOnce() -> Option<Arc<State>>) -> Option<Arc<Numbered>> {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let state = latest()?;
        match newest.as_ref() {
            Some(known) if Arc::ptr_eq(&known.state, &state) => {}
            known => {
                let seq = known.map_or(1, |known| known.seq + 1);
                *newest = Some(Arc::new(Numbered { seq, state, frames: Default::default() }));
            }
        }
        newest.clone()
    }
}

/// All that is followed, of every owner; each as long as somebody does.
#[derive(Debug, Default)]
pub(super) struct States {
    shared: Mutex<HashMap<(OwnerId, Want), Weak<Shared>>>,
}

/// Above so many, those that nobody follows any more are dropped.
const SWEEP: usize = 1_024;

impl States {
    pub(super) fn of(&self, owner: OwnerId, want: &Want) -> Arc<Shared> {
        let mut all = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (owner, want.clone());
        if let Some(shared) = all.get(&key).and_then(Weak::upgrade) {
            return shared;
        }
        if all.len() >= SWEEP {
            all.retain(|_, shared| shared.strong_count() > 0);
        }
        let shared = Arc::new(Shared::default());
        all.insert(key, Arc::downgrade(&shared));
        shared
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{UnixMillis, account::Account},
        market::{broker_time::BrokerClock, feed::Trouble},
    };

    fn state(at: i64) -> Arc<State> {
        let clock = BrokerClock::measured(0, 0);
        Arc::new(State { at: UnixMillis(at), value: None, clock, trouble: Some(Trouble::Offline) })
    }

    #[test]
    fn a_thousand_readers_share_a_frame_and_a_slow_one_gets_only_the_newest() {
        let (states, metrics) = (States::default(), Metrics::new());
        let account = Account::new(1, "Demo").unwrap();
        let want = Want::positions(account);
        let fast = states.of(OwnerId::SELF, &want);
        let slow = states.of(OwnerId::SELF, &want);
        let mut numbers = Vec::new();
        for at in 1..=3 {
            let newest = state(at);
            for _ in 0..1_000 {
                let told = fast.newest(|| Some(Arc::clone(&newest))).unwrap();
                assert!(!told.frame(&want, Encoding::Json, &metrics).is_empty());
                numbers.push(told.seq);
            }
            assert_eq!(slow.newest(|| Some(Arc::clone(&newest))).unwrap().seq, u64::try_from(at).unwrap());
        }
        numbers.dedup();
        assert_eq!(numbers, [1, 2, 3], "each change has a number");
        assert_eq!(metrics.stream_frames_written.get_or_create(&[("encoding", "json")]).get(), 3, "written once each");
        assert!(!Arc::ptr_eq(&states.of(OwnerId::from_bytes([1; 16]), &want), &fast), "never another owner's");
    }
}
