//! What sessions tell about commands, and what the clock asks for.

use std::{sync::Arc, time::Duration};

use tokio::{
    select,
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, debug, info_span, warn};

use super::{
    Live, Trading,
    core::{Command, Event, step},
};
use crate::{
    domain::{
        account::Account,
        command::{CommandRecord, CommandState, tag_sequence},
        ids::{CommandId, OwnerId, SessionId},
    },
    hub::{SessionHandle, Signal, SignalKind},
    protocol::message::Acknowledge,
    store::StoreError,
};

/// How exact deadlines on the hub's side are; the one that protects money is on the EA's clock.
const LOOK: Duration = Duration::from_millis(100);
/// Ids that a Hello may list.
const UNFINISHED_MAX: usize = 1_000;

impl Trading {
    /// Follows the sessions until `stop`, then takes what they still said.
    pub async fn run(&self, mut signals: mpsc::Receiver<Signal>, stop: CancellationToken) {
        let mut clock = interval(LOOK);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            select! {
                biased;
                _ = clock.tick() => self.look_at_the_clock(),
                Some(signal) = signals.recv() => self.take(signal).await,
                () = stop.cancelled() => break,
            }
        }
        while let Ok(signal) = signals.try_recv() {
            self.take(signal).await;
        }
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    /// One task a signal, a bounded number at once: one fdatasync then serves many commands.
    async fn take(&self, signal: Signal) {
        let Ok(permit) = Arc::clone(&self.inner.working).acquire_owned().await else { return };
        let trading = self.clone();
        let span = info_span!("terminal", token = %signal.session.token(), session = %signal.session.id());
        let handling = async move {
            trading.handle(signal).await;
            drop(permit);
        };
        self.inner.tasks.spawn(handling.instrument(span));
    }

    async fn handle(&self, Signal { session, kind }: Signal) {
        match kind {
            SignalKind::Entered => self.entered(&session).await,
            SignalKind::Left => self.left(session.id()).await,
            SignalKind::Accepted(accepted) => {
                let event = Event::Accepted { from: session.instance(), lease_ms: accepted.lease_ms };
                self.about(accepted.command, &event, &session).await;
            }
            SignalKind::Outcome(outcome) => {
                let event = Event::Outcome { kind: outcome.kind, reason: printable(&outcome.reason), result: outcome.result.0 };
                self.about(outcome.command, &event, &session).await;
            }
            SignalKind::Answer(mut answer) => {
                answer.reason = printable(&answer.reason);
                let event = Event::Answer { from: session.instance(), answer: answer.clone() };
                self.about(answer.command, &event, &session).await;
            }
        }
    }

    async fn entered(&self, session: &SessionHandle) {
        self.tell_latch(session);
        self.inner.kills.raised.notify_one();
        if let Some(seen) = tag_sequence(session.hello().highest_tag)
            && let Err(error) = self.inner.tags.raise_above(self.inner.store.as_ref(), session.account(), seen).await
        {
            warn!(%error, "the tags of this account could not be raised");
        }
        // What was settled while the terminal was away: it may stop remembering it.
        for id in session.hello().unfinished.iter().take(UNFINISHED_MAX) {
            let stored = self.command(*id).await.ok().flatten();
            let mine = stored.filter(|record| record.owner == session.owner() && record.account == *session.account());
            match mine {
                // What a person decided is compared with what it knows.
                Some(record) if record.state == CommandState::Adjudicated => self.query(&record),
                // Without room now, the next Hello lists it again.
                Some(record) if record.state.is_done() => drop(session.send(Acknowledge { command: *id })),
                // Before it forgets, it is asked: if it did execute what is recorded as not executed, people must know.
                Some(record) if record.state.is_final() => self.query(&record),
                _ => {}
            }
        }
        for live in self.live_where(|live| live.owner == session.owner() && live.account == *session.account()) {
            if live.updates.borrow().state == CommandState::Unknown {
                self.apply(&live, &Event::SessionEntered, None).await;
            }
        }
    }

    async fn left(&self, session: SessionId) {
        for live in self.live_where(|live| live.session == Some(session)) {
            self.apply(&live, &Event::SessionLost, None).await;
        }
    }

    /// A fact about one command. Only a terminal of the command's own account may state it.
    async fn about(&self, id: CommandId, event: &Event, session: &SessionHandle) {
        let live = match self.find_live(id).await {
            Ok(Some(live)) => live,
            Ok(None) => {
                debug!(command = %id, "a terminal speaks of a command that is not kept");
                // Deleted with the account's history: nobody will ever want it again. Any other may have been lost, not deleted.
                if matches!(self.is_forgotten(session.owner(), session.account(), id).await, Ok(true)) {
                    let _ = session.send(Acknowledge { command: id });
                }
                return;
            }
            Err(error) => {
                warn!(command = %id, %error, "a command could not be read; its terminal will repeat itself");
                return;
            }
        };
        if live.owner == session.owner() && live.account == *session.account() {
            self.apply(&live, event, Some(session)).await;
        } else {
            warn!(command = %id, "a terminal speaks of another account's command");
        }
    }

    /// The command, if it is open; else as it stands in the store, so that a repeated outcome is compared and acknowledged.
    async fn find_live(&self, id: CommandId) -> Result<Option<Arc<Live>>, StoreError> {
        if let Some(live) = self.inner.live().get(&id) {
            return Ok(Some(Arc::clone(live)));
        }
        Ok(self.stored_command(id).await?.map(Live::recorded))
    }

    /// Keeps the controls going until `stop`: dead-man timers, kill switches that are to be carried out, latches, the beginning of days.
    pub async fn watch(&self, stop: CancellationToken) {
        tokio::join!(self.keep_up(stop.clone()), self.watch_deadmen(stop.clone()), self.carry_out_kills(stop));
    }

    /// Once a second: what is compared, and not waited for.
    async fn keep_up(&self, stop: CancellationToken) {
        let mut turn = interval(Duration::from_secs(1));
        turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for second in 0_u64.. {
            if stop.run_until_cancelled(turn.tick()).await.is_none() {
                return;
            }
            self.repeat_latches(second.is_multiple_of(5));
            if let Err(error) = self.note_days().await {
                warn!(%error, "the equity with which a day began could not be recorded");
            }
        }
    }

    fn look_at_the_clock(&self) {
        let now = self.inner.clock.steady();
        for live in self.live_where(|_| true) {
            // Busy means that something is happening to it right now.
            let Ok(cell) = live.cell.try_lock() else { continue };
            let reachable = cell.record.state == CommandState::Unknown || cell.lease_until.is_none_or(|until| until <= now);
            let event = Event::Tick { reachable: reachable && !self.sessions_of(live.owner, &live.account).is_empty() };
            let due = is_due(&cell, &event, now, &self.inner.timing);
            let deadline = cell.record.deadline_at;
            drop(cell);
            if !self.take_back_if_late(&live, deadline) && due {
                let (trading, live) = (self.clone(), Arc::clone(&live));
                self.inner.tasks.spawn(async move { trading.apply(&live, &event, None).await });
            }
        }
    }

    pub(super) fn live_where(&self, keep: impl Fn(&Live) -> bool) -> Vec<Arc<Live>> {
        self.inner.live().values().filter(|live| keep(live)).cloned().collect()
    }

    /// Before a session is cut for good: asks it about every command it still has, and waits a moment for the answers. A command
    /// that it has not seen is then one that it will never execute.
    pub async fn ask_before_cut(&self, session: &SessionHandle) {
        let until = Instant::now() + self.inner.last_words;
        let open = self.live_where(|live| live.session == Some(session.id()));
        for live in &open {
            self.apply(live, &Event::CancelRequested, None).await;
        }
        for live in open {
            let mut updates = live.updates.subscribe();
            let _ = tokio::time::timeout_at(until, updates.wait_for(|record| record.state.is_final())).await;
        }
    }

    /// Waits until the commands at terminals have their outcome, `within` at most.
    pub async fn settle_open(&self, within: Duration) {
        let until = Instant::now() + within;
        for live in self.live_where(|live| live.session.is_some()) {
            let mut updates = live.updates.subscribe();
            let settled = |record: &CommandRecord| record.state.is_final() || record.state == CommandState::Unknown;
            let _ = tokio::time::timeout_at(until, updates.wait_for(settled)).await;
        }
    }

    /// Commands of an account that have no outcome yet, and parents that are still making theirs.
    #[must_use]
    pub fn open_commands(&self, owner: OwnerId, account: &Account) -> Vec<CommandId> {
        let live = self.live_where(|live| live.owner == owner && live.account == *account);
        let mut open: Vec<_> = live.iter().map(|live| live.updates.borrow().id).collect();
        open.extend(self.inner.parents.of(owner, account));
        open
    }
}

fn is_due(command: &Command, event: &Event, now: crate::domain::UnixMillis, timing: &super::core::Timing) -> bool {
    let next = step(command, event, now, timing);
    next.record || !next.sends.is_empty()
}

/// Words of a terminal, fit for a log and a record.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}
