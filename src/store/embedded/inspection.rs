//! Which files of the past are not as they were written: for backups and restores.
//!
//! A hub needs its journal, and does without an archived segment or an export that does not read as long as others stand in for it. So
//! damage in the journal is an error here, and any other has a name and is told.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::export::Export;
use crate::store::journal::{Base, Chain, GENESIS, Kind, Scan, Segment, scan};
use crate::store::{Seq, StoreError};

/// A file of `archive/` or `export/` that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// Its path in the data directory, with slashes.
    pub file: String,
    /// What is wrong with it.
    pub detail: String,
}

/// A walk from the oldest archived segment over the exports to the journal.
pub(super) struct Inspection<'a> {
    dir: &'a Path,
    /// The last archived segment that was read: its file, its last record, and the chain after that.
    before: Option<(String, Seq, Chain)>,
    found: Vec<Finding>,
    /// Records whose loss an operator has accepted: known, and no damage any more.
    accepted: Vec<(Seq, Seq)>,
}

struct Finding {
    damage: Damage,
    /// The records that are missing, if it is that.
    records: Option<(Seq, Seq)>,
}

impl<'a> Inspection<'a> {
    pub(super) fn of(dir: &'a Path) -> Self {
        Self { dir, before: None, found: Vec::new(), accepted: Vec::new() }
    }

    /// Reads an archived segment; oldest first.
    pub(super) fn archived(&mut self, segment: &Segment) {
        let file = name_in(self.dir, &segment.path);
        let base = self.goes_on_with(segment.first);
        match self.read(vec![segment.clone()], base) {
            Err(error) => self.note(file, error),
            Ok(found) => {
                if !found.bad_headers.is_empty() {
                    self.note(file.clone(), "its header is not whole, or does not follow the segment before it");
                }
                for gap in &found.gaps {
                    self.missing(file.clone(), gap.first, gap.last);
                }
                self.before = Some((file, found.last_seq, found.chain));
            }
        }
    }

    /// Reads an export, and compares it with the record that it was made after.
    pub(super) fn export(&mut self, export: &Export, segments: &[Segment]) {
        let file = name_in(self.dir, &export.path);
        if let Err(error) = export.check() {
            self.note(file, error);
        } else if chain_after(segments, export.seq).is_some_and(|chain| chain != export.chain) {
            self.note(file, format!("it says that it was made after record {}, and that record says otherwise", export.seq));
        }
    }

    /// Reads the journal, which must be whole.
    ///
    /// # Errors
    /// `Damaged`, and what reading gives.
    pub(super) fn journal(&mut self, segments: Vec<Segment>) -> Result<Scan, StoreError> {
        if let Some(first) = segments.first() {
            let archived = self.before.clone();
            let base = self.goes_on_with(first.first);
            if let (Some((file, ..)), Base::Known { .. }) = (archived, base)
                && !self.read(vec![first.clone()], base)?.bad_headers.is_empty()
            {
                self.note(file, "the journal does not go on where it ends");
            }
        }
        let journal = self.read(segments, Base::Wherever)?;
        journal.judge(0)?;
        Ok(journal)
    }

    /// Whether nothing is wrong with this file so far.
    pub(super) fn is_whole(&self, path: &Path) -> bool {
        let file = name_in(self.dir, path);
        self.found.iter().all(|found| found.damage.file != file)
    }

    pub(super) fn note(&mut self, file: String, detail: impl ToString) {
        self.found.push(Finding { damage: Damage { file, detail: detail.to_string() }, records: None });
    }

    /// What is damaged, one line a file; in the log too.
    pub(super) fn finish(self) -> Vec<Damage> {
        let accepted = |(first, last)| self.accepted.iter().any(|(from, to)| *from <= first && last <= *to);
        let mut damaged: Vec<Damage> =
            self.found.into_iter().filter(|found| !found.records.is_some_and(accepted)).map(|found| found.damage).collect();
        damaged.dedup_by(|next, kept| next.file == kept.file);
        for Damage { file, detail } in &damaged {
            tracing::error!(file, detail, "this file is damaged; the hub does not need it as long as others are whole");
        }
        damaged
    }

    fn missing(&mut self, file: String, first: Seq, last: Seq) {
        let detail = format!("its records {first} to {last} are missing or not what was written");
        self.found.push(Finding { damage: Damage { file, detail }, records: Some((first, last)) });
    }

    /// Where a segment that begins with record `first` stands to the one before it.
    fn goes_on_with(&mut self, first: Seq) -> Base {
        match self.before.take() {
            Some((_, last, chain)) if last + 1 == first => Base::Known { seq: last, chain },
            Some((file, last, _)) if last + 1 < first => {
                self.missing(file, last + 1, first - 1);
                Base::Wherever
            }
            // The first one; one after a segment that does not read; one that is on its way from the journal into the archive.
            _ => Base::Wherever,
        }
    }

    fn read(&mut self, segments: Vec<Segment>, base: Base) -> Result<Scan, StoreError> {
        scan::scan(segments, base, |frame| {
            if frame.kind == Kind::LossAccepted {
                self.accepted.extend(scan::decode_losses(frame.payload));
            }
            Ok(())
        })
    }
}

/// The chain after record `seq`, if that can be read.
fn chain_after(segments: &[Segment], seq: Seq) -> Option<Chain> {
    if seq == 0 {
        return Some(GENESIS);
    }
    let segment = segments.iter().rfind(|segment| segment.first <= seq)?;
    let mut chain = None;
    let read = scan::replay(std::slice::from_ref(segment), seq, seq, |frame| {
        chain = Some(frame.chain);
        Ok(())
    });
    // A segment that does not read is told as itself.
    read.ok().and(chain)
}

/// A path inside the data directory, with slashes on every system.
pub(super) fn name_in(dir: &Path, path: &Path) -> String {
    let inside = path.strip_prefix(dir).unwrap_or(path);
    inside.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}
