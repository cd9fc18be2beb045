//! What the terminal tells by itself of the market: the newest of what the hub wants, when it has changed.

use std::collections::HashMap;

use super::{
    broker::Broker,
    reads::{Failure, Look},
};
use crate::{
    domain::{
        account::Platform,
        market::{Bar, Timeframe},
    },
    protocol::{
        FromTerminal,
        codec::Row,
        message::{LiveQuote, LiveSeries, PushBars, PushQuotes, Series, Subscribe, reply_status},
    },
};

/// Of each kind, so many are wanted at most: what comes beyond is answered with an error.
const WANTED_MAX: usize = 256;
/// Rows of one message, and of one turn.
const QUOTES_TURN: usize = 64;
const BARS_TURN: usize = 16;

/// What is wanted, and what was told of it last.
#[derive(Debug, Default)]
pub(super) struct Live {
    wanted: Subscribe,
    quotes: HashMap<String, LiveQuote>,
    bars: HashMap<(String, u16), LiveSeries>,
    /// Where the next turn begins, so that the first ones do not keep the others away.
    next_quote: usize,
    next_bar: usize,
}

impl Live {
    /// All that is wanted from now on: nothing has been told of it.
    pub(super) fn wanted(wanted: Subscribe) -> Self {
        Self { wanted, ..Self::default() }
    }

    /// Whether there is nothing to look for.
    pub(super) const fn is_idle(&self) -> bool {
        self.wanted.quotes.is_empty() && self.wanted.bars.is_empty()
    }

    /// What has changed, as much as fits into a turn.
    pub(super) fn pushes(&mut self, look: &Look<'_>) -> Vec<FromTerminal> {
        let (quotes, bars) = (self.changed_quotes(look), self.changed_bars(look));
        let quotes = (!quotes.is_empty()).then(|| PushQuotes { quotes }.into());
        let bars = (!bars.is_empty()).then(|| PushBars { bars }.into());
        quotes.into_iter().chain(bars).collect()
    }

    fn changed_quotes(&mut self, look: &Look<'_>) -> Vec<Row<LiveQuote>> {
        let (count, from) = (self.wanted.quotes.len(), self.next_quote);
        let mut changed = Vec::new();
        for at in (0..count).map(|step| (from + step) % count) {
            let symbol = &self.wanted.quotes[at];
            let Some(now) = quote(at, symbol, look) else { continue };
            if self.quotes.get(symbol) != Some(&now) {
                self.quotes.insert(symbol.clone(), now.clone());
                changed.push(Row(now));
                self.next_quote = (at + 1) % count;
            }
            if changed.len() == QUOTES_TURN {
                break;
            }
        }
        changed
    }

    fn changed_bars(&mut self, look: &Look<'_>) -> Vec<Row<LiveSeries>> {
        let (count, from) = (self.wanted.bars.len(), self.next_bar);
        let mut changed = Vec::new();
        // Building bars costs more than a look at a tick: only so many are looked at in a turn.
        for at in (0..count.min(BARS_TURN)).map(|step| (from + step) % count) {
            let Row(of) = &self.wanted.bars[at];
            let now = series(at, of, look);
            let key = (of.symbol.clone(), of.timeframe);
            if self.bars.get(&key) != Some(&now) {
                self.bars.insert(key, now.clone());
                changed.push(Row(now));
            }
            self.next_bar = (at + 1) % count;
        }
        changed
    }
}

/// The newest tick of a symbol; none before its first.
fn quote(at: usize, symbol: &str, look: &Look<'_>) -> Option<LiveQuote> {
    let row = |status| LiveQuote { symbol: symbol.to_owned(), status, ..LiveQuote::default() };
    if at >= WANTED_MAX {
        return Some(row(reply_status::ERROR));
    }
    if look.broker.instrument(symbol).is_none() {
        return Some(row(reply_status::NOT_FOUND));
    }
    let tick = look.broker.tick_of(symbol, look.view)?;
    Some(LiveQuote { tick: Row(tick), ..row(reply_status::OK) })
}

/// The two newest bars of a series.
fn series(at: usize, of: &Series, look: &Look<'_>) -> LiveSeries {
    let row = |status, rates| LiveSeries { symbol: of.symbol.clone(), timeframe: of.timeframe, status, rates };
    if at >= WANTED_MAX {
        return row(reply_status::ERROR, Vec::new());
    }
    match newest(of, look.broker, look) {
        Ok(bars) => {
            let mut rates = Vec::with_capacity(bars.len() * Bar::SIZE);
            bars.iter().for_each(|bar| bar.pack_into(&mut rates));
            row(reply_status::OK, rates)
        }
        Err(failure) => row(failure.status, Vec::new()),
    }
}

fn newest(of: &Series, broker: &Broker, look: &Look<'_>) -> Result<Vec<Bar>, Failure> {
    let instrument = broker.instrument(&of.symbol).ok_or_else(|| Failure::not_found("there is no such symbol"))?;
    let timeframe = Timeframe::try_from(of.timeframe).map_err(|error| Failure::invalid(error.to_string()))?;
    if !timeframe.is_on(Platform::Mt4) {
        look.only_on_mt5("such a timeframe")?;
    }
    Ok(look.view.of_symbol(instrument).bars_from_pos(timeframe, 0, 2))
}
