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
    store::{
        StoreError,
        merged::{Direction, Merged},
        records,
    },
};

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
    /// The broker times, milliseconds, between which (the second not included) all rows are that it can take: somewhat more, because the
    /// rows are in the order of the broker's clock.
    fn span(&self) -> (Option<u64>, Option<u64>) {
        let msc = |at: UnixMillis, zones: i64| u64::try_from(at.0.saturating_add(zones)).unwrap_or(0);
        (self.from.map(|from| msc(from, -ZONES_MS)), self.to.map(|to| msc(to, ZONES_MS)))
    }

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

/// One page of the history of several accounts.
#[derive(Debug, Default)]
pub struct HistoryPage {
    /// In the order that was asked for, by broker time, each with the number of its account among those that were asked for.
    pub rows: Vec<(usize, HistoryRecord)>,
    /// Where the next page begins; none at the end.
    pub next: Option<Cursor>,
}

/// From which end a history is read, and from where on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Place {
    /// The end.
    pub direction: Direction,
    /// Where the page before ended.
    pub after: Option<Cursor>,
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
    ) -> Result<(Vec<HistoryRecord>, Option<Cursor>), StoreError> {
        let place = Place { direction: Direction::Ascending, after };
        let page = self.rows_of(owner, std::slice::from_ref(account), filter, place, limit).await?;
        Ok((page.rows.into_iter().map(|(_, record)| record).collect(), page.next))
    }

    /// A page of several accounts' history as one. It holds more than `limit` rows only where rows of different accounts stand at the very
    /// same place, which a cursor cannot part.
    ///
    /// # Errors
    /// The store's.
    pub async fn rows_of(
        &self,
        owner: OwnerId,
        accounts: &[Account],
        filter: &Filter,
        place: Place,
        limit: usize,
    ) -> Result<HistoryPage, StoreError> {
        let prefixes = accounts.iter().map(|account| records::history_rows(owner, account)).collect();
        let span = filter.span();
        let bound = match place.direction {
            Direction::Ascending => span.0,
            Direction::Descending => span.1,
        };
        let start = place.direction.later(place.after.map(|cursor| cursor.to_vec()), bound.map(|msc| msc.to_be_bytes().to_vec()));
        let mut lists = Merged::new(&*self.inner.store, place.direction, prefixes, start.as_deref());
        let (mut page, mut looked_at) = (HistoryPage::default(), 0);
        while let Some((number, key, entry)) = lists.next().await? {
            let Some(cursor) = key.last_chunk::<24>() else { continue };
            if page.next.is_some_and(|last| last != *cursor) {
                return Ok(page);
            }
            let msc = cursor.first_chunk().map_or(0, |msc| u64::from_be_bytes(*msc));
            let beyond = match place.direction {
                Direction::Ascending => span.1.is_some_and(|end| msc >= end),
                Direction::Descending => span.0.is_some_and(|first| msc < first),
            };
            if beyond {
                page.next = None;
                return Ok(page);
            }
            let record: HistoryRecord = records::decode(&key, &entry)?;
            looked_at += 1;
            if filter.takes(&record) {
                page.rows.push((number, record));
            }
            if page.rows.len() >= limit || looked_at >= LOOKED_AT_MAX {
                page.next = Some(*cursor);
            }
        }
        // Whatever filled the page was the last.
        page.next = None;
        Ok(page)
    }
}
