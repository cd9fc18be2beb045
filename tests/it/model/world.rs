//! What the model consists of, and how it looks to the real core.

use std::collections::BTreeSet;

use mtbridge::{
    domain::{
        UnixMillis,
        account::Account,
        api_key::Permission,
        command::{CommandRecord, CommandState},
        ids::{CommandId, EaInstance, KeyId, OwnerId, TokenId},
        safety::{Adjudication, Verdict},
        trade::{TradeRequest, TradeResult, action, retcode},
    },
    protocol::{
        codec::Row,
        message::{Answer, answer_kind, outcome_kind, proof},
    },
    trading::core::{Command, KeptBack},
};

pub(super) const TTL_MS: u32 = 60_000;
pub(super) const DEADLINE: i64 = 1_000 + TTL_MS as i64;
/// The instants that matter: before the deadline; when `OrderSend` is long over but a deal may still show up; when nothing can show
/// up any more; and, for a hub that restarted until then and so has to wait anew, long after.
pub(super) const TIMES: [i64; 4] = [1_000, 250_000, 310_000, 700_000];
pub(super) const SEND_OVER: u8 = 1;
pub(super) const SETTLED: u8 = 2;
/// The hub's clock after a restart, compared with the one before it.
pub(super) const JUMPS: [i64; 3] = [0, 100_000, -100_000];
/// E, to which the first command goes, and E', which comes later.
pub(super) const INSTANCES: [EaInstance; 2] = [EaInstance([1; 16]), EaInstance([2; 16])];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Fact {
    Done,
    Rejected,
    Ambiguous,
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Says {
    NotSeen,
    InProgress,
    Outcome(Fact),
    Evidence,
    NoEvidence { whole_history: bool, asked: u8 },
}

/// A Trade and an Outcome stay when they are read and may come again at any time until a cut drops them. The others are asked for or
/// said again by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Message {
    Trade { bound: u8 },
    Query { to: u8, asked: u8 },
    Acknowledge { to: u8 },
    Accepted { from: u8 },
    Outcome { from: u8, fact: Fact },
    Answer { from: u8, says: Says },
}

impl Message {
    pub(super) const fn terminal(self) -> u8 {
        match self {
            Self::Trade { bound: i } | Self::Query { to: i, .. } | Self::Acknowledge { to: i } => i,
            Self::Accepted { from: i } | Self::Outcome { from: i, .. } | Self::Answer { from: i, .. } => i,
        }
    }
}

/// What of a [`Command`] differs between states; the rest is the same in all of them, or never read by `step`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Record {
    pub(super) state: CommandState,
    pub(super) bound: u8,
    /// Counted, like every instant in here, from a clock that does not jump.
    pub(super) deadline: i64,
    pub(super) retcode: Option<u32>,
    pub(super) lease_until: Option<i64>,
    /// A person decided: whether it was done.
    pub(super) decided: Option<bool>,
}

/// The one Trade on its way out of the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Dispatch {
    Over,
    Waiting,
    /// It will never be written; the record that says so, and why, is still to come.
    KeptBack(KeptBack),
}

/// What an instance does with a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Work {
    Nothing,
    AboutToSend,
    /// What the broker made of it, before the terminal knows.
    InOrderSend(Option<Fact>),
    Ended(Fact),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Memory {
    pub(super) seen: bool,
    pub(super) work: Work,
}

/// One command wherever it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Life {
    pub(super) key_known: bool,
    pub(super) durable: Option<Record>,
    pub(super) volatile: Option<Record>,
    pub(super) dispatch: Dispatch,
    pub(super) ea: [Memory; 2],
    pub(super) result_file: Option<Fact>,
    pub(super) in_flight: u8,
    pub(super) executions: u8,
    pub(super) network: BTreeSet<Message>,
    pub(super) told: Option<CommandState>,
    pub(super) told_otherwise: bool,
    pub(super) repeats_for_ever: bool,
    pub(super) sent_after_kill: bool,
    pub(super) contradicted_silently: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Terminal {
    NotStarted,
    Running,
    Dead,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) time: u8,
    pub(super) terminals: [Terminal; 2],
    pub(super) connected: [bool; 2],
    pub(super) cuts_left: u8,
    pub(super) restarts_left: u8,
    /// The kill switch is on, and the call that set it has returned.
    pub(super) killed: bool,
    pub(super) decisions_left: u8,
    /// All from one Idempotency-Key: a second one is a mistake already.
    pub(super) lives: Vec<Life>,
}

/// What an EA that reads a message finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Plainly,
    /// Some limit, guard or switch of its own is against it.
    Refusing,
    /// The journal file of the one before it is there.
    WithTheFile,
    /// The terminal has not loaded everything yet.
    WithHalfAHistory,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    ClientPosts,
    HubCommits(usize),
    HubSends(usize),
    HubTakesBack(usize, KeptBack),
    HubRecordsThatItWasKeptBack(usize),
    HubLooksAtTheClock(usize),
    ClientCancels(usize),
    HubIsKilled,
    PersonDecides { life: usize, done: bool },
    HubHears(usize, Message),
    HubRestarts { clock_jumps: i64 },
    EaReads { life: usize, who: u8, message: Message, how: Reading },
    EaCallsOrderSend { life: usize, who: u8, broker: Option<Fact> },
    OrderSendReturns { life: usize, who: u8, fact: Fact },
    BrokerExecutesLate(usize),
    BrokerDrops(usize),
    Cut { who: u8, losing_all: bool },
    Connects { who: u8, file: bool },
    FirstTerminalDies,
    OtherTerminalStarts,
    TimePasses,
}

impl Record {
    pub(super) fn of(command: &Command, bound: u8) -> Self {
        let record = &command.record;
        let after = Self {
            state: record.state,
            bound,
            deadline: record.deadline_at.0,
            retcode: record.result.as_ref().map(|result| result.retcode),
            lease_until: command.lease_until.map(|at| at.0),
            decided: record.adjudication.as_ref().map(|decision| decision.outcome.is_done()),
        };
        // What is final is read from the journal from then on, and nothing counts from its deadline any more.
        match after.state {
            CommandState::Unknown => after.as_journaled(),
            state if state.is_final() => Self { deadline: 0, ..after.as_journaled() },
            _ => after,
        }
    }

    pub(super) const fn as_journaled(self) -> Self {
        Self { lease_until: None, ..self }
    }

    pub(super) fn command(self) -> Command {
        let ulid = ulid::Ulid::from_parts(1, 1);
        let record = CommandRecord {
            id: CommandId::new(ulid),
            owner: OwnerId::SELF,
            key: KeyId::new(ulid),
            permission: Permission::TradeWrite,
            account: Account::new(1001, "Demo-Server").unwrap(),
            token: TokenId::new(ulid),
            trade_mode: 0,
            instance: INSTANCES[usize::from(self.bound)],
            request: TradeRequest { action: action::DEAL, ..TradeRequest::default() },
            tag: 1,
            client_order_id: None,
            seen_price: None,
            max_slippage_points: None,
            parent: None,
            ttl_ms: TTL_MS,
            state: self.state,
            created_at: UnixMillis(TIMES[0]),
            updated_at: UnixMillis(TIMES[0]),
            dispatched_broker_time: 0,
            deadline_at: UnixMillis(self.deadline),
            result: self.retcode.map(|retcode| TradeResult { retcode, ..TradeResult::default() }),
            reason: None,
            adjudication: self.decided.map(decision),
            hook: None,
            earlier: Vec::new(),
        };
        Command { lease_until: self.lease_until.map(UnixMillis), ..Command::new(record) }
    }
}

pub(super) fn decision(done: bool) -> Adjudication {
    let outcome = if done { Verdict::Executed } else { Verdict::NotExecuted };
    Adjudication { outcome, by: String::new(), at: UnixMillis(0), reason: String::new() }
}

impl Fact {
    pub(super) const fn of(kind: u8, code: u32) -> Option<Self> {
        match (kind, code) {
            (outcome_kind::REFUSED, _) => Some(Self::Refused),
            (_, retcode::DONE) => Some(Self::Done),
            (_, retcode::REJECT) => Some(Self::Rejected),
            (_, retcode::TIMEOUT) => Some(Self::Ambiguous),
            _ => None,
        }
    }

    /// What it says about the market, if it says anything.
    pub(super) const fn done(self) -> Option<bool> {
        match self {
            Self::Done => Some(true),
            Self::Rejected | Self::Refused => Some(false),
            Self::Ambiguous => None,
        }
    }

    pub(super) fn on_the_wire(self) -> (u8, TradeResult) {
        let (kind, retcode) = match self {
            Self::Done => (outcome_kind::BROKER, retcode::DONE),
            Self::Rejected => (outcome_kind::BROKER, retcode::REJECT),
            Self::Ambiguous => (outcome_kind::BROKER, retcode::TIMEOUT),
            Self::Refused => (outcome_kind::REFUSED, 0),
        };
        (kind, TradeResult { retcode, ..TradeResult::default() })
    }
}

impl Says {
    pub(super) fn on_the_wire(self, arrives: Option<u8>) -> Answer {
        let asked_at = match (self, arrives) {
            (_, Some(time)) | (Self::NoEvidence { asked: time, .. }, None) => TIMES[usize::from(time)],
            _ => 0,
        };
        let (kind, fact, proof) = match self {
            Self::NotSeen => (answer_kind::NOT_SEEN, None, 0),
            Self::InProgress => (answer_kind::IN_PROGRESS, None, 0),
            Self::Outcome(fact) => (answer_kind::OUTCOME, Some(fact), 0),
            Self::Evidence => (answer_kind::EVIDENCE, Some(Fact::Done), 0),
            Self::NoEvidence { whole_history: true, .. } => (answer_kind::NO_EVIDENCE, None, proof::ALL),
            Self::NoEvidence { .. } => (answer_kind::NO_EVIDENCE, None, proof::CONNECTED | proof::COVERS_DISPATCH),
        };
        let (outcome_kind, result) = fact.map_or_else(Default::default, Fact::on_the_wire);
        let command = CommandId::new(ulid::Ulid::from_parts(1, 1));
        Answer { command, kind, outcome_kind, reason: String::new(), result: Row(result), proof, asked_at }
    }
}

impl Life {
    pub(super) fn taken_up(&mut self, message: Message) {
        if !matches!(message, Message::Trade { .. } | Message::Outcome { .. }) {
            self.network.remove(&message);
        }
    }

    pub(super) fn ends(&mut self, who: u8, fact: Fact) {
        self.ea[usize::from(who)].work = Work::Ended(fact);
        self.result_file = Some(fact);
        self.network.insert(Message::Outcome { from: who, fact });
    }

    /// Neither an EA nor the broker can do anything about it any more: from now on only what the hub hears could matter.
    pub(super) fn is_at_rest(&self) -> bool {
        let idle = |memory: &Memory| matches!(memory.work, Work::Nothing | Work::Ended(_));
        let comes = |message: &Message| matches!(message, Message::Trade { bound } if !self.ea[usize::from(*bound)].seen);
        self.final_state().is_some() && self.in_flight == 0 && self.ea.iter().all(idle) && !self.network.iter().any(comes)
    }

    pub(super) fn final_state(&self) -> Option<CommandState> {
        self.durable.map(|record| record.state).filter(|state| state.is_final())
    }
}
