//! Power cuts: a store's life is written down, write by write and sync by sync, and cut at any point; what a disk may hold then is put
//! into a directory, and a store opened on it. sled's files are never in it: `state/` is built anew.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::*;
use crate::store::SealScope;
use crate::store::power_cut::{Event, Log};

/// Batches of the life, the restart in it, and the batch that destroys the key of scope 2.
const LAST: u64 = 36;
const RESTART: u64 = 14;
const SHRED: u64 = 22;
const EXPORTS: [u64; 2] = [10, 30];
/// Opened images in `make test`; `make prove` opens all.
const IMAGES: usize = 60;

fn options(dir: &Path) -> EmbeddedOptions {
    EmbeddedOptions {
        segment_bytes: 8 << 10,
        free_space_floor: 0,
        cache_capacity: 1 << 20,
        export_every: Duration::from_nanos(1),
        ..EmbeddedOptions::new(dir)
    }
}

fn scope(n: u64) -> SealScope {
    SealScope::new("owner", n % 3, "Demo")
}

fn content(n: u64) -> Vec<u8> {
    vec![n as u8; 300 + (n as usize * 131) % 900]
}

fn batch(n: u64) -> Batch {
    let batch = Batch::outcome().put("head", n.to_string()).put(format!("k{n:02}"), content(n)).put_sealed(
        &scope(n),
        format!("s{n:02}"),
        content(n),
    );
    if n == SHRED { batch.shred(&scope(2)) } else { batch }
}

/// A life with everything in it: rotation, keys, a restart, exports, archiving, a destroyed key.
async fn live(dir: &Path) -> Vec<Event> {
    let log = Log::watch(dir);
    let mut store = EmbeddedStore::open(options(dir)).unwrap();
    for n in 1..=LAST {
        store.commit(batch(n)).await.unwrap();
        log.acknowledged(n);
        if n == RESTART {
            store.close().await.unwrap();
            store = EmbeddedStore::open(options(dir)).unwrap();
        }
        if EXPORTS.contains(&n) {
            while store.shared.overlay.len() > 0 {
                tokio::task::yield_now().await;
            }
            store.upkeep().await.unwrap();
        }
    }
    store.close().await.unwrap();
    log.events()
}

/// A disk: what is durable, and what was told to it since.
#[derive(Default)]
struct Disk {
    contents: BTreeMap<usize, Vec<u8>>,
    writes: BTreeMap<usize, Vec<Event>>,
    names: BTreeMap<PathBuf, usize>,
    namings: Vec<Event>,
    /// As the running system sees it.
    now: BTreeMap<PathBuf, usize>,
    acknowledged: u64,
}

fn directory(event: &Event) -> &Path {
    match event {
        Event::Create { path, .. } | Event::Remove { path } => path.parent().unwrap(),
        Event::Rename { to, .. } => to.parent().unwrap(),
        _ => unreachable!(),
    }
}

fn name(names: &mut BTreeMap<PathBuf, usize>, event: &Event) {
    match event {
        Event::Create { path, inode } => drop(names.insert(path.clone(), *inode)),
        Event::Remove { path } => drop(names.remove(path)),
        Event::Rename { from, to } => {
            if let Some(inode) = names.remove(from) {
                names.insert(to.clone(), inode);
            }
        }
        _ => unreachable!(),
    }
}

fn write(contents: &mut Vec<u8>, event: &Event) {
    match event {
        Event::Write { at, bytes, .. } => {
            let (from, to) = (*at as usize, *at as usize + bytes.len());
            contents.resize(contents.len().max(to), 0);
            contents[from..to].copy_from_slice(bytes);
        }
        Event::Resize { length, .. } => contents.resize(*length as usize, 0),
        _ => unreachable!(),
    }
}

/// What of the things that were not synced a cut leaves.
#[derive(Debug, Clone, Copy)]
enum Kept {
    Nothing,
    All,
    Names,
    Data,
    Some(u64),
}

impl Disk {
    fn take(&mut self, event: &Event) {
        match event {
            Event::Create { .. } | Event::Rename { .. } | Event::Remove { .. } => {
                name(&mut self.now, event);
                self.namings.push(event.clone());
            }
            Event::Write { inode, .. } | Event::Resize { inode, .. } => {
                self.writes.entry(*inode).or_default().push(event.clone())
            }
            Event::Sync { inode } => {
                let contents = self.contents.entry(*inode).or_default();
                self.writes.remove(inode).unwrap_or_default().iter().for_each(|event| write(contents, event));
            }
            Event::SyncDir { path } => {
                let (synced, rest) = std::mem::take(&mut self.namings).into_iter().partition(|event| directory(event) == path);
                let synced: Vec<Event> = synced;
                synced.iter().for_each(|event| name(&mut self.names, event));
                self.namings = rest;
            }
            Event::Applied => {}
            Event::Acknowledged(n) => self.acknowledged = *n,
        }
    }

    /// Puts what a cut leaves of it into `to`; it was in `from`.
    fn image(&self, kept: Kept, from: &Path, to: &Path) {
        let mut random = StdRng::seed_from_u64(if let Kept::Some(seed) = kept { seed } else { 0 });
        let mut names = self.names.clone();
        let namings = match kept {
            Kept::All | Kept::Names => self.namings.len(),
            Kept::Nothing | Kept::Data => 0,
            // In order: a file system keeps a journal of its names.
            Kept::Some(_) => random.random_range(0..=self.namings.len()),
        };
        self.namings[..namings].iter().for_each(|event| name(&mut names, event));
        for (path, inode) in names {
            let inside = path.strip_prefix(from).unwrap();
            if inside.starts_with("state") {
                continue;
            }
            let mut contents = self.contents.get(&inode).cloned().unwrap_or_default();
            for event in self.writes.get(&inode).into_iter().flatten() {
                match (kept, event) {
                    (Kept::All | Kept::Data, _) => write(&mut contents, event),
                    (Kept::Nothing | Kept::Names, _) => {}
                    // Some of its blocks, of 512 bytes here so that small groups are torn, too.
                    (Kept::Some(_), Event::Write { inode, at, bytes }) => {
                        for (index, block) in bytes.chunks(512).enumerate().filter(|_| random.random()) {
                            let at = at + index as u64 * 512;
                            write(&mut contents, &Event::Write { inode: *inode, at, bytes: block.to_vec() });
                        }
                    }
                    (Kept::Some(_), _) if random.random() => write(&mut contents, event),
                    (Kept::Some(_), _) => {}
                }
            }
            let target = to.join(inside);
            std::fs::create_dir_all(target.parent().unwrap()).unwrap();
            std::fs::write(target, contents).unwrap();
        }
    }

    /// Something told to the disk below `dir`, about files that `of_interest` names, that a cut could undo.
    fn open_ends(&self, dir: &Path, of_interest: impl Fn(&str) -> bool) -> Option<String> {
        let interesting = |path: &Path| path.starts_with(dir) && of_interest(path.file_name().unwrap().to_str().unwrap());
        let data = self.now.iter().find(|(path, inode)| interesting(path) && self.writes.contains_key(*inode));
        let naming = self.namings.iter().find(|event| match event {
            Event::Create { path, .. } => interesting(path) && self.now.contains_key(path),
            Event::Rename { to, .. } => interesting(to),
            _ => false,
        });
        data.map(|(path, _)| format!("{} is not synced", path.display()))
            .or_else(|| naming.map(|event| format!("no sync of the directory after {event:?}")))
    }
}

/// Opens what a cut left: everything acknowledged is there, every batch that is there is whole, and the destroyed stays so.
async fn check(dir: &Path, acknowledged: u64) -> Result<(), String> {
    let options = EmbeddedOptions { export_every: Duration::ZERO, ..options(dir) };
    let store = EmbeddedStore::open(options).map_err(|error| format!("does not open: {error}"))?;
    let head = store.get(b"head").await.unwrap().map_or(0, |entry| String::from_utf8(entry.value).unwrap().parse().unwrap());
    let mut wrong = None;
    if head < acknowledged || head > acknowledged + 1 {
        wrong = Some(format!("{acknowledged} was acknowledged, {head} is there"));
    }
    for n in 1..=head {
        let plain = store.get(format!("k{n:02}").as_bytes()).await.unwrap();
        let sealed = store.get(format!("s{n:02}").as_bytes()).await.unwrap();
        let forgotten = head >= SHRED && n <= SHRED && n % 3 == 2;
        let expected = (!forgotten).then(|| content(n));
        if plain.is_none_or(|entry| entry.value != content(n)) || sealed.map(|entry| entry.value) != expected {
            wrong.get_or_insert(format!("batch {n} of {head} is not what it was"));
        }
    }
    if store.get(format!("k{:02}", head + 1).as_bytes()).await.unwrap().is_some() {
        wrong.get_or_insert(format!("batch {} is there in part", head + 1));
    }
    store.close().await.unwrap();
    if wrong.is_none() {
        wrong = verify_history(dir).err().map(|error| error.to_string());
    }
    wrong.map_or(Ok(()), Err)
}

/// Cuts after every event and leaves every kind of image; opens `most` of them, evenly chosen. The first that is not right is told.
async fn cut_everywhere(events: &[Event], from: &Path, most: usize) -> Result<usize, String> {
    let kinds = |cut: usize| [Kept::Nothing, Kept::All, Kept::Names, Kept::Data, Kept::Some(cut as u64)];
    let all: Vec<(usize, Kept)> = (1..=events.len()).flat_map(|cut| kinds(cut).map(|kept| (cut, kept))).collect();
    // A step that is no multiple of the kinds, so that each is met.
    let step = (all.len() / most).max(1);
    let step = if step > 1 && step.is_multiple_of(5) { step + 1 } else { step };
    let mut disk = Disk::default();
    let mut taken = 0;
    let mut opened = 0;
    for (cut, kept) in all.into_iter().step_by(step) {
        events[taken..cut].iter().for_each(|event| disk.take(event));
        taken = cut;
        let to = tempfile::tempdir().unwrap();
        disk.image(kept, from, to.path());
        check(to.path(), disk.acknowledged)
            .await
            .map_err(|wrong| format!("cut after {cut} ({:?}), kept {kept:?}: {wrong}", events[cut - 1]))?;
        opened += 1;
    }
    Ok(opened)
}

fn images() -> usize {
    if std::env::var_os("PROPTEST_CASES").is_some() { usize::MAX } else { IMAGES }
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_wherever_the_power_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let events = live(dir.path()).await;
    let opened = cut_everywhere(&events, dir.path(), images()).await.unwrap();
    assert!(opened >= IMAGES.min(events.len()), "{opened} of {} events", events.len());
}

#[tokio::test]
async fn a_life_without_one_of_its_kinds_of_sync_loses_something() {
    let dir = tempfile::tempdir().unwrap();
    let events = live(dir.path()).await;
    // Which file an inode is, by the last name it had.
    let mut names: BTreeMap<usize, PathBuf> = BTreeMap::new();
    for event in &events {
        match event {
            Event::Create { inode, path } => drop(names.insert(*inode, path.clone())),
            Event::Rename { from, to } => names.values_mut().filter(|path| *path == from).for_each(|path| path.clone_from(to)),
            _ => {}
        }
    }
    let inside = |path: &Path, folder: &str| path.strip_prefix(dir.path()).is_ok_and(|path| path.starts_with(folder));
    for folder in ["journal", "keys"] {
        for files in [true, false] {
            let without = events.iter().filter(|event| match event {
                Event::Sync { inode } => !files || !inside(&names[inode], folder),
                Event::SyncDir { path } => files || !inside(path, folder),
                _ => true,
            });
            let without: Vec<Event> = without.cloned().collect();
            assert!(without.len() < events.len());
            let found = cut_everywhere(&without, dir.path(), IMAGES).await;
            assert!(found.is_err(), "syncs of {} in {folder}/ are not missed", if files { "files" } else { "the directory" });
        }
    }
}

/// The steps of a life that were met, or the first that was not synced before the next one relied on it.
fn in_order(events: &[Event], dir: &Path) -> Result<BTreeSet<&'static str>, String> {
    let folder = |name: &str| dir.join(name);
    let none = |what: &str, found: Option<String>| found.map_or(Ok(()), |found| Err(format!("{what}: {found}")));
    let synced = |disk: &Disk, inode: &usize| !disk.writes.contains_key(inode);
    let is_segment = |name: &str| name.ends_with(".log");
    let (mut disk, mut met, mut applied) = (Disk::default(), BTreeSet::new(), false);
    for event in events {
        match event {
            Event::Acknowledged(n) => {
                none(&format!("batch {n} is acknowledged"), disk.open_ends(&folder("journal"), is_segment))?;
                none(&format!("batch {n} is acknowledged"), disk.open_ends(&folder("keys"), |_| true))?;
                met.insert("acknowledged");
            }
            Event::Rename { from, .. } => {
                let early = format!("{} gets its name before it is synced", from.display());
                none("a file is named", (!synced(&disk, &disk.now[from])).then_some(early))?;
                met.insert("renamed");
            }
            Event::Remove { path } if path.starts_with(folder("journal")) && path.extension().is_some_and(|is| is == "log") => {
                none("a segment is removed", disk.open_ends(&folder("export"), |_| true))?;
                none("a segment is removed", disk.open_ends(&folder("archive"), |_| true))?;
                met.insert("segment removed");
            }
            Event::Remove { path } if path.starts_with(folder("keys")) => {
                let early = "it is removed before it is overwritten on the disk".to_owned();
                none("a key is destroyed", (!synced(&disk, &disk.now[path])).then_some(early))?;
                // The tombstone comes first.
                none("a key is destroyed", disk.open_ends(&folder("journal"), is_segment))?;
                met.insert("key destroyed");
            }
            Event::Create { path, .. } if path.starts_with(folder("journal")) => {
                none("the journal begins", disk.open_ends(dir, |name| name == "format"))?;
                met.insert("journal begun");
            }
            Event::Applied => {
                none("a batch is applied", applied.then(|| "sled's file was not synced after the one before".to_owned()))?;
                applied = true;
                met.insert("applied");
            }
            Event::Sync { inode } if disk.now.get(&folder("state/db")) == Some(inode) => applied = false,
            _ => {}
        }
        disk.take(event);
    }
    none("at the end", applied.then(|| "sled's file was not synced after the last batch".to_owned()))?;
    let removal = disk.namings.iter().find(|event| matches!(event, Event::Remove { .. }));
    none("at the end", removal.map(|event| format!("{event:?} was not made durable")))?;
    Ok(met)
}

#[tokio::test]
async fn each_step_is_synced_before_the_next_one_relies_on_it() {
    let dir = tempfile::tempdir().unwrap();
    let events = live(dir.path()).await;
    let met = in_order(&events, dir.path()).unwrap();
    assert_eq!(met.len(), 6, "{met:?}");
}

#[tokio::test]
async fn a_life_that_does_not_sync_a_directory_is_not_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let events = live(dir.path()).await;
    for folder in ["journal", "keys", "export", "archive"] {
        let of_folder = |event: &Event| matches!(event, Event::SyncDir { path } if *path == dir.path().join(folder));
        let without: Vec<Event> = events.iter().filter(|event| !of_folder(event)).cloned().collect();
        assert!(without.len() < events.len(), "{folder}/ is never synced");
        assert!(in_order(&without, dir.path()).is_err(), "that {folder}/ is not synced is not missed");
    }
}
