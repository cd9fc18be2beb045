//! Reading the trade history: from the store alone, whether or not the terminal is there.

use super::History;
use crate::{
    domain::{
        UnixMillis,
        account::Account,
        history::{FactKind, HistoryAccount, HistoryRecord},
        ids::OwnerId,
        scope::Scope,
    },
    store::{StoreError, records},
};

/// Rows read from the store in one step.
const STEP: usize = 500;
/// Rows looked at for one answer; one that finds little says where it stopped.
const LOOKED_AT_MAX: usize = 20_000;
/// Accounts listed of one owner.
const ACCOUNTS_MAX: usize = 10_000;
/// Broker time and UTC differ by less.
const ZONES_MS: i64 = 16 * 3_600_000;

/// Which rows are wanted; everything that is none does not matter.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// At or after, UTC.
    pub from: Option<UnixMillis>,
    /// Before, UTC.
    pub to: Option<UnixMillis>,
    /// This symbol.
    pub symbol: Option<String>,
    /// Only symbols of this scope.
    pub scope: Scope,
    /// This position's deals and orders.
    pub position: Option<u64>,
    /// This order, and its deals.
    pub order: Option<u64>,
    /// The deal or order of this number.
    pub ticket: Option<u64>,
    /// These only.
    pub kind: Option<FactKind>,
}

impl Filter {
    fn takes(&self, record: &HistoryRecord) -> bool {
        let fact = &record.fact;
        self.from.is_none_or(|from| record.time >= from)
            && self.to.is_none_or(|to| record.time < to)
            && self.symbol.as_ref().is_none_or(|symbol| symbol == fact.symbol())
            && self.scope.allows_symbol(fact.symbol())
            && self.position.is_none_or(|position| position == fact.position())
            && self.order.is_none_or(|order| order == fact.order())
            && self.ticket.is_none_or(|ticket| ticket == fact.ticket())
            && self.kind.is_none_or(|kind| kind == fact.kind())
    }
}

/// Where a page ended.
pub type Cursor = [u8; 24];

/// One page of the history.
#[derive(Debug, Default)]
pub struct HistoryPage {
    /// Oldest first, by broker time.
    pub rows: Vec<HistoryRecord>,
    /// Where the next page begins; none at the end.
    pub next: Option<Cursor>,
}

impl History {
    /// The accounts of which an owner has a history.
    ///
    /// # Errors
    /// The store's.
    pub async fn accounts(&self, owner: OwnerId) -> Result<Vec<HistoryAccount>, StoreError> {
        let page = self.inner.store.scan(&records::history_accounts(owner), None, ACCOUNTS_MAX).await?;
        page.iter().map(|(key, entry)| records::decode(key, entry)).collect()
    }

    /// When the newest row of an account's history was, by the broker's clock; none without one.
    ///
    /// # Errors
    /// The store's.
    pub async fn newest(&self, owner: OwnerId, account: &Account) -> Result<Option<UnixMillis>, StoreError> {
        let prefix = records::history_rows(owner, account);
        let last = self.inner.store.last_key(&prefix).await?;
        let msc = last.and_then(|key| key.get(prefix.len()..)?.first_chunk().map(|msc| u64::from_be_bytes(*msc)));
        Ok(msc.and_then(|msc| i64::try_from(msc).ok()).map(UnixMillis))
    }

    /// A page of an account's history, oldest first, after `after`.
    ///
    /// # Errors
    /// The store's.
    pub async fn rows(
        &self,
        owner: OwnerId,
        account: &Account,
        filter: &Filter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<HistoryPage, StoreError> {
        let prefix = records::history_rows(owner, account);
        let under = |rest: &[u8]| [prefix.as_slice(), rest].concat();
        // A little before `from`, because the rows are in the order of the broker's clock.
        let first = filter.from.map(|from| u64::try_from(from.0.saturating_sub(ZONES_MS)).unwrap_or(0));
        let mut after = after.map(|cursor| under(&cursor)).or_else(|| first.map(|msc| under(&msc.to_be_bytes())));
        let last = filter.to.map(|to| u64::try_from(to.0.saturating_add(ZONES_MS)).unwrap_or(0));
        let (mut page, mut looked_at) = (HistoryPage::default(), 0);
        loop {
            let step = self.inner.store.scan(&prefix, after.as_deref(), STEP).await?;
            for (key, entry) in &step {
                let Some(cursor) = key.last_chunk::<24>() else { continue };
                let beyond = last.is_some_and(|last| cursor.first_chunk().is_some_and(|msc| u64::from_be_bytes(*msc) > last));
                if beyond {
                    return Ok(page);
                }
                let record: HistoryRecord = records::decode(key, entry)?;
                looked_at += 1;
                if filter.takes(&record) {
                    page.rows.push(record);
                }
                if page.rows.len() == limit || looked_at == LOOKED_AT_MAX {
                    page.next = Some(*cursor);
                    return Ok(page);
                }
            }
            match step.last() {
                Some((key, _)) if step.len() == STEP => after = Some(key.clone()),
                _ => return Ok(page),
            }
        }
    }
}
