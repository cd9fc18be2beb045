//! The one send of a command's life: what is looked at once more after the record, and the send itself.

use std::sync::Arc;

use tokio::{sync::oneshot, time::Instant};
use tracing::{Instrument as _, info};

use super::{
    FRESH, Live, Trading,
    core::{Event, KeptBack},
    exposure::Effect,
};
use crate::{
    domain::{command::CommandRecord, ids::KeyId},
    hub::{Place, SessionHandle},
    protocol::{codec::Row, message::Trade},
    store::records,
    telemetry::metrics::time,
};

/// A send that was not made, and why.
struct Kept {
    by: KeptBack,
    why: String,
    /// The place, if it was a kill switch, or the end of the login, that forbade what may after all only close.
    judge: Option<Place>,
}

impl Kept {
    fn by_hub(why: impl Into<String>) -> Self {
        Self { by: KeptBack::Hub, why: why.into(), judge: None }
    }

    fn by_clock() -> Self {
        Self { by: KeptBack::Clock, why: "its time was over before it could be sent".to_owned(), judge: None }
    }
}

impl Trading {
    /// Sends a command that is on the disk, through the place that was reserved before; or ends it, if it must not be sent any more.
    pub(super) async fn dispatch(&self, live: &Arc<Live>, record: &CommandRecord, session: &SessionHandle, place: Place) {
        // Held until its end is recorded, so that the next close of the same position is judged after it.
        let mut turn = None;
        let mut sent = self.send(live, record, session, place, live.effect());
        if let Err(Kept { judge, .. }) = &mut sent
            && let Some(place) = judge.take()
        {
            // The switch was raised, or the login ended, after the check, when nobody had asked what the deal does: what only closes is
            // never stopped by these.
            let judging = async {
                turn = Some(self.inner.turns.claim(records::account_commands(record.owner, &record.account)).await);
                self.only_closes(session, &record.request, Some(record.id)).await
            };
            sent = match tokio::time::timeout(self.inner.clock.until(record.deadline_at), judging).await {
                Ok(before) => self.send(live, record, session, place, live.judge_late(before)),
                Err(_) => Err(Kept::by_clock()),
            };
        }
        let begun = match sent {
            Ok(begun) => begun,
            Err(Kept { by, why, .. }) => {
                self.apply(live, &Event::NotWritten { by, why }, None).await;
                return drop(turn);
            }
        };
        info!(command = %record.id, session = %session.id(), account = %record.account, "command dispatched");
        let (trading, live, posted) = (self.clone(), Arc::clone(live), Instant::now());
        let watching = async move {
            if begun.await.is_ok() {
                time(&trading.metrics().command_seconds, "hop", "queue", posted.elapsed());
            } else if !live.recall.is_taken_back() {
                let (by, why) = (KeptBack::Hub, "the connection ended before the command was written".to_owned());
                trading.apply(&live, &Event::NotWritten { by, why }, None).await;
            }
        };
        // Still the request that asked for it.
        self.inner.tasks.spawn(watching.in_current_span());
    }

    /// Looks again at all that can change while a record is written, then sends through the place, while no kill switch can be raised.
    /// One that is on already is the reason not to.
    fn send(
        &self,
        live: &Live,
        record: &CommandRecord,
        session: &SessionHandle,
        place: Place,
        effect: Effect,
    ) -> Result<oneshot::Receiver<()>, Kept> {
        let (ea_now, heard_ago) = session.ea_clock();
        let left_ms = record.deadline_at.since(self.inner.clock.steady());
        let left_us = u64::try_from(left_ms).unwrap_or(0) * 1_000;
        // Check again after the record: a revoker writes first and cuts second.
        if self.inner.access.recheck(session.token(), session.account()).is_err() {
            return Err(Kept::by_hub("the terminal's token is not admitted any more"));
        }
        if record.key != KeyId::HUB && !self.inner.access.key_may_send(record) {
            return Err(Kept::by_hub("the API key was revoked, has expired, or does not allow this any more"));
        }
        if left_us == 0 {
            return Err(Kept::by_clock());
        }
        if heard_ago >= FRESH {
            return Err(Kept::by_hub("the terminal fell silent before it could be sent"));
        }
        // What only closes goes on without the login, by the rights of the user: nobody who leaves wants half of a close.
        if live.effect_as_it_waits() != Effect::Reduces
            && live.login.as_ref().is_some_and(|login| !self.inner.access.login_stands(login))
        {
            let why = "the login by which it was asked for ended before it could be sent";
            return Err(Kept { judge: (effect == Effect::MayReduce).then_some(place), ..Kept::by_hub(why) });
        }
        let gate = self.inner.kills.gate();
        if let Some(switch) = gate.stops(record.owner, &record.account, self.inner.access.line_of(record.key), effect) {
            let why = format!("the kill switch of {} was set before it could be sent: {}", switch.scope, switch.reason);
            return Err(Kept { judge: (effect == Effect::MayReduce).then_some(place), ..Kept::by_hub(why) });
        }
        let trade = Trade {
            command: record.id,
            instance: record.instance,
            deadline_us: ea_now.saturating_add(left_us),
            tag: record.tag,
            request: Row(record.request.clone()),
            seen_price: record.seen_price.unwrap_or(0.0),
            max_slippage_points: record.max_slippage_points.unwrap_or(0),
        };
        Ok(place.send(trade, live.recall.clone()))
    }
}
