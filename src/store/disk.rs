//! Small habits of durable files: private modes, atomic replacement, synced directories.
//!
//! Everything in the data directory but sled's own files is changed through this module, so that tests can write down the order of
//! writes and syncs and play power cuts with it (`power_cut`).

use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::Arc;

use super::StoreError;
#[cfg(test)]
use super::power_cut;

/// Turns an `io::Result` into the store's error, saying what was tried where.
pub(crate) trait Context<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, StoreError>;
}

impl<T> Context<T> for io::Result<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::Io { action, path: path.to_owned(), source: Arc::new(source) })
    }
}

/// A private file whose writes and syncs can be written down.
#[derive(Debug)]
pub(crate) struct DurableFile {
    file: File,
    #[cfg(test)]
    trace: Option<power_cut::Traced>,
}

impl DurableFile {
    /// Creates an empty file, or empties one.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let file = private_file().create(true).truncate(true).open(path)?;
        Ok(Self {
            file,
            #[cfg(test)]
            trace: power_cut::created(path),
        })
    }

    /// Opens a file that exists.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = private_file().open(path)?;
        Ok(Self {
            file,
            #[cfg(test)]
            trace: power_cut::opened(path),
        })
    }

    /// Continues at byte `at`.
    pub(crate) fn seek(&mut self, at: u64) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(at)).map(drop)
    }

    /// Gives the file a length; new bytes are zeros.
    pub(crate) fn set_len(&mut self, length: u64) -> io::Result<()> {
        #[cfg(test)]
        power_cut::record(self.trace.as_ref(), |inode| power_cut::Event::Resize { inode, length });
        self.file.set_len(length)
    }

    /// Reserves space, so that writing into it later cannot fail for want of it.
    pub(crate) fn allocate(&mut self, bytes: u64) -> io::Result<()> {
        match fs4::FileExt::allocate(&self.file, bytes) {
            // A file system that cannot reserve space: the length alone, and the free-space floor has to do.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => self.file.set_len(bytes)?,
            other => other?,
        }
        #[cfg(test)]
        power_cut::record(self.trace.as_ref(), |inode| power_cut::Event::Resize { inode, length: bytes });
        Ok(())
    }

    /// Its length, bytes.
    pub(crate) fn length(&self) -> io::Result<u64> {
        self.file.metadata().map(|metadata| metadata.len())
    }

    /// Makes the contents durable.
    pub(crate) fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()?;
        self.synced();
        Ok(())
    }

    /// Makes the contents and what the system knows of the file durable.
    pub(crate) fn sync_all(&self) -> io::Result<()> {
        self.file.sync_all()?;
        self.synced();
        Ok(())
    }

    #[cfg_attr(not(test), allow(clippy::unused_self))]
    fn synced(&self) {
        #[cfg(test)]
        power_cut::record(self.trace.as_ref(), |inode| power_cut::Event::Sync { inode });
    }
}

impl io::Write for DurableFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        #[cfg(test)]
        let at = self.file.stream_position()?;
        let written = self.file.write(bytes)?;
        #[cfg(test)]
        power_cut::record(self.trace.as_ref(), |inode| power_cut::Event::Write { inode, at, bytes: bytes[..written].to_vec() });
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Gives a file another name in the same directory. [`sync_dir`] makes it durable.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)?;
    #[cfg(test)]
    power_cut::renamed(from, to);
    Ok(())
}

/// Removes a file. [`sync_dir`] makes it durable.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    std::fs::remove_file(path)?;
    #[cfg(test)]
    power_cut::removed(path);
    Ok(())
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
    if cfg!(unix) {
        File::open(path)?.sync_all()?;
    }
    #[cfg(test)]
    power_cut::synced_dir(path);
    Ok(())
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
    let mut file = DurableFile::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    rename(&temporary, path)?;
    sync_parent(path)
}

/// Removes the files of `dir` whose name satisfies `unwanted`; returns how many. A missing directory has none.
pub(crate) fn remove_matching(dir: &Path, unwanted: impl Fn(&str) -> bool) -> io::Result<usize> {
    let names = matching(dir, unwanted)?;
    for name in &names {
        remove(&dir.join(name))?;
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
