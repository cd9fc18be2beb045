//! The data directory: who may open it, which format it has, and what lies where.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::store::StoreError;
use crate::store::disk::{self, Context as _};

/// Version of the directory as a whole. 2: the journal may begin behind an export. A folder of version 1 is one of version 2 that has
/// none yet, so it is only marked.
pub(super) const FORMAT: u32 = 2;
const FORMAT_WORD: &str = "mtbridge-store";

/// The directory, locked for this process until dropped.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) dir: PathBuf,
    /// Held, never read: the lock goes with the file.
    _lock: File,
}

impl Layout {
    /// Checks the format, then locks, then creates what is missing. A newer directory is not touched at all.
    pub(super) fn open(dir: &Path) -> Result<Self, StoreError> {
        check_format(dir)?;
        disk::create_private_dir(dir).at("create", dir)?;
        let lock = lock(dir)?;
        // Again under the lock: another process may have upgraded it in between.
        if check_format(dir)? != Some(FORMAT) {
            let path = dir.join("format");
            disk::write_atomically(&path, format_line().as_bytes()).at("write", &path)?;
        }
        let layout = Self { dir: dir.to_owned(), _lock: lock };
        for part in [layout.journal(), layout.state(), layout.keys(), layout.export(), layout.archive()] {
            disk::create_private_dir(&part).at("create", &part)?;
        }
        Ok(layout)
    }

    /// Whether a process holds `dir` at this moment.
    pub(super) fn is_held(dir: &Path) -> bool {
        let path = dir.join("lock");
        path.exists() && matches!(lock(dir), Err(StoreError::Locked { .. }))
    }

    pub(super) fn journal(&self) -> PathBuf {
        journal_dir(&self.dir)
    }

    pub(super) fn state(&self) -> PathBuf {
        self.dir.join("state")
    }

    pub(super) fn keys(&self) -> PathBuf {
        self.dir.join("keys")
    }

    pub(super) fn export(&self) -> PathBuf {
        export_dir(&self.dir)
    }

    pub(super) fn archive(&self) -> PathBuf {
        archive_dir(&self.dir)
    }
}

pub(super) fn journal_dir(dir: &Path) -> PathBuf {
    dir.join("journal")
}

pub(super) fn export_dir(dir: &Path) -> PathBuf {
    dir.join("export")
}

pub(super) fn archive_dir(dir: &Path) -> PathBuf {
    dir.join("archive")
}

/// Is there while a backup is being brought back: the folder is not whole.
pub(super) fn restoring_mark(dir: &Path) -> PathBuf {
    dir.join("restoring")
}

/// The words of the format file.
pub(super) fn format_line() -> String {
    format!("{FORMAT_WORD} {FORMAT}\n")
}

fn lock(dir: &Path) -> Result<File, StoreError> {
    let path = dir.join("lock");
    let file = disk::private_file().create(true).truncate(false).open(&path).at("create", &path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(StoreError::Io { action: "lock", path, source: Arc::new(source) }),
    }
}

/// The format of the directory, if it has one. An error if it is not ours, or newer, or half of a restore.
fn check_format(dir: &Path) -> Result<Option<u32>, StoreError> {
    let path = dir.join("format");
    if restoring_mark(dir).exists() {
        return Err(StoreError::Damaged {
            path: restoring_mark(dir),
            offset: 0,
            detail: "a restore into this directory did not come to its end; empty it and restore again".into(),
        });
    }
    let text = match std::fs::read(&path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let journal = journal_dir(dir);
            if !disk::matching(&journal, |name| name.ends_with(".log")).at("list", &journal)?.is_empty() {
                return Err(StoreError::Damaged {
                    path,
                    offset: 0,
                    detail: "it is missing beside a journal; restore the data directory from a backup".into(),
                });
            }
            return Ok(None);
        }
        Err(source) => return Err(StoreError::Io { action: "read", path, source: Arc::new(source) }),
    };
    let found = text.trim_end().strip_prefix(FORMAT_WORD).and_then(|rest| rest.trim_start().parse::<u32>().ok());
    match found {
        Some(found) if found > FORMAT => Err(StoreError::NewerFormat { found, supported: FORMAT, path }),
        Some(found) => Ok(Some(found)),
        None => Err(StoreError::Damaged {
            path,
            offset: 0,
            detail:
                "this is no format file of mtbridge; check that this is the right data directory, else restore it from a backup"
                    .into(),
        }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_format_is_refused_before_anything_is_touched() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("format"), "mtbridge-store 3\n").unwrap();
        let refused = Layout::open(dir.path()).unwrap_err();
        assert!(matches!(refused, StoreError::NewerFormat { found: 3, supported: 2, .. }), "{refused}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_directory_of_the_first_format_is_taken_over_and_then_refused_by_the_older_program() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("format"), "mtbridge-store 1\n").unwrap();
        Layout::open(dir.path()).unwrap();
        assert_eq!(std::fs::read_to_string(dir.path().join("format")).unwrap(), "mtbridge-store 2\n");
    }

    #[test]
    fn half_of_a_restore_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(restoring_mark(dir.path()), "").unwrap();
        assert!(matches!(Layout::open(dir.path()), Err(StoreError::Damaged { .. })));
    }

    #[test]
    fn a_second_opener_is_refused_until_the_first_lets_go() {
        let dir = tempfile::tempdir().unwrap();
        let first = Layout::open(dir.path()).unwrap();
        assert!(matches!(Layout::open(dir.path()), Err(StoreError::Locked { .. })));
        drop(first);
        Layout::open(dir.path()).unwrap();
    }

    #[test]
    fn a_directory_of_something_else_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("format"), "another program").unwrap();
        assert!(matches!(Layout::open(dir.path()), Err(StoreError::Damaged { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn folders_are_0700_and_files_0600() {
        use std::os::unix::fs::PermissionsExt as _;
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("data");
        let _layout = Layout::open(&dir).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        for name in ["", "journal", "state", "keys", "export", "archive"] {
            assert_eq!(mode(&dir.join(name)), 0o700, "{name}");
        }
        assert_eq!(mode(&dir.join("format")), 0o600);
        assert_eq!(mode(&dir.join("lock")), 0o600);
    }
}
