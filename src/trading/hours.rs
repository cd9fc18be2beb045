//! Trading hours: an order for a market that is closed is refused here, with words, and not by the broker, with a number.
//!
//! Only when the terminal has said so for the order's own symbol. Where it cannot tell, or does not answer at once, the order goes
//! through and the broker decides.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{ExecuteError, Trading};
use crate::{
    domain::{
        account::Account,
        trade::{TradeRequest, action},
    },
    hub::SessionHandle,
    protocol::{
        codec,
        message::{GetSession, TradeSession, TradeSessions, reply_status},
    },
};

/// An answer is good for so long; hours change with the broker's calendar, not with the market.
const KEPT: Duration = Duration::from_secs(3_600);
/// A trade waits no longer than that for the answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// Symbols remembered; above it, all are asked for again.
const KNOWN_MAX: usize = 10_000;
/// The broker's clock is known to a heartbeat, and the market opens when the broker says so: near an edge, the broker decides.
const EDGE_S: i64 = 60;
const DAY_S: i64 = 86_400;

/// What a terminal said of a symbol's week, and when.
type Told = (Instant, Vec<TradeSession>);

#[derive(Debug, Default)]
pub(super) struct Hours {
    known: Mutex<HashMap<(Account, String), Told>>,
}

impl Hours {
    fn get(&self, account: &Account, symbol: &str) -> Option<Vec<TradeSession>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, sessions) = known.get(&(account.clone(), symbol.to_owned()))?;
        (at.elapsed() < KEPT).then(|| sessions.clone())
    }

    fn put(&self, account: &Account, symbol: &str, sessions: Vec<TradeSession>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert((account.clone(), symbol.to_owned()), (Instant::now(), sessions));
    }
}

/// Whether a market is closed beyond doubt at this broker time. No sessions at all say nothing.
fn is_closed(sessions: &[TradeSession], broker_time: i64) -> bool {
    // 1970-01-01 was a Thursday.
    let (day, second) = ((broker_time.div_euclid(DAY_S) + 4).rem_euclid(7), broker_time.rem_euclid(DAY_S));
    let of_week = day * DAY_S + second;
    let holds = |session: &TradeSession| {
        let begin = i64::from(session.day) * DAY_S + i64::from(session.from_s) - EDGE_S;
        let end = i64::from(session.day) * DAY_S + i64::from(session.to_s) + EDGE_S;
        // The edges of the week meet.
        [-7, 0, 7].iter().any(|weeks| (begin..end).contains(&(of_week + weeks * DAY_S)))
    };
    !sessions.is_empty() && !sessions.iter().any(holds)
}

impl Trading {
    /// Refuses what deals or places while the symbol's market is closed. Changes and deletions go through: some brokers take them
    /// then, and the others say so themselves.
    pub(super) async fn check_hours(&self, session: &SessionHandle, request: &TradeRequest) -> Result<(), ExecuteError> {
        if !matches!(request.action, action::DEAL | action::PENDING) {
            return Ok(());
        }
        let (account, symbol) = (session.account(), request.symbol.as_str());
        let sessions = match self.inner.hours.get(account, symbol) {
            Some(sessions) => sessions,
            None => {
                let ask = |call| GetSession { call, symbol: symbol.to_owned() }.into();
                let Ok(reply) = session.call(PATIENCE, ask).await else { return Ok(()) };
                let told = match reply.status {
                    reply_status::OK => codec::record::<TradeSessions>(&reply.body).unwrap_or_default().sessions,
                    reply_status::NOT_FOUND | reply_status::UNSUPPORTED => Vec::new(),
                    // Not now: the next order asks again.
                    _ => return Ok(()),
                };
                let sessions: Vec<_> = told.into_iter().map(|row| row.0).collect();
                self.inner.hours.put(account, symbol, sessions.clone());
                sessions
            }
        };
        if is_closed(&sessions, session.broker_time()) { Err(ExecuteError::MarketClosed(symbol.to_owned())) } else { Ok(()) }
    }

    /// Whether the hub knows the market of a symbol to be closed, without asking.
    pub(super) fn is_known_closed(&self, session: &SessionHandle, symbol: &str) -> bool {
        self.inner.hours.get(session.account(), symbol).is_some_and(|sessions| is_closed(&sessions, session.broker_time()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUNDAY: i64 = 1_709_424_000; // 2024-03-03 00:00
    const HOUR: i64 = 3_600;

    fn session(day: u8, from_h: u32, to_h: u32) -> TradeSession {
        TradeSession { day, from_s: from_h * 3_600, to_s: to_h * 3_600 }
    }

    #[test]
    fn a_market_is_closed_outside_of_its_sessions_and_a_minute_around_them() {
        let sessions = [session(1, 1, 24), session(2, 0, 22)];
        let monday = SUNDAY + 24 * HOUR;
        let closed = |at| is_closed(&sessions, at);
        assert!(closed(SUNDAY + 12 * HOUR) && closed(monday + HOUR - 61));
        assert!(!closed(monday + HOUR - 60) && !closed(monday + 12 * HOUR), "a minute before it opens, the broker decides");
        assert!(!closed(monday + 24 * HOUR), "one session goes over into the next");
        assert!(!closed(monday + 46 * HOUR + 59) && closed(monday + 46 * HOUR + 60));
    }

    #[test]
    fn a_week_without_sessions_says_nothing_and_its_edges_meet() {
        assert!(!is_closed(&[], SUNDAY));
        let always: Vec<_> = (0..7).map(|day| session(day, 0, 24)).collect();
        for hour in 0..168 {
            assert!(!is_closed(&always, SUNDAY + hour * HOUR));
        }
        let saturday_only = [session(6, 12, 24)];
        assert!(!is_closed(&saturday_only, SUNDAY + 30), "half a minute after midnight of Saturday");
        assert!(is_closed(&saturday_only, SUNDAY + 90));
    }
}
