//! The same tests over the simulator or over the real Expert Advisor: `MTBRIDGE_TEST_TERMINAL=simulator|simulator4|mt5|mt4`.
//!
//! `simulator4` is the simulator as MetaTrader 4: what fails there fails because that platform is another, not because of its EA.

use std::{
    path::{Path, PathBuf},
    sync::{LazyLock, OnceLock},
};

use mqlc::{
    build::{self, Variant},
    preprocess::Dialect,
};
use mtbridge::{
    domain::account::Platform,
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

/// The Expert Advisor of this platform, built once.
pub fn expert(platform: Platform) -> PathBuf {
    static BUILT: [OnceLock<PathBuf>; 2] = [const { OnceLock::new() }; 2];
    let (at, dialect) = if platform == Platform::Mt4 { (0, Dialect::Mql4) } else { (1, Dialect::Mql5) };
    let build = || {
        build::binary(Path::new(env!("CARGO_MANIFEST_DIR")), dialect, Variant::Plain).unwrap_or_else(|error| panic!("{error}"))
    };
    BUILT[at].get_or_init(build).clone()
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
        if matches!(kind, Kind::Simulator | Kind::Simulator4) || config.url.starts_with("wss") {
            return SimulatedTerminal::start(config).map(Self::Simulated);
        }
        let (files, folder) = match &config.state {
            Some(folder) => (folder.join(format!("files-{}", config.account.login)), None),
            None => {
                let folder = tempfile::tempdir().unwrap();
                (folder.path().join("files"), Some(folder))
            }
        };
        let expert = Expert::new(expert(config.platform), files);
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
