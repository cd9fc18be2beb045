//! From a main file to one stream of tokens: files included once, conditions decided, macros expanded, directives gone.

use crate::{
    diagnostic::{Diagnostic, Files, Place},
    lex::{self, Kind, Token},
};
use std::{
    collections::{HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
};

/// Which of the two languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// MetaTrader 5.
    Mql5,
    /// MetaTrader 4.
    Mql4,
}

impl Dialect {
    /// By the ending of a main file.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "mq5" => Some(Self::Mql5),
            "mq4" => Some(Self::Mql4),
            _ => None,
        }
    }

    /// `5` or `4`.
    #[must_use]
    pub const fn digit(self) -> u8 {
        match self {
            Self::Mql5 => 5,
            Self::Mql4 => 4,
        }
    }

    /// The macro that is defined in this one and not in the other.
    const fn own_macro(self) -> &'static str {
        match self {
            Self::Mql5 => "__MQL5__",
            Self::Mql4 => "__MQL4__",
        }
    }
}

/// One `#property`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// Its name.
    pub name: String,
    /// The tokens after the name as they stand; for a text without its quotes.
    pub value: String,
    /// Where.
    pub place: Place,
}

/// A program as the parser and the translator take it.
#[derive(Debug)]
pub struct Program {
    /// Which language.
    pub dialect: Dialect,
    /// All files, the main one first.
    pub files: Files,
    /// All tokens, macros expanded.
    pub tokens: Vec<Token>,
    /// All `#property` lines.
    pub properties: Vec<Property>,
}

impl Program {
    /// The main file's name without folder and ending.
    #[must_use]
    pub fn name(&self) -> String {
        self.files.path(0).file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
    }
}

/// A program that could not be read to its end.
#[derive(Debug)]
pub struct Failed {
    /// What was wrong.
    pub findings: Vec<Diagnostic>,
    /// The files up to there.
    pub files: Files,
}

/// Where files are looked for and how they are named.
#[derive(Debug, Clone)]
pub struct Roots {
    /// Paths below it are told relative to it, in findings and in `#line`.
    pub shown_from: PathBuf,
    /// Folders of `#include <…>`, in order.
    pub includes: Vec<PathBuf>,
    /// Macros that are defined from the beginning, each as a number: what a source leaves open with `#ifndef`.
    pub defines: Vec<(&'static str, &'static str)>,
}

/// Reads a program from its main file on.
///
/// # Errors
/// The first thing that cannot be read: a missing file (106), a wrong directive (105, 108, 109), a wrong token.
pub fn program(main: &Path, dialect: Dialect, roots: &Roots) -> Result<Program, Failed> {
    let mut reader = Reader {
        dialect,
        roots,
        files: Files::default(),
        seen: HashSet::new(),
        macros: HashMap::new(),
        tokens: Vec::new(),
        properties: Vec::new(),
    };
    reader.define_builtin(dialect.own_macro(), None);
    reader.define_builtin("__MQL__", None);
    reader.define_builtin("__MQLBUILD__", Some("5000"));
    for (name, value) in &roots.defines {
        reader.define_builtin(name, Some(value));
    }
    let place = Place { file: 0, line: 1, col: 1 };
    match reader.file(main, place) {
        Ok(()) => Ok(Program { dialect, files: reader.files, tokens: reader.tokens, properties: reader.properties }),
        Err(finding) => {
            if reader.files.iter().next().is_none() {
                reader.files.add(main);
            }
            Err(Failed { findings: vec![finding], files: reader.files })
        }
    }
}

struct Macro {
    /// `None`: used without brackets.
    parameters: Option<Vec<String>>,
    body: Vec<Token>,
}

struct Reader<'a> {
    dialect: Dialect,
    roots: &'a Roots,
    files: Files,
    seen: HashSet<PathBuf>,
    macros: HashMap<String, Macro>,
    tokens: Vec<Token>,
    properties: Vec<Property>,
}

/// One `#ifdef` that is open.
struct Condition {
    place: Place,
    holds: bool,
    /// The condition around it holds.
    outer: bool,
}

impl Reader<'_> {
    fn define_builtin(&mut self, name: &str, value: Option<&str>) {
        let place = Place { file: 0, line: 0, col: 0 };
        let number = |text: &str| Token { kind: Kind::Number, text: text.to_owned(), place, first: false, spaced: true };
        self.macros.insert(name.to_owned(), Macro { parameters: None, body: value.map(number).into_iter().collect() });
    }

    fn file(&mut self, path: &Path, from: Place) -> Result<(), Diagnostic> {
        let real = fs::canonicalize(path)
            .map_err(|error| Diagnostic::error(from, 106, format!("cannot open {}: {error}", path.display())))?;
        if !self.seen.insert(real.clone()) {
            return Ok(());
        }
        let text =
            lex::read(path).map_err(|error| Diagnostic::error(from, 106, format!("cannot read {}: {error}", path.display())))?;
        let shown =
            fs::canonicalize(&self.roots.shown_from).ok().and_then(|root| real.strip_prefix(root).ok().map(Path::to_path_buf));
        let file = self.files.add(shown.unwrap_or(real));
        let tokens = lex::tokens(&text, file)?;
        let (mut at, mut open): (usize, Vec<Condition>) = (0, Vec::new());
        while at < tokens.len() {
            let is_directive = tokens[at].first && tokens[at].is("#");
            let next =
                |wanted: &dyn Fn(&Token) -> bool| (at + 1..tokens.len()).find(|i| wanted(&tokens[*i])).unwrap_or(tokens.len());
            let holds = open.last().is_none_or(|condition| condition.holds);
            if is_directive {
                let end = next(&|token| token.first);
                if !condition(&tokens[at..end], &mut open, &self.macros)? && holds {
                    self.directive(&tokens[at..end], path)?;
                }
                at = end;
            } else {
                let end = next(&|token| token.first && token.is("#"));
                if holds {
                    let expanded = self.expand(&tokens[at..end], &mut Vec::new())?;
                    self.tokens.extend(expanded);
                }
                at = end;
            }
        }
        match open.last() {
            Some(condition) => Err(Diagnostic::error(condition.place, 109, "this condition has no #endif")),
            None => Ok(()),
        }
    }

    fn directive(&mut self, line: &[Token], path: &Path) -> Result<(), Diagnostic> {
        let place = line[0].place;
        match (line.get(1).map_or("", |word| word.text.as_str()), line.get(2)) {
            ("include", Some(target)) if target.kind == Kind::Path && line.len() == 3 => {
                let found = self.resolve(target, path)?;
                self.file(&found, target.place)
            }
            ("include", _) => Err(Diagnostic::error(place, 105, "#include needs one path in quotes or angle brackets")),
            ("define", Some(name)) if name.kind == Kind::Word => self.define(name, &line[3..]),
            ("define", _) => Err(Diagnostic::error(place, 108, "#define needs a name")),
            ("undef", Some(name)) => {
                self.macros.remove(&name.text);
                Ok(())
            }
            ("property", Some(name)) => {
                let value: Vec<_> = line[3..].iter().map(unquoted).collect();
                self.properties.push(Property { name: name.text.clone(), value: value.join(" "), place });
                Ok(())
            }
            ("import", library) => {
                let text = library.map(unquoted).unwrap_or_default().to_owned();
                self.tokens.push(Token { kind: Kind::Import, text, place, first: true, spaced: true });
                Ok(())
            }
            (word, _) => Err(Diagnostic::error(place, 109, format!("unknown command of the preprocessor: #{word}"))),
        }
    }

    fn define(&mut self, name: &Token, rest: &[Token]) -> Result<(), Diagnostic> {
        let called = rest.first().is_some_and(|open| open.is("(") && !open.spaced);
        let (parameters, body) = if called {
            let wrong = || Diagnostic::error(name.place, 108, format!("the list of parameters of {} has no end", name.text));
            let close = rest.iter().position(|token| token.is(")")).ok_or_else(wrong)?;
            let names = rest[1..close].iter().filter(|token| token.kind == Kind::Word).map(|token| token.text.clone()).collect();
            (Some(names), &rest[close + 1..])
        } else {
            (None, rest)
        };
        if let Some(token) = body.iter().find(|token| token.is("##") || token.is("#")) {
            return Err(Diagnostic::error(token.place, 109, "# and ## in a macro are outside of the plain subset"));
        }
        self.macros.insert(name.text.clone(), Macro { parameters, body: body.to_vec() });
        Ok(())
    }

    /// Windows finds a file whatever the case of its name.
    fn resolve(&self, target: &Token, from: &Path) -> Result<PathBuf, Diagnostic> {
        let inner = &target.text[1..target.text.len() - 1];
        let beside = from.parent().map(Path::to_path_buf).into_iter();
        let folders: Vec<PathBuf> = if target.text.starts_with('<') { self.roots.includes.clone() } else { beside.collect() };
        let parts: Vec<_> = inner.split(['\\', '/']).filter(|part| !part.is_empty()).collect();
        let found = folders.iter().find_map(|folder| parts.iter().try_fold(folder.clone(), |path, part| entry(&path, part)));
        found.ok_or_else(|| Diagnostic::error(target.place, 106, format!("file {inner} not found")))
    }

    /// Replaces macros. `hidden`: those that are being replaced, which are left as they stand.
    fn expand(&self, tokens: &[Token], hidden: &mut Vec<String>) -> Result<Vec<Token>, Diagnostic> {
        let (mut found, mut at) = (Vec::with_capacity(tokens.len()), 0);
        while at < tokens.len() {
            let token = &tokens[at];
            at += 1;
            if token.kind != Kind::Word || hidden.contains(&token.text) {
                found.push(token.clone());
                continue;
            }
            if let Some(value) = self.position_macro(token) {
                found.push(value);
                continue;
            }
            let Some(used) = self.macros.get(&token.text) else {
                found.push(token.clone());
                continue;
            };
            let body = match &used.parameters {
                None => used.body.clone(),
                Some(_) if !tokens.get(at).is_some_and(|open| open.is("(")) => {
                    found.push(token.clone());
                    continue;
                }
                Some(parameters) => {
                    let (arguments, end) = arguments(tokens, at)?;
                    if arguments.len() != parameters.len() && !(parameters.is_empty() && arguments == [vec![]]) {
                        let text = format!("{} takes {} arguments, {} given", token.text, parameters.len(), arguments.len());
                        return Err(Diagnostic::error(token.place, 108, text));
                    }
                    at = end;
                    let whole: Result<Vec<_>, _> = arguments.iter().map(|argument| self.expand(argument, hidden)).collect();
                    substitute(&used.body, parameters, &whole?)
                }
            };
            hidden.push(token.text.clone());
            let inner = self.expand(&body, hidden);
            hidden.pop();
            let moved =
                |(i, inner): (usize, Token)| Token { place: token.place, first: token.first && i == 0, spaced: true, ..inner };
            found.extend(inner?.into_iter().enumerate().map(moved));
        }
        Ok(found)
    }

    fn position_macro(&self, token: &Token) -> Option<Token> {
        let (kind, text) = match token.text.as_str() {
            "__LINE__" => (Kind::Number, token.place.line.to_string()),
            "__FILE__" => {
                let name = self.files.path(token.place.file).file_name().map(|name| name.to_string_lossy().into_owned());
                (Kind::Text, format!("\"{}\"", name.unwrap_or_default()))
            }
            "__MQL4__" | "__MQL5__" if token.text == self.dialect.own_macro() => (Kind::Number, "1".to_owned()),
            _ => return None,
        };
        Some(Token { kind, text, ..token.clone() })
    }
}

/// Deals with a line of `#ifdef` and its kin; `false` if it is another directive.
fn condition(line: &[Token], open: &mut Vec<Condition>, macros: &HashMap<String, Macro>) -> Result<bool, Diagnostic> {
    let place = line[0].place;
    let outer = open.last().is_none_or(|condition| condition.holds);
    let defined = line.get(2).is_some_and(|name| macros.contains_key(&name.text));
    match line.get(1).map_or("", |word| word.text.as_str()) {
        "ifdef" => open.push(Condition { place, holds: outer && defined, outer }),
        "ifndef" => open.push(Condition { place, holds: outer && !defined, outer }),
        "else" => match open.last_mut() {
            Some(condition) => condition.holds = condition.outer && !condition.holds,
            None => return Err(Diagnostic::error(place, 109, "#else without #ifdef")),
        },
        "endif" => {
            if open.pop().is_none() {
                return Err(Diagnostic::error(place, 109, "#endif without #ifdef"));
            }
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn unquoted(token: &Token) -> &str {
    match token.kind {
        Kind::Text | Kind::Path => &token.text[1..token.text.len() - 1],
        _ => &token.text,
    }
}

fn entry(folder: &Path, name: &str) -> Option<PathBuf> {
    if name == ".." || name == "." {
        return Some(folder.join(name));
    }
    let exact = folder.join(name);
    if exact.exists() {
        return Some(exact);
    }
    let same = |entry: &fs::DirEntry| entry.file_name().to_str().is_some_and(|other| other.eq_ignore_ascii_case(name));
    fs::read_dir(folder).ok()?.flatten().find(same).map(|entry| entry.path())
}

/// The arguments from the opening bracket at `at` on, and where the tokens go on behind the closing one.
fn arguments(tokens: &[Token], at: usize) -> Result<(Vec<Vec<Token>>, usize), Diagnostic> {
    let (mut depth, mut found) = (0, vec![Vec::new()]);
    for (i, token) in tokens.iter().enumerate().skip(at) {
        let before = depth;
        match token.text.as_str() {
            "(" | "[" | "{" if token.kind == Kind::Punct => depth += 1,
            ")" | "]" | "}" if token.kind == Kind::Punct => depth -= 1,
            "," if token.kind == Kind::Punct && depth == 1 => {
                found.push(Vec::new());
                continue;
            }
            _ => {}
        }
        if depth == 0 {
            return Ok((found, i + 1));
        }
        if let (Some(argument), true) = (found.last_mut(), before > 0) {
            argument.push(token.clone());
        }
    }
    Err(Diagnostic::error(tokens[at].place, 108, "the arguments of this macro have no end"))
}

fn substitute(body: &[Token], parameters: &[String], arguments: &[Vec<Token>]) -> Vec<Token> {
    let mut found = Vec::new();
    for token in body {
        match parameters.iter().position(|name| token.is_word(name)) {
            Some(at) => found.extend(arguments.get(at).into_iter().flatten().cloned()),
            None => found.push(token.clone()),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str, files: &[(&str, &str)]) -> Self {
            let path = std::env::temp_dir().join(format!("mqlc-preprocess-{name}-{}", std::process::id()));
            for (file, text) in files {
                let file = path.join(file);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, text).unwrap();
            }
            Self(path)
        }

        fn read(&self, dialect: Dialect) -> Result<Program, Failed> {
            let roots = Roots { shown_from: self.0.clone(), includes: vec![self.0.join("inc")], defines: vec![("GIVEN", "7")] };
            program(&self.0.join("main.mq5"), dialect, &roots)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn texts(name: &str, main: &str, dialect: Dialect) -> String {
        let program = Folder::new(name, &[("main.mq5", main)]).read(dialect).map_err(|failed| failed.findings).unwrap();
        program.tokens.iter().map(|token| token.text.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_file_is_included_once_whatever_the_case_of_its_name() {
        let main = "#include <A\\b.mqh>\n#include <a\\B.mqh>\n#include \"sub\\c.mqh\"\nint z;";
        let files = [("main.mq5", main), ("inc/a/B.mqh", "int b;"), ("sub/c.mqh", "#include <a/b.mqh>\nint c;")];
        let program = Folder::new("once", &files).read(Dialect::Mql5).unwrap();
        let names: Vec<_> = program.tokens.iter().filter(|token| token.text.len() == 1 && token.kind == Kind::Word).collect();
        assert_eq!(names.iter().map(|token| token.text.as_str()).collect::<Vec<_>>(), ["b", "c", "z"]);
        assert_eq!(program.files.path(names[0].place.file), Path::new("inc/a/B.mqh"));
        assert_eq!((names[1].place.line, names[2].place.line), (2, 4));
    }

    #[test]
    fn a_missing_file_is_error_106_where_it_was_asked_for() {
        let failed = Folder::new("missing", &[("main.mq5", "\n#include <no.mqh>")]).read(Dialect::Mql5).unwrap_err();
        assert_eq!(failed.findings[0].line(&failed.files), "main.mq5(2,10) : error 106: file no.mqh not found");
    }

    #[test]
    fn the_dialect_and_own_names_decide_conditions() {
        let main = "#ifdef __MQL4__\nfour\n#ifdef NO\nnever\n#else\nsure\n#endif\n#else\nfive\n#endif\n#ifndef NO\nyes\n#endif";
        assert_eq!(texts("dialect4", main, Dialect::Mql4), "four sure yes");
        assert_eq!(texts("dialect5", main, Dialect::Mql5), "five yes");
        assert_eq!(texts("given", "#ifndef GIVEN\n#define GIVEN 60\n#endif\nGIVEN", Dialect::Mql5), "7");
    }

    #[test]
    fn macros_are_expanded_with_the_place_of_their_use() {
        let main = "#define TWO 2\n#define ADD(a,b) ((a)+(b)+TWO)\n#define SELF SELF\nADD(f(1,2), TWO) SELF ADD __LINE__";
        assert_eq!(texts("macros", main, Dialect::Mql5), "( ( f ( 1 , 2 ) ) + ( 2 ) + 2 ) SELF ADD 4");
        let program = Folder::new("places", &[("main.mq5", main)]).read(Dialect::Mql5).unwrap();
        assert!(program.tokens.iter().all(|token| token.place.line == 4));
    }

    #[test]
    fn a_condition_without_an_end_and_an_unknown_directive_are_errors() {
        for (name, main) in [("open", "#ifdef A\n"), ("if", "#if 1\n#endif"), ("pragma", "#pragma once"), ("stray", "#endif")] {
            let failed = Folder::new(name, &[("main.mq5", main)]).read(Dialect::Mql5).unwrap_err();
            assert_eq!(failed.findings[0].number, 109, "{main}");
        }
    }

    #[test]
    fn properties_and_imports_are_kept() {
        let main = "#property strict\n#property description \"a b\"\n#import \"x.dll\"\nint f();\n#import\n";
        let program = Folder::new("kept", &[("main.mq5", main)]).read(Dialect::Mql4).unwrap();
        let properties: Vec<_> = program.properties.iter().map(|p| (p.name.as_str(), p.value.as_str())).collect();
        assert_eq!(properties, [("strict", ""), ("description", "a b")]);
        let imports: Vec<_> = program.tokens.iter().filter(|token| token.kind == Kind::Import).map(|t| t.text.as_str()).collect();
        assert_eq!(imports, ["x.dll", ""]);
    }
}
