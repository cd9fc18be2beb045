//! `state/`: sled, held to what makes it safe (ARCHITECTURE.md, "On the disk").
//!
//! One tree, one writer, no flusher thread, `flush` **and our own sync** after each `apply_batch`, values of at most
//! [`MAX_STORED`] bytes. Keys start with a byte of ours: `e` entry, `c` chunk of a long value, `m` what we keep for
//! ourselves; so no key of a user can be taken for one of the others.
//!
//! ```text
//! e‖key          flags u8 · seq u64 BE · value                  (flags: 1 sealed, 2 chunked: value = length u32 BE)
//! c‖key‖u32 BE   seq u64 BE · up to CHUNK bytes of the value
//! m‖applied      seq u64 BE · chain [32]                        last record that is in here
//! ```

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::overlay::{Group, Slot, Stored};
use crate::store::Seq;
use crate::store::disk::{self, DurableFile};
use crate::store::faults::{Faults, Step, kill_point};
use crate::store::journal::Chain;

/// Longest value that sled may see: far below the size at which a page goes to a blob file that is never synced.
const MAX_STORED: usize = 4096;
const CHUNK: usize = MAX_STORED - 8;
const HEAD: usize = 1 + 8;
const SEALED: u8 = 1;
const CHUNKED: u8 = 2;
const APPLIED: &[u8] = b"mapplied";
/// How often, and how long apart, a lock that a just closed store of this process still holds is tried again.
const LOCK_TRIES: u32 = 200;
const LOCK_PAUSE: Duration = Duration::from_millis(25);

/// Why the projection could not answer or take a write. Final for this process.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProjectionError {
    /// The files say something else than was written: worth a rebuild from the journal.
    #[error("the projection is damaged: {0}")]
    Damaged(String),
    #[error("the projection failed: {0}")]
    Failed(String),
}

impl From<sled::Error> for ProjectionError {
    fn from(error: sled::Error) -> Self {
        match error {
            sled::Error::Corruption { .. } => Self::Damaged(error.to_string()),
            other => Self::Failed(other.to_string()),
        }
    }
}

impl From<io::Error> for ProjectionError {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// What a read found.
#[derive(Debug)]
pub(super) enum Found {
    Nothing,
    Slot(Slot),
    /// The writer replaced a long value between two reads: ask again.
    Moved,
}

#[derive(Debug)]
pub(super) struct Projection {
    db: sled::Db,
    file: DurableFile,
    faults: Faults,
    #[cfg(test)]
    dir: std::path::PathBuf,
}

impl Projection {
    /// Opens `dir` as it is. The error says what sled said, or that it panicked.
    pub(super) fn open(dir: &Path, cache_capacity: u64, faults: Faults) -> Result<Self, ProjectionError> {
        disk::create_private_dir(dir)?;
        // sled takes a half-written snapshot for the newest one (sled #1527, #1533).
        disk::remove_matching(dir, |name| name.ends_with(".generating"))?;
        let db = open_sled(dir, cache_capacity)?;
        let path = dir.join("db");
        let file = DurableFile::open(&path)?;
        file.sync_all()?;
        File::open(dir.join("conf"))?.sync_all()?;
        disk::make_private(&path)?;
        disk::make_private(&dir.join("conf"))?;
        disk::sync_dir(dir)?;
        disk::sync_parent(dir)?;
        Ok(Self {
            db,
            file,
            faults,
            #[cfg(test)]
            dir: dir.to_owned(),
        })
    }

    /// The last record that is durable in here, and the chain after it. Zero for an empty projection.
    pub(super) fn applied(&self) -> Result<(Seq, Chain), ProjectionError> {
        let Some(value) = self.db.get(APPLIED)? else { return Ok((0, Chain::default())) };
        let parsed =
            value.split_first_chunk::<8>().and_then(|(seq, chain)| Some((u64::from_be_bytes(*seq), chain.try_into().ok()?)));
        parsed.ok_or_else(|| ProjectionError::Damaged("the applied record is not readable".into()))
    }

    /// Applies groups in one atomic batch and makes it durable. `dead` says of a sealed value that it can never be opened again.
    pub(super) fn apply(&self, groups: &[Group], dead: impl Fn(&[u8]) -> bool) -> Result<(), ProjectionError> {
        kill_point("state_before_apply");
        self.faults.check(Step::StateApply)?;
        // Only the last write to a key counts, so that the chunks to remove are those on the disk.
        let newest: BTreeMap<&[u8], &Slot> =
            groups.iter().flat_map(|group| &group.slots).map(|(key, slot)| (key.as_slice(), slot)).collect();
        let mut batch = sled::Batch::default();
        for (key, slot) in &newest {
            self.write(&mut batch, key, slot)?;
        }
        let gone = Slot { seq: 0, stored: None };
        for key in groups.iter().flat_map(|group| &group.purge).filter(|key| !newest.contains_key(key.as_slice())) {
            // Looked at again, since it may have been written anew.
            if let Found::Slot(Slot { stored: Some(stored), .. }) = self.get(key)?
                && stored.sealed
                && dead(&stored.bytes)
            {
                self.write(&mut batch, key, &gone)?;
            }
        }
        if let Some(last) = groups.iter().rfind(|group| group.last > 0) {
            let mut applied = last.last.to_be_bytes().to_vec();
            applied.extend_from_slice(&last.chain);
            insert(&mut batch, APPLIED.to_vec(), applied);
        }
        self.db.apply_batch(batch)?;
        #[cfg(test)]
        crate::store::power_cut::applied(&self.dir);
        self.db.flush()?;
        // sled's flush does not reach the disk on Linux (sled #1351, #1452); this does.
        self.file.sync_data()?;
        kill_point("state_after_apply");
        Ok(())
    }

    /// The entry under a user's key.
    pub(super) fn get(&self, key: &[u8]) -> Result<Found, ProjectionError> {
        match self.db.get(entry_key(key))? {
            Some(value) => self.read(key, &value),
            None => Ok(Found::Nothing),
        }
    }

    /// Entries under `prefix` after `after`, ascending, by user key. Long values come as `Moved`: get them one by one.
    pub(super) fn range<'a>(
        &'a self,
        prefix: &'a [u8],
        after: Option<&[u8]>,
    ) -> impl Iterator<Item = Result<(Vec<u8>, Found), ProjectionError>> + 'a {
        let mut from = entry_key(match after {
            Some(after) if after >= prefix => after,
            _ => prefix,
        });
        if from.len() == 1 + after.map_or(0, <[u8]>::len) && after.is_some_and(|after| after >= prefix) {
            // The smallest key above `after`.
            from.push(0);
        }
        let prefix = entry_key(prefix);
        self.db
            .range(from..)
            .map(|item| item.map_err(ProjectionError::from))
            .map_while(move |item| match item {
                Ok((key, _)) if !key.starts_with(&prefix) => None,
                other => Some(other),
            })
            .map(|item| item.and_then(|(key, value)| found(&key, &value)))
    }

    /// Everything under `prefix` before `before`, descending.
    pub(super) fn range_back(
        &self,
        prefix: &[u8],
        before: Option<&[u8]>,
    ) -> impl Iterator<Item = Result<(Vec<u8>, Found), ProjectionError>> + '_ {
        let all = match before {
            // Above all of them.
            Some(before) if before > prefix && !before.starts_with(prefix) => self.db.scan_prefix(entry_key(prefix)),
            Some(before) => self.db.range(entry_key(prefix.min(before))..entry_key(before)),
            None => self.db.scan_prefix(entry_key(prefix)),
        };
        all.rev().map(|item| item.map_err(ProjectionError::from).and_then(|(key, value)| found(&key, &value)))
    }

    /// The highest key under `prefix`.
    pub(super) fn last(&self, prefix: &[u8]) -> Result<Option<Vec<u8>>, ProjectionError> {
        let last = self.db.scan_prefix(entry_key(prefix)).next_back().transpose()?;
        Ok(last.map(|(key, _)| key[1..].to_vec()))
    }

    fn read(&self, key: &[u8], value: &[u8]) -> Result<Found, ProjectionError> {
        let Some(length) = chunked_length(value) else { return parse(value) };
        let (flags, seq) = head(value)?;
        let mut bytes = Vec::with_capacity(length);
        for index in 0..chunks(length) {
            let Some(chunk) = self.db.get(chunk_key(key, index))? else { return Ok(Found::Moved) };
            match chunk.split_first_chunk::<8>() {
                Some((written, data)) if u64::from_be_bytes(*written) == seq => bytes.extend_from_slice(data),
                _ => return Ok(Found::Moved),
            }
        }
        if bytes.len() != length {
            return Err(ProjectionError::Damaged("a long value has another length than it should".into()));
        }
        Ok(Found::Slot(Slot { seq, stored: Some(Stored { sealed: flags & SEALED != 0, bytes: bytes.into() }) }))
    }

    /// Adds one key's new value to `batch`, and the removal of chunks that the old one leaves behind.
    fn write(&self, batch: &mut sled::Batch, key: &[u8], slot: &Slot) -> Result<(), ProjectionError> {
        let old_chunks = self.db.get(entry_key(key))?.and_then(|old| chunked_length(&old)).map_or(0, chunks);
        let mut new_chunks = 0;
        match &slot.stored {
            None => batch.remove(entry_key(key)),
            Some(stored) => {
                let mut value = vec![u8::from(stored.sealed) * SEALED];
                value.extend_from_slice(&slot.seq.to_be_bytes());
                if HEAD + stored.bytes.len() <= MAX_STORED {
                    value.extend_from_slice(&stored.bytes);
                } else {
                    value[0] |= CHUNKED;
                    // Values are bounded by MAX_VALUE and the overhead of sealing, far below u32.
                    value.extend_from_slice(&(stored.bytes.len() as u32).to_be_bytes());
                    for data in stored.bytes.chunks(CHUNK) {
                        let chunk = [&slot.seq.to_be_bytes(), data].concat();
                        insert(batch, chunk_key(key, new_chunks), chunk);
                        new_chunks += 1;
                    }
                }
                insert(batch, entry_key(key), value);
            }
        }
        for index in new_chunks..old_chunks {
            batch.remove(chunk_key(key, index));
        }
        Ok(())
    }
}

fn open_sled(dir: &Path, cache_capacity: u64) -> Result<sled::Db, ProjectionError> {
    for attempt in 1.. {
        let path = dir.to_owned();
        // On a thread of its own, so that a panic of sled while it recovers becomes an error.
        let opening =
            std::thread::spawn(move || sled::Config::new().path(path).cache_capacity(cache_capacity).flush_every_ms(None).open());
        match opening.join() {
            // The directory's own lock says that we are alone, so this can only be a store of this process that was
            // closed just now: sled lets go of its lock a moment after it was dropped.
            Ok(Err(sled::Error::Io(error))) if error.to_string().contains("could not acquire lock") && attempt < LOCK_TRIES => {
                #[expect(
                    clippy::disallowed_methods,
                    reason = "sled tells nobody when it lets go; a thread of our own waits here"
                )]
                std::thread::sleep(LOCK_PAUSE);
            }
            Ok(other) => return Ok(other?),
            Err(_) => break,
        }
    }
    Err(ProjectionError::Damaged("sled panicked while it opened its files".into()))
}

/// The only way into a sled batch.
fn insert(batch: &mut sled::Batch, key: Vec<u8>, value: Vec<u8>) {
    assert!(value.len() <= MAX_STORED, "a value of {} bytes must never reach sled", value.len());
    batch.insert(key, value);
}

/// A row as it stands in the tree; a long value is looked up by itself.
fn found(key: &[u8], value: &[u8]) -> Result<(Vec<u8>, Found), ProjectionError> {
    let found = match value.first() {
        Some(flags) if flags & CHUNKED == 0 => parse(value)?,
        _ => Found::Moved,
    };
    Ok((key[1..].to_vec(), found))
}

fn entry_key(key: &[u8]) -> Vec<u8> {
    [b"e", key].concat()
}

fn chunk_key(key: &[u8], index: u32) -> Vec<u8> {
    [b"c", key, &index.to_be_bytes()].concat()
}

fn chunks(length: usize) -> u32 {
    length.div_ceil(CHUNK) as u32
}

fn head(value: &[u8]) -> Result<(u8, Seq), ProjectionError> {
    let head = value.first_chunk::<HEAD>().ok_or_else(|| ProjectionError::Damaged("an entry is too short".into()))?;
    let mut seq = [0; 8];
    seq.copy_from_slice(&head[1..]);
    Ok((head[0], u64::from_be_bytes(seq)))
}

fn chunked_length(value: &[u8]) -> Option<usize> {
    let chunked = value.first()? & CHUNKED != 0;
    chunked.then(|| value.get(HEAD..)?.try_into().ok().map(u32::from_be_bytes)).flatten().map(|length| length as usize)
}

fn parse(value: &[u8]) -> Result<Found, ProjectionError> {
    let (flags, seq) = head(value)?;
    Ok(Found::Slot(Slot { seq, stored: Some(Stored { sealed: flags & SEALED != 0, bytes: value[HEAD..].into() }) }))
}
