#![allow(clippy::unwrap_used)]

use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::layout::{archive_dir, export_dir, journal_dir};
use super::restore::{RestoreError, check_backup, restore};
use super::*;
use crate::store::SealScope;
use crate::store::journal::frame::{self, Frame};
use crate::store::journal::{Kind, scan};

fn options(dir: &Path) -> EmbeddedOptions {
    EmbeddedOptions {
        segment_bytes: 16 << 10,
        free_space_floor: 0,
        cache_capacity: 1 << 20,
        export_every: Duration::from_nanos(1),
        ..EmbeddedOptions::new(dir)
    }
}

fn open(dir: &Path) -> EmbeddedStore {
    EmbeddedStore::open(options(dir)).unwrap()
}

async fn put(store: &EmbeddedStore, keys: std::ops::Range<u32>) {
    for n in keys {
        store.commit(Batch::outcome().put(format!("k{n:04}"), vec![n as u8; 500])).await.unwrap();
    }
}

/// Reads a backup to its end, into a file.
async fn save(mut backup: Backup, file: &Path) {
    let mut bytes = Vec::new();
    while let Some(chunk) = backup.chunks.recv().await {
        bytes.extend_from_slice(&chunk.unwrap());
    }
    std::fs::write(file, bytes).unwrap();
}

/// A store with an export, an archive and a journal, and its backup.
async fn backed_up(dir: &Path) -> PathBuf {
    let (data, file) = (dir.join("data"), dir.join("backup.tar.zst"));
    let store = open(&data);
    std::fs::write(data.join("secret.key"), "pepper").unwrap();
    store.commit(Batch::outcome().put_sealed(&SealScope::new("anna", 1, "Demo"), "sealed", "secret")).await.unwrap();
    put(&store, 0..60).await;
    store.upkeep().await.unwrap();
    put(&store, 60..90).await;
    save(store.backup().await.unwrap(), &file).await;
    store.close().await.unwrap();
    file
}

#[tokio::test]
async fn what_was_acknowledged_before_a_backup_is_there_after_the_restore_and_the_note_shuts_trading() {
    let dir = tempfile::tempdir().unwrap();
    let file = backed_up(dir.path()).await;
    let checked = check_backup(&file).unwrap();
    let target = dir.path().join("new/data");
    assert_eq!(restore(file, target.clone()).await.unwrap(), checked);
    assert_eq!(checked.seq, 91);
    let note: serde_json::Value = serde_json::from_slice(&std::fs::read(target.join("restored")).unwrap()).unwrap();
    assert_eq!(note["seq"], 91);
    assert!(note["backup_at"].as_str().unwrap().starts_with("20") && note["at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(std::fs::read(target.join("secret.key")).unwrap(), b"pepper");
    assert_eq!(verify_history(&target).unwrap(), verify_history(&dir.path().join("data")).unwrap());
    let store = open(&target);
    assert_eq!(store.scan(b"k", None, 1_000).await.unwrap().len(), 90);
    assert_eq!(store.get(b"sealed").await.unwrap().unwrap().value, b"secret");
    assert_eq!(store.commit(Batch::outcome().put("goes", "on")).await.unwrap(), 92);
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_last_record_that_ends_with_zeros_is_in_the_backup_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (data, file, target) = (dir.path().join("data"), dir.path().join("backup"), dir.path().join("target"));
    let store = open(&data);
    put(&store, 0..3).await;
    store.commit(Batch::outcome().put("zeros", vec![0; 5_000])).await.unwrap();
    save(store.backup().await.unwrap(), &file).await;
    store.close().await.unwrap();
    assert_eq!(restore(file, target.clone()).await.unwrap().seq, 4);
    let store = open(&target);
    assert_eq!(store.get(b"zeros").await.unwrap().unwrap().value, vec![0; 5_000]);
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_go_on_while_a_backup_is_read_slowly_and_none_from_before_it_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let (data, file) = (dir.path().join("data"), dir.path().join("backup"));
    let store = Arc::new(open(&data));
    // More than the channel holds, and nothing that zstd could make small.
    for n in 0..40 {
        let noise = crate::crypto::random::<60_000>().unwrap().to_vec();
        store.commit(Batch::outcome().put_sealed(&SealScope::new("anna", n, "Demo"), format!("s{n}"), noise)).await.unwrap();
    }
    let mut backup = store.backup().await.unwrap();
    let mut bytes = backup.chunks.recv().await.unwrap().unwrap().to_vec();
    assert!(matches!(store.backup().await, Err(StoreError::Busy)), "one at a time");
    // The copy cannot be over, since nobody reads it.
    put(&store, 0..200).await;
    store.upkeep().await.unwrap();
    assert_eq!(super::export::list(&data.join("export")).unwrap(), [], "nothing is moved while it is copied");
    while let Some(chunk) = backup.chunks.recv().await {
        bytes.extend_from_slice(&chunk.unwrap());
    }
    std::fs::write(&file, bytes).unwrap();
    save(store.backup().await.unwrap(), &dir.path().join("second")).await;
    store.close().await.unwrap();
    let target = dir.path().join("target");
    assert!(restore(file, target.clone()).await.unwrap().seq >= 40);
    let store = open(&target);
    assert_eq!(store.scan(b"s", None, 100).await.unwrap().len(), 40);
    store.close().await.unwrap();
}

#[tokio::test]
async fn closing_the_store_breaks_a_backup_off_and_what_came_of_it_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (data, file) = (dir.path().join("data"), dir.path().join("backup"));
    let store = open(&data);
    for n in 0..40 {
        let noise = crate::crypto::random::<60_000>().unwrap().to_vec();
        store.commit(Batch::outcome().put(format!("s{n}"), noise)).await.unwrap();
    }
    let mut backup = store.backup().await.unwrap();
    let mut bytes = backup.chunks.recv().await.unwrap().unwrap().to_vec();
    store.close().await.unwrap();
    while let Some(chunk) = backup.chunks.recv().await {
        match chunk {
            Ok(chunk) => bytes.extend_from_slice(&chunk),
            Err(_) => break,
        }
    }
    std::fs::write(&file, bytes).unwrap();
    assert!(matches!(check_backup(&file), Err(RestoreError::NotABackup { .. })));
    // And the directory is free.
    open(&data).close().await.unwrap();
}

#[tokio::test]
async fn a_backup_that_is_cut_or_changed_anywhere_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = backed_up(dir.path()).await;
    let bytes = std::fs::read(&file).unwrap();
    let unpacked = zstd::decode_all(bytes.as_slice()).unwrap();
    let bad = dir.path().join("bad");
    for at in (0..bytes.len()).step_by(bytes.len() / 40).chain([bytes.len() - 1, bytes.len() - 5]) {
        std::fs::write(&bad, &bytes[..at]).unwrap();
        assert!(matches!(check_backup(&bad), Err(RestoreError::NotABackup { .. })), "cut at {at}");
        let mut changed = bytes.clone();
        changed[at] ^= 0x40;
        std::fs::write(&bad, &changed).unwrap();
        let refused = matches!(check_backup(&bad), Err(RestoreError::NotABackup { .. }));
        // A few bits of zstd's tables mean nothing: with one of them changed, all that was packed is still there.
        let the_same = || zstd::decode_all(changed.as_slice()).is_ok_and(|found| found == unpacked);
        assert!(refused || the_same(), "changed at {at}");
    }
    let target = dir.path().join("target");
    std::fs::write(&bad, &bytes[..bytes.len() / 2]).unwrap();
    assert!(matches!(restore(bad, target.clone()).await, Err(RestoreError::NotABackup { .. })));
    let refused = EmbeddedStore::open(options(&target)).unwrap_err();
    assert!(refused.to_string().contains("restore again"), "half of a restore is no data directory: {refused}");
}

#[tokio::test]
async fn files_that_would_land_elsewhere_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["../escaped", "/tmp/escaped", "journal/../../escaped", "journal/a/b", "lock", "keys/.hidden", "keys/"] {
        let mut builder = tar::Builder::new(zstd::Encoder::new(Vec::new(), 3).unwrap());
        let mut header = tar::Header::new_gnu();
        header.set_size(1);
        header.set_entry_type(tar::EntryType::Regular);
        // The library itself refuses to write such names.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        builder.append(&header, &b"x"[..]).unwrap();
        let file = dir.path().join("evil");
        std::fs::write(&file, builder.into_inner().unwrap().finish().unwrap()).unwrap();
        let refused = restore(file, dir.path().join("deep/target")).await.unwrap_err();
        assert!(refused.to_string().contains("does not belong"), "{name}: {refused}");
        std::fs::remove_dir_all(dir.path().join("deep")).unwrap();
        assert!(!dir.path().join("escaped").exists());
    }
}

#[tokio::test]
async fn a_directory_that_is_not_empty_or_in_use_is_refused_untouched() {
    let dir = tempfile::tempdir().unwrap();
    let file = backed_up(dir.path()).await;
    let store = open(&dir.path().join("data"));
    let held = restore(file.clone(), dir.path().join("data")).await;
    assert!(matches!(held, Err(RestoreError::Store(StoreError::Locked { .. }))), "{held:?}");
    store.close().await.unwrap();
    let other = dir.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::File::create(other.join("letter")).unwrap().write_all(b"dear").unwrap();
    assert!(matches!(restore(file, other.clone()).await, Err(RestoreError::NotEmpty(_))));
    assert_eq!(std::fs::read_dir(&other).unwrap().count(), 1);
}

#[tokio::test]
async fn what_was_deleted_before_the_backup_stays_deleted_even_when_an_old_key_is_put_back() {
    let dir = tempfile::tempdir().unwrap();
    let (data, target) = (dir.path().join("data"), dir.path().join("target"));
    let scope = SealScope::new("anna", 1, "Demo");
    let store = open(&data);
    store.commit(Batch::outcome().put_sealed(&scope, "old", "secret")).await.unwrap();
    let key = std::fs::read(data.join("keys").join(scope.file_name())).unwrap();
    store.commit(Batch::outcome().shred(&scope)).await.unwrap();
    put(&store, 0..60).await;
    while store.shared.overlay.len() > 0 {
        tokio::task::yield_now().await;
    }
    store.upkeep().await.unwrap();
    store.commit(Batch::outcome().put_sealed(&scope, "new", "life")).await.unwrap();
    save(store.backup().await.unwrap(), &dir.path().join("file")).await;
    store.close().await.unwrap();
    restore(dir.path().join("file"), target.clone()).await.unwrap();
    let restored_key = target.join("keys").join(scope.file_name());
    let newer = std::fs::read(&restored_key).unwrap();
    assert_ne!(newer, key);
    let store = open(&target);
    assert_eq!(store.get(b"old").await.unwrap(), None);
    assert_eq!(store.get(b"new").await.unwrap().unwrap().value, b"life");
    store.close().await.unwrap();
    std::fs::write(&restored_key, key).unwrap();
    std::fs::remove_dir_all(target.join("state")).unwrap();
    let store = open(&target);
    assert_eq!(store.get(b"old").await.unwrap(), None, "the tombstone is carried out at every start");
    assert!(!restored_key.exists());
    store.close().await.unwrap();
}

/// Changes a byte in the middle of a file.
fn damage(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    std::fs::write(path, bytes).unwrap();
}

/// A running store with two exports, an archive, and a journal of several segments.
async fn grown(data: &Path) -> EmbeddedStore {
    let store = open(data);
    for keys in [0..60, 60..120] {
        put(&store, keys).await;
        while store.shared.overlay.len() > 0 {
            tokio::task::yield_now().await;
        }
        store.upkeep().await.unwrap();
    }
    put(&store, 120..200).await;
    store
}

fn files_of(damaged: &[Damage]) -> Vec<&str> {
    damaged.iter().map(|damage| damage.file.as_str()).collect()
}

#[tokio::test]
async fn a_damaged_archive_or_export_is_named_at_the_backup_and_the_restore_goes_on_without_it() {
    type Choose = fn(&Path) -> PathBuf;
    let archived: Choose = |data| scan::list_packed(&archive_dir(data)).unwrap()[1].path.clone();
    let exported: Choose = |data| super::export::list(&export_dir(data)).unwrap()[0].path.clone();
    for choose in [archived, exported] {
        let dir = tempfile::tempdir().unwrap();
        let (data, file, target) = (dir.path().join("data"), dir.path().join("file"), dir.path().join("target"));
        let store = grown(&data).await;
        let bad = choose(&data);
        damage(&bad);
        save(store.backup().await.unwrap(), &file).await;
        store.close().await.unwrap();
        let name = super::inspection::name_in(&data, &bad);
        assert_eq!(files_of(&check_backup(&file).unwrap().damaged), [&name], "at the backup");
        let restored = restore(file, target.clone()).await.unwrap();
        assert_eq!(files_of(&restored.damaged), [&name], "at the restore");
        let store = open(&target);
        assert_eq!(store.scan(b"k", None, 1_000).await.unwrap().len(), 200);
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn an_export_without_a_header_and_a_segment_that_is_gone_are_named_too() {
    let dir = tempfile::tempdir().unwrap();
    let (data, file, target) = (dir.path().join("data"), dir.path().join("file"), dir.path().join("target"));
    let store = grown(&data).await;
    let older = super::export::list(&export_dir(&data)).unwrap()[1].path.clone();
    std::fs::write(&older, "nothing").unwrap();
    let archive = scan::list_packed(&archive_dir(&data)).unwrap();
    std::fs::remove_file(&archive[1].path).unwrap();
    save(store.backup().await.unwrap(), &file).await;
    store.close().await.unwrap();
    let damaged = restore(file, target).await.unwrap().damaged;
    let name = |path: &Path| super::inspection::name_in(&data, path);
    assert_eq!(damaged.len(), 2, "{damaged:?}");
    assert!(damaged[0].file == name(&older) && damaged[0].detail.contains("not in the backup"), "{damaged:?}");
    let missing = format!("records {} to {} are missing", archive[1].first, archive[2].first - 1);
    assert!(damaged[1].file == name(&archive[0].path) && damaged[1].detail.contains(&missing), "{damaged:?}");
}

#[tokio::test]
async fn a_backup_of_a_damaged_journal_breaks_off_and_names_the_segment() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let store = grown(&data).await;
    let oldest = scan::list(&journal_dir(&data)).unwrap()[0].path.clone();
    damage(&oldest);
    let mut backup = store.backup().await.unwrap();
    let mut last = None;
    while let Some(chunk) = backup.chunks.recv().await {
        last = Some(chunk);
    }
    assert!(matches!(&last, Some(Err(StoreError::Damaged { path, .. })) if *path == oldest), "{last:?}");
    store.close().await.unwrap();
}

/// The files in a backup, without its manifest.
fn entries(file: &Path) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(zstd::Decoder::new(std::fs::File::open(file).unwrap()).unwrap());
    let read = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
        (String::from_utf8(entry.path_bytes().into_owned()).unwrap(), bytes)
    });
    read.filter(|(name, _)| name != super::backup::MANIFEST).collect()
}

/// A backup as an earlier hub made it: it says nothing of damage.
fn write_backup(file: &Path, seq: Seq, entries: &[(String, Vec<u8>)]) {
    let mut builder = tar::Builder::new(zstd::Encoder::new(Vec::new(), 3).unwrap());
    let mut add = |name: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        builder.append_data(&mut header, name, bytes).unwrap();
    };
    entries.iter().for_each(|(name, bytes)| add(name, bytes));
    let listed = entries.iter().map(|(name, bytes)| {
        serde_json::json!({"path": name, "bytes": bytes.len(), "sha256": crate::crypto::hex(&crate::crypto::sha256(&[bytes]))})
    });
    let manifest = serde_json::json!({
        "kind": super::backup::KIND, "version": 1, "made_at": 1_700_000_000_000_i64, "seq": seq, "files": listed.collect::<Vec<_>>(),
    });
    add(super::backup::MANIFEST, manifest.to_string().as_bytes());
    std::fs::write(file, builder.into_inner().unwrap().finish().unwrap()).unwrap();
}

#[tokio::test]
async fn in_an_older_backup_damage_of_the_journal_is_fatal_and_any_other_is_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    let (data, file) = (dir.path().join("data"), dir.path().join("file"));
    let store = grown(&data).await;
    save(store.backup().await.unwrap(), &file).await;
    store.close().await.unwrap();
    let whole = entries(&file);
    for (folder, fatal) in [("journal/", true), ("archive/", false), ("export/", false)] {
        let mut changed = whole.clone();
        let (name, bytes) = changed.iter_mut().find(|(name, _)| name.starts_with(folder)).unwrap();
        let (name, middle) = (name.clone(), bytes.len() / 2);
        bytes[middle] ^= 0x40;
        write_backup(&file, 200, &changed);
        assert_eq!(check_backup(&file).unwrap().damaged, [], "it does not know");
        let restored = restore(file.clone(), dir.path().join(folder)).await;
        match restored {
            Err(error) => assert!(fatal && error.to_string().contains(&name), "{name}: {error}"),
            Ok(restored) => assert!(!fatal && files_of(&restored.damaged) == [&name], "{name}: {restored:?}"),
        }
    }
}

#[tokio::test]
async fn the_newest_segment_is_copied_up_to_the_first_record_that_does_not_follow() {
    let dir = tempfile::tempdir().unwrap();
    let (data, file) = (dir.path().join("data"), dir.path().join("file"));
    let store = open(&data);
    put(&store, 0..3).await;
    let segment = scan::list(&journal_dir(&data)).unwrap()[0].path.clone();
    let mut bytes = std::fs::read(&segment).unwrap();
    let (end, last) = frame::end(&bytes);
    // What a group leaves whose first half was lost: whole by itself, and of another chain.
    let mut strange = Vec::new();
    frame::encode_onto(&mut strange, &Frame { seq: last + 1, kind: Kind::Batch, place: 1, chain: [7; 32], payload: b"strange" });
    bytes[end..end + strange.len()].copy_from_slice(&strange);
    std::fs::write(&segment, &bytes).unwrap();
    save(store.backup().await.unwrap(), &file).await;
    store.close().await.unwrap();
    let copied = entries(&file).into_iter().find(|(name, _)| name.starts_with("journal/")).unwrap().1;
    assert_eq!((copied.len(), last), (end, 3));
    assert_eq!(copied, bytes[..end]);
}
