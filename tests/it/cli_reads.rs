//! The command line looks, downloads, and manages tokens and keys.

use std::path::Path;

use mtbridge::domain::account::Platform;
use serde_json::{Value, json};

use crate::harness::{
    PATIENCE, Program, TestHub,
    canned::{Canned, Say},
    platform, within,
};

/// What a command came to.
#[derive(Debug)]
pub struct Done {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Done {
    #[track_caller]
    pub fn expect(self, code: i32) -> String {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        self.out
    }

    /// Standard output line by line as JSON.
    #[track_caller]
    pub fn json(self) -> Vec<Value> {
        self.expect(0).lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect()
    }
}

/// A command to its end.
pub async fn mtbridge(url: &str, key: &str, args: &[&str]) -> Done {
    let dir = tempfile::tempdir().unwrap();
    ended(Program::start(dir.path(), args, &[("MTBRIDGE_URL", url), ("MTBRIDGE_API_KEY", key)])).await
}

pub async fn ended(mut program: Program) -> Done {
    let mut out = String::new();
    while let Some(line) = program.line().await {
        out += &(line + "\n");
    }
    let code = program.ended().await.code().expect("it ended by itself");
    Done { code, out, err: program.stderr() }
}

/// With the admin key of a hub.
async fn admin(hub: &TestHub, args: &[&str]) -> Done {
    mtbridge(&url(hub), &hub.admin_key, args).await
}

pub fn url(hub: &TestHub) -> String {
    format!("http://{}", hub.config.listen)
}

#[tokio::test]
async fn a_list_is_a_table_for_people_lines_of_json_for_scripts_and_ids_when_quiet() {
    let hub = TestHub::start().await;
    let (one, two) = (hub.terminal(1001).await, hub.terminal(1002).await);
    let table = admin(&hub, &["terminals"]).await.expect(0);
    let lines: Vec<_> = table.lines().collect();
    assert!(lines.len() == 3 && lines[0].starts_with("TERMINAL") && lines[0].contains("LAST SEEN (UTC)"), "{table}");
    assert!(lines[1].contains("1001@Demo-Server") && lines[1].contains("connected"), "{table}");
    assert_eq!(lines[1].find("1001@"), lines[0].find("ACCOUNT"), "columns are aligned: {table}");
    assert!(!table.contains('\u{1b}'), "no colour into a pipe");

    let rows = admin(&hub, &["terminals", "--json"]).await.json();
    let told = hub.admin().get("/api/v1/terminals").await.expect(200);
    assert_eq!(rows.len(), 2);
    for (row, told) in rows.iter().zip(told["data"].as_array().unwrap()) {
        assert_eq!((&row["id"], &row["session"]), (&told["id"], &told["session"]));
    }
    assert_eq!(admin(&hub, &["terminals", "-q"]).await.expect(0), format!("{}\n{}\n", one.token.id, two.token.id));

    let fields = admin(&hub, &["terminals", "1002"]).await.expect(0);
    assert!(fields.contains("account                  1002@Demo-Server"), "{fields}");
    let account = admin(&hub, &["account", "--terminal", "1002", "--json"]).await.json();
    assert_eq!((account.len(), &account[0]["login"], &account[0]["balance"]), (1, &json!(1002), &json!(10_000_000.0)));
    assert!(admin(&hub, &["account", "-t", "1002"]).await.expect(0).contains("balance          10000000.0"));
    assert!(admin(&hub, &["symbols", "-t", "1001"]).await.expect(0).contains("EURUSD"));
    assert!(admin(&hub, &["symbols", "EURUSD", "-t", "1001"]).await.expect(0).starts_with("symbol "));
    assert!(admin(&hub, &["quotes", "EURUSD", "-t", "1001"]).await.expect(0).lines().nth(1).unwrap().starts_with("EURUSD"));
}

#[tokio::test]
async fn the_book_market_watch_and_the_terminals_own_arithmetic_are_commands_too() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    if platform() == Platform::Mt4 {
        let refused = admin(&hub, &["depth", "EURUSD"]).await;
        assert!(refused.code != 0 && refused.err.contains("MetaTrader 4 has no depth of market"), "{refused:?}");
    } else {
        let book = within(PATIENCE, "the first book", async || {
            let done = admin(&hub, &["depth", "EURUSD"]).await;
            if done.code == 0 { Ok(done.out) } else { Err(done.err) }
        })
        .await;
        assert!(book.starts_with("SIDE") && book.contains("sell") && book.contains("buy"), "{book}");
        let levels = admin(&hub, &["depth", "EURUSD", "--json"]).await.json();
        assert!(levels.len() > 1 && levels[0]["price"].is_number(), "{levels:?}");
    }

    let hidden = admin(&hub, &["watchlist", "hide", "EURUSD"]).await;
    assert!(hidden.code == 0 && hidden.err.contains("EURUSD is not in the Market Watch any more"), "{hidden:?}");
    admin(&hub, &["watchlist", "show", "EURUSD"]).await.expect(0);
    admin(&hub, &["watchlist", "show", "NOSUCH"]).await.expect(4);

    let margin = admin(&hub, &["calc", "margin", "buy", "EURUSD", "0.10", "--price", "1.1"]).await.expect(0);
    assert!(margin.starts_with("margin    ") && margin.contains("currency  USD"), "{margin}");
    let profit = admin(&hub, &["calc", "profit", "sell", "EURUSD", "1", "1.1000", "1.0990", "--json"]).await.json();
    assert!((profit[0]["profit"].as_f64().unwrap() - 100.0).abs() < 1e-6, "{profit:?}");
    admin(&hub, &["calc", "profit", "sell", "EURUSD", "0", "1.1", "1.2"]).await.expect(2);
}

#[tokio::test]
async fn every_kind_of_failure_has_its_exit_code_and_says_what_is_wrong() {
    let hub = TestHub::start().await;
    let _terminals = (hub.terminal(1001).await, hub.terminal(1002).await);
    let poor = hub.mint_key(&["read:bars"]).await.key;
    let (url, good) = (url(&hub), hub.admin_key.clone());
    let dead = "http://127.0.0.1:1".to_owned();
    let cases: &[(&str, &str, &[&str], i32, &str)] = &[
        (&url, "", &["terminals"], 3, "no API key"),
        (&url, "sk_live_wrong", &["terminals"], 3, "unauthorized"),
        (&url, &poor, &["terminals"], 3, "read:account"),
        (&url, &good, &["terminals", "9999"], 4, "terminal_not_found"),
        (&url, &good, &["symbols", "XYZ", "-t", "1001"], 4, "symbol_not_found"),
        (&url, &good, &["account"], 2, "1002@Demo-Server"),
        (&url, &good, &["bars", "EURUSD", "-t", "1001", "--timeframe", "H9"], 2, "timeframe"),
        (&url, &good, &["bars", "EURUSD", "--from", "yesterday"], 2, "yesterday"),
        (&url, &good, &["terminals", "--nonsense"], 2, "--nonsense"),
        (&dead, &good, &["terminals"], 1, "no hub at http://127.0.0.1:1"),
        ("ftp://127.0.0.1", &good, &["terminals"], 2, "http"),
    ];
    for (url, key, args, code, word) in cases {
        let done = mtbridge(url, key, args).await;
        assert_eq!(done.code, *code, "{args:?}: {}", done.err);
        assert!(done.err.contains(word) && done.out.is_empty(), "{args:?}: {} {}", done.out, done.err);
        assert!(!done.err.contains(&good[12..]), "a key is shown: {}", done.err);
    }
    let problem = mtbridge(&url, &good, &["terminals", "9999", "--json"]).await;
    let body: Value = serde_json::from_str(&problem.err).unwrap();
    assert_eq!((problem.code, &body["code"]), (4, &json!("terminal_not_found")), "an error is JSON too");
}

#[tokio::test]
async fn a_terminal_that_is_offline_is_not_now() {
    let hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    terminal.sim.stop().await;
    hub.shows(&terminal.token, "offline").await;
    let done = admin(&hub, &["account", "-t", "1001"]).await;
    assert_eq!(done.code, 7, "{}", done.err);
}

#[tokio::test]
async fn the_key_comes_from_a_file_from_standard_input_or_from_the_environment_and_the_flag_wins() {
    let hub = TestHub::start().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    std::fs::write(&file, format!("{}\n", hub.admin_key)).unwrap();
    let (file, url) = (file.to_str().unwrap(), url(&hub));
    let by_variable = [("MTBRIDGE_URL", url.as_str()), ("MTBRIDGE_API_KEY_FILE", file)];
    ended(Program::start(dir.path(), &["token", "list"], &by_variable)).await.expect(0);
    let wrong = [("MTBRIDGE_URL", url.as_str()), ("MTBRIDGE_API_KEY", "sk_live_wrong")];
    ended(Program::start(dir.path(), &["token", "list", "--key-file", file], &wrong)).await.expect(0);
    assert_eq!(ended(Program::start(dir.path(), &["token", "list"], &wrong)).await.code, 3);
    // The variables of the command line do not disturb a hub that is started beside it.
    let data = dir.path().join("data");
    let args = ["serve", "--listen", "127.0.0.1:0", "--data-dir", data.to_str().unwrap()];
    let env = [by_variable[0], by_variable[1], ("MTBRIDGE_TERMINAL", "1001"), ("MTBRIDGE_STORE__FREE_SPACE_FLOOR_BYTES", "0")];
    let mut serve = Program::start(dir.path(), &args, &env);
    assert!(serve.line().await.is_some_and(|line| line.starts_with("listening on")), "{}", serve.stderr());
}

/// Everything that lies in a folder, by name.
fn files(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| !name.starts_with("stderr-")).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_download_is_what_the_hub_has_in_every_format() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let span = ["bars", "EURUSD", "-T", "M5", "--from", "2024-03-08", "--to", "2024-03-11 12:00"];
    let with = async |more: &[&str]| admin(&hub, &[&span[..], more].concat()).await;
    let asked = "/api/v1/terminals/1001/bars/EURUSD?timeframe=M5&from=2024-03-08T00:00:00Z&to=2024-03-11T12:00:00Z&limit=50000";
    let rows = hub.admin().get(asked).await.expect(200)["data"].as_array().unwrap().clone();
    assert!(rows.len() > 400, "{}", rows.len());

    for (format, name) in [("csv", "b.csv"), ("packed", "b.bin"), ("json", "b.json"), ("ndjson", "b.ndjson")] {
        let done = with(&["--format", format, "--output", &path(name)]).await;
        assert!(done.err.contains(&format!("{} bars in", rows.len())), "{}", done.err);
        assert_eq!(done.expect(0), "", "nothing but the file");
    }
    let read = |name: &str| std::fs::read(dir.path().join(name)).unwrap();
    for (format, name) in [("csv", "b.csv"), ("packed", "b.bin")] {
        assert_eq!(read(name), hub.admin().get(&format!("{asked}&format={format}")).await.bytes, "{format}");
    }
    assert_eq!(serde_json::from_slice::<Vec<Value>>(&read("b.json")).unwrap(), rows);
    let lines: Vec<Value> =
        String::from_utf8(read("b.ndjson")).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, rows);
    assert_eq!(with(&["--json", "--limit", "7"]).await.json(), rows[..7]);
    let table = with(&["--limit", "7"]).await.expect(0);
    assert_eq!((table.lines().count(), table.lines().nth(1).unwrap().get(..19)), (8, Some("2024-03-08 00:00:00")));
    let last = admin(&hub, &["bars", "EURUSD", "--limit", "3", "--json"]).await.json();
    assert_eq!((last.len(), &last[2]["complete"]), (3, &json!(false)), "without a beginning it is the last ones");

    let again = with(&["--output", &path("b.csv")]).await;
    assert!(again.code == 1 && again.err.contains("--force"), "{}", again.err);
    assert_eq!(files(dir.path()), ["b.bin", "b.csv", "b.json", "b.ndjson"]);
}

#[tokio::test]
async fn ticks_are_what_the_hub_has() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    let span = ["ticks", "EURUSD", "--from", "2024-03-11 10:00", "--to", "2024-03-11 10:05"];
    if platform() == Platform::Mt4 {
        let refused = admin(&hub, &span).await;
        assert!(refused.code != 0 && refused.err.contains("MetaTrader 4 has no history of ticks"), "{refused:?}");
        return;
    }
    let asked = "/api/v1/terminals/1001/ticks/EURUSD?from=2024-03-11T10:00:00Z&to=2024-03-11T10:05:00Z&limit=50000";
    let rows = hub.admin().get(asked).await.expect(200)["data"].as_array().unwrap().clone();
    assert!(rows.len() > 20, "{}", rows.len());
    assert_eq!(admin(&hub, &[&span[..], &["--json"]].concat()).await.json(), rows);
    let packed = hub.admin().get(&format!("{asked}&format=packed")).await.bytes;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ticks.bin");
    let done = admin(&hub, &[&span[..], &["--format", "packed", "-o", file.to_str().unwrap()]].concat()).await;
    assert!(done.err.contains(&format!("{} ticks in", rows.len())), "{}", done.err);
    assert_eq!(std::fs::read(file).unwrap(), packed);
    let table = admin(&hub, &[&span[..], &["--limit", "5"]].concat()).await.expect(0);
    assert!(table.starts_with("TIME (UTC)") && table.lines().count() == 6, "{table}");
    assert_eq!(admin(&hub, &["ticks", "EURUSD"]).await.code, 2, "ticks need a beginning");
}

fn page(bars: usize) -> String {
    (0..bars).fold("time,time_msc\n".to_owned(), |text, at| text + &format!("2024,{at}\n"))
}

#[tokio::test]
async fn pages_follow_by_their_cursor_have_one_header_and_a_page_that_is_still_loading_is_asked_for_again() {
    let mut hub = Canned::start(vec![
        Say::Answer(200, "retry-after: 1\r\n", page(1)),
        Say::Answer(200, "x-next-cursor: c1\r\n", page(3)),
        Say::Answer(200, "", page(2)),
    ])
    .await;
    let done = mtbridge(&hub.url, "sk_live_x", &["bars", "EURUSD", "--from", "2024-03-01", "--format", "csv"]).await;
    assert_eq!(done.expect(0), "time,time_msc\n2024,0\n2024,1\n2024,2\n2024,0\n2024,1\n");
    let lines = [hub.asked().await.line, hub.asked().await.line, hub.asked().await.line];
    assert!(lines[0] == lines[1] && !lines[0].contains("cursor"), "{lines:?}");
    assert!(lines[2].contains("cursor=c1") && lines[2].contains("from=2024-03-01"), "{lines:?}");
}

#[tokio::test]
async fn what_is_known_to_lack_parts_is_no_success_unless_it_was_asked_for() {
    let say = || Say::Answer(200, "x-complete: false\r\n", page(1));
    let hub = Canned::start(vec![say(), say()]).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bars.csv");
    let args = ["bars", "EURUSD", "--output", file.to_str().unwrap()];
    let done = mtbridge(&hub.url, "sk_live_x", &args).await;
    assert!(done.code == 7 && done.err.contains("--partial") && files(dir.path()).is_empty(), "{}", done.err);
    mtbridge(&hub.url, "sk_live_x", &[&args[..], &["--partial"]].concat()).await.expect(0);
    assert_eq!(files(dir.path()), ["bars.csv"]);
}

#[tokio::test]
async fn a_download_that_is_stopped_or_cut_leaves_no_half_file() {
    let first = || Say::Answer(200, "x-next-cursor: c1\r\n", page(3));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bars.csv");
    let args = ["bars", "EURUSD", "--from", "2024-03-01", "--output", file.to_str().unwrap()];

    let mut hub = Canned::start(vec![first(), Say::Nothing]).await;
    let env = [("MTBRIDGE_URL", hub.url.clone()), ("MTBRIDGE_API_KEY", "sk_live_x".to_owned())];
    let program = Program::start(dir.path(), &args, &env.each_ref().map(|(name, value)| (*name, value.as_str())));
    hub.asked().await;
    hub.asked().await;
    assert_eq!(files(dir.path()), ["bars.csv.part"], "the first page is there, and not under the name");
    program.terminate().await;
    let done = ended(program).await;
    assert_eq!((done.code, files(dir.path()).len()), (130, 0), "{}", done.err);

    let hub = Canned::start(vec![first(), Say::HangUp]).await;
    let done = mtbridge(&hub.url, "sk_live_x", &args).await;
    assert_eq!((done.code, files(dir.path()).len()), (1, 0), "{}", done.err);
}

#[tokio::test]
async fn a_closed_pipe_is_no_error() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    let (dir, url) = (tempfile::tempdir().unwrap(), url(&hub));
    let args = ["bars", "EURUSD", "--from", "2024-03-07", "--json"];
    let mut program = Program::start(dir.path(), &args, &[("MTBRIDGE_URL", &url), ("MTBRIDGE_API_KEY", &hub.admin_key)]);
    // More than a pipe holds: the rest has nobody to read it.
    assert!(program.line().await.is_some());
    let (status, stderr) = program.ended_unread().await;
    assert_eq!((status.code(), stderr.as_str()), (Some(0), ""));
}

#[tokio::test]
async fn tokens_and_keys_live_their_whole_life_from_the_command_line() {
    let hub = TestHub::start().await;
    let made = admin(&hub, &["token", "create", "desk 3"]).await;
    assert!(made.err.contains("shown once") && made.out.contains("mtb_") && made.out.contains("desk 3"), "{made:?}");
    let secret = admin(&hub, &["token", "create", "-q"]).await.expect(0);
    assert!(secret.starts_with("mtb_") && secret.lines().count() == 1, "{secret}");
    let rows = admin(&hub, &["token", "list", "--json"]).await.json();
    let id = rows.iter().find(|row| row["name"] == "desk 3").unwrap()["id"].as_str().unwrap().to_owned();
    admin(&hub, &["token", "rename", &id, "desk 4"]).await.expect(0);
    assert!(admin(&hub, &["token", "list"]).await.expect(0).contains("desk 4"));
    let rotated = admin(&hub, &["token", "rotate", &id, "--overlap", "60", "--json"]).await.json();
    assert!(rotated[0]["token"].as_str().unwrap().starts_with("mtb_") && rotated[0]["id"] != *id);
    admin(&hub, &["token", "revoke", &id]).await.expect(0);
    assert_eq!(admin(&hub, &["token", "revoke", "tok_nonsense"]).await.code, 4);

    let terminal = hub.terminal(1001).await;
    assert_eq!(
        admin(&hub, &["token", "disconnect", &terminal.token.id]).await.code,
        2,
        "what becomes of the records must be said"
    );
    admin(&hub, &["token", "disconnect", &terminal.token.id, "--history", "keep"]).await.expect(0);
    hub.shows(&terminal.token, "pending").await;

    let limits = r#"{"max_order_volume": 0.5}"#;
    let args =
        ["key", "create", "bot", "--permission", "read:bars,trade:write", "--limits", limits, "--expires", "2999-01-01", "-q"];
    let key = admin(&hub, &args).await.expect(0);
    assert_eq!(mtbridge(&url(&hub), key.trim(), &["key", "list"]).await.code, 3, "it is no admin key");
    let rows = admin(&hub, &["key", "list", "--json"]).await.json();
    let bot = rows.iter().find(|row| row["name"] == "bot").unwrap();
    assert_eq!(bot["permissions"], json!(["read:bars", "trade:write"]));
    assert_eq!((&bot["limits"]["max_order_volume"], &bot["expires_at"]), (&json!(0.5), &json!("2999-01-01T00:00:00.000Z")));
    let id = bot["id"].as_str().unwrap();
    admin(&hub, &["key", "rename", id, "grid"]).await.expect(0);
    admin(&hub, &["key", "rotate", id]).await.expect(0);
    admin(&hub, &["key", "revoke", id]).await.expect(0);
    assert_eq!(mtbridge(&url(&hub), key.trim(), &["quotes", "EURUSD"]).await.code, 3);
    assert_eq!(admin(&hub, &["key", "create", "--permission", "fly"]).await.code, 2);
}

#[tokio::test]
async fn completion_is_there_for_each_shell_and_knows_the_commands() {
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = mtbridge("http://127.0.0.1:1", "", &["completions", shell]).await.expect(0);
        assert!(script.contains("adjudicate") && script.contains("idempotency-key"), "{shell}");
    }
}

#[tokio::test]
async fn over_tls_only_whom_the_file_vouches_for_gets_the_key() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let hub = TestHub::start_with(|config| (config.tls.cert_file, config.tls.key_file) = (Some(cert.clone()), Some(key))).await;
    let url = format!("https://{}", hub.config.listen);
    mtbridge(&url, &hub.admin_key, &["token", "list", "--ca", cert.to_str().unwrap()]).await.expect(0);
    let done = mtbridge(&url, &hub.admin_key, &["token", "list"]).await;
    assert!(done.code == 1 && done.err.contains("certificate"), "{}", done.err);
}
