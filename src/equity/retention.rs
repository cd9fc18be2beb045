//! What is older than it is to be kept is removed.

use super::{Equity, HOUR_MS};
use crate::{
    domain::UnixMillis,
    store::{Batch, StoreError, records},
};

/// Hours of one account looked at together: usually one of them is too old.
const PAGE: usize = 32;

impl Equity {
    /// Removes the hours that were over for longer than bars are kept, of accounts that are not connected too.
    pub(super) async fn clean(&self, now: UnixMillis) -> Result<(), StoreError> {
        let keep_ms = i64::try_from(self.inner.keep.as_millis()).unwrap_or(i64::MAX);
        let first = now.plus_ms(-keep_ms).0.div_euclid(HOUR_MS);
        let first = if keep_ms == 0 { u64::MAX } else { u64::try_from(first).unwrap_or(0) };
        let mut after: Option<Vec<u8>> = None;
        // Each account by its first hour.
        while let Some((key, _)) = self.inner.store.scan(records::EQUITY, after.as_deref(), 1).await?.pop() {
            let account = records::equity_account_of(&key).to_vec();
            self.clean_account(&account, first).await?;
            after = Some([account.as_slice(), &u64::MAX.to_be_bytes()].concat());
        }
        Ok(())
    }

    async fn clean_account(&self, prefix: &[u8], first: u64) -> Result<(), StoreError> {
        loop {
            // In the writer's turn: an hour of a clock that was ahead is not removed while it is added to.
            let _turn = self.inner.writing.lock().await;
            let page = self.inner.store.scan(prefix, None, PAGE).await?;
            let old: Vec<_> = page.iter().map(|(key, _)| key).filter(|key| records::equity_hour_of(key) < first).collect();
            if old.is_empty() {
                return Ok(());
            }
            let all = old.len() == PAGE;
            self.inner.store.commit(old.into_iter().fold(Batch::outcome(), |batch, key| batch.delete(key.clone()))).await?;
            if !all {
                return Ok(());
            }
        }
    }
}
