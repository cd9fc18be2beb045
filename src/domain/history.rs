//! What happened on an account, as the hub saw it: each deal once, each state that an order was seen in, each change of a position's stops.

use serde::{Deserialize, Serialize};

use super::{
    UnixMillis,
    account::{Account, Platform},
    command::{CommandRecord, tag_sequence},
    ids::CommandId,
    trade::{Deal, Order, Position, action},
};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// A deal was made.
    Deal(Deal),
    /// An order was seen in this state.
    Order(Order),
    /// A position was seen with these stops, other ones than before or than it was opened with. What a deal does to a position is told by
    /// the deal.
    Position(Position),
}

/// The kinds of [`Fact`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactKind {
    /// `deal`
    Deal,
    /// `order`
    Order,
    /// `position`
    Position,
}

impl FactKind {
    /// Its name, as in REST.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deal => "deal",
            Self::Order => "order",
            Self::Position => "position",
        }
    }
}

/// How the hub came to know of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The terminal told at once.
    Pushed,
    /// The hub found it when it compared the account's history with its own.
    Found,
}

/// Who caused it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A command of this hub.
    Command(CommandId),
    /// The broker: a stop, margin, a deposit, a fee.
    Broker,
    /// It bears a tag of the hub, and this owner has no command that fits: restored from a backup, deleted, or another owner's.
    UnknownTag,
    /// A person at the terminal, or another Expert Advisor.
    Foreign,
    /// Nobody can tell: in MetaTrader 4 a closing bears the marks of the opening, as does a position whose stops were changed, and one in part can take them from what is left.
    Untold,
}

/// A row of the trade history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryRecord {
    /// When it happened, UTC, by the broker's clock as the hub knew it then.
    pub time: UnixMillis,
    /// When the hub first saw it.
    pub seen_at: UnixMillis,
    /// When its content last changed; a broker may add a commission to a deal later.
    pub updated_at: UnixMillis,
    /// How the hub first came to know of it.
    pub source: Source,
    /// `ENUM_TRADE_TRANSACTION_TYPE` of the push; none for what was found.
    pub transaction: Option<u8>,
    /// Who caused it.
    pub origin: Origin,
    /// What it is.
    pub fact: Fact,
}

/// What is known of an account's trade history as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryAccount {
    /// Which account.
    pub account: Account,
    /// As its last Hello said; what a key for simulated terminals may see depends on it.
    pub trade_mode: u8,
    /// Broker time, epoch seconds, up to which the terminal's own history was read; 0 before the first time.
    pub complete_until: i64,
    /// The last command such that it and all before it were compared with the terminal.
    pub judged: Option<CommandId>,
}

/// Why a terminal's word is not taken for a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Implausible {
    /// Every deal and order has a ticket.
    #[error("it has no ticket")]
    Ticket,
    /// NaN, infinite, or a volume or price below zero.
    #[error("a number in it cannot be")]
    Number,
    /// Before 1970 or after 9999, or seconds and milliseconds that do not fit.
    #[error("a time in it cannot be")]
    Time,
    /// Longer than MetaTrader has them, or not printable.
    #[error("a text in it cannot be")]
    Text,
}

/// The end of the year 9999, epoch seconds.
const END_OF_TIME: i64 = 253_402_300_799;
/// MetaTrader's texts are shorter, in bytes too.
const TEXT_MAX: usize = 128;

impl Fact {
    /// Which kind it is of.
    #[must_use]
    pub const fn kind(&self) -> FactKind {
        match self {
            Self::Deal(_) => FactKind::Deal,
            Self::Order(_) => FactKind::Order,
            Self::Position(_) => FactKind::Position,
        }
    }

    /// The deal's, order's or position's own number.
    #[must_use]
    pub const fn ticket(&self) -> u64 {
        match self {
            Self::Deal(deal) => deal.ticket,
            Self::Order(order) => order.ticket,
            Self::Position(position) => position.ticket,
        }
    }

    /// The order: its own ticket, or of which the deal is; 0 for a position.
    #[must_use]
    pub const fn order(&self) -> u64 {
        match self {
            Self::Deal(deal) => deal.order,
            Self::Order(order) => order.ticket,
            Self::Position(_) => 0,
        }
    }

    /// The position it belongs to.
    #[must_use]
    pub const fn position(&self) -> u64 {
        match self {
            Self::Deal(deal) => deal.position_id,
            Self::Order(order) => order.position_id,
            Self::Position(position) => position.identifier,
        }
    }

    /// Name of the symbol; empty for a deposit.
    #[must_use]
    pub fn symbol(&self) -> &str {
        match self {
            Self::Deal(deal) => &deal.symbol,
            Self::Order(order) => &order.symbol,
            Self::Position(position) => &position.symbol,
        }
    }

    /// Broker time in milliseconds: of the deal; of the order's end, or of its beginning while it is open; of the position's change.
    #[must_use]
    pub const fn broker_msc(&self) -> i64 {
        let (seconds, msc) = match self {
            Self::Deal(deal) => (deal.time, deal.time_msc),
            Self::Order(order) if order.time_done > 0 => (order.time_done, order.time_done_msc),
            Self::Order(order) => (order.time_setup, order.time_setup_msc),
            Self::Position(position) => (position.time_update, position.time_update_msc),
        };
        // MetaTrader 4 has no milliseconds.
        if msc == 0 { seconds * 1_000 } else { msc }
    }

    /// Looks at it before it is believed.
    ///
    /// # Errors
    /// [`Implausible`] names the first thing that cannot be.
    pub fn check(&self) -> Result<(), Implausible> {
        if self.ticket() == 0 {
            return Err(Implausible::Ticket);
        }
        match self {
            Self::Deal(deal) => {
                let money = [deal.commission, deal.swap, deal.profit, deal.fee];
                numbers(&[deal.volume, deal.price], &money)?;
                times(&[(deal.time, deal.time_msc)])?;
                texts(&[&deal.symbol, &deal.comment, &deal.external_id])
            }
            Self::Order(order) => {
                let prices = [order.price_open, order.sl, order.tp, order.price_current, order.price_stoplimit];
                numbers(&[order.volume_initial, order.volume_current], &prices)?;
                times(&[
                    (order.time_setup, order.time_setup_msc),
                    (order.time_done, order.time_done_msc),
                    (order.time_expiration, 0),
                ])?;
                texts(&[&order.symbol, &order.comment, &order.external_id])
            }
            Self::Position(position) => {
                let any = [position.sl, position.tp, position.price_current, position.swap, position.profit];
                numbers(&[position.volume, position.price_open], &any)?;
                times(&[(position.time, position.time_msc), (position.time_update, position.time_update_msc)])?;
                texts(&[&position.symbol, &position.comment, &position.external_id])
            }
        }
    }

    /// Whether the broker, and nobody's order, brought it about: `DEAL_TYPE_*` above sell, or a reason that is the broker's own.
    #[must_use]
    pub const fn is_brokers(&self) -> bool {
        match self {
            Self::Deal(deal) => deal.kind > 1 || deal.reason >= REASON_SL,
            Self::Order(order) => order.reason >= REASON_SL,
            Self::Position(_) => false,
        }
    }

    /// Whether what it bears says nothing of who did it: a closing in MetaTrader 4, and a position whose stops were changed, have the marks of
    /// the opening; and of what a closing in part left there, the broker replaces the comment, and with it the mark of an order that has a
    /// magic of its own, by `from #` and the old ticket.
    #[must_use]
    pub fn is_unmarked(&self, platform: Platform) -> bool {
        match self {
            Self::Deal(deal) => {
                let left_over = deal.comment.starts_with("from #") && self.tag_sequence(platform).is_none();
                platform == Platform::Mt4 && (deal.entry != ENTRY_IN || left_over)
            }
            Self::Order(_) => false,
            Self::Position(_) => true,
        }
    }

    /// The hub's tag on it: the magic, or the mark at the start of the comment where a user's own magic went through. MetaTrader 5
    /// says who gave an order; what no Expert Advisor gave bears no tag, even if it inherited a position's magic.
    #[must_use]
    pub fn tag_sequence(&self, platform: Platform) -> Option<u64> {
        let (magic, comment, reason) = self.witnesses();
        let by_expert = platform == Platform::Mt4 || reason == REASON_EXPERT;
        by_expert.then(|| tag_sequence(magic).or_else(|| super::command::comment_sequence(comment))).flatten()
    }

    const fn witnesses(&self) -> (u64, &str, u8) {
        match self {
            Self::Deal(deal) => (deal.magic, deal.comment.as_str(), deal.reason),
            Self::Order(order) => (order.magic, order.comment.as_str(), order.reason),
            Self::Position(position) => (position.magic, position.comment.as_str(), position.reason),
        }
    }

    /// An open position as the deal that must have made it, to be looked at in the same way. It is no row of the history.
    #[must_use]
    pub fn of_position(position: &Position) -> Self {
        Self::Deal(Deal {
            ticket: position.ticket,
            time: position.time,
            time_msc: position.time_msc,
            kind: position.kind,
            magic: position.magic,
            position_id: position.identifier,
            reason: position.reason,
            volume: position.volume,
            price: position.price_open,
            symbol: position.symbol.clone(),
            comment: position.comment.clone(),
            ..Deal::default()
        })
    }

    /// What makes it this one: a deal is its ticket; an order is what it was seen to be, but for the price of the moment; a position its stops
    /// and when they were set.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Deal(one), Self::Deal(other)) => one == other,
            (Self::Position(one), Self::Position(other)) => {
                let of = |position: &Position| (position.ticket, position.time_update, position.time_update_msc);
                of(one) == of(other) && (one.sl, one.tp) == (other.sl, other.tp)
            }
            (Self::Order(one), Self::Order(other)) => {
                Order { price_current: 0.0, ..one.clone() } == Order { price_current: 0.0, ..other.clone() }
            }
            _ => false,
        }
    }

    /// Whether it may be the work of this command, whose tag it bears: equal magic, symbol and side, and not older.
    #[must_use]
    pub fn fits(&self, command: &CommandRecord) -> bool {
        let (magic, ..) = self.witnesses();
        let request = &command.request;
        let side = match self {
            Self::Deal(deal) => deal.kind,
            Self::Order(order) => order.kind % 2,
            Self::Position(position) => position.kind,
        };
        let same_side = !matches!(request.action, action::DEAL | action::PENDING) || request.kind % 2 == side;
        let same_symbol = request.symbol.is_empty() || request.symbol == self.symbol();
        let since = (command.dispatched_broker_time - CLOCK_SLACK_S).saturating_mul(1_000);
        magic == request.magic && same_side && same_symbol && self.broker_msc() >= since
    }

    /// Whether the broker did something: a deal, or an order that was filled. One that only stands may still be refused.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        match self {
            Self::Deal(_) => true,
            Self::Order(order) => matches!(order.state, ORDER_STATE_PARTIAL | ORDER_STATE_FILLED),
            Self::Position(_) => false,
        }
    }

    /// Whether it contradicts the recorded outcome of the command that it traces to: it is done at the broker, and recorded as never done.
    #[must_use]
    pub fn contradicts(&self, command: &CommandRecord) -> bool {
        self.is_done() && command.state.is_final() && !command.is_done()
    }
}

/// `DEAL_REASON_SL` and `ORDER_REASON_SL`; take profit, stop-out, rollover, variation margin and split come after it.
const REASON_SL: u8 = 4;
/// `DEAL_ENTRY_IN`.
const ENTRY_IN: u8 = 0;
/// `DEAL_REASON_EXPERT` and `ORDER_REASON_EXPERT`.
const REASON_EXPERT: u8 = 3;
/// `ORDER_STATE_PARTIAL`.
const ORDER_STATE_PARTIAL: u8 = 3;
/// `ORDER_STATE_FILLED`.
const ORDER_STATE_FILLED: u8 = 4;
/// The broker's clock and the hub's idea of it may differ by seconds, and by an hour where summer time ends.
pub const CLOCK_SLACK_S: i64 = 2 * 3_600;

fn numbers(not_negative: &[f64], any: &[f64]) -> Result<(), Implausible> {
    let sound = not_negative.iter().all(|number| number.is_finite() && *number >= 0.0) && any.iter().all(|n| n.is_finite());
    sound.then_some(()).ok_or(Implausible::Number)
}

fn times(pairs: &[(i64, i64)]) -> Result<(), Implausible> {
    let sound =
        |(seconds, msc): &(i64, i64)| (0..=END_OF_TIME).contains(seconds) && (*msc == 0 || msc.div_euclid(1_000) == *seconds);
    pairs.iter().all(sound).then_some(()).ok_or(Implausible::Time)
}

fn texts(texts: &[&String]) -> Result<(), Implausible> {
    let sound = |text: &&String| text.len() <= TEXT_MAX && !text.chars().any(char::is_control);
    texts.iter().all(sound).then_some(()).ok_or(Implausible::Text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::command::tag;

    fn deal() -> Deal {
        Deal {
            ticket: 5,
            order: 4,
            time: 1_710_000_000,
            time_msc: 1_710_000_000_123,
            magic: tag(Platform::Mt5, 33).unwrap(),
            reason: 3,
            volume: 0.1,
            price: 1.09,
            symbol: "EURUSD".into(),
            ..Deal::default()
        }
    }

    #[test]
    fn in_metatrader_4_a_closing_and_what_it_may_have_left_bear_no_mark_of_who_caused_them() {
        let unmarked = |platform, magic, comment: &str, entry| {
            Fact::Deal(Deal { magic, comment: comment.into(), entry, ..deal() }).is_unmarked(platform)
        };
        let tagged = tag(Platform::Mt4, 33).unwrap();
        assert!(unmarked(Platform::Mt4, tagged, "", ENTRY_IN + 1), "a closing");
        assert!(unmarked(Platform::Mt4, 234_000, "from #6", ENTRY_IN), "the comment had the mark, and is replaced");
        assert!(!unmarked(Platform::Mt4, tagged, "from #6", ENTRY_IN), "the magic has it still");
        assert!(!unmarked(Platform::Mt4, 234_000, "by hand", ENTRY_IN));
        assert!(!unmarked(Platform::Mt5, 234_000, "from #6", ENTRY_IN + 1), "there each deal has its own");
    }

    #[test]
    fn what_cannot_be_is_not_believed() {
        let says = |change: fn(&mut Deal)| {
            let mut deal = deal();
            change(&mut deal);
            Fact::Deal(deal).check()
        };
        assert_eq!(says(|_| {}), Ok(()));
        assert_eq!(says(|deal| deal.ticket = 0), Err(Implausible::Ticket));
        assert_eq!(says(|deal| deal.price = f64::NAN), Err(Implausible::Number));
        assert_eq!(says(|deal| deal.volume = -0.1), Err(Implausible::Number));
        assert_eq!(says(|deal| deal.profit = -12.5), Ok(()), "a loss is no error");
        assert_eq!(says(|deal| deal.time_msc = 1), Err(Implausible::Time));
        assert_eq!(says(|deal| deal.time = i64::MAX), Err(Implausible::Time));
        assert_eq!(says(|deal| deal.comment = "x".repeat(200)), Err(Implausible::Text));
        assert_eq!(says(|deal| deal.symbol = "EUR\u{7}USD".into()), Err(Implausible::Text));
    }

    #[test]
    fn a_tag_is_read_from_the_magic_or_from_the_comment_and_nowhere_else() {
        assert_eq!(Fact::Deal(deal()).tag_sequence(Platform::Mt5), Some(33));
        let by_hand = Fact::Deal(Deal { reason: 0, ..deal() });
        assert_eq!(by_hand.tag_sequence(Platform::Mt5), None, "a person closed it, and it inherited the magic");
        assert_eq!(by_hand.tag_sequence(Platform::Mt4), Some(33), "MetaTrader 4 does not say who");
        let bears =
            |magic, comment: &str| Fact::Deal(Deal { magic, comment: comment.into(), ..deal() }).tag_sequence(Platform::Mt5);
        assert_eq!(bears(234_000, "#11 grid bot"), Some(33));
        for comment in ["", "11", "# 11", "#", "#uu", "[sl 1.08]", "#zzzzzzzzzzzzzzzzz"] {
            assert_eq!(bears(234_000, comment), None, "{comment}");
        }
    }

    #[test]
    fn a_stop_a_deposit_and_a_fee_are_the_brokers_own() {
        let brokers = |kind, reason| Fact::Deal(Deal { kind, reason, ..deal() }).is_brokers();
        assert!(!brokers(0, 3) && !brokers(1, 0) && !brokers(0, 1));
        assert!(brokers(0, 4) && brokers(1, 6) && brokers(2, 0) && brokers(7, 3));
    }
}
