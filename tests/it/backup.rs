//! A copy of a running hub, and a hub that starts on it.

use std::path::Path;

use serde_json::json;

use crate::harness::{Program, TestHub, buy, eventually, orders};

/// `mtbridge backup` of a hub.
async fn take(dir: &Path, hub: &TestHub, key: &str, file: &Path) -> (Option<i32>, String) {
    let env = [("MTBRIDGE_URL", format!("http://{}", hub.addr())), ("MTBRIDGE_API_KEY", key.to_owned())];
    let env = env.each_ref().map(|(name, value)| (*name, value.as_str()));
    let mut program = Program::start(dir, &["backup", file.to_str().unwrap()], &env);
    assert_eq!(program.line().await, None, "nothing on standard output");
    (program.ended().await.code(), program.stderr())
}

async fn restore(dir: &Path, file: &Path, data: &Path) -> (bool, String) {
    let args = ["restore", file.to_str().unwrap(), "--data-dir", data.to_str().unwrap()];
    let mut program = Program::start(dir, &args, &[]);
    (program.ended().await.success(), program.stderr())
}

#[tokio::test]
async fn a_backup_of_a_trading_hub_restores_tokens_keys_and_commands_and_trading_is_shut_until_a_person_lifts_it() {
    let scratch = tempfile::tempdir().unwrap();
    let mut hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    let bought = hub.admin().with_idempotency("key").buy(1001).await.expect(200);
    // Trades go on while the copy is made, and none of them hurts it.
    let file = scratch.path().join("hub.tar.zst");
    let admin = hub.admin_key.clone();
    let ((code, said), later) = tokio::join!(take(scratch.path(), &hub, &admin, &file), async {
        let mut ids = Vec::new();
        for _ in 0..20 {
            ids.push(hub.admin().once().buy(1001).await.expect(200)["id"].clone());
        }
        ids
    });
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("is whole"), "{said}");
    assert_eq!(later.len(), 20);
    let token = terminal.token.clone();
    drop(terminal);
    hub.stop().await;

    let data = scratch.path().join("data");
    let (ok, said) = restore(scratch.path(), &file, &data).await;
    assert!(ok, "{said}");
    let (ok, said) = restore(scratch.path(), &file, &data).await;
    assert!(!ok && said.contains("not empty"), "{said}");

    hub.config.data_dir = data;
    hub.start_again().await;
    let found = hub.admin().get(&format!("/api/v1/commands/{}", bought["id"].as_str().unwrap())).await.expect(200);
    assert_eq!((&found["state"], &found["result"], &found["states"]), (&bought["state"], &bought["result"], &bought["states"]));
    assert_eq!(hub.state_of(&token).await, "offline", "the token and its lock are there");
    let terminal = crate::harness::Terminal::start(token, &hub.url(), 1001, |_| {}).await;
    hub.admin().once().post(&orders(1001), buy()).await.refused(409, "kill_switch");
    assert_eq!(terminal.broker().requests().len(), 0);
    let again = hub.admin().with_idempotency("key").buy(1001).await;
    assert_eq!((again.header("idempotency-replayed"), &again.json["id"]), ("true", &bought["id"]));
    hub.admin().post("/api/v1/kill-switch", json!({"scope": "hub", "level": "off", "reason": "compared"})).await.expect(200);
    eventually("the terminal has lifted its own", async || {
        let bought = hub.admin().once().buy(1001).await;
        if bought.json["code"] == "kill_switch" { Err(bought.json.to_string()) } else { Ok(bought.expect(200)) }
    })
    .await;
}

#[tokio::test]
async fn only_an_admin_may_take_a_backup_and_a_refused_one_leaves_no_file() {
    let scratch = tempfile::tempdir().unwrap();
    let hub = TestHub::start().await;
    let bot = hub.mint_key(&["read:bars", "trade:write"]).await;
    bot.get("/api/v1/backup").await.refused(403, "forbidden");
    let file = scratch.path().join("hub.tar.zst");
    let (code, said) = take(scratch.path(), &hub, "sk_live_nobody", &file).await;
    assert_eq!(code, Some(3), "{said}");
    let left: Vec<_> = std::fs::read_dir(scratch.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name.to_str().unwrap().starts_with("stderr-")), "{left:?}");
}

#[tokio::test]
async fn a_file_that_is_no_backup_is_refused_and_leaves_a_folder_that_no_hub_starts_on() {
    let scratch = tempfile::tempdir().unwrap();
    let (file, data) = (scratch.path().join("letter"), scratch.path().join("data"));
    std::fs::write(&file, "dear reader").unwrap();
    let (ok, said) = restore(scratch.path(), &file, &data).await;
    assert!(!ok && said.contains("no whole backup"), "{said}");
    let mut program = Program::start(scratch.path(), &["serve", "--data-dir", data.to_str().unwrap()], &[]);
    assert!(!program.ended().await.success());
    assert!(program.stderr().contains("restore again"), "{}", program.stderr());
}

#[tokio::test]
async fn a_damaged_archive_is_named_by_both_commands_which_succeed_and_a_planted_link_is_not_written_through() {
    let scratch = tempfile::tempdir().unwrap();
    let mut hub = TestHub::start().await;
    let (name, file, data) =
        ("archive/00000000000000000001.log.zst", scratch.path().join("hub.tar.zst"), scratch.path().join("data"));
    std::fs::write(hub.dir().join(name), "what was a segment").unwrap();
    let victim = scratch.path().join("victim");
    #[cfg(unix)]
    std::os::unix::fs::symlink(&victim, scratch.path().join("hub.tar.zst.part")).unwrap();
    let admin = hub.admin_key.clone();
    let (code, said) = take(scratch.path(), &hub, &admin, &file).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(&format!("warning: {name} was damaged in the hub's own folder")), "{said}");
    assert!(!victim.exists() && file.metadata().unwrap().is_file());
    hub.stop().await;
    let (ok, said) = restore(scratch.path(), &file, &data).await;
    assert!(ok && said.contains(&format!("warning: {name} is damaged, and the hub goes on without it")), "{said}");
    hub.config.data_dir = data;
    hub.start_again().await;
    hub.admin().get("/api/v1/tokens").await.expect(200);
}
