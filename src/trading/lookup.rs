//! Reading commands.

use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Execution, Trading};
use crate::{
    domain::{
        account::Account,
        command::CommandRecord,
        ids::{CommandId, OwnerId},
    },
    store::{Batch, StoreError, records},
};

/// Records read or deleted in one step.
const PAGE: usize = 500;
/// Records that one call looks through at most.
const LOOKED_AT_MAX: usize = 5_000;

impl Execution {
    /// The record once it is final, or as it stands when the time is over.
    /// With `stopping` the wait is over at once.
    pub async fn wait(mut self, within: Duration, stopping: &CancellationToken) -> CommandRecord {
        let ended = self.updates.wait_for(|record| record.state.is_final());
        let _ = tokio::time::timeout(within, stopping.run_until_cancelled(ended)).await;
        self.updates.borrow().clone()
    }
}

impl Trading {
    /// A command as it stands now.
    ///
    /// # Errors
    /// The store's.
    pub async fn command(&self, id: CommandId) -> Result<Option<CommandRecord>, StoreError> {
        Ok(self.follow_command(id).await?.map(|updates| updates.borrow().clone()))
    }

    /// What an idempotency key made, whatever it was used for: a command, or a call that makes many.
    ///
    /// # Errors
    /// The store's.
    pub async fn made_under(&self, owner: OwnerId, account: &Account, key: &str) -> Result<Option<CommandId>, StoreError> {
        let key = records::idempotency(owner, account, key);
        let used = self.inner.store.get(&key).await?;
        used.map(|entry| records::decode::<records::IdempotencyRecord>(&key, &entry).map(|used| used.command)).transpose()
    }

    /// A command as it stands now and at every change.
    pub(super) async fn follow_command(&self, id: CommandId) -> Result<Option<watch::Receiver<CommandRecord>>, StoreError> {
        let live = self.inner.live().get(&id).map(|live| live.updates.subscribe());
        match live {
            Some(updates) => Ok(Some(updates)),
            None => Ok(self.stored_command(id).await?.map(|record| watch::Sender::new(record).subscribe())),
        }
    }

    /// Commands of an account that `keep` wants, oldest first, after `after`, and where the next page begins. A page that is not full may
    /// have a next one: no call looks through more than so many commands.
    ///
    /// # Errors
    /// The store's.
    pub async fn commands(
        &self,
        owner: OwnerId,
        account: &Account,
        after: Option<CommandId>,
        limit: usize,
        keep: impl Fn(&CommandRecord) -> bool,
    ) -> Result<(Vec<CommandRecord>, Option<CommandId>), StoreError> {
        self.commands_of(&records::account_commands(owner, account), after, limit, keep).await
    }

    /// The same of the account whose commands are listed under `list`, a [`records::account_commands`].
    pub(super) async fn commands_of(
        &self,
        list: &[u8],
        after: Option<CommandId>,
        limit: usize,
        keep: impl Fn(&CommandRecord) -> bool,
    ) -> Result<(Vec<CommandRecord>, Option<CommandId>), StoreError> {
        let after = after.map(|id| [list, &id.to_bytes()].concat());
        self.listed(list, after, limit, keep).await
    }

    /// What [`records::account_commands`] gives for each account that has a command, connected or not.
    pub(super) async fn lists_of_commands(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut found: Vec<Vec<u8>> = Vec::new();
        loop {
            // Behind the last command that the account before it can have.
            let after = found.last().map(|list| [list.as_slice(), &[0xff; 16]].concat());
            let page = self.inner.store.scan(records::COMMAND_LISTS, after.as_deref(), 1).await?;
            match page.first().and_then(|(key, _)| key.split_last_chunk::<16>()) {
                Some((list, _)) => found.push(list.to_vec()),
                None => return Ok(found),
            }
        }
    }

    /// The commands that the entries under a prefix name.
    async fn listed(
        &self,
        prefix: &[u8],
        mut after: Option<Vec<u8>>,
        limit: usize,
        keep: impl Fn(&CommandRecord) -> bool,
    ) -> Result<(Vec<CommandRecord>, Option<CommandId>), StoreError> {
        let (mut found, mut looked_at) = (Vec::new(), 0);
        loop {
            let page = self.inner.store.scan(prefix, after.as_deref(), PAGE).await?;
            for (key, _) in &page {
                let Some(id) = records::command_of(key) else { continue };
                found.extend(self.command(id).await?.filter(|record| keep(record)));
                looked_at += 1;
                if found.len() == limit || looked_at == LOOKED_AT_MAX {
                    return Ok((found, Some(id)));
                }
            }
            match page.last() {
                Some((key, _)) if page.len() == PAGE => after = Some(key.clone()),
                _ => return Ok((found, None)),
            }
        }
    }

    /// Whether a command of this account that is not there was deleted with its history.
    pub(super) async fn is_forgotten(&self, owner: OwnerId, account: &Account, id: CommandId) -> Result<bool, StoreError> {
        let stone = self.inner.store.get(&records::forgotten_commands(owner, account)).await?;
        let newest = stone.and_then(|entry| <[u8; 16]>::try_from(entry.value.as_slice()).ok()).map(CommandId::from_bytes);
        Ok(newest.is_some_and(|newest| id <= newest))
    }

    /// Removes what is left of an account's commands after their seal was destroyed. The digests of used keys stay, so that no old
    /// request is ever executed anew.
    ///
    /// # Errors
    /// The store's; calling it again goes on where it stopped.
    pub async fn forget_account(&self, owner: OwnerId, account: &Account) -> Result<(), StoreError> {
        // First of all, so that an EA that still repeats an outcome of one of them is told to stop: every id made later is above this one.
        let newest = self.inner.ids.next().map_err(|error| StoreError::Degraded { reason: error.to_string() })?;
        let stone = Batch::outcome().put(records::forgotten_commands(owner, account), newest.to_bytes().to_vec());
        self.inner.store.commit(stone).await?;
        let named = |batch: Batch, id| batch.delete(records::command(id)).delete(records::open_command(id));
        self.forget_under(&records::account_commands(owner, account), named).await?;
        self.forget_under(&records::account_parents(owner, account), |batch, id| batch.delete(records::parent(id))).await?;
        self.forget_under(&records::tagged_commands(owner, account), |batch, _| batch).await?;
        self.forget_under(&records::client_orders(owner, account, None), |batch, _| batch).await
    }

    /// How many commands an account has.
    ///
    /// # Errors
    /// The store's.
    pub async fn count_commands(&self, owner: OwnerId, account: &Account) -> Result<usize, StoreError> {
        let prefix = records::account_commands(owner, account);
        let (mut count, mut last) = (0, None);
        loop {
            let page = self.inner.store.scan(&prefix, last.as_deref(), PAGE).await?;
            count += page.len();
            match page.into_iter().last() {
                Some((key, _)) => last = Some(key),
                None => return Ok(count),
            }
        }
    }

    /// Deletes every entry under a prefix, and what it names.
    async fn forget_under(&self, prefix: &[u8], named: impl Fn(Batch, CommandId) -> Batch) -> Result<(), StoreError> {
        loop {
            let page = self.inner.store.scan(prefix, None, PAGE).await?;
            if page.is_empty() {
                return Ok(());
            }
            let batch = page.iter().fold(Batch::outcome(), |batch, (key, _)| {
                let batch = batch.delete(key.clone());
                match records::command_of(key) {
                    Some(id) => named(batch, id),
                    None => batch,
                }
            });
            self.inner.store.commit(batch).await?;
        }
    }

    pub(super) async fn stored_command(&self, id: CommandId) -> Result<Option<CommandRecord>, StoreError> {
        let key = records::command(id);
        let Some(entry) = self.inner.store.get(&key).await? else { return Ok(None) };
        records::decode(&key, &entry).map(Some)
    }

    /// Every command that has no final state, of all owners.
    ///
    /// # Errors
    /// The store's.
    pub async fn unfinished_commands(&self) -> Result<Vec<CommandRecord>, StoreError> {
        self.open_records().await
    }

    pub(super) async fn open_records(&self) -> Result<Vec<CommandRecord>, StoreError> {
        let mut found = Vec::new();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = self.inner.store.scan(records::OPEN_COMMANDS, after.as_deref(), PAGE).await?;
            for (key, _) in &page {
                if let Some(id) = records::command_of(key)
                    && let Some(record) = self.stored_command(id).await?
                {
                    found.push(record);
                }
            }
            match page.last() {
                Some((key, _)) if page.len() == PAGE => after = Some(key.clone()),
                _ => return Ok(found),
            }
        }
    }
}
