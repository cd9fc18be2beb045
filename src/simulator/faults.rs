//! Faults on demand: what `--fault` says, and when it strikes.

use std::{fmt, str::FromStr, time::Duration};

use super::{instrument, rules::Quirk};
use crate::domain::trade::retcode;

/// A point in the life of a trade at the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The trade has arrived, and the EA has done nothing yet.
    BeforeAccept,
    /// Memory and journal hold it, ACCEPTED is on the wire, `OrderSend` has not been called.
    AfterAccept,
    /// `OrderSend` has returned; neither journal nor hub know the result.
    AfterExecute,
    /// The journal holds the result; the hub does not know it.
    AfterRecord,
}

/// More of the same would only measure this machine.
const FLOOD_MAX: u32 = 1_000;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The socket is cut without a close frame. The EA itself goes on, as a real one does.
    Drop(Step),
    /// The EA starts anew with another instance and an empty memory; with `lose` its journal file is gone too.
    Crash {
        /// Where.
        step: Step,
        /// Whether the journal file is lost.
        lose: bool,
    },
    /// The process aborts.
    Exit(Step),
    /// So long after Welcome, nothing is read or written any more while the socket stays open.
    HalfOpen(Duration),
    /// The EA's one thread stands still so long, and then goes on as if nothing had been.
    Freeze(Duration),
    /// The wall clock of the machine jumps by so many milliseconds between the acceptance of a trade and its last checks.
    WallClock(i64),
    /// The broker refuses the next requests, so many of them, with 10004.
    Requote(u32),
    /// The broker refuses the next request with this retcode.
    Reject(u32),
    /// The broker fills so many hundredths of a lot of the next market order and cancels the rest.
    Part(u32),
    /// Lasting: every answer leaves so much later.
    Delay(Duration),
    /// Lasting: the terminal waits so long before it reads the next frame.
    SlowReader(Duration),
    /// Lasting: every answer is sent twice.
    Duplicate,
    /// Lasting: one frame in so many is lost on its way to the hub.
    LoseFrames(u32),
    /// Lasting: every push of quotes and bars is sent so many times.
    Flood(u32),
    /// Lasting: the broker's clock, as the terminal tells it, is wrong by so many seconds.
    BrokerClock(i64),
    /// Lasting: what was done in the last so long (broker time) is not shown yet, neither to reads nor to a search for evidence.
    Hide(Duration),
    /// Lasting: the broker does not keep the magic.
    DropMagic,
    /// Lasting: the broker does not keep the comment.
    DropComment,
}

impl FaultKind {
    /// Whether it holds until it is taken away, instead of striking at a moment.
    #[must_use]
    pub const fn is_lasting(self) -> bool {
        matches!(
            self,
            Self::Delay(_)
                | Self::SlowReader(_)
                | Self::Duplicate
                | Self::LoseFrames(_)
                | Self::Flood(_)
                | Self::BrokerClock(_)
                | Self::Hide(_)
                | Self::DropMagic
                | Self::DropComment
        )
    }
}

/// One `--fault`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// Each time, instead of once.
    pub always: bool,
}

/// A `--fault` that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no fault: use {FORMS}; STEP is before_accept, after_accept, after_execute or after_record")]
pub struct UnknownFault(String);

const STEPS: [(Step, &str); 4] = [
    (Step::BeforeAccept, "before_accept"),
    (Step::AfterAccept, "after_accept"),
    (Step::AfterExecute, "after_execute"),
    (Step::AfterRecord, "after_record"),
];

/// Every fault's form, for people.
pub const FORMS: &str = "drop:STEP, crash:STEP, crash-lose:STEP, exit:STEP, half-open[:AFTER_MS], freeze:MS, wall-clock:MS, \
                         requote[:TIMES], reject:RETCODE, part:LOTS (each strikes once, or each time with :always at the end), delay:MS, \
                         slow-reader:MS, duplicate, lose-frames:ONE_IN, flood:TIMES, broker-clock:SECONDS, hide:MS, drop-magic, drop-comment (they \
                         last)";

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        let (rest, always) = text.strip_suffix(":always").map_or((text, false), |rest| (rest, true));
        let (name, argument) = rest.split_once(':').map_or((rest, None), |(name, argument)| (name, Some(argument)));
        let kind = kind_of(name, argument).filter(|kind| !(always && kind.is_lasting()));
        kind.map(|kind| Self { kind, always }).ok_or_else(|| UnknownFault(text.chars().take(60).collect()))
    }
}

fn kind_of(name: &str, argument: Option<&str>) -> Option<FaultKind> {
    let step = || STEPS.iter().find(|(_, word)| Some(*word) == argument).map(|(step, _)| *step);
    let ms = || argument.and_then(|text| text.parse::<u32>().ok()).map(|ms| Duration::from_millis(u64::from(ms)));
    let number = || argument.and_then(|text| text.parse::<i64>().ok()).filter(|number| number.abs() < 1_000_000_000_000);
    let count = || argument.and_then(|text| text.parse::<u32>().ok()).filter(|count| *count > 0);
    let bare = |kind: FaultKind| argument.is_none().then_some(kind);
    match name {
        "drop" => step().map(FaultKind::Drop),
        "crash" => step().map(|step| FaultKind::Crash { step, lose: false }),
        "crash-lose" => step().map(|step| FaultKind::Crash { step, lose: true }),
        "exit" => step().map(FaultKind::Exit),
        "half-open" if argument.is_none() => Some(FaultKind::HalfOpen(Duration::ZERO)),
        "half-open" => ms().map(FaultKind::HalfOpen),
        "freeze" => ms().map(FaultKind::Freeze),
        "wall-clock" => number().map(FaultKind::WallClock),
        "requote" if argument.is_none() => Some(FaultKind::Requote(1)),
        "requote" => count().map(FaultKind::Requote),
        "reject" => count().filter(|code| crate::domain::names::retcode(*code).is_some()).map(FaultKind::Reject),
        "part" => argument.and_then(|text| instrument::volume(text.parse().ok()?)?.try_into().ok()).map(FaultKind::Part),
        "delay" => ms().map(FaultKind::Delay),
        "slow-reader" => ms().map(FaultKind::SlowReader),
        "duplicate" => bare(FaultKind::Duplicate),
        "lose-frames" => count().map(FaultKind::LoseFrames),
        "flood" => count().filter(|times| *times <= FLOOD_MAX).map(FaultKind::Flood),
        "broker-clock" => number().map(FaultKind::BrokerClock),
        "hide" => ms().map(FaultKind::Hide),
        "drop-magic" => bare(FaultKind::DropMagic),
        "drop-comment" => bare(FaultKind::DropComment),
        _ => None,
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |step: Step| STEPS.iter().find(|(one, _)| *one == step).map_or("", |(_, word)| word);
        match self.kind {
            FaultKind::Drop(step) => write!(f, "drop:{}", word(step))?,
            FaultKind::Crash { step, lose: false } => write!(f, "crash:{}", word(step))?,
            FaultKind::Crash { step, lose: true } => write!(f, "crash-lose:{}", word(step))?,
            FaultKind::Exit(step) => write!(f, "exit:{}", word(step))?,
            FaultKind::HalfOpen(after) => write!(f, "half-open:{}", after.as_millis())?,
            FaultKind::Freeze(by) => write!(f, "freeze:{}", by.as_millis())?,
            FaultKind::WallClock(ms) => write!(f, "wall-clock:{ms}")?,
            FaultKind::Requote(times) => write!(f, "requote:{times}")?,
            FaultKind::Reject(code) => write!(f, "reject:{code}")?,
            FaultKind::Part(part) => write!(f, "part:{}", instrument::lots(i64::from(part)))?,
            FaultKind::Delay(by) => write!(f, "delay:{}", by.as_millis())?,
            FaultKind::SlowReader(by) => write!(f, "slow-reader:{}", by.as_millis())?,
            FaultKind::Duplicate => f.write_str("duplicate")?,
            FaultKind::LoseFrames(one_in) => write!(f, "lose-frames:{one_in}")?,
            FaultKind::Flood(times) => write!(f, "flood:{times}")?,
            FaultKind::BrokerClock(seconds) => write!(f, "broker-clock:{seconds}")?,
            FaultKind::Hide(by) => write!(f, "hide:{}", by.as_millis())?,
            FaultKind::DropMagic => f.write_str("drop-magic")?,
            FaultKind::DropComment => f.write_str("drop-comment")?,
        }
        if self.always { f.write_str(":always") } else { Ok(()) }
    }
}

/// What a step fault does to the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strike {
    Drop,
    Crash { lose: bool },
}

/// The faults that still wait for their moment.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    pub(super) fn new(faults: Vec<Fault>) -> Self {
        Self(faults)
    }

    /// What strikes at this step of a trade. `exit` does not return.
    pub(super) fn at(&mut self, step: Step) -> Option<Strike> {
        let found = |fault: &Fault| match fault.kind {
            FaultKind::Drop(at) | FaultKind::Exit(at) => at == step,
            FaultKind::Crash { step: at, .. } => at == step,
            _ => false,
        };
        match self.take(found)?.kind {
            FaultKind::Crash { lose, .. } => Some(Strike::Crash { lose }),
            // As kill -9 does it: nothing is flushed, nothing is said goodbye to.
            FaultKind::Exit(_) => std::process::abort(),
            _ => Some(Strike::Drop),
        }
    }

    /// The faults that there still are.
    pub(super) fn all(&self) -> &[Fault] {
        &self.0
    }

    /// How late every answer is.
    pub(super) fn delay(&self) -> Duration {
        self.lasting(|kind| if let FaultKind::Delay(by) = kind { Some(by) } else { None }).unwrap_or_default()
    }

    /// How long the terminal waits before the next frame.
    pub(super) fn slow_reader(&self) -> Option<Duration> {
        self.lasting(|kind| if let FaultKind::SlowReader(by) = kind { Some(by) } else { None })
    }

    /// Whether every answer is sent twice.
    pub(super) fn duplicates(&self) -> bool {
        self.lasting(|kind| (kind == FaultKind::Duplicate).then_some(())).is_some()
    }

    /// How often a push of quotes or bars is sent.
    pub(super) fn flood(&self) -> u32 {
        self.lasting(|kind| if let FaultKind::Flood(times) = kind { Some(times) } else { None }).unwrap_or(1)
    }

    /// One frame in so many is lost.
    pub(super) fn lose_frames(&self) -> Option<u32> {
        self.lasting(|kind| if let FaultKind::LoseFrames(one_in) = kind { Some(one_in) } else { None })
    }

    /// By how many seconds the broker's clock is told wrong.
    pub(super) fn broker_clock(&self) -> i64 {
        self.lasting(|kind| if let FaultKind::BrokerClock(by) = kind { Some(by) } else { None }).unwrap_or_default()
    }

    /// For how long what was done is not shown.
    pub(super) fn hide(&self) -> Duration {
        self.lasting(|kind| if let FaultKind::Hide(by) = kind { Some(by) } else { None }).unwrap_or_default()
    }

    /// How long the EA stands still now.
    pub(super) fn freeze(&mut self) -> Option<Duration> {
        match self.take(|fault| matches!(fault.kind, FaultKind::Freeze(_)))?.kind {
            FaultKind::Freeze(by) => Some(by),
            _ => None,
        }
    }

    /// By how many milliseconds the machine's wall clock jumps now.
    pub(super) fn wall_clock(&mut self) -> i64 {
        match self.take(|fault| matches!(fault.kind, FaultKind::WallClock(_))) {
            Some(Fault { kind: FaultKind::WallClock(by), .. }) => by,
            _ => 0,
        }
    }

    /// What the broker does to the request that reaches it now.
    pub(super) fn quirk(&mut self, is_market_order: bool) -> Quirk {
        let refuses = |fault: &Fault| matches!(fault.kind, FaultKind::Requote(_) | FaultKind::Reject(_));
        let refuse = self.take(refuses).map(|fault| match fault.kind {
            FaultKind::Reject(code) => code,
            _ => retcode::REQUOTE,
        });
        let part =
            if is_market_order && refuse.is_none() { self.take(|fault| matches!(fault.kind, FaultKind::Part(_))) } else { None };
        Quirk {
            refuse,
            part: part.and_then(|fault| if let FaultKind::Part(part) = fault.kind { Some(i64::from(part)) } else { None }),
            drop_magic: self.lasting(|kind| (kind == FaultKind::DropMagic).then_some(())).is_some(),
            drop_comment: self.lasting(|kind| (kind == FaultKind::DropComment).then_some(())).is_some(),
        }
    }

    /// How long after Welcome the next connection goes half open.
    pub(super) fn half_open(&self) -> Option<Duration> {
        self.lasting(|kind| if let FaultKind::HalfOpen(after) = kind { Some(after) } else { None })
    }

    /// The connection went half open.
    pub(super) fn went_half_open(&mut self) {
        self.take(|fault| matches!(fault.kind, FaultKind::HalfOpen(_)));
    }

    fn lasting<T>(&self, of: impl Fn(FaultKind) -> Option<T>) -> Option<T> {
        self.0.iter().find_map(|fault| of(fault.kind))
    }

    fn take(&mut self, wanted: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let at = self.0.iter().position(wanted)?;
        let fault = *self.0.get(at)?;
        match &mut self.0[at] {
            _ if fault.always => {}
            Fault { kind: FaultKind::Requote(times), .. } if *times > 1 => *times -= 1,
            _ => {
                self.0.remove(at);
            }
        }
        Some(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_reads_back_from_its_words() {
        for text in [
            "drop:before_accept",
            "drop:after_accept",
            "drop:after_execute:always",
            "crash:after_record",
            "crash-lose:after_execute",
            "exit:after_accept",
            "delay:250",
            "half-open:1500",
            "half-open:0:always",
            "freeze:3000",
            "wall-clock:-5000",
            "requote:3",
            "reject:10006:always",
            "part:0.25",
            "slow-reader:50",
            "flood:100",
            "duplicate",
            "lose-frames:10",
            "broker-clock:-3600",
            "hide:30000",
            "drop-magic",
            "drop-comment",
        ] {
            assert_eq!(text.parse::<Fault>().unwrap().to_string(), text);
        }
        assert_eq!("half-open".parse::<Fault>().unwrap().kind, FaultKind::HalfOpen(Duration::ZERO));
    }

    #[test]
    fn an_unknown_fault_is_answered_with_those_there_are() {
        let wrong = ["", "drop", "drop:", "drop:later", "delay", "delay:soon", "delay:-1", "half-open:x", "explode:after_accept"];
        for text in wrong.into_iter().chain(["reject:1", "part:0.001", "requote:0", "duplicate:2", "delay:5:always"]) {
            let error = text.parse::<Fault>().unwrap_err().to_string();
            assert!(error.contains("after_execute") && error.contains("half-open[:AFTER_MS]"), "{error}");
        }
    }

    #[test]
    fn a_step_fault_strikes_once_unless_it_is_for_always() {
        let mut once = Faults::new(vec!["drop:after_accept".parse().unwrap()]);
        assert_eq!(once.at(Step::BeforeAccept), None);
        assert_eq!(once.at(Step::AfterAccept), Some(Strike::Drop));
        assert_eq!(once.at(Step::AfterAccept), None);
        let mut always = Faults::new(vec!["crash-lose:after_execute:always".parse().unwrap()]);
        for _ in 0..3 {
            assert_eq!(always.at(Step::AfterExecute), Some(Strike::Crash { lose: true }));
        }
    }

    #[test]
    fn requotes_are_counted_and_a_part_waits_for_a_market_order() {
        let mut faults = Faults::new(["requote:2", "part:0.1", "drop-magic"].map(|text| text.parse().unwrap()).to_vec());
        assert_eq!(faults.quirk(true).refuse, Some(retcode::REQUOTE));
        assert_eq!(faults.quirk(true).refuse, Some(retcode::REQUOTE));
        assert_eq!(faults.quirk(false), Quirk { drop_magic: true, ..Quirk::default() });
        assert_eq!(faults.quirk(true).part, Some(10));
        assert_eq!(faults.all().len(), 1, "what lasts is still there");
    }
}
