//! The sequence of tags of each account, by which a command is found again at the broker.
//!
//! Numbers are taken in blocks whose end is durable before the first of them is used: after a crash the next block begins above
//! everything that may have been sent.

use std::{collections::HashMap, sync::Arc};

use tokio::sync::Mutex;

use crate::{
    domain::account::Account,
    store::{Batch, Store, StoreError, records},
};

const BLOCK: u64 = 256;

#[derive(Debug, Default)]
pub(super) struct Tags {
    accounts: std::sync::Mutex<HashMap<Account, Arc<Mutex<Block>>>>,
}

/// Numbers from `next` up to, not including, `end` may be used.
#[derive(Debug, Default)]
struct Block {
    next: u64,
    end: u64,
}

impl Tags {
    /// The next number of an account.
    pub(super) async fn next(&self, store: &dyn Store, account: &Account) -> Result<u64, StoreError> {
        let block = self.block(account);
        let mut block = block.lock().await;
        if block.next == block.end {
            let from = block.end.max(stored(store, account).await?).max(1);
            reserve(store, account, from + BLOCK).await?;
            *block = Block { next: from, end: from + BLOCK };
        }
        block.next += 1;
        Ok(block.next - 1)
    }

    /// Skips everything up to a number that was seen at the broker or in an EA's journal.
    pub(super) async fn raise_above(&self, store: &dyn Store, account: &Account, seen: u64) -> Result<(), StoreError> {
        let block = self.block(account);
        let mut block = block.lock().await;
        let known = if block.end > 0 { block.next } else { stored(store, account).await? };
        if seen >= known {
            reserve(store, account, seen + 1).await?;
            *block = Block { next: seen + 1, end: seen + 1 };
        }
        Ok(())
    }

    fn block(&self, account: &Account) -> Arc<Mutex<Block>> {
        let mut accounts = self.accounts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Arc::clone(accounts.entry(account.clone()).or_default())
    }
}

async fn stored(store: &dyn Store, account: &Account) -> Result<u64, StoreError> {
    let entry = store.get(&records::tag_sequence(account)).await?;
    Ok(entry.and_then(|entry| entry.value.as_slice().try_into().ok()).map_or(0, u64::from_be_bytes))
}

async fn reserve(store: &dyn Store, account: &Account, end: u64) -> Result<(), StoreError> {
    store.commit(Batch::admission().put(records::tag_sequence(account), end.to_be_bytes().to_vec())).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;

    #[tokio::test]
    async fn numbers_only_grow_over_restarts_and_above_what_was_seen() {
        let store = MemoryStore::default();
        let account = Account::new(1, "Demo").unwrap();
        let first = Tags::default();
        let mut last = 0;
        for _ in 0..600 {
            let next = first.next(&store, &account).await.unwrap();
            assert!(next > last);
            last = next;
        }
        let restarted = Tags::default();
        let next = restarted.next(&store, &account).await.unwrap();
        assert!(next > last);
        restarted.raise_above(&store, &account, next + 5_000).await.unwrap();
        assert_eq!(restarted.next(&store, &account).await.unwrap(), next + 5_001);
        restarted.raise_above(&store, &account, 3).await.unwrap();
        assert_eq!(restarted.next(&store, &account).await.unwrap(), next + 5_002);
    }
}
