#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use super::layout::{export_dir, journal_dir};
use super::*;
use crate::domain::UnixMillis;
use crate::store::records::{self, AuditRecord};

fn options(dir: &Path) -> EmbeddedOptions {
    EmbeddedOptions {
        segment_bytes: 2 << 10,
        free_space_floor: 0,
        cache_capacity: 1 << 20,
        export_every: Duration::from_nanos(1),
        ..EmbeddedOptions::new(dir)
    }
}

async fn note(store: &EmbeddedStore, at: u64) {
    let record = AuditRecord::done(UnixMillis(1), "hub", "token.lock", "tok_1", "");
    let key = records::audit(ulid::Ulid::from_parts(at, 1));
    store.commit(Batch::outcome().put(key, records::encode(&record))).await.unwrap();
}

/// A few audit records, one export in between, closed.
async fn small_log(dir: &Path) {
    let store = EmbeddedStore::open(options(dir)).unwrap();
    for at in 1_000..1_004 {
        note(&store, at).await;
    }
    while store.shared.overlay.len() > 0 {
        tokio::task::yield_now().await;
    }
    store.upkeep().await.unwrap();
    for at in 1_004..1_006 {
        note(&store, at).await;
    }
    store.close().await.unwrap();
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut all: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.retain(|path| path.extension().is_some_and(|extension| extension == "log" || extension == "export"));
    all
}

fn is_whole(dir: &Path, expected: Option<&(Seq, String)>) -> bool {
    verify_stopped(dir, expected).is_ok_and(|history| history.torn_bytes == 0)
}

#[tokio::test]
async fn whichever_byte_of_a_small_log_is_changed_the_check_fails() {
    let dir = tempfile::tempdir().unwrap();
    small_log(dir.path()).await;
    let history = verify_stopped(dir.path(), None).unwrap();
    assert_eq!((history.first, history.last, history.exports, history.torn_bytes), (1, 6, 1, 0));
    assert_eq!((history.audit_records, history.from, history.to), (6, Some(UnixMillis(1_000)), Some(UnixMillis(1_005))));
    let mut flipped = 0;
    for path in files(&journal_dir(dir.path())).into_iter().chain(files(&export_dir(dir.path()))) {
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            std::fs::write(&path, &bytes).unwrap();
            assert!(!is_whole(dir.path(), None), "byte {at} of {}", path.display());
            flipped += 1;
        }
        std::fs::write(&path, whole).unwrap();
    }
    // Records, the space behind them, and the export.
    assert!(flipped > 2_000, "{flipped}");
    assert!(is_whole(dir.path(), None));
}

#[tokio::test]
async fn the_first_record_that_is_not_what_was_written_is_named() {
    let dir = tempfile::tempdir().unwrap();
    small_log(dir.path()).await;
    let path = files(&journal_dir(dir.path())).remove(0);
    let whole = std::fs::read(&path).unwrap();
    let mut at = crate::store::journal::frame::HEADER;
    for seq in 1..=4 {
        let length = crate::store::journal::frame::decode(&whole[at..]).unwrap().length();
        let mut bytes = whole.clone();
        bytes[at + length - 1] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let error = verify_stopped(dir.path(), None).unwrap_err().to_string();
        assert!(error.contains(&format!("record {seq} ")), "{seq}: {error}");
        at += length;
    }
}

#[tokio::test]
async fn a_history_that_was_written_anew_with_all_sums_right_does_not_have_the_noted_head() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    small_log(one.path()).await;
    let noted = History::read_head(&verify_stopped(one.path(), None).unwrap().head()).unwrap();
    let store = EmbeddedStore::open(options(other.path())).unwrap();
    for at in 2_000..2_010 {
        note(&store, at).await;
    }
    store.close().await.unwrap();
    assert!(is_whole(other.path(), None));
    let error = verify_stopped(other.path(), Some(&noted)).unwrap_err().to_string();
    assert!(error.contains("another history"), "{error}");
    // The true one has it, also when it has grown.
    let store = EmbeddedStore::open(options(one.path())).unwrap();
    note(&store, 3_000).await;
    assert_eq!(store.verify(Some(noted.clone())).await.unwrap().last, 7);
    store.close().await.unwrap();
    assert!(is_whole(one.path(), Some(&noted)));
    let later = (99, noted.1);
    assert!(verify_stopped(one.path(), Some(&later)).is_err(), "what is not there yet is not this history");
}

#[tokio::test]
async fn a_running_store_checks_itself_and_its_folder_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(options(dir.path())).unwrap();
    for at in 1..100 {
        note(&store, at).await;
    }
    assert!(matches!(verify_stopped(dir.path(), None), Err(StoreError::Locked { .. })));
    let history = store.verify(None).await.unwrap();
    assert_eq!((history.last, history.audit_records), (99, 99));
    let path = files(&journal_dir(dir.path())).into_iter().min().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[200] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert!(matches!(store.verify(None).await, Err(StoreError::Damaged { .. })));
    store.close().await.unwrap();
}

#[test]
fn a_folder_that_is_none_is_not_called_whole() {
    let dir = tempfile::tempdir().unwrap();
    assert!(verify_stopped(dir.path(), None).is_err());
    assert!(verify_stopped(&dir.path().join("nowhere"), None).is_err());
}
