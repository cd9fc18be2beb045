//! Who asked for a command: named for people, found by it, and never told to another tenant.

use serde_json::{Value, json};

use crate::{
    harness::{
        Api, TestHub,
        controls::{ACCOUNT, set},
        eventually,
        stream::StreamClient,
    },
    indicators::ticketed,
};

fn who(kind: &str, id: &Value, name: impl Into<Value>) -> Value {
    json!({"kind": kind, "id": id, "name": name.into()})
}

async fn by(api: &Api, id: &Value) -> Vec<Value> {
    let page = api.get(&format!("/api/v1/commands?terminal=*&by={}", id.as_str().unwrap())).await.expect(200);
    page["data"].as_array().unwrap().iter().map(|row| row["id"].clone()).collect()
}

/// Who made commands, and how many.
async fn makers(api: &Api) -> Vec<(String, Value, u64)> {
    let page = api.get("/api/v1/commands/makers?terminal=*").await.expect(200);
    assert_eq!(page["next_cursor"], Value::Null);
    let row = |row: &Value| (row["kind"].as_str().unwrap().to_owned(), row["name"].clone(), row["commands"].as_u64().unwrap());
    page["data"].as_array().unwrap().iter().map(row).collect()
}

#[tokio::test]
async fn a_command_says_who_asked_for_it_and_is_found_by_that() {
    let mut hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    let key = json!({"name": "grid bot", "permissions": ["trade:write"]});
    let minted = hub.admin().post("/api/v1/keys", key).await.expect(201);
    let bot = hub.api(minted["key"].as_str().unwrap());
    let first = bot.once().buy(1001).await.expect(200);
    let grid = who("key", &minted["id"], "grid bot");
    assert_eq!(first["by"], grid);
    // A rotated key is the same bot.
    let path = format!("/api/v1/keys/{}/rotate", minted["id"].as_str().unwrap());
    let next = hub.admin().post(&path, json!({"overlap_s": 0})).await.expect(201);
    let second = hub.api(next["key"].as_str().unwrap()).once().buy(1001).await.expect(200);
    assert_eq!((&second["key"], &second["by"]), (&next["id"], &grid));
    for id in [&minted["id"], &next["id"]] {
        assert_eq!(by(&hub.admin(), id).await, [first["id"].clone(), second["id"].clone()], "by any key of the line");
    }
    // A person, by their login until they have a name.
    let owner = hub.user(&hub.admin(), "owner").await;
    let user = owner.who().await["user"].clone();
    let theirs = owner.once().buy(1001).await.expect(200);
    assert_eq!(theirs["by"], who("user", &user["id"], user["login"].clone()));
    let command = format!("/api/v1/commands/{}", theirs["id"].as_str().unwrap());
    assert_eq!(
        hub.admin().get(&command).await.expect(200)["by"],
        who("user", &user["id"], Value::Null),
        "a bot is told no login"
    );
    assert_eq!(makers(&hub.admin()).await[0], ("user".to_owned(), Value::Null, 1));
    let path = format!("/api/v1/users/{}", user["id"].as_str().unwrap());
    hub.admin().patch(&path, json!({"name": "Anna"})).await.expect(200);
    let anna = who("user", &user["id"], "Anna");
    let read = hub.admin().get(&command).await.expect(200);
    assert_eq!(read["by"], anna, "by the name of now");
    assert_eq!(by(&hub.admin(), &user["id"]).await, [theirs["id"].clone()]);
    assert_eq!(by(&hub.admin(), &theirs["key"]).await, [theirs["id"].clone()], "by their line, too");
    // Who looks and lists neither keys nor users sees the names all the same.
    let viewer = hub.user(&hub.admin(), "viewer").await;
    let rows = [("user".to_owned(), json!("Anna"), 1), ("key".to_owned(), json!("grid bot"), 2)];
    for api in [&hub.admin(), &viewer, &bot_like(&hub).await] {
        assert_eq!(makers(api).await, rows, "who made the newest first");
    }
    hub.restart().await;
    assert_eq!(makers(&hub.admin()).await, rows);
    let csv = hub.admin().get("/api/v1/commands?format=csv&limit=1").await;
    let text = String::from_utf8(csv.bytes).unwrap();
    assert!(text.starts_with("id,") && text.contains(",key,by_kind,by_id,by_name,") && text.contains(",grid bot,"), "{text}");
    hub.admin().get("/api/v1/commands?by=grid").await.refused(422, "validation_error");
}

async fn bot_like(hub: &TestHub) -> Api {
    hub.mint_key(&["trade:write"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_tell_the_login_of_a_user_without_a_name_to_people_and_never_to_a_bot() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    let owner = hub.user(&hub.admin(), "owner").await;
    let user = owner.who().await["user"].clone();
    let (mut person, mut bot) = (ticketed(&hub, &owner).await, StreamClient::with_key(hub.addr(), &hub.admin_key).await);
    for stream in [&mut person, &mut bot] {
        stream.subscribe(json!([{"topic": "commands"}]), None).await;
    }
    owner.once().buy(1001).await.expect(200);
    for (stream, name) in [(&mut person, &user["login"]), (&mut bot, &Value::Null)] {
        let told = stream.until(|message| message["kind"] == "command.executed").await;
        assert_eq!(told["data"]["by"], who("user", &user["id"], name.clone()));
    }
}

#[tokio::test]
async fn whoever_does_not_see_a_command_does_not_hear_who_made_it() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    hub.admin().once().buy(1001).await.expect(200);
    // A bot that may not trade sees no commands, and one for another account or symbol none of these.
    let mut blind = vec![hub.mint_key(&["read:account"]).await];
    for scope in [json!({"accounts": [1002]}), json!({"symbols": ["GBPUSD"]})] {
        let mut key = json!({"permissions": ["trade:write"]});
        key.as_object_mut().unwrap().extend(scope.as_object().unwrap().clone());
        let minted = hub.admin().post("/api/v1/keys", key).await.expect(201);
        blind.push(hub.api(minted["key"].as_str().unwrap()));
    }
    for api in &blind {
        assert_eq!(makers(api).await, []);
    }
    // The same of another tenant: neither by the list nor by asking for their id.
    let operator = hub.user(&hub.admin(), "owner").await;
    operator.once().buy(1001).await.expect(200);
    let theirs = operator.who().await["user"]["id"].clone();
    let member = hub.user(&operator, "member").await;
    assert_eq!(makers(&member).await, []);
    assert_eq!(by(&member, &theirs).await, [] as [Value; 0]);
    assert_eq!(by(&operator, &theirs).await.len(), 1);
}

#[tokio::test]
async fn a_command_of_a_hook_names_the_hook_whatever_key_it_acts_under() {
    let mut hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    let minted = hub.admin().post("/api/v1/keys", json!({"name": "desk", "permissions": ["trade:write"]})).await.expect(201);
    let new = json!({"kind": "tradingview", "name": "breakout", "key": minted["id"]});
    let made = hub.admin().post("/api/v1/hooks", new).await.expect(201);
    let alert = hub.api("").post_text(made["path"].as_str().unwrap(), "buy EURUSD 0.1").await.expect(202);
    let id = alert["commands"][0].clone();
    let path = format!("/api/v1/commands/{}", id.as_str().unwrap());
    hub.admin().final_command(id.as_str().unwrap()).await;
    let command = hub.admin().get(&path).await.expect(200);
    assert_eq!((&command["key"], &command["by"]), (&minted["id"], &who("hook", &made["id"], "breakout")));
    assert_eq!(by(&hub.admin(), &made["id"]).await, [id]);
    assert_eq!(by(&hub.admin(), &minted["id"]).await, [] as [Value; 0], "the key asked for nothing itself");
    let hook = format!("/api/v1/hooks/{}", made["id"].as_str().unwrap());
    hub.admin().patch(&hook, json!({"name": "breakout 2"})).await.expect(200);
    hub.restart().await;
    assert_eq!(hub.admin().get(&path).await.expect(200)["by"], who("hook", &made["id"], "breakout 2"));
    hub.admin().delete(&hook).await.expect(204);
    assert_eq!(hub.admin().get(&path).await.expect(200)["by"], who("hook", &made["id"], "desk"), "what is left of it");
}

#[tokio::test]
async fn what_carries_out_a_kill_switch_was_asked_for_by_the_hub() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    hub.admin().once().buy(1001).await.expect(200);
    set(&hub.admin(), ACCOUNT, "flatten").await;
    let command = eventually("the switch is carried out", async || {
        let found = hub.admin().get("/api/v1/commands?by=hub").await.expect(200);
        found["data"][0].as_object().cloned().ok_or_else(|| found.to_string())
    })
    .await;
    assert_eq!(command["by"], who("hub", &json!("hub"), "hub"));
}
