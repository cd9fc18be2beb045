//! `mtbridge audit`: is the recorded past what was written?

use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, Subcommand};

use super::{
    exit::{self, Failure},
    output::write_out,
};
use crate::{
    domain::UnixMillis,
    store::{History, Seq, StoreError, embedded::verify_stopped},
};

/// Checks the history of a stopped hub, or of a copy of its data folder: nothing in it was changed, nothing is missing
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mtbridge audit verify --data-dir /var/lib/mtbridge
  mtbridge audit verify --data-dir /mnt/copy --expect 4711:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
  mtbridge audit head --data-dir /var/lib/mtbridge

A running hub checks itself: POST /api/v1/audit/verify.")]
pub(super) struct Audit {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Read every record and every export, and say what the first wrong one is
    #[command(after_help = "Examples:
  mtbridge audit verify --data-dir /var/lib/mtbridge
  mtbridge audit verify --data-dir /mnt/copy --allow-torn-end

Exit codes: 0 everything is whole, 1 it is not, 7 a hub runs on this folder.")]
    Verify {
        #[command(flatten)]
        folder: Folder,
        /// What a check has said before: this record must be there, with this chain, so that a history that was rewritten as a whole is found
        #[arg(long, value_name = "SEQ:HASH", value_parser = head)]
        expect: Option<(Seq, String)>,
    },
    /// Print the last record's number and chain, to be noted where nobody who can write to this folder can write
    #[command(after_help = "Examples:
  mtbridge audit head --data-dir /var/lib/mtbridge >> /mnt/elsewhere/heads")]
    Head {
        #[command(flatten)]
        folder: Folder,
    },
}

#[derive(Debug, Args)]
struct Folder {
    /// The data folder
    #[arg(long, env = "MTBRIDGE_DATA_DIR", default_value = "data", value_name = "DIR")]
    data_dir: PathBuf,
    /// Bytes behind the last record are no error: the folder was copied while the hub ran, or the machine stopped while it wrote
    #[arg(long)]
    allow_torn_end: bool,
}

fn head(text: &str) -> Result<(Seq, String), String> {
    History::read_head(text).ok_or_else(|| "must be a number, a colon and 64 hexadecimal digits".to_owned())
}

impl Audit {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        match self.action {
            Action::Verify { folder, expect } => write_out(words(&check(folder, expect).await?).as_bytes())?,
            Action::Head { folder } => write_out(format!("{}\n", check(folder, None).await?.head()).as_bytes())?,
        }
        Ok(0)
    }
}

async fn check(folder: Folder, expect: Option<(Seq, String)>) -> anyhow::Result<History> {
    let Folder { data_dir, allow_torn_end } = folder;
    let checking = tokio::task::spawn_blocking(move || verify_stopped(&data_dir, expect.as_ref()));
    let history = checking.await?.map_err(|error| match error {
        StoreError::Locked { path } => {
            let path = path.display();
            Failure::new(exit::NOT_NOW, format!("a hub runs on {path}: ask it, by POST /api/v1/audit/verify, or check a copy"))
        }
        // Its words are those for a start of the hub; here nothing is lost by looking.
        error => Failure::new(exit::ERROR, format!("the history is not whole: {error}")),
    })?;
    if history.torn_bytes > 0 && !allow_torn_end {
        bail!(Failure::new(
            exit::ERROR,
            format!(
                "the history is not whole: {} bytes behind record {} are no record. If the folder was copied while the hub ran, or the \
                 machine stopped while it wrote, say --allow-torn-end; else they were changed",
                history.torn_bytes, history.last
            )
        ));
    }
    Ok(history)
}

fn words(history: &History) -> String {
    let time = |at: Option<UnixMillis>| {
        let at = at.and_then(|at| jiff::Timestamp::from_millisecond(at.0).ok());
        at.map_or_else(|| "-".to_owned(), |at| at.to_string())
    };
    format!(
        "whole: records {} to {}, {} exports\naudit: {} records from {} to {}\nhead:  {}\n",
        history.first,
        history.last,
        history.exports,
        history.audit_records,
        time(history.from),
        time(history.to),
        history.head(),
    )
}
