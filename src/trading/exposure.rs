//! Whether a trade opens or closes: what a kill switch and a limit may stop, and what they may not.

use std::collections::HashMap;

use super::{Live, Trading, settling::Done};
use crate::{
    domain::{
        account::{Account, MARGIN_MODE_HEDGING},
        ids::{CommandId, OwnerId},
        trade::{Position, TradeRequest, action},
    },
    hub::SessionHandle,
    protocol::{
        codec,
        message::{GetPositions, reply_status},
    },
};

/// Lots are given with two or three digits; what is smaller is noise of the arithmetic.
pub(super) const LOTS_NOISE: f64 = 1e-7;

/// What a request can do to the account's exposure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// It can open or enlarge a position.
    Opens,
    /// It moves the price at which a pending order opens one.
    Changes,
    /// It closes what it names, if that is there and large enough: only the terminal can tell.
    MayReduce,
    /// It can only close, or opens nothing by itself.
    Reduces,
}

/// What a request can do, read off the request alone.
pub(super) const fn effect(request: &TradeRequest, margin_mode: u8) -> Effect {
    match request.action {
        action::REMOVE | action::CLOSE_BY | action::SLTP => Effect::Reduces,
        action::MODIFY => Effect::Changes,
        action::DEAL if request.position != 0 || margin_mode != MARGIN_MODE_HEDGING => Effect::MayReduce,
        _ => Effect::Opens,
    }
}

/// Whether two deals run against the same position, or may. On a hedging account a deal that names none opens one of its own.
fn closes_the_same(other: &TradeRequest, request: &TradeRequest, netting: bool) -> bool {
    let nets = netting && (other.position == 0 || request.position == 0);
    let same = other.symbol == request.symbol && other.kind == request.kind;
    other.action == action::DEAL && same && (other.position == request.position || nets)
}

/// Whether `position` takes a deal of `request` without turning round, when `under_way` lots of such deals are on their way already.
fn is_covered(request: &TradeRequest, position: &Position, under_way: f64) -> bool {
    let opposite = position.kind != request.kind;
    opposite && request.volume + under_way <= position.volume + LOTS_NOISE
}

impl Trading {
    /// Whether a deal only closes, asked of the terminal: then the most lots that can be left of its position before it runs. None when
    /// it does not, or cannot be told. `own` is its command, if it is one already: that does not close the position before it.
    pub(super) async fn only_closes(
        &self,
        session: &SessionHandle,
        request: &TradeRequest,
        own: Option<CommandId>,
    ) -> Option<f64> {
        // Before the question: one that ends while the terminal answers is counted twice rather than not at all.
        let netting = session.hello().margin_mode != MARGIN_MODE_HEDGING;
        let under_way = self.closing_under_way((session.owner(), session.account()), request, netting, own);
        let (symbol, ticket) = (request.symbol.clone(), request.position);
        let ask = |call| GetPositions { call, symbol: if ticket == 0 { symbol } else { String::new() }, ticket }.into();
        let Ok(reply) = session.call(super::PATIENCE, ask).await else { return None };
        if reply.status != reply_status::OK {
            return None;
        }
        let positions = codec::rows::<Position>(&reply.body, super::POSITIONS_MAX).ok()?;
        let mut of_it = positions.iter().filter(|position| match ticket {
            0 => position.symbol == request.symbol,
            ticket => position.ticket == ticket && position.symbol == request.symbol,
        });
        let position = of_it.next()?;
        let under_way = under_way.on(position);
        is_covered(request, position, under_way).then_some(position.volume - under_way)
    }

    /// Deals under way, or just done, that close the same position, or may.
    fn closing_under_way(
        &self,
        (owner, account): (OwnerId, &Account),
        request: &TradeRequest,
        netting: bool,
        own: Option<CommandId>,
    ) -> Closing {
        let same = |other: &TradeRequest| closes_the_same(other, request, netting);
        let theirs = |live: &Live| live.owner == owner && live.account == *account && Some(live.updates.borrow().id) != own;
        let live = self.live_where(theirs);
        let mut running: HashMap<_, _> =
            live.iter().map(|live| live.updates.borrow().clone()).map(|r| (r.id, r.request)).collect();
        running.retain(|_, other| same(other));
        // After the open ones: what ends between the two looks is in one of them. Where a deal names its position, MetaTrader itself refuses
        // what is more than is left of it (retcode 10038), so nothing need be held back for a list that lags.
        let mut done = if netting { self.inner.settling.of(owner, account, self.inner.clock.steady()) } else { Vec::new() };
        done.retain(|done| same(&done.record.request));
        for done in &done {
            running.remove(&done.record.id);
        }
        Closing { running: running.values().map(|request| request.volume).sum(), done }
    }
}

/// What runs against a position, or just ran.
#[derive(Debug)]
struct Closing {
    /// Lots of deals without an outcome.
    running: f64,
    done: Vec<Done>,
}

impl Closing {
    /// Lots that are still to be taken off a position as the terminal shows it.
    fn on(&self, position: &Position) -> f64 {
        // Tickets only grow: what the broker did before the position began did nothing to it.
        let ran_before = |done: &&Done| {
            let order = done.record.result.as_ref().map_or(0, |result| result.order);
            order != 0 && order < position.ticket
        };
        // One that nobody looked at the position before counts for its whole time: that the position changed may be a trailing stop's doing.
        let done = self.done.iter().filter(|done| !ran_before(done));
        self.running + unseen(done.map(|done| (done.record.request.volume, done.before)), position.volume)
    }
}

/// Of deals that are done, each with the most lots that were there before it, the lots that a position of `shown` lots does not show as gone.
/// Where that is not known, all of them.
fn unseen(done: impl Iterator<Item = (f64, Option<f64>)>, shown: f64) -> f64 {
    let (mut known, mut unknown, mut most) = (0.0, 0.0, shown);
    for (volume, before) in done {
        match before {
            Some(before) => (known, most) = (known + volume, f64::max(most, before)),
            None => unknown += volume,
        }
    }
    unknown + f64::max(known - (most - shown), 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::trade::{ORDER_BUY, ORDER_SELL};

    fn request(action: u8) -> TradeRequest {
        TradeRequest { action, symbol: "EURUSD".into(), volume: 1.0, kind: ORDER_SELL, ..TradeRequest::default() }
    }

    #[test]
    fn only_what_names_a_position_or_nets_may_reduce() {
        let closing = TradeRequest { position: 7, ..request(action::DEAL) };
        assert_eq!(effect(&closing, 2), Effect::MayReduce);
        assert_eq!(
            effect(&request(action::DEAL), 2),
            Effect::Opens,
            "on a hedging account every deal without a position opens one"
        );
        assert_eq!(effect(&request(action::DEAL), 0), Effect::MayReduce, "on a netting account the opposite side closes");
        assert_eq!(effect(&request(action::PENDING), 0), Effect::Opens);
        assert_eq!(effect(&request(action::MODIFY), 2), Effect::Changes);
        for closes in [action::REMOVE, action::CLOSE_BY, action::SLTP] {
            assert_eq!(effect(&request(closes), 2), Effect::Reduces);
        }
    }

    #[test]
    fn an_order_that_opens_is_no_close_under_way_where_it_opens_a_position_of_its_own() {
        let opening = request(action::DEAL);
        let closing = TradeRequest { position: 7, ..opening.clone() };
        assert!(!closes_the_same(&opening, &closing, false), "hedging");
        assert!(closes_the_same(&opening, &closing, true), "netting");
        assert!(closes_the_same(&closing, &closing, false));
        assert!(!closes_the_same(&TradeRequest { position: 8, ..closing.clone() }, &closing, true));
    }

    #[test]
    fn a_deal_closes_only_the_other_side_and_no_more_than_is_left() {
        let long = Position { ticket: 7, kind: ORDER_BUY, volume: 1.0, ..Position::default() };
        let sell = request(action::DEAL);
        assert!(is_covered(&sell, &long, 0.0));
        assert!(!is_covered(&sell, &long, 0.01), "another close is on its way");
        assert!(!is_covered(&TradeRequest { kind: ORDER_BUY, ..sell.clone() }, &long, 0.0), "the same side enlarges");
        assert!(!is_covered(&TradeRequest { volume: 1.01, ..sell.clone() }, &long, 0.0), "more would turn it round");
        assert!(is_covered(&TradeRequest { volume: 0.1 + 0.2, ..sell }, &Position { volume: 0.3, ..long }, 0.0));
    }

    #[test]
    fn what_was_done_counts_until_the_position_shows_it() {
        let unseen = |done: &[(f64, Option<f64>)], shown| unseen(done.iter().copied(), shown);
        assert_eq!(unseen(&[], 1.0), 0.0);
        assert_eq!(unseen(&[(0.5, Some(1.0))], 1.0), 0.5, "the list lags");
        assert_eq!(unseen(&[(0.5, Some(1.0))], 0.5), 0.0, "it shows it");
        assert_eq!(unseen(&[(0.25, Some(1.0)), (0.25, Some(0.75))], 0.75), 0.25, "the first of two");
        assert_eq!(unseen(&[(0.25, Some(0.75))], 0.75), 0.25, "the second, when the first is long over");
        assert_eq!(unseen(&[(0.25, Some(1.0)), (0.25, Some(0.75))], 0.5), 0.0, "both");
        assert_eq!(unseen(&[(0.5, None)], 0.5), 0.5, "nobody looked before it");
        assert_eq!(unseen(&[(0.5, Some(1.0))], 1.5), 0.5, "it was enlarged meanwhile");
    }
}
