//! The whole past: archive, journal and exports checked against each other, from the first record that is kept to the last.

use std::path::Path;

use super::export;
use super::layout::{archive_dir, export_dir, journal_dir};
use crate::crypto;
use crate::store::disk::Context as _;
use crate::store::journal::{Base, GENESIS, Segment, scan};
use crate::store::{Seq, StoreError};

/// What [`verify_history`] found in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The first record that is kept: 1, unless old archives were removed.
    pub first: Seq,
    /// The last record; 0 in a store that was never written to.
    pub last: Seq,
    /// The chain after it, in hexadecimal digits. Written down elsewhere, it proves later that nothing before it was changed.
    pub chain: String,
    /// Exports that fit the chain and are whole.
    pub exports: usize,
}

/// Reads every record of archive and journal in the data directory `dir`, and every export: CRC, order and chain, end to end.
/// Writes nothing. What a running hub is writing at the moment is left out.
///
/// # Errors
/// `Damaged` names the first file that does not fit; `Io`.
pub fn verify_history(dir: &Path) -> Result<History, StoreError> {
    let segments = all_segments(dir)?;
    let first = segments.first().map_or(1, |segment| segment.first);
    let found = scan::scan(segments, Base::Wherever, |_| Ok(()))?;
    found.judge(0)?;
    let exports = export::list(&export_dir(dir))?;
    for export in &exports {
        export.check().at("check", &export.path)?;
        let known = chain_at(&found, first, export.seq)?;
        if export.seq > found.last_seq || known.is_some_and(|chain| chain != export.chain) {
            return Err(StoreError::Damaged {
                path: export.path.clone(),
                offset: 0,
                detail: format!("it says that it was made after record {}, and the journal says otherwise", export.seq),
            });
        }
    }
    Ok(History { first, last: found.last_seq, chain: crypto::hex(&found.chain), exports: exports.len() })
}

/// Archive and journal, oldest first. A segment on its way from one to the other is in both.
pub(super) fn all_segments(dir: &Path) -> Result<Vec<Segment>, StoreError> {
    let journal = scan::list(&journal_dir(dir))?;
    let begins = journal.first().map_or(Seq::MAX, |segment| segment.first);
    let mut segments = scan::list_packed(&archive_dir(dir))?;
    segments.retain(|segment| segment.first < begins);
    segments.extend(journal);
    Ok(segments)
}

/// The chain after record `seq`, if that is kept.
fn chain_at(found: &scan::Scan, first: Seq, seq: Seq) -> Result<Option<crate::store::journal::Chain>, StoreError> {
    if seq == 0 {
        return Ok(Some(GENESIS));
    }
    let mut chain = None;
    if seq >= first {
        scan::replay(&found.segments, seq, seq, |frame| {
            chain = Some(frame.chain);
            Ok(())
        })?;
    }
    Ok(chain)
}
