//! Documents that must not drift from the source. `tests/wire.rs` does the same for the wire.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::{collections::BTreeSet, fs, path::Path};

use axum::http::StatusCode;
use mtbridge::api::{auth::Needs, catalogue, openapi, routes};
use serde_json::Value;

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

/// Every pair of a status, by the constant's name, and a code that the source makes an error of.
fn errors_of_the_source() -> BTreeSet<(u16, String)> {
    let statuses: Vec<_> = (400..600).filter_map(|number| StatusCode::from_u16(number).ok()).collect();
    let number = |name: &str| {
        let of = |status: &StatusCode| status.canonical_reason().map(|words| words.to_uppercase().replace([' ', '-'], "_"));
        statuses.iter().find(|status| of(status).as_deref() == Some(name)).map(StatusCode::as_u16)
    };
    let mut found: BTreeSet<_> =
        ["broker_rejected", "ea_refused", "expired", "cancelled", "not_executed"].map(|code| (422, code.to_owned())).into();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let text = fs::read_to_string(path).unwrap();
            let literal = |rest: &str| rest.trim_start().strip_prefix('"')?.split_once('"').map(|(code, _)| code.to_owned());
            // A status and then a literal is how every error begins; `conflict` is the short form in one place.
            for rest in text.split("StatusCode::").skip(1) {
                let Some((name, rest)) = rest.split_once(',') else { continue };
                if let (Some(status), Some(code)) = (number(name), literal(rest)) {
                    found.insert((status, code));
                }
            }
            found.extend(text.split("conflict(").skip(1).filter_map(literal).map(|code| (409, code)));
        }
    }
    found
}

/// All of the source but the catalogue and what is made of it.
fn text_of(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("api/openapi") {
            text += &text_of(&path);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("api/catalogue.rs") {
            text += &fs::read_to_string(path).unwrap();
        }
    }
    text
}

#[test]
fn every_error_of_the_source_stands_in_the_catalogue_with_its_status() {
    let found = errors_of_the_source();
    assert!(found.len() > 40, "{found:?}");
    for (status, code) in &found {
        let entry = catalogue::entry(code).unwrap_or_else(|| panic!("src/api/catalogue.rs lacks {code}"));
        assert!(entry.statuses.contains(status), "src/api/catalogue.rs lacks the status {status} of {code}");
    }
    let text = text_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    for entry in catalogue::CODES {
        assert!(text.contains(&format!("\"{}\"", entry.code)), "no error has the code {} any more", entry.code);
    }
}

#[test]
fn the_api_document_lists_exactly_the_error_codes_of_the_catalogue() {
    let table = API.split_once("\n## Errors\n").unwrap().1;
    let mut listed = BTreeSet::new();
    for line in table.lines() {
        let cells: Vec<_> = line.split(" | ").collect();
        let Some(code) = cells.get(1).and_then(|cell| cell.strip_prefix('`')?.strip_suffix('`')) else { continue };
        let status: u16 = cells[0].trim_start_matches("| ").parse().unwrap();
        let entry = catalogue::entry(code).unwrap_or_else(|| panic!("docs/api.md lists {code}, which is no code"));
        assert!(entry.statuses.contains(&status), "docs/api.md gives {code} the status {status}");
        listed.insert(code);
    }
    let known: BTreeSet<_> = catalogue::CODES.iter().map(|entry| entry.code).collect();
    assert_eq!(listed, known);
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

#[test]
fn the_guide_shows_its_examples_as_they_are() {
    let guide = include_str!("../docs/first-bot.md");
    for (language, file) in
        [("python", include_str!("../docs/examples/first_bot.py")), ("js", include_str!("../docs/examples/first_bot.mjs"))]
    {
        assert!(
            guide.contains(&format!("```{language}\n{file}```\n")),
            "docs/first-bot.md has another {language} bot than docs/examples"
        );
    }
}

/// The document as it is committed, so that a change of the API shows in a review.
fn written(document: &Value) -> String {
    serde_json::to_string_pretty(document).unwrap() + "\n"
}

#[test]
fn the_committed_openapi_document_is_what_the_hub_serves() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    let now = written(&openapi::openapi());
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        fs::write(&path, &now).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let differs = now.lines().zip(committed.lines()).position(|(now, committed)| now != committed);
    assert!(
        now == committed,
        "docs/openapi.json differs from line {differs:?} on: UPDATE_OPENAPI=1 cargo test --test docs openapi, and look at the difference"
    );
}

#[test]
fn the_openapi_document_describes_exactly_the_routes_that_there_are() {
    let document = openapi::openapi();
    let mut described = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            described.insert(format!("{} {path}", method.to_uppercase()));
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "two operations are called {id}");
            let lacks = ["summary", "description"].into_iter().find(|field| operation[field].as_str().is_none());
            assert_eq!(lacks, None, "{method} {path}");
            assert!(operation["responses"].get("4XX").is_none(), "{method} {path}: its errors were not named");
            assert!(operation["responses"].get("500").is_some(), "{method} {path}");
        }
    }
    let served: BTreeSet<_> = routes().iter().map(|route| format!("{} {}", route.method, route.path)).collect();
    let (surplus, missing): (Vec<_>, Vec<_>) = (described.difference(&served).collect(), served.difference(&described).collect());
    assert!(surplus.is_empty() && missing.is_empty(), "described, not served: {surplus:?}; served, not described: {missing:?}");
}

/// Every `$ref` below here.
fn references<'a>(part: &'a Value, found: &mut Vec<&'a str>) {
    match part {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(members) => members.iter().for_each(|member| references(member, found)),
        _ => {}
    }
}

#[test]
fn every_reference_of_the_openapi_document_leads_somewhere() {
    let document = openapi::openapi();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 500);
    for reference in found {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
}

#[test]
fn the_openapi_document_says_who_may_call() {
    let document = openapi::openapi();
    for route in routes() {
        let operation = &document["paths"][route.path][route.method.as_str().to_lowercase()];
        let schemes: Vec<_> = operation["security"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|one| one.as_object().unwrap().keys())
            .map(String::as_str)
            .collect();
        let permission = operation["x-permission"].as_str();
        let wanted: &[&str] = match route.needs {
            Needs::Permission(_) | Needs::AnyKey | Needs::Owner | Needs::Operator => &["apiKey", "session"],
            Needs::Stream => &["apiKey", "ticket"],
            Needs::Login => &["session"],
            Needs::Nothing if route.path == mtbridge::protocol::PATH => &["connectionToken"],
            Needs::Nothing => &[],
        };
        assert_eq!(schemes, wanted, "{}", route.path);
        let needed = if let Needs::Permission(needed) = route.needs { Some(needed.name()) } else { None };
        assert_eq!(permission, needed, "{}", route.path);
    }
}

#[test]
fn every_word_for_errors_in_an_annotation_is_known() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api");
    let mut words = 0;
    for file in fs::read_dir(folder).unwrap() {
        let Ok(text) = fs::read_to_string(file.unwrap().path()) else { continue };
        for rest in text.split("status = \"4XX\", description = \"").skip(1) {
            for word in rest.split('"').next().unwrap().split_whitespace() {
                assert!(openapi::is_known(word), "`{word}` is neither a code of the catalogue nor a group");
                words += 1;
            }
        }
    }
    assert!(words > 50, "{words}");
}
