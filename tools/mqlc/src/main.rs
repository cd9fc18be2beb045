//! The command line of `mqlc`.

use clap::{Parser, Subcommand, ValueEnum};
use mqlc::{
    build::{self, BuildError, Variant},
    coverage::Coverage,
    preprocess::Dialect,
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Checks the Expert Advisors' MQL, translates it to C++20 and builds it with the runtime in tools/mqlrt.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The repository
    #[arg(long, global = true, default_value = ".")]
    root: PathBuf,
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Write the C++ of a main file to standard output
    Translate {
        /// A .mq5 or .mq4 file
        file: PathBuf,
    },
    /// Hold main files against the rules of MetaEditor
    Check {
        /// .mq5 and .mq4 files
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Tell which lines of the MQL sources the coverage builds have run
    Coverage {
        /// Fail if fewer lines were run, percent
        #[arg(long, default_value_t = 0)]
        floor: u32,
        /// Build them and forget what was run before, instead
        #[arg(long, conflicts_with = "floor")]
        anew: bool,
    },
    /// Build the Expert Advisor, or another main file, and print where it is
    Build {
        /// Which language
        #[arg(long, required_unless_present = "file")]
        dialect: Option<Language>,
        /// How it is compiled
        #[arg(long, default_value = "plain")]
        variant: Kind,
        /// Copy the binary to this place
        #[arg(long)]
        out: Option<PathBuf>,
        /// Another main file
        #[arg(long)]
        file: Option<PathBuf>,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Language {
    Mql5,
    Mql4,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    Plain,
    Sanitize,
    Coverage,
}

#[allow(clippy::print_stderr, reason = "this is the command line")]
fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[allow(clippy::print_stdout, reason = "this is the command line")]
fn run(arguments: Arguments) -> Result<(), BuildError> {
    let root = fs::canonicalize(&arguments.root).map_err(|source| BuildError::Io { path: arguments.root.clone(), source })?;
    match arguments.command {
        Task::Translate { file } => print!("{}", build::translate(&root, &file, dialect(&file)?)?),
        Task::Check { files } => {
            for file in files {
                println!("{}", build::check(&root, &file, dialect(&file)?)?.trim_end());
            }
        }
        Task::Coverage { anew: true, .. } => Coverage::forget(&root)?,
        Task::Coverage { floor, .. } => {
            let found = Coverage::measured(&root)?;
            print!("{found}");
            if found.percent() < floor {
                return Err(BuildError::Uncovered { run: found.percent(), floor });
            }
        }
        Task::Build { dialect: language, variant, out, file } => {
            let variant = match variant {
                Kind::Plain => Variant::Plain,
                Kind::Sanitize => Variant::Sanitize,
                Kind::Coverage => Variant::Coverage,
            };
            let made = match (file, language) {
                (Some(file), _) => build::program(&root, &file, dialect(&file)?, variant, "program")?,
                (None, Some(Language::Mql4)) => build::binary(&root, Dialect::Mql4, variant)?,
                (None, _) => build::binary(&root, Dialect::Mql5, variant)?,
            };
            let made = match out {
                Some(out) => fs::copy(&made, &out).map(|_| out.clone()).map_err(|source| BuildError::Io { path: out, source })?,
                None => made,
            };
            println!("{}", made.display());
        }
    }
    Ok(())
}

fn dialect(file: &Path) -> Result<Dialect, BuildError> {
    Dialect::of(file).ok_or_else(|| BuildError::Source(format!("{}: a main file ends in .mq5 or .mq4", file.display())))
}
