//! With which stops positions were seen: what of them is news.

use std::collections::{HashMap, HashSet};

use crate::domain::{history::Fact, trade::Position};

/// Stop loss and take profit of open positions by their tickets, as they were seen last. In memory: after a restart, when a position changed
/// tells whether its stops may have.
#[derive(Debug, Default)]
pub(super) struct Stops {
    seen: HashMap<u64, Seen>,
}

/// As a position was seen last.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Seen {
    stops: (f64, f64),
    /// Broker time in milliseconds of its last change; 0 where the terminal does not tell.
    changed_at: i64,
}

impl Stops {
    /// A position as the change that is to be written down, none if its stops are what they were. All other facts are news by themselves.
    pub(super) fn news(&mut self, fact: Fact, pushed: bool, broker_time: i64) -> Option<Fact> {
        let Fact::Position(mut position) = fact else { return Some(fact) };
        if position.volume == 0.0 {
            self.seen.remove(&position.ticket);
            return None;
        }
        // MetaTrader 4 does not tell when a position changed.
        let untold = position.time_update == 0;
        let (now, before) = (seen(&position), self.seen.get(&position.ticket));
        if before.is_some_and(|before| !untold && now.changed_at < before.changed_at) {
            // Read before a change of which the push was faster.
            return None;
        }
        let is_news = match before {
            Some(before) => before.stops != now.stops,
            None if untold => pushed,
            None => changed(&position),
        };
        if !is_news {
            self.seen.insert(position.ticket, now);
            return None;
        }
        if untold {
            (position.time_update, position.time_update_msc) = (broker_time, 0);
        }
        Some(Fact::Position(position))
    }

    /// It is written down.
    pub(super) fn keep(&mut self, fact: &Fact) {
        if let Fact::Position(position) = fact {
            self.seen.insert(position.ticket, seen(position));
        }
    }

    /// Forgets positions that are not open any more.
    pub(super) fn keep_only(&mut self, open: &HashSet<u64>) {
        self.seen.retain(|ticket, _| open.contains(ticket));
    }
}

fn seen(position: &Position) -> Seen {
    let Position { time_update, time_update_msc, .. } = *position;
    let changed_at = if time_update_msc == 0 { time_update.saturating_mul(1_000) } else { time_update_msc };
    Seen { stops: (position.sl, position.tp), changed_at }
}

/// Whether anything of it changed since it was opened.
fn changed(position: &Position) -> bool {
    (position.time_update, position.time_update_msc) != (position.time, position.time_msc)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news(stops: &mut Stops, position: &Position, pushed: bool) -> Option<Position> {
        let fact = stops.news(Fact::Position(position.clone()), pushed, 900)?;
        stops.keep(&fact);
        let Fact::Position(position) = fact else { panic!("{fact:?}") };
        Some(position)
    }

    #[test]
    fn stops_are_news_when_they_are_others_than_before_or_the_position_changed_while_nobody_looked() {
        let mut stops = Stops::default();
        let opened = Position { ticket: 7, time: 100, time_update: 100, volume: 1.0, sl: 1.08, ..Position::default() };
        assert_eq!(news(&mut stops, &opened, false), None, "it was opened with them");
        let moved = Position { time_update: 200, sl: 1.07, ..opened.clone() };
        assert_eq!(news(&mut stops, &moved, false), Some(moved.clone()));
        assert_eq!(news(&mut stops, &opened, false), None, "read before it was moved");
        assert_eq!(news(&mut stops, &moved, true), None, "told twice");
        assert_eq!(news(&mut stops, &Position { time_update: 300, volume: 0.5, ..moved.clone() }, true), None, "closed in part");
        assert_eq!(news(&mut Stops::default(), &moved, false), Some(moved.clone()), "whatever it was before the restart");
        assert_eq!(news(&mut stops, &Position { volume: 0.0, ..moved.clone() }, true), None, "it is gone");
        assert!(stops.seen.is_empty());
        news(&mut stops, &moved, false);
        stops.keep_only(&HashSet::from([8]));
        assert!(stops.seen.is_empty());
    }

    #[test]
    fn where_nobody_tells_when_a_position_changed_it_is_when_the_hub_saw_it() {
        let mut stops = Stops::default();
        let opened = Position { ticket: 7, time: 100, volume: 1.0, ..Position::default() };
        assert_eq!(news(&mut stops, &opened, false), None);
        let moved = Position { tp: 1.2, ..opened.clone() };
        assert_eq!(news(&mut stops, &moved, false).map(|position| position.time_update), Some(900));
        assert!(news(&mut Stops::default(), &moved, true).is_some(), "pushed: something of it changed");
    }
}
