//! What stands between a request and its record: kill switches, limits, the duplicate guard. Refused here, nothing was sent and no key is
//! used up.

use super::{
    Claim, Event, ExecuteError, NewTrade, Trading,
    exposure::{self, Effect},
    quotas::Taken,
};
use crate::{
    domain::{
        account::MARGIN_MODE_HEDGING,
        api_key::Permission,
        command::{CommandRecord, CommandState},
        ids::CommandId,
        limits::Limits,
        safety::Adjudication,
        trade::TradeResult,
    },
    store::{Batch, StoreError, records},
};

/// A trade that nothing stands against.
#[derive(Debug)]
pub(super) struct Judged {
    /// What it can do to the account's exposure.
    pub(super) effect: Effect,
    /// See `Live::before`.
    pub(super) before: Option<f64>,
    /// The account's turn, where what is open was judged: it is let go when the command counts among what is open.
    pub(super) turn: Option<Claim>,
    /// Its places among what is counted.
    pub(super) taken: Taken,
}

impl Trading {
    /// Judges a trade, and waits for whatever that needs no longer than the trade's own time.
    pub(super) async fn judge(&self, trade: &NewTrade) -> Result<Judged, ExecuteError> {
        Self::check_presence(&trade.session)?;
        let judging = async {
            self.check_hours(&trade.session, &trade.request).await?;
            self.check_controls(trade).await
        };
        let left = self.inner.clock.until(trade.deadline);
        tokio::time::timeout(left, judging).await.unwrap_or(Err(ExecuteError::Expired))
    }

    async fn check_controls(&self, trade: &NewTrade) -> Result<Judged, ExecuteError> {
        let session = &trade.session;
        let (owner, account) = (session.owner(), session.account());
        let limits = self.limits_of(trade.key, account);
        let mut effect = exposure::effect(&trade.request, session.hello().margin_mode);
        let mut before = None;
        let stopped = self.check_kill(trade, effect).is_err();
        let open_volume = limits.iter().any(|(_, Limits { max_open_volume, .. })| max_open_volume.is_some());
        // Where deals net, one that was meant to close turns the position round if that has become smaller meanwhile.
        let must_close = trade.permission == Permission::TradeReduce && session.hello().margin_mode != MARGIN_MODE_HEDGING;
        let asks = (effect == Effect::MayReduce && (stopped || must_close || !limits.is_empty()))
            || (effect == Effect::Opens && open_volume);
        let turn = match asks {
            true => Some(self.inner.turns.claim(records::account_commands(owner, account)).await),
            false => None,
        };
        if effect == Effect::MayReduce && turn.is_some() {
            before = self.only_closes(session, &trade.request, None).await;
            effect = if before.is_some() { Effect::Reduces } else { Effect::Opens };
            if effect == Effect::Opens && must_close {
                return Err(ExecuteError::WouldOpen);
            }
        }
        self.check_kill(trade, effect)?;
        let taken = self.check_limits(trade, effect, &limits).await?;
        if effect == Effect::Opens {
            self.check_open_volume(trade, &limits).await?;
        }
        Ok(Judged { effect, before, turn, taken })
    }

    /// The hub's switches, and the EA's own, which may still stand when the hub's is lifted, or be its owner's doing.
    fn check_kill(&self, trade: &NewTrade, effect: Effect) -> Result<(), ExecuteError> {
        let (session, line) = (&trade.session, self.inner.access.line_of(trade.key));
        if let Some(switch) = self.inner.kills.gate().stops(session.owner(), session.account(), line, effect) {
            let (scope, level, reason) = (switch.scope.to_string(), switch.level.name(), switch.reason.clone());
            return Err(ExecuteError::KillSwitch { scope, level, reason });
        }
        if effect != Effect::Reduces && session.latch().is_some_and(|latch| latch > 0) {
            let reason = "the Expert Advisor's own switch is on; it goes off a moment after the hub's is lifted".to_owned();
            return Err(ExecuteError::KillSwitch { scope: "terminal".to_owned(), level: "block", reason });
        }
        Ok(())
    }

    /// Refuses what was ordered a moment ago; else notes it under `id`.
    pub(super) fn check_duplicate(&self, trade: &NewTrade, id: CommandId) -> Result<(), ExecuteError> {
        let (whose, now) = ((trade.session.owner(), trade.session.account()), self.inner.clock.steady());
        match self.inner.duplicates.note(whose, &trade.request, id, now, self.inner.duplicate_window_ms) {
            Some(earlier) if !trade.allow_duplicate => Err(ExecuteError::Duplicate(earlier)),
            _ => Ok(()),
        }
    }

    /// Settles an unknown command by a person's word, with its audit record. The answer is the command after it; or, when it was not
    /// unknown, as it stands.
    ///
    /// # Errors
    /// The store's: it is as it was.
    pub async fn adjudicate(
        &self,
        id: CommandId,
        decision: Adjudication,
        result: Option<TradeResult>,
    ) -> Result<Result<CommandRecord, CommandRecord>, StoreError> {
        let live = self.inner.live().get(&id).cloned();
        let Some(live) = live else {
            return match self.stored_command(id).await? {
                Some(record) => Ok(Err(record)),
                None => Err(StoreError::Conflict { key: records::command(id) }),
            };
        };
        let outcome = format!("{:?}", decision.outcome);
        let audit = records::AuditRecord::done(decision.at, &decision.by, "command.adjudicate", &id.to_string(), &outcome);
        let by = decision.by.clone();
        self.apply(&live, &Event::Adjudicated { decision, result }, None).await;
        let record = live.updates.borrow().clone();
        let mine = record.adjudication.as_ref().is_some_and(|decision| decision.by == by && decision.at == audit.at);
        match record.state {
            CommandState::Adjudicated if mine => {
                let key = self.inner.ids.next().map_err(|error| StoreError::Degraded { reason: error.to_string() })?;
                self.inner.store.commit(Batch::outcome().put(records::audit(key), records::encode(&audit))).await?;
                Ok(Ok(record))
            }
            // The record could not be made durable.
            CommandState::Unknown => Err(StoreError::Degraded { reason: "the decision could not be recorded".to_owned() }),
            _ => Ok(Err(record)),
        }
    }
}
