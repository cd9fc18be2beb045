//! What a store that runs for years needs done now and then, while commits go on: exports, old segments to the archive, and the rows
//! that nobody can open any more out of the projection.

use std::path::Path;
use std::time::Duration;

use tokio::sync::mpsc;

use super::Shared;
use super::archive;
use super::export::{self, Export, Writing};
use super::overlay::Slot;
use super::projection::{Found, Projection, ProjectionError};
use super::writer::Request;
use crate::clock::Clock;
use crate::store::disk::Context as _;
use crate::store::faults::kill_point;
use crate::store::journal::scan;
use crate::store::{Seq, StoreError};

/// Exports kept; the newest counts, the others are there should it not read.
const EXPORTS_KEPT: usize = 7;
/// A journal of so many segments is exported before its time, so that no start has more to read.
const SEGMENTS_MAX: usize = 8;
/// Rows read from the projection at once, by number and by bytes.
const PAGE_ROWS: usize = 1_000;
const PAGE_BYTES: usize = 4 << 20;
/// Keys removed from the projection at once.
const PURGE_KEYS: usize = 500;

/// How often, and how much is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Upkeep {
    pub(super) export_every: Duration,
    pub(super) archive_days: u32,
    pub(super) free_space_floor: u64,
}

/// Does what is due. Blocking. Returns at once when another thread is at it.
pub(super) fn run(shared: &Shared, requests: &mpsc::Sender<Request>) -> Result<(), StoreError> {
    let Some(_turn) = shared.take_turn() else { return Ok(()) };
    shared.usable()?;
    if shared.shredded.swap(false, std::sync::atomic::Ordering::Relaxed) {
        sweep(shared, requests)?;
    }
    if is_due(shared)? {
        export_and_archive(shared, requests)?;
    }
    Ok(())
}

fn is_due(shared: &Shared) -> Result<bool, StoreError> {
    let Upkeep { export_every, .. } = shared.upkeep;
    if export_every.is_zero() {
        return Ok(false);
    }
    let newest = export::list(&super::layout::export_dir(&shared.dir))?.into_iter().next();
    let durable = shared.durable();
    let Some(newest) = newest else { return Ok(durable > 0) };
    if newest.seq == durable {
        return Ok(false);
    }
    let age = Clock::start().wall().0 - newest.made_at;
    // A time in the future: the clock was set back.
    let old = age < 0 || age >= i64::try_from(export_every.as_millis()).unwrap_or(i64::MAX);
    Ok(old || scan::list(&super::layout::journal_dir(&shared.dir))?.len() > SEGMENTS_MAX)
}

pub(super) fn export_and_archive(shared: &Shared, requests: &mpsc::Sender<Request>) -> Result<(), StoreError> {
    let dir = super::layout::export_dir(&shared.dir);
    let export = write_export(shared, requests, &dir)?;
    kill_point("export_after_rename");
    // Nothing is taken away before what takes its place was read back.
    export.check().at("read back", &export.path)?;
    tracing::info!(seq = export.seq, rows = export.rows, "exported the state");
    archive::retire(shared, export.seq)?;
    archive::prune(shared)?;
    for old in export::list(&dir)?.into_iter().skip(EXPORTS_KEPT) {
        crate::store::disk::remove(&old.path).at("remove", &old.path)?;
    }
    crate::store::disk::sync_dir(&dir).at("sync", &dir)
}

/// Writes the rows as they are read, then the records that were written meanwhile.
fn write_export(shared: &Shared, requests: &mpsc::Sender<Request>, dir: &Path) -> Result<Export, StoreError> {
    export::clean(dir)?;
    let (from, _) = applied(shared)?;
    let mut writing = Writing::begin(dir).at("create an export in", dir)?;
    let mut dead = Vec::new();
    let mut rows = 0_u64;
    each_row(shared, |key, slot| {
        if rows.is_multiple_of(PAGE_ROWS as u64) {
            room(shared)?;
        }
        rows += 1;
        let Some(stored) = &slot.stored else { return Ok(()) };
        if stored.sealed && shared.keyring.is_dead(&stored.bytes) {
            dead.push(key.to_vec());
            return Ok(());
        }
        writing.row(key, slot.seq, stored).at("write to", dir)
    })?;
    let (to, chain) = applied(shared)?;
    let journal = super::layout::journal_dir(&shared.dir);
    let mut last = None;
    scan::replay(&scan::list(&journal)?, from + 1, to, |frame| {
        last = Some((frame.seq, frame.chain));
        writing.record(frame.kind, frame.seq, &frame.chain, frame.payload).at("write to", dir)
    })?;
    if to > from && last != Some((to, chain)) {
        let detail = format!("record {to}, which state/ has, does not read back; restart the hub, which will say what is wrong");
        return Err(StoreError::Damaged { path: journal, offset: 0, detail });
    }
    kill_point("export_before_rename");
    let made_at = Clock::start().wall().0;
    let export = writing.finish(dir, (to, chain), made_at, &shared.keyring.stones()).at("write to", dir)?;
    purge(shared, requests, dead)?;
    Ok(export)
}

/// An export must not take the room that outcomes need.
fn room(shared: &Shared) -> Result<(), StoreError> {
    let floor = shared.upkeep.free_space_floor;
    let free = fs4::available_space(&shared.dir).unwrap_or(u64::MAX);
    if free < floor { Err(StoreError::Full { free, floor }) } else { Ok(()) }
}

/// Takes out of the projection what was sealed with keys that are destroyed.
fn sweep(shared: &Shared, requests: &mpsc::Sender<Request>) -> Result<(), StoreError> {
    let mut dead = Vec::new();
    each_row(shared, |key, slot| {
        if slot.stored.as_ref().is_some_and(|stored| stored.sealed && shared.keyring.is_dead(&stored.bytes)) {
            dead.push(key.to_vec());
        }
        Ok(())
    })?;
    purge(shared, requests, dead)
}

fn purge(shared: &Shared, requests: &mpsc::Sender<Request>, dead: Vec<Vec<u8>>) -> Result<(), StoreError> {
    if !dead.is_empty() {
        tracing::info!(rows = dead.len(), "removing rows whose keys were destroyed");
    }
    for keys in dead.chunks(PURGE_KEYS) {
        shared.usable()?;
        requests.blocking_send(Request::Purge(keys.to_vec())).map_err(|_| StoreError::Closed)?;
    }
    Ok(())
}

/// Every row of the projection, page by page, so that neither commits nor a close wait for all of it.
fn each_row(shared: &Shared, mut row: impl FnMut(&[u8], &Slot) -> Result<(), StoreError>) -> Result<(), StoreError> {
    let mut after: Option<Vec<u8>> = None;
    loop {
        shared.usable()?;
        let page =
            shared.with_projection(|projection| page(projection, after.as_deref()).map_err(|error| shared.failed(&error)))?;
        for (key, slot) in &page {
            row(key, slot)?;
        }
        let Some((last, _)) = page.into_iter().next_back() else { return Ok(()) };
        after = Some(last);
    }
}

/// Rows after `after`; none at the end.
fn page(projection: &Projection, after: Option<&[u8]>) -> Result<Vec<(Vec<u8>, Slot)>, ProjectionError> {
    let mut page = Vec::new();
    let mut bytes = 0;
    for item in projection.range(b"", after) {
        let (key, mut found) = item?;
        while matches!(found, Found::Moved) {
            found = projection.get(&key)?;
        }
        if let Found::Slot(slot) = found {
            bytes += key.len() + slot.stored.as_ref().map_or(0, |stored| stored.bytes.len());
            page.push((key, slot));
        }
        if page.len() >= PAGE_ROWS || bytes >= PAGE_BYTES {
            break;
        }
    }
    Ok(page)
}

fn applied(shared: &Shared) -> Result<(Seq, crate::store::journal::Chain), StoreError> {
    shared.with_projection(|projection| projection.applied().map_err(|error| shared.failed(&error)))
}
