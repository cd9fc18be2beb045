//! A trade command: its identity, its state, and the record that survives everything.
//!
//! The transitions between the states are the pure function [`crate::trading::core::step`]; the promises are in
//! `docs/guarantees.md`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    UnixMillis,
    account::Account,
    api_key::Permission,
    ids::{CommandId, EaInstance, HookId, KeyId, OwnerId, TokenId},
    safety::Adjudication,
    stage::Stage,
    trade::{TradeRequest, TradeResult},
};

/// Where a command stands. A final state absorbs: nothing leaves it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CommandState {
    /// Of a call that makes many commands: some of them were not begun. No single command is ever in it, because it is recorded and bound
    /// to its terminal in one write.
    Received,
    /// Bound to one EA instance and on its way to it.
    Dispatched,
    /// The EA took it and is about to call, or is inside, `OrderSend`.
    Accepted,
    /// Sent, and nobody knows yet. The hub is finding out.
    Unknown,
    /// Final: done as asked.
    Executed,
    /// Final: done in part.
    Partial,
    /// Final: a pending order stands.
    Placed,
    /// Final: the broker said no.
    BrokerRejected,
    /// Final: the EA said no (late, limits, price guard) and cannot execute it any more.
    EaRefused,
    /// Final: proved not to have been executed.
    NotExecuted,
    /// Final: its caller took it back before one byte of it was written to the terminal.
    Cancelled,
    /// Final: its time was over before one byte of it was written to the terminal.
    Expired,
    /// Final: a person decided.
    Adjudicated,
}

impl CommandState {
    /// Its name, as in REST.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Dispatched => "dispatched",
            Self::Accepted => "accepted",
            Self::Unknown => "unknown",
            Self::Executed => "executed",
            Self::Partial => "partial",
            Self::Placed => "placed",
            Self::BrokerRejected => "broker_rejected",
            Self::EaRefused => "ea_refused",
            Self::NotExecuted => "not_executed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Adjudicated => "adjudicated",
        }
    }

    /// Whether nothing can follow.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Received | Self::Dispatched | Self::Accepted | Self::Unknown)
    }

    /// Whether the market was, or may have been, touched. What a person decided is in [`CommandRecord::is_done`].
    #[must_use]
    pub const fn is_done(self) -> bool {
        matches!(self, Self::Executed | Self::Partial | Self::Placed | Self::Adjudicated)
    }
}

/// One trade command, whole. Every change of it is journaled before anyone is told.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CommandRecord {
    /// Its identity towards bots and the EA.
    pub id: CommandId,
    /// Whose account it touches.
    pub owner: OwnerId,
    /// The key that asked for it.
    pub key: KeyId,
    /// What that key needed to be allowed to.
    pub permission: Permission,
    /// The account.
    pub account: Account,
    /// The token of the session it was bound to.
    pub token: TokenId,
    /// `ACCOUNT_TRADE_MODE` of the session at dispatch: 0 demo, 1 contest, 2 real.
    pub trade_mode: u8,
    /// The one EA instance that may execute it.
    pub instance: EaInstance,
    /// What goes to the broker.
    pub request: TradeRequest,
    /// The hub's mark for finding it again at the broker; the magic unless the caller gave one.
    pub tag: u64,
    /// The caller's own reference.
    pub client_order_id: Option<String>,
    /// The call that made it together with others.
    #[serde(default)]
    pub parent: Option<CommandId>,
    /// The price the caller saw, for the price guard.
    pub seen_price: Option<f64>,
    /// How far, in points, the price may have moved from `seen_price`.
    pub max_slippage_points: Option<u32>,
    /// How long the EA may wait before `OrderSend`, milliseconds from the record's making: what the call's time had left then.
    pub ttl_ms: u32,
    /// Where it stands.
    pub state: CommandState,
    /// When the hub took it.
    pub created_at: UnixMillis,
    /// When it last changed.
    pub updated_at: UnixMillis,
    /// Broker time last heard before the dispatch, epoch seconds: evidence at the broker is not older.
    pub dispatched_broker_time: i64,
    /// The last instant, by the hub's clock, at which the EA may still execute it.
    pub deadline_at: UnixMillis,
    /// What the terminal answered.
    pub result: Option<TradeResult>,
    /// Why it ended as it did, in words.
    pub reason: Option<String>,
    /// What a person decided, in the state `adjudicated`.
    #[serde(default)]
    pub adjudication: Option<Adjudication>,
    /// The hook whose alert it carries out, under [`Self::key`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<HookId>,
    /// The states before [`Self::state`], oldest first; see [`Self::stages`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Stage>,
}

impl CommandRecord {
    /// Whether the market was touched, as far as the record says: by its state, or by what a person decided.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.adjudication.as_ref().map_or(self.state.is_done(), |adjudication| adjudication.outcome.is_done())
    }
}

/// One call that closes many positions, each by a command of its own. It is journaled before the first of them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ParentRecord {
    /// Its identity towards bots.
    pub id: CommandId,
    /// Whose account it touches.
    pub owner: OwnerId,
    /// What the key that asked for it needed to be allowed to.
    pub permission: Permission,
    /// The account.
    pub account: Account,
    /// The token of the session it was made through.
    pub token: TokenId,
    /// `ACCOUNT_TRADE_MODE` of that session: 0 demo, 1 contest, 2 real.
    pub trade_mode: u8,
    /// The caller's own reference.
    pub client_order_id: Option<String>,
    /// When the hub took it.
    pub created_at: UnixMillis,
    /// Until then, by the hub's clock, asking again goes on with what could not be begun.
    pub resumable_until: UnixMillis,
    /// The positions it is about, by their tickets.
    pub positions: Vec<u64>,
    /// Why nothing was sent for some of them, as it stood when the others were through: a sentence, and the tickets.
    pub refused: Vec<(String, Vec<u64>)>,
    /// No further command will ever be made for it.
    pub over: bool,
}

/// The hub's tags start with these 16 bits ("mt"), so that they are recognised among other magics and stay below 2^53.
const TAG_MARK_MT5: u64 = 0x6d74 << 32;
/// MetaTrader 4 keeps 31 bits: 7 of mark, 24 of sequence.
const TAG_MARK_MT4: u64 = 0x5a << 24;

/// The tag with sequence number `sequence` of an account; none when the platform's magic has no room for it.
#[must_use]
pub const fn tag(platform: super::account::Platform, sequence: u64) -> Option<u64> {
    match platform {
        super::account::Platform::Mt5 if sequence <= 0xffff_ffff => Some(TAG_MARK_MT5 | sequence),
        super::account::Platform::Mt4 if sequence <= 0x00ff_ffff => Some(TAG_MARK_MT4 | sequence),
        _ => None,
    }
}

/// The sequence number of a magic, if it is one of the hub's tags.
#[must_use]
pub const fn tag_sequence(magic: u64) -> Option<u64> {
    if magic & !0xffff_ffff == TAG_MARK_MT5 {
        Some(magic & 0xffff_ffff)
    } else if magic & !0x00ff_ffff == TAG_MARK_MT4 {
        Some(magic & 0x00ff_ffff)
    } else {
        None
    }
}

/// Digits of the mark in a comment: base 32 without the letters that are mistaken for others.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The sequence number in the mark that [`tagged_comment`] puts first, if there is one.
#[must_use]
pub fn comment_sequence(comment: &str) -> Option<u64> {
    let mark = comment.split(' ').next()?.strip_prefix('#').filter(|mark| !mark.is_empty())?;
    mark.bytes().try_fold(0_u64, |sequence, digit| {
        let value = DIGITS.iter().position(|one| *one == digit)?;
        sequence.checked_mul(32)?.checked_add(u64::try_from(value).ok()?)
    })
}

/// The comment that goes to the broker: the tag's sequence in base 32 first, as a second witness, then the caller's words, cut to
/// what MetaTrader keeps.
#[must_use]
pub fn tagged_comment(tag: u64, comment: &str) -> String {
    let mut sequence = tag_sequence(tag).unwrap_or(0);
    let mut digits = Vec::new();
    loop {
        digits.push(char::from(DIGITS[usize::try_from(sequence % 32).unwrap_or(0)]));
        sequence /= 32;
        if sequence == 0 {
            break;
        }
    }
    let mark = std::iter::once('#').chain(digits.into_iter().rev());
    let rest = (!comment.is_empty()).then_some(' ').into_iter().chain(comment.chars());
    mark.chain(rest).take(super::trade::COMMENT_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::account::Platform, *};

    #[test]
    fn tags_are_told_from_other_magics_on_both_platforms() {
        for platform in [Platform::Mt4, Platform::Mt5] {
            assert_eq!(tag_sequence(tag(platform, 77).unwrap()), Some(77));
        }
        assert_eq!(tag(Platform::Mt4, 0x100_0000), None, "tags are never used twice");
        assert!(tag(Platform::Mt4, 0xff_ffff).unwrap() < 1 << 31, "MetaTrader 4 keeps a signed 32-bit magic");
        assert!(tag(Platform::Mt5, 0xffff_ffff).unwrap() < 1 << 53, "JSON numbers are exact below 2^53");
        for magic in [0, 1, 234_000, 20_240_301, u64::MAX] {
            assert_eq!(tag_sequence(magic), None, "{magic}");
        }
    }

    #[test]
    fn a_comment_starts_with_the_tag_and_is_cut_to_what_metatrader_keeps() {
        let mark = tag(Platform::Mt5, 33).unwrap();
        assert_eq!(tagged_comment(mark, ""), "#11");
        assert_eq!(tagged_comment(mark, "grid bot"), "#11 grid bot");
        assert_eq!(comment_sequence("#11 grid bot"), Some(33));
        assert_eq!(comment_sequence("#zzzzzzzzzzzzzzzzzzzz"), None, "it does not fit into a number");
        assert_eq!(tagged_comment(mark, &"x".repeat(40)).chars().count(), 31);
    }
}
