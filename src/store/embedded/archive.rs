//! The archive: segments that an export has made needless for a start, compressed and kept for whoever checks the chain.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::Shared;
use super::export::ZSTD_LEVEL;
use super::layout::{archive_dir, journal_dir};
use crate::crypto::Sha256;
use crate::store::disk::{self, Context as _, DurableFile};
use crate::store::faults::kill_point;
use crate::store::journal::scan;
use crate::store::journal::{Base, Segment};
use crate::store::{Seq, StoreError};

/// Moves every segment that ends at or before record `upto` into the archive, oldest first. Never the newest.
pub(super) fn retire(shared: &Shared, upto: Seq) -> Result<(), StoreError> {
    let (journal, archive) = (journal_dir(&shared.dir), archive_dir(&shared.dir));
    disk::remove_matching(&archive, |name| name.ends_with(".new")).at("clean", &archive)?;
    for pair in scan::list(&journal)?.windows(2) {
        let [segment, next] = pair else { break };
        if next.first - 1 > upto {
            break;
        }
        shared.usable()?;
        keep(segment, &archive)?;
        kill_point("archive_before_remove");
        disk::remove(&segment.path).at("remove", &segment.path)?;
        disk::sync_dir(&journal).at("sync", &journal)?;
        kill_point("archive_after_remove");
        tracing::info!(first = segment.first, last = next.first - 1, "archived a journal segment");
    }
    Ok(())
}

/// Makes the archive's copy of a segment, and reads it back.
fn keep(segment: &Segment, archive: &Path) -> Result<(), StoreError> {
    let looked = scan::scan(vec![segment.clone()], Base::Wherever, |_| Ok(()))?;
    if looked.lost() > 0 {
        // A loss that was accepted stays one in the archive; any other is told here and by whoever checks the chain.
        tracing::error!(segment = %segment.path.display(), records = looked.lost(), "archiving a segment with records that do not read");
    }
    let path = archive.join(format!("{:020}.log.zst", segment.first));
    let original = digest(File::open(&segment.path).at("read", &segment.path)?).at("read", &segment.path)?;
    if unpacked_digest(&path) != Some(original) {
        pack(&segment.path, &path).at("write", &path)?;
    }
    if unpacked_digest(&path) != Some(original) {
        let detail =
            "the archived copy does not read back as it was written; the segment stays in journal/. Check the disk".into();
        return Err(StoreError::Damaged { path, offset: 0, detail });
    }
    // A copy that a crash had left may have its name only in memory.
    disk::sync_dir(archive).at("sync", archive)
}

fn pack(from: &Path, to: &Path) -> io::Result<()> {
    let temporary = PathBuf::from(format!("{}.new", to.display()));
    let mut encoder = zstd::Encoder::new(DurableFile::create(&temporary)?, ZSTD_LEVEL)?;
    encoder.include_checksum(true)?;
    io::copy(&mut File::open(from)?, &mut encoder)?;
    let mut file = encoder.finish()?;
    file.flush()?;
    file.sync_all()?;
    kill_point("archive_before_rename");
    disk::rename(&temporary, to)?;
    disk::sync_parent(to)
}

fn unpacked_digest(path: &Path) -> Option<[u8; 32]> {
    digest(zstd::Decoder::new(File::open(path).ok()?).ok()?).ok()
}

fn digest(mut from: impl Read) -> io::Result<[u8; 32]> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(hash.finish()),
            read => hash.update(&buffer[..read]),
        }
    }
}

/// Removes archived segments that are older than the settings keep, oldest first, so that what is left is one piece.
pub(super) fn prune(shared: &Shared) -> Result<(), StoreError> {
    if shared.upkeep.archive_days == 0 {
        return Ok(());
    }
    let archive = archive_dir(&shared.dir);
    let age = Duration::from_secs(u64::from(shared.upkeep.archive_days) * 86_400);
    for segment in scan::list_packed(&archive)? {
        let made = std::fs::metadata(&segment.path).and_then(|metadata| metadata.modified()).at("look at", &segment.path)?;
        if SystemTime::now().duration_since(made).unwrap_or_default() < age {
            break;
        }
        tracing::info!(first = segment.first, "removing an archived segment that is older than store.archive_days");
        disk::remove(&segment.path).at("remove", &segment.path)?;
    }
    disk::sync_dir(&archive).at("sync", &archive)
}
