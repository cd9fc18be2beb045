//! Which lines of the MQL sources the coverage builds have run, both languages together.

use crate::{
    build::{self, BuildError, Variant},
    preprocess::Dialect,
};
use std::{collections::BTreeMap, fmt, path::Path, process::Command};

/// What was run: for each file under `mql/`, for each line with code, whether it was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    files: BTreeMap<String, BTreeMap<u32, bool>>,
}

impl Coverage {
    /// What the processes that have ended so far have run. Those that were killed have counted nothing.
    ///
    /// # Errors
    /// The coverage builds cannot be made, or gcov is not there.
    pub fn measured(root: &Path) -> Result<Self, BuildError> {
        let mut found = Self::default();
        for dialect in [Dialect::Mql5, Dialect::Mql4] {
            found.add(root, &build::binary(root, dialect, Variant::Coverage)?)?;
        }
        Ok(found)
    }

    /// Forgets what the processes that have ended so far have run.
    ///
    /// # Errors
    /// The coverage builds cannot be made, or their counts cannot be removed.
    pub fn forget(root: &Path) -> Result<(), BuildError> {
        for dialect in [Dialect::Mql5, Dialect::Mql4] {
            let path = build::binary(root, dialect, Variant::Coverage)?.with_extension("gcda");
            match std::fs::remove_file(&path) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => return Err(BuildError::Io { path, source }),
                _ => {}
            }
        }
        Ok(())
    }

    /// Adds what the processes of one binary have run.
    pub(crate) fn add(&mut self, root: &Path, binary: &Path) -> Result<(), BuildError> {
        let counts = binary.with_extension("gcda");
        if counts.exists() {
            let said =
                Command::new("gcov").arg("-t").arg(&counts).current_dir(root).output().map_err(|_| BuildError::NoCompiler)?;
            self.read(&String::from_utf8_lossy(&said.stdout));
        }
        Ok(())
    }

    /// gcov's listing: `count:line:text`, `#####` for a line that was not run, `-` for one without code.
    fn read(&mut self, listing: &str) {
        let mut file = String::new();
        for line in listing.lines() {
            let mut parts = line.splitn(3, ':');
            let (Some(count), Some(number), Some(text)) = (parts.next(), parts.next(), parts.next()) else { continue };
            let (count, Ok(number)) = (count.trim(), number.trim().parse::<u32>()) else { continue };
            match text.strip_prefix("Source:").filter(|_| number == 0) {
                Some(source) => source.clone_into(&mut file),
                None if count == "-" || number == 0 || !file.starts_with("mql/") => {}
                None => *self.files.entry(file.clone()).or_default().entry(number).or_default() |= !count.starts_with(['#', '=']),
            }
        }
    }

    /// Lines that were run, and lines with code.
    #[must_use]
    pub fn lines(&self) -> (usize, usize) {
        let all = || self.files.values().flat_map(BTreeMap::values);
        (all().filter(|run| **run).count(), all().count())
    }

    /// The part that was run, in percent; 0 if nothing was.
    #[must_use]
    pub fn percent(&self) -> u32 {
        let (run, all) = self.lines();
        u32::try_from(run * 100 / all.max(1)).unwrap_or(0)
    }
}

/// A line for each file with its lines that were not run, then the sum.
impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (file, lines) in &self.files {
            let missed: Vec<String> = lines.iter().filter(|(_, run)| !**run).map(|(line, _)| line.to_string()).collect();
            writeln!(f, "{:>5} of {:>5}  {file}  {}", lines.len() - missed.len(), lines.len(), missed.join(" "))?;
        }
        let (run, all) = self.lines();
        writeln!(f, "{run:>5} of {all:>5}  {} % of the lines in mql/", self.percent())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIVE: &str = "        -:    0:Source:mql/A.mqh\n        -:    0:Graph:x\n        -:    1:int a;\n        3:    2:f(a ? 1:2);\n    #####:    3:g();\n    =====:    4:h();\n";
    const FOUR: &str = "        -:    0:Source:mql/A.mqh\n    #####:    2:f();\n       1*:    3:g();\n        -:    0:Source:(generated)\n        1:    1:x\n";

    #[test]
    fn a_line_counts_once_and_either_language_may_run_it() {
        let mut found = Coverage::default();
        found.read(FIVE);
        assert_eq!((found.lines(), found.percent()), ((1, 3), 33));
        found.read(FOUR);
        assert_eq!((found.lines(), found.percent()), ((2, 3), 66));
        assert_eq!(found.to_string(), "    2 of     3  mql/A.mqh  4\n    2 of     3  66 % of the lines in mql/\n");
    }
}
