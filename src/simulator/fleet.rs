//! Many terminals in one process, each findable by its account number.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, RwLock, atomic::Ordering},
};

use super::{Refused, SimulatedTerminal, SimulatorConfig};

/// Terminals by account number. What they share (bars, most of all) they share through their configurations.
#[derive(Debug, Default)]
pub struct Fleet(RwLock<BTreeMap<u64, Arc<Slot>>>);

/// One terminal, which may be stopped and started again.
#[derive(Debug)]
pub(super) struct Slot {
    config: SimulatorConfig,
    terminal: Mutex<Arc<SimulatedTerminal>>,
}

impl Slot {
    pub(super) fn terminal(&self) -> Arc<SimulatedTerminal> {
        self.terminal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) const fn config(&self) -> &SimulatorConfig {
        &self.config
    }

    /// As when the machine loses power and comes up again: no word to the hub, another EA instance, and the same broker, which is
    /// another machine. Without a state folder the EA's journal is lost.
    pub(super) async fn restart(&self) -> Result<(), Refused> {
        let old = self.terminal();
        old.shared.rude.store(true, Ordering::Release);
        old.shutdown.cancel();
        old.tasks.wait().await;
        let faults = old.faults();
        let switches = old.switches();
        let config = SimulatorConfig { broker: Some(old.broker()), faults, ..self.config.clone() };
        let fresh = SimulatedTerminal::start(config)?;
        fresh.set_switches(switches);
        *self.terminal.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
        Ok(())
    }
}

impl Fleet {
    /// Starts one more terminal; it connects by itself. One of the same account is replaced, and stops.
    ///
    /// # Errors
    /// [`Refused`] when its configuration or state folder cannot be used.
    pub fn add(&self, config: SimulatorConfig) -> Result<(), Refused> {
        let terminal = Mutex::new(Arc::new(SimulatedTerminal::start(config.clone())?));
        let login = config.account.login;
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(login, Arc::new(Slot { config, terminal }));
        Ok(())
    }

    /// The terminal of this account.
    #[must_use]
    pub fn terminal(&self, login: u64) -> Option<Arc<SimulatedTerminal>> {
        self.slot(login).map(|slot| slot.terminal())
    }

    pub(super) fn slot(&self, login: u64) -> Option<Arc<Slot>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&login).cloned()
    }

    pub(super) fn slots(&self) -> Vec<(u64, Arc<Slot>)> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|(login, slot)| (*login, slot.clone())).collect()
    }

    /// How many terminals are connected now.
    #[must_use]
    pub fn connected(&self) -> usize {
        self.slots().iter().filter(|(_, slot)| *slot.terminal().connected().borrow()).count()
    }

    /// Waits until every terminal was refused for good, and gives the last reason. Never, as long as one goes on.
    pub async fn all_refused(&self) -> Option<Refused> {
        let mut last = None;
        for (_, slot) in self.slots() {
            loop {
                let terminal = slot.terminal();
                let ended = terminal.ended().await;
                // It may have been started again meanwhile.
                if Arc::ptr_eq(&terminal, &slot.terminal()) {
                    last = ended.err().or(last);
                    break;
                }
            }
        }
        last
    }

    /// Stops them all, with a close frame each, and waits until they are gone.
    pub async fn stop(&self) {
        let slots = self.slots();
        slots.iter().for_each(|(_, slot)| slot.terminal().shutdown.cancel());
        for (_, slot) in slots {
            slot.terminal().tasks.wait().await;
        }
    }
}
