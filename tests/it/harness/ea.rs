//! The same tests over the simulator or over the real Expert Advisor: `MTBRIDGE_TEST_TERMINAL=simulator|simulator4|mt5|mt4`.
//!
//! `simulator4` is the simulator as MetaTrader 4: what fails there fails because that platform is another, not because of its EA.

use std::{
    path::{Path, PathBuf},
    sync::LazyLock,
};

use mqlc::{
    build::{self, Variant},
    preprocess::Dialect,
};
use mtbridge::{
    domain::{account::Platform, market::Timeframe},
    simulator::{
        PaperBroker, Refused, SimulatedTerminal, SimulatorConfig, Switches,
        faults::Fault,
        host::{Expert, ExpertTerminal},
    },
};
use tempfile::TempDir;
use tokio::sync::watch;

/// What the tests' terminals are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Simulator,
    Simulator4,
    Mt5,
    Mt4,
}

/// As the environment says; the simulator if it says nothing.
pub fn kind() -> Kind {
    static KIND: LazyLock<Kind> = LazyLock::new(|| match std::env::var("MTBRIDGE_TEST_TERMINAL").as_deref() {
        Err(_) | Ok("" | "simulator") => Kind::Simulator,
        Ok("simulator4") => Kind::Simulator4,
        Ok("mt5") => Kind::Mt5,
        Ok("mt4") => Kind::Mt4,
        Ok(other) => panic!("MTBRIDGE_TEST_TERMINAL=`{other}` is not simulator, simulator4, mt5 or mt4"),
    });
    *KIND
}

/// The tests that are run over every kind.
const OVER: &str = include_str!("../../over_terminals.txt");

/// The platform of a terminal of which a test says nothing else.
pub fn platform() -> Platform {
    if matches!(kind(), Kind::Mt4 | Kind::Simulator4) { Platform::Mt4 } else { Platform::Mt5 }
}

/// Whether such a terminal has bars of this timeframe: MetaTrader 4 has nine.
pub fn has_timeframe(timeframe: Timeframe) -> bool {
    platform() == Platform::Mt5 || ["M1", "M5", "M15", "M30", "H1", "H4", "D1", "W1", "MN1"].contains(&timeframe.name())
}

/// Only a test that is listed may start a terminal that can be of any kind: else it would never run over an Expert Advisor.
fn is_listed() {
    // nextest names the test in the environment; `cargo test` names the thread after it.
    let named = std::env::var("NEXTEST_TEST_NAME").ok();
    let name = named.or_else(|| std::thread::current().name().map(ToOwned::to_owned)).unwrap_or_default();
    let is_test = name.contains("::");
    assert!(!is_test || OVER.lines().any(|line| line == name), "`{name}` starts a terminal: add it to tests/over_terminals.txt");
}

/// How the Expert Advisors are compiled: `MTBRIDGE_EA_VARIANT=plain|sanitize|coverage`.
pub fn variant() -> Variant {
    match std::env::var("MTBRIDGE_EA_VARIANT").as_deref() {
        Err(_) | Ok("" | "plain") => Variant::Plain,
        Ok("sanitize") => Variant::Sanitize,
        Ok("coverage") => Variant::Coverage,
        Ok(other) => panic!("MTBRIDGE_EA_VARIANT=`{other}` is not plain, sanitize or coverage"),
    }
}

/// The Expert Advisor of this platform in a terminal with these files, as the environment says.
pub fn expert(platform: Platform, files: PathBuf) -> Expert {
    let variant = variant();
    let mut expert = Expert::new(program(platform, variant), files);
    expert.counts_lines = variant == Variant::Coverage;
    expert
}

/// The program of this platform's Expert Advisor; what was built from the same sources is found again.
pub fn program(platform: Platform, variant: Variant) -> PathBuf {
    let dialect = if platform == Platform::Mt4 { Dialect::Mql4 } else { Dialect::Mql5 };
    build::binary(Path::new(env!("CARGO_MANIFEST_DIR")), dialect, variant).unwrap_or_else(|error| panic!("{error}"))
}

/// A terminal: the simulator, or a program with the real Expert Advisor in it.
#[derive(Debug)]
pub enum Machine {
    Simulated(SimulatedTerminal),
    /// With the folder of its files, if that ends with it.
    Expert(ExpertTerminal, #[expect(dead_code, reason = "it is dropped with the machine")] Option<TempDir>),
}

/// Does the same to both.
macro_rules! both {
    ($machine:expr, $terminal:ident => $what:expr) => {
        match $machine {
            Self::Simulated($terminal) => $what,
            Self::Expert($terminal, _) => $what,
        }
    };
}

impl Machine {
    /// Of the kind that the environment says. Inside TLS nothing can be looked into, so there it is always the simulator.
    pub fn start(config: SimulatorConfig) -> Result<Self, Refused> {
        Self::of(kind(), config)
    }

    pub fn of(kind: Kind, mut config: SimulatorConfig) -> Result<Self, Refused> {
        // MetaTrader 4 has no netting, and an account that exists is what it is.
        let existing = config.broker.as_ref().map(|broker| broker.settings().platform);
        config.platform = match existing {
            Some(platform) => platform,
            None if matches!(kind, Kind::Mt4 | Kind::Simulator4) && !config.account.netting => Platform::Mt4,
            None => config.platform,
        };
        let inside_tls = config.url.starts_with("wss");
        if !inside_tls {
            is_listed();
        }
        if matches!(kind, Kind::Simulator | Kind::Simulator4) || inside_tls {
            return SimulatedTerminal::start(config).map(Self::Simulated);
        }
        let (files, folder) = match &config.state {
            Some(folder) => (folder.join(format!("files-{}", config.account.login)), None),
            None => {
                let folder = tempfile::tempdir().unwrap();
                (folder.path().join("files"), Some(folder))
            }
        };
        let expert = expert(config.platform, files);
        Ok(Self::Expert(ExpertTerminal::start(config, expert)?, folder))
    }

    pub fn broker(&self) -> PaperBroker {
        both!(self, terminal => terminal.broker())
    }

    pub fn connected(&self) -> watch::Receiver<bool> {
        both!(self, terminal => terminal.connected())
    }

    pub fn set_faults(&self, faults: Vec<Fault>) {
        both!(self, terminal => terminal.set_faults(faults));
    }

    pub fn set_switches(&self, switches: Switches) {
        both!(self, terminal => terminal.set_switches(switches));
    }

    pub fn outcome(&self) -> Option<Result<(), Refused>> {
        both!(self, terminal => terminal.outcome())
    }

    pub async fn ended(&self) -> Result<(), Refused> {
        both!(self, terminal => terminal.ended().await)
    }

    pub async fn stop(self) {
        both!(self, terminal => terminal.stop().await);
    }

    pub async fn kill(self) {
        both!(self, terminal => terminal.kill().await);
    }
}
