//! Faults on demand: what `--fault` says, and when it strikes.

use std::{fmt, str::FromStr, time::Duration};

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
    /// Every answer leaves so much later.
    Delay(Duration),
    /// So long after Welcome, nothing is read or written any more while the socket stays open.
    HalfOpen(Duration),
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
#[error(
    "`{0}` is no fault: use drop:STEP, crash:STEP, crash-lose:STEP or exit:STEP (STEP is before_accept, after_accept, \
     after_execute or after_record), delay:MS, half-open or half-open:AFTER_MS; each strikes once, or each time with :always \
     at the end"
)]
pub struct UnknownFault(String);

const STEPS: [(Step, &str); 4] = [
    (Step::BeforeAccept, "before_accept"),
    (Step::AfterAccept, "after_accept"),
    (Step::AfterExecute, "after_execute"),
    (Step::AfterRecord, "after_record"),
];

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        let (rest, always) = text.strip_suffix(":always").map_or((text, false), |rest| (rest, true));
        let (name, argument) = rest.split_once(':').map_or((rest, None), |(name, argument)| (name, Some(argument)));
        let step = || STEPS.iter().find(|(_, word)| Some(*word) == argument).map(|(step, _)| *step);
        let ms = || argument.and_then(|text| text.parse::<u32>().ok()).map(|ms| Duration::from_millis(u64::from(ms)));
        let kind = match name {
            "drop" => step().map(FaultKind::Drop),
            "crash" => step().map(|step| FaultKind::Crash { step, lose: false }),
            "crash-lose" => step().map(|step| FaultKind::Crash { step, lose: true }),
            "exit" => step().map(FaultKind::Exit),
            "delay" => ms().map(FaultKind::Delay),
            "half-open" if argument.is_none() => Some(FaultKind::HalfOpen(Duration::ZERO)),
            "half-open" => ms().map(FaultKind::HalfOpen),
            _ => None,
        };
        kind.map(|kind| Self { kind, always }).ok_or_else(|| UnknownFault(text.chars().take(60).collect()))
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
            FaultKind::Delay(by) => write!(f, "delay:{}", by.as_millis())?,
            FaultKind::HalfOpen(after) => write!(f, "half-open:{}", after.as_millis())?,
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
            FaultKind::Delay(_) | FaultKind::HalfOpen(_) => false,
        };
        match self.take(found)?.kind {
            FaultKind::Crash { lose, .. } => Some(Strike::Crash { lose }),
            // As kill -9 does it: nothing is flushed, nothing is said goodbye to.
            FaultKind::Exit(_) => std::process::abort(),
            _ => Some(Strike::Drop),
        }
    }

    /// How late every answer is.
    pub(super) fn delay(&self) -> Duration {
        let delays = self.0.iter().filter_map(|fault| if let FaultKind::Delay(by) = fault.kind { Some(by) } else { None });
        delays.max().unwrap_or_default()
    }

    /// How long after Welcome the next connection goes half open.
    pub(super) fn half_open(&self) -> Option<Duration> {
        self.0.iter().find_map(|fault| if let FaultKind::HalfOpen(after) = fault.kind { Some(after) } else { None })
    }

    /// The connection went half open.
    pub(super) fn went_half_open(&mut self) {
        self.take(|fault| matches!(fault.kind, FaultKind::HalfOpen(_)));
    }

    fn take(&mut self, wanted: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let at = self.0.iter().position(wanted)?;
        let fault = *self.0.get(at)?;
        if !fault.always {
            self.0.remove(at);
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
        ] {
            assert_eq!(text.parse::<Fault>().unwrap().to_string(), text);
        }
        assert_eq!("half-open".parse::<Fault>().unwrap().kind, FaultKind::HalfOpen(Duration::ZERO));
    }

    #[test]
    fn an_unknown_fault_is_answered_with_those_there_are() {
        for text in ["", "drop", "drop:", "drop:later", "delay", "delay:soon", "delay:-1", "half-open:x", "explode:after_accept"]
        {
            let error = text.parse::<Fault>().unwrap_err().to_string();
            assert!(error.contains("after_execute") && error.contains("half-open:AFTER_MS"), "{error}");
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
}
