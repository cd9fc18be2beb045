//! Builds an Expert Advisor as a program of this machine: translate, compile with g++, link with the runtime. What was built from the
//! same sources with the same flags is taken again.

use crate::{
    check,
    diagnostic::report,
    gcc,
    preprocess::{self, Dialect, Program, Roots},
    translate,
};
use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

/// How it is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Variant {
    /// As it is run by most tests.
    Plain,
    /// Under the address and undefined-behaviour sanitizers. Packed structures are misaligned by intent, so alignment is not judged.
    Sanitize,
    /// Counts lines of the MQL sources; the counts are written beside the binary when it ends. SIGUSR1 writes them and is then `kill -9`.
    Coverage,
}

impl Variant {
    const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Sanitize => "sanitize",
            Self::Coverage => "coverage",
        }
    }

    const fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Plain => &[],
            Self::Sanitize => &["-fsanitize=address,undefined", "-fno-sanitize=alignment", "-fno-sanitize-recover=all"],
            // Optimised code has fewer lines than the source. What writes the counts is also called when the program is killed.
            Self::Coverage => &["--coverage", "-O0", "-Wl,-u,__gcov_dump"],
        }
    }
}

/// Why there is no binary.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// What `mqlc` refuses, in MetaEditor's form.
    #[error("{0}")]
    Source(String),
    /// What g++ refuses, in MetaEditor's form, then as g++ said it.
    #[error("{0}")]
    Compiler(String),
    /// Too little of the sources was run.
    #[error("{run} % of the lines in mql/ were run, {floor} % must be")]
    Uncovered {
        /// Percent.
        run: u32,
        /// Percent.
        floor: u32,
    },
    /// g++ is not there.
    #[error("g++ is not installed: apt-get install g++")]
    NoCompiler,
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// For all of it: MQL's integers wrap, and its 64-bit `long` is that of a 64-bit Unix.
/// What nobody has set is a pattern, in new objects and in locals: MQL says nothing about it, and a test should see who reads it.
const COMMON: &[&str] = &[
    "-std=c++20",
    "-fwrapv",
    "-O1",
    "-g",
    "-fno-lifetime-dse",
    "-ftrivial-auto-var-init=pattern",
    "-fdiagnostics-plain-output",
    "-fmax-errors=40",
];
/// MetaEditor's warnings, as far as g++ knows them, as errors.
const WARNINGS: &[&str] = &[
    "-Wall",
    "-Wextra",
    "-Wconversion",
    "-Wsign-compare",
    "-Wshadow",
    "-Wunused",
    "-Wmaybe-uninitialized",
    "-Wreturn-type",
    "-Wempty-body",
    "-Werror",
    // MetaEditor does not speak of these, and handlers and virtual methods have parameters that they do not need.
    "-Wno-unused-parameter",
    // `MqlTradeRequest request = {};` is how MQL says "all zero".
    "-Wno-missing-field-initializers",
    // MQL has no word for a case that means to fall through.
    "-Wno-implicit-fallthrough",
];

/// Where the main files look for their includes.
#[must_use]
pub fn roots(root: &Path) -> Roots {
    Roots { shown_from: root.to_path_buf(), includes: vec![root.join("mql/Include")], defines: Vec::new() }
}

/// What the tests' binaries do not wait for: the minute after which a terminal counts as synchronised with its broker.
const HASTE: [(&str, &str); 2] = [("MTB_SYNC_US", "1"), ("MTB_SYNC_LOOK_US", "1")];

/// The main file of our Expert Advisor.
#[must_use]
pub fn main_file(root: &Path, dialect: Dialect) -> PathBuf {
    let digit = dialect.digit();
    root.join(format!("mql/MQL{digit}/Experts/MtBridge/MtBridge.mq{digit}"))
}

/// Reads a program.
///
/// # Errors
/// [`BuildError::Source`].
pub fn read(root: &Path, main: &Path, dialect: Dialect) -> Result<Program, BuildError> {
    preprocess::program(main, dialect, &roots(root)).map_err(|failed| BuildError::Source(report(&failed.findings, &failed.files)))
}

/// Holds a program against the rules of MetaEditor; gives its last line, `Result: 0 errors, 0 warnings`.
///
/// # Errors
/// [`BuildError::Source`] with all findings: warnings, too, because our sources have none.
pub fn check(root: &Path, main: &Path, dialect: Dialect) -> Result<String, BuildError> {
    let program = read(root, main, dialect)?;
    let findings = check::check(&program);
    let said = report(&findings, &program.files);
    if findings.is_empty() { Ok(said) } else { Err(BuildError::Source(said)) }
}

/// Reads, checks and translates a program.
///
/// # Errors
/// [`BuildError::Source`].
pub fn translate(root: &Path, main: &Path, dialect: Dialect) -> Result<String, BuildError> {
    translate_from(&roots(root), main, dialect)
}

fn translate_from(roots: &Roots, main: &Path, dialect: Dialect) -> Result<String, BuildError> {
    let program = preprocess::program(main, dialect, roots)
        .map_err(|failed| BuildError::Source(report(&failed.findings, &failed.files)))?;
    let findings = check::check(&program);
    if !findings.is_empty() {
        return Err(BuildError::Source(report(&findings, &program.files)));
    }
    translate::cpp(&program).map_err(|findings| BuildError::Source(report(&findings, &program.files)))
}

/// The binary of our Expert Advisor for tests, which does not wait for a minute to pass (`HASTE`). `root`: the repository's folder. Processes that ask at the same time wait for each other.
///
/// # Errors
/// The sources are wrong, or there is no g++, or a file cannot be written.
pub fn binary(root: &Path, dialect: Dialect, variant: Variant) -> Result<PathBuf, BuildError> {
    binary_in(root, dialect, variant, &target(root))
}

fn binary_in(root: &Path, dialect: Dialect, variant: Variant, place: &Path) -> Result<PathBuf, BuildError> {
    let found = fingerprint(root)?;
    let mark = place.join(format!("{}{}-{found:016x}.made", variant.name(), dialect.digit()));
    // Hundreds of tests ask; all but the first need neither the translator nor the lock.
    if let Some(made) = fs::read_to_string(&mark).ok().map(PathBuf::from).filter(|made| made.exists()) {
        return Ok(made);
    }
    let name = format!("MtBridge{}", dialect.digit());
    let roots = Roots { defines: HASTE.to_vec(), ..roots(root) };
    let made = build_in(root, &roots, &main_file(root, dialect), dialect, variant, &name, place)?;
    // A source that was written meanwhile may be in the binary or not.
    if fingerprint(root)? == found {
        fs::write(&mark, made.display().to_string()).map_err(|source| BuildError::Io { path: mark, source })?;
    }
    Ok(made)
}

/// Of every file that has a part in a binary: the MQL sources, the runtime, and the sources of this crate.
fn fingerprint(root: &Path) -> Result<u64, BuildError> {
    let mut folders: Vec<PathBuf> =
        ["mql", RUNTIME, "tools/mqlc/src", "tools/mqlc/builtins"].iter().map(|folder| root.join(folder)).collect();
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    let parts = files.iter().map(|path| {
        let bytes = fs::read(path).map_err(|source| BuildError::Io { path: path.clone(), source })?;
        Ok(format!("{} {:016x}", path.strip_prefix(root).unwrap_or(path).display(), hash_bytes(&bytes)))
    });
    let parts: Vec<String> = parts.collect::<Result<_, BuildError>>()?;
    Ok(hash(&parts.iter().map(String::as_str).collect::<Vec<_>>()))
}

/// The binary of any main file as it is shipped, called `name`.
///
/// # Errors
/// As [`binary`].
pub fn program(root: &Path, main: &Path, dialect: Dialect, variant: Variant, name: &str) -> Result<PathBuf, BuildError> {
    build_in(root, &roots(root), main, dialect, variant, name, &target(root))
}

fn build_in(
    root: &Path,
    roots: &Roots,
    main: &Path,
    dialect: Dialect,
    variant: Variant,
    name: &str,
    place: &Path,
) -> Result<PathBuf, BuildError> {
    let text = translate_from(roots, main, dialect)?;
    // Sanitizers and counters put code in between, at which g++ warns without need; the plain variant has judged the source.
    let warnings = if variant == Variant::Plain { WARNINGS } else { &["-w"] };
    link(root, &text, warnings, dialect, variant, name, place)
}

/// The runtime's own tests for a language, as a program: `--files FOLDER` gives it a place for its files, 0 says that all is well.
///
/// # Errors
/// As [`binary`].
pub fn selftest(root: &Path, dialect: Dialect, variant: Variant) -> Result<PathBuf, BuildError> {
    let name = format!("selftest{}", dialect.digit());
    let text = content(&root.join(RUNTIME).join(&name).with_extension("cpp"))?;
    link(root, &text, &["-Wall", "-Wextra"], dialect, variant, &name, &target(root))
}

/// Compiles a text of C++ and links it with the runtime.
fn link(
    root: &Path,
    text: &str,
    warnings: &[&str],
    dialect: Dialect,
    variant: Variant,
    name: &str,
    place: &Path,
) -> Result<PathBuf, BuildError> {
    fs::create_dir_all(place).map_err(|source| BuildError::Io { path: place.to_path_buf(), source })?;
    let lock = place.join("lock");
    let lock = fs::File::create(&lock).map_err(|source| BuildError::Io { path: lock, source })?;
    lock.lock().map_err(|source| BuildError::Io { path: place.to_path_buf(), source })?;
    sweep(place);
    let compiler = compiler()?;
    let runtime = Runtime::new(root, &compiler, variant)?;
    let objects = runtime.objects(root, dialect, place)?;
    let flags: Vec<&str> = COMMON.iter().chain(variant.flags()).chain(warnings).copied().collect();
    let linked: String = objects.iter().map(|object| object.display().to_string()).collect();
    let key = hash(&[&compiler, text, &runtime.headers, &flags.join(" "), &linked, &runtime.libraries.join(" ")]);
    let folder = place.join(format!("{}-{key:016x}", variant.name()));
    let made = folder.join(name);
    if made.exists() {
        return Ok(made);
    }
    fs::create_dir_all(&folder).map_err(|source| BuildError::Io { path: folder.clone(), source })?;
    let source = folder.join(format!("{name}.cpp"));
    fs::write(&source, text).map_err(|error| BuildError::Io { path: source.clone(), source: error })?;
    let object = folder.join(format!("{name}.o"));
    let mut compile = Command::new("g++");
    compile.args(&flags).arg("-isystem").arg(root.join(RUNTIME)).arg("-c").arg(&source).arg("-o").arg(&object);
    run(compile, root)?;
    let unfinished = folder.join(format!("{name}.new"));
    let mut link = Command::new("g++");
    link.args(variant.flags())
        .arg(&object)
        .args(&objects)
        .args(&runtime.libraries)
        .args(["-pthread", "-rdynamic", "-o"])
        .arg(&unfinished);
    run(link, root)?;
    fs::rename(&unfinished, &made).map_err(|source| BuildError::Io { path: made.clone(), source })?;
    Ok(made)
}

/// Forgets what was built more than a week ago. What somebody still wants of it is built again.
fn sweep(place: &Path) {
    let week = std::time::Duration::from_secs(7 * 24 * 3600);
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let age = entry.metadata().and_then(|found| found.modified()).ok().and_then(|made| made.elapsed().ok());
        if age.is_some_and(|age| age > week) && entry.file_name() != "lock" {
            let path = entry.path();
            // Best effort: somebody else may be at it, too.
            let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        }
    }
}

/// The runtime's folder in the repository.
const RUNTIME: &str = "tools/mqlrt";

/// Cargo's target folder has a folder of ours.
fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |folder| root.join(folder)).join("mqlc")
}

/// Which g++ this is.
fn compiler() -> Result<String, BuildError> {
    let said = Command::new("g++").arg("--version").output().map_err(|_| BuildError::NoCompiler)?;
    Ok(String::from_utf8_lossy(&said.stdout).into_owned())
}

fn run(mut command: Command, root: &Path) -> Result<(), BuildError> {
    // Paths in messages and in the counters' files are relative to the repository.
    let said = command.current_dir(root).output().map_err(|_| BuildError::NoCompiler)?;
    if said.status.success() {
        return Ok(());
    }
    Err(BuildError::Compiler(gcc::messages(&String::from_utf8_lossy(&said.stderr))))
}

/// The C++ files that all programs are linked with.
struct Runtime {
    sources: Vec<PathBuf>,
    /// The hash of all headers: any of them may change any object.
    headers: String,
    compiler: String,
    variant: Variant,
    libraries: Vec<&'static str>,
}

impl Runtime {
    fn new(root: &Path, compiler: &str, variant: Variant) -> Result<Self, BuildError> {
        let folder = root.join(RUNTIME);
        let wrong = |source| BuildError::Io { path: folder.clone(), source };
        let mut files = Vec::new();
        for entry in fs::read_dir(&folder).map_err(wrong)? {
            files.push(entry.map_err(wrong)?.path());
        }
        files.sort();
        let ends = |path: &PathBuf, ending: &str| path.extension().is_some_and(|found| found == ending);
        let headers: Result<Vec<String>, BuildError> =
            files.iter().filter(|path| ends(path, "hpp")).map(|path| content(path)).collect();
        let headers: Vec<String> = headers?;
        let headers = format!("{:016x}", hash(&headers.iter().map(String::as_str).collect::<Vec<_>>()));
        let sources = files.iter().filter(|path| ends(path, "cpp") && !stem(path).starts_with("selftest")).cloned().collect();
        // Coverage is of MQL lines: the runtime is the plain one.
        let variant = if variant == Variant::Coverage { Variant::Plain } else { variant };
        // Without OpenSSL's headers the runtime is compiled without TLS.
        let mut tls = Command::new("g++");
        tls.args(["-include", "openssl/ssl.h", "-x", "c++", "-E", "/dev/null", "-o", "/dev/null"]);
        let libraries = if run(tls, root).is_ok() { vec!["-lssl", "-lcrypto"] } else { Vec::new() };
        Ok(Self { sources, headers, compiler: compiler.to_owned(), variant, libraries })
    }

    /// All objects for a dialect: a source whose name ends in 4 or 5 belongs to that one only.
    fn objects(&self, root: &Path, dialect: Dialect, place: &Path) -> Result<Vec<PathBuf>, BuildError> {
        let digit = char::from(b'0' + dialect.digit());
        let belongs = |path: &&PathBuf| !matches!(stem(path).chars().last(), Some(last @ ('4' | '5')) if last != digit);
        let wanted: Vec<&PathBuf> = self.sources.iter().filter(belongs).collect();
        // Two at a time: that is what small machines have.
        let halves: Vec<Vec<&PathBuf>> = (0..2).map(|half| wanted.iter().skip(half).step_by(2).copied().collect()).collect();
        let compile =
            |sources: &[&PathBuf]| sources.iter().map(|source| self.object(root, source, place)).collect::<Result<Vec<_>, _>>();
        let (first, second) = std::thread::scope(|scope| {
            let second = scope.spawn(|| compile(&halves[1]));
            let first = compile(&halves[0]);
            let broken = || Err(BuildError::Compiler("a thread of the build has panicked".to_owned()));
            (first, second.join().unwrap_or_else(|_| broken()))
        });
        let mut objects = first?;
        objects.extend(second?);
        objects.sort();
        Ok(objects)
    }

    fn object(&self, root: &Path, source: &Path, place: &Path) -> Result<PathBuf, BuildError> {
        let flags: Vec<&str> = COMMON.iter().chain(self.variant.flags()).copied().chain(["-Wall", "-Wextra"]).collect();
        let key = hash(&[&self.compiler, &content(source)?, &self.headers, &flags.join(" ")]);
        let object = place.join(format!("{}-{key:016x}.o", stem(source)));
        if object.exists() {
            return Ok(object);
        }
        let unfinished = object.with_extension("new");
        let mut compile = Command::new("g++");
        compile.args(&flags).arg("-c").arg(source).arg("-o").arg(&unfinished);
        run(compile, root)?;
        fs::rename(&unfinished, &object).map_err(|source| BuildError::Io { path: object.clone(), source })?;
        Ok(object)
    }
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

fn content(path: &Path) -> Result<String, BuildError> {
    fs::read_to_string(path).map_err(|source| BuildError::Io { path: path.to_path_buf(), source })
}

/// FNV-1a over all parts, each with its length: names what was built, nothing more.
fn hash(parts: &[&str]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.len().to_le_bytes().into_iter().chain(part.bytes()));
    hash_bytes(&bytes.collect::<Vec<_>>())
}

fn hash_bytes(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A repository with a runtime of one source.
    struct Repository(PathBuf);

    impl Repository {
        fn new(name: &str, main: &str) -> Self {
            let root = std::env::temp_dir().join(format!("mqlc-build-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&root);
            let repository = Self(root);
            repository.write("mql/MQL5/Experts/MtBridge/MtBridge.mq5", main);
            repository.write("tools/mqlrt/mql5.hpp", RUNTIME_HPP);
            repository
                .write("tools/mqlrt/main.cpp", "#include \"mql5.hpp\"\nint main() { return mql_program_table.OnInit(); }\n");
            repository.write("tools/mqlrt/terminal4.cpp", "#error of the other language\n");
            repository
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn build(&self) -> Result<PathBuf, BuildError> {
            self.build_as(Variant::Plain)
        }

        fn build_as(&self, variant: Variant) -> Result<PathBuf, BuildError> {
            binary_in(&self.0, Dialect::Mql5, variant, &self.0.join("target"))
        }
    }

    impl Drop for Repository {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    const RUNTIME_HPP: &str = "#pragma once
#define MQL_AGGREGATE(Name)
namespace mql {
struct MqlTradeTransaction; struct MqlTradeRequest; struct MqlTradeResult; struct string;
struct Program { int dialect; const char *name; int (*OnInit)(); void (*OnDeinit)(const int); void (*OnTick)(); void (*OnTimer)();
  void (*OnTrade)(); void (*OnTradeTransaction)(const MqlTradeTransaction &, const MqlTradeRequest &, const MqlTradeResult &);
  void (*OnChartEvent)(const int, const long &, const double &, const string &); void (*OnBookEvent)(const string &); };
}
extern const mql::Program mql_program_table;
";

    #[test]
    fn a_program_is_built_once_and_again_when_a_source_has_changed() {
        let repository = Repository::new("once", "#include <MtBridge\\A.mqh>\nint OnInit() { return Answer(); }");
        repository.write("mql/Include/MtBridge/A.mqh", "int Answer() { return 7; }");
        let first = repository.build().unwrap();
        assert_eq!(Command::new(&first).status().unwrap().code(), Some(7));
        let made = fs::metadata(&first).unwrap().modified().unwrap();
        assert_eq!(repository.build().unwrap(), first);
        // Without the mark, too: the text of C++ and the runtime are the same.
        for mark in fs::read_dir(repository.0.join("target"))
            .unwrap()
            .flatten()
            .filter(|file| file.path().extension().is_some_and(|e| e == "made"))
        {
            fs::remove_file(mark.path()).unwrap();
        }
        assert_eq!(repository.build().unwrap(), first);
        assert_eq!(fs::metadata(&first).unwrap().modified().unwrap(), made);
        repository.write("mql/Include/MtBridge/A.mqh", "int Answer() { return 8; }");
        let second = repository.build().unwrap();
        assert_eq!(Command::new(&second).status().unwrap().code(), Some(8));
        repository.write("tools/mqlrt/main.cpp", "#include \"mql5.hpp\"\nint main() { return 9; }\n");
        assert_eq!(Command::new(repository.build().unwrap()).status().unwrap().code(), Some(9));
        repository.write("tools/mqlrt/mql5.hpp", &RUNTIME_HPP.replace("int dialect;", "int dialect; /* changed */"));
        assert_ne!(repository.build().unwrap(), second);
    }

    #[test]
    fn a_warning_of_the_compiler_is_an_error_in_the_form_of_metaeditor() {
        let repository = Repository::new("warning", "int OnInit() {\n   int a;\n   return a;\n}");
        let error = repository.build().unwrap_err().to_string();
        assert!(error.starts_with("mql/MQL5/Experts/MtBridge/MtBridge.mq5(3,11) : error 38: "), "{error}");
    }

    #[test]
    fn a_finding_of_the_checker_stops_the_build() {
        let repository = Repository::new("finding", "int OnInit() {\n   int unused;\n   return 0;\n}");
        let error = repository.build().unwrap_err().to_string();
        assert!(error.starts_with("mql/MQL5/Experts/MtBridge/MtBridge.mq5(2,8) : warning 31: "), "{error}");
    }

    #[test]
    fn what_cannot_be_read_stops_the_build() {
        let repository = Repository::new("missing", "\n#include <No.mqh>");
        let error = repository.build().unwrap_err().to_string();
        assert!(error.starts_with("mql/MQL5/Experts/MtBridge/MtBridge.mq5(2,10) : error 106"), "{error}");
        assert!(error.ends_with("Result: 1 errors, 0 warnings\n"), "{error}");
    }

    #[test]
    fn the_runtime_passes_its_own_tests_in_both_languages() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for dialect in [Dialect::Mql5, Dialect::Mql4] {
            let test = selftest(&root, dialect, Variant::Plain).unwrap_or_else(|error| panic!("{error}"));
            let files = std::env::temp_dir().join(format!("mqlc-selftest{}-{}", dialect.digit(), std::process::id()));
            fs::create_dir_all(&files).unwrap();
            let said = Command::new(test).arg("--files").arg(&files).output().unwrap();
            let words = format!("{}{}", String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
            assert!(said.status.success() && words.contains("all is so"), "{words}");
            fs::remove_dir_all(files).unwrap();
        }
    }

    #[test]
    fn lines_that_were_run_are_counted_in_the_sources_of_mql() {
        let repository = Repository::new(
            "coverage",
            "int OnInit() {\n   if(0 > Two())\n      return 5;\n   return 0;\n}\n\nint Two() {\n   return 2;\n}\n",
        );
        let made = repository.build_as(Variant::Coverage).unwrap();
        let mut coverage = crate::coverage::Coverage::default();
        coverage.add(&repository.0, &made).unwrap();
        assert_eq!(coverage.lines(), (0, 0), "nothing has run yet");
        assert!(Command::new(&made).status().unwrap().success());
        coverage.add(&repository.0, &made).unwrap();
        assert_eq!(
            coverage.to_string(),
            "    5 of     6  mql/MQL5/Experts/MtBridge/MtBridge.mq5  3\n    5 of     6  83 % of the lines in mql/\n"
        );
    }

    #[test]
    fn a_sanitizer_ends_a_program_that_does_what_has_no_meaning() {
        let repository =
            Repository::new("sanitize", "int OnInit() { return Shifted(40); }\nint Shifted(const int by) { return 1 << by; }");
        let made = repository.build_as(Variant::Sanitize).unwrap();
        let said = Command::new(&made).output().unwrap();
        let words = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(!said.status.success() && words.contains("MtBridge.mq5:2") && words.contains("shift exponent"), "{words}");
    }

    #[test]
    fn both_expert_advisors_are_built_without_a_warning() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for dialect in [Dialect::Mql5, Dialect::Mql4] {
            let made = binary(&root, dialect, Variant::Plain).unwrap_or_else(|error| panic!("{error}"));
            assert!(made.exists());
        }
    }

    #[test]
    fn our_sources_are_plain_ascii() {
        let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../../mql")];
        let mut seen = 0;
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                seen += 1;
                // Without a mark MetaEditor reads a file in the code page of the system.
                let text = fs::read(&path).unwrap();
                let line = text.split(|byte| *byte == b'\n').position(|line| !line.is_ascii());
                assert_eq!(line.map(|line| line + 1), None, "{}", path.display());
            }
        }
        assert!(seen > 10, "the sources were not found");
    }
}
