//! People: the first one, logging in, the password again, what a browser must show, and being put out.

use std::{path::Path, time::Duration};

use serde_json::{Value, json};

use crate::harness::{Answer, PASSWORD, Program, TestHub, eventually};

fn cookie(answer: &Answer) -> String {
    answer.header("set-cookie").split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn the_first_user_is_made_by_the_code_of_the_first_start_once_and_runs_the_hub() {
    let mut hub = TestHub::start().await;
    let code = hub.setup_code().expect("a code at the first start");
    let body = |login: &str| json!({"code": code, "login": login, "name": "Anna", "password": PASSWORD});
    let stranger = hub.api("");
    let wrong = json!({"code": "set_nothing", "login": "x", "password": PASSWORD});
    stranger.post("/api/v1/setup", wrong).await.refused(401, "code_refused");
    stranger
        .post("/api/v1/setup", json!({"code": code, "login": "anna", "password": "password1234"}))
        .await
        .refused(422, "validation_error");
    let made = stranger.post("/api/v1/setup", body("Anna@Example.com")).await.expect(201);
    assert_eq!((&made["login"], &made["role"], &made["operator"]), (&json!("anna@example.com"), &json!("owner"), &json!(true)));
    stranger.post("/api/v1/setup", body("second")).await.refused(401, "code_refused");

    let anna = hub.logged_in("anna@example.com").await;
    let who = anna.who().await;
    assert_eq!((&who["user"]["name"], &who["operator"], &who["key"]), (&json!("Anna"), &json!(true), &Value::Null));
    assert!(who["permissions"].as_array().unwrap().contains(&json!("trade:write")));
    // What existed before is hers, and the keys go on as they were.
    let token = hub.mint_token().await;
    anna.get(&format!("/api/v1/tokens/{}", token.id)).await.expect(200);
    let key = hub.admin().who().await;
    assert_eq!((&key["user"], &key["operator"]), (&Value::Null, &json!(true)));
    hub.restart().await;
    assert_eq!(hub.setup_code(), None);
}

#[tokio::test]
async fn a_hub_whose_code_was_not_used_shows_no_other_and_a_key_makes_the_first_owner() {
    let mut hub = TestHub::start().await;
    let code = hub.setup_code().unwrap();
    hub.restart().await;
    assert_eq!(hub.setup_code(), None, "shown once");
    let anna = hub.user(&hub.admin(), "owner").await;
    assert_eq!(anna.who().await["operator"], true);
    let late = json!({"code": code, "login": "late", "password": PASSWORD});
    hub.api("").post("/api/v1/setup", late).await.refused(401, "code_refused");
    let other = hub.user(&hub.admin(), "owner").await;
    assert_eq!(other.who().await["operator"], false, "every owner after the first is their own tenant");
}

#[tokio::test]
async fn a_wrong_password_an_unknown_user_and_a_disabled_one_get_the_same_answer() {
    let hub = TestHub::start().await;
    let [anna, bert] = [hub.made_user(&hub.admin(), "member").await, hub.made_user(&hub.admin(), "member").await];
    let path = format!("/api/v1/users/{}", bert["id"].as_str().unwrap());
    hub.admin().patch(&path, json!({"disabled": true})).await.expect(200);
    let login = |user: &Value| user["login"].as_str().unwrap().to_owned();
    for (login, password) in [(login(&anna), "not the password"), ("nobody".to_owned(), PASSWORD), (login(&bert), PASSWORD)] {
        let body = hub.try_login(&login, password).await.refused(401, "login_failed");
        assert_eq!(body["detail"], "login or password is wrong");
    }
    hub.admin().patch(&path, json!({"disabled": false})).await.expect(200);
    hub.logged_in(&login(&bert)).await;
}

#[tokio::test]
async fn who_guesses_is_stopped_and_the_user_comes_in_from_elsewhere() {
    let hub = TestHub::start_with(|config| config.http.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()]).await;
    let anna = hub.made_user(&hub.admin(), "member").await;
    let login = async |from: &str, password: &str| {
        let body = json!({"login": anna["login"], "password": password});
        hub.api("").with("x-forwarded-for", from).post("/api/v1/session", body).await
    };
    for _ in 0..5 {
        login("203.0.113.9", "not the password").await.refused(401, "login_failed");
    }
    let late = login("203.0.113.9", PASSWORD).await;
    let seconds: u64 = late.header("retry-after").parse().unwrap();
    assert!((800..=900).contains(&seconds), "{seconds}");
    late.refused(429, "too_many_logins");
    login("198.51.100.1", PASSWORD).await.expect(201);
}

#[tokio::test]
async fn the_cookie_is_bound_to_the_host_where_there_is_tls_and_never_readable_by_a_page() {
    let hub = TestHub::start_with(|config| config.http.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()]).await;
    let anna = hub.made_user(&hub.admin(), "member").await;
    let body = json!({"login": anna["login"], "password": PASSWORD});
    let plain = hub.api("").post("/api/v1/session", body.clone()).await;
    let set = plain.header("set-cookie").to_owned();
    assert!(set.starts_with("mtbridge=ses_") && set.ends_with("; HttpOnly; SameSite=Strict"), "{set}");
    let outside = hub.api("").with("x-forwarded-proto", "https");
    let secure = outside.post("/api/v1/session", body).await;
    let set = secure.header("set-cookie").to_owned();
    assert!(set.starts_with("__Host-mtbridge=ses_") && set.ends_with("; HttpOnly; SameSite=Strict; Secure"), "{set}");
    assert!(set.contains("; Path=/; ") && !set.contains("Domain"), "{set}");
    // Each only where it was given: what a plain page could plant does not count under TLS.
    outside.with("cookie", &cookie(&secure)).get("/api/v1/session").await.expect(200);
    outside.with("cookie", &cookie(&plain)).get("/api/v1/session").await.refused(401, "unauthorized");
    hub.api("").with("cookie", &cookie(&secure)).get("/api/v1/session").await.refused(401, "unauthorized");
}

#[tokio::test]
async fn a_page_of_another_origin_changes_nothing_by_a_login() {
    let hub = TestHub::start().await;
    let anna = hub.made_user(&hub.admin(), "member").await;
    let answer = hub.try_login(anna["login"].as_str().unwrap(), PASSWORD).await;
    let with_cookie = hub.api("").with("cookie", &cookie(&answer));
    let token = json!({"name": "planted"});
    for (name, value) in [
        ("x-nothing", "1"),
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        with_cookie.with(name, value).post("/api/v1/tokens", token.clone()).await.refused(403, "cross_site");
    }
    with_cookie.with("sec-fetch-site", "cross-site").get("/api/v1/tokens").await.refused(403, "cross_site");
    let ours = hub.browser(&cookie(&answer));
    let form = exchange_text(&hub, &cookie(&answer)).await;
    assert_eq!(form, 415, "a form cannot send JSON");
    assert_eq!(ours.get("/api/v1/tokens").await.expect(200)["data"], json!([]));
    ours.post("/api/v1/tokens", token).await.expect(201);
    // A login from another page would put its own account under the user's eyes.
    let body = json!({"login": anna["login"], "password": PASSWORD});
    hub.api("").with("origin", "https://evil.example").post("/api/v1/session", body).await.refused(403, "cross_site");
    // A key beside a cookie is judged alone.
    hub.api("sk_live_wrong").with("cookie", &cookie(&answer)).get("/api/v1/tokens").await.refused(401, "unauthorized");
}

/// What a form of this origin could send.
async fn exchange_text(hub: &TestHub, cookie: &str) -> u16 {
    let url = format!("http://{}/api/v1/tokens", hub.config.listen);
    let request = crate::harness::client().post(url).header("cookie", cookie).header("sec-fetch-site", "same-origin");
    request.header("content-type", "text/plain").body("{}").send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn logins_survive_a_restart_and_are_listed_and_ended_one_by_one() {
    let mut hub = TestHub::start().await;
    let anna = hub.made_user(&hub.admin(), "member").await;
    let login = anna["login"].as_str().unwrap();
    let (first, second) = (hub.logged_in(login).await, hub.logged_in(login).await);
    hub.restart().await;
    let listed = first.get("/api/v1/sessions").await.expect(200)["data"].as_array().unwrap().clone();
    assert_eq!(listed.iter().map(|one| one["current"] == true).collect::<Vec<_>>(), [true, false]);
    assert_eq!(listed[0]["from"], "127.0.0.1");
    let bert = hub.user(&hub.admin(), "member").await;
    let path = format!("/api/v1/sessions/{}", listed[1]["id"].as_str().unwrap());
    bert.delete(&path).await.refused(404, "not_found");
    second.who().await;
    assert_eq!(first.delete(&path).await.status, 204);
    second.get("/api/v1/session").await.refused(401, "unauthorized");
    let out = first.delete("/api/v1/session").await;
    assert_eq!((out.status, out.header("set-cookie").contains("Max-Age=0")), (204, true));
    first.get("/api/v1/session").await.refused(401, "unauthorized");
    hub.restart().await;
    first.get("/api/v1/session").await.refused(401, "unauthorized");
}

#[tokio::test]
async fn a_changed_password_ends_the_other_logins_and_a_reset_all_of_them() {
    let hub = TestHub::start().await;
    let user = hub.made_user(&hub.admin(), "member").await;
    let (login, path) = (user["login"].as_str().unwrap(), format!("/api/v1/users/{}/reset", user["id"].as_str().unwrap()));
    let (here, there) = (hub.logged_in(login).await, hub.logged_in(login).await);
    let new = "a heron walks by the river";
    let change = async |current: &str, new: &str| {
        let body = json!({"current": current, "new": new}).to_string();
        here.send(reqwest::Method::PUT, "/api/v1/session/password", Some(body)).await.unwrap()
    };
    change("not the password", new).await.refused(403, "password_wrong");
    change(PASSWORD, "too short").await.refused(422, "validation_error");
    there.who().await;
    assert_eq!(change(PASSWORD, new).await.status, 204);
    there.get("/api/v1/session").await.refused(401, "unauthorized");
    here.who().await;
    hub.try_login(login, PASSWORD).await.refused(401, "login_failed");
    hub.try_login(login, new).await.expect(201);

    here.post(&path, json!({})).await.refused(403, "operator_required");
    let code = hub.admin().post(&path, json!({})).await.expect(201)["setup_code"].clone();
    here.get("/api/v1/session").await.refused(401, "unauthorized");
    hub.try_login(login, new).await.refused(401, "login_failed");
    let set = json!({"code": code, "password": PASSWORD});
    hub.api("").post("/api/v1/setup", set.clone()).await.expect(201);
    hub.api("").post("/api/v1/setup", set).await.refused(401, "code_refused");
    hub.logged_in(login).await;
}

#[tokio::test]
async fn what_widens_asks_for_the_password_again_and_a_key_does_not() {
    let mut hub = TestHub::start().await;
    let login = hub.made_user(&hub.admin(), "owner").await["login"].as_str().unwrap().to_owned();
    let anna = hub.logged_in(&login).await;
    let trading = json!({"permissions": ["trade:write"]});
    let key = anna.post("/api/v1/keys", trading.clone()).await.expect(201)["id"].as_str().unwrap().to_owned();
    anna.post("/api/v1/kill-switch", json!({"level": "block", "reason": "a test"})).await.expect(200);
    // That the password was given a moment ago is not written down.
    hub.restart().await;
    assert_eq!(anna.who().await["session"]["confirmed_until"], Value::Null);
    let key_path = format!("/api/v1/keys/{key}");
    let limits = json!({"limits": {}});
    let off = json!({"level": "off", "reason": "a test"});
    let asked = "confirmation_required";
    anna.post("/api/v1/keys", trading.clone()).await.refused(403, asked);
    anna.post("/api/v1/keys", json!({"permissions": ["admin"]})).await.refused(403, asked);
    anna.patch(&key_path, limits.clone()).await.refused(403, asked);
    anna.post(&format!("{key_path}/rotate"), json!({})).await.refused(403, asked);
    anna.post("/api/v1/kill-switch", off.clone()).await.refused(403, asked);
    anna.post("/api/v1/users", json!({"login": "x", "role": "member"})).await.refused(403, asked);
    // What narrows or only reads does not.
    anna.post("/api/v1/keys", json!({"permissions": ["read:bars"]})).await.expect(201);
    anna.post("/api/v1/kill-switch", json!({"level": "cancel", "reason": "a test"})).await.expect(200);
    let confirm = |password: &str| json!({"password": password});
    anna.post("/api/v1/session/confirm", confirm("not the password")).await.refused(403, "password_wrong");
    anna.post("/api/v1/keys", trading.clone()).await.refused(403, asked);
    let confirmed = anna.post("/api/v1/session/confirm", confirm(PASSWORD)).await.expect(200);
    assert!(confirmed["session"]["confirmed_until"].is_string());
    anna.patch(&key_path, limits).await.expect(200);
    anna.post("/api/v1/kill-switch", off).await.expect(200);
    hub.admin().post("/api/v1/session/confirm", confirm(PASSWORD)).await.refused(403, "login_required");
}

#[tokio::test]
async fn a_login_that_nobody_uses_ends_and_one_that_is_used_stays() {
    let hub = TestHub::start_with(|config| config.sessions.idle = Duration::from_secs(4)).await;
    let user = hub.made_user(&hub.admin(), "member").await;
    let login = user["login"].as_str().unwrap();
    let (idle, used) = (hub.logged_in(login).await, hub.logged_in(login).await);
    eventually("the idle login ends", async || {
        let left = used.get("/api/v1/sessions").await.expect(200)["data"].as_array().unwrap().len();
        if left == 1 { Ok(()) } else { Err(left.to_string()) }
    })
    .await;
    idle.get("/api/v1/session").await.refused(401, "unauthorized");
    used.who().await;
}

#[tokio::test]
async fn nobody_disables_themselves_and_the_operator_is_not_deleted() {
    let hub = TestHub::start().await;
    let boss = hub.user(&hub.admin(), "owner").await;
    let id = boss.who().await["user"]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/users/{id}");
    boss.patch(&path, json!({"disabled": true})).await.refused(409, "oneself");
    boss.delete(&path).await.refused(409, "oneself");
    hub.admin().delete(&path).await.refused(409, "last_owner");
    hub.admin().patch(&path, json!({"role": "member"})).await.refused(409, "last_owner");
    hub.admin().patch(&path, json!({"role": "viewer"})).await.refused(409, "role_fixed");
    let member = hub.made_user(&boss, "member").await;
    let taken = json!({"login": member["login"], "role": "member"});
    boss.post("/api/v1/users", taken.clone()).await.refused(409, "login_taken");
    assert_eq!(boss.delete(&format!("/api/v1/users/{}", member["id"].as_str().unwrap())).await.status, 204);
    boss.post("/api/v1/users", taken).await.expect(201);
}

#[tokio::test]
async fn the_command_line_makes_lists_resets_and_disables_users() {
    let hub = TestHub::start().await;
    let url = format!("http://{}", hub.config.listen);
    let run = async |args: &[&str]| {
        let env = [("MTBRIDGE_URL", url.as_str()), ("MTBRIDGE_API_KEY", hub.admin_key.as_str())];
        let mut program = Program::start(hub.dir(), args, &env);
        let mut lines = Vec::new();
        while let Some(line) = program.line().await {
            lines.push(line);
        }
        let ended = program.ended().await;
        (ended.code(), lines, program.stderr())
    };
    let (ended, lines, stderr) = run(&["user", "create", "anna", "--role", "member", "--quiet"]).await;
    assert_eq!(ended, Some(0), "{stderr}");
    hub.api("").post("/api/v1/setup", json!({"code": lines[0], "password": PASSWORD})).await.expect(201);
    let anna = hub.logged_in("anna").await;
    let (_, ids, _) = run(&["user", "list", "--quiet"]).await;
    let id = anna.who().await["user"]["id"].as_str().unwrap().to_owned();
    assert_eq!(ids, [id.as_str()]);
    assert_eq!(run(&["user", "role", &id, "owner"]).await.0, Some(0));
    anna.get("/api/v1/session").await.refused(401, "unauthorized");
    assert_eq!(hub.logged_in("anna").await.who().await["user"]["role"], "owner");
    assert_eq!(run(&["user", "disable", &id, "--yes"]).await.0, Some(0));
    hub.try_login("anna", PASSWORD).await.refused(401, "login_failed");
    assert_eq!(run(&["user", "disable", &id, "--off"]).await.0, Some(0));
    hub.logged_in("anna").await;
    let (_, lines, _) = run(&["user", "reset", &id, "--quiet"]).await;
    hub.try_login("anna", PASSWORD).await.refused(401, "login_failed");
    hub.api("").post("/api/v1/setup", json!({"code": lines[0], "password": PASSWORD})).await.expect(201);
    assert_eq!(run(&["user", "role", "usr_nobody", "owner"]).await.0, Some(4), "not found");
}

#[tokio::test]
async fn no_password_no_login_and_no_code_is_in_any_file() {
    let mut hub = TestHub::start().await;
    let code = hub.setup_code().unwrap();
    let body = json!({"code": code, "login": "anna", "password": PASSWORD});
    hub.api("").post("/api/v1/setup", body).await.expect(201);
    let session = cookie(&hub.try_login("anna", PASSWORD).await);
    hub.try_login("anna", "a wrong one, which may be right elsewhere").await.refused(401, "login_failed");
    let reset = hub.admin().post("/api/v1/users", json!({"login": "bert", "role": "viewer"})).await.expect(201);
    let metrics = hub.admin().get("/metrics").await;
    hub.stop().await;
    let secrets = [&code, PASSWORD, session.split_once('=').unwrap().1, "a wrong one", reset["setup_code"].as_str().unwrap()];
    let mut files = 0;
    let mut look = |name: &Path, bytes: &[u8]| {
        files += 1;
        for secret in secrets {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{} has {secret}", name.display());
        }
    };
    look(Path::new("metrics"), &metrics.bytes);
    let mut folders = vec![hub.dir().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { look(&path, &std::fs::read(&path).unwrap()) }
        }
    }
    assert!(files > 5, "{files}");
}
