//! `mtbridge backup` and `mtbridge restore`

use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context;
use clap::Args;
use tokio::time::Instant;

use super::remote::Remote;
use crate::store::embedded::{Damage, Restored, check_backup, restore};

/// Time between two words about progress.
const PROGRESS: Duration = Duration::from_secs(1);
/// A hub that sends nothing for so long is given up.
const STALLED: Duration = Duration::from_secs(60);

/// Takes a copy of a running hub: everything that it has, secrets included, as one file.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  mtbridge backup --key-file admin.key /backups/hub.tar.zst\n\n\
The file holds keys and secrets: keep it as safe as the data folder.")]
pub(super) struct Backup {
    /// Where the copy goes; an older file there is replaced when the new one is whole.
    file: PathBuf,
    #[command(flatten)]
    remote: Remote,
}

/// Unpacks a backup into a new data folder, and checks all of it. No hub may run on that folder.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  mtbridge restore /backups/hub-2026-11-20.tar.zst --data-dir /var/lib/mtbridge\n\n\
The hub that starts on it refuses to open positions until a person has compared the accounts and lifted the kill switch.")]
pub(super) struct Restore {
    /// What `mtbridge backup` wrote.
    file: PathBuf,
    /// The new data folder: empty, or not there yet.
    #[arg(long)]
    data_dir: PathBuf,
}

impl Backup {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let (hub, _) = self.remote.open()?;
        let mut answer = hub.stream(&["backup"]).await?;
        // Beside it, so that the rename stays on one file system, and unreadable for others from the first byte.
        let temporary = PathBuf::from(format!("{}.part", self.file.display()));
        // What an earlier try has left.
        let _ = std::fs::remove_file(&temporary);
        let mut file = create_private(&temporary).with_context(|| format!("cannot write {}", temporary.display()))?;
        let mut progress = Progress::begin();
        let mut taking = async || {
            loop {
                let piece = tokio::time::timeout(STALLED, answer.chunk()).await.context("the hub sends nothing any more")?;
                let Some(piece) = piece.context("the backup broke off")? else { break };
                file.write_all(&piece)?;
                progress.add(piece.len());
            }
            file.sync_all()?;
            progress.say("received; checking it");
            let path = temporary.clone();
            let checked = tokio::task::spawn_blocking(move || check_backup(&path)).await?;
            anyhow::Ok(checked?)
        };
        let taken = taking().await;
        let found = match taken {
            Ok(found) => found,
            Err(error) => {
                let _ = std::fs::remove_file(&temporary);
                return Err(error);
            }
        };
        std::fs::rename(&temporary, &self.file).with_context(|| format!("cannot write {}", self.file.display()))?;
        sync_parent(&self.file)?;
        say(&format!("{} is whole: {}", self.file.display(), summary(&found)));
        warn(&found, "was damaged in the hub's own folder already, and the copy has it so");
        Ok(ExitCode::SUCCESS)
    }
}

impl Restore {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        say(&format!("unpacking {} and checking all of it", self.file.display()));
        let found = restore(self.file, self.data_dir.clone()).await?;
        say(&format!("{} is ready: {}", self.data_dir.display(), summary(&found)));
        warn(&found, "is damaged, and the hub goes on without it");
        say(
            "the hub that starts on it blocks all opening of positions until you have compared the accounts and lifted the kill switch",
        );
        Ok(ExitCode::SUCCESS)
    }
}

fn summary(found: &Restored) -> String {
    let at = jiff::Timestamp::from_millisecond(found.backup_at.0).map_or_else(|_| "?".to_owned(), |at| at.to_string());
    format!("{} files, records up to {}, made at {at}", found.files, found.seq)
}

/// Names each damaged file.
fn warn(found: &Restored, what: &str) {
    for Damage { file, detail } in &found.damaged {
        say(&format!("warning: {file} {what}: {detail}"));
    }
}

fn create_private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    // Never into a file that somebody else has made and may read.
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn sync_parent(path: &Path) -> std::io::Result<()> {
    if cfg!(unix) {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

/// What has come so far, once a second, on standard error.
struct Progress {
    bytes: u64,
    said: Instant,
}

impl Progress {
    fn begin() -> Self {
        Self { bytes: 0, said: Instant::now() }
    }

    fn add(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        if self.said.elapsed() >= PROGRESS {
            self.said = Instant::now();
            self.say("received so far");
        }
    }

    fn say(&self, what: &str) {
        say(&format!("{:.1} MiB {what}", self.bytes as f64 / f64::from(1 << 20)));
    }
}

#[expect(clippy::print_stderr, reason = "progress is for whoever waits")]
fn say(text: &str) {
    eprintln!("{text}");
}

#[cfg(test)]
mod tests {
    #[cfg(unix)]
    #[test]
    fn a_copy_is_never_written_into_what_somebody_else_has_put_there() {
        use super::create_private;
        let dir = tempfile::tempdir().unwrap();
        let (file, link, victim) = (dir.path().join("file"), dir.path().join("link"), dir.path().join("victim"));
        std::fs::write(&file, "theirs").unwrap();
        std::os::unix::fs::symlink(&victim, &link).unwrap();
        for planted in [&file, &link] {
            let refused = create_private(planted).unwrap_err();
            assert_eq!(refused.kind(), std::io::ErrorKind::AlreadyExists, "{}", planted.display());
        }
        assert!(!victim.exists() && std::fs::read(&file).unwrap() == b"theirs");
        let mode = create_private(&victim).unwrap().metadata().unwrap().permissions();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
    }
}
