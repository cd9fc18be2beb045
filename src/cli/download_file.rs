//! Where a download goes: standard output, or a file that has its name only when everything is in it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, IsTerminal, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

use super::output::write_out;

/// Standard output or a file.
#[derive(Debug)]
pub(super) enum Sink {
    Screen,
    File(Part),
}

/// The unfinished file beside the one it becomes; it goes away when it is dropped unfinished.
#[derive(Debug)]
pub(super) struct Part {
    path: PathBuf,
    part: PathBuf,
    file: BufWriter<File>,
    finished: bool,
}

impl Sink {
    pub(super) fn open(path: Option<PathBuf>, force: bool) -> anyhow::Result<Self> {
        let Some(path) = path else { return Ok(Self::Screen) };
        if path.exists() && !force {
            bail!("{} exists; give --force to replace it", path.display());
        }
        let part = part_of(&path);
        let file = OpenOptions::new().write(true).create_new(true).open(&part).with_context(|| {
            format!("cannot make {}; if it is left over from a download that was killed, delete it", part.display())
        })?;
        Ok(Self::File(Part { path, part, file: BufWriter::new(file), finished: false }))
    }

    /// Whether progress on standard error does not run into what is written.
    pub(super) fn leaves_the_screen_free(&self) -> bool {
        matches!(self, Self::File(_)) || !io::stdout().is_terminal()
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        match self {
            Self::Screen => write_out(bytes),
            Self::File(part) => part.file.write_all(bytes).with_context(|| format!("cannot write {}", part.part.display())),
        }
    }

    /// Gives the file its name, once it is on the disk. The path, if it is a file.
    pub(super) fn finish(self) -> anyhow::Result<Option<PathBuf>> {
        let Self::File(mut part) = self else { return Ok(None) };
        let mut named = || -> io::Result<()> {
            part.file.flush()?;
            part.file.get_ref().sync_all()?;
            fs::rename(&part.part, &part.path)
        };
        named().with_context(|| format!("cannot write {}", part.path.display()))?;
        part.finished = true;
        Ok(Some(part.path.clone()))
    }
}

fn part_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.finished {
            let _ = fs::remove_file(&self.part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_its_name_only_when_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bars.csv");
        let names = || -> Vec<_> { fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect() };
        let mut half = Sink::open(Some(path.clone()), false).unwrap();
        half.write(b"half").unwrap();
        assert_eq!(names(), ["bars.csv.part"]);
        assert!(Sink::open(Some(path.clone()), false).is_err(), "two downloads into one file");
        drop(half);
        assert_eq!(names().len(), 0, "nothing is left of it");

        let mut whole = Sink::open(Some(path.clone()), false).unwrap();
        whole.write(b"whole").unwrap();
        assert_eq!(whole.finish().unwrap(), Some(path.clone()));
        assert_eq!((names(), fs::read(&path).unwrap()), (vec!["bars.csv".into()], b"whole".to_vec()));
        assert!(Sink::open(Some(path.clone()), false).unwrap_err().to_string().contains("--force"));
        drop(Sink::open(Some(path.clone()), true).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"whole", "what was there stays until it is replaced");
    }
}
