//! The command core: `(state, event) -> (state, record?, sends)`, a pure function.
//!
//! The driver in [`super`] makes the record durable **before** it performs a send or tells anyone. What is proved about this
//! function (one execution at most, exactly one outcome, the outcome true) is in `docs/guarantees.md`; `tests/it/model/` checks it
//! against a model of hub, EA, broker, network and crashes.

use crate::{
    domain::{
        UnixMillis,
        command::{CommandRecord, CommandState},
        ids::EaInstance,
        safety::Adjudication,
        trade::{TradeResult, Verdict},
    },
    protocol::message::{Answer, answer_kind, outcome_kind, proof},
};

/// The waits of the core, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// After a deadline, before the hub stops hoping for a message already on its way.
    pub grace_ms: i64,
    /// Between two queries about the same command.
    pub requery_ms: i64,
    /// Longest life of one `OrderSend` inside a terminal.
    pub longest_send_ms: i64,
    /// Longest time a broker may take to show what it executed.
    pub settle_ms: i64,
    /// An unknown outcome older than this is a person's business.
    pub alert_ms: i64,
}

impl Default for Timing {
    fn default() -> Self {
        Self { grace_ms: 1_000, requery_ms: 2_000, longest_send_ms: 60_000, settle_ms: 180_000, alert_ms: 900_000 }
    }
}

/// One command as the core sees it: the record, and what may be forgotten in a crash.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// What is journaled.
    pub record: CommandRecord,
    /// Until then silence means "inside `OrderSend`".
    pub lease_until: Option<UnixMillis>,
    /// When the last query went out.
    pub queried_at: Option<UnixMillis>,
    /// The alert was raised.
    pub alerted: bool,
    /// It could not be recorded: not before then is it raised again.
    pub alert_again_at: Option<UnixMillis>,
}

impl Command {
    /// A command as it comes out of the journal or out of the request that makes it.
    #[must_use]
    pub const fn new(record: CommandRecord) -> Self {
        Self { record, lease_until: None, queried_at: None, alerted: false, alert_again_at: None }
    }
}

/// What kept a command back that was never written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeptBack {
    /// Its caller took it back.
    Caller,
    /// Its time was over.
    Clock,
    /// Anything else: the connection ended, a kill switch, a key that was revoked.
    Hub,
}

impl KeptBack {
    /// The final state that says so.
    #[must_use]
    pub const fn state(self) -> CommandState {
        match self {
            Self::Caller => CommandState::Cancelled,
            Self::Clock => CommandState::Expired,
            Self::Hub => CommandState::NotExecuted,
        }
    }
}

/// What can happen to a command.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Not one byte of the command was written, and none ever will be.
    NotWritten {
        /// What kept it back.
        by: KeptBack,
        /// Why, in words.
        why: String,
    },
    /// The EA took it.
    Accepted {
        /// The instance that says so.
        from: EaInstance,
        /// How long `OrderSend` may block it.
        lease_ms: u32,
    },
    /// The EA tells how it ended; from its memory or from its journal file, of this instance or an earlier one.
    Outcome {
        /// [`outcome_kind`].
        kind: u8,
        /// The EA's reason when it refused.
        reason: String,
        /// The broker's answer.
        result: TradeResult,
    },
    /// The EA answers a query.
    Answer {
        /// The instance that answers.
        from: EaInstance,
        /// Its answer.
        answer: Answer,
    },
    /// The session of the instance it was sent to is gone.
    SessionLost,
    /// The hub starts and finds it in its journal.
    HubRestarted,
    /// A terminal of the account is in and can be asked.
    SessionEntered,
    /// The caller wants it not to happen, and it may have been written.
    CancelRequested,
    /// Time has passed.
    Tick {
        /// Whether a terminal of the account can be asked now.
        reachable: bool,
    },
    /// The alert could not be recorded.
    NotAlerted,
    /// A person decided what happened. Counts only while the outcome is unknown.
    Adjudicated {
        /// Outcome, who and why.
        decision: Adjudication,
        /// The tickets, if it was executed after all.
        result: Option<TradeResult>,
    },
}

/// What the driver does after the record, if any, is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Send {
    /// Ask the account's terminals what became of it.
    Query,
    /// Tell the EA to stop sending its outcome.
    Acknowledge,
    /// A fact contradicts a final outcome: record an incident and stop the account.
    Incident(String),
    /// Unresolved for too long: a person must look.
    Alert(String),
}

/// What follows from an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The command after it.
    pub command: Command,
    /// Whether its record changed and must be durable before anything else happens.
    pub record: bool,
    /// What to do then, in order.
    pub sends: Vec<Send>,
}

/// The whole life of a command after its dispatch.
#[must_use]
pub fn step(command: &Command, event: &Event, now: UnixMillis, timing: &Timing) -> Step {
    let mut next = Step { command: command.clone(), record: false, sends: Vec::new() };
    match event {
        Event::Outcome { kind, reason, result } => next.outcome(*kind, reason, result, now),
        Event::Answer { from, answer } => next.answer(*from, answer, now, timing),
        _ if command.record.state.is_final() => {}
        Event::NotWritten { by, why } => {
            if matches!(command.record.state, CommandState::Dispatched | CommandState::Unknown) {
                next.finish(by.state(), why, now);
            }
        }
        Event::Accepted { from, lease_ms } => next.accepted(*from, *lease_ms, now, timing),
        Event::SessionLost => next.unknown("the connection ended before the outcome was known", now),
        Event::HubRestarted => next.restarted(now),
        Event::SessionEntered => next.ask(now),
        Event::CancelRequested => next.ask(now),
        Event::Tick { reachable } => next.tick(*reachable, now, timing),
        Event::NotAlerted => {
            next.command.alerted = false;
            next.command.alert_again_at = Some(now.plus_ms(timing.requery_ms));
        }
        Event::Adjudicated { decision, result } => {
            if command.record.state == CommandState::Unknown {
                next.command.record.result.clone_from(result);
                next.command.record.adjudication = Some(decision.clone());
                next.finish(CommandState::Adjudicated, &decision.reason, now);
            }
        }
    }
    next
}

impl Step {
    fn finish(&mut self, state: CommandState, reason: &str, now: UnixMillis) {
        self.command.record.enter(state, (!reason.is_empty()).then(|| reason.to_owned()), now);
        self.record = true;
    }

    fn accepted(&mut self, from: EaInstance, lease_ms: u32, now: UnixMillis, timing: &Timing) {
        if from != self.command.record.instance {
            return;
        }
        self.command.lease_until = Some(now.plus_ms(i64::from(lease_ms).min(timing.longest_send_ms)));
        // Not recorded, but with the outcome: after a crash both states mean the same, and a third fdatasync would delay the outcome
        // behind it.
        if self.command.record.state == CommandState::Dispatched {
            self.command.record.enter(CommandState::Accepted, None, now);
        }
    }

    fn unknown(&mut self, reason: &str, now: UnixMillis) {
        if matches!(self.command.record.state, CommandState::Dispatched | CommandState::Accepted) {
            self.finish(CommandState::Unknown, reason, now);
        }
    }

    /// The wall clock may have been set while the hub was down, so by this one the recorded deadline means nothing. What is certain:
    /// from now on the EA has the whole time to live at most.
    fn restarted(&mut self, now: UnixMillis) {
        self.command.record.deadline_at = now.plus_ms(i64::from(self.command.record.ttl_ms));
        self.unknown("the hub restarted before the outcome was known", now);
    }

    fn ask(&mut self, now: UnixMillis) {
        self.command.queried_at = Some(now);
        self.sends.push(Send::Query);
    }

    fn tick(&mut self, reachable: bool, now: UnixMillis, timing: &Timing) {
        let deadline = self.command.record.deadline_at;
        match self.command.record.state {
            CommandState::Dispatched | CommandState::Accepted => {
                let until = self.command.lease_until.map_or(deadline, |lease| lease.max(deadline));
                if now >= until.plus_ms(timing.grace_ms) {
                    self.unknown("no outcome in time", now);
                    if reachable {
                        self.ask(now);
                    }
                }
            }
            CommandState::Unknown => {
                let due = self.command.queried_at.is_none_or(|at| now.since(at) >= timing.requery_ms);
                if reachable && due {
                    self.ask(now);
                }
                let due = self.command.alert_again_at.unwrap_or(self.command.record.created_at.plus_ms(timing.alert_ms)) <= now;
                if !self.command.alerted && due {
                    self.command.alerted = true;
                    self.sends.push(Send::Alert("its outcome is still unknown: a person must look at the account".to_owned()));
                }
            }
            _ => {}
        }
    }

    fn outcome(&mut self, kind: u8, reason: &str, result: &TradeResult, now: UnixMillis) {
        let record = &self.command.record;
        let (state, reason) = if kind == outcome_kind::REFUSED {
            (CommandState::EaRefused, reason.to_owned())
        } else {
            match Verdict::of(result.retcode, record.request.action) {
                Verdict::Executed => (CommandState::Executed, String::new()),
                Verdict::Partial => (CommandState::Partial, String::new()),
                Verdict::Placed => (CommandState::Placed, String::new()),
                Verdict::Rejected => (CommandState::BrokerRejected, result.comment.clone()),
                Verdict::Ambiguous => {
                    (CommandState::Unknown, format!("the terminal answered retcode {}, which proves nothing", result.retcode))
                }
            }
        };
        if record.state.is_final() {
            self.repeated(state, result);
        } else if state != CommandState::Unknown {
            self.command.record.result = (kind != outcome_kind::REFUSED).then(|| result.clone());
            self.finish(state, &reason, now);
            self.sends.push(Send::Acknowledge);
        } else if record.result.as_ref() != Some(result) || record.state != CommandState::Unknown {
            self.command.record.result = Some(result.clone());
            self.finish(CommandState::Unknown, &reason, now);
        }
    }

    /// A fact about a command that has its outcome: acknowledged, so that the EA stops, and compared.
    fn repeated(&mut self, state: CommandState, result: &TradeResult) {
        let (stands, done) = (self.command.record.state, self.command.record.is_done());
        // The deals of one order may be many, but one command never makes two orders.
        let known = self.command.record.result.as_ref().map_or(0, |known| known.order);
        let twice = done && state.is_done() && known != 0 && result.order != 0 && known != result.order;
        if state != CommandState::Unknown && (done != state.is_done() || twice) {
            // Before the acknowledgement: once the EA has stopped saying it, nobody says it again.
            self.sends.push(Send::Incident(format!(
                "recorded as {stands:?}, but the terminal reports {state:?} (retcode {}, deal {}, order {})",
                result.retcode, result.deal, result.order
            )));
        }
        self.sends.push(Send::Acknowledge);
    }

    fn answer(&mut self, from: EaInstance, answer: &Answer, now: UnixMillis, timing: &Timing) {
        let (stands, done) = (self.command.record.state, self.command.record.is_done());
        match answer.kind {
            answer_kind::OUTCOME | answer_kind::EVIDENCE => {
                self.outcome(answer.outcome_kind, &answer.reason, &answer.result.0, now);
            }
            // What it knows agrees with the record: it may stop remembering.
            answer_kind::NOT_SEEN | answer_kind::NO_EVIDENCE if stands.is_final() && !done => {
                self.sends.push(Send::Acknowledge);
            }
            // Only a person can have been wrong about it: what else makes a command done is the word of this very instance.
            answer_kind::NOT_SEEN if stands == CommandState::Adjudicated && from == self.command.record.instance => {
                self.sends.push(Send::Incident("a person decided that it was done, but its terminal never saw it".to_owned()));
            }
            _ if stands.is_final() => {}
            // The tombstone makes this exact: the only instance that may execute it never will.
            answer_kind::NOT_SEEN if from == self.command.record.instance => {
                self.finish(CommandState::NotExecuted, "the terminal never saw it and will not execute it any more", now);
                self.sends.push(Send::Acknowledge);
            }
            answer_kind::NO_EVIDENCE if self.absence_is_proved(answer, now, timing) => {
                self.finish(CommandState::NotExecuted, "neither the terminal's journal nor the broker's history knows it", now);
                self.sends.push(Send::Acknowledge);
            }
            _ => {}
        }
    }

    /// Nothing of it at the broker, seen by a terminal that could see it, at a time when nothing of it can be in flight any more.
    /// It looked after it was asked; when its answer arrives says nothing about that.
    fn absence_is_proved(&self, answer: &Answer, now: UnixMillis, timing: &Timing) -> bool {
        let record = &self.command.record;
        let settled = record.deadline_at.plus_ms(timing.longest_send_ms + timing.settle_ms);
        let asked = UnixMillis(answer.asked_at);
        record.state == CommandState::Unknown && answer.proof & proof::ALL == proof::ALL && settled <= asked && asked <= now
    }
}

#[cfg(test)]
#[path = "core_tests.rs"]
pub(super) mod tests;
