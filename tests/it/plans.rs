//! Plans as people see them, and the ceiling that whoever runs the hub sets for a tenant.

use std::sync::Arc;

use mtbridge::{
    domain::grant::Grant,
    store::{failing::FailingStore, records},
};
use serde_json::{Value, json};

use crate::{
    cli_reads::{mtbridge, url},
    harness::{Api, PASSWORD, TestHub, buy, orders},
};

/// A key of whoever calls: with its secret, and its row's address.
async fn minted(hub: &TestHub, by: &Api, body: Value) -> (Api, String) {
    let made = by.post("/api/v1/keys", body).await.expect(201);
    (hub.api(made["key"].as_str().unwrap()), format!("/api/v1/keys/{}", made["id"].as_str().unwrap()))
}

async fn tenant_of(api: &Api) -> String {
    format!("/api/v1/tenants/{}", api.who().await["tenant"].as_str().unwrap())
}

/// The plan that an answer under the key says is in force, and how much there is of it.
async fn in_force(bot: &Api) -> String {
    bot.get("/api/v1/terminals").await.header("ratelimit-policy").to_owned()
}

const READS: [&str; 1] = ["read:account"];

#[tokio::test]
async fn everybody_who_is_signed_in_is_told_the_plans_of_this_hub_and_how_many_of_their_own_keys_have_each() {
    let hub = TestHub::start_with(|config| config.plans.enterprise = Grant { requests_per_hour: 77, concurrent: 7 }).await;
    let operator = hub.user(&hub.admin(), "owner").await;
    let (member, viewer) = (hub.user(&operator, "member").await, hub.user(&operator, "viewer").await);
    for plan in ["free", "free", "unlimited"] {
        minted(&hub, &member, json!({"plan": plan, "permissions": READS})).await;
    }
    let (_, revoked) = minted(&hub, &member, json!({"plan": "pro"})).await;
    assert_eq!(member.delete(&revoked).await.status, 204);
    let (bot, _) = minted(&hub, &member, json!({"plan": "enterprise", "permissions": READS})).await;
    let row = |plan, rate: Option<u32>, concurrent: Option<u32>, keys| json!({"plan": plan, "requests_per_hour": rate, "concurrent": concurrent, "available": true, "keys": keys});
    let wanted = |keys: [u32; 4]| {
        json!([
            row("free", Some(100), Some(5), keys[0]),
            row("pro", Some(1_000), Some(20), keys[1]),
            row("enterprise", Some(77), Some(7), keys[2]),
            row("unlimited", None, None, keys[3]),
        ])
    };
    for (who, api, keys) in [
        ("member", &member, [2, 0, 1, 1]),
        ("a bot that may only read", &bot, [2, 0, 1, 1]),
        ("operator", &operator, [0, 0, 0, 1]),
        ("viewer of the operator's", &viewer, [0, 0, 0, 1]),
    ] {
        let told = api.get("/api/v1/plans").await.expect(200);
        assert_eq!(
            (&told["data"], &told["ceiling"], &told["window_s"]),
            (&wanted(keys), &json!("unlimited"), &json!(3_600)),
            "{who}"
        );
        let beside = json!({"reduce": {"requests_per_hour": 1_200, "concurrent": 20}, "deadman": {"requests_per_hour": 7_200, "concurrent": 20}});
        assert_eq!(told["beside"], beside);
    }
}

#[tokio::test]
async fn a_ceiling_holds_at_once_for_every_key_of_the_tenant_and_for_nobody_elses() {
    let mut hub = TestHub::start().await;
    let operator = hub.user(&hub.admin(), "owner").await;
    let member = hub.user(&operator, "member").await;
    let (bot, path) = minted(&hub, &member, json!({"permissions": READS})).await;
    let (small, small_path) = minted(&hub, &member, json!({"plan": "free", "permissions": READS})).await;
    let (other, _) = minted(&hub, &operator, json!({"permissions": READS})).await;
    assert_eq!([in_force(&bot).await, in_force(&other).await], ["", ""], "no plan limits");
    let tenant = tenant_of(&member).await;
    let changed = operator.patch(&tenant, json!({"plan": "pro"})).await.expect(200);
    assert_eq!((&changed["plan"], &changed["keys"], &changed["own"]), (&json!("pro"), &json!(2), &json!(false)));
    for _ in 0..2 {
        assert_eq!(in_force(&bot).await, r#""pro";q=1000;w=3600"#);
        assert_eq!(in_force(&small).await, r#""free";q=100;w=3600"#, "what is smaller stays");
        assert_eq!(in_force(&other).await, "", "another tenant's");
        let row = member.get(&path).await.expect(200);
        assert_eq!(
            (&row["plan"], &row["effective_plan"], &row["usage"]["limit"]),
            (&json!("unlimited"), &json!("pro"), &json!(1_000))
        );
        assert_eq!(member.get(&small_path).await.expect(200)["effective_plan"], "free");
        let plans = member.get("/api/v1/plans").await.expect(200);
        let told: Vec<_> = plans["data"].as_array().unwrap().iter().map(|row| (&row["available"], &row["keys"])).collect();
        let (yes, no) = (json!(true), json!(false));
        assert_eq!(told, [(&yes, &json!(1)), (&yes, &json!(1)), (&no, &json!(0)), (&no, &json!(0))]);
        assert_eq!(plans["ceiling"], "pro");
        hub.restart().await;
        operator.post("/api/v1/session/confirm", json!({"password": PASSWORD})).await.expect(200);
        member.post("/api/v1/session/confirm", json!({"password": PASSWORD})).await.expect(200);
    }
    // Raised again, each key has what is written on it.
    operator.patch(&tenant, json!({"plan": "unlimited"})).await.expect(200);
    assert_eq!(in_force(&bot).await, "");
    let audit = hub.admin().get("/api/v1/audit?action=tenant.plan").await.expect(200);
    let told: Vec<_> = audit["data"].as_array().unwrap().iter().map(|row| row["detail"].as_str().unwrap()).collect();
    assert_eq!(told, ["plan unlimited (was pro)", "plan pro (was unlimited)"]);
    assert!(tenant.ends_with(audit["data"][0]["target"].as_str().unwrap()));
}

#[tokio::test]
async fn no_key_is_given_a_plan_above_the_ceiling_and_one_that_has_it_can_still_be_kept_and_rotated() {
    let hub = TestHub::start().await;
    let operator = hub.user(&hub.admin(), "owner").await;
    let member = hub.user(&operator, "member").await;
    let (_, above) = minted(&hub, &member, json!({"plan": "enterprise", "permissions": READS})).await;
    operator.patch(&tenant_of(&member).await, json!({"plan": "pro"})).await.expect(200);
    for plan in ["enterprise", "unlimited"] {
        let told = member.post("/api/v1/keys", json!({"plan": plan})).await.refused(403, "plan_above_ceiling");
        assert_eq!((&told["ceiling"], &told["field"]), (&json!("pro"), &json!("plan")));
        assert!(told["message"].as_str().unwrap().contains("`pro` at most"), "{told}");
    }
    // Left out it is the largest that there is.
    let made = member.post("/api/v1/keys", json!({"permissions": ["admin"]})).await.expect(201);
    assert_eq!((&made["plan"], &made["effective_plan"]), (&json!("pro"), &json!("pro")));
    let by_key = hub.api(made["key"].as_str().unwrap());
    by_key.post("/api/v1/keys", json!({"plan": "enterprise"})).await.refused(403, "plan_above_ceiling");
    member.patch(&above, json!({"plan": "unlimited"})).await.refused(403, "plan_above_ceiling");
    // A form that sends all that it was shown.
    let kept = member.patch(&above, json!({"plan": "enterprise", "permissions": ["read:bars"]})).await.expect(200);
    assert_eq!((&kept["plan"], &kept["effective_plan"]), (&json!("enterprise"), &json!("pro")));
    let rotated = member.post(&format!("{above}/rotate"), json!({})).await.expect(201);
    assert_eq!((&rotated["plan"], &rotated["effective_plan"]), (&json!("enterprise"), &json!("pro")));
    assert_eq!(member.patch(&above, json!({"plan": null})).await.expect(200)["plan"], "pro");
    let hook = member.post("/api/v1/hooks", json!({"name": "tv", "kind": "tradingview"})).await.expect(201);
    let keys = member.get("/api/v1/keys").await.expect(200);
    let its = keys["data"].as_array().unwrap().iter().find(|row| row["id"] == hook["key"]).unwrap();
    assert_eq!(its["plan"], "pro", "a hook's key is no way around it");
}

#[tokio::test]
async fn a_ceiling_is_set_by_whoever_runs_the_hub_alone_and_a_key_with_a_plan_gives_no_more_than_its_own() {
    let hub = TestHub::start().await;
    let operator = hub.user(&hub.admin(), "owner").await;
    let (member, owner) = (hub.user(&operator, "member").await, hub.user(&operator, "owner").await);
    let tenant = tenant_of(&member).await;
    let (theirs, _) = minted(&hub, &member, json!({"permissions": ["admin"]})).await;
    for api in [&member, &owner, &theirs] {
        api.patch(&tenant, json!({"plan": "free"})).await.refused(403, "operator_required");
        api.get("/api/v1/tenants").await.refused(403, "operator_required");
    }
    for body in [json!({}), json!({"plan": null}), json!({"plan": "gold"}), json!({"plan": "free", "name": "x"})] {
        operator.patch(&tenant, body).await.refused(422, "validation_error");
    }
    for id in ["own_00000000000000000000000009", "usr_1", "hub"] {
        operator.patch(&format!("/api/v1/tenants/{id}"), json!({"plan": "free"})).await.refused(404, "not_found");
    }
    operator.patch(&tenant, json!({"plan": "free"})).await.expect(200);
    let (bound, _) = minted(&hub, &operator, json!({"plan": "pro", "permissions": ["admin"]})).await;
    bound.patch(&tenant, json!({"plan": "enterprise"})).await.refused(403, "forbidden");
    assert_eq!(bound.patch(&tenant, json!({"plan": "pro"})).await.expect(200)["plan"], "pro");
    // The operator's own keys too, and whoever set it can lift it.
    let own = tenant_of(&operator).await;
    assert_eq!(hub.admin().patch(&own, json!({"plan": "free"})).await.expect(200)["own"], true);
    assert_eq!(in_force(&hub.admin()).await, r#""free";q=100;w=3600"#);
    operator.patch(&own, json!({"plan": "unlimited"})).await.expect(200);
    assert_eq!(in_force(&hub.admin()).await, "");
}

#[tokio::test]
async fn tenants_are_listed_page_by_page_with_how_much_is_theirs() {
    let hub = TestHub::start().await;
    let operator = hub.user(&hub.admin(), "owner").await;
    let member = hub.user(&operator, "member").await;
    for _ in 0..3 {
        hub.made_user(&operator, "owner").await;
    }
    member.post("/api/v1/tokens", json!({})).await.expect(201);
    minted(&hub, &member, json!({})).await;
    let whole = operator.get("/api/v1/tenants").await.expect(200);
    let rows = whole["data"].as_array().unwrap();
    assert_eq!((rows.len(), &whole["next_cursor"], &rows[0]["own"]), (5, &Value::Null, &json!(true)));
    let who = member.who().await;
    let row = rows.iter().find(|row| row["id"] == who["tenant"]).unwrap();
    assert_eq!((&row["owner"]["login"], &row["plan"]), (&who["user"]["login"], &json!("unlimited")));
    assert_eq!((&row["users"], &row["keys"], &row["tokens"]), (&json!(1), &json!(1), &json!(1)));
    let (mut paged, mut path) = (Vec::new(), "/api/v1/tenants?limit=2".to_owned());
    loop {
        let page = operator.get(&path).await.expect(200);
        assert!(page["data"].as_array().unwrap().len() <= 2);
        paged.extend(page["data"].as_array().unwrap().clone());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/api/v1/tenants?limit=2&cursor={cursor}");
    }
    assert_eq!(&paged, rows);
    operator.get("/api/v1/tenants?cursor=x").await.refused(422, "validation_error");
}

#[tokio::test]
async fn a_keys_row_says_what_is_left_of_the_hour_what_is_under_way_and_how_often_it_was_one_too_many() {
    let few = Grant { requests_per_hour: 3, concurrent: 2 };
    let mut hub = TestHub::start_with(|config| config.plans.enterprise = few).await;
    let (bot, path) = minted(&hub, &hub.admin(), json!({"plan": "enterprise", "permissions": READS})).await;
    let usage = async |hub: &TestHub| {
        let list = hub.admin().get("/api/v1/keys").await.expect(200);
        let row = hub.admin().get(&path).await.expect(200);
        let mut listed =
            list["data"].as_array().unwrap().iter().find(|listed| listed["id"] == row["id"]).unwrap()["usage"].clone();
        let mut alone = row["usage"].clone();
        let hours = alone.as_object_mut().unwrap().remove("hours").unwrap();
        let limited: u64 = hours.as_array().unwrap().iter().map(|hour| hour["limited"].as_u64().unwrap()).sum();
        assert_eq!(alone["limited_24h"], limited);
        // Between the two some of the hour may have come back.
        let at = [&mut listed, &mut alone].map(|usage| usage.as_object_mut().unwrap().remove("resets_at").unwrap());
        assert_eq!(listed, alone, "the list tells the same");
        (alone, at[0].clone())
    };
    let wanted = |requests, refused, limited, used| {
        json!({"requests": requests, "refused": refused, "refused_24h": refused, "limited_24h": limited, "limit": 3, "used": used,
            "left": 3 - used, "running": 0, "running_limit": 2, "running_beside": 0})
    };
    assert_eq!(usage(&hub).await, (wanted(0, 0, 0, 0), Value::Null));
    bot.get("/api/v1/terminals").await.expect(200);
    bot.get("/api/v1/tokens").await.refused(403, "forbidden");
    let (told, resets_at) = usage(&hub).await;
    assert_eq!(told, wanted(2, 1, 0, 2));
    let wait = resets_at.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second() - jiff::Timestamp::now().as_second();
    assert!((1..=2_401).contains(&wait), "two of three are back after two thirds of an hour: {wait}");
    bot.get("/api/v1/terminals").await.expect(200);
    for _ in 0..4 {
        bot.get("/api/v1/terminals").await.refused(429, "rate_limit_exceeded");
    }
    for _ in 0..2 {
        assert_eq!(usage(&hub).await.0, wanted(7, 5, 4, 3));
        hub.restart().await;
    }
    // Where nothing limits, there is no number to tell.
    hub.admin().patch(&path, json!({"plan": "unlimited"})).await.expect(200);
    let (told, resets_at) = usage(&hub).await;
    let none = [&told["limit"], &told["used"], &told["left"], &told["running_limit"], &resets_at];
    assert!(none.iter().all(|value| value.is_null()) && told["limited_24h"] == 4, "{told}");
}

/// The one moment at which a revoked key is caught, too: the command is on the disk, and not sent.
#[tokio::test]
async fn a_trade_whose_login_ends_between_its_record_and_its_send_is_not_sent() {
    let (hub, store) = TestHub::over(|store| Arc::new(FailingStore::new(store)), |_| {}).await;
    let terminal = hub.terminal(1001).await;
    let made = hub.made_user(&hub.admin(), "owner").await;
    let login = made["login"].as_str().unwrap();
    let (anna, phone) = (hub.logged_in(login).await, hub.logged_in(login).await);
    anna.once().buy(1001).await.expect(200);
    // On a netting account nobody knows what an order does until the terminal is asked.
    let netting = hub.terminal_with(1002, |config| config.account.netting = true).await;
    let (out, ended, netted) = (anna, hub.logged_in(login).await, hub.logged_in(login).await);
    for (api, path, elsewhere) in [(out, orders(1001), false), (ended, orders(1001), true), (netted, orders(1002), true)] {
        let session = api.who().await["session"]["id"].as_str().unwrap().to_owned();
        store.hang_on(records::COMMAND_LISTS);
        let posting = api.once();
        let (answer, ()) = tokio::join!(posting.post(&path, buy()), async {
            store.hung(1).await;
            let gone = match elsewhere {
                false => api.delete("/api/v1/session").await,
                true => phone.delete(&format!("/api/v1/sessions/{session}")).await,
            };
            assert_eq!(gone.status, 204);
            store.release();
        });
        let told = String::from_utf8_lossy(&answer.bytes);
        assert!(told.contains("the login by which it was asked for ended"), "{path}: {} {told}", answer.status);
    }
    assert_eq!((terminal.broker().executed().len(), netting.broker().executed().len()), (1, 0));
    // The others of the same person go on.
    phone.once().buy(1001).await.expect(200);
    assert_eq!(terminal.broker().executed().len(), 2);
}

/// Four are under way when the login ends, and two have no record yet.
#[tokio::test]
async fn a_close_all_is_finished_for_whoever_logs_out_and_not_for_whoever_is_disabled() {
    let (hub, store) = TestHub::over(|store| Arc::new(FailingStore::new(store)), |_| {}).await;
    let hedging = hub.terminal(1001).await;
    let netting = hub.terminal_with(1002, |config| config.account.netting = true).await;
    let made = hub.made_user(&hub.admin(), "owner").await;
    let (login, user) = (made["login"].as_str().unwrap(), format!("/api/v1/users/{}", made["id"].as_str().unwrap()));
    for (number, terminal, positions) in [(1001, &hedging, 6), (1002, &netting, 1)] {
        for disabled in [false, true] {
            let anna = hub.logged_in(login).await;
            for _ in 0..6 {
                anna.once().buy(number).await.expect(200);
            }
            let before = terminal.broker().executed().len();
            store.hang_on(records::COMMAND_LISTS);
            let (posting, path) = (anna.once(), format!("/api/v1/terminals/{number}/positions/close-all"));
            let (answer, ()) = tokio::join!(posting.post(&path, json!({})), async {
                store.hung(1).await;
                if disabled {
                    hub.admin().patch(&user, json!({"disabled": true})).await.expect(200);
                } else {
                    assert_eq!(anna.delete("/api/v1/session").await.status, 204);
                }
                store.release();
            });
            let (closed, told) = (terminal.broker().executed().len() - before, String::from_utf8_lossy(&answer.bytes));
            if disabled {
                assert!(closed == 0 && told.contains("the API key was revoked"), "{number}: {closed} {told}");
                hub.admin().patch(&user, json!({"disabled": false})).await.expect(200);
            } else {
                assert_eq!((answer.status, closed), (200, positions), "{number}: {told}");
            }
        }
    }
}

#[tokio::test]
async fn the_command_line_lists_tenants_and_sets_their_plans_by_id_and_by_name() {
    let hub = TestHub::start().await;
    let operator = hub.user(&hub.admin(), "owner").await;
    let member = hub.user(&operator, "member").await;
    let who = member.who().await;
    let (id, login) = (who["tenant"].as_str().unwrap(), who["user"]["login"].as_str().unwrap());
    let run = async |args: &[&str]| mtbridge(&url(&hub), &hub.admin_key, args).await;
    for (named, plan) in [(login, "pro"), (id, "free")] {
        let changed = run(&["tenant", "plan", named, plan, "--json"]).await.json();
        assert_eq!((&changed[0]["id"], &changed[0]["plan"]), (&json!(id), &json!(plan)));
    }
    let listed = run(&["tenant", "list", "--json"]).await.json();
    assert_eq!(listed.len(), 2);
    assert_eq!((&listed[1]["id"], &listed[1]["plan"]), (&json!(id), &json!("free")));
    assert!(run(&["tenant", "list"]).await.expect(0).contains(login));
    run(&["tenant", "plan", "nobody", "pro"]).await.expect(4);
    run(&["tenant", "plan", "own_00000000000000000000000009", "pro"]).await.expect(4);
    run(&["tenant", "plan", id, "gold"]).await.expect(2);
}
