//! From a backup to a data directory that a hub can start on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::backup::{KIND, Listed, MANIFEST, Manifest, VERSION};
use super::history::all_segments;
use super::inspection::{Damage, Inspection};
use super::layout::{self, Layout, archive_dir, export_dir, journal_dir};
use super::{EmbeddedOptions, EmbeddedStore, export};
use crate::clock::Clock;
use crate::crypto::{self, Sha256};
use crate::domain::UnixMillis;
use crate::store::disk::{self, DurableFile};
use crate::store::journal::scan;
use crate::store::{Seq, Store as _, StoreError};

/// Left in the data directory, so that the next start shuts trading until a person has compared the accounts.
const RESTORED: &str = "restored";
/// The folders that a backup has files in.
const FOLDERS: [&str; 4] = ["archive", "export", "journal", "keys"];
/// Single files beside them.
const FILES: [&str; 2] = ["format", "secret.key"];
/// Longest manifest, bytes.
const MANIFEST_MAX: u64 = 256 << 20;

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// When it was made, by the clock of the hub that made it.
    pub backup_at: UnixMillis,
    /// Every record up to this one is in it.
    pub seq: Seq,
    /// Files in it.
    pub files: usize,
    /// Files of `archive/` and `export/` that were damaged before it was made. A hub does without them.
    pub damaged: Vec<Damage>,
}

/// Why a backup was not brought back.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// Something is there already.
    #[error("{} is not empty; choose a new directory, or move what is in it away", .0.display())]
    NotEmpty(PathBuf),
    /// The file is no backup, not a whole one, or one of a newer mtbridge.
    #[error("{}: {detail}", .file.display())]
    NotABackup {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// What was in it does not make a good store. The directory is not usable; empty it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The directory cannot be written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
}

/// The file that is left behind.
#[derive(Serialize)]
struct Note {
    at: String,
    backup_at: String,
    seq: Seq,
}

/// Reads a backup through: every byte as its manifest says. Blocking; writes nothing.
///
/// # Errors
/// `NotABackup`.
pub fn check_backup(file: &Path) -> Result<Restored, RestoreError> {
    let manifest = walk(file, |_, from| io::copy(from, &mut io::sink()).map(drop))?;
    Ok(summary(&manifest))
}

/// Unpacks a backup into `dir`, which is empty or does not exist, checks all of it (every file, every record, the exports),
/// builds `state/`, and leaves the note `restored`.
///
/// # Errors
/// [`RestoreError`]; damage in `archive/` and `export/` is none as long as `state/` can be built without. Whatever goes wrong after the first byte leaves a directory that no hub starts on.
pub async fn restore(file: PathBuf, dir: PathBuf) -> Result<Restored, RestoreError> {
    let unpacking = {
        let dir = dir.clone();
        tokio::task::spawn_blocking(move || {
            let restored = unpack(&file, &dir)?;
            let store = EmbeddedStore::open(EmbeddedOptions { free_space_floor: 0, ..EmbeddedOptions::new(&dir) })?;
            Ok::<_, RestoreError>((restored, store))
        })
    };
    let (restored, store) = unpacking.await.unwrap_or(Err(RestoreError::Store(StoreError::Closed)))?;
    store.close().await?;
    Ok(restored)
}

fn unpack(file: &Path, dir: &Path) -> Result<Restored, RestoreError> {
    let wrong = |path: &Path| {
        let path = path.to_owned();
        move |source| RestoreError::Io { path, source }
    };
    if !disk::matching(dir, |_| true).map_err(wrong(dir))?.is_empty() {
        return Err(match Layout::is_held(dir) {
            true => StoreError::Locked { path: dir.to_owned() }.into(),
            false => RestoreError::NotEmpty(dir.to_owned()),
        });
    }
    disk::create_private_dir(dir).map_err(wrong(dir))?;
    let mark = layout::restoring_mark(dir);
    disk::write_atomically(&mark, b"").map_err(wrong(&mark))?;
    for folder in FOLDERS {
        disk::create_private_dir(&dir.join(folder)).map_err(wrong(dir))?;
    }
    let manifest = walk(file, |name, from| {
        let mut to = DurableFile::create(&dir.join(name))?;
        io::copy(from, &mut to)?;
        to.flush()?;
        to.sync_all()
    })?;
    for folder in FOLDERS {
        disk::sync_dir(&dir.join(folder)).map_err(wrong(dir))?;
    }
    let (last, damaged) = inspect(dir)?;
    if last < manifest.seq {
        let detail = format!("it says that it holds {} records, and {last} are in it", manifest.seq);
        return Err(not_a_backup(file, detail));
    }
    let mut restored = summary(&manifest);
    restored.damaged.retain(|known| damaged.iter().all(|found| found.file != known.file));
    restored.damaged.extend(damaged);
    let note = Note { at: rfc3339(Clock::start().wall()), backup_at: rfc3339(restored.backup_at), seq: restored.seq };
    let text = serde_json::to_vec(&note).map_err(|error| not_a_backup(file, error))?;
    let path = dir.join(RESTORED);
    disk::write_atomically(&path, &text).map_err(wrong(&path))?;
    // From here on it is a data directory, and one on which trading is shut.
    disk::remove(&mark).and_then(|()| disk::sync_dir(dir)).map_err(wrong(&mark))?;
    Ok(restored)
}

/// The last record of what was unpacked, and the files of its past that are damaged.
fn inspect(dir: &Path) -> Result<(Seq, Vec<Damage>), StoreError> {
    let mut inspection = Inspection::of(dir);
    for segment in scan::list_packed(&archive_dir(dir))? {
        inspection.archived(&segment);
    }
    let segments = all_segments(dir)?;
    for export in export::list(&export_dir(dir))? {
        inspection.export(&export, &segments);
    }
    let journal = inspection.journal(scan::list(&journal_dir(dir))?)?;
    Ok((journal.last_seq, inspection.finish()))
}

fn summary(manifest: &Manifest) -> Restored {
    Restored { backup_at: manifest.made_at, seq: manifest.seq, files: manifest.files.len(), damaged: manifest.damaged.clone() }
}

/// Hands every file of a backup to `take`, and returns its manifest if all of them were as that says.
fn walk(file: &Path, mut take: impl FnMut(&str, &mut dyn Read) -> io::Result<()>) -> Result<Manifest, RestoreError> {
    let bad = |error: io::Error| not_a_backup(file, format!("this is no whole backup of mtbridge: {error}"));
    let mut archive = tar::Archive::new(zstd::Decoder::new(File::open(file).map_err(bad)?).map_err(bad)?);
    let mut found: BTreeMap<String, Listed> = BTreeMap::new();
    let mut manifest: Option<Manifest> = None;
    for entry in archive.entries().map_err(bad)? {
        let mut entry = entry.map_err(bad)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if manifest.is_some() {
            return Err(not_a_backup(file, "something follows its manifest"));
        }
        if name == MANIFEST {
            let mut text = Vec::new();
            entry.by_ref().take(MANIFEST_MAX).read_to_end(&mut text).map_err(bad)?;
            manifest = Some(serde_json::from_slice(&text).map_err(|error| not_a_backup(file, error))?);
            continue;
        }
        if !is_ours(&name) || entry.header().entry_type() != tar::EntryType::Regular || found.contains_key(&name) {
            return Err(not_a_backup(file, format!("{name:?} does not belong into a backup")));
        }
        let mut hashing = Hashing { from: &mut entry, digest: Sha256::new(), bytes: 0 };
        take(&name, &mut hashing).map_err(bad)?;
        let Hashing { digest, bytes, .. } = hashing;
        found.insert(name.clone(), Listed { path: name, bytes, sha256: crypto::hex(&digest.finish()) });
    }
    // The checksum of the compressed stream stands behind the tar's last block.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(bad)?;
    let manifest = manifest.ok_or_else(|| not_a_backup(file, "it ends before its manifest: the download broke off"))?;
    if manifest.kind != KIND || manifest.version > VERSION {
        return Err(not_a_backup(file, "it was made by a newer mtbridge; use that one"));
    }
    let listed: BTreeSet<_> = manifest.files.iter().map(|listed| (&listed.path, listed.bytes, &listed.sha256)).collect();
    let present: BTreeSet<_> = found.values().map(|found| (&found.path, found.bytes, &found.sha256)).collect();
    if let Some((path, ..)) = listed.symmetric_difference(&present).next() {
        return Err(not_a_backup(file, format!("{path} is missing, or not what was copied")));
    }
    Ok(manifest)
}

/// One of our files, in the place where it belongs: nothing that could be written anywhere else.
fn is_ours(name: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
    };
    match name.split_once('/') {
        Some((folder, file)) => FOLDERS.contains(&folder) && plain(file),
        None => FILES.contains(&name),
    }
}

struct Hashing<R> {
    from: R,
    digest: Sha256,
    bytes: u64,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.digest.update(&buffer[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}

fn not_a_backup(file: &Path, detail: impl ToString) -> RestoreError {
    RestoreError::NotABackup { file: file.to_owned(), detail: detail.to_string() }
}

fn rfc3339(at: UnixMillis) -> String {
    jiff::Timestamp::from_millisecond(at.0).map_or_else(|_| at.0.to_string(), |at| at.to_string())
}
