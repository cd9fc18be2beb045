//! One wrong snippet for each thing that MetaEditor refuses or warns of, and one right snippet for each construct.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use mqlc::{
    build, check,
    diagnostic::{Diagnostic, Files, report},
    preprocess::{self, Dialect},
    translate,
};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn crate_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Files of a folder with the language that they are written in; a `.mqh` is written in both.
fn snippets(folder: &str) -> Vec<(PathBuf, Dialect)> {
    let mut found: Vec<PathBuf> =
        fs::read_dir(crate_folder().join("tests").join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    let both = |path: PathBuf| match Dialect::of(&path) {
        Some(dialect) => vec![(path, dialect)],
        None => vec![(path.clone(), Dialect::Mql5), (path, Dialect::Mql4)],
    };
    found.into_iter().flat_map(both).collect()
}

fn findings(path: &Path, dialect: Dialect) -> (Vec<Diagnostic>, Files) {
    match preprocess::program(path, dialect, &build::roots(&crate_folder().join("tests"))) {
        Ok(program) => (check::check(&program), program.files),
        Err(failed) => (failed.findings, failed.files),
    }
}

/// Behind `//` in the first line stand all findings; lines at whose end stands `// <-` are those that have one.
#[test]
fn every_wrong_snippet_is_refused_for_its_own_reason() {
    let (mut bad, mut numbers) = (Vec::new(), BTreeSet::new());
    let all = snippets("wrong");
    for (path, dialect) in &all {
        let text = fs::read_to_string(path).unwrap();
        let words: Vec<_> = text.lines().next().unwrap().trim_start_matches("// ").split(' ').collect();
        let expected: BTreeSet<String> = words.chunks(2).map(|pair| pair.join(" ")).collect();
        let marked: BTreeSet<u32> =
            (1..).zip(text.lines()).filter(|(_, line)| line.ends_with("// <-")).map(|(at, _)| at).collect();
        let (found, files) = findings(path, *dialect);
        let got: BTreeSet<String> = found.iter().map(|finding| format!("{} {}", finding.severity, finding.number)).collect();
        let lines: BTreeSet<u32> = found.iter().map(|finding| finding.place.line).collect();
        if got != expected || lines != marked {
            bad.push(format!("{}: {expected:?} in {marked:?}\n{}", path.display(), report(&found, &files)));
        }
        numbers.extend(expected);
    }
    println!("{} wrong snippets, {} different findings", all.len(), numbers.len());
    assert!(bad.is_empty(), "{} of {} are not as they should be:\n{}", bad.len(), all.len(), bad.join("\n"));
    assert!(all.len() > 68, "snippets are missing");
}

#[test]
fn no_right_snippet_is_refused() {
    let mut bad = Vec::new();
    let all = snippets("right");
    for (path, dialect) in &all {
        let (found, files) = findings(path, *dialect);
        if !found.is_empty() {
            bad.push(format!("{dialect:?} {}", report(&found, &files)));
            continue;
        }
        let program = preprocess::program(path, *dialect, &build::roots(&crate_folder().join("tests"))).unwrap();
        if let Err(found) = translate::cpp(&program) {
            bad.push(format!("{dialect:?}, by the translator: {}", report(&found, &files)));
        }
    }
    println!("{} right snippets", all.len());
    assert!(bad.is_empty(), "{} of {} are refused:\n{}", bad.len(), all.len(), bad.join("\n"));
    assert!(all.len() > 20, "snippets are missing");
}

#[test]
fn our_expert_advisors_are_without_a_finding() {
    let root = fs::canonicalize(crate_folder().join("../..")).unwrap();
    for dialect in [Dialect::Mql5, Dialect::Mql4] {
        let said = build::check(&root, &build::main_file(&root, dialect), dialect).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(said, "Result: 0 errors, 0 warnings\n");
    }
}
