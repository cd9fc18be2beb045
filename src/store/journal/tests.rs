#![allow(clippy::unwrap_used)]

use std::io;
use std::path::{Path, PathBuf};

use super::frame::{self, FRAME};
use super::*;

const SEGMENT: u64 = 4096;

fn look(dir: &Path) -> Result<Scan, StoreError> {
    scan::scan(scan::list(dir)?, Base::Start, |_| Ok(()))
}

fn open(dir: &Path, accept_loss: u64) -> Result<Journal, StoreError> {
    let scan = look(dir)?;
    scan.judge(accept_loss)?;
    Journal::resume(dir, &scan, 0, SEGMENT, Faults::default())
}

/// Writes groups of three records each, `size` bytes a payload.
fn write(dir: &Path, groups: usize, size: usize) {
    let mut journal = open(dir, 0).unwrap();
    for _ in 0..groups {
        for _ in 0..3 {
            let payload = vec![journal.last_seq() as u8 + 1; size];
            journal.stage(Kind::Batch, &payload);
        }
        journal.sync_group().unwrap();
        journal.prepare_spare();
    }
}

/// Every record from the start: (number, first byte of the payload).
fn read(dir: &Path) -> Vec<(Seq, u8)> {
    let found = look(dir).unwrap();
    let mut records = Vec::new();
    scan::replay(&found.segments, 1, Seq::MAX, |frame| {
        if frame.kind == Kind::Batch {
            records.push((frame.seq, frame.payload[0]));
        }
        Ok(())
    })
    .unwrap();
    records
}

fn expected(numbers: impl IntoIterator<Item = Seq>) -> Vec<(Seq, u8)> {
    numbers.into_iter().map(|seq| (seq, seq as u8)).collect()
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    disk::matching(dir, |name| name.ends_with(".log")).unwrap().iter().map(|name| dir.join(name)).collect()
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

/// Offset of record `index` (from 0) when all payloads have `size` bytes.
fn at(index: usize, size: usize) -> usize {
    HEADER + index * (FRAME + size)
}

#[test]
fn records_survive_reopening_and_rotation_in_order() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..4 {
        write(dir.path(), 10, 50);
    }
    assert!(segments(dir.path()).len() > 2);
    assert_eq!(read(dir.path()), expected(1..=120));
}

#[test]
fn a_group_larger_than_a_segment_gets_through() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 2, 10_000);
    write(dir.path(), 1, 10);
    assert_eq!(read(dir.path()), expected(1..=9));
}

#[test]
fn a_torn_tail_is_cut_at_every_length_and_writing_goes_on() {
    for cut in 1..(FRAME + 50) {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), 2, 50);
        change(&segments(dir.path())[0], |bytes| {
            let end = at(6, 50);
            bytes[end - cut..end].fill(0);
        });
        write(dir.path(), 1, 50);
        let records = read(dir.path());
        assert_eq!(records, expected(1..=8), "cut {cut}");
    }
}

#[test]
fn a_torn_group_whose_later_half_reached_the_disk_is_cut_and_not_taken_for_damage() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 3, 50);
    change(&segments(dir.path())[0], |bytes| bytes[at(6, 50)..at(7, 50)].fill(0));
    let found = look(dir.path()).unwrap();
    assert_eq!((found.last_seq, found.lost()), (6, 0));
    assert!(found.torn_bytes > 0);
    // Records 8 and 9 are whole, and must be gone before a new, shorter 7 comes in front of them.
    let mut journal = open(dir.path(), 0).unwrap();
    assert_eq!(look(dir.path()).unwrap().torn_bytes, 0);
    journal.stage(Kind::Batch, &[7]);
    journal.sync_group().unwrap();
    drop(journal);
    write(dir.path(), 1, 50);
    assert_eq!(read(dir.path()), expected(1..=10));
}

#[test]
fn a_flipped_byte_in_an_earlier_group_is_refused() {
    for at in [at(0, 50), at(1, 50) + 20, at(4, 50) + FRAME + 3, at(5, 50) + 1] {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), 3, 50);
        change(&segments(dir.path())[0], |bytes| bytes[at] ^= 0x10);
        let refused = open(dir.path(), 0).unwrap_err();
        assert!(matches!(&refused, StoreError::Damaged { detail, .. } if detail.contains("accept_loss = 1")), "{at}: {refused}");
    }
}

#[test]
fn a_flipped_byte_at_the_end_of_an_old_segment_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 30, 50);
    let old = &segments(dir.path())[0];
    change(old, |bytes| {
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
    });
    assert!(matches!(open(dir.path(), 0), Err(StoreError::Damaged { .. })));
}

#[test]
fn a_record_rewritten_with_a_right_crc_breaks_the_chain() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 3, 50);
    change(&segments(dir.path())[0], |bytes| {
        let from = at(1, 50);
        let original = frame::decode(&bytes[from..]).unwrap();
        let mut forged = Vec::new();
        frame::encode_onto(&mut forged, &Frame { payload: &[66; 50], ..original });
        bytes[from..from + forged.len()].copy_from_slice(&forged);
    });
    let refused = open(dir.path(), 0).unwrap_err();
    assert!(matches!(&refused, StoreError::Damaged { detail, .. } if detail.contains("records 2 to 2")), "{refused}");
}

#[test]
fn a_missing_segment_is_refused_wherever_it_was() {
    for missing in 0..2 {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), 40, 50);
        std::fs::remove_file(&segments(dir.path())[missing]).unwrap();
        assert!(matches!(open(dir.path(), 0), Err(StoreError::Damaged { .. })), "{missing}");
    }
}

#[test]
fn a_damaged_header_is_refused_and_mended_only_when_a_loss_is_accepted() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 40, 50);
    change(&segments(dir.path())[1], |bytes| bytes[30] ^= 1);
    assert!(matches!(open(dir.path(), 0), Err(StoreError::Damaged { .. })));
    drop(open(dir.path(), 1).unwrap());
    drop(open(dir.path(), 0).unwrap());
    assert_eq!(read(dir.path()), expected(1..=120));
}

#[test]
fn a_newer_segment_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 1, 50);
    change(&segments(dir.path())[0], |bytes| {
        bytes[8] = 2;
        bytes.copy_within(16..HEADER, 16);
        let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[..12]), &bytes[16..HEADER]);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    });
    assert!(matches!(open(dir.path(), 9), Err(StoreError::NewerFormat { found: 2, .. })));
}

#[test]
fn an_accepted_loss_is_written_down_and_not_asked_for_again() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 4, 50);
    change(&segments(dir.path())[0], |bytes| bytes[at(3, 50)..at(5, 50)].fill(7));
    assert!(matches!(open(dir.path(), 1), Err(StoreError::Damaged { .. })), "two are lost, one is not enough");
    drop(open(dir.path(), 2).unwrap());
    drop(open(dir.path(), 0).unwrap());
    write(dir.path(), 1, 50);
    // 13 is the note of the loss.
    assert_eq!(read(dir.path()), expected((1..=3).chain(6..=12).chain(14..=16)));
}

#[test]
fn a_failed_write_leaves_a_torn_tail_that_the_next_start_cuts() {
    let dir = tempfile::tempdir().unwrap();
    let faults = Faults::default();
    let found = look(dir.path()).unwrap();
    let mut journal = Journal::resume(dir.path(), &found, 0, SEGMENT, faults.clone()).unwrap();
    journal.stage(Kind::Batch, &[1; 50]);
    journal.sync_group().unwrap();
    faults.fail_next(Step::JournalWrite, io::ErrorKind::StorageFull);
    journal.stage(Kind::Batch, &[2; 50]);
    assert_eq!(journal.sync_group().unwrap_err().kind(), io::ErrorKind::StorageFull);
    drop(journal);
    assert!(look(dir.path()).unwrap().torn_bytes > 0);
    write(dir.path(), 1, 50);
    assert_eq!(read(dir.path()), expected(1..=4));
}

#[test]
fn a_whole_segment_of_room_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path(), 0).unwrap();
    assert!(journal.has_spare());
    assert_eq!(std::fs::metadata(dir.path().join(SPARE)).unwrap().len(), SEGMENT);
    assert_eq!(std::fs::metadata(&segments(dir.path())[0]).unwrap().len(), SEGMENT);
}

proptest::proptest! {
    #[test]
    fn scanning_mangled_files_never_panics(noise in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300), from in 0usize..700) {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), 2, 50);
        change(&segments(dir.path())[0], |bytes| {
            for (byte, noise) in bytes.iter_mut().skip(from).zip(&noise) {
                *byte = *noise;
            }
        });
        if let Ok(found) = look(dir.path()) {
            let _ = found.judge(0);
        }
    }
}
