//! What is one user's does not exist for another: every route against every kind of caller, and two users on one account.

use mtbridge::domain::api_key::Permission;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    harness::{Api, FakeTerminal, Terminal, TestHub, Token, buy},
    permissions::{TABLE, address, call},
};

const READS: [&str; 7] =
    ["read:bars", "read:indicators", "read:account", "read:symbols", "read:quotes", "read:positions", "read:history"];

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Nobody,
    WrongKey,
    WrongCookie,
    Viewer,
    Member,
    Owner,
    Operator,
    /// An admin key that a member made.
    MembersKey,
}

/// What a row of the table means for a kind of caller: the code of the refusal, or none where the route's own answer comes.
fn refusal(who: Who, method: &str, needs: &str) -> Option<(u16, &'static str)> {
    let forbidden = Some((403, "forbidden"));
    let operators = Some((403, "operator_required"));
    match (who, needs) {
        (_, "-") => None,
        (Who::Nobody | Who::WrongKey | Who::WrongCookie, _) => Some((401, "unauthorized")),
        (_, "any") => None,
        (Who::MembersKey, "login") => Some((403, "login_required")),
        (_, "login") => None,
        (Who::Operator, _) => None,
        (Who::Viewer, "owner" | "operator") => forbidden,
        (Who::Member | Who::MembersKey, "owner") | (Who::Member | Who::MembersKey | Who::Owner, "operator") => operators,
        (Who::Viewer, needs) if !READS.contains(&needs) || ["PUT", "PATCH", "DELETE"].contains(&method) => forbidden,
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_answers_every_kind_of_caller_as_its_row_says() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    let (operator, owner) = (hub.user(&hub.admin(), "owner").await, hub.user(&hub.admin(), "owner").await);
    let (member, viewer) = (hub.user(&operator, "member").await, hub.user(&operator, "viewer").await);
    let key = member.post("/api/v1/keys", json!({"permissions": ["admin"]})).await.expect(201);
    let callers = [
        (Who::Nobody, hub.api("")),
        (Who::WrongKey, hub.api("sk_live_wrong")),
        (Who::WrongCookie, hub.browser("mtbridge=ses_wrong")),
        (Who::Viewer, viewer),
        (Who::Member, member),
        (Who::Owner, owner),
        (Who::Operator, operator),
        (Who::MembersKey, hub.api(key["key"].as_str().unwrap())),
    ];
    let mut rows: Vec<_> = TABLE.iter().filter(|(_, path, _)| *path != mtbridge::protocol::PATH).collect();
    // Logging out ends what the others are asked by.
    rows.sort_by_key(|(method, path, _)| (*method, *path) == ("DELETE", "/api/v1/session"));
    let mut wrong = Vec::new();
    let cookies = [Who::WrongCookie, Who::Viewer, Who::Member, Who::Owner, Who::Operator];
    for (who, api) in &callers {
        for (method, path, needs) in &rows {
            let (status, code) = call(api, &method.parse::<Method>().unwrap(), path).await;
            let right = match refusal(*who, method, needs) {
                // A page opens a stream by a ticket.
                _ if *needs == "stream" && cookies.contains(who) => (status, code.as_str()) == (403, "ticket_required"),
                Some(refused) => (status, code.as_str()) == refused,
                // Logging in and setting up ask for a body that this one is not.
                None if path.starts_with("/hooks/") => (status, code.as_str()) == (404, "hook_not_found"),
                None if *needs == "-" && *method == "POST" => status == 422,
                None => !matches!(status, 401 | 403 | 500),
            };
            if !right {
                wrong.push(format!("{who:?} {method} {path} ({needs}): {status} {code}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What the hub's own tenant has, by id.
struct Theirs {
    token: String,
    key: String,
    command: String,
    user: String,
    login: String,
}

impl Theirs {
    fn address(&self, path: &str) -> String {
        let id = match path {
            path if path.contains("/tokens") => &self.token,
            path if path.contains("/keys") => &self.key,
            path if path.contains("/users") => &self.user,
            path if path.contains("/sessions") => &self.login,
            path if path.contains("/indicators") => "theirs",
            _ => &self.command,
        };
        let path = address(&path.replace("{id}", id));
        match path {
            path if path.ends_with("/quotes") => format!("{path}?symbols=EURUSD"),
            path if path.contains("/indicators/") => format!("{path}?symbol=EURUSD&timeframe=60"),
            path => path,
        }
    }

    /// A body that is right, so that only whose the thing is decides.
    fn body(method: &str, path: &str) -> Option<String> {
        let body = match path {
            _ if !["POST", "PATCH"].contains(&method) => return None,
            path if path.ends_with("/trade") => json!({"action": 1, "symbol": "EURUSD", "volume": 0.1}),
            path if path.ends_with("/calc/margin") => json!({"symbol": "EURUSD", "side": "buy", "volume": 0.1}),
            path if path.ends_with("/calc/profit") => {
                json!({"symbol": "EURUSD", "side": "buy", "volume": 0.1, "price_open": 1.0, "price_close": 1.1})
            }
            path if path.ends_with("/adjudicate") => json!({"outcome": "not_executed", "reason": "a test"}),
            path if path.ends_with("/orders") || path.ends_with("/orders/check") => buy(),
            path if path.contains("/positions/{ticket}") && method == "PATCH" => json!({"sl": 1.0}),
            path if path.contains("/orders/{ticket}") => json!({"price": 1.0}),
            path if path.ends_with("/disconnect") => json!({"history": "keep"}),
            path if path.ends_with("{id}") => json!({"name": "mine"}),
            _ => json!({}),
        };
        Some(body.to_string())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_anothers_is_not_there_on_any_route() {
    let hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    let operator = hub.user(&hub.admin(), "owner").await;
    let who = operator.who().await;
    let command = operator.once().buy(1001).await.expect(200);
    let key = operator.post("/api/v1/keys", json!({"permissions": ["trade:write"]})).await.expect(201);
    operator.post("/api/v1/deadman", json!({"timeout_s": 300, "terminal": "1001"})).await.expect(200);
    operator
        .post("/api/v1/kill-switch", json!({"scope": "1001@Demo-Server", "level": "block", "reason": "THEIRS"}))
        .await
        .expect(200);
    operator.post("/api/v1/kill-switch", json!({"scope": key["id"], "level": "block", "reason": "THEIRS"})).await.expect(200);
    let theirs = Theirs {
        token: terminal.token.id.clone(),
        key: key["id"].as_str().unwrap().to_owned(),
        command: command["id"].as_str().unwrap().to_owned(),
        user: who["user"]["id"].as_str().unwrap().to_owned(),
        login: who["session"]["id"].as_str().unwrap().to_owned(),
    };
    let member = hub.user(&operator, "member").await;
    let minted = member.post("/api/v1/keys", json!({"permissions": ["admin"]})).await.expect(201);
    let key = hub.api(minted["key"].as_str().unwrap());
    let other_owner = hub.user(&operator, "owner").await;
    let mut wrong = Vec::new();
    for (name, api) in [("member", &member), ("member's key", &key), ("another owner", &other_owner)] {
        for (method, path, needs) in TABLE.iter().filter(|(_, path, needs)| *needs != "-" && !path.ends_with("/session")) {
            let answer =
                api.once().send(method.parse().unwrap(), &theirs.address(path), Theirs::body(method, path)).await.unwrap();
            let text = String::from_utf8_lossy(&answer.bytes);
            let told = [&theirs.token, &theirs.key, &theirs.command, &theirs.user, &theirs.login, "THEIRS", "\"login\":1001"];
            let leaks = answer.status < 400 && told.iter().any(|secret| text.contains(*secret));
            // Under an id that another has too one makes one's own.
            let makes = *method == "POST" && path.ends_with("/indicators/{id}");
            let names_a_thing = !makes && (path.contains("{id}") || path.contains("{terminal}"));
            let right = !names_a_thing || matches!(answer.status, 404 | 403);
            if leaks || !right || (answer.status == 403 && needs.contains(':')) {
                wrong.push(format!("{name}: {method} {path}: {} {text}", answer.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // And all of it is there still.
    operator.get(&format!("/api/v1/tokens/{}", theirs.token)).await.expect(200);
    operator.get(&format!("/api/v1/keys/{}", theirs.key)).await.expect(200);
    assert_eq!(operator.get("/api/v1/kill-switch").await.expect(200)["data"].as_array().unwrap().len(), 2);
}

async fn terminal_of(hub: &TestHub, api: &Api, login: u64) -> Terminal {
    Terminal::start(api.mint_token().await, &hub.url(), login, |_| {}).await
}

fn ids(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_users_on_one_account_have_nothing_to_do_with_each_other() {
    let hub = TestHub::start().await;
    let [anna, bert] = [hub.user(&hub.admin(), "member").await, hub.user(&hub.admin(), "member").await];
    let annas = terminal_of(&hub, &anna, 1001).await;
    let berts = terminal_of(&hub, &bert, 1001).await;
    for (api, terminal) in [(&anna, &annas), (&bert, &berts)] {
        let seen = api.get("/api/v1/terminals").await.expect(200);
        assert_eq!(ids(&seen), [terminal.token.id.as_str()]);
    }
    // One Idempotency-Key, two commands.
    let (hers, his) =
        (anna.with_idempotency("one").buy(1001).await.expect(200), bert.with_idempotency("one").buy(1001).await.expect(200));
    assert_ne!(hers["id"], his["id"]);
    assert_ne!(hers["tag"], his["tag"], "numbers at the broker are the account's");
    assert_eq!(ids(&anna.get("/api/v1/commands?terminal=1001").await.expect(200)), [hers["id"].as_str().unwrap()]);
    assert_eq!(ids(&bert.get("/api/v1/commands?terminal=1001").await.expect(200)), [his["id"].as_str().unwrap()]);
    bert.get(&format!("/api/v1/commands/{}", hers["id"].as_str().unwrap())).await.refused(404, "not_found");
    // His switches stop him alone, of whatever scope; and the hub's is not his.
    for scope in ["owner", "1001@Demo-Server"] {
        let set = |level: &str| json!({"scope": scope, "level": level, "reason": "a test"});
        bert.post("/api/v1/kill-switch", set("block")).await.expect(200);
        bert.once().buy(1001).await.refused(409, "kill_switch");
        anna.once().buy(1001).await.expect(200);
        assert_eq!(anna.get("/api/v1/kill-switch").await.expect(200)["data"], json!([]));
        bert.post("/api/v1/kill-switch", set("off")).await.expect(200);
    }
    bert.post("/api/v1/kill-switch", json!({"scope": "hub", "level": "block", "reason": "x"}))
        .await
        .refused(403, "operator_required");
    bert.post("/api/v1/deadman", json!({"timeout_s": 300})).await.expect(200);
    assert_eq!(anna.get("/api/v1/deadman").await.expect(200)["data"], json!([]));
    // What he deletes is his.
    let path = format!("/api/v1/tokens/{}/disconnect", berts.token.id);
    bert.post("/api/v1/deadman", json!({"timeout_s": 0})).await.expect(200);
    bert.post(&path, json!({"history": "delete"})).await.expect(200);
    anna.get(&format!("/api/v1/commands/{}", hers["id"].as_str().unwrap())).await.expect(200);
    anna.once().buy(1001).await.expect(200);
    annas.agrees_with(&hers);
}

#[tokio::test]
async fn the_hubs_own_switch_stops_everybody_and_does_not_say_whose_key_it_was() {
    let hub = TestHub::start().await;
    let anna = hub.user(&hub.admin(), "member").await;
    let _terminal = terminal_of(&hub, &anna, 1001).await;
    hub.admin().post("/api/v1/kill-switch", json!({"scope": "hub", "level": "block", "reason": "a test"})).await.expect(200);
    anna.once().buy(1001).await.refused(409, "kill_switch");
    assert_eq!(anna.get("/api/v1/kill-switch").await.expect(200)["data"][0]["by"], "hub");
    let key = anna.post("/api/v1/keys", json!({"permissions": ["admin"]})).await.expect(201);
    let lift = json!({"scope": "hub", "level": "off", "reason": "mine"});
    hub.api(key["key"].as_str().unwrap()).post("/api/v1/kill-switch", lift).await.refused(403, "operator_required");
}

#[tokio::test]
async fn a_disabled_users_logins_keys_and_terminals_stop_at_once_and_come_back_with_them() {
    let hub = TestHub::start().await;
    let login = hub.made_user(&hub.admin(), "member").await;
    let anna = hub.logged_in(login["login"].as_str().unwrap()).await;
    let minted = anna.post("/api/v1/keys", json!({"permissions": ["admin"]})).await.expect(201);
    let bot = hub.api(minted["key"].as_str().unwrap());
    let token: Token = anna.mint_token().await;
    let mut terminal = FakeTerminal::enter(hub.config.listen, &token, 1001).await;
    let other = hub.terminal(2002).await;
    let path = format!("/api/v1/users/{}", login["id"].as_str().unwrap());
    let body = hub.admin().patch(&path, json!({"disabled": true})).await.expect(200);
    assert_eq!(body["state"], "disabled");
    anna.get("/api/v1/terminals").await.refused(401, "unauthorized");
    bot.get("/api/v1/terminals").await.refused(401, "unauthorized");
    assert_eq!(terminal.close_code().await, 4007);
    let authorization = format!("Authorization: Bearer {}", token.secret);
    let lines = [authorization.as_str(), "Sec-WebSocket-Protocol: mtbridge.v1"];
    let (status, body) = crate::harness::bad_upgrade(hub.config.listen, &lines).await;
    assert_eq!((status, body["code"].as_str()), (503, Some("owner_disabled")), "come back later");
    assert!(*other.connected().borrow(), "nobody else is cut");
    hub.admin().patch(&path, json!({"disabled": false})).await.expect(200);
    bot.get("/api/v1/terminals").await.expect(200);
    let _terminal = FakeTerminal::enter(hub.config.listen, &token, 1001).await;
    // Deleted, for good.
    assert_eq!(hub.admin().delete(&path).await.status, 204);
    bot.get("/api/v1/terminals").await.refused(401, "unauthorized");
    hub.admin().patch(&path, json!({"disabled": false})).await.refused(404, "not_found");
}

#[tokio::test]
async fn a_viewer_looks_at_everything_of_one_user_and_touches_nothing() {
    let hub = TestHub::start().await;
    hub.user(&hub.admin(), "owner").await;
    let owner = hub.user(&hub.admin(), "owner").await;
    let _terminal = terminal_of(&hub, &owner, 1001).await;
    let order = owner.once().buy(1001).await.expect(200);
    let viewer = hub.user(&owner, "viewer").await;
    for path in ["/api/v1/terminals", "/api/v1/terminals/1001/positions", "/api/v1/kill-switch", "/api/v1/incidents"] {
        viewer.get(path).await.expect(200);
    }
    viewer.get(&format!("/api/v1/commands/{}", order["id"].as_str().unwrap())).await.expect(200);
    viewer.once().buy(1001).await.refused(403, "forbidden");
    viewer.post("/api/v1/kill-switch", json!({"level": "block", "reason": "x"})).await.refused(403, "forbidden");
    viewer.send(Method::PUT, "/api/v1/terminals/1001/watchlist/EURUSD", None).await.unwrap().refused(403, "forbidden");
    viewer.post("/api/v1/tokens", json!({})).await.refused(403, "forbidden");
    // An owner lets others look, and makes nobody who acts; a member does neither.
    owner.post("/api/v1/users", json!({"login": "x", "role": "member"})).await.refused(403, "operator_required");
    let member = hub.user(&hub.admin(), "member").await;
    member.post("/api/v1/users", json!({"login": "x", "role": "viewer"})).await.refused(403, "operator_required");
    let listed = owner.get("/api/v1/users").await.expect(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 2, "themselves and the viewer");
}

#[tokio::test]
async fn all_accounts_are_those_of_the_callers_own_and_a_viewer_sees_what_was_sent_for_whom_they_look() {
    let hub = TestHub::start().await;
    let (anna, bert) = (hub.user(&hub.admin(), "owner").await, hub.user(&hub.admin(), "member").await);
    let (_annas, _berts) = (terminal_of(&hub, &anna, 1001).await, terminal_of(&hub, &bert, 1002).await);
    let (hers, his) = (anna.once().buy(1001).await.expect(200), bert.once().buy(1002).await.expect(200));
    let viewer = hub.user(&anna, "viewer").await;
    for (who, order) in [(&anna, &hers), (&viewer, &hers), (&bert, &his)] {
        let listed = who.get("/api/v1/commands?terminal=*").await.expect(200);
        assert_eq!(listed["data"], json!([order]), "one's own, and all of it");
        crate::harness::eventually("the deal", async || {
            let trades = who.get("/api/v1/audit/trades?account=*&kind=deal&symbol=EURUSD").await.expect(200);
            let commands: Vec<_> = trades["data"].as_array().unwrap().iter().map(|row| row["command"].clone()).collect();
            if commands == [order["id"].clone()] { Ok(()) } else { Err(trades.to_string()) }
        })
        .await;
    }
    hub.admin().get("/api/v1/commands?terminal=1002").await.refused(404, "terminal_not_found");
    // The hub's own keys see what its people made, but for a login.
    let mut told = hers;
    told["by"]["name"] = Value::Null;
    assert_eq!(hub.admin().get("/api/v1/commands?terminal=*").await.expect(200)["data"], json!([told]));
}

#[test]
fn the_reads_of_a_viewer_are_those_of_the_table() {
    for read in READS {
        assert!(read.parse::<Permission>().is_ok() && TABLE.iter().any(|(_, _, needs)| *needs == read), "{read}");
    }
}
