//! A backup while commits go on: a tar, compressed with zstd, that leaves by a bounded channel.
//!
//! What is copied is read and judged on the way: damage in the journal ends the backup, since no hub would start on it; damage in the
//! archive or an export is named in the manifest, and then older exports are copied too, until one is whole.
//!
//! In this order, which is what makes the copy consistent: `archive/` and `export/` (their files never change, and nothing is moved
//! while the turn is held) · `journal/`, each segment as it is at the moment (what is being written at its end looks like a torn group,
//! and the next start cuts that) · `format`, `secret.key` · `keys/` (a key is there before the first record that it seals; one that is
//! destroyed while the backup is made is not in it) · `manifest.json`, with the length and SHA-256 of each.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::Shared;
use super::export::{self, ZSTD_LEVEL};
use super::history::all_segments;
use super::inspection::{Damage, Inspection, name_in};
use super::layout::{archive_dir, export_dir, journal_dir};
use crate::clock::Clock;
use crate::crypto::{self, Sha256};
use crate::domain::UnixMillis;
use crate::store::disk::{self, Context as _};
use crate::store::faults::kill_point;
use crate::store::journal::{frame, scan};
use crate::store::{Backup, Seq, StoreError};

/// The last entry of a backup.
pub(super) const MANIFEST: &str = "manifest.json";
pub(super) const KIND: &str = "mtbridge-backup";
pub(super) const VERSION: u32 = 1;
/// Pieces of the stream, bytes, and how many may wait for a slow reader.
const CHUNK: usize = 64 << 10;
const CHUNKS_WAITING: usize = 8;
/// A reader that takes nothing for so long is given up: nothing is exported or archived meanwhile.
const STALLED: Duration = Duration::from_secs(60);

/// What a backup says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) kind: String,
    pub(super) version: u32,
    pub(super) made_at: UnixMillis,
    /// Every record up to this one is in it.
    pub(super) seq: Seq,
    pub(super) files: Vec<Listed>,
    /// Files that were damaged in the hub's own folder already.
    #[serde(default)]
    pub(super) damaged: Vec<Damage>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Listed {
    pub(super) path: String,
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

/// Takes the turn and starts a thread that writes the stream.
pub(super) async fn begin(shared: &Arc<Shared>) -> Result<Backup, StoreError> {
    shared.usable()?;
    let (sender, chunks) = mpsc::channel(CHUNKS_WAITING);
    let (begun, begins) = oneshot::channel();
    let (shared, runtime) = (Arc::clone(shared), Handle::current());
    let copying = move || {
        // Outlives the turn: who has heard the end of a backup may begin the next one.
        let _open = sender.clone();
        let Some(_turn) = shared.take_turn() else { return drop(begun.send(Err(StoreError::Busy))) };
        let _ = begun.send(Ok(()));
        let mut out = Chunks { shared: &shared, runtime, sender, buffer: Vec::with_capacity(CHUNK) };
        if let Err(error) = write(&shared, &mut out) {
            tracing::error!(%error, "a backup broke off");
            out.send(Err(error));
        }
    };
    drop(tokio::task::spawn_blocking(copying));
    begins.await.unwrap_or(Err(StoreError::Closed))?;
    Ok(Backup { chunks })
}

fn write(shared: &Shared, out: &mut Chunks<'_>) -> Result<(), StoreError> {
    let dir = &shared.dir;
    let made_at = Clock::start().wall();
    let mut encoder = zstd::Encoder::new(out, ZSTD_LEVEL).at("begin a backup of", dir)?;
    // For what the manifest does not cover: its own bytes, and the tar's headers.
    encoder.include_checksum(true).at("begin a backup of", dir)?;
    let mut tar = Tar { builder: tar::Builder::new(encoder), made_at, files: Vec::new() };
    let mut inspection = Inspection::of(dir);
    for segment in scan::list_packed(&archive_dir(dir))? {
        inspection.archived(&segment);
        tar.file(dir, &segment.path)?;
    }
    exports(dir, &mut tar, &mut inspection)?;
    kill_point("backup_before_journal");
    // First how far it goes, then what there is: so nothing up to there is missing.
    let seq = shared.durable();
    journal(shared, seq, &mut tar, &mut inspection)?;
    for name in ["format", "secret.key"].into_iter().filter(|name| dir.join(name).exists()) {
        tar.file(dir, &dir.join(name))?;
    }
    keys(dir, &mut tar)?;
    tar.finish(seq, inspection.finish()).at("end a backup of", dir)?.flush().at("end a backup of", dir)?;
    tracing::info!(seq, "a backup was made");
    Ok(())
}

/// The newest export that is whole, and those before it that are not.
fn exports(dir: &Path, tar: &mut Tar<impl Write>, inspection: &mut Inspection<'_>) -> Result<(), StoreError> {
    let (readable, unreadable) = export::list_all(&export_dir(dir))?;
    for (path, error) in unreadable {
        inspection.note(name_in(dir, &path), format!("{error}; it is not in the backup"));
    }
    let segments = all_segments(dir)?;
    for export in readable {
        inspection.export(&export, &segments);
        tar.file(dir, &export.path)?;
        if inspection.is_whole(&export.path) {
            break;
        }
    }
    Ok(())
}

/// The journal, which holds every record up to `seq`.
fn journal(shared: &Shared, seq: Seq, tar: &mut Tar<impl Write>, inspection: &mut Inspection<'_>) -> Result<(), StoreError> {
    let dir = &shared.dir;
    let mut data = Vec::new();
    let segments = scan::list(&journal_dir(dir))?;
    inspection.journal(segments.clone())?;
    for (index, segment) in segments.iter().enumerate() {
        shared.usable()?;
        segment.read(&mut data)?;
        let (mut end, last) = frame::end(&data);
        let newest = segments.get(index + 1).is_none_or(|next| next.first > seq);
        if newest && last < seq {
            let detail = format!(
                "the journal reads up to record {last} only, and {seq} were acknowledged; look at the log of the next start"
            );
            return Err(StoreError::Damaged { path: segment.path.clone(), offset: end as u64, detail });
        }
        if !newest {
            // As it is, also where a loss was accepted: nobody writes there any more.
            end = end.max(frame::written(&data));
        }
        tar.bytes(dir, &segment.path, &data[..end])?;
    }
    Ok(())
}

fn keys(dir: &Path, tar: &mut Tar<impl Write>) -> Result<(), StoreError> {
    let keys = dir.join("keys");
    for name in disk::matching(&keys, |name| !name.contains('.')).at("list", &keys)? {
        let path = keys.join(name);
        match std::fs::read(&path) {
            // Being destroyed at this moment: overwritten already, or gone.
            Ok(bytes) if bytes.iter().all(|byte| *byte == 0) => {}
            Ok(bytes) => tar.bytes(dir, &path, &bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).at("read", &path),
        }
    }
    Ok(())
}

/// The tar, and the list of what is in it.
struct Tar<W: Write> {
    builder: tar::Builder<zstd::Encoder<'static, W>>,
    made_at: UnixMillis,
    files: Vec<Listed>,
}

impl<W: Write> Tar<W> {
    fn file(&mut self, dir: &Path, path: &Path) -> Result<(), StoreError> {
        let file = File::open(path).at("read", path)?;
        let length = file.metadata().at("read", path)?.len();
        self.add(name_in(dir, path), length, file).at("copy", path)
    }

    fn bytes(&mut self, dir: &Path, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        self.add(name_in(dir, path), bytes.len() as u64, bytes).at("copy", path)
    }

    fn add(&mut self, name: String, length: u64, from: impl Read) -> io::Result<()> {
        let mut hashing = Hashing { from: from.take(length), digest: Sha256::new(), read: 0 };
        let mut header = self.header(length);
        self.builder.append_data(&mut header, &name, &mut hashing)?;
        if hashing.read != length {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a file became shorter while it was copied"));
        }
        self.files.push(Listed { path: name, bytes: length, sha256: crypto::hex(&hashing.digest.finish()) });
        Ok(())
    }

    fn finish(mut self, seq: Seq, damaged: Vec<Damage>) -> io::Result<W> {
        let files = std::mem::take(&mut self.files);
        let manifest = Manifest { kind: KIND.into(), version: VERSION, made_at: self.made_at, seq, files, damaged };
        let text = serde_json::to_vec_pretty(&manifest)?;
        let mut header = self.header(text.len() as u64);
        self.builder.append_data(&mut header, MANIFEST, text.as_slice())?;
        self.builder.into_inner()?.finish()
    }

    fn header(&self, length: u64) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        header.set_size(length);
        header.set_mode(0o600);
        header.set_mtime(u64::try_from(self.made_at.0 / 1_000).unwrap_or(0));
        header
    }
}

struct Hashing<R> {
    from: R,
    digest: Sha256,
    read: u64,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.digest.update(&buffer[..read]);
        self.read += read as u64;
        Ok(read)
    }
}

/// Hands the stream out in pieces. Waits for a slow reader, not for one that is gone.
struct Chunks<'a> {
    shared: &'a Shared,
    runtime: Handle,
    sender: mpsc::Sender<Result<Bytes, StoreError>>,
    buffer: Vec<u8>,
}

impl Chunks<'_> {
    /// Whether it was taken.
    fn send(&mut self, chunk: Result<Bytes, StoreError>) -> bool {
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.shared.closing.cancelled() => false,
                sent = tokio::time::timeout(STALLED, self.sender.send(chunk)) => matches!(sent, Ok(Ok(()))),
            }
        })
    }
}

impl Write for Chunks<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(CHUNK - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        if self.buffer.len() == CHUNK {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK));
        if self.send(Ok(chunk.into())) {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::ConnectionAborted, "whoever asked for it takes no more of it"))
    }
}
