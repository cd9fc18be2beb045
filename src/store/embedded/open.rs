//! From a directory to a running store: check, lock, read, repair what may be repaired, replay, start.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::{broadcast, mpsc};

use super::layout::Layout;
use super::overlay::{Group, Overlay};
use super::projection::{Projection, ProjectionError};
use super::writer::{self, GROUPS_WAITING, Space, Writer};
use super::{EmbeddedOptions, EmbeddedStore, Shared};
use crate::store::disk::{self, Context as _};
use crate::store::faults::Faults;
use crate::store::journal::{Journal, Kind, Op, Scan, decode_ops, scan};
use crate::store::sealing::Keyring;
use crate::store::{CHANGES_KEPT, Seq, StoreError};

/// Commits that wait for the journal's thread.
const REQUESTS_WAITING: usize = 1024;
/// Bytes of records applied at once while replaying.
const REPLAY_BYTES: usize = 1024 * 1024;
const REPLAY_RECORDS: usize = 4096;

pub(super) fn open(options: EmbeddedOptions, faults: Faults) -> Result<EmbeddedStore, StoreError> {
    let layout = Layout::open(&options.dir)?;
    let keyring = Keyring::open(&layout.keys())?;
    // First everything is read and judged, then anything is changed.
    let mut tombstones = Vec::new();
    let scan = scan::scan(&layout.journal(), |frame| {
        tombstones.extend(operations(frame.seq, frame.payload, frame.kind, &layout.journal())?);
        Ok(())
    })?;
    scan.judge(options.accept_loss)?;
    let projection = open_projection(&layout, &options, &scan, &faults)?;
    let (applied, _) = projection.applied().map_err(|error| failed(&layout.state(), &error))?;
    let journal = Journal::resume(&layout.journal(), &scan, applied, options.segment_bytes, faults.clone())?;
    // All of them at every start, not only those not yet applied: a backup of keys/ may have brought some back.
    for op in tombstones {
        if let Op::Shred { scope, id } = op {
            keyring.destroy(&scope, &id).at("destroy a key in", &layout.keys())?;
        }
    }
    replay(&layout, &scan, &projection, applied)?;
    start(&options, layout, keyring, projection, journal, faults)
}

/// Opens `state/`, throwing away whatever does not open or does not belong to this journal.
fn open_projection(layout: &Layout, options: &EmbeddedOptions, scan: &Scan, faults: &Faults) -> Result<Projection, StoreError> {
    let state = layout.state();
    let marker = rebuild_marker(&layout.dir);
    if marker.exists() {
        set_aside(&state, "it was found damaged while the hub ran")?;
        std::fs::remove_file(&marker).at("remove", &marker)?;
    }
    let attempt = || Projection::open(&state, options.cache_capacity, faults.clone());
    let opened = attempt().or_else(|error| {
        tracing::warn!(%error, "state/ does not open; trying without its snapshots");
        let moved = move_snapshots(&state)?;
        if moved == 0 { Err(error) } else { attempt() }
    });
    let projection = match opened {
        Ok(projection) => match judge(&projection, layout, options, scan)? {
            None => return Ok(projection),
            Some(reason) => {
                drop(projection);
                set_aside(&state, &reason)?;
                attempt()
            }
        },
        Err(error) => {
            set_aside(&state, &error.to_string())?;
            attempt()
        }
    };
    projection.map_err(|error| failed(&state, &error))
}

/// Compares the projection with the journal. `Some` says why it must be built anew.
fn judge(projection: &Projection, layout: &Layout, options: &EmbeddedOptions, scan: &Scan) -> Result<Option<String>, StoreError> {
    let (applied, chain) = match projection.applied() {
        Ok(applied) => applied,
        Err(error) => return Ok(Some(error.to_string())),
    };
    if applied > scan.last_seq {
        let lost = scan.lost() + applied - scan.last_seq;
        if lost > options.accept_loss {
            let what = format!("the journal ends at record {} but state/ has seen record {applied}", scan.last_seq);
            return Err(scan::damaged(layout.journal(), scan.end, &what, lost));
        }
        return Ok(None);
    }
    let mut same = true;
    scan::replay(&scan.segments, applied, |frame| {
        same &= frame.seq != applied || frame.chain == chain;
        Ok(())
    })?;
    Ok((!same).then(|| format!("it was built from another journal (record {applied} has another hash)")))
}

/// Brings the projection up to the journal's end.
fn replay(layout: &Layout, scan: &Scan, projection: &Projection, applied: Seq) -> Result<(), StoreError> {
    let state = layout.state();
    let mut group = Group::default();
    let mut records = 0;
    let mut total = 0u64;
    scan::replay(&scan.segments, applied + 1, |frame| {
        group.add(frame.seq, frame.chain, operations(frame.seq, frame.payload, frame.kind, &layout.journal())?);
        records += 1;
        total += 1;
        if group.bytes >= REPLAY_BYTES || records >= REPLAY_RECORDS {
            records = 0;
            projection.apply(&[std::mem::take(&mut group)]).map_err(|error| failed(&state, &error))?;
        }
        Ok(())
    })?;
    if group.last > 0 {
        projection.apply(&[group]).map_err(|error| failed(&state, &error))?;
    }
    if total > 0 {
        tracing::info!(records = total, from = applied + 1, to = scan.last_seq, "replayed the journal into state/");
    }
    Ok(())
}

fn start(
    options: &EmbeddedOptions,
    layout: Layout,
    keyring: Keyring,
    projection: Projection,
    journal: Journal,
    faults: Faults,
) -> Result<EmbeddedStore, StoreError> {
    let (requests, incoming) = mpsc::channel(REQUESTS_WAITING);
    let (to_projection, groups) = std::sync::mpsc::sync_channel(GROUPS_WAITING);
    let space = Space::new(options.dir.clone(), options.free_space_floor);
    let shared = Arc::new(Shared {
        overlay: Overlay::default(),
        keyring,
        open: RwLock::new(Some((projection, layout))),
        latch: OnceLock::new(),
        changes: broadcast::Sender::new(CHANGES_KEPT),
        rebuild_marker: rebuild_marker(&options.dir),
    });
    tracing::info!(dir = %options.dir.display(), last = journal.last_seq(), "the store is open");
    let writer = Writer { shared: Arc::clone(&shared), journal, space, metrics: options.metrics.clone(), to_projection };
    let projecting = Arc::clone(&shared);
    let threads = vec![
        spawn("store-journal", &options.dir, move || writer.run(incoming))?,
        spawn("store-state", &options.dir, move || writer::project(&projecting, &groups))?,
    ];
    let floor = options.free_space_floor;
    Ok(EmbeddedStore { dir: options.dir.clone(), floor, shared, requests, threads: Mutex::new(threads), faults })
}

fn spawn(name: &str, dir: &Path, body: impl FnOnce() + Send + 'static) -> Result<std::thread::JoinHandle<()>, StoreError> {
    std::thread::Builder::new().name(name.into()).spawn(body).at("start a thread for", dir)
}

/// The operations of a record whose CRC and chain are good.
fn operations(seq: Seq, payload: &[u8], kind: Kind, journal: &Path) -> Result<Vec<Op>, StoreError> {
    match kind {
        Kind::LossAccepted => Ok(Vec::new()),
        Kind::Batch | Kind::Shredding => decode_ops(payload).ok_or_else(|| StoreError::Damaged {
            path: journal.to_owned(),
            offset: 0,
            detail: format!(
                "record {seq} is whole but not understood; it was not written by this version of mtbridge, use the one that wrote it"
            ),
        }),
    }
}

/// Moves `state/` out of the way; the journal will fill a new one.
fn set_aside(state: &Path, reason: &str) -> Result<(), StoreError> {
    let bad = numbered(&state.with_file_name("state.bad"));
    tracing::error!(reason, kept = %bad.display(), "state/ is set aside and rebuilt from the whole journal; nothing acknowledged is lost");
    std::fs::rename(state, &bad).and_then(|()| disk::sync_parent(state)).at("move aside", state)
}

/// Moves sled's snapshots out of the way: it then recovers from its log. Returns how many there were.
fn move_snapshots(state: &Path) -> Result<usize, ProjectionError> {
    let snapshots = disk::matching(state, |name| name.starts_with("snap."))?;
    if !snapshots.is_empty() {
        let bad = numbered(&state.with_file_name("state.bad-snapshots"));
        disk::create_private_dir(&bad)?;
        for name in &snapshots {
            std::fs::rename(state.join(name), bad.join(name))?;
        }
        disk::sync_dir(state)?;
    }
    Ok(snapshots.len())
}

/// `path-<unix seconds>`, with a number behind it if that exists.
fn numbered(path: &Path) -> PathBuf {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let plain = PathBuf::from(format!("{}-{seconds}", path.display()));
    let more = (1..).map(|n| PathBuf::from(format!("{}-{seconds}-{n}", path.display())));
    std::iter::once(plain.clone()).chain(more).find(|path| !path.exists()).unwrap_or(plain)
}

/// The file that asks the next start to rebuild `state/`.
fn rebuild_marker(dir: &Path) -> PathBuf {
    dir.join("state.rebuild")
}

fn failed(state: &Path, error: &ProjectionError) -> StoreError {
    StoreError::Io {
        action: "write the projection",
        path: state.to_owned(),
        source: Arc::new(std::io::Error::other(error.to_string())),
    }
}
