//! A disk that fails: nothing is sent that is not recorded, nothing is acknowledged that is not durable.

use std::sync::{Arc, Mutex};

use mtbridge::{
    protocol::{FromHub, message::Reply},
    store::{Store, StoreError, failing::FailingStore, records},
};
use serde_json::json;

use crate::harness::{Heard, TestHub, buy, eventually, fake::executed, orders};

async fn failing() -> (TestHub, Arc<FailingStore>) {
    TestHub::over(|store| Arc::new(FailingStore::new(store)), |_| {}).await
}

fn broken() -> StoreError {
    StoreError::Degraded { reason: "test".into() }
}

#[tokio::test]
async fn each_commit_on_the_way_to_a_dispatch_may_fail_and_nothing_is_sent() {
    for failing_commit in [0, 1] {
        for error in [broken(), StoreError::Full { free: 1, floor: 2 }, StoreError::Closed] {
            let (hub, store) = failing().await;
            let terminal = hub.terminal(1001).await;
            if failing_commit == 1 {
                hub.admin().once().buy(1001).await.expect(200);
            }
            store.fail_next(1, error.clone());
            let api = hub.admin().with_idempotency("key");
            let answer = api.buy(1001).await;
            assert_eq!(answer.header("retry-after"), "5");
            let body = answer.refused(503, "store_unavailable");
            assert!(body["message"].as_str().unwrap().contains("nothing was sent"));
            assert_eq!(terminal.broker().requests().len(), failing_commit, "{error}: nothing reached the broker");
            assert_eq!(hub.admin().get("/api/v1/commands").await.expect(200)["data"].as_array().unwrap().len(), failing_commit);
            let again = api.buy(1001).await;
            assert_eq!(again.header("idempotency-replayed"), "", "the key was not used up");
            again.expect(200);
        }
    }
}

#[tokio::test]
async fn an_outcome_that_cannot_be_recorded_is_202_and_not_acknowledged_and_is_recorded_once_after_a_restart() {
    let (mut hub, store) = failing().await;
    let mut terminal = hub.fake(1001).await;
    let api = hub.admin().with_idempotency("key").waiting(1);
    let (answer, trade) = tokio::join!(api.buy(1001), async {
        let trade = terminal.trade().await;
        store.fail_next(usize::MAX, broken());
        terminal.send(executed(&trade, 5)).await;
        trade
    });
    let record = answer.expect(202);
    assert_eq!(record["result"], json!(null), "nobody is told what is not durable");
    // The EA says it again, and is still not acknowledged: the next frame is what a read asks, nothing before it.
    terminal.send(executed(&trade, 5)).await;
    let admin = hub.admin();
    let asking = admin.get("/api/v1/terminals/1001/account");
    let (_, heard) = tokio::join!(asking, async {
        let heard = terminal.next().await;
        if let Heard::Message(FromHub::GetAccount(get)) = &heard {
            terminal.send(Reply { call: get.call, ..Reply::default() }).await;
        }
        heard
    });
    assert!(matches!(heard, Heard::Message(FromHub::GetAccount(_))), "acknowledged what is not durable: {heard:?}");

    let token = terminal.token.clone();
    let instance = terminal.instance;
    drop(terminal);
    hub.restart().await;
    let mut back = crate::harness::FakeTerminal::connect(hub.addr(), &token).await;
    back.instance = instance;
    back.is_let_in(1001).await;
    let id = record["id"].as_str().unwrap();
    assert_eq!(back.query().await.command, trade.command, "after a restart the hub asks");
    back.send(executed(&trade, 5)).await;
    assert_eq!(back.acknowledged().await, trade.command);
    let record = hub.admin().final_command(id).await;
    assert_eq!((&record["state"], &record["result"]["deal"]), (&json!("executed"), &json!(5)));
    let again = hub.admin().with_idempotency("key").buy(1001).await;
    assert_eq!((again.header("idempotency-replayed"), &again.json["id"]), ("true", &record["id"]));
}

#[tokio::test]
async fn on_a_full_disk_new_work_is_refused_and_reads_and_outcomes_go_on() {
    let (hub, store) = failing().await;
    let mut terminal = hub.fake(1001).await;
    let mut order = buy();
    order["filling"] = json!("fok");
    let quick = hub.admin().with_idempotency("under way").with("prefer", "respond-async");
    let path = orders(1001);
    let (answer, trade) = tokio::join!(quick.post(&path, order.clone()), terminal.trade());
    let id = answer.expect(202)["id"].as_str().unwrap().to_owned();
    store.fail_next(3, StoreError::Full { free: 1, floor: 2 });
    hub.admin().once().post(&orders(1001), order.clone()).await.refused(503, "store_unavailable");
    hub.admin().post("/api/v1/tokens", json!({})).await.refused(503, "store_unavailable");
    hub.admin().post("/api/v1/keys", json!({})).await.refused(503, "store_unavailable");
    hub.admin().get("/api/v1/terminals").await.expect(200);
    hub.admin().get("/readyz").await.expect(200);
    terminal.send(executed(&trade, 5)).await;
    assert_eq!(hub.admin().final_command(&id).await["state"], "executed");
}

#[tokio::test]
async fn a_degraded_store_fails_readyz_and_every_durable_call_and_leaves_the_relay() {
    let (hub, store) = failing().await;
    let terminal = hub.terminal(1001).await;
    hub.admin().once().buy(1001).await.expect(200);
    store.degrade("the disk is gone: /secret/path");
    let ready = hub.admin().get("/readyz").await;
    let text = String::from_utf8(ready.bytes.clone()).unwrap();
    assert_eq!(ready.status, 503);
    assert!(!text.contains("/secret"), "the reason may name paths: {text}");
    hub.admin().get("/healthz").await.expect(200);
    hub.admin().once().buy(1001).await.refused(503, "store_unavailable");
    hub.admin().post("/api/v1/tokens", json!({})).await.refused(503, "store_unavailable");
    hub.admin().delete(&format!("/api/v1/tokens/{}", terminal.token.id)).await.refused(503, "store_unavailable");
    assert_eq!(terminal.broker().requests().len(), 1);
    for read in ["account", "symbols", "quotes?symbols=EURUSD", "bars/EURUSD?limit=5", "positions", "history/deals"] {
        hub.admin().get(&format!("/api/v1/terminals/1001/{read}")).await.expect(200);
    }
    assert_eq!(hub.state_of(&terminal.token).await, "connected", "presence goes on");
    // A revoke that could not be made durable is none: saying so is better than a socket that comes back.
    assert!(*terminal.connected().borrow());
}

#[tokio::test]
async fn a_caller_who_hangs_up_in_the_middle_of_a_dispatch_leaves_no_command_unsent() {
    let (hub, store) = failing().await;
    let terminal = hub.terminal(1001).await;
    hub.admin().once().buy(1001).await.expect(200);
    store.hang_on(records::COMMAND_LISTS);
    let api = hub.admin().with_idempotency("key");
    {
        let posting = api.buy(1001);
        tokio::select! {
            answer = posting => panic!("answered while the disk hangs: {answer:?}"),
            () = store.hung(1) => {}
        }
        // The connection is closed here.
    }
    store.release();
    let answer = eventually("the command is done", async || {
        let answer = api.buy(1001).await;
        if answer.json["final"] == true { Ok(answer) } else { Err(answer.json.to_string()) }
    })
    .await;
    terminal.agrees_with(&answer.expect(200));
    assert_eq!(terminal.broker().executed().len(), 2);
}

/// Fails the commits of new work while it is told to; outcomes go through.
#[derive(Debug)]
struct NoAdmission {
    inner: FailingStore,
    refusing: Mutex<bool>,
}

impl Store for NoAdmission {
    fn commit(&self, batch: mtbridge::store::Batch) -> futures_util::future::BoxFuture<'_, Result<u64, StoreError>> {
        let is_admission = format!("{batch:?}").contains("class: Admission");
        Box::pin(async move {
            if is_admission && *self.refusing.lock().unwrap() {
                // Waits like the others, then fails.
                self.inner.commit(mtbridge::store::Batch::outcome().put("x", "y")).await?;
                return Err(StoreError::Full { free: 1, floor: 2 });
            }
            self.inner.commit(batch).await
        })
    }
    fn get(&self, key: &[u8]) -> futures_util::future::BoxFuture<'_, Result<Option<mtbridge::store::Entry>, StoreError>> {
        self.inner.get(key)
    }
    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> futures_util::future::BoxFuture<'_, Result<mtbridge::store::Page, StoreError>> {
        self.inner.scan(prefix, after, limit)
    }
    fn scan_back(
        &self,
        prefix: &[u8],
        before: Option<&[u8]>,
        limit: usize,
    ) -> futures_util::future::BoxFuture<'_, Result<mtbridge::store::Page, StoreError>> {
        self.inner.scan_back(prefix, before, limit)
    }
    fn verify(
        &self,
        expected: Option<(u64, String)>,
    ) -> futures_util::future::BoxFuture<'_, Result<mtbridge::store::History, StoreError>> {
        self.inner.verify(expected)
    }
    fn changes(&self) -> tokio::sync::broadcast::Receiver<mtbridge::store::StoreChange> {
        self.inner.changes()
    }
    fn head(&self) -> u64 {
        self.inner.head()
    }
    fn replay(
        &self,
        after: u64,
        limit: usize,
    ) -> futures_util::future::BoxFuture<'_, Result<mtbridge::store::Replay, StoreError>> {
        self.inner.replay(after, limit)
    }
    fn health(&self) -> mtbridge::store::Health {
        self.inner.health()
    }
    fn last_key(&self, prefix: &[u8]) -> futures_util::future::BoxFuture<'_, Result<Option<Vec<u8>>, StoreError>> {
        self.inner.last_key(prefix)
    }
    fn upkeep(&self) -> futures_util::future::BoxFuture<'_, Result<(), StoreError>> {
        self.inner.upkeep()
    }
    fn backup(&self) -> futures_util::future::BoxFuture<'_, Result<mtbridge::store::Backup, StoreError>> {
        self.inner.backup()
    }
    fn close(&self) -> futures_util::future::BoxFuture<'_, Result<(), StoreError>> {
        self.inner.close()
    }
}

#[tokio::test]
async fn a_command_that_was_refused_for_the_disk_is_recorded_by_nobody_afterwards() {
    let make = |store| Arc::new(NoAdmission { inner: FailingStore::new(store), refusing: Mutex::new(false) });
    let (mut hub, store) = TestHub::over(make, |_| {}).await;
    let terminal = hub.terminal(1001).await;
    hub.admin().once().buy(1001).await.expect(200);
    *store.refusing.lock().unwrap() = true;
    // Only what stands for the refused record: the deal that was pushed goes to the disk when it comes.
    store.inner.hang_on(b"x");
    let api = hub.admin().once();
    let token = terminal.token.clone();
    let (answer, ()) = tokio::join!(api.buy(1001), async {
        store.inner.hung(1).await;
        // While its record is on the way to the disk, the terminal goes away: that is news about the command, too.
        terminal.sim.kill().await;
        hub.shows(&token, "offline").await;
        store.inner.release();
    });
    answer.refused(503, "store_unavailable");
    *store.refusing.lock().unwrap() = false;
    hub.stop().await;
    let disk = crate::harness::open_store(hub.dir());
    let open = disk.scan(mtbridge::store::records::OPEN_COMMANDS, None, 10).await.unwrap();
    disk.close().await.unwrap();
    assert!(open.is_empty(), "a command whose caller was told that nothing was sent stands on the disk as open");
}
