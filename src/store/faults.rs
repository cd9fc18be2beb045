//! Where tests break the disk or kill the process.
//!
//! Two kinds, both free when not built in:
//!
//! * [`Faults`], only under `cfg(test)`: one store's next write, sync or apply answers an error.
//! * [`kill_point`], only with the feature `failpoints`: aborts the process at a named step when the
//!   program armed it, e.g. `FAILPOINTS="journal_after_sync=3*off->return"` (the third pass survives, the fourth dies).
//!   The `fail` crate reads that variable only when the program calls `fail::FailScenario::setup()` first.
//!
//! Names: `journal_before_append`, `journal_before_sync`, `journal_after_sync`, `shred_before_destroy`,
//! `state_before_apply`, `state_after_apply`, `export_before_rename`, `export_after_rename`, `archive_before_rename`,
//! `archive_before_remove`, `archive_after_remove`, `backup_before_journal` kill; `journal_write_error`, `journal_sync_error`, `journal_spare_error`
//! and `state_apply_error` make that step fail as on a full disk.

use std::io;

/// A step that can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    JournalWrite,
    JournalSync,
    /// Setting the next segment aside.
    Spare,
    StateApply,
}

/// The failures a test has ordered from one store.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    #[cfg(test)]
    next: std::sync::Arc<std::sync::Mutex<Option<(Step, io::ErrorKind)>>>,
}

impl Faults {
    /// Makes the next `step` fail once.
    #[cfg(test)]
    pub(crate) fn fail_next(&self, step: Step, kind: io::ErrorKind) {
        *self.next.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some((step, kind));
    }

    /// Called by the store before each step.
    #[cfg_attr(not(any(test, feature = "failpoints")), allow(clippy::unused_self, clippy::unnecessary_wraps))]
    pub(crate) fn check(&self, step: Step) -> io::Result<()> {
        #[cfg(test)]
        {
            let mut next = self.next.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if let Some((_, kind)) = next.take_if(|(wanted, _)| *wanted == step) {
                return Err(kind.into());
            }
        }
        #[cfg(feature = "failpoints")]
        {
            let name = match step {
                Step::JournalWrite => "journal_write_error",
                Step::JournalSync => "journal_sync_error",
                Step::Spare => "journal_spare_error",
                Step::StateApply => "state_apply_error",
            };
            if fail::eval(name, |_| ()).is_some() {
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        let _ = step;
        Ok(())
    }
}

/// Dies here when a test armed `name`.
#[cfg(feature = "failpoints")]
pub(crate) fn kill_point(name: &str) {
    let _: Option<()> = fail::eval(name, |_| std::process::abort());
}

/// Dies here when a test armed `name`: never, in this build.
#[cfg(not(feature = "failpoints"))]
pub(crate) fn kill_point(_name: &str) {}
