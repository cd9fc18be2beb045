//! Carrying a kill switch out: deleting pending orders, closing positions.
//!
//! Level-triggered: it looks at what the account shows and acts on that, again and again until nothing is left, over restarts too. Each
//! act is a command like any other, whose Idempotency-Key derives from the switch, the ticket and the number of the attempt. Before
//! a ticket gets another attempt, the one before it must have its outcome: while that is unknown, nothing is sent.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use tokio::{
    select,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{ExecuteError, Execution, NewTrade, Trading, settling::SHOWN_MS};
use crate::{
    domain::{
        account::{Account, MARGIN_MODE_HEDGING},
        api_key::Permission,
        command::CommandRecord,
        ids::{KeyId, KillId, OwnerId},
        market::SymbolSpec,
        safety::{KillLevel, KillSwitch},
        trade::{ORDER_BUY, ORDER_SELL, Order, Position, TradeRequest, action, offered_filling},
    },
    hub::SessionHandle,
    protocol::{
        codec,
        message::{GetPositions, GetSymbol, reply_status},
    },
};

/// Between two looks at an account that still shows something.
const BUSY: Duration = Duration::from_secs(1);
/// Between two looks at one that shows nothing.
const IDLE: Duration = Duration::from_secs(5);
/// After one that did nothing, the next waits a second, then twice as long each time, up to this.
const AGAIN_MAX_MS: i64 = 60_000;
/// How far the price may slip when a position is closed, points.
const DEVIATION: u64 = 1_000;
/// Life of each attempt.
const TTL_MS: i64 = 10_000;

/// Accounts that are looked at together.
const AT_ONCE: usize = 64;
/// A look at one account goes on no longer; the next one begins where this one stopped, since what was sent is under way.
const LOOK: Duration = Duration::from_secs(10);

/// Attempts that are known to be over, by switch and what they act on, so that the next look need not begin at the first.
type Attempts = HashMap<(KillId, Target), u32>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Target {
    Order(u64),
    Position(u64),
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Order(ticket) => write!(f, "order {ticket}"),
            Self::Position(ticket) => write!(f, "position {ticket}"),
        }
    }
}

impl Target {
    /// Whether a command that has no outcome yet may do the same as `request` would.
    fn is_under_way(self, other: &TradeRequest, request: &TradeRequest, netting: bool) -> bool {
        match self {
            Self::Order(ticket) => other.action == action::REMOVE && other.order == ticket,
            Self::Position(ticket) => {
                let names_it = matches!(other.action, action::DEAL | action::CLOSE_BY)
                    && [other.position, other.position_by].contains(&ticket);
                let nets = netting && other.action == action::DEAL && other.position == 0;
                names_it || (nets && other.symbol == request.symbol && other.kind == request.kind)
            }
        }
    }
}

impl Trading {
    /// Carries out what is on, until `stop`.
    pub(super) async fn carry_out_kills(&self, stop: CancellationToken) {
        let mut attempts = HashMap::new();
        loop {
            let raised = self.inner.kills.raised.notified();
            let left = stop.run_until_cancelled(self.carry_out(&mut attempts)).await;
            let Some(left) = left else { return };
            select! {
                () = stop.cancelled() => return,
                () = raised => {}
                () = sleep(if left { BUSY } else { IDLE }) => {}
            }
        }
    }

    /// One look at every account that is to be cleared, all at once: a terminal that is slow keeps no other one waiting. Whether anything
    /// is left.
    async fn carry_out(&self, attempts: &mut HashMap<(OwnerId, Account), Attempts>) -> bool {
        let mut seen = HashSet::new();
        // The same order each time, so that one account is always reached by the same terminal.
        let mut sessions = self.inner.hub.sessions();
        sessions.sort_by_key(SessionHandle::token);
        let clearing = sessions.into_iter().filter_map(|session| {
            let switch = self.inner.kills.of_account(session.owner(), session.account())?;
            let once = switch.level >= KillLevel::Cancel && seen.insert((session.owner(), session.account().clone()));
            once.then_some((session, switch))
        });
        let mut earlier = std::mem::take(attempts);
        let looks = clearing.collect::<Vec<_>>().into_iter().map(|(session, switch)| {
            let whose = (session.owner(), session.account().clone());
            let mut mine = earlier.remove(&whose).unwrap_or_default();
            mine.retain(|(kill, _), _| *kill == switch.id);
            async move {
                let left = self.clear(&session, &switch, &mut mine).await;
                (whose, mine, left)
            }
        });
        let looked: Vec<_> = stream::iter(looks).buffer_unordered(AT_ONCE).collect().await;
        let left = looked.iter().any(|(_, _, left)| *left);
        attempts.extend(looked.into_iter().map(|(whose, mine, _)| (whose, mine)));
        left
    }

    async fn clear(&self, session: &SessionHandle, switch: &KillSwitch, attempts: &mut Attempts) -> bool {
        if Self::check_presence(session).is_err() {
            return true;
        }
        let (looked_at, begun) = (self.inner.clock.steady().0, Instant::now());
        let orders = self.orders(session, 0).await;
        if orders.is_none() {
            warn!(account = %session.account(), "a terminal does not tell its pending orders, so they cannot be deleted");
        }
        // What cannot be seen may be there.
        let mut left = orders.as_ref().is_none_or(|orders| !orders.is_empty());
        for order in orders.unwrap_or_default() {
            if begun.elapsed() > LOOK {
                return true;
            }
            let request = delete(&order);
            self.attempt(session, switch, (Target::Order(order.ticket), looked_at), request, attempts).await;
        }
        if switch.level >= KillLevel::Flatten {
            let ask = |call| GetPositions { call, symbol: String::new(), ticket: 0 }.into();
            let Some(reply) = session.call(super::PATIENCE, ask).await.ok().filter(|reply| reply.status == reply_status::OK)
            else {
                return true;
            };
            let Ok(positions) = codec::rows::<Position>(&reply.body, super::POSITIONS_MAX) else { return true };
            left |= !positions.is_empty();
            for position in positions.iter().filter(|position| !self.is_known_closed(session, &position.symbol)) {
                if begun.elapsed() > LOOK {
                    return true;
                }
                let Some((type_filling, largest)) = self.filling(session, &position.symbol).await else { continue };
                // What one order may not close, the next looks do.
                let volume = if largest > 0.0 { position.volume.min(largest) } else { position.volume };
                let request = TradeRequest { type_filling, volume, ..close(position) };
                self.attempt(session, switch, (Target::Position(position.ticket), looked_at), request, attempts).await;
            }
        }
        left
    }

    /// The next attempt at a ticket, unless one is under way, or it is too soon.
    async fn attempt(
        &self,
        session: &SessionHandle,
        switch: &KillSwitch,
        (target, looked_at): (Target, i64),
        request: TradeRequest,
        attempts: &mut Attempts,
    ) {
        // Whoever sent it: as long as nobody knows what became of it, another one could be the second.
        let netting = session.hello().margin_mode != MARGIN_MODE_HEDGING;
        let (owner, account) = (session.owner(), session.account());
        let live = self.live_where(|live| live.owner == owner && live.account == *account);
        let running = live.iter().any(|live| target.is_under_way(&live.updates.borrow().request, &request, netting));
        // Or it was done, and what was looked at does not show it yet.
        let done = self.inner.settling.of(owner, account, self.inner.clock.steady());
        if running || done.iter().any(|done| target.is_under_way(&done.record.request, &request, netting)) {
            return;
        }
        let number = attempts.entry((switch.id, target)).or_insert(0);
        loop {
            // No caller's key has a control character.
            let key = format!("\u{1}{}/{target}/{number}", switch.id);
            let claim = self.claim(session.owner(), session.account(), &key).await;
            let fingerprint = crate::crypto::sha256(&[key.as_bytes()]);
            match self.replayed(&claim, &fingerprint).await {
                Ok(Some(earlier)) => {
                    if !self.may_follow(&earlier, *number, looked_at) {
                        return;
                    }
                    *number += 1;
                }
                // What it made was deleted with the account's history; it is not made again under that number.
                Err(ExecuteError::KeyExpired) => *number += 1,
                Ok(None) => {
                    let trade = NewTrade {
                        key: KeyId::HUB,
                        hook: None,
                        login: None,
                        permission: Permission::TradeReduce,
                        session: session.clone(),
                        request,
                        deadline: self.inner.clock.steady().plus_ms(TTL_MS),
                        seen_price: None,
                        max_slippage_points: None,
                        allow_duplicate: true,
                        client_order_id: None,
                        parent: None,
                        fingerprint,
                    };
                    match self.execute(&claim, trade).await {
                        Ok(made) => {
                            let id = made.updates.borrow().id;
                            warn!(account = %session.account(), %target, command = %id, kill = %switch.id, "carrying out the kill switch");
                        }
                        Err(error) => {
                            debug!(account = %session.account(), %target, %error, "a kill switch cannot be carried out now")
                        }
                    }
                    return;
                }
                Err(error) => {
                    warn!(account = %session.account(), %error, "a kill switch cannot be carried out now");
                    return;
                }
            }
        }
    }

    /// Whether another attempt may follow this one: it is over, and the account was looked at well after that.
    fn may_follow(&self, earlier: &Execution, number: u32, looked_at: i64) -> bool {
        let record: CommandRecord = earlier.updates.borrow().clone();
        let wait = if record.is_done() { SHOWN_MS } else { AGAIN_MAX_MS.min(1_000 << number.min(16)) };
        // From a run of the hub whose clock was ahead of this one's: over long ago.
        let from_the_future = record.updated_at.0 > looked_at + AGAIN_MAX_MS;
        record.state.is_final() && (looked_at >= record.updated_at.0 + wait || from_the_future)
    }

    /// How a symbol's orders are filled, and the largest of them, lots.
    async fn filling(&self, session: &SessionHandle, symbol: &str) -> Option<(u8, f64)> {
        let ask = |call| GetSymbol { call, symbol: symbol.to_owned() }.into();
        let reply = session.call(super::PATIENCE, ask).await.ok().filter(|reply| reply.status == reply_status::OK)?;
        let spec = codec::record::<SymbolSpec>(&reply.body).ok()?;
        Some((offered_filling(spec.trade_exemode, spec.filling_mode), spec.volume_max))
    }
}

fn delete(order: &Order) -> TradeRequest {
    TradeRequest { action: action::REMOVE, order: order.ticket, symbol: order.symbol.clone(), ..TradeRequest::default() }
}

fn close(position: &Position) -> TradeRequest {
    TradeRequest {
        action: action::DEAL,
        position: position.ticket,
        symbol: position.symbol.clone(),
        volume: position.volume,
        kind: if position.kind == ORDER_BUY { ORDER_SELL } else { ORDER_BUY },
        deviation: DEVIATION,
        ..TradeRequest::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_waits_for_every_command_that_may_close_the_same_and_for_no_other() {
        let position = Position { ticket: 7, symbol: "EURUSD".into(), volume: 1.0, kind: ORDER_BUY, ..Position::default() };
        let (mine, target) = (close(&position), Target::Position(7));
        assert_eq!((mine.kind, mine.volume, mine.position), (ORDER_SELL, 1.0, 7));
        assert!(target.is_under_way(&mine, &mine, false));
        let by = TradeRequest { action: action::CLOSE_BY, position: 8, position_by: 7, ..TradeRequest::default() };
        assert!(target.is_under_way(&by, &mine, false));
        let opening = TradeRequest { position: 0, ..mine.clone() };
        assert!(!target.is_under_way(&opening, &mine, false), "on a hedging account it opens a position of its own");
        assert!(target.is_under_way(&opening, &mine, true), "on a netting account it may be the same as a close");
        assert!(!target.is_under_way(&TradeRequest { kind: ORDER_BUY, ..opening }, &mine, true));
        let levels = TradeRequest { action: action::SLTP, position: 7, ..TradeRequest::default() };
        assert!(!target.is_under_way(&levels, &mine, false), "new stops close nothing");
        let pending = Order { ticket: 7, symbol: "EURUSD".into(), ..Order::default() };
        assert!(Target::Order(7).is_under_way(&delete(&pending), &delete(&pending), false));
        assert!(!Target::Order(7).is_under_way(&mine, &delete(&pending), false), "an order and a position may have one number");
    }
}
