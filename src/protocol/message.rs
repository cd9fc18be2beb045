//! The messages, field by field in wire order. Adding a field at the end is compatible; anything else is a new version.

use serde::{Deserialize, Serialize, de::SeqAccess};

use super::codec::{self, Messages, Row};
pub use super::{draw::*, live::*, reads::*};
use crate::domain::{
    account::{Account, InvalidAccount, Platform},
    ids::{CommandId, EaInstance, SessionId},
    trade::{Deal, Order, Position, TradeRequest, TradeResult},
};

macro_rules! messages {
    ($(#[$doc:meta])* $name:ident { $($tag:literal $variant:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        #[expect(missing_docs, reason = "each variant carries the documented struct of its name")]
        pub enum $name { $($variant($variant)),+ }

        impl Messages for $name {
            fn fields<'de, A: SeqAccess<'de>>(tag: u8, seq: &mut A) -> Result<Option<Self>, A::Error> {
                Ok(Some(match tag {
                    $($tag => Self::$variant(codec::body(seq)?),)+
                    _ => return Ok(None),
                }))
            }

            fn encode(&self, count: u64) -> Vec<u8> {
                match self { $(Self::$variant(fields) => codec::write($tag, count, fields)),+ }
            }
        }

        $(impl From<$variant> for $name {
            fn from(message: $variant) -> Self {
                Self::$variant(message)
            }
        })+
    };
}

messages! {
    /// Terminal to hub.
    FromTerminal { 1 Hello, 2 Status, 3 Reply, 4 Accepted, 5 Outcome, 6 Answer, 7 PushQuotes, 8 PushBars, 9 Transaction, 10 Log }
}

messages! {
    /// Hub to terminal. Reads start at 16.
    FromHub {
        1 Welcome, 2 Trade, 3 Query, 4 Acknowledge, 5 Latch, 6 Draw, 7 Subscribe,
        16 GetAccount, 17 GetSymbols, 18 GetSymbol, 19 GetQuotes, 20 GetBars, 21 GetPositions, 22 GetDeals, 23 GetTicks,
        24 GetOrders, 25 GetHistoryOrders, 26 GetDepth, 27 SelectSymbol, 28 CheckOrder, 29 CalcMargin, 30 CalcProfit, 31 GetSession,
    }
}

/// The first message of a terminal.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Hello {
    /// [`super::VERSION`] of the sender.
    pub protocol: u16,
    /// 4 or 5.
    pub platform: u8,
    /// Account number.
    pub login: u64,
    /// Trade server's name.
    pub server: String,
    /// Broker's company name.
    pub company: String,
    /// Account currency.
    pub currency: String,
    /// Account leverage.
    pub leverage: u32,
    /// `ACCOUNT_TRADE_MODE`: 0 demo, 1 contest, 2 real. One that does not say counts as real.
    #[serde(default = "real")]
    pub trade_mode: u8,
    /// `ACCOUNT_MARGIN_MODE`: 0 netting, 1 exchange, 2 hedging.
    pub margin_mode: u8,
    /// Terminal build.
    pub build: u32,
    /// Version of the Expert Advisor.
    pub ea_version: String,
    /// 16 random bytes drawn in `OnInit`.
    #[serde(with = "serde_bytes")]
    pub instance: Vec<u8>,
    /// How many symbols the terminal offers.
    pub symbols: u32,
    /// FNV-1a 64 over their names in order, each followed by a zero byte.
    pub symbols_digest: u64,
    /// `TimeTradeServer()`, epoch seconds of the broker's wall clock.
    pub broker_time: i64,
    /// Broker time minus UTC at that moment, seconds.
    pub utc_offset_s: i32,
    /// Highest tag (magic of the hub's own making) in the EA's journal and the account's history; 0 if none.
    pub highest_tag: u64,
    /// Commands in the EA's journal whose result the hub has not acknowledged.
    pub unfinished: Vec<CommandId>,
    /// [`feature`] bits: what it can do that terminals before it could not.
    pub features: u32,
}

/// Bits of [`Hello::features`].
pub mod feature {
    /// It understands [`super::Subscribe`] and pushes what that wants.
    pub const SUBSCRIBE: u32 = 1;
}

fn real() -> u8 {
    crate::domain::account::TRADE_MODE_REAL
}

impl Hello {
    /// The account, checked.
    ///
    /// # Errors
    /// [`InvalidAccount`] when nobody is logged in or the server's name is unusable.
    pub fn account(&self) -> Result<Account, InvalidAccount> {
        Account::new(self.login, &self.server)
    }

    /// The instance, if it has 16 bytes and is not all zero.
    #[must_use]
    pub fn ea_instance(&self) -> Option<EaInstance> {
        let bytes: [u8; 16] = self.instance.as_slice().try_into().ok()?;
        (bytes != [0; 16]).then_some(EaInstance(bytes))
    }

    /// The platform, if it is one of the two.
    #[must_use]
    pub const fn platform(&self) -> Option<Platform> {
        match self.platform {
            4 => Some(Platform::Mt4),
            5 => Some(Platform::Mt5),
            _ => None,
        }
    }
}

/// How the terminal is, at each heartbeat and at each change.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// Milliseconds since the EA's loop last ran before this turn.
    pub loop_age_ms: u32,
    /// `TERMINAL_CONNECTED`: the terminal's link to its broker.
    pub broker_link: bool,
    /// `TERMINAL_TRADE_ALLOWED`: the Algo Trading button.
    pub terminal_trade_allowed: bool,
    /// `MQL_TRADE_ALLOWED`: the EA's own setting.
    pub ea_trade_allowed: bool,
    /// `ACCOUNT_TRADE_ALLOWED` and `ACCOUNT_TRADE_EXPERT`: the broker's side.
    pub account_trade_allowed: bool,
    /// Account currency.
    pub balance: f64,
    /// Account currency.
    pub equity: f64,
    /// Account currency.
    pub margin: f64,
    /// Account currency.
    pub margin_free: f64,
    /// `TERMINAL_PING_LAST`, microseconds.
    pub broker_ping_us: u32,
    /// `TimeTradeServer()`, epoch seconds of the broker's wall clock.
    pub broker_time: i64,
    /// Broker time minus UTC, seconds.
    pub utc_offset_s: i32,
    /// Trading session of the chart's symbol: 0 closed, 1 open, 2 not known.
    pub market: u8,
    /// Kill level in force in the EA, the higher of its own and the hub's: 0 none, from 1 on it refuses whatever can open a position.
    pub latch: u8,
    /// How many positions are open.
    pub positions: u32,
    /// How many pending orders stand.
    pub orders: u32,
    /// Why the EA is latched, in words; empty if it is not.
    pub latch_reason: String,
}

/// Answer to a read, in one part or several.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Reply {
    /// The number of the call.
    pub call: u64,
    /// [`reply_status`].
    pub status: u8,
    /// Which part this is, from 0.
    pub part: u16,
    /// How many parts there are; 0 counts as 1.
    pub parts: u16,
    /// MQL error code (`GetLastError`), 0 if none.
    pub code: i32,
    /// The error in words.
    pub text: String,
    /// What the call's documentation says; parts are joined in order before they are read.
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
}

/// Values of [`Reply::status`].
pub mod reply_status {
    /// The body is whole.
    pub const OK: u8 = 0;
    /// It failed; code and text say why.
    pub const ERROR: u8 = 1;
    /// The terminal is still loading this history: ask again later.
    pub const LOADING: u8 = 2;
    /// There is no such history, at the broker either.
    pub const NO_MORE: u8 = 3;
    /// There is no such symbol or ticket.
    pub const NOT_FOUND: u8 = 4;
    /// This platform cannot do that at all.
    pub const UNSUPPORTED: u8 = 5;
}

/// The EA took a trade: it is in its memory and its journal file, and `OrderSend` comes next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Accepted {
    /// The command.
    pub command: CommandId,
    /// How long `OrderSend` may block the EA's only thread, milliseconds; the hub takes 60,000 at most.
    #[serde(default)]
    pub lease_ms: u32,
}

/// How a trade ended at the terminal. Sent again until the hub acknowledges it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The command.
    pub command: CommandId,
    /// [`outcome_kind`].
    pub kind: u8,
    /// Why the EA refused, in words; empty otherwise.
    #[serde(default)]
    pub reason: String,
    /// What `OrderSend` gave; all zero if it was not called.
    #[serde(default)]
    pub result: Row<TradeResult>,
}

/// Values of [`Outcome::kind`] and [`Answer::outcome_kind`].
pub mod outcome_kind {
    /// `OrderSend` answered; the retcode says what.
    pub const BROKER: u8 = 0;
    /// The EA refused before `OrderSend` and can never execute it.
    pub const REFUSED: u8 = 1;
}

/// Answer to [`Query`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The command.
    pub command: CommandId,
    /// [`answer_kind`].
    pub kind: u8,
    /// With `OUTCOME`: [`outcome_kind`].
    #[serde(default)]
    pub outcome_kind: u8,
    /// In words.
    #[serde(default)]
    pub reason: String,
    /// With `OUTCOME` and `EVIDENCE`: the result, or what of it can be told from tickets (retcode included).
    #[serde(default)]
    pub result: Row<TradeResult>,
    /// With `NO_EVIDENCE`: [`proof`] bits.
    #[serde(default)]
    pub proof: u8,
    /// [`Query::asked_at`] of the query that this answers.
    #[serde(default)]
    pub asked_at: i64,
}

/// Values of [`Answer::kind`].
pub mod answer_kind {
    /// This instance, to which the command is bound, never saw it, has now put a tombstone, and will never execute it.
    pub const NOT_SEEN: u8 = 0;
    /// It is accepted and inside `OrderSend`.
    pub const IN_PROGRESS: u8 = 1;
    /// It ended; the outcome follows.
    pub const OUTCOME: u8 = 2;
    /// Answer to a [`super::Trade`] so old that this instance has dropped it: it is not executed. A query about one is answered from the
    /// broker's history instead.
    pub const FORGOTTEN: u8 = 3;
    /// Another instance found it at the broker, by its tag.
    pub const EVIDENCE: u8 = 4;
    /// Another instance found nothing; the proof bits say how much that is worth.
    pub const NO_EVIDENCE: u8 = 5;
}

/// Bits of [`Answer::proof`]: absence counts only with all three.
pub mod proof {
    /// The terminal is connected to its broker.
    pub const CONNECTED: u8 = 1;
    /// Its history is synchronised.
    pub const SYNCHRONISED: u8 = 2;
    /// The history it can see reaches back to the dispatch.
    pub const COVERS_DISPATCH: u8 = 4;
    /// All of them.
    pub const ALL: u8 = CONNECTED | SYNCHRONISED | COVERS_DISPATCH;
}

/// Something changed in the account's orders, deals or positions (`OnTradeTransaction`). It is not acknowledged: the hub compares the
/// account's history with its own from time to time, and so finds what was lost on the way.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Transaction {
    /// Counts from 1 in an instance; a gap tells the hub to look at once.
    pub seq: u64,
    /// [`transaction_kind`].
    pub kind: u8,
    /// `TimeTradeServer()`, epoch seconds of the broker's wall clock.
    pub broker_time: i64,
    /// The order as it is now, with `ORDER_*` and `HISTORY_*`.
    pub order: Option<Box<Row<Order>>>,
    /// The deal, with `DEAL_*`.
    pub deal: Option<Box<Row<Deal>>>,
    /// The position as it is now, with `POSITION`; volume 0 when it is gone.
    pub position: Option<Box<Row<Position>>>,
}

/// Values of [`Transaction::kind`]: `ENUM_TRADE_TRANSACTION_TYPE` of the MQL5 reference.
pub mod transaction_kind {
    /// An open order was added.
    pub const ORDER_ADD: u8 = 0;
    /// An open order changed.
    pub const ORDER_UPDATE: u8 = 1;
    /// An order is no longer open.
    pub const ORDER_DELETE: u8 = 2;
    /// An order was added to the history: it was filled or cancelled.
    pub const HISTORY_ADD: u8 = 3;
    /// An order in the history changed.
    pub const HISTORY_UPDATE: u8 = 4;
    /// An order was removed from the history.
    pub const HISTORY_DELETE: u8 = 5;
    /// A deal was made.
    pub const DEAL_ADD: u8 = 6;
    /// A deal in the history changed.
    pub const DEAL_UPDATE: u8 = 7;
    /// A deal was removed from the history.
    pub const DEAL_DELETE: u8 = 8;
    /// A position changed in another way than by a deal.
    pub const POSITION: u8 = 9;
}

/// A line for the hub's log.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Log {
    /// 0 debug, 1 info, 2 warning, 3 error.
    pub level: u8,
    /// One line.
    pub text: String,
}

/// The hub's answer to [`Hello`]: the terminal is in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Welcome {
    /// This connection.
    pub session: SessionId,
    /// Grows with each session of the hub; a message of an older epoch is stale.
    pub epoch: u64,
    /// Send a [`Status`] so often.
    pub heartbeat_ms: u32,
    /// UTC, epoch milliseconds.
    pub server_time: i64,
    /// Always empty: what is wanted comes with [`Subscribe`], which can change while the session lasts.
    #[serde(default)]
    pub subscriptions: Vec<String>,
    /// UTC, epoch milliseconds; 30 days before, the EA should warn.
    #[serde(default)]
    pub token_expires_at: i64,
}

/// Execute this, once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trade {
    /// Its identity: one that was seen before is answered from memory and never executed again.
    pub command: CommandId,
    /// Only this instance may execute it.
    pub instance: EaInstance,
    /// The last moment for `OrderSend`, on the EA's own microsecond count.
    pub deadline_us: u64,
    /// The hub's tag; equals the request's magic unless the user gave one.
    pub tag: u64,
    /// The request; its comment starts with the tag.
    pub request: Row<TradeRequest>,
    /// Price that the caller saw; 0 if there is no price guard.
    #[serde(default)]
    pub seen_price: f64,
    /// How far the price may have moved from it, in points.
    #[serde(default)]
    pub max_slippage_points: u32,
}

/// What became of this command?
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Query {
    /// The command.
    pub command: CommandId,
    /// The instance that it was bound to; if it is the asked one and never saw it, a tombstone comes first.
    pub instance: EaInstance,
    /// What to look for at the broker.
    pub tag: u64,
    /// The request as it was sent; symbol, side and volume must be equal for evidence.
    pub request: Row<TradeRequest>,
    /// Broker time last heard before the dispatch, epoch seconds: evidence is not older.
    pub dispatched_broker_time: i64,
    /// When the hub asks, by its own clock, epoch milliseconds. It comes back in the answer, which goes out on the connection of its
    /// question or not at all: an answer may be long on its way, and absence counts only from when it was looked for.
    #[serde(default)]
    pub asked_at: i64,
}

/// The hub has made this command's outcome durable: stop sending it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Acknowledge {
    /// The command.
    pub command: CommandId,
}

/// Stop, or let go: the kill switch as the hub has it. Sent after every [`Welcome`] and at each change; the EA keeps it over restarts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Latch {
    /// 0 lifts it; from 1 on the EA refuses every trade that can open or enlarge a position.
    pub level: u8,
    /// Why, in words, for the chart.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::codec::decode;

    fn hello() -> Hello {
        Hello { protocol: 1, platform: 5, login: 1001, server: "Demo-Server".into(), instance: vec![7; 16], ..Hello::default() }
    }

    #[test]
    fn a_message_comes_back_with_its_count() {
        let message = FromTerminal::Hello(hello());
        let decoded = decode::<FromTerminal>(&message.encode(123_456_789)).unwrap();
        assert_eq!(decoded.count, 123_456_789);
        assert_eq!(decoded.message, Some(message));
    }

    #[test]
    fn surplus_elements_are_skipped_and_missing_ones_take_their_default() {
        // fixarray of 5: tag 10 (Log), count 1, level 2, text "x", and a surplus map.
        let frame = [0x95, 0x0a, 0x01, 0x02, 0xa1, b'x', 0x81, 0x01, 0x02];
        let log = FromTerminal::Log(Log { level: 2, text: "x".into() });
        assert_eq!(decode::<FromTerminal>(&frame).unwrap().message, Some(log));
        let short = [0x93, 0x0a, 0x01, 0x02];
        let log = FromTerminal::Log(Log { level: 2, text: String::new() });
        assert_eq!(decode::<FromTerminal>(&short).unwrap().message, Some(log));
    }

    #[test]
    fn arrays_nested_without_end_are_refused_and_not_followed() {
        let mut frame = vec![0x95, 0x0a, 0x01, 0x02, 0xa1, b'x'];
        frame.extend([0x91; 100_000]);
        assert!(decode::<FromTerminal>(&frame).is_err());
    }

    #[test]
    fn an_unknown_tag_is_no_error_but_trailing_bytes_are() {
        assert_eq!(decode::<FromTerminal>(&[0x93, 0x63, 0x01, 0x02]).unwrap().message, None);
        assert!(decode::<FromTerminal>(&[0x92, 0x0a, 0x01, 0x00]).is_err());
        assert!(decode::<FromTerminal>(&[0x91, 0x0a]).is_err());
        assert!(decode::<FromTerminal>(&[]).is_err());
    }

    #[test]
    fn nested_rows_may_be_longer_too_and_lists_are_bounded() {
        let one = TradeResult { retcode: 10_009, deal: 5, ..TradeResult::default() };
        let bytes = codec::write_rows(&[one.clone(), one.clone()]);
        assert_eq!(codec::rows::<TradeResult>(&bytes, 2).unwrap(), [one.clone(), one.clone()]);
        assert!(codec::rows::<TradeResult>(&bytes, 1).is_err());
        let mut longer = codec::write_record(&one);
        longer[0] += 1; // fixarray of 11 instead of 10
        longer.push(0xc0);
        assert_eq!(codec::record::<TradeResult>(&longer).unwrap(), one);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
            let _ = decode::<FromTerminal>(&bytes);
            let _ = decode::<FromHub>(&bytes);
            let _ = codec::rows::<TradeResult>(&bytes, 10);
        }

        #[test]
        fn a_damaged_message_never_panics(at in 0_usize..80, to in any::<u8>()) {
            let mut frame = FromTerminal::Hello(hello()).encode(1);
            let at = at % frame.len();
            frame[at] = to;
            let _ = decode::<FromTerminal>(&frame);
        }
    }
}
