//! What a session heard of its market and its account since somebody last looked: the newest of each thing, and no more of them than
//! are asked for. It never waits for a reader, and nothing of trades goes through it.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::protocol::message::{LiveQuote, LiveSeries, PushBars, PushQuotes};

/// Symbols, and series, of which the newest is kept: more than are ever asked for.
const KEPT_MAX: usize = 1_024;
/// No symbol's name is longer, bytes.
const NAME_MAX: usize = 256;

/// What there is to know since the last look.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct News {
    /// Something changed in the account's orders, deals or positions.
    pub account_changed: bool,
    /// The newest tick of each symbol that has one, by its name.
    pub quotes: BTreeMap<String, LiveQuote>,
    /// The newest bars of each series that has changed, by its symbol and timeframe.
    pub bars: BTreeMap<(String, u16), LiveSeries>,
}

/// The place of one session's news. One reader at a time.
#[derive(Debug, Default)]
pub(super) struct Board {
    news: Mutex<News>,
    posted: Notify,
}

impl Board {
    /// Waits until there is something, and takes it.
    pub(super) async fn take(&self) -> News {
        loop {
            self.posted.notified().await;
            let news = std::mem::take(&mut *self.lock());
            if news != News::default() {
                return news;
            }
        }
    }

    /// Forgets it.
    pub(super) fn discard(&self) {
        *self.lock() = News::default();
    }

    /// The account has changed.
    pub(super) fn account_changed(&self) {
        self.lock().account_changed = true;
        self.posted.notify_one();
    }

    /// Ticks in place of those that nobody has taken yet.
    pub(super) fn quotes(&self, push: PushQuotes) {
        let mut news = self.lock();
        for quote in push.quotes {
            keep(&mut news.quotes, quote.0.symbol.clone(), &quote.0.symbol, quote.0.clone());
        }
        drop(news);
        self.posted.notify_one();
    }

    /// Bars in place of those that nobody has taken yet.
    pub(super) fn bars(&self, push: PushBars) {
        let mut news = self.lock();
        for series in push.bars {
            keep(&mut news.bars, (series.0.symbol.clone(), series.0.timeframe), &series.0.symbol, series.0.clone());
        }
        drop(news);
        self.posted.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn keep<K: Ord, V>(kept: &mut BTreeMap<K, V>, key: K, name: &str, value: V) {
    if name.len() <= NAME_MAX && (kept.len() < KEPT_MAX || kept.contains_key(&key)) {
        kept.insert(key, value);
    }
}
