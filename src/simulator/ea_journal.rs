//! The EA's journal file: an INTENT line before `OrderSend`, a RESULT line after it, a line when the hub has acknowledged.
//!
//! It serves the instance that comes after a crash, never a decision to execute: an INTENT without a RESULT proves nothing.

use std::{collections::BTreeMap, io, path::Path};

use serde::{Deserialize, Serialize};

use super::ledger::Lines;
use crate::{
    domain::{
        command::tag_sequence,
        ids::{CommandId, EaInstance},
        trade::{TradeResult, Verdict},
    },
    protocol::message::{Latch, outcome_kind},
};

/// So many commands are remembered; of older ones only broker's history knows.
const NOTES_MAX: usize = 20_000;
/// Hello names at most so many unfinished commands, the newest, so that it stays far below 64 KiB.
const UNFINISHED_MAX: usize = 1_000;

/// How a command ended at the terminal.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Ended {
    /// [`outcome_kind`].
    pub(super) kind: u8,
    /// Why the EA refused.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) reason: String,
    /// What `OrderSend` gave.
    #[serde(default)]
    pub(super) result: TradeResult,
}

impl Ended {
    pub(super) fn refused(reason: impl Into<String>) -> Self {
        Self { kind: outcome_kind::REFUSED, reason: reason.into(), result: TradeResult::default() }
    }

    pub(super) const fn broker(result: TradeResult) -> Self {
        Self { kind: outcome_kind::BROKER, reason: String::new(), result }
    }

    /// Whether it proves anything: a time-out between terminal and broker does not.
    pub(super) fn is_definite(&self, action: u8) -> bool {
        self.kind == outcome_kind::REFUSED || Verdict::of(self.result.retcode, action) != Verdict::Ambiguous
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
enum Line {
    Intent { command: CommandId, instance: EaInstance, tag: u64, broker_time: i64 },
    Result { command: CommandId, instance: EaInstance, ended: Ended },
    Acknowledged { command: CommandId },
    Latch { level: u8, reason: String },
}

#[derive(Debug, Default)]
struct Note {
    intent: Option<(EaInstance, u64, i64)>,
    ended: Option<(EaInstance, Ended)>,
    acknowledged: bool,
}

/// The journal of one terminal, over all instances of its EA.
#[derive(Debug, Default)]
pub(super) struct Journal {
    lines: Lines,
    notes: BTreeMap<CommandId, Note>,
    highest_tag: u64,
    latch: Latch,
}

impl Journal {
    /// Opens the file and reads what earlier instances wrote.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let (lines, found) = Lines::open::<Line>(path)?;
        let many = found.len() > 8 * NOTES_MAX;
        let mut journal = Self { lines, ..Self::default() };
        found.into_iter().for_each(|line| journal.remember(line));
        if many {
            journal.rewrite()?;
        }
        Ok(journal)
    }

    /// Before ACCEPTED is sent. An error means that the command must be refused.
    pub(super) fn intent(&mut self, command: CommandId, instance: EaInstance, tag: u64, broker_time: i64) -> io::Result<()> {
        self.write(Line::Intent { command, instance, tag, broker_time })
    }

    /// Before the outcome is sent.
    pub(super) fn result(&mut self, command: CommandId, instance: EaInstance, ended: &Ended) -> io::Result<()> {
        self.write(Line::Result { command, instance, ended: ended.clone() })
    }

    /// The hub has it on its disk.
    pub(super) fn acknowledged(&mut self, command: CommandId) -> io::Result<()> {
        if self.notes.get(&command).is_some_and(|note| !note.acknowledged) {
            self.write(Line::Acknowledged { command })?;
        }
        Ok(())
    }

    /// How a command ended, as far as a RESULT line tells.
    pub(super) fn ended(&self, command: CommandId) -> Option<&Ended> {
        self.notes.get(&command)?.ended.as_ref().map(|(_, ended)| ended)
    }

    /// The newest commands that the hub has not acknowledged.
    pub(super) fn unfinished(&self) -> Vec<CommandId> {
        let open = self.notes.iter().rev().filter(|(_, note)| !note.acknowledged);
        open.map(|(command, _)| *command).take(UNFINISHED_MAX).collect()
    }

    /// The highest of the hub's tags in it; 0 if there is none.
    pub(super) const fn highest_tag(&self) -> u64 {
        self.highest_tag
    }

    /// The hub's kill switch as it last was.
    pub(super) const fn latch(&self) -> &Latch {
        &self.latch
    }

    /// Keeps the kill switch. It holds in memory even if it cannot be written.
    pub(super) fn set_latch(&mut self, latch: Latch) -> io::Result<()> {
        if self.latch == latch {
            return Ok(());
        }
        self.latch = latch.clone();
        self.lines.append(&Line::Latch { level: latch.level, reason: latch.reason })
    }

    /// The machine's disk was lost.
    pub(super) fn lose(&mut self) -> io::Result<()> {
        self.notes.clear();
        self.highest_tag = 0;
        self.latch = Latch::default();
        self.lines.clear()
    }

    fn write(&mut self, line: Line) -> io::Result<()> {
        self.lines.append(&line)?;
        self.remember(line);
        Ok(())
    }

    fn remember(&mut self, line: Line) {
        match line {
            Line::Intent { command, instance, tag, broker_time } => {
                if tag_sequence(tag).is_some() {
                    self.highest_tag = self.highest_tag.max(tag);
                }
                self.notes.entry(command).or_default().intent = Some((instance, tag, broker_time));
            }
            Line::Result { command, instance, ended } => self.notes.entry(command).or_default().ended = Some((instance, ended)),
            Line::Latch { level, reason } => self.latch = Latch { level, reason },
            Line::Acknowledged { command } => self.notes.entry(command).or_default().acknowledged = true,
        }
        if self.notes.len() > NOTES_MAX {
            // Identifiers are ordered by time. One that the hub still waits for goes only when all of them are such.
            let oldest = self.notes.iter().find(|(_, note)| note.acknowledged).or_else(|| self.notes.iter().next());
            if let Some(command) = oldest.map(|(command, _)| *command) {
                self.notes.remove(&command);
            }
        }
    }

    fn rewrite(&mut self) -> io::Result<()> {
        self.lines.clear()?;
        self.lines.append(&Line::Latch { level: self.latch.level, reason: self.latch.reason.clone() })?;
        for (&command, note) in &self.notes {
            if let Some((instance, tag, broker_time)) = note.intent {
                self.lines.append(&Line::Intent { command, instance, tag, broker_time })?;
            }
            if let Some((instance, ended)) = &note.ended {
                self.lines.append(&Line::Result { command, instance: *instance, ended: ended.clone() })?;
            }
            if note.acknowledged {
                self.lines.append(&Line::Acknowledged { command })?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{account::Platform, command::tag};

    fn id(n: u128) -> CommandId {
        CommandId::from_bytes(n.to_be_bytes())
    }

    #[test]
    fn the_next_instance_reads_what_the_last_one_wrote() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ea.jsonl");
        let instance = EaInstance([1; 16]);
        let done = Ended::broker(TradeResult { retcode: 10_009, deal: 5, price: 1.08123, ..TradeResult::default() });
        let mut first = Journal::open(&path).unwrap();
        for n in 1..=3 {
            first.intent(id(n), instance, tag(Platform::Mt5, 40 + u64::try_from(n).unwrap()).unwrap(), 7).unwrap();
        }
        first.result(id(1), instance, &done).unwrap();
        first.acknowledged(id(1)).unwrap();
        first.result(id(2), instance, &Ended::refused("late")).unwrap();
        let latch = Latch { level: 1, reason: "enough".into() };
        first.set_latch(latch.clone()).unwrap();
        drop(first);
        let mut second = Journal::open(&path).unwrap();
        assert_eq!(second.ended(id(1)), Some(&done));
        assert_eq!(second.ended(id(2)).unwrap().reason, "late");
        assert_eq!(second.ended(id(3)), None, "an intent proves nothing");
        assert_eq!(second.unfinished(), [id(3), id(2)]);
        assert_eq!(tag_sequence(second.highest_tag()), Some(43));
        assert_eq!(*second.latch(), latch, "the kill switch holds over a restart");
        second.lose().unwrap();
        drop(second);
        assert_eq!(Journal::open(&path).unwrap().unfinished(), []);
    }

    #[test]
    fn a_users_own_magic_is_no_tag_of_the_hub() {
        let mut journal = Journal::default();
        journal.intent(id(1), EaInstance([1; 16]), 234_000, 7).unwrap();
        assert_eq!(journal.highest_tag(), 0);
    }

    #[test]
    fn memory_is_bounded_and_keeps_what_the_hub_still_waits_for() {
        let mut journal = Journal::default();
        journal.intent(id(1), EaInstance([1; 16]), 0, 7).unwrap();
        for n in 2..30_000 {
            journal.intent(id(n), EaInstance([1; 16]), 0, 7).unwrap();
            journal.acknowledged(id(n)).unwrap();
        }
        assert_eq!(journal.notes.len(), NOTES_MAX);
        assert_eq!(journal.unfinished(), [id(1)]);
    }
}
