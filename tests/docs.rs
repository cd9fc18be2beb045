//! Documents that must not drift from the source. `tests/wire.rs` does the same for the wire.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::{collections::BTreeSet, fs, path::Path};

use mtbridge::api::{auth::Needs, routes};

const API: &str = include_str!("../docs/api.md");
const OPERATIONS: &str = include_str!("../docs/operations.md");
const SIMULATOR: &str = include_str!("../docs/simulator.md");

#[test]
fn the_api_document_lists_exactly_the_routes_that_there_are_with_their_permissions() {
    let table = API.split_once("\n## Routes\n").unwrap().1.split_once("\n## ").unwrap().0;
    let listed: Vec<_> = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | ")).collect();
    for route in routes() {
        let name = format!("{} {}", route.method, route.path);
        let (_, asks) = listed.iter().find(|(listed, _)| *listed == name).unwrap_or_else(|| panic!("docs/api.md lacks {name}"));
        if let Needs::Permission(permission) = route.needs {
            assert!(asks.starts_with(&format!("`{permission}`")), "{name} needs {permission}, the document says {asks}");
        }
    }
    let known: BTreeSet<_> = routes().iter().map(|route| format!("{} {}", route.method, route.path)).collect();
    for (route, _) in listed {
        assert!(known.contains(route), "docs/api.md lists {route}, which the hub does not serve");
    }
}

#[test]
fn the_operations_document_lists_exactly_the_metrics_that_there_are() {
    let table = OPERATIONS.split_once("\n## Metrics\n").unwrap().1.split_once("\n## ").unwrap().0;
    let listed: BTreeSet<_> = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let metrics = mtbridge::telemetry::metrics::Metrics::new();
    let known: BTreeSet<_> = metrics.names().iter().copied().collect();
    assert_eq!(listed, known);
    // Alerts that ask for what is not there never fire.
    let alerts = OPERATIONS.split_once("\n## Alerts\n").unwrap().1;
    for word in alerts.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| word.starts_with("mtbridge_")) {
        let name = ["_total", "_bucket"].iter().find_map(|suffix| word.strip_suffix(suffix)).unwrap_or(word);
        assert!(known.contains(name), "docs/operations.md speaks of {word}");
    }
}

#[test]
fn every_variable_in_the_files_for_operators_is_a_setting() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let known = include_str!("../config/mtbridge.toml");
    for file in ["Dockerfile", "deploy/mtbridge.service", "docs/operations.md"] {
        let text = fs::read_to_string(root.join(file)).unwrap();
        for word in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter_map(|word| word.strip_prefix("MTBRIDGE_"))
        {
            let key = word.to_lowercase();
            let name = key.rsplit("__").next().unwrap();
            let is_there = known.lines().any(|line| line.trim_start_matches("# ").starts_with(&format!("{name} =")));
            assert!(is_there, "{file} sets MTBRIDGE_{word}, which is no setting");
        }
    }
}

#[test]
fn no_example_trusts_more_than_single_proxies() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut examples = 0;
    for file in ["Dockerfile", "deploy/mtbridge.service", "docs/operations.md", "README.md", "config/mtbridge.toml"] {
        let text = fs::read_to_string(root.join(file)).unwrap().to_lowercase();
        for after in text.split("trusted_proxies").skip(1) {
            // The list that is given to it, if one is: on this line or, in a comment, the next.
            let list = after.lines().take(2).collect::<Vec<_>>().join(" ");
            let Some(list) = list.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map(|(list, _)| list) else {
                continue;
            };
            // What is no network is a link, or an address in prose.
            for network in list.split(',').filter_map(|one| one.trim().trim_matches('"').parse::<ipnet::IpNet>().ok()) {
                examples += 1;
                assert_eq!(network.prefix_len(), network.max_prefix_len(), "{file} trusts {network}");
            }
        }
    }
    assert!(examples >= 3, "{examples}");
}

#[test]
fn the_api_document_lists_every_error_code() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api");
    let mut codes = BTreeSet::from(["broker_rejected", "ea_refused", "expired", "cancelled", "not_executed"].map(str::to_owned));
    let files = |folder: &Path| fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect::<Vec<_>>();
    let mut sources = files(&folder);
    for inner in sources.clone().iter().filter(|path| path.is_dir()) {
        sources.extend(files(inner));
    }
    for file in sources.iter().filter(|path| path.is_file()) {
        let text = fs::read_to_string(file).unwrap();
        // A status and then a literal is how every error begins; `conflict` is the short form in one place.
        let after_status =
            text.split("StatusCode::").skip(1).filter_map(|rest| rest.split_once(',').map(|(_, rest)| rest.trim_start()));
        let after_conflict = text.split("conflict(").skip(1);
        let literal = |rest: &str| rest.strip_prefix('"').and_then(|rest| rest.split_once('"')).map(|(code, _)| code.to_owned());
        codes.extend(after_status.chain(after_conflict).filter_map(literal));
    }
    assert!(codes.len() > 30, "{codes:?}");
    for code in codes {
        assert!(API.contains(&format!("| `{code}` |")), "docs/api.md lacks the error code {code}");
    }
}

#[test]
fn the_simulator_document_shows_every_flag() {
    let source = include_str!("../src/cli/simulate.rs");
    let args = source.split_once("pub(super) struct Simulate {").unwrap().1.split_once("\n}").unwrap().0;
    let mut flags = Vec::new();
    for line in args.lines().map(str::trim) {
        if let Some((field, _)) =
            line.split_once(": ").filter(|(name, _)| name.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
        {
            flags.push(field.replace('_', "-"));
        }
    }
    assert!(flags.len() > 10, "{flags:?}");
    let one = |flag: &String| match flag.as_str() {
        "faults" => "fault".to_owned(),
        "rules" => "rule".to_owned(),
        _ => flag.clone(),
    };
    for flag in flags.iter().map(one) {
        assert!(SIMULATOR.contains(&format!("| `--{flag}")), "docs/simulator.md lacks --{flag}");
    }
}

/// Commands that other documents describe.
const ELSEWHERE: [&str; 6] = ["serve", "simulate", "demo", "backup", "restore", "config"];

/// Every command that can be called, by its words after `mtbridge`.
fn commands() -> Vec<(String, clap::Command)> {
    fn walk(name: &str, command: &clap::Command, found: &mut Vec<(String, clap::Command)>) {
        for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
            let name = format!("{name} {}", below.get_name()).trim_start().to_owned();
            walk(&name, below, found);
            found.push((name, below.clone()));
        }
    }
    let mut found = Vec::new();
    walk("", &mtbridge::cli::command(), &mut found);
    found
}

fn is_described_elsewhere(name: &str) -> bool {
    ELSEWHERE.contains(&name.split(' ').next().unwrap())
}

#[test]
fn the_command_line_document_names_every_command_and_every_flag() {
    let document = include_str!("../docs/cli.md");
    let named = |text: &str| {
        document
            .match_indices(text)
            .any(|(at, _)| !document[at + text.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '-'))
    };
    let mut flags = BTreeSet::new();
    for (name, command) in commands().iter().filter(|(name, _)| !is_described_elsewhere(name)) {
        // What only holds others is named by them.
        let callable = !command.is_subcommand_required_set();
        assert!(!callable || named(&format!("`mtbridge {name}")), "docs/cli.md lacks `mtbridge {name}`");
        flags.extend(command.get_arguments().filter_map(|flag| flag.get_long()).map(str::to_owned));
    }
    assert!(flags.len() > 50, "{flags:?}");
    for flag in flags.iter().filter(|flag| !matches!(flag.as_str(), "help" | "version")) {
        assert!(named(&format!("`--{flag}")), "docs/cli.md lacks --{flag}");
    }
}

/// Words as a shell reads them, up to a pipe or a redirection.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut open) = (Vec::new(), String::new(), None, false);
    let mut inside = 0;
    for c in line.chars() {
        // `$(date +%F)` is one word, whatever is in it.
        inside += i32::from(c == '(') - i32::from(c == ')');
        match (quote, c) {
            (None, c) if inside > 0 => word.push(c),
            (Some(end), c) if c == end => quote = None,
            (None, '\'' | '"') => (quote, open) = (Some(c), true),
            (None, '|' | '>') => break,
            (None, ' ') => {
                if open || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                open = false;
            }
            (_, c) => word.push(c),
        }
    }
    if open || !word.is_empty() {
        words.push(word);
    }
    words
}

#[test]
fn every_example_in_the_help_is_a_command_that_parses() {
    let mut all = commands();
    all.push((String::new(), mtbridge::cli::command()));
    for (name, command) in &all {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let examples: Vec<_> =
            help.lines().filter_map(|line| line.strip_prefix("  ")).filter(|line| line.starts_with("mtbridge ")).collect();
        assert!(!examples.is_empty() || is_described_elsewhere(name), "`mtbridge {name} --help` has no example");
        // An ellipsis stands for what was said before.
        for example in examples.iter().filter(|example| !example.split(' ').any(|word| word == "…")) {
            let parsed = mtbridge::cli::command().try_get_matches_from(words(example));
            assert!(parsed.is_ok(), "{example}: {}", parsed.unwrap_err());
        }
    }
}
