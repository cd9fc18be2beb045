//! The truth: an append-only file of records, made durable in groups.
//!
//! `journal/` holds segments named by their first record (`00000000000000000001.log`) and one `spare`, preallocated,
//! which becomes the next segment: when the disk is full there is still room for a whole segment of outcomes. See
//! [`frame`] for the bytes, [`scan`] for what is checked at the start.
//!
//! One thread owns a [`Journal`]: it stages the records of a group, then calls [`Journal::sync_group`] once. Any error
//! of that call is final for the process: what the file holds then is unknown until it is read again from the disk.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

pub(crate) mod frame;
mod record;
pub(crate) mod scan;
mod whole;

pub(crate) use frame::{Chain, GENESIS, Kind};
pub(crate) use record::{Op, decode_ops, encode_ops};
pub(crate) use scan::{Base, Scan, Segment};

use self::frame::{Frame, HEADER, Header};
use super::disk::{self, Context as _, DurableFile};
use super::faults::{Faults, Step, kill_point};
use super::{Seq, StoreError};

const SPARE: &str = "spare";

/// The journal, open for appending.
#[derive(Debug)]
pub(crate) struct Journal {
    dir: PathBuf,
    segment_bytes: u64,
    file: DurableFile,
    /// Where the next group goes in `file`.
    end: u64,
    /// Last record staged, and the chain after it.
    last_seq: Seq,
    chain: Chain,
    /// The group being staged, and the chain before it.
    group: Vec<u8>,
    group_records: u16,
    chain_before_group: Chain,
    spare: Option<DurableFile>,
    faults: Faults,
}

impl Journal {
    /// Opens for appending what `scan` read: cuts a torn tail, mends headers, notes accepted losses.
    ///
    /// `resume_after` is the highest number ever given out as far as the caller knows (the projection's); if it is above
    /// the journal's own last record, the difference is a loss that the caller has judged already.
    pub(crate) fn resume(
        dir: &Path,
        scan: &Scan,
        resume_after: Seq,
        segment_bytes: u64,
        faults: Faults,
    ) -> Result<Self, StoreError> {
        disk::remove_matching(dir, |name| name == SPARE).at("clean", dir)?;
        for (segment, header) in &scan.bad_headers {
            mend_header(&segment.path, header).at("mend the header of", &segment.path)?;
        }
        let (file, end) = match scan.segments.last() {
            Some(segment) => {
                (cut(&segment.path, scan, segment_bytes).at("cut the torn end of", &segment.path)?, scan.end.max(HEADER as u64))
            }
            None => {
                let header = Header { first: resume_after + 1, chain: scan.chain };
                let file = create_spare(dir, segment_bytes)
                    .and_then(|file| install(dir, file, &header))
                    .at("create a segment in", dir)?;
                (file, HEADER as u64)
            }
        };
        let mut journal = Self {
            dir: dir.to_owned(),
            segment_bytes,
            file,
            end,
            last_seq: scan.last_seq.max(resume_after),
            chain: scan.chain,
            group: Vec::new(),
            group_records: 0,
            chain_before_group: scan.chain,
            spare: None,
            faults,
        };
        journal.note_losses(scan, resume_after).at("write to", dir)?;
        journal.prepare_spare();
        Ok(journal)
    }

    /// Writes down which losses an operator has accepted, so that the next start does not ask again.
    fn note_losses(&mut self, scan: &Scan, resume_after: Seq) -> io::Result<()> {
        let mut losses: Vec<(Seq, Seq)> = scan.gaps.iter().map(|gap| (gap.first, gap.last)).collect();
        if resume_after > scan.last_seq {
            losses.push((scan.last_seq + 1, resume_after));
        }
        if losses.is_empty() {
            return Ok(());
        }
        tracing::error!(?losses, "going on without lost journal records, as accept_loss allows");
        self.stage(Kind::LossAccepted, &scan::encode_losses(&losses));
        self.sync_group()
    }

    /// The last record staged.
    pub(crate) fn last_seq(&self) -> Seq {
        self.last_seq
    }

    /// The chain after it.
    pub(crate) fn chain(&self) -> Chain {
        self.chain
    }

    /// Whether a whole segment of room is set aside. If not, new work must be refused.
    pub(crate) fn has_spare(&self) -> bool {
        self.spare.is_some()
    }

    /// Adds a record to the group in memory; nothing is written yet.
    pub(crate) fn stage(&mut self, kind: Kind, payload: &[u8]) -> Seq {
        self.last_seq += 1;
        self.chain = frame::link(&self.chain, self.last_seq, kind, payload);
        let frame = Frame { seq: self.last_seq, kind, place: self.group_records, chain: self.chain, payload };
        frame::encode_onto(&mut self.group, &frame);
        self.group_records += 1;
        self.last_seq
    }

    /// Writes the staged group and makes it durable with one sync. An error is final.
    pub(crate) fn sync_group(&mut self) -> io::Result<()> {
        if self.group.is_empty() {
            return Ok(());
        }
        // A group never spans two segments: so every segment but the newest was durable as a whole.
        if self.end > HEADER as u64 && self.end + self.group.len() as u64 > self.segment_bytes {
            self.rotate()?;
        }
        kill_point("journal_before_append");
        if let Err(error) = self.faults.check(Step::JournalWrite) {
            // As a full disk would: part of it is there.
            self.file.write_all(&self.group[..self.group.len() / 2])?;
            return Err(error);
        }
        self.file.write_all(&self.group)?;
        kill_point("journal_before_sync");
        self.faults.check(Step::JournalSync)?;
        self.file.sync_data()?;
        kill_point("journal_after_sync");
        self.end += self.group.len() as u64;
        self.group.clear();
        self.group_records = 0;
        self.chain_before_group = self.chain;
        Ok(())
    }

    /// Sets the next segment aside, if that is not done yet. A failure is no error: [`Journal::has_spare`] says so.
    pub(crate) fn prepare_spare(&mut self) {
        if self.spare.is_none() {
            match self.faults.check(Step::Spare).and_then(|()| create_spare(&self.dir, self.segment_bytes)) {
                Ok(file) => self.spare = Some(file),
                Err(error) => {
                    tracing::warn!(%error, "no room to set the next journal segment aside; new work is refused until there is")
                }
            }
        }
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.file.set_len(self.end)?;
        self.file.sync_all()?;
        let spare = match self.spare.take() {
            Some(spare) => spare,
            None => create_spare(&self.dir, self.segment_bytes)?,
        };
        let header = Header { first: self.last_seq + 1 - u64::from(self.group_records), chain: self.chain_before_group };
        self.file = install(&self.dir, spare, &header)?;
        self.end = HEADER as u64;
        Ok(())
    }
}

/// Allocates the file that will be the next segment, so that writing into it needs no more space.
fn create_spare(dir: &Path, bytes: u64) -> io::Result<DurableFile> {
    let path = dir.join(SPARE);
    let created = DurableFile::create(&path).and_then(|mut file| {
        file.allocate(bytes)?;
        file.sync_all()?;
        disk::sync_dir(dir)?;
        Ok(file)
    });
    if created.is_err() {
        // Half an allocation would only take room that outcomes could use.
        let _ = disk::remove(&path);
    }
    created
}

/// Makes the spare a segment: header, sync, name, sync of the directory, and only then use.
fn install(dir: &Path, mut spare: DurableFile, header: &Header) -> io::Result<DurableFile> {
    spare.seek(0)?;
    spare.write_all(&header.encode())?;
    spare.sync_all()?;
    disk::rename(&dir.join(SPARE), &dir.join(format!("{:020}.log", header.first)))?;
    disk::sync_dir(dir)?;
    Ok(spare)
}

/// Opens the newest segment for appending, without what was torn off its end.
fn cut(path: &Path, scan: &Scan, segment_bytes: u64) -> io::Result<DurableFile> {
    let mut file = DurableFile::open(path)?;
    let end = scan.end.max(HEADER as u64);
    if scan.torn_bytes > 0 {
        tracing::warn!(segment = %path.display(), at = end, bytes = scan.torn_bytes, after = scan.last_seq, "cut the torn end of the journal: it was being written when the hub stopped, and was never acknowledged");
        file.set_len(end)?;
    }
    if file.length()? < segment_bytes {
        // Best effort: without it appending still works, it only needs space.
        let _ = file.allocate(segment_bytes);
    }
    file.sync_all()?;
    file.seek(end)?;
    Ok(file)
}

fn mend_header(path: &Path, header: &Header) -> io::Result<()> {
    let mut file = DurableFile::open(path)?;
    file.write_all(&header.encode())?;
    file.sync_all()
}

#[cfg(test)]
mod tests;
