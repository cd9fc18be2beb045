//! Small habits of durable files: private modes, atomic replacement, synced directories.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

use super::StoreError;

/// Turns an `io::Result` into the store's error, saying what was tried where.
pub(crate) trait Context<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, StoreError>;
}

impl<T> Context<T> for io::Result<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::Io { action, path: path.to_owned(), source: Arc::new(source) })
    }
}

/// Options for a file that only this user may read: 0600 where the system knows modes.
pub(crate) fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Creates `path` and its parents, 0700, if they are missing. The entry is made durable.
pub(crate) fn create_private_dir(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)?;
    sync_parent(path)
}

/// Narrows a file that someone else created (sled) to 0600.
pub(crate) fn make_private(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Makes the entries of a directory (creations, renames, removals) durable.
pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    // Windows has no such call, and keeps metadata in order by itself.
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

/// [`sync_dir`] of the directory that `path` is in.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => sync_dir(Path::new(".")),
        Some(parent) => sync_dir(parent),
        None => Ok(()),
    }
}

/// Writes a whole private file so that after a crash there is either none or all of it.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let mut file = private_file().create(true).truncate(true).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    sync_parent(path)
}

/// Removes the files of `dir` whose name satisfies `unwanted`; returns how many. A missing directory has none.
pub(crate) fn remove_matching(dir: &Path, unwanted: impl Fn(&str) -> bool) -> io::Result<usize> {
    let names = matching(dir, unwanted)?;
    for name in &names {
        std::fs::remove_file(dir.join(name))?;
    }
    Ok(names.len())
}

/// The names in `dir` that satisfy `wanted`, sorted. A missing directory has none.
pub(crate) fn matching(dir: &Path, wanted: impl Fn(&str) -> bool) -> io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut names = Vec::new();
    for entry in entries {
        if let Some(name) = entry?.file_name().to_str().filter(|name| wanted(name)) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}
