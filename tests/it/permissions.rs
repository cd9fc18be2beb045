//! Who may call what: every route against every permission, and what a test key does not see.

use std::collections::BTreeSet;

use mtbridge::{
    api::{self, auth::Needs},
    domain::api_key::Permission,
    protocol::message::Hello,
};
use reqwest::Method;
use serde_json::json;

use crate::harness::{Api, FakeTerminal, TestHub};

/// What api.md asks for, written down a second time: `-` is open to everyone, `any` to every key and user, `login` to every user, `owner` to
/// owners for the users of their tenant, `operator` to who runs the hub.
pub const TABLE: &[(&str, &str, &str)] = &[
    ("GET", "/", "-"),
    ("GET", "/healthz", "-"),
    ("GET", "/readyz", "-"),
    ("GET", "/errors", "-"),
    ("GET", "/errors/{code}", "-"),
    ("GET", "/openapi.json", "-"),
    ("GET", "/docs", "-"),
    ("GET", "/docs/{file}", "-"),
    ("GET", "/metrics", "operator"),
    ("GET", "/ws/terminal", "-"),
    ("GET", "/api/v1/terminals", "read:account"),
    ("GET", "/api/v1/terminals/{terminal}", "read:account"),
    ("GET", "/api/v1/terminals/{terminal}/latency", "read:account"),
    ("GET", "/api/v1/terminals/{terminal}/account", "read:account"),
    ("GET", "/api/v1/terminals/{terminal}/equity", "read:account"),
    ("GET", "/api/v1/account/info", "read:account"),
    ("GET", "/api/v1/terminals/{terminal}/symbols", "read:symbols"),
    ("GET", "/api/v1/terminals/{terminal}/symbols/{symbol}", "read:symbols"),
    ("GET", "/api/v1/terminals/{terminal}/quotes", "read:quotes"),
    ("GET", "/api/v1/terminals/{terminal}/bars/{symbol}", "read:bars"),
    ("GET", "/api/v1/terminals/{terminal}/ticks/{symbol}", "read:quotes"),
    ("GET", "/api/v1/terminals/{terminal}/positions", "read:positions"),
    ("GET", "/api/v1/terminals/{terminal}/positions/{ticket}", "read:positions"),
    ("GET", "/api/v1/terminals/{terminal}/orders", "read:positions"),
    ("GET", "/api/v1/terminals/{terminal}/orders/{ticket}", "read:positions"),
    ("GET", "/api/v1/terminals/{terminal}/history/deals", "read:history"),
    ("GET", "/api/v1/terminals/{terminal}/history/orders", "read:history"),
    ("GET", "/api/v1/terminals/{terminal}/depth/{symbol}", "read:quotes"),
    ("PUT", "/api/v1/terminals/{terminal}/watchlist/{symbol}", "read:symbols"),
    ("DELETE", "/api/v1/terminals/{terminal}/watchlist/{symbol}", "read:symbols"),
    ("POST", "/api/v1/terminals/{terminal}/orders/check", "read:account"),
    ("POST", "/api/v1/terminals/{terminal}/calc/margin", "read:account"),
    ("POST", "/api/v1/terminals/{terminal}/calc/profit", "read:account"),
    ("POST", "/api/v1/terminals/{terminal}/orders", "trade:write"),
    ("PATCH", "/api/v1/terminals/{terminal}/orders/{ticket}", "trade:write"),
    ("DELETE", "/api/v1/terminals/{terminal}/orders/{ticket}", "trade:reduce"),
    ("PATCH", "/api/v1/terminals/{terminal}/positions/{ticket}", "trade:write"),
    ("POST", "/api/v1/terminals/{terminal}/positions/close-all", "trade:reduce"),
    ("POST", "/api/v1/terminals/{terminal}/positions/{ticket}/close", "trade:reduce"),
    ("POST", "/api/v1/terminals/{terminal}/trade", "trade:write"),
    ("GET", "/api/v1/commands", "any"),
    ("GET", "/api/v1/commands/makers", "any"),
    ("GET", "/api/v1/commands/{id}", "any"),
    ("POST", "/api/v1/commands/{id}/cancel", "trade:reduce"),
    ("POST", "/api/v1/commands/{id}/adjudicate", "admin"),
    ("GET", "/api/v1/kill-switch", "read:account"),
    ("POST", "/api/v1/kill-switch", "trade:reduce"),
    ("GET", "/api/v1/deadman", "read:account"),
    ("POST", "/api/v1/deadman", "trade:reduce"),
    ("GET", "/api/v1/incidents", "read:account"),
    ("GET", "/api/v1/audit/trades", "read:history"),
    ("GET", "/api/v1/stream", "stream"),
    ("GET", "/api/v1/events", "stream"),
    ("POST", "/api/v1/tickets", "any"),
    ("GET", "/api/external/bars", "read:bars"),
    ("GET", "/api/external/bars/{symbol}/{timeframe}", "read:bars"),
    ("GET", "/api/external/symbols", "read:bars"),
    ("GET", "/api/external/indicators", "read:indicators"),
    ("POST", "/api/external/indicators/{id}", "write:indicators"),
    ("GET", "/api/external/indicators/{id}", "read:indicators"),
    ("DELETE", "/api/external/indicators/{id}", "delete:indicators"),
    ("GET", "/api/v1/backup", "operator"),
    ("GET", "/api/v1/audit", "operator"),
    ("POST", "/api/v1/audit/verify", "operator"),
    ("POST", "/api/v1/credentials/revoke", "-"),
    ("GET", "/api/v1/tokens", "admin"),
    ("POST", "/api/v1/tokens", "admin"),
    ("GET", "/api/v1/tokens/{id}", "admin"),
    ("PATCH", "/api/v1/tokens/{id}", "admin"),
    ("DELETE", "/api/v1/tokens/{id}", "admin"),
    ("GET", "/api/v1/tokens/{id}/link", "admin"),
    ("POST", "/api/v1/tokens/{id}/disconnect", "admin"),
    ("POST", "/api/v1/tokens/{id}/rotate", "admin"),
    ("GET", "/api/v1/plans", "any"),
    ("GET", "/api/v1/keys", "admin"),
    ("POST", "/api/v1/keys", "admin"),
    ("GET", "/api/v1/keys/{id}", "admin"),
    ("PATCH", "/api/v1/keys/{id}", "admin"),
    ("DELETE", "/api/v1/keys/{id}", "admin"),
    ("POST", "/api/v1/keys/{id}/rotate", "admin"),
    ("GET", "/api/v1/setup", "-"),
    ("POST", "/api/v1/setup", "-"),
    ("POST", "/api/v1/session", "-"),
    ("GET", "/api/v1/session", "any"),
    ("DELETE", "/api/v1/session", "login"),
    ("POST", "/api/v1/session/confirm", "login"),
    ("PUT", "/api/v1/session/password", "login"),
    ("GET", "/api/v1/sessions", "login"),
    ("DELETE", "/api/v1/sessions/{id}", "login"),
    ("GET", "/api/v1/users", "owner"),
    ("POST", "/api/v1/users", "owner"),
    ("PATCH", "/api/v1/users/{id}", "owner"),
    ("DELETE", "/api/v1/users/{id}", "owner"),
    ("POST", "/api/v1/users/{id}/reset", "owner"),
    ("GET", "/api/v1/tenants", "operator"),
    ("PATCH", "/api/v1/tenants/{id}", "operator"),
    ("POST", "/hooks/tradingview/{hook}/{secret}", "-"),
    ("GET", "/api/v1/hooks", "admin"),
    ("POST", "/api/v1/hooks", "admin"),
    ("GET", "/api/v1/hooks/{id}", "admin"),
    ("PATCH", "/api/v1/hooks/{id}", "admin"),
    ("DELETE", "/api/v1/hooks/{id}", "admin"),
    ("POST", "/api/v1/hooks/{id}/rotate", "admin"),
    ("GET", "/api/v1/hooks/{id}/received", "admin"),
    ("GET", "/api/v1/webhooks", "admin"),
    ("POST", "/api/v1/webhooks", "admin"),
    ("GET", "/api/v1/webhooks/{id}", "admin"),
    ("PATCH", "/api/v1/webhooks/{id}", "admin"),
    ("DELETE", "/api/v1/webhooks/{id}", "admin"),
    ("POST", "/api/v1/webhooks/{id}/rotate", "admin"),
    ("POST", "/api/v1/webhooks/{id}/test", "admin"),
    ("GET", "/api/v1/webhooks/{id}/deliveries", "admin"),
    ("POST", "/api/v1/webhooks/{id}/replay", "admin"),
];

#[test]
fn the_table_of_routes_asks_for_what_the_design_says() {
    let word = |needs| match needs {
        Needs::Nothing => "-",
        Needs::AnyKey => "any",
        Needs::Login => "login",
        Needs::Owner => "owner",
        Needs::Operator => "operator",
        Needs::Stream => "stream",
        Needs::Permission(permission) => permission.name(),
    };
    let served: BTreeSet<_> =
        api::routes().iter().map(|route| (route.method.to_string(), route.path, word(route.needs))).collect();
    let wanted: BTreeSet<_> = TABLE.iter().map(|(method, path, needs)| ((*method).to_owned(), *path, *needs)).collect();
    let (surplus, missing): (Vec<_>, Vec<_>) = (served.difference(&wanted).collect(), wanted.difference(&served).collect());
    assert!(
        surplus.is_empty() && missing.is_empty(),
        "served but not in the table: {surplus:?}; in the table but not served: {missing:?}"
    );
    // What only reads or reduces must never be reachable by something that trades, and the other way round.
    for (method, path, needs) in TABLE {
        let trades = *method == "POST" && (path.ends_with("}/orders") || path.ends_with("/trade"));
        assert!(!trades || *needs == "trade:write", "{method} {path}");
    }
}

/// What a person is asked their password again for, whatever is in the body.
const CONFIRMED: &[(&str, &str)] = &[
    ("POST", "/api/v1/commands/{id}/adjudicate"),
    ("GET", "/api/v1/backup"),
    ("POST", "/api/v1/tokens"),
    ("POST", "/api/v1/tokens/{id}/rotate"),
    ("POST", "/api/v1/keys"),
    ("POST", "/api/v1/keys/{id}/rotate"),
    ("POST", "/api/v1/users"),
    ("DELETE", "/api/v1/users/{id}"),
    ("POST", "/api/v1/users/{id}/reset"),
    ("PATCH", "/api/v1/tenants/{id}"),
    ("POST", "/api/v1/hooks"),
    ("PATCH", "/api/v1/hooks/{id}"),
    ("POST", "/api/v1/hooks/{id}/rotate"),
    ("POST", "/api/v1/webhooks"),
    ("PATCH", "/api/v1/webhooks/{id}"),
    ("POST", "/api/v1/webhooks/{id}/rotate"),
];

#[test]
fn what_makes_or_widens_access_asks_for_the_password_again() {
    let asked: BTreeSet<_> =
        api::routes().iter().filter(|route| route.confirmed).map(|route| (route.method.to_string(), route.path)).collect();
    let wanted: BTreeSet<_> = CONFIRMED.iter().map(|(method, path)| ((*method).to_owned(), *path)).collect();
    assert_eq!(asked, wanted);
    // Closing, cancelling and stopping never wait for a password.
    assert!(api::routes().iter().all(|route| !route.confirmed || route.needs != Needs::Permission(Permission::TradeReduce)));
}

pub fn address(path: &str) -> String {
    let path =
        path.replace("{terminal}", "1001").replace("{symbol}", "EURUSD").replace("{ticket}", "1").replace("{timeframe}", "60");
    // An id that nothing has: who may, is told so; who may not, does not get that far.
    let kind = if path.contains("/tokens") {
        "tok_"
    } else if path.contains("/keys") {
        "key_"
    } else if path.contains("/hooks") {
        "hok_"
    } else {
        "cmd_"
    };
    path.replace("{id}", &format!("{kind}00000000000000000000000000"))
}

pub async fn call(api: &Api, method: &Method, path: &str) -> (u16, String) {
    let body = matches!(*method, Method::POST | Method::PATCH).then(|| "{}".to_owned());
    let answer = api.send(method.clone(), &address(path), body).await.unwrap();
    (answer.status, answer.json["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_lets_in_exactly_the_permissions_that_imply_what_it_needs() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    for held in Permission::all() {
        let api = hub.mint_key(&[held.name()]).await;
        for route in api::routes().into_iter().filter(|route| route.path != mtbridge::protocol::PATH) {
            let (status, code) = call(&api, &route.method, route.path).await;
            let allowed = match route.needs {
                Needs::Nothing | Needs::AnyKey | Needs::Stream => true,
                Needs::Permission(needed) => held.implies(needed),
                Needs::Owner | Needs::Operator => held == Permission::Admin,
                Needs::Login => {
                    assert_eq!((status, code.as_str()), (403, "login_required"), "{held} on {route:?}");
                    continue;
                }
            };
            // Whoever logs in shows a password there, and no key.
            if route.path.starts_with("/hooks/") {
                assert_eq!((status, code.as_str()), (404, "hook_not_found"), "{held} on {route:?}");
            } else if allowed && route.needs == Needs::Nothing && route.method == Method::POST {
                assert!(matches!(status, 401 | 422), "{held} on {route:?}: {status} {code}");
            } else if allowed {
                assert!(!matches!(status, 401 | 403), "{held} on {route:?}: {status} {code}");
                assert!(status < 500, "{held} on {route:?}: {status} {code}");
            } else {
                assert_eq!((status, code.as_str()), (403, "forbidden"), "{held} on {route:?}");
            }
        }
    }
}

#[tokio::test]
async fn every_route_that_needs_a_key_refuses_no_key_and_every_dead_one() {
    let hub = TestHub::start().await;
    let key = |body| async { hub.admin().post("/api/v1/keys", body).await.expect(201) };
    let revoked = key(json!({"permissions": ["admin"]})).await;
    assert_eq!(hub.admin().delete(&format!("/api/v1/keys/{}", revoked["id"].as_str().unwrap())).await.status, 204);
    let rotated = key(json!({"permissions": ["admin"]})).await;
    hub.admin()
        .post(&format!("/api/v1/keys/{}/rotate", rotated["id"].as_str().unwrap()), json!({"overlap_s": 0}))
        .await
        .expect(201);
    let foreign = mtbridge::access::secret::Secret::generate("sk_live_").unwrap().reveal().to_owned();
    let token = hub.mint_token().await.secret;
    let dead = ["", "sk_live_", revoked["key"].as_str().unwrap(), rotated["key"].as_str().unwrap(), &foreign, &token];
    for secret in dead {
        let api = hub.api(secret);
        for route in api::routes().into_iter().filter(|route| route.needs != Needs::Nothing) {
            let (status, code) = call(&api, &route.method, route.path).await;
            assert_eq!((status, code.as_str()), (401, "unauthorized"), "`{secret}` on {route:?}");
        }
    }
    // A second scheme, and a key in the wrong place.
    for (name, value) in [("authorization", "Basic abc"), ("x-api-key", hub.admin_key.as_str())] {
        hub.api("").with(name, value).get("/api/v1/tokens").await.refused(401, "unauthorized");
    }
    hub.api("").get(&format!("/api/v1/tokens?key={}", hub.admin_key)).await.refused(400, "secret_in_url");
}

#[tokio::test]
async fn a_403_names_what_is_missing() {
    let hub = TestHub::start().await;
    let api = hub.mint_key(&["read:bars"]).await;
    let body = api.get("/api/v1/terminals").await.refused(403, "forbidden");
    assert_eq!(body["permission"], "read:account");
}

#[tokio::test]
async fn a_test_key_does_not_see_a_terminal_with_real_money() {
    let hub = TestHub::start().await;
    for (login, trade_mode) in [(1001, 0), (2002, 2), (3003, 1)] {
        let token = hub.mint_token().await;
        let mut terminal = FakeTerminal::connect(hub.addr(), &token).await;
        terminal.send(Hello { trade_mode, ..terminal.hello(login) }).await;
        terminal.welcome().await;
        // Their sockets stay open; what happens to them is not this test's business.
        std::mem::forget(terminal);
    }
    let permissions =
        ["read:account", "read:symbols", "read:quotes", "read:bars", "read:positions", "read:history", "trade:write"];
    let minted = hub.admin().post("/api/v1/keys", json!({"permissions": permissions, "test": true})).await.expect(201);
    let key = minted["key"].as_str().unwrap();
    assert!(key.starts_with("sk_test_"));
    let api = hub.api(key);
    let seen = api.get("/api/v1/terminals").await.expect(200);
    let logins: Vec<_> = seen["data"].as_array().unwrap().iter().map(|row| row["account"]["login"].as_u64().unwrap()).collect();
    assert_eq!(logins, [1001], "demo only");
    let live = hub.mint_key(&["read:account"]).await.get("/api/v1/terminals").await.expect(200);
    assert_eq!(live["data"].as_array().unwrap().len(), 3);
    for (method, path, needs) in TABLE.iter().filter(|(_, path, needs)| path.contains("{terminal}") && !needs.is_empty()) {
        for terminal in ["2002", "2002@Demo-Server", "3003"] {
            let path = address(&path.replace("{terminal}", terminal));
            let path = if path.ends_with("/quotes") { format!("{path}?symbols=EURUSD") } else { path };
            let body = (*method == "POST").then(|| crate::harness::buy().to_string());
            let body = if path.ends_with("/trade") {
                Some(r#"{"action":1,"symbol":"EURUSD","volume":0.1}"#.into())
            } else if path.ends_with("/calc/margin") {
                Some(r#"{"symbol":"EURUSD","side":"buy","volume":0.1}"#.into())
            } else if path.ends_with("/calc/profit") {
                Some(r#"{"symbol":"EURUSD","side":"buy","volume":0.1,"price_open":1.0,"price_close":1.1}"#.into())
            } else if path.ends_with("/close") || path.ends_with("/close-all") {
                Some("{}".into())
            } else {
                body
            };
            let answer = api.once().send(method.parse().unwrap(), &path, body).await.unwrap();
            assert_eq!((answer.status, answer.json["code"].as_str()), (404, Some("terminal_not_found")), "{needs} {path}");
        }
    }
}

#[tokio::test]
async fn a_command_is_visible_to_whoever_holds_the_permission_that_made_it() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    let order = hub.admin().once().buy(1001).await.expect(200);
    let ticket = order["result"]["order"].as_u64().unwrap();
    let close = hub.admin().once().post(&format!("/api/v1/terminals/1001/positions/{ticket}/close"), json!({})).await.expect(200);
    let path = |command: &serde_json::Value| format!("/api/v1/commands/{}", command["id"].as_str().unwrap());
    for (held, sees_order, sees_close) in
        [("trade:write", true, true), ("trade:reduce", false, true), ("read:history", false, false), ("admin", true, true)]
    {
        let api = hub.mint_key(&[held]).await;
        for (command, sees) in [(&order, sees_order), (&close, sees_close)] {
            let answer = api.get(&path(command)).await;
            assert_eq!(answer.status, if sees { 200 } else { 404 }, "{held}: {}", answer.json);
        }
        let listed = api.get("/api/v1/commands").await.expect(200)["data"].as_array().unwrap().len();
        assert_eq!(listed, usize::from(sees_order) + usize::from(sees_close), "{held}");
    }
}

#[tokio::test]
async fn an_unknown_address_and_a_wrong_method_are_problems_too() {
    let hub = TestHub::start().await;
    hub.admin().get("/api/v1/nothing").await.refused(404, "not_found");
    hub.admin().delete("/api/v1/terminals").await.refused(405, "method_not_allowed");
    let index = hub.api("").get("/").await;
    assert!(index.status == 200 && String::from_utf8_lossy(&index.bytes).contains("/api/v1/terminals"));
    assert_eq!(hub.api("").get("/healthz").await.expect(200)["status"], "ok");
    assert_eq!(hub.api("").get("/readyz").await.expect(200)["status"], "ready");
}
