//! The terminal around the EA's core: its clocks, its Hello and Status, and what it answers to each message of the hub.

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    broker::Broker,
    ea::{Ea, Moment, Next},
    ea_journal::Journal,
    evidence::Sight,
    live::Live,
    paper::PaperBroker,
    reads::{self, Desk, Look},
    replay::MarketView,
    rules::Quirk,
    transactions::Change,
};
use crate::{
    domain::{
        account::{Account, Platform},
        command::tag_sequence,
        ids::EaInstance,
        trade::{TradeRequest, TradeResult, retcode},
    },
    protocol::{
        self, FromHub, FromTerminal,
        message::{Hello, Status, Transaction, feature},
    },
};

/// The build that a paper terminal claims.
pub(super) const BUILD: u32 = 4_000;
/// `TERMINAL_PING_LAST` of a broker in the same process.
pub(super) const BROKER_PING_US: u32 = 500;
/// `TRADE_RETCODE_SERVER_DISABLES_AT`.
const SERVER_DISABLES_AT: u32 = 10_026;
/// `TRADE_RETCODE_CLIENT_DISABLES_AT`.
const CLIENT_DISABLES_AT: u32 = 10_027;

/// A paper terminal with its EA.
#[derive(Debug)]
pub(super) struct Terminal {
    pub(super) broker: PaperBroker,
    pub(super) ea: Ea,
    platform: Platform,
    /// `OnInit`: the EA's microsecond count starts here.
    started: Instant,
    told: Option<Told>,
    pub(super) switches: Switches,
    desk: Desk,
    pub(super) live: Live,
    /// Changes at the broker: how many there had been when this instance began, and how many it has dealt with.
    first_change: u64,
    seen_changes: u64,
    /// The wall clock's jumps, together.
    wall_ms: i64,
    /// By how many seconds the broker's clock is told wrong.
    pub(super) broker_clock_s: i64,
    /// What was done in the last so many milliseconds of broker time is not shown yet.
    pub(super) hide_ms: i64,
}

/// What a person at the terminal, its network and the broker may have turned off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// The terminal's link to its broker.
    pub broker_link: bool,
    /// The Algo Trading button.
    pub terminal_trade_allowed: bool,
    /// The EA's own setting.
    pub ea_trade_allowed: bool,
    /// The broker's side.
    pub account_trade_allowed: bool,
}

impl Default for Switches {
    /// Everything on.
    fn default() -> Self {
        Self { broker_link: true, terminal_trade_allowed: true, ea_trade_allowed: true, account_trade_allowed: true }
    }
}

impl Switches {
    /// The retcode of an `OrderSend` that they prevent.
    pub(super) const fn refusal(self) -> Option<(u32, &'static str)> {
        if !self.terminal_trade_allowed || !self.ea_trade_allowed {
            Some((CLIENT_DISABLES_AT, "AutoTrading disabled by client"))
        } else if !self.broker_link {
            Some((retcode::CONNECTION, "No connection"))
        } else if !self.account_trade_allowed {
            Some((SERVER_DISABLES_AT, "AutoTrading disabled by server"))
        } else {
            None
        }
    }
}

/// What of a Status is worth telling at once: everything that no tick of the price changes.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Told {
    revision: u64,
    is_open: bool,
    utc_offset: i32,
    switches: Switches,
}

impl Told {
    fn now(broker: &Broker, view: &MarketView<'_>, switches: Switches) -> Self {
        Self { revision: broker.revision(), is_open: view.is_open(), utc_offset: view.utc_offset(), switches }
    }
}

impl Terminal {
    pub(super) fn new(account: Account, platform: Platform, broker: PaperBroker, journal: Journal) -> Self {
        let ea = Ea::new(draw_instance(), account, journal);
        let changes = broker.with(|broker, _| broker.changes_since(u64::MAX).1);
        Self {
            broker,
            ea,
            platform,
            started: Instant::now(),
            told: None,
            switches: Switches::default(),
            desk: Desk::default(),
            live: Live::default(),
            first_change: changes,
            seen_changes: changes,
            wall_ms: 0,
            broker_clock_s: 0,
            hide_ms: 0,
        }
    }

    /// The EA is loaded anew.
    pub(super) fn crash(&mut self, lose: bool) {
        self.ea.start_anew(draw_instance(), lose);
        self.started = Instant::now();
        self.seen_changes = self.broker.with(|broker, _| broker.changes_since(u64::MAX).1);
        self.first_change = self.seen_changes;
    }

    /// The machine's wall clock is moved.
    pub(super) const fn move_wall_clock(&mut self, by_ms: i64) {
        self.wall_ms = self.wall_ms.saturating_add(by_ms);
    }

    /// `GetMicrosecondCount()`.
    pub(super) fn count_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Both clocks.
    pub(super) fn moment(&self) -> Moment {
        // Far from zero, so that the wall clock can be moved back.
        const WALL_US: u64 = 1 << 60;
        let mono_us = self.count_us();
        Moment { mono_us, wall_us: (WALL_US + mono_us).saturating_add_signed(self.wall_ms.saturating_mul(1000)) }
    }

    fn sight(&self, view: &MarketView<'_>) -> Sight {
        Sight { linked: self.switches.broker_link, until_ms: view.now_ms() - self.hide_ms }
    }

    pub(super) fn hello(&mut self) -> Hello {
        self.ea.reconnected();
        // What was wanted belongs to the session in which it came.
        self.live = Live::default();
        self.told = None;
        let clock_s = self.broker_clock_s;
        let ea = &self.ea;
        let (hello, changes) = self.broker.with(|broker, view| {
            let account = broker.account(view);
            let deals = broker.deals().map(|deal| deal.magic).chain(broker.open_positions().values().map(|one| one.magic));
            let orders = broker.open_orders().values().chain(broker.history_orders()).map(|order| order.magic);
            let highest = deals.chain(orders).filter(|magic| tag_sequence(*magic).is_some()).max().unwrap_or(0);
            let mut names: Vec<_> = broker.instruments().iter().map(|one| one.name.as_str()).collect();
            names.sort_unstable();
            let hello = Hello {
                protocol: protocol::VERSION,
                platform: if self.platform == Platform::Mt4 { 4 } else { 5 },
                login: ea.account().login,
                server: ea.account().server.clone(),
                company: account.company,
                currency: account.currency,
                leverage: account.leverage,
                trade_mode: account.trade_mode,
                margin_mode: account.margin_mode,
                build: BUILD,
                ea_version: concat!("simulator ", env!("CARGO_PKG_VERSION")).into(),
                instance: ea.instance().0.to_vec(),
                symbols: u32::try_from(names.len()).unwrap_or(u32::MAX),
                symbols_digest: digest(names),
                broker_time: view.now() + clock_s,
                utc_offset_s: view.utc_offset(),
                highest_tag: ea.journal().highest_tag().max(highest),
                unfinished: ea.journal().unfinished(),
                features: feature::SUBSCRIBE,
            };
            (hello, broker.changes_since(u64::MAX).1)
        });
        // What changed while nobody listened is not told later; the gap in the numbers says that there was something.
        self.seen_changes = changes;
        hello
    }

    /// What has changed at the broker since the last look. Nothing is seen of it while the broker hides it or cannot be reached.
    pub(super) fn transactions(&mut self) -> Vec<Transaction> {
        if self.hide_ms > 0 || !self.switches.broker_link {
            return Vec::new();
        }
        let (seen, first, clock_s) = (self.seen_changes, self.first_change, self.broker_clock_s);
        let (told, now) = self.broker.with(|broker, view| {
            let (changes, now) = broker.changes_since(seen);
            let told = |(number, change): (u64, &Change)| change.told(number.saturating_sub(first), view.now() + clock_s);
            (changes.map(told).collect(), now)
        });
        self.seen_changes = now;
        told
    }

    pub(super) fn status(&mut self) -> Status {
        let (switches, clock_s) = (self.switches, self.broker_clock_s);
        let latch = self.ea.latch().clone();
        let (status, told) = self.broker.with(|broker, view| {
            let account = broker.account(view);
            let status = Status {
                loop_age_ms: 0,
                latch: latch.level,
                latch_reason: latch.reason,
                broker_link: switches.broker_link,
                terminal_trade_allowed: switches.terminal_trade_allowed,
                ea_trade_allowed: switches.ea_trade_allowed,
                account_trade_allowed: switches.account_trade_allowed,
                balance: account.balance,
                equity: account.equity,
                margin: account.margin,
                margin_free: account.margin_free,
                broker_ping_us: BROKER_PING_US,
                broker_time: view.now() + clock_s,
                utc_offset_s: view.utc_offset(),
                market: u8::from(view.is_open()),
                positions: u32::try_from(broker.open_positions().len()).unwrap_or(u32::MAX),
                orders: u32::try_from(broker.open_orders().len()).unwrap_or(u32::MAX),
            };
            (status, Told::now(broker, view, switches))
        });
        self.told = Some(told);
        status
    }

    /// A Status, if there is anything new to say.
    pub(super) fn status_if_changed(&mut self) -> Option<Status> {
        let switches = self.switches;
        let now = self.broker.with(|broker, view| Told::now(broker, view, switches));
        (self.told != Some(now)).then(|| self.status())
    }

    /// What of the market is wanted and has changed.
    pub(super) fn pushes(&mut self) -> Vec<FromTerminal> {
        let broker = self.broker.clone();
        broker.with(|broker, view| {
            let sight = self.sight(view);
            self.live.pushes(&Look { broker, view, desk: &mut self.desk, sight })
        })
    }

    /// Answers anything but Welcome.
    pub(super) fn handle(&mut self, message: FromHub) -> Vec<FromTerminal> {
        match message {
            FromHub::Welcome(_) => Vec::new(),
            FromHub::Trade(trade) => {
                let now = self.moment();
                let broker_time = self.broker.replay().view().now();
                vec![self.ea.take(trade, now, broker_time)]
            }
            FromHub::Query(query) => {
                let broker = self.broker.clone();
                vec![broker.with(|broker, view| self.ea.query(&query, broker, self.sight(view))).into()]
            }
            FromHub::Acknowledge(acknowledge) => {
                self.ea.acknowledge(acknowledge.command);
                Vec::new()
            }
            FromHub::Latch(latch) => {
                self.ea.set_latch(latch);
                vec![self.status().into()]
            }
            FromHub::Subscribe(subscribe) => {
                self.live = Live::wanted(subscribe);
                Vec::new()
            }
            read => {
                let broker = self.broker.clone();
                broker.with(|broker, view| {
                    let sight = self.sight(view);
                    reads::answer(&read, &mut Look { broker, view, desk: &mut self.desk, sight })
                })
            }
        }
    }

    /// The last checks of the next trade that was taken.
    pub(super) fn next(&mut self) -> Option<Next> {
        let now = self.moment();
        let broker = self.broker.clone();
        broker.with(|broker, view| {
            let here = Account { login: broker.settings().login, server: broker.settings().server.clone() };
            self.ea.next(now, &here, broker, view)
        })
    }

    /// `OrderSend`. What the switches keep from happening never reaches the broker, and so no fault of the broker strikes it.
    pub(super) fn order_send(&self, request: &TradeRequest, quirk: impl FnOnce() -> Quirk) -> TradeResult {
        match self.switches.refusal() {
            Some((retcode, comment)) => TradeResult { retcode, comment: comment.into(), ..TradeResult::default() },
            None => self.broker.order_send_with(request, quirk()),
        }
    }
}

/// 128 random bits, never all zero.
fn draw_instance() -> EaInstance {
    let bits: u128 = rand::random();
    EaInstance(bits.max(1).to_be_bytes())
}

/// FNV-1a 64 over names, each followed by a zero byte.
fn digest<'a>(names: impl IntoIterator<Item = &'a str>) -> u64 {
    let bytes = names.into_iter().flat_map(|name| name.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_fnv_1a() {
        assert_eq!(digest([]), 0xcbf2_9ce4_8422_2325);
        // FNV-1a 64 of "a\0".
        assert_eq!(digest(["a"]), 0x089b_e207_b544_f1e4);
        assert_ne!(digest(["ab", "c"]), digest(["a", "bc"]));
    }
}
