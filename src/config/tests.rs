//! What the settings mean, and that the commented file says the defaults.

use super::*;

#[derive(Serialize)]
struct NoFlags {}

fn load_text(text: &str) -> Result<Config, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hub.toml");
    std::fs::write(&file, text).unwrap();
    Config::load(Some(&file), &NoFlags {}).map(|loaded| loaded.config)
}

#[test]
fn the_commented_file_says_exactly_the_defaults() {
    let text = include_str!("../../config/mtbridge.toml");
    let uncommented: String =
        text.lines().map(|line| line.strip_prefix("#: ").unwrap_or(line)).fold(String::new(), |text, line| text + line + "\n");
    let written: toml_value::Table = toml_value::parse(&uncommented);
    let defaults = toml_value::of(&Config::default());
    assert_eq!(toml_value::keys(&written), toml_value::keys(&defaults));
    let mut config = load_text(text).unwrap();
    config.servers.clear();
    assert_eq!(config, Config::default());
}

/// Key paths of a file and of the defaults, so that neither has one that the other lacks.
mod toml_value {
    use std::collections::BTreeSet;

    pub(super) type Table = figment::value::Dict;

    pub(super) fn parse(text: &str) -> Table {
        toml_edit::de::from_str(text).unwrap()
    }

    pub(super) fn of(config: &super::Config) -> Table {
        figment::Figment::from(figment::providers::Serialized::defaults(config)).extract().unwrap()
    }

    pub(super) fn keys(table: &Table) -> BTreeSet<String> {
        let optional = ["admin_key", "admin_key_file", "secret_key_file", "servers", "accounts"];
        // The commented keys of `tls` have no defaults either.
        let mut found = BTreeSet::new();
        for (key, value) in table.iter().filter(|(key, _)| !optional.contains(&key.as_str())) {
            match value.as_dict() {
                Some(inner) => found.extend(inner.keys().map(|name| format!("{key}.{name}"))),
                None => drop(found.insert(key.clone())),
            }
        }
        found
    }
}

#[test]
fn a_wrong_key_is_refused_by_name() {
    let error = load_text("[terminals]\nheartbeet = \"2s\"\n").unwrap_err().to_string();
    assert!(error.ends_with("hub.toml:2: terminals.heartbeet is no setting; did you mean `heartbeat`?"), "{error}");
    let error = load_text("[terminals]\nheartbeat = \"soon\"\n").unwrap_err().to_string();
    assert!(error.contains("hub.toml:2: terminals.heartbeat cannot be used"), "{error}");
    let error = load_text("[terminal]\n\nheartbeat = \"2s\"\n").unwrap_err().to_string();
    assert!(error.ends_with("hub.toml:1: terminal is no setting; did you mean `terminals`?"), "{error}");
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_its_line() {
    let text = "log = 5\n[http]\nmax_conections = 5\nbody_timeout = \"soon\"\n[empty]\n[servers.\"A.B\"]\nutc_offset = 1\ndst = \"mars\"\n";
    let error = load_text(text).unwrap_err();
    let lines = ["hub.toml:1: log", "hub.toml:3: http.max_conections", "hub.toml:4: http.body_timeout", "hub.toml:5: empty"];
    for line in lines.into_iter().chain(["hub.toml:8: servers.A.B.dst"]) {
        assert!(error.problems.iter().any(|problem| problem.contains(line)), "{line} is not in {error}");
    }
    let error = load_text("listen = \"127.0.0.1:1\"\nlog = \"info\n").unwrap_err().to_string();
    assert!(error.contains("hub.toml:2: "), "{error}");
    assert_eq!(load_text("[servers.\"A.B\"]\nutc_offset = 1\ndst = \"us\"\n").unwrap().servers["A.B"].utc_offset, 1);
}

#[test]
fn plain_http_off_loopback_needs_a_word_from_the_operator() {
    let error = load_text("\nlisten = \"0.0.0.0:80\"\n").unwrap_err().to_string();
    for word in ["hub.toml:2: listen", "tls.cert_file", "http.trusted_proxies", "http.allow_plain"] {
        assert!(error.contains(word), "{word} is not in {error}");
    }
    for more in
        ["http.allow_plain = true", "http.trusted_proxies = [\"10.0.0.0/8\"]", "tls.cert_file = \"c\"\ntls.key_file = \"k\""]
    {
        load_text(&format!("listen = \"0.0.0.0:80\"\n{more}\n")).unwrap();
    }
    assert!(load_text("tls.cert_file = \"c\"\n").unwrap_err().to_string().contains("tls.key_file"));
}

#[test]
fn what_is_shown_can_be_read_back_and_holds_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hub.toml");
    std::fs::write(&file, "admin_key = \"sk_live_secret\"\n[terminals]\nheartbeat = \"1s\"\n").unwrap();
    let shown = Config::load(Some(&file), &NoFlags {}).unwrap().shown();
    assert!(shown.contains("heartbeat = \"1s\"  # ") && shown.contains("hub.toml:3"), "{shown}");
    assert!(!shown.contains("secret\""), "{shown}");
    assert_eq!(load_text(&shown).unwrap().terminals.heartbeat, Duration::from_secs(1));
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let error = load_text("[terminals]\nheartbeat = \"10s\"\n").unwrap_err().to_string();
    assert!(error.contains("hub.toml:2: terminals.dead_after must be"), "{error}");
}

#[test]
fn waits_that_could_record_a_running_trade_as_not_executed_are_refused() {
    let error = load_text("[trading]\nsettle = \"1s\"\n").unwrap_err().to_string();
    assert!(error.contains("trading.settle"), "{error}");
    let error = load_text("[trading]\nlongest_send = \"1s\"\n").unwrap_err().to_string();
    assert!(error.contains("trading.longest_send"), "{error}");
    assert!(load_text("[trading]\nsettle = \"1s\"\nunsafe_short_waits = true\n").is_ok());
}

#[test]
fn limits_of_accounts_are_read_by_number_and_server() {
    let config = load_text("[accounts.\"1001@Demo-Server\"]\nmax_order_volume = 2.5\n").unwrap();
    assert_eq!(config.accounts["1001@Demo-Server"].max_order_volume, Some(2.5));
    for wrong in
        ["[accounts.\"1001\"]\nsymbols = []\n", "[trading.limits]\nmax_daily_loss = -1.0\n", "[trading.limits]\nmax_lots = 1\n"]
    {
        assert!(load_text(wrong).is_err(), "{wrong}");
    }
}
