//! The rules of the house, read off the source.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// The rooms, lowest first. A module uses only modules of a lower level, or its own.
const LEVELS: &[&[&str]] = &[
    &["domain", "config", "clock", "crypto", "telemetry", "tls"],
    &["protocol", "store"],
    &["access", "equity"],
    &["hub", "events"],
    &["market", "revocation"],
    &["trading", "history", "hooks"],
    &["api", "dashboard"],
    &["server", "simulator"],
    &["cli"],
];
/// Who may use whom within a level. `domain` uses nothing but itself.
const SIDEWAYS: &[(&str, &str)] = &[
    // Limits and accounts are the same words in the settings.
    ("config", "domain"),
    // Randomness for identifiers.
    ("clock", "crypto"),
    ("clock", "domain"),
    // The comparison judges commands by what the account's history shows.
    ("history", "trading"),
    // The shape of the log.
    ("telemetry", "config"),
    // The provider of cryptography.
    ("tls", "crypto"),
];
/// Longest file before its tests.
const LINES_MAX: usize = 600;

fn level(module: &str) -> usize {
    let found = LEVELS.iter().position(|level| level.contains(&module));
    found.unwrap_or_else(|| panic!("`{module}` has no place in the house: give it one in tidy.rs and in ARCHITECTURE.md"))
}

struct Source {
    path: PathBuf,
    /// `hub/session.rs`.
    name: String,
    /// The top-level module.
    module: String,
    /// Without its tests, without comments.
    code: Vec<(usize, String)>,
}

impl Source {
    fn is_test(name: &str) -> bool {
        let file = name.rsplit('/').next().unwrap();
        file == "tests.rs" || file.ends_with("_tests.rs")
    }
}

/// Every file of the program that is no test.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut found) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
                if !Source::is_test(&name) {
                    found.push(read(path, name));
                }
            }
        }
    }
    assert!(found.len() > 50, "the source was not found");
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

fn read(path: PathBuf, name: String) -> Source {
    let text = std::fs::read_to_string(&path).unwrap();
    let module = name.split(['/', '.']).next().unwrap().to_owned();
    let lines: Vec<_> = text.lines().collect();
    // Tests stand at the end of a file, behind `#[cfg(test)]` and a module.
    let is_end = |at: usize| {
        lines[at].trim() == "#[cfg(test)]"
            && lines[at + 1..]
                .iter()
                .find(|line| !line.trim_start().starts_with("#["))
                .is_some_and(|line| line.split(' ').any(|word| word == "mod"))
    };
    let end = (0..lines.len()).find(|at| is_end(*at)).unwrap_or(lines.len());
    let code = lines[..end].iter().enumerate().map(|(at, line)| (at + 1, without_comment(line))).collect();
    Source { path, name, module, code }
}

fn without_comment(line: &str) -> String {
    let mut in_text = false;
    let bytes = line.as_bytes();
    for at in 0..bytes.len() {
        match bytes[at] {
            b'"' if at == 0 || bytes[at - 1] != b'\\' => in_text = !in_text,
            b'/' if !in_text && bytes.get(at + 1) == Some(&b'/') => return line[..at].to_owned(),
            _ => {}
        }
    }
    line.to_owned()
}

/// Every `crate::module` that a file's code names, in one line or in a `use crate::{…}`.
fn uses(source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let (mut depth, mut inside) = (0_i32, false);
    for (number, line) in &source.code {
        let mut rest = line.as_str();
        if inside {
            // A top-level name inside of the braces of `use crate::{`.
            for part in rest.split(',') {
                let name: String = part.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if depth == 1 && !name.is_empty() {
                    found.push((*number, name));
                }
                depth += braces(part);
            }
            inside = depth > 0;
            continue;
        }
        while let Some(at) = rest.find("crate::") {
            let before = rest[..at].chars().last();
            rest = &rest[at + "crate::".len()..];
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
                continue;
            }
            if let Some(list) = rest.strip_prefix('{') {
                depth = 1;
                for part in list.split(',') {
                    let name: String = part.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                    if depth == 1 && !name.is_empty() {
                        found.push((*number, name));
                    }
                    depth += braces(part);
                }
                inside = depth > 0;
                break;
            }
            found.push((*number, rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()));
        }
    }
    found
}

fn braces(text: &str) -> i32 {
    text.chars()
        .map(|c| match c {
            '{' => 1,
            '}' => -1,
            _ => 0,
        })
        .sum()
}

fn report(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

#[test]
fn a_module_uses_only_lower_ones_and_its_own() {
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| !matches!(source.module.as_str(), "lib" | "main")) {
        for (line, used) in uses(source) {
            let (own, other) = (level(&source.module), level(&used));
            let sideways = own == other && used != source.module;
            let allowed = SIDEWAYS.contains(&(source.module.as_str(), used.as_str()));
            if other > own || (sideways && !allowed) {
                broken.push(format!("src/{}:{line}: {} (level {own}) uses {used} (level {other})", source.name, source.module));
            }
        }
    }
    report("a module uses only lower ones", &broken);
}

#[test]
fn uses_are_found_in_every_form() {
    let code = "use crate::domain::ids;\nuse crate::{\n    hub::{Hub, Signal},\n    store::{\n        Batch,\n    },\n    clock,\n};\nlet x = crate::crypto::hex(&y); // crate::api\nuse crate::{a::B, c};";
    let code = code.lines().enumerate().map(|(at, line)| (at + 1, without_comment(line))).collect();
    let source = Source { path: PathBuf::new(), name: String::new(), module: String::new(), code };
    let names: Vec<_> = uses(&source).into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["domain", "hub", "store", "clock", "crypto", "a", "c"]);
}

#[test]
fn no_module_has_a_name_that_says_nothing() {
    let empty = ["utils", "util", "common", "types", "helpers", "helper", "manager", "misc"];
    let broken: Vec<_> = sources()
        .iter()
        .filter(|source| source.name.split(['/', '.']).any(|part| empty.contains(&part)))
        .map(|source| source.path.display().to_string())
        .collect();
    report("a module is named for what it is about", &broken);
}

#[test]
fn no_file_is_longer_than_can_be_kept_in_mind() {
    let long = |source: &&Source| source.code.len() > LINES_MAX;
    let broken: Vec<_> = sources()
        .iter()
        .filter(long)
        .map(|source| format!("src/{}: {} lines before its tests", source.name, source.code.len()))
        .collect();
    report("no file above 600 lines before its tests", &broken);
}

#[test]
fn nothing_outside_of_tests_gives_up_with_a_panic() {
    let mut broken = Vec::new();
    // The contract is a test that ships, so that other backends can be held to it.
    for source in sources().iter().filter(|source| source.name != "store/contract.rs") {
        for (line, text) in &source.code {
            for word in [".unwrap()", ".expect(", "todo!(", "unimplemented!(", "panic!(", "unreachable!(", "dbg!("] {
                if text.contains(word) {
                    broken.push(format!("src/{}:{line}: {}", source.name, text.trim()));
                }
            }
        }
    }
    report("no panic outside of tests", &broken);
}

#[test]
fn no_test_is_ignored_and_none_sleeps() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut folders, mut broken) = (vec![tests.join("src"), tests.join("tests")], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.contains("line.contains(")) {
                // Under a paused clock a sleep is no wait, so unit tests beside the code are free to.
                let in_it = path.starts_with(tests.join("tests"));
                if line.contains("#[ignore") || (in_it && (line.contains("time::sleep(") || line.contains("thread::sleep("))) {
                    broken.push(format!("{}:{}: {}", path.display(), at + 1, line.trim()));
                }
            }
        }
    }
    report("no test is left out and none waits for the clock", &broken);
}

/// A word of the code, and the only places where it may stand.
const PRIVATE: &[(&str, &[&str])] = &[
    ("ring::", &["crypto.rs"]),
    ("StatusCode", &["api/", "dashboard.rs"]),
    ("DashMap", &["hub/registry.rs"]),
    ("sled::", &["store/"]),
    ("rmp_serde", &["protocol/", "store/", "api/stream/"]),
    ("println!", &["cli/", "main.rs"]),
    ("std::time::Instant", &[]),
    ("unsafe ", &[]),
    ("unbounded_channel", &[]),
];

#[test]
fn each_tool_is_used_only_where_it_belongs() {
    let mut broken = Vec::new();
    for source in sources() {
        for (line, text) in &source.code {
            for (word, homes) in PRIVATE {
                let starts_word =
                    text.find(word).is_some_and(|at| !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'));
                if starts_word && !homes.iter().any(|home| source.name.starts_with(home)) {
                    broken.push(format!("src/{}:{line}: `{word}` in {}", source.name, text.trim()));
                }
            }
        }
    }
    report("a tool is used only where it belongs", &broken);
}

#[test]
fn every_room_of_the_house_exists() {
    let mut rooms: BTreeMap<String, usize> = BTreeMap::new();
    for source in sources().iter().filter(|source| !matches!(source.module.as_str(), "lib" | "main")) {
        *rooms.entry(source.module.clone()).or_default() += 1;
    }
    for room in LEVELS.iter().flat_map(|level| level.iter()) {
        assert!(rooms.contains_key(*room), "{room} is in tidy.rs and not in src/");
    }
}

#[test]
fn the_list_of_tests_over_all_terminals_is_sorted_and_names_tests_that_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let list = std::fs::read_to_string(root.join("over_terminals.txt")).unwrap();
    let names: Vec<&str> = list.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(names.len() > 100 && names.is_sorted(), "sort it");
    for name in names {
        let (module, test) = name.rsplit_once("::").unwrap_or_else(|| panic!("`{name}` has no module"));
        let path = root.join("it").join(module.replace("::", "/")).with_extension("rs");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("`{name}`: {}: {error}", path.display()));
        assert!(text.contains(&format!("fn {test}(")), "there is no test `{name}` any more");
    }
}
