//! What is wrong with a source, in the form that MetaEditor prints.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// Where something stands: a file of the [`Files`] table, a line and a column, both counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Index in [`Files`].
    pub file: u32,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub col: u32,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// MetaEditor makes no program.
    Error,
    /// MetaEditor makes one; our own sources have none of these.
    Warning,
}

/// One finding. Its number is MetaEditor's (mql5.com, "Compilation Errors" and "Compiler Warnings"); 0 where that list has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Where.
    pub place: Place,
    /// Error or warning.
    pub severity: Severity,
    /// MetaEditor's number, 0 if it has none.
    pub number: u16,
    /// In words, without a full stop.
    pub text: String,
}

impl Diagnostic {
    /// An error.
    pub fn error(place: Place, number: u16, text: impl Into<String>) -> Self {
        Self { place, severity: Severity::Error, number, text: text.into() }
    }

    /// A warning.
    pub fn warning(place: Place, number: u16, text: impl Into<String>) -> Self {
        Self { place, severity: Severity::Warning, number, text: text.into() }
    }

    /// The line that MetaEditor would print: `path(line,col) : error 256: text`.
    #[must_use]
    pub fn line(&self, files: &Files) -> String {
        let path = files.path(self.place.file).display();
        format!("{path}({},{}) : {} {}: {}", self.place.line, self.place.col, self.severity, self.number, self.text)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// All lines, sorted by place, and MetaEditor's last one: `Result: N errors, N warnings`.
#[must_use]
pub fn report(findings: &[Diagnostic], files: &Files) -> String {
    let mut sorted: Vec<_> = findings.iter().collect();
    sorted.sort_by_key(|finding| finding.place);
    let mut text: String = sorted.iter().map(|finding| finding.line(files) + "\n").collect();
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    text.push_str(&format!("Result: {errors} errors, {} warnings\n", findings.len() - errors));
    text
}

/// The files of one program, in the order in which they were opened.
#[derive(Debug, Clone, Default)]
pub struct Files {
    paths: Vec<PathBuf>,
}

impl Files {
    /// Takes a file in; gives its index.
    pub fn add(&mut self, path: impl Into<PathBuf>) -> u32 {
        self.paths.push(path.into());
        u32::try_from(self.paths.len() - 1).unwrap_or(u32::MAX)
    }

    /// The path as it was given, empty for an index that is not in the table.
    #[must_use]
    pub fn path(&self, file: u32) -> &Path {
        self.paths.get(file as usize).map_or(Path::new(""), PathBuf::as_path)
    }

    /// All paths.
    pub fn iter(&self) -> impl Iterator<Item = &Path> {
        self.paths.iter().map(PathBuf::as_path)
    }
}
