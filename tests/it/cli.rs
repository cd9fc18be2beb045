//! The program as it is started by hand, by a script and by a supervisor.

use std::path::Path;

use mtbridge::access::secret::{KEY_LIVE, Secret};

use crate::harness::{Api, HubProcess, Program, client, eventually};

fn key() -> String {
    Secret::generate(KEY_LIVE).unwrap().reveal().to_owned()
}

/// `serve` over a folder, on any port, with nothing preset.
fn serve(dir: &Path, args: &[&str], env: &[(&str, &str)]) -> Program {
    let data = dir.join("data");
    let mut all = vec!["serve", "--listen", "127.0.0.1:0", "--data-dir", data.to_str().unwrap()];
    all.extend_from_slice(args);
    let floor = [("MTBRIDGE_STORE__FREE_SPACE_FLOOR_BYTES", "0"), ("MTBRIDGE_STORE__SEGMENT_BYTES", "1048576")];
    let env: Vec<_> = floor.iter().chain(env).copied().collect();
    Program::start(dir, &all, &env)
}

async fn address(program: &mut Program) -> String {
    let line = program.line().await.unwrap_or_else(|| panic!("no ready line: {}", program.stderr()));
    line.strip_prefix("listening on ").unwrap_or_else(|| panic!("{line}")).to_owned()
}

#[tokio::test]
async fn key_generate_prints_one_key_of_the_right_form_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..2 {
        let mut program = Program::start(dir.path(), &["key", "generate"], &[]);
        let line = program.line().await.unwrap();
        assert!(Secret::parse(&line, &[KEY_LIVE]).is_some(), "{line}");
        assert_eq!(program.line().await, None);
        program.ended_well().await;
        assert_eq!(program.stderr(), "");
        assert!(seen.insert(line));
    }
}

#[tokio::test]
async fn the_first_start_prints_an_admin_key_once_on_standard_error_and_the_ready_line_alone_on_standard_output() {
    let dir = tempfile::tempdir().unwrap();
    let mut program = serve(dir.path(), &[], &[]);
    let http = address(&mut program).await;
    assert!(http.starts_with("http://127.0.0.1:") && !http.ends_with(":0"), "{http}");
    let stderr = program.stderr();
    let keys: Vec<_> = stderr.lines().filter(|line| line.starts_with(KEY_LIVE)).collect();
    let [key] = keys.as_slice() else { panic!("{stderr}") };
    Api::new(&http, key, client()).get("/api/v1/tokens").await.expect(200);
    program.terminate().await;
    assert_eq!(program.line().await, None, "nothing else on standard output");
    program.ended_well().await;

    let mut again = serve(dir.path(), &[], &[]);
    let http = address(&mut again).await;
    assert!(!again.stderr().contains(KEY_LIVE), "{}", again.stderr());
    Api::new(&http, key, client()).get("/api/v1/tokens").await.expect(200);
}

#[tokio::test]
async fn a_preset_admin_key_works_from_the_environment_and_from_a_private_file() {
    let (dir, first, second) = (tempfile::tempdir().unwrap(), key(), key());
    let mut program = serve(dir.path(), &[], &[("MTBRIDGE_ADMIN_KEY", &first)]);
    let http = address(&mut program).await;
    assert!(!program.stderr().contains(&first[12..]), "a preset key is not printed");
    Api::new(&http, &first, client()).get("/api/v1/tokens").await.expect(200);
    program.terminate().await;
    program.ended_well().await;

    let file = dir.path().join("admin.key");
    std::fs::write(&file, format!("{second}\n")).unwrap();
    let env = [("MTBRIDGE_ADMIN_KEY_FILE", file.to_str().unwrap())];
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let mut open = serve(dir.path(), &[], &env);
    assert_eq!(open.ended().await.code(), Some(1));
    assert!(open.stderr().contains("chmod 600"), "{}", open.stderr());
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut program = serve(dir.path(), &[], &env);
    let http = address(&mut program).await;
    for key in [&first, &second] {
        Api::new(&http, key, client()).get("/api/v1/tokens").await.expect(200);
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_settings_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hub.toml");
    std::fs::write(&file, "[terminals]\nheartbeet = \"2s\"\n").unwrap();
    let live = key();
    let test = live.replace("sk_live_", "sk_test_");
    // Arguments, variables, and the words that must be in the answer.
    type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a [&'a str]);
    let cases: &[Case<'_>] = &[
        (&["--config", file.to_str().unwrap()], &[], &["heartbeet", "heartbeat", "hub.toml"]),
        (&["--config", "/nowhere/hub.toml"], &[], &["/nowhere/hub.toml"]),
        (&[], &[("MTBRIDGE_HTTP__MAX_CONECTIONS", "5")], &["max_conections"]),
        (&[], &[("MTBRIDGE_TERMINALS__HEARTBEAT", "soon")], &["HEARTBEAT"]),
        (&[], &[("MTBRIDGE_TERMINALS__HEARTBEAT", "10s")], &["terminals.dead_after"]),
        (&[], &[("MTBRIDGE_ADMIN_KEY", "sk_live_short")], &["admin_key", "key generate"]),
        (&[], &[("MTBRIDGE_ADMIN_KEY", &test)], &["admin_key"]),
    ];
    for (args, env, words) in cases {
        let mut program = serve(dir.path(), args, env);
        assert_eq!(program.line().await, None, "it must not start: {env:?}");
        assert_eq!(program.ended().await.code(), Some(1));
        let stderr = program.stderr();
        for word in *words {
            assert!(stderr.contains(word), "`{word}` is not in: {stderr}");
        }
        assert!(!stderr.contains("panicked") && !stderr.contains(&live[12..]), "{stderr}");
    }
}

#[tokio::test]
async fn a_second_hub_on_the_same_folder_or_address_is_refused_in_words() {
    let (dir, admin) = (tempfile::tempdir().unwrap(), key());
    let mut first = serve(dir.path(), &[], &[("MTBRIDGE_ADMIN_KEY", &admin)]);
    let http = address(&mut first).await;
    let mut second = serve(dir.path(), &[], &[("MTBRIDGE_ADMIN_KEY", &admin)]);
    assert_eq!(second.ended().await.code(), Some(1));
    assert!(second.stderr().contains("in use by another process"), "{}", second.stderr());
    let other = tempfile::tempdir().unwrap();
    let mut third = serve(other.path(), &["--listen", http.trim_start_matches("http://")], &[]);
    // clap takes the later of the two flags or refuses the pair; either way the address must be in the words.
    assert!(!third.ended().await.success());
    assert!(third.stderr().contains("cannot listen on") || third.stderr().contains("--listen"), "{}", third.stderr());
    Api::new(&http, &admin, client()).get("/api/v1/tokens").await.expect(200);
}

#[tokio::test]
async fn an_address_in_use_is_refused_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = held.local_addr().unwrap().to_string();
    let data = dir.path().join("data");
    let args = ["serve", "--listen", &listen, "--data-dir", data.to_str().unwrap()];
    let mut program = Program::start(dir.path(), &args, &[("MTBRIDGE_STORE__FREE_SPACE_FLOOR_BYTES", "0")]);
    assert_eq!(program.ended().await.code(), Some(1));
    assert!(program.stderr().contains(&format!("cannot listen on {listen}")), "{}", program.stderr());
}

#[tokio::test]
async fn the_pepper_is_private_and_the_data_folder_keeps_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut program = serve(dir.path(), &[], &[]);
    address(&mut program).await;
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(dir.path().join("data/secret.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn simulate_mints_connects_and_ends_at_sigterm_with_0() {
    let (dir, admin) = (tempfile::tempdir().unwrap(), key());
    let hub = HubProcess::start(dir.path(), 0, &admin, &[]).await;
    let (api, url) = (hub.api(&admin), hub.url());
    let mut terminals = Program::start(
        dir.path(),
        &["simulate", "--url", &url, "--count", "3", "--key", &admin, "--login", "5001", "--server", "Paper"],
        &[],
    );
    let seen = eventually("three terminals", async || {
        let list = api.get("/api/v1/terminals").await.expect(200);
        let live = list["data"].as_array().unwrap().iter().filter(|row| row["state"] == "connected").count();
        if live == 3 { Ok(list) } else { Err(list.to_string()) }
    })
    .await;
    let mut logins: Vec<_> = seen["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["account"]["login"].as_u64().unwrap(), row["account"]["server"].clone()))
        .collect();
    logins.sort_by_key(|(login, _)| *login);
    assert_eq!(logins, [5001, 5002, 5003].map(|login| (login, "Paper".into())));
    terminals.terminate().await;
    assert_eq!(terminals.ended().await.code(), Some(0), "{}", terminals.stderr());
    eventually("they say goodbye", async || {
        let list = api.get("/api/v1/terminals").await.expect(200);
        let live = list["data"].as_array().unwrap().iter().filter(|row| row["state"] == "connected").count();
        if live == 0 { Ok(()) } else { Err(list.to_string()) }
    })
    .await;
    assert!(!terminals.stderr().contains(&admin[12..]), "the key is in the log");
}

#[tokio::test]
async fn serve_ends_at_sigterm_with_0_under_live_terminals_and_callers() {
    let (dir, admin) = (tempfile::tempdir().unwrap(), key());
    let mut hub = HubProcess::start(dir.path(), 0, &admin, &[]).await;
    let (api, url) = (hub.api(&admin), hub.url());
    let token = api.mint_token().await;
    let mut terminal = Program::start(dir.path(), &["simulate", "--url", &url, "--token", &token.secret], &[]);
    eventually("it is connected", async || {
        let row = api.get(&format!("/api/v1/tokens/{}", token.id)).await.expect(200);
        if row["state"] == "connected" { Ok(()) } else { Err(row.to_string()) }
    })
    .await;
    api.once().buy(1001).await.expect(200);
    hub.program.terminate().await;
    assert_eq!(hub.program.ended().await.code(), Some(0), "{}", hub.program.stderr());
    assert!(!hub.program.stderr().contains("ERROR"), "{}", hub.program.stderr());
    // The terminal waits for the hub to come back, and is then stopped by hand.
    terminal.terminate().await;
    assert_eq!(terminal.ended().await.code(), Some(0));
    let logs = hub.program.stderr() + &terminal.stderr();
    assert!(!logs.contains(&token.secret[8..]), "a token is in a log");
}

#[tokio::test]
async fn simulate_with_a_refused_token_exits_3_and_says_why() {
    let (dir, admin) = (tempfile::tempdir().unwrap(), key());
    let hub = HubProcess::start(dir.path(), 0, &admin, &[]).await;
    let (api, url) = (hub.api(&admin), hub.url());
    let token = api.mint_token().await;
    assert_eq!(api.delete(&format!("/api/v1/tokens/{}", token.id)).await.status, 204);
    for (secret, word) in [(token.secret.as_str(), "revoked"), ("mtb_wrong", "unknown token")] {
        let mut terminal = Program::start(dir.path(), &["simulate", "--url", &url, "--token", secret], &[]);
        assert_eq!(terminal.ended().await.code(), Some(3), "{}", terminal.stderr());
        let stderr = terminal.stderr();
        let last = stderr.lines().last().unwrap();
        assert!(last.starts_with("error: Error 401") && last.contains(word), "{stderr}");
    }
    // Revoked while it is connected. A key that stands in the environment for the other commands is in nobody's way.
    let token = api.mint_token().await;
    let env = [("MTBRIDGE_API_KEY", admin.as_str())];
    let mut terminal = Program::start(dir.path(), &["simulate", "--url", &url, "--token", &token.secret], &env);
    eventually("it is connected", async || {
        let row = api.get(&format!("/api/v1/tokens/{}", token.id)).await.expect(200);
        if row["state"] == "connected" { Ok(()) } else { Err(row.to_string()) }
    })
    .await;
    assert_eq!(api.delete(&format!("/api/v1/tokens/{}", token.id)).await.status, 204);
    assert_eq!(terminal.ended().await.code(), Some(3), "{}", terminal.stderr());
    assert!(terminal.stderr().contains("4500"), "{}", terminal.stderr());
}

#[tokio::test]
async fn simulate_says_what_is_wrong_with_its_arguments() {
    let dir = tempfile::tempdir().unwrap();
    let base = ["simulate", "--url", "ws://127.0.0.1:1", "--token", "mtb_x"];
    let cases: &[(&[&str], &str)] = &[
        (&["--fault", "explode:now"], "after_execute"),
        (&["--speed", "0"], "--speed"),
        (&["--bars", "/nowhere.csv"], "/nowhere.csv"),
        (&["--start", "tomorrow"], "--start"),
        (&["--login", "0"], "account number 0"),
    ];
    for (more, word) in cases {
        let args: Vec<_> = base.iter().chain(*more).copied().collect();
        let mut program = Program::start(dir.path(), &args, &[]);
        assert!(!program.ended().await.success(), "{more:?}");
        assert!(program.stderr().contains(word), "{more:?}: {}", program.stderr());
    }
    let mut program = Program::start(dir.path(), &["simulate", "--url", "https://127.0.0.1:1", "--token", "mtb_x"], &[]);
    assert!(!program.ended().await.success());
    assert!(program.stderr().contains("wss://"), "{}", program.stderr());
}
