//! A child (this very test binary, started again) writes and says what was acknowledged; the parent kills it and checks.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use mtbridge::store::embedded::{EmbeddedOptions, EmbeddedStore, verify_history};
use mtbridge::store::{Batch, SealScope, Store};

/// Set for the child: where to write.
const DIR: &str = "MTBRIDGE_STORE_TEST_CHILD";
/// Set for a child that exports, archives and is copied all the time.
const UPKEEP: &str = "MTBRIDGE_STORE_TEST_UPKEEP";
const TASKS: u64 = 4;
/// A task deletes what is this many batches old.
const WINDOW: u64 = 50;

fn open(dir: &Path) -> EmbeddedStore {
    let often = if std::env::var_os(UPKEEP).is_some() { Duration::from_nanos(1) } else { Duration::ZERO };
    let options =
        EmbeddedOptions { segment_bytes: 128 << 10, free_space_floor: 0, export_every: often, ..EmbeddedOptions::new(dir) };
    EmbeddedStore::open(options).unwrap()
}

fn scope(task: u64) -> SealScope {
    SealScope::new("owner", task, "Demo")
}

fn key(task: u64, batch: u64, record: u64) -> Vec<u8> {
    format!("t{task}/b{batch:08}/{record}").into_bytes()
}

fn records(batch: u64) -> u64 {
    1 + batch % 5
}

/// What a record holds: of some hundred bytes, and now and then long enough to be cut into chunks.
fn content(task: u64, batch: u64, record: u64) -> Vec<u8> {
    let length = if (batch + record).is_multiple_of(17) { 9_000 } else { 40 + (batch * 37 + record * 101) % 500 };
    (0..length).map(|at| (at * 7 + task + batch * 3 + record) as u8).collect()
}

/// One atomic batch: records (one of them sealed), a head that counts, and deletes behind the window.
fn batch(task: u64, number: u64) -> Batch {
    let mut batch = Batch::admission().put(format!("t{task}/head"), number.to_string());
    for record in 0..records(number) {
        let (key, content) = (key(task, number, record), content(task, number, record));
        batch = if record == 0 { batch.put_sealed(&scope(task), key, content) } else { batch.put(key, content) };
    }
    if number > WINDOW {
        batch = (0..records(number - WINDOW)).fold(batch, |batch, record| batch.delete(key(task, number - WINDOW, record)));
    }
    batch
}

async fn head(store: &EmbeddedStore, task: u64) -> u64 {
    let entry = store.get(format!("t{task}/head").as_bytes()).await.unwrap();
    entry.map_or(0, |entry| String::from_utf8(entry.value).unwrap().parse().unwrap())
}

/// The child's life. As a test of its own, without the variable, it does nothing.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    #[cfg(feature = "failpoints")]
    let _armed = fail::FailScenario::setup();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Arc::new(open(Path::new(&dir)));
        let mut tasks = Vec::new();
        for task in 0..TASKS {
            let store = Arc::clone(&store);
            tasks.push(tokio::task::spawn(async move {
                for number in head(&store, task).await + 1.. {
                    store.commit(batch(task, number)).await.unwrap();
                    // One write call for a line, so that lines of two tasks never mix.
                    std::io::stdout().lock().write_all(format!("\nacknowledged {task} {number}\n").as_bytes()).unwrap();
                }
            }));
        }
        if std::env::var_os(UPKEEP).is_some() {
            let store = Arc::clone(&store);
            tasks.push(tokio::task::spawn(async move {
                loop {
                    store.upkeep().await.unwrap();
                    let mut backup = store.backup().await.unwrap();
                    while let Some(chunk) = backup.chunks.recv().await {
                        chunk.unwrap();
                    }
                }
            }));
        }
        // None of them ends well; the first that ends at all ends the child.
        futures_util::future::select_all(tasks).await.0.unwrap();
    });
}

fn spawn_child(dir: &Path, failpoints: Option<&str>) -> Child {
    // The path of the test inside of whatever binary this file is compiled into.
    let (_, module) = module_path!().split_once("::").unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "--nocapture", "--test-threads=1", &format!("{module}::child_that_writes_until_it_is_killed")]);
    command.env(DIR, dir).stdout(Stdio::piped()).stderr(Stdio::null());
    if let Some(failpoints) = failpoints {
        command.env("FAILPOINTS", failpoints);
        if ["export", "archive", "backup"].iter().any(|step| failpoints.starts_with(step)) {
            command.env(UPKEEP, "1");
        }
    }
    command.spawn().unwrap()
}

/// Reads what the child acknowledged until it ends; kills it after `lines` lines, if given.
fn run_child(dir: &Path, failpoints: Option<&str>, lines: Option<usize>, acknowledged: &mut [u64; TASKS as usize]) -> usize {
    let mut child = spawn_child(dir, failpoints);
    let mut seen = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let mut words = line.split(' ');
        if words.next() != Some("acknowledged") {
            continue;
        }
        // The last line may be cut off by the kill.
        if let (Some(Ok(task)), Some(Ok(number))) = (words.next().map(str::parse::<usize>), words.next().map(str::parse::<u64>)) {
            acknowledged[task] = acknowledged[task].max(number);
        }
        seen += 1;
        if Some(seen) == lines {
            child.kill().unwrap();
        }
    }
    let status = child.wait().unwrap();
    assert!(!status.success(), "the child never ends by itself");
    seen
}

/// Every acknowledged batch is there, every batch that is there is whole, and nothing is beyond the head.
async fn check(dir: &Path, acknowledged: &[u64]) {
    let store = open(dir);
    for task in 0..TASKS {
        let head = head(&store, task).await;
        assert!(
            head >= acknowledged[task as usize],
            "task {task}: {} was acknowledged, {head} is there",
            acknowledged[task as usize]
        );
        // At most one batch of a task is in flight, so the head is at most one ahead.
        let mut expected = Vec::new();
        for number in head.saturating_sub(WINDOW - 1).max(1)..=head {
            for record in 0..records(number) {
                expected.push((key(task, number, record), content(task, number, record)));
            }
        }
        let found = store.scan(format!("t{task}/b").as_bytes(), None, usize::MAX).await.unwrap();
        let found: Vec<_> = found.into_iter().map(|(key, entry)| (key, entry.value)).collect();
        assert!(found == expected, "task {task}: records differ, {} found, {} expected", found.len(), expected.len());
    }
    store.close().await.unwrap();
}

#[tokio::test]
async fn no_acknowledged_batch_is_lost_or_half_there_after_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = [0; TASKS as usize];
    for round in 0..20 {
        let lines = 1 + round * 53 % 400;
        assert!(run_child(dir.path(), None, Some(lines), &mut acknowledged) >= lines, "the child ended early in round {round}");
        check(dir.path(), &acknowledged).await;
    }
    assert!(acknowledged.iter().all(|count| *count > WINDOW));
}

#[cfg(feature = "failpoints")]
#[tokio::test]
async fn no_acknowledged_batch_is_lost_at_any_step_of_a_commit() {
    let steps = ["journal_before_append", "journal_before_sync", "journal_after_sync", "state_before_apply", "state_after_apply"];
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = [0; TASKS as usize];
    for (round, step) in steps.iter().cycle().take(20).enumerate() {
        let armed = format!("{step}={}*off->return", round * 7 % 23 + 1);
        run_child(dir.path(), Some(&armed), None, &mut acknowledged);
        check(dir.path(), &acknowledged).await;
    }
    assert!(acknowledged.iter().all(|count| *count > 0));
}

#[cfg(feature = "failpoints")]
#[tokio::test]
async fn a_disk_that_fills_up_loses_nothing_that_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = [0; TASKS as usize];
    for step in ["journal_write_error", "journal_sync_error", "state_apply_error"] {
        run_child(dir.path(), Some(&format!("{step}=20*off->1*return")), None, &mut acknowledged);
        check(dir.path(), &acknowledged).await;
    }
}

#[cfg(feature = "failpoints")]
#[tokio::test]
async fn no_acknowledged_batch_is_lost_at_any_step_of_an_export_an_archiving_or_a_backup() {
    let steps = [
        "export_before_rename",
        "export_after_rename",
        "archive_before_rename",
        "archive_before_remove",
        "archive_after_remove",
        "backup_before_journal",
    ];
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = [0; TASKS as usize];
    for (round, step) in steps.iter().cycle().take(18).enumerate() {
        let armed = format!("{step}={}*off->return", round % 3 + 1);
        run_child(dir.path(), Some(&armed), None, &mut acknowledged);
        check(dir.path(), &acknowledged).await;
        let history = verify_history(dir.path()).unwrap();
        assert_eq!(history.first, 1);
        // Now and then the projection is built from what is left.
        if round % 4 == 3 {
            std::fs::remove_dir_all(dir.path().join("state")).unwrap();
            check(dir.path(), &acknowledged).await;
        }
    }
    assert!(acknowledged.iter().all(|count| *count > 0));
    assert!(std::fs::read_dir(dir.path().join("archive")).unwrap().count() > 2, "segments were archived on the way");
}
