//! The Expert Advisor's core: the rules that make a command happen at most once and its outcome findable (docs/guarantees.md).
//!
//! The MQL source follows the same table. No clock and no socket in here: times are handed in, messages come out. A trade goes
//! through [`Ea::take`] (memory, INTENT, ACCEPTED), [`Ea::next`] (the last checks, immediately before `OrderSend`) and
//! [`Ea::finish`] (RESULT, outcome); the caller sends and calls the broker in between.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::{
    broker::Broker,
    ea_journal::{Ended, Journal},
    evidence::{self, Found, Sight},
    replay::MarketView,
};
use crate::{
    domain::{
        account::Account,
        ids::{CommandId, EaInstance},
        trade::{ORDER_BUY, Position, TradeRequest, TradeResult, action},
    },
    protocol::{
        FromTerminal,
        codec::Row,
        message::{Accepted, Answer, Latch, Log, Outcome, Query, Trade, answer_kind},
    },
};

/// How long `OrderSend` may block the EA's only thread.
const LEASE_MS: u32 = 60_000;
/// An outcome is sent again after so long without acknowledgement.
pub(super) const RESEND_US: u64 = 1_000_000;
/// An acknowledged command is dropped so long after its deadline.
const KEEP_US: u64 = 600_000_000;
/// Wall clock and monotonic clock may differ by so much between arrival and `OrderSend`; more, and the machine was suspended.
const CLOCKS_AGREE_US: u64 = 2_000_000;
/// The memory is this large; beyond it new commands are refused.
const SEEN_MAX: usize = 200_000;
/// So many outcomes are sent again in one turn.
const RESEND_MAX: usize = 32;

/// One reading of the EA's two clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Moment {
    /// `GetMicrosecondCount()`.
    pub(super) mono_us: u64,
    /// `TimeLocal()`, in microseconds.
    pub(super) wall_us: u64,
}

impl Moment {
    /// Whether one clock went further than the other since `came`.
    fn clocks_part_since(self, came: Self) -> bool {
        let difference = |moment: Self| i128::from(moment.wall_us) - i128::from(moment.mono_us);
        difference(self).abs_diff(difference(came)) > u128::from(CLOCKS_AGREE_US)
    }
}

#[derive(Debug)]
enum Seen {
    /// Accepted; `OrderSend` comes or runs.
    Taken {
        deadline_us: u64,
    },
    Ended {
        deadline_us: u64,
        ended: Ended,
        definite: bool,
    },
    /// Asked for before it was seen: never to be executed.
    Tombstone,
}

#[derive(Debug)]
struct Queued {
    trade: Trade,
    came: Moment,
}

/// What comes next of the trades that were taken.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    /// Call `OrderSend` with it now, once, and then [`Ea::finish`].
    Send { command: CommandId, request: TradeRequest },
    /// It may not be sent any more.
    Refused(Outcome),
}

/// One instance of the EA, from `OnInit` to its end.
#[derive(Debug)]
pub(super) struct Ea {
    instance: EaInstance,
    /// As its Hello says.
    account: Account,
    journal: Journal,
    seen: HashMap<CommandId, Seen>,
    queue: VecDeque<Queued>,
    /// Outcomes that the hub has not acknowledged, and when each was last sent.
    unacknowledged: BTreeMap<CommandId, Option<u64>>,
    /// Deadlines of acknowledged commands, in the order of acknowledgement.
    acknowledged: VecDeque<(u64, CommandId)>,
    /// The highest command ever dropped: of those up to it that are not in `seen`, nothing can be said.
    watermark: Option<CommandId>,
    closed: bool,
}

impl Ea {
    /// `OnInit`: a new instance with an empty memory, over whatever journal the machine still has.
    pub(super) fn new(instance: EaInstance, account: Account, journal: Journal) -> Self {
        Self {
            instance,
            account,
            journal,
            seen: HashMap::new(),
            queue: VecDeque::new(),
            unacknowledged: BTreeMap::new(),
            acknowledged: VecDeque::new(),
            watermark: None,
            closed: false,
        }
    }

    pub(super) const fn instance(&self) -> EaInstance {
        self.instance
    }

    pub(super) const fn journal(&self) -> &Journal {
        &self.journal
    }

    /// `OnDeinit` and `OnInit`: another instance with an empty memory. What stays is the journal, unless the disk is `lost` too.
    pub(super) fn start_anew(&mut self, instance: EaInstance, lost: bool) {
        let mut journal = std::mem::take(&mut self.journal);
        if lost && let Err(error) = journal.lose() {
            tracing::error!(%error, "the EA's journal cannot be emptied");
        }
        *self = Self::new(instance, self.account.clone(), journal);
    }

    /// Whether trades wait for [`Self::next`].
    pub(super) fn is_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    pub(super) const fn account(&self) -> &Account {
        &self.account
    }

    /// After a final close code nothing is sent to the broker any more.
    pub(super) fn close_for_good(&mut self) {
        self.closed = true;
    }

    /// A trade arrives.
    pub(super) fn take(&mut self, trade: Trade, now: Moment, broker_time: i64) -> FromTerminal {
        let command = trade.command;
        match self.seen.get(&command) {
            Some(Seen::Taken { .. }) => return accepted(command),
            Some(Seen::Ended { ended, .. }) => return outcome(command, ended.clone()).into(),
            Some(Seen::Tombstone) => return outcome(command, Ended::refused(TOMBSTONE)).into(),
            None => {}
        }
        if self.watermark.is_some_and(|mark| command <= mark) {
            return forgotten(command).into();
        }
        if trade.instance != self.instance {
            // No outcome: the instance it is bound to may have executed it, and only that one can say that it has not.
            let text =
                format!("{command} is bound to EA instance {}, this is {}: not executed here", trade.instance, self.instance);
            return Log { level: 2, text }.into();
        }
        if self.seen.len() >= SEEN_MAX {
            // Without room to remember the refusal, the watermark remembers that this one must not happen.
            self.watermark = self.watermark.max(Some(command));
            return outcome(command, Ended::refused("the EA's memory is full of unacknowledged commands")).into();
        }
        self.seen.insert(command, Seen::Taken { deadline_us: trade.deadline_us });
        if self.closed {
            return self.refuse(command, "the hub has closed this connection for good").into();
        }
        if let Err(error) = self.journal.intent(command, self.instance, trade.tag, broker_time) {
            return self.refuse(command, &format!("the EA's journal cannot be written: {error}")).into();
        }
        self.queue.push_back(Queued { trade, came: now });
        accepted(command)
    }

    /// The hub's kill switch, which the journal keeps over restarts.
    pub(super) const fn latch(&self) -> &Latch {
        self.journal.latch()
    }

    /// The hub sets or lifts its kill switch.
    pub(super) fn set_latch(&mut self, latch: Latch) {
        if let Err(error) = self.journal.set_latch(latch) {
            tracing::error!(%error, "the EA's journal cannot be written, and a restart would forget the kill switch");
        }
    }

    /// The last checks, to be made immediately before `OrderSend`; none when nothing is waiting. `here` is who is logged in now.
    pub(super) fn next(&mut self, now: Moment, here: &Account, broker: &Broker, view: &MarketView<'_>) -> Option<Next> {
        let Queued { trade, came } = self.queue.pop_front()?;
        let command = trade.command;
        let refused = if self.closed {
            Some("the hub has closed this connection for good".to_owned())
        } else if *here != self.account {
            Some(format!("the terminal is logged in to {here} now, not to {}", self.account))
        } else if now.clocks_part_since(came) {
            // What else is queued came before the suspension too, or too near to it to tell.
            self.queue.iter_mut().for_each(|queued| queued.trade.deadline_us = 0);
            Some("the machine was suspended, or its clock was moved, since the command came".to_owned())
        } else if now.mono_us > trade.deadline_us {
            Some(format!("late by {} ms", (now.mono_us - trade.deadline_us).div_ceil(1000)))
        } else {
            self.latched(&trade.request.0, broker).or_else(|| price_guard(&trade, broker, view))
        };
        Some(match refused {
            Some(reason) => Next::Refused(self.refuse(command, &reason)),
            None => Next::Send { command, request: trade.request.0 },
        })
    }

    /// `OrderSend` has returned.
    pub(super) fn finish(&mut self, command: CommandId, action: u8, result: TradeResult) -> Outcome {
        let ended = Ended::broker(result);
        let definite = ended.is_definite(action);
        self.end(command, ended, definite)
    }

    /// Why the kill switch keeps this from happening, if it does.
    fn latched(&self, request: &TradeRequest, broker: &Broker) -> Option<String> {
        let Latch { level, reason } = self.latch();
        (*level > 0 && can_open(request, broker)).then(|| format!("the kill switch blocks openings: {reason}"))
    }

    fn refuse(&mut self, command: CommandId, reason: &str) -> Outcome {
        self.end(command, Ended::refused(reason), true)
    }

    fn end(&mut self, command: CommandId, ended: Ended, definite: bool) -> Outcome {
        // The result goes out even if the file is full: memory has it, and the hub is the better place for it.
        if definite && let Err(error) = self.journal.result(command, self.instance, &ended) {
            tracing::error!(%error, %command, "the EA's journal cannot be written");
        }
        let deadline_us = match self.seen.get(&command) {
            Some(Seen::Taken { deadline_us }) => *deadline_us,
            _ => 0,
        };
        self.seen.insert(command, Seen::Ended { deadline_us, ended: ended.clone(), definite });
        self.unacknowledged.insert(command, None);
        outcome(command, ended)
    }

    /// The hub has the outcome on its disk.
    pub(super) fn acknowledge(&mut self, command: CommandId) {
        if let Err(error) = self.journal.acknowledged(command) {
            tracing::error!(%error, %command, "the EA's journal cannot be written");
        }
        if self.unacknowledged.remove(&command).is_some()
            && let Some(Seen::Ended { deadline_us, .. }) = self.seen.get(&command)
        {
            self.acknowledged.push_back((*deadline_us, command));
        }
    }

    /// Drops what was acknowledged and is ten minutes past its deadline.
    pub(super) fn forget(&mut self, now: Moment) {
        while let Some((deadline_us, command)) = self.acknowledged.front().copied() {
            if now.mono_us < deadline_us.saturating_add(KEEP_US) {
                return;
            }
            self.acknowledged.pop_front();
            self.seen.remove(&command);
            self.watermark = self.watermark.max(Some(command));
        }
    }

    /// A new connection: every outcome without acknowledgement is due at once.
    pub(super) fn reconnected(&mut self) {
        self.unacknowledged.values_mut().for_each(|sent| *sent = None);
    }

    /// The outcomes that are due, marked as sent now.
    pub(super) fn due(&mut self, now: Moment) -> Vec<Outcome> {
        let is_due = |sent: &Option<u64>| sent.is_none_or(|at| now.mono_us.saturating_sub(at) >= RESEND_US);
        let mut due = Vec::new();
        for (command, sent) in self.unacknowledged.iter_mut().filter(|(_, sent)| is_due(sent)).take(RESEND_MAX) {
            *sent = Some(now.mono_us);
            if let Some(Seen::Ended { ended, .. }) = self.seen.get(command) {
                due.push(outcome(*command, ended.clone()));
            }
        }
        due
    }

    /// Whether an outcome waits for its acknowledgement.
    pub(super) fn waits(&self) -> bool {
        !self.unacknowledged.is_empty()
    }

    /// What became of this command?
    ///
    /// `sight` is what the terminal sees of its broker: without a connection absence proves nothing.
    pub(super) fn query(&mut self, query: &Query, broker: &Broker, sight: Sight) -> Answer {
        if query.instance != self.instance {
            return self.query_about_another(query, broker, sight);
        }
        match self.seen.get(&query.command) {
            Some(Seen::Taken { .. }) => answer(query.command, answer_kind::IN_PROGRESS),
            Some(Seen::Ended { ended, definite: true, .. }) => answer_with(query.command, ended.clone()),
            // The broker may or may not have had it: its history decides, as for another instance.
            Some(Seen::Ended { definite: false, .. }) => at_broker(query, broker, sight),
            Some(Seen::Tombstone) => not_seen(query.command),
            // Below the mark nothing is executed any more, so what is left is what the broker knows.
            None if self.watermark.is_some_and(|mark| query.command <= mark) => at_broker(query, broker, sight),
            None if self.seen.len() >= SEEN_MAX => {
                self.watermark = self.watermark.max(Some(query.command));
                at_broker(query, broker, sight)
            }
            None => {
                // The stone first: from here on the answer stays true whatever still arrives.
                self.seen.insert(query.command, Seen::Tombstone);
                if let Err(error) = self.journal.result(query.command, self.instance, &Ended::refused(TOMBSTONE)) {
                    tracing::error!(%error, command = %query.command, "the EA's journal cannot be written");
                }
                not_seen(query.command)
            }
        }
    }

    fn query_about_another(&self, query: &Query, broker: &Broker, sight: Sight) -> Answer {
        match self.journal.ended(query.command) {
            Some(ended) => answer_with(query.command, ended.clone()),
            None => at_broker(query, broker, sight),
        }
    }
}

const TOMBSTONE: &str = "the hub had asked for it before it came, and was told that it would not be executed";

/// Whether the trade can open or enlarge a position.
fn can_open(request: &TradeRequest, broker: &Broker) -> bool {
    let is = |position: &Position| position.symbol == request.symbol && position.kind != request.kind;
    match request.action {
        action::PENDING => true,
        action::DEAL if broker.settings().netting => {
            !broker.open_positions().values().any(|position| is(position) && request.volume <= position.volume)
        }
        action::DEAL => !broker.open_positions().get(&request.position).is_some_and(is),
        _ => false,
    }
}

/// How far the price has moved since the caller saw it, in either direction.
fn price_guard(trade: &Trade, broker: &Broker, view: &MarketView<'_>) -> Option<String> {
    let request = &trade.request.0;
    if trade.seen_price == 0.0 || request.action != action::DEAL {
        return None;
    }
    let (of, tick) = (broker.instrument(&request.symbol), broker.tick_of(&request.symbol, view));
    let (Some(of), Some(tick)) = (of, tick) else { return Some("there is no price to compare the seen one with".into()) };
    let price = if request.kind == ORDER_BUY { tick.ask } else { tick.bid };
    let moved = (price - trade.seen_price).abs() / of.point();
    // Not "more than": a seen price that is no number must not pass.
    let within = moved <= f64::from(trade.max_slippage_points) + 1e-3;
    let digits = usize::from(of.digits);
    (!within).then(|| {
        format!(
            "the price moved {moved:.0} points, from {:.digits$} to {price:.digits$}; {} were allowed",
            trade.seen_price, trade.max_slippage_points
        )
    })
}

fn accepted(command: CommandId) -> FromTerminal {
    Accepted { command, lease_ms: LEASE_MS }.into()
}

fn outcome(command: CommandId, ended: Ended) -> Outcome {
    Outcome { command, kind: ended.kind, reason: ended.reason, result: Row(ended.result) }
}

fn answer(command: CommandId, kind: u8) -> Answer {
    Answer { command, kind, outcome_kind: 0, reason: String::new(), result: Row::default(), proof: 0, asked_at: 0 }
}

fn answer_with(command: CommandId, ended: Ended) -> Answer {
    let Ended { kind, reason, result } = ended;
    Answer { outcome_kind: kind, reason, result: Row(result), ..answer(command, answer_kind::OUTCOME) }
}

fn not_seen(command: CommandId) -> Answer {
    answer(command, answer_kind::NOT_SEEN)
}

fn forgotten(command: CommandId) -> Answer {
    Answer { reason: "so old that this EA has dropped it".into(), ..answer(command, answer_kind::FORGOTTEN) }
}

fn at_broker(query: &Query, broker: &Broker, sight: Sight) -> Answer {
    match evidence::look(query, broker, sight) {
        Found::Evidence(result) => Answer { result: Row(result), ..answer(query.command, answer_kind::EVIDENCE) },
        Found::Nothing { proof, reason } => {
            Answer { proof, reason: reason.into(), asked_at: query.asked_at, ..answer(query.command, answer_kind::NO_EVIDENCE) }
        }
    }
}

#[cfg(test)]
#[path = "ea_tests.rs"]
mod tests;
