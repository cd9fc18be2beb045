//! Commands that are taken back before one byte of them was written: by their caller, by the clock, by a kill switch.

use std::sync::Arc;

use super::{
    Execution, Live, Trading,
    core::{Event, KeptBack},
    exposure::Effect,
};
use crate::{
    domain::{UnixMillis, ids::CommandId},
    store::StoreError,
};

impl Live {
    /// What it can do, for whatever would stop it while it waits to be sent or written. Where the account hedges, a deal that may close names a
    /// position, and closes it if it does anything; one on a netting account that nobody asked about may open, whatever it names, and can be
    /// placed again and judged then.
    pub(super) fn effect_as_it_waits(&self) -> Effect {
        match self.effect() {
            Effect::MayReduce if self.hedges => Effect::Reduces,
            effect => effect,
        }
    }
}

impl Trading {
    /// Asks that a command not happen; none if it is over, or gone. One that was not written yet is taken back, and certainly never
    /// happens; about any other the instance that it is bound to is asked, and what came of it is in the updates.
    ///
    /// # Errors
    /// The store's.
    pub async fn cancel(&self, id: CommandId) -> Result<Option<Execution>, StoreError> {
        let live = self.inner.live().get(&id).cloned();
        let Some(live) = live else { return Ok(None) };
        let updates = live.updates.subscribe();
        let event = match live.recall.take_back() {
            true => Event::NotWritten { by: KeptBack::Caller, why: "cancelled before it was sent".to_owned() },
            false => Event::CancelRequested,
        };
        self.apply(&live, &event, None).await;
        Ok(Some(Execution { updates, replayed: false }))
    }

    /// Takes back what waits to be written and a kill switch that is on now forbids. When it returns, none of it is written any more; its
    /// records follow.
    pub(super) fn take_back_what_is_stopped(&self) {
        for live in self.live_where(|_| true) {
            let (key, line) = (live.updates.borrow().key, |key| self.inner.access.line_of(key));
            let why = match self.inner.kills.gate().stops(live.owner, &live.account, line(key), live.effect_as_it_waits()) {
                Some(switch) => format!("the kill switch of {} was set before it was written: {}", switch.scope, switch.reason),
                None => continue,
            };
            // What is not in the mailbox yet is judged at the gate.
            if live.recall.take_back_waiting() {
                self.end_taken_back(live, KeptBack::Hub, why);
            }
        }
    }

    /// Takes a command back whose time is over; whether it did.
    pub(super) fn take_back_if_late(&self, live: &Arc<Live>, deadline: UnixMillis) -> bool {
        let late = self.inner.clock.steady() > deadline && live.recall.take_back_waiting();
        if late {
            let why = "its time was over before the terminal took it".to_owned();
            self.end_taken_back(Arc::clone(live), KeptBack::Clock, why);
        }
        late
    }

    fn end_taken_back(&self, live: Arc<Live>, by: KeptBack, why: String) {
        let trading = self.clone();
        self.inner.tasks.spawn(async move { trading.apply(&live, &Event::NotWritten { by, why }, None).await });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trading::core::tests::dispatched;

    fn waiting(position: u64, hedges: bool) -> Live {
        let mut record = dispatched().record;
        record.request.position = position;
        Live { hedges, effect: Effect::MayReduce, ..Arc::into_inner(Live::recorded(record)).unwrap() }
    }

    #[test]
    fn a_deal_that_names_a_position_surely_closes_it_only_where_the_account_hedges() {
        assert_eq!(waiting(7, true).effect_as_it_waits(), Effect::Reduces);
        assert_eq!(waiting(7, false).effect_as_it_waits(), Effect::MayReduce, "it may turn the position round");
        assert_eq!(waiting(0, false).effect_as_it_waits(), Effect::MayReduce);
        for (before, effect) in [(Some(1.0), Effect::Reduces), (None, Effect::Opens)] {
            let live = waiting(7, false);
            live.judge_late(before);
            assert_eq!((live.effect_as_it_waits(), live.before()), (effect, before), "what was found at its send is kept");
        }
    }
}
