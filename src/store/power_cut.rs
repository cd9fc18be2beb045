//! What the disk was told, in order: tests play power cuts with it, and check that each sync is where it must be.
//!
//! A disk that loses power keeps what was synced. Of the rest it may keep all, nothing, or anything in between; and the names in a
//! directory are made durable by a sync of the directory alone, whatever became of the files.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// One thing done to the disk.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    Create {
        inode: usize,
        path: PathBuf,
    },
    Write {
        inode: usize,
        at: u64,
        bytes: Vec<u8>,
    },
    Resize {
        inode: usize,
        length: u64,
    },
    Sync {
        inode: usize,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Remove {
        path: PathBuf,
    },
    SyncDir {
        path: PathBuf,
    },
    /// sled was given a batch.
    Applied,
    /// The test was told that its batch `n` is durable.
    Acknowledged(u64),
}

/// A file that is being watched.
#[derive(Debug)]
pub(crate) struct Traced {
    log: Arc<Log>,
    inode: usize,
}

/// Everything done below one directory.
#[derive(Debug)]
pub(crate) struct Log {
    root: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    events: Vec<Event>,
    names: HashMap<PathBuf, usize>,
    inodes: usize,
}

static LOGS: Mutex<Vec<Arc<Log>>> = Mutex::new(Vec::new());

impl Log {
    /// Begins to write down what is done below `root`, which is empty still.
    pub(crate) fn watch(root: &Path) -> Arc<Self> {
        let log = Arc::new(Self { root: root.to_owned(), inner: Mutex::default() });
        LOGS.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&log));
        log
    }

    /// What was done so far.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.lock().events.clone()
    }

    /// The test heard that batch `n` is durable.
    pub(crate) fn acknowledged(&self, n: u64) {
        self.lock().events.push(Event::Acknowledged(n));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn of(path: &Path) -> Option<Arc<Log>> {
    let logs = LOGS.lock().unwrap_or_else(PoisonError::into_inner);
    logs.iter().find(|log| path.starts_with(&log.root)).map(Arc::clone)
}

fn watched(path: &Path, create: bool) -> Option<Traced> {
    let log = of(path)?;
    let inode = {
        let mut inner = log.lock();
        match inner.names.get(path).copied() {
            // Opening with truncation keeps the file and empties it.
            Some(inode) if create => {
                inner.events.push(Event::Resize { inode, length: 0 });
                inode
            }
            Some(inode) => inode,
            None => {
                inner.inodes += 1;
                let inode = inner.inodes;
                inner.names.insert(path.to_owned(), inode);
                inner.events.push(Event::Create { inode, path: path.to_owned() });
                inode
            }
        }
    };
    Some(Traced { log, inode })
}

pub(crate) fn created(path: &Path) -> Option<Traced> {
    watched(path, true)
}

pub(crate) fn opened(path: &Path) -> Option<Traced> {
    watched(path, false)
}

pub(crate) fn record(trace: Option<&Traced>, event: impl FnOnce(usize) -> Event) {
    if let Some(trace) = trace {
        trace.log.lock().events.push(event(trace.inode));
    }
}

pub(crate) fn renamed(from: &Path, to: &Path) {
    if let Some(log) = of(from) {
        let mut inner = log.lock();
        if let Some(inode) = inner.names.remove(from) {
            inner.names.insert(to.to_owned(), inode);
        }
        inner.events.push(Event::Rename { from: from.to_owned(), to: to.to_owned() });
    }
}

pub(crate) fn removed(path: &Path) {
    if let Some(log) = of(path) {
        let mut inner = log.lock();
        inner.names.remove(path);
        inner.events.push(Event::Remove { path: path.to_owned() });
    }
}

pub(crate) fn synced_dir(path: &Path) {
    if let Some(log) = of(path) {
        log.lock().events.push(Event::SyncDir { path: path.to_owned() });
    }
}

pub(crate) fn applied(dir: &Path) {
    if let Some(log) = of(dir) {
        log.lock().events.push(Event::Applied);
    }
}
