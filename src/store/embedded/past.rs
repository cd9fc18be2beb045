//! What a start knows of the records that are not in the journal any more: exports, and behind them the archive.

use std::collections::HashSet;

use super::EmbeddedOptions;
use super::export::{self, Export};
use super::layout::Layout;
use super::open::{REPLAY_BYTES, apply, operations, rebuild_marker, replay};
use super::projection::Projection;
use crate::store::disk::{self, Context as _};
use crate::store::journal::{Base, Op, Scan, scan};
use crate::store::sealing::Stone;
use crate::store::{Seq, StoreError};

/// Exports, the point of the chain that the journal must meet, and the keys that were destroyed before it begins.
#[derive(Debug)]
pub(super) struct Past {
    /// Newest first.
    exports: Vec<Export>,
    pub(super) base: Base,
    pub(super) tombstones: HashSet<Stone>,
}

impl Past {
    /// For a journal that begins with record `begins`.
    pub(super) fn find(layout: &Layout, begins: Seq) -> Result<Self, StoreError> {
        export::clean(&layout.export())?;
        let exports = export::list(&layout.export())?;
        let reaching = exports.iter().filter(|export| export.seq + 1 >= begins);
        let tombstones = reaching.clone().find_map(|export| match export.tombstones() {
            Ok(tombstones) => Some(tombstones),
            Err(error) => {
                tracing::error!(export = %export.path.display(), %error, "this export's tombstones do not read");
                None
            }
        });
        let base = reaching.map(|export| Base::Known { seq: export.seq, chain: export.chain }).next();
        if begins <= 1 || (base.is_some() && tombstones.is_some()) {
            return Ok(Self { exports, base: base.unwrap_or(Base::Start), tombstones: tombstones.unwrap_or_default() });
        }
        tracing::error!("no export reaches up to the journal; reading the archive");
        let mut tombstones = HashSet::new();
        let read = scan::scan(scan::list_packed(&layout.archive())?, Base::Wherever, |frame| {
            let ops = operations(frame.seq, frame.payload, frame.kind, &layout.archive())?;
            tombstones.extend(ops.into_iter().filter_map(|op| match op {
                Op::Shred { scope, id } => Some((scope, id)),
                _ => None,
            }));
            Ok(())
        })?;
        let archived = Base::Known { seq: read.last_seq, chain: read.chain };
        Ok(Self { exports, base: base.unwrap_or(archived), tombstones })
    }

    /// The last record that an export has; 0 without one.
    pub(super) fn exported(&self) -> Seq {
        self.exports.first().map_or(0, |export| export.seq)
    }

    /// Refuses a journal that ends before an export does, beyond what the operator accepted.
    pub(super) fn judge(&self, layout: &Layout, options: &EmbeddedOptions, scan: &mut Scan) -> Result<(), StoreError> {
        let Some(newest) = self.exports.first().filter(|export| export.seq > scan.last_seq) else { return Ok(()) };
        let lost = scan.lost() + newest.seq - scan.last_seq;
        if lost > options.accept_loss {
            let what = format!("the journal ends at record {} but export/ has record {}", scan.last_seq, newest.seq);
            return Err(scan::damaged(layout.journal(), scan.end, &what, lost));
        }
        if scan.segments.is_empty() {
            // The new journal goes on from the export.
            scan.chain = newest.chain;
        }
        Ok(())
    }

    /// Fills a projection whose last record is `applied` up to where a journal that begins with record `begins` takes over. Returns
    /// the last record then.
    pub(super) fn catch_up(
        &self,
        layout: &Layout,
        options: &EmbeddedOptions,
        projection: &Projection,
        applied: Seq,
        begins: Seq,
    ) -> Result<Seq, StoreError> {
        if applied + 1 >= begins {
            return Ok(applied);
        }
        // Half an import is thrown away at the next start.
        let marker = rebuild_marker(&layout.dir);
        disk::write_atomically(&marker, b"an import was not finished").at("write", &marker)?;
        let whole = self.exports.iter().find(|export| match export.check() {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(export = %export.path.display(), %error, "this export is not used");
                false
            }
        });
        let mut applied = 0;
        if let Some(export) = whole {
            export.groups(REPLAY_BYTES, |group| apply(layout, projection, group))?;
            applied = export.seq;
            tracing::info!(rows = export.rows, seq = applied, "state/ is built from an export");
        }
        if applied + 1 < begins {
            from_archive(layout, options, projection, applied + 1, begins - 1)?;
            applied = begins - 1;
        }
        disk::remove(&marker).and_then(|()| disk::sync_dir(&layout.dir)).at("remove", &marker)?;
        Ok(applied)
    }
}

/// Applies the records `from` to `to` out of the archive.
fn from_archive(
    layout: &Layout,
    options: &EmbeddedOptions,
    projection: &Projection,
    from: Seq,
    to: Seq,
) -> Result<(), StoreError> {
    let segments = scan::list_packed(&layout.archive())?;
    let first = segments.first().map_or(Seq::MAX, |segment| segment.first);
    let read = scan::scan(segments, Base::Wherever, |_| Ok(()))?;
    let lost = if first <= from && read.last_seq >= to { read.lost() } else { to + 1 - from };
    if lost > options.accept_loss {
        let what =
            format!("state/ must be built anew, no export is whole, and archive/ does not have the records {from} to {to}");
        return Err(scan::damaged(layout.archive(), 0, &what, lost));
    }
    tracing::warn!(from, to, "building state/ from archived segments");
    replay(layout, &read.segments, projection, from, to)
}
