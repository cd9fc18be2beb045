//! What a session heard of its market and its account since somebody last looked: the newest of each thing, and no more of them than
//! are asked for. It never waits for a reader, and nothing of trades goes through it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// What there is to know since the last look.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct News {
    /// Something changed in the account's orders, deals or positions.
    pub account_changed: bool,
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

    /// The account has changed.
    pub(super) fn account_changed(&self) {
        self.lock().account_changed = true;
        self.posted.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
