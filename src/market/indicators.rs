//! Indicators: kept for 24 hours in the store, with a row of each in memory by which they are listed and drawn.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::{
    clock::Clock,
    domain::{
        UnixMillis,
        ids::{KeyId, OwnerId},
        indicator::{Audience, Drawing, INDICATOR_LIFE_MS, Indicator, IndicatorSlot},
        market::Timeframe,
    },
    store::{Batch, Seq, Store, StoreError, records},
};

/// Indicators of one bot.
pub const PER_LINE_MAX: usize = 200;
/// Indicators of all bots, those included that were deleted and are remembered.
const ALL_MAX: usize = 5_000;
/// Of these, indicators of one tenant.
const PER_TENANT_MAX: usize = 1_000;
/// Deleted ones of one bot that are remembered, so that terminals that are away take them off their charts. Others vanish there when they
/// would have expired.
const DELETED_MAX: usize = 50;
/// Records read at once at a start; one may have 256 KiB.
const PAGE: usize = 64;
/// What has expired is looked for so often.
const PURGE: Duration = Duration::from_secs(1);
/// Expired records removed in one batch.
const PURGED: usize = 500;

/// Why an indicator is not kept.
#[derive(Debug, thiserror::Error)]
pub enum IndicatorError {
    /// One bot has so many already.
    #[error("this key has {PER_LINE_MAX} indicators already; delete some, or wait until they expire")]
    TooMany,
    /// One tenant's bots have so many already.
    #[error("your keys have {PER_TENANT_MAX} indicators already; delete some, or wait until they expire")]
    TenantFull,
    /// All bots together have too many.
    #[error("the hub holds {ALL_MAX} indicators already; delete some, or wait until they expire")]
    HubFull,
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is known of an indicator without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its place.
    pub slot: IndicatorSlot,
    /// Its name, for people.
    pub name: String,
    /// How many points it has.
    pub points: usize,
    /// How many lines it has.
    pub lines: usize,
    /// When it was submitted.
    pub created_at: UnixMillis,
    /// When it is gone.
    pub expires_at: UnixMillis,
    pub(super) audience: Audience,
    pub(super) deleted: bool,
    /// The write that made it so: later ones are higher.
    pub(super) version: Seq,
}

impl Row {
    fn of(indicator: &Indicator, version: Seq) -> Self {
        Self {
            slot: indicator.slot.clone(),
            name: indicator.drawing.name.clone(),
            points: indicator.drawing.points.len(),
            lines: indicator.drawing.lines.len(),
            created_at: indicator.created_at,
            expires_at: indicator.expires_at,
            audience: Audience { owner: indicator.owner, reach: indicator.reach, accounts: indicator.accounts.clone() },
            deleted: indicator.deleted,
            version,
        }
    }

    /// What is stored of it when it has ended: who had it and for what, and nothing to see.
    fn ended(&self, at: UnixMillis) -> Indicator {
        let Audience { owner, reach, accounts } = self.audience.clone();
        Indicator {
            slot: self.slot.clone(),
            owner,
            reach,
            accounts,
            created_at: self.created_at,
            expires_at: self.expires_at,
            deleted: true,
            ended_at: Some(at),
            drawing: Drawing { name: self.name.clone(), ..Drawing::default() },
        }
    }
}

/// Which indicators somebody asks for: all of these must fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Which {
    /// Whose.
    pub owner: OwnerId,
    /// Of one line of keys; none: of all of the owner's.
    pub line: Option<KeyId>,
    /// Its bot's name for it.
    pub id: Option<String>,
    /// For this symbol.
    pub symbol: Option<String>,
    /// For this timeframe.
    pub timeframe: Option<Timeframe>,
}

impl Which {
    /// All of an owner's.
    #[must_use]
    pub const fn of(owner: OwnerId) -> Self {
        Self { owner, line: None, id: None, symbol: None, timeframe: None }
    }

    fn has(&self, row: &Row) -> bool {
        let slot = &row.slot;
        row.audience.owner == self.owner
            && self.line.is_none_or(|line| line == slot.line)
            && self.id.as_ref().is_none_or(|id| *id == slot.id)
            && self.symbol.as_ref().is_none_or(|symbol| *symbol == slot.symbol)
            && self.timeframe.is_none_or(|timeframe| timeframe == slot.timeframe)
    }
}

/// All indicators. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Indicators {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Arc<dyn Store>,
    clock: Clock,
    rows: Mutex<BTreeMap<IndicatorSlot, Arc<Row>>>,
    /// One change at a time: what is on the disk is what is in memory, and versions come in order.
    changing: tokio::sync::Mutex<()>,
    changed: Notify,
}

impl Indicators {
    /// Takes up what is stored.
    ///
    /// # Errors
    /// The store's.
    pub async fn open(store: Arc<dyn Store>, clock: Clock) -> Result<Self, StoreError> {
        let (mut rows, mut after) = (BTreeMap::new(), None::<Vec<u8>>);
        loop {
            let page = store.scan(records::INDICATORS, after.as_deref(), PAGE).await?;
            for (key, entry) in &page {
                let indicator: Indicator = records::decode(key, entry)?;
                rows.insert(indicator.slot.clone(), Arc::new(Row::of(&indicator, entry.version)));
            }
            match page.last() {
                Some((key, _)) if page.len() == PAGE => after = Some(key.clone()),
                _ => break,
            }
        }
        let (rows, changing, changed) = (Mutex::new(rows), tokio::sync::Mutex::default(), Notify::new());
        Ok(Self { inner: Arc::new(Inner { store, clock, rows, changing, changed }) })
    }

    /// Keeps a drawing for 24 hours, in the place of what was in its slot.
    ///
    /// # Errors
    /// [`IndicatorError`]: what was there stays.
    pub async fn submit(
        &self,
        slot: IndicatorSlot,
        Audience { owner, reach, accounts }: Audience,
        drawing: Drawing,
    ) -> Result<Arc<Row>, IndicatorError> {
        let _turn = self.inner.changing.lock().await;
        self.has_room_for(&slot, owner)?;
        let created_at = self.inner.clock.wall();
        let expires_at = created_at.plus_ms(INDICATOR_LIFE_MS);
        let (deleted, ended_at) = (false, None);
        let indicator = Indicator { slot, owner, reach, accounts, created_at, expires_at, deleted, ended_at, drawing };
        Ok(self.write(Batch::admission(), &indicator).await?)
    }

    fn has_room_for(&self, slot: &IndicatorSlot, owner: OwnerId) -> Result<(), IndicatorError> {
        let (rows, now) = (self.rows(), self.inner.clock.wall());
        let others = rows.values().filter(|row| row.slot != *slot && row.expires_at > now);
        let of_line = others.filter(|row| row.slot.line == slot.line && !row.deleted).count();
        if of_line >= PER_LINE_MAX {
            return Err(IndicatorError::TooMany);
        }
        let of_tenant = rows.values().filter(|row| row.slot != *slot && row.audience.owner == owner).count();
        if of_tenant >= PER_TENANT_MAX {
            return Err(IndicatorError::TenantFull);
        }
        if rows.len() >= ALL_MAX && !rows.contains_key(slot) {
            return Err(IndicatorError::HubFull);
        }
        Ok(())
    }

    /// The whole indicator, if there is one.
    ///
    /// # Errors
    /// The store's.
    pub async fn get(&self, slot: &IndicatorSlot) -> Result<Option<Indicator>, StoreError> {
        if self.live(slot).is_none() {
            return Ok(None);
        }
        Ok(self.read(slot).await?.filter(|indicator| !indicator.deleted))
    }

    /// Those that there are, by bot, id, symbol and timeframe.
    #[must_use]
    pub fn list(&self, which: &Which) -> Vec<Arc<Row>> {
        let now = self.inner.clock.wall();
        let rows = self.rows();
        rows.values().filter(|row| which.has(row) && !row.deleted && row.expires_at > now).cloned().collect()
    }

    /// Deletes one; false when there is none.
    ///
    /// # Errors
    /// The store's: it stays.
    pub async fn delete(&self, slot: &IndicatorSlot) -> Result<bool, StoreError> {
        let _turn = self.inner.changing.lock().await;
        let Some(row) = self.live(slot) else { return Ok(false) };
        let forgotten = self.surplus_deleted(slot.line);
        let batch = forgotten.iter().fold(Batch::outcome(), |batch, slot| batch.delete(records::indicator(slot)));
        // Before it would have expired, whatever the clock does meanwhile: the two are told apart by it.
        let now = self.inner.clock.wall().min(row.expires_at.plus_ms(-1));
        self.write(batch, &row.ended(now)).await?;
        let mut rows = self.rows();
        forgotten.iter().for_each(|slot| drop(rows.remove(slot)));
        Ok(true)
    }

    /// Deleted ones of a bot that are one too many when another is.
    fn surplus_deleted(&self, line: KeyId) -> Vec<IndicatorSlot> {
        let rows = self.rows();
        let mut deleted: Vec<_> = rows.values().filter(|row| row.slot.line == line && row.deleted).collect();
        deleted.sort_unstable_by_key(|row| row.version);
        let surplus = (deleted.len() + 1).saturating_sub(DELETED_MAX);
        deleted.iter().take(surplus).map(|row| row.slot.clone()).collect()
    }

    /// In the turn of a change.
    async fn write(&self, batch: Batch, indicator: &Indicator) -> Result<Arc<Row>, StoreError> {
        let batch = batch.put(records::indicator(&indicator.slot), records::encode(indicator));
        let row = Arc::new(Row::of(indicator, self.inner.store.commit(batch).await?));
        self.rows().insert(indicator.slot.clone(), Arc::clone(&row));
        self.inner.changed.notify_one();
        Ok(row)
    }

    fn live(&self, slot: &IndicatorSlot) -> Option<Arc<Row>> {
        let now = self.inner.clock.wall();
        self.rows().get(slot).filter(|row| !row.deleted && row.expires_at > now).cloned()
    }

    /// As it is stored now, deleted or not.
    pub(super) async fn read(&self, slot: &IndicatorSlot) -> Result<Option<Indicator>, StoreError> {
        let key = records::indicator(slot);
        self.inner.store.get(&key).await?.map(|entry| records::decode(&key, &entry)).transpose()
    }

    /// Waits for a change. One that came while nobody waited is told at once.
    pub(super) async fn changed(&self) {
        self.inner.changed.notified().await;
    }

    /// What an owner's terminals have to show or to take away since a version, in order; those that have expired vanish there by themselves.
    pub(super) fn since(&self, owner: OwnerId, version: Seq) -> Vec<Arc<Row>> {
        let now = self.inner.clock.wall();
        let rows = self.rows();
        let mut news: Vec<_> = rows
            .values()
            .filter(|row| row.audience.owner == owner && row.version > version && row.expires_at > now)
            .cloned()
            .collect();
        news.sort_unstable_by_key(|row| row.version);
        news
    }

    /// Removes what expires, within a second, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut look = interval(PURGE);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(look.tick()).await.is_some() {
            if let Err(error) = self.purge().await {
                error!(%error, "expired indicators; it is tried again in a second");
            }
        }
    }

    /// Removes what has expired. What somebody could still see until then is written once more in the same batch, from which the event of its
    /// end is made: the deletion of a record does not say what was in it.
    ///
    /// # Errors
    /// The store's; the next call tries again.
    async fn purge(&self) -> Result<(), StoreError> {
        let _turn = self.inner.changing.lock().await;
        let now = self.inner.clock.wall();
        let expired: Vec<_> = self.rows().values().filter(|row| row.expires_at <= now).take(PURGED).cloned().collect();
        if expired.is_empty() {
            return Ok(());
        }
        let batch = expired.iter().fold(Batch::outcome(), |batch, row| {
            let key = records::indicator(&row.slot);
            let told = if row.deleted { batch } else { batch.put(key.clone(), records::encode(&row.ended(row.expires_at))) };
            told.delete(key)
        });
        self.inner.store.commit(batch).await?;
        let mut rows = self.rows();
        expired.iter().for_each(|row| drop(rows.remove(&row.slot)));
        Ok(())
    }

    fn rows(&self) -> MutexGuard<'_, BTreeMap<IndicatorSlot, Arc<Row>>> {
        self.inner.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "indicators_tests.rs"]
mod tests;
