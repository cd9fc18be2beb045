//! From a directory to a running store: check, lock, read, repair what may be repaired, replay, start.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, OnceLock, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;

use super::layout::Layout;
use super::overlay::{Group, Overlay};
use super::past::Past;
use super::projection::{Projection, ProjectionError};
use super::upkeep::Upkeep;
use super::writer::{self, GROUPS_WAITING, Space, Writer};
use super::{EmbeddedOptions, EmbeddedStore, Shared};
use crate::store::disk::{self, Context as _};
use crate::store::faults::Faults;
use crate::store::journal::{Journal, Kind, Op, Scan, Segment, decode_ops, scan};
use crate::store::sealing::Keyring;
use crate::store::{CHANGES_KEPT, Seq, StoreError};

/// Commits that wait for the journal's thread.
const REQUESTS_WAITING: usize = 1024;
/// How much is applied at once while replaying, by bytes and by keys.
pub(super) const REPLAY_BYTES: usize = 16 << 20;
const REPLAY_ROWS: usize = 65_536;

pub(super) fn open(options: EmbeddedOptions, faults: Faults) -> Result<EmbeddedStore, StoreError> {
    let layout = Layout::open(&options.dir)?;
    let keyring = Keyring::open(&layout.keys())?;
    // First everything is read and judged, then anything is changed.
    let segments = scan::list(&layout.journal())?;
    let begins = segments.first().map(|segment| segment.first);
    let past = Past::find(&layout, begins.unwrap_or(1))?;
    let mut shreds = Vec::new();
    let mut scan = scan::scan(segments, past.base, |frame| {
        shreds.extend(operations(frame.seq, frame.payload, frame.kind, &layout.journal())?);
        Ok(())
    })?;
    scan.judge(options.accept_loss)?;
    past.judge(&layout, &options, &mut scan)?;
    let projection = open_projection(&layout, &options, &scan, &faults)?;
    let (applied, _) = projection.applied().map_err(|error| failed(&layout.state(), &error))?;
    let seen = applied.max(past.exported());
    let journal = Journal::resume(&layout.journal(), &scan, seen, options.segment_bytes, faults.clone())?;
    let applied = past.catch_up(&layout, &options, &projection, applied, begins.unwrap_or(seen + 1))?;
    // All of them at every start, not only those not yet applied: a backup of keys/ may have brought some back.
    let shreds = shreds.into_iter().filter_map(|op| match op {
        Op::Shred { scope, id } => Some((scope, id)),
        _ => None,
    });
    for (scope, id) in past.tombstones.iter().copied().chain(shreds) {
        keyring.destroy(&scope, &id).at("destroy a key in", &layout.keys())?;
    }
    replay(&layout, &scan.segments, &projection, applied + 1, Seq::MAX)?;
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
        Ok(projection) => match judge_state(&projection, layout, options, scan)? {
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
fn judge_state(
    projection: &Projection,
    layout: &Layout,
    options: &EmbeddedOptions,
    scan: &Scan,
) -> Result<Option<String>, StoreError> {
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
    let begins = scan.segments.first().map_or(1, |segment| segment.first);
    if applied > 0 && applied + 1 < begins {
        return Ok(Some(format!("it ends at record {applied}, and the journal begins with record {begins}")));
    }
    let mut same = true;
    scan::replay(&scan.segments, applied, applied, |frame| {
        same &= frame.seq != applied || frame.chain == chain;
        Ok(())
    })?;
    Ok((!same).then(|| format!("it was built from another journal (record {applied} has another hash)")))
}

/// Applies the records `from` to `to` to the projection.
pub(super) fn replay(
    layout: &Layout,
    segments: &[Segment],
    projection: &Projection,
    from: Seq,
    to: Seq,
) -> Result<(), StoreError> {
    let mut group = Group::default();
    let mut total = 0u64;
    scan::replay(segments, from, to, |frame| {
        group.add(frame.seq, frame.chain, operations(frame.seq, frame.payload, frame.kind, &layout.journal())?);
        total += 1;
        if group.bytes >= REPLAY_BYTES || group.slots.len() >= REPLAY_ROWS {
            apply(layout, projection, std::mem::take(&mut group))?;
        }
        Ok(())
    })?;
    if group.last > 0 {
        let last = group.last;
        apply(layout, projection, group)?;
        tracing::info!(records = total, from, to = last, "replayed the journal into state/");
    }
    Ok(())
}

/// Applies one group while nobody else uses the projection.
pub(super) fn apply(layout: &Layout, projection: &Projection, group: Group) -> Result<(), StoreError> {
    projection.apply(&[group], |_| false).map_err(|error| failed(&layout.state(), &error))
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
    let any_destroyed = !keyring.stones().is_empty();
    let (to_projection, groups) = std::sync::mpsc::sync_channel(GROUPS_WAITING);
    let space = Space::new(options.dir.clone(), options.free_space_floor);
    let shared = Arc::new(Shared {
        overlay: Overlay::default(),
        keyring,
        open: RwLock::new(Some((projection, layout))),
        latch: OnceLock::new(),
        changes: broadcast::Sender::new(CHANGES_KEPT),
        rebuild_marker: rebuild_marker(&options.dir),
        dir: options.dir.clone(),
        upkeep: Upkeep {
            export_every: options.export_every,
            archive_days: options.archive_days,
            free_space_floor: options.free_space_floor,
        },
        turn: Mutex::default(),
        closing: CancellationToken::new(),
        durable: AtomicU64::new(journal.last_seq()),
        recent: super::recent::Recent::default(),
        places: super::replay::Places::default(),
        // What was destroyed just before the last stop may not have been removed yet.
        shredded: AtomicBool::new(any_destroyed),
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
pub(super) fn operations(seq: Seq, payload: &[u8], kind: Kind, journal: &Path) -> Result<Vec<Op>, StoreError> {
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
pub(super) fn rebuild_marker(dir: &Path) -> PathBuf {
    dir.join("state.rebuild")
}

pub(super) fn failed(state: &Path, error: &ProjectionError) -> StoreError {
    StoreError::Io {
        action: "write the projection",
        path: state.to_owned(),
        source: Arc::new(std::io::Error::other(error.to_string())),
    }
}
