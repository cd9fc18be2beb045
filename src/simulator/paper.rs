//! The paper broker with its market: one machine, as many terminals as like may be logged in to.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{
    bars::BarSet,
    broker::{AccountSettings, Broker},
    ledger::{Entry, Executed, Lines, Origin},
    mt4,
    replay::{MarketView, Replay},
    rules::{Quirk, Rules},
};
use crate::domain::{
    account::{AccountInfo, Platform},
    trade::{Deal, Order, Position, TradeRequest, TradeResult},
};

/// One account at the paper broker, and the market it trades in. Clones are the same account.
#[derive(Debug, Clone)]
pub struct PaperBroker(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    replay: Replay,
    broker: Mutex<Broker>,
    /// Where the clock is noted, if it is.
    clock: Option<PathBuf>,
}

/// How the market's clock is found again after a restart.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Anchor {
    /// UTC, epoch milliseconds, when `open_ms` was true.
    unix_ms: i64,
    open_ms: i64,
    speed: f64,
}

fn note(clock: &Path, replay: &Replay) -> io::Result<()> {
    let unix_ms = jiff::Timestamp::now().as_millisecond();
    let anchor = Anchor { unix_ms, open_ms: replay.open_ms(), speed: replay.speed() };
    let fresh = clock.with_extension("json.new");
    std::fs::write(&fresh, serde_json::to_vec(&anchor)?)?;
    std::fs::rename(&fresh, clock)
}

impl PaperBroker {
    /// An account that ends with the process. `start` is broker time in epoch seconds; without it the last tenth of the bars is
    /// played.
    #[must_use]
    pub fn in_memory(settings: AccountSettings, bars: Arc<BarSet>, start: Option<i64>, speed: f64) -> Self {
        let start = start.unwrap_or_else(|| bars.last_tenth());
        let replay = Replay::new(bars, start, speed).in_zone(settings.zone);
        let broker = Broker::in_memory(settings, &replay.view());
        Self::of(replay, broker, None)
    }

    /// An account whose ledger and clock live in `folder`, and go on from there when they are found. While no process runs the
    /// clock goes on, as a broker's does; `start` counts for the first time only.
    ///
    /// # Errors
    /// When the folder cannot be used, or another process uses it.
    pub fn in_folder(
        folder: &Path,
        settings: AccountSettings,
        bars: Arc<BarSet>,
        start: Option<i64>,
        speed: f64,
    ) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let (lines, entries) = Lines::open::<Entry>(&folder.join(format!("broker-{}.jsonl", settings.login)))?;
        let clock = folder.join(format!("clock-{}.json", settings.login));
        let now = jiff::Timestamp::now().as_millisecond();
        let replay = match std::fs::read(&clock) {
            Ok(text) => {
                let then: Anchor = serde_json::from_slice(&text)?;
                #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "floats saturate")]
                let passed = ((now - then.unix_ms).max(0) as f64 * then.speed) as i64;
                Replay::at_open_ms(bars, then.open_ms.saturating_add(passed), speed)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let start = start.unwrap_or_else(|| bars.last_tenth());
                Replay::new(bars, start, speed)
            }
            Err(error) => return Err(error),
        };
        let replay = replay.in_zone(settings.zone);
        note(&clock, &replay)?;
        let broker = Broker::rebuild(settings, lines, entries, &replay.view());
        Ok(Self::of(replay, broker, Some(clock)))
    }

    fn of(replay: Replay, broker: Broker, clock: Option<PathBuf>) -> Self {
        Self(Arc::new(Inner { replay, broker: Mutex::new(broker), clock }))
    }

    /// Lets so much open market pass at once. What the price touches on the way happens.
    ///
    /// # Errors
    /// When the clock cannot be written down; it has moved all the same.
    pub fn advance(&self, by: Duration) -> io::Result<()> {
        self.0.replay.advance(by);
        // A look, so that it has happened when this returns.
        self.with(|_, _| ());
        self.note_clock()
    }

    /// Runs at another speed from now on.
    ///
    /// # Errors
    /// When the clock cannot be written down; it has changed all the same.
    pub fn set_speed(&self, speed: f64) -> io::Result<()> {
        self.0.replay.set_speed(speed);
        self.note_clock()
    }

    fn note_clock(&self) -> io::Result<()> {
        self.0.clock.as_deref().map_or(Ok(()), |clock| note(clock, &self.0.replay))
    }

    /// The market's clock.
    #[must_use]
    pub fn replay(&self) -> &Replay {
        &self.0.replay
    }

    /// Whose account it is.
    #[must_use]
    pub fn settings(&self) -> AccountSettings {
        self.with(|broker, _| broker.settings().clone())
    }

    /// Looks at the broker and the market at one instant, after stops that were touched have been carried out.
    pub(super) fn with<T>(&self, look: impl FnOnce(&mut Broker, &MarketView<'_>) -> T) -> T {
        let mut broker = self.0.broker.lock().unwrap_or_else(PoisonError::into_inner);
        // The clock is read under the lock, so that two terminals never hand in times in the wrong order.
        let view = self.0.replay.view();
        broker.settle(&view);
        look(&mut broker, &view)
    }

    /// `OrderSend`, as any terminal of the account, or a person at another one, may call it.
    #[must_use]
    pub fn order_send(&self, request: &TradeRequest) -> TradeResult {
        self.with(|broker, view| broker.order_send(request, view))
    }

    /// The same with a fault at the broker.
    pub(super) fn order_send_with(&self, request: &TradeRequest, quirk: Quirk) -> TradeResult {
        self.with(|broker, view| broker.order_send_with(request, quirk, view))
    }

    /// The names of what it trades, the replayed symbol first.
    #[must_use]
    pub fn symbols(&self) -> Vec<String> {
        self.with(|broker, _| broker.instruments().iter().map(|one| one.name.clone()).collect())
    }

    /// The rules by which it trades.
    #[must_use]
    pub fn rules(&self) -> Rules {
        self.with(|broker, _| broker.settings().rules.clone())
    }

    /// Trades by other rules from now on.
    pub fn set_rules(&self, rules: Rules) {
        self.with(|broker, _| broker.set_rules(rules));
    }

    /// Every deal with the reason for which it was made: a request, or the broker itself. Oldest first.
    #[must_use]
    pub fn origins(&self) -> Vec<(Deal, Origin)> {
        self.with(|broker, _| broker.origins())
    }

    /// The open orders, by ticket.
    #[must_use]
    pub fn orders(&self) -> Vec<Order> {
        self.with(|broker, view| broker.orders(view))
    }

    /// Orders that are filled, cancelled, rejected or expired, by their end.
    #[must_use]
    pub fn history_orders(&self) -> Vec<Order> {
        self.with(|broker, _| broker.history_orders().cloned().collect())
    }

    /// Every request that reached the broker, refused ones too, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Executed> {
        self.with(|broker, _| broker.requests())
    }

    /// The requests that the broker carried out: commands and these must match one for one.
    #[must_use]
    pub fn executed(&self) -> Vec<Executed> {
        let mut requests = self.requests();
        requests.retain(Executed::is_done);
        requests
    }

    /// Every deal, oldest first; the first is the deposit.
    #[must_use]
    pub fn deals(&self) -> Vec<Deal> {
        self.with(|broker, _| broker.deals().cloned().collect())
    }

    /// The same as a terminal of the account shows them: MetaTrader 4 tells of them as openings and closings of its orders.
    #[must_use]
    pub fn shown_deals(&self) -> Vec<Deal> {
        self.with(|broker, _| match broker.settings().platform {
            Platform::Mt4 => mt4::deals(broker),
            Platform::Mt5 => broker.deals().cloned().collect(),
        })
    }

    /// The open positions, by ticket.
    #[must_use]
    pub fn positions(&self) -> Vec<Position> {
        self.with(|broker, view| broker.positions(view))
    }

    /// The account's figures.
    #[must_use]
    pub fn account(&self) -> AccountInfo {
        self.with(|broker, view| broker.account(view))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::trade::action;

    #[test]
    fn after_a_restart_neither_the_account_nor_its_clock_goes_back() {
        let folder = tempfile::tempdir().unwrap();
        let start = |from| {
            let bars = BarSet::embedded().unwrap();
            PaperBroker::in_folder(folder.path(), AccountSettings::default(), bars, from, 100.0).unwrap()
        };
        let first = start(Some(1_709_890_000));
        let buy = TradeRequest { action: action::DEAL, symbol: "EURUSD".into(), volume: 0.1, ..TradeRequest::default() };
        assert_eq!(first.order_send(&buy).retcode, 10_009);
        let (executed, stood_at) = (first.executed(), first.replay().view().now_ms());
        let hour = std::time::Duration::from_secs(3_600);
        first.advance(hour).unwrap();
        let stood_at = stood_at + 3_600_000;
        drop(first);
        let second = start(None);
        assert_eq!(second.executed(), executed);
        assert!(second.replay().view().now_ms() >= stood_at - 200, "two seconds of a hundredfold clock are 20 ms");
        assert!(second.replay().view().now_ms() < stood_at + 3_600_000);
    }

    #[test]
    fn a_folder_belongs_to_one_process() {
        let folder = tempfile::tempdir().unwrap();
        let open = || PaperBroker::in_folder(folder.path(), AccountSettings::default(), BarSet::embedded().unwrap(), None, 1.0);
        let held = open().unwrap();
        assert!(open().unwrap_err().to_string().contains("in use by another process"));
        drop(held);
        assert!(open().is_ok());
    }
}
