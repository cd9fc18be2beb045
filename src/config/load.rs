//! Settings by layers, and errors that say where each wrong one stands.
//!
//! Every setting of every layer is tried alone first, over the defaults: so all that is wrong is told at once, each with the line,
//! variable or flag that it comes from.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    path::{Path, PathBuf},
};

use figment::{
    Figment,
    error::Kind,
    providers::Serialized,
    value::{Dict, Empty, Value},
};
use serde::{Deserialize, Serialize, de::IntoDeserializer as _};
use toml_edit::{Document, Item, TableLike};

use super::Config;

const PREFIX: &str = "MTBRIDGE_";
/// Variables that are for the command line, not settings of the hub.
const OTHERS: [&str; 6] = ["URL", "API_KEY", "API_KEY_FILE", "TERMINAL", "TOKEN", "CONFIG"];

/// Where a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A line of the settings file.
    File(PathBuf, usize),
    /// An environment variable.
    Variable(String),
    /// A flag of the command line.
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(name) => write!(f, "--{name}"),
        }
    }
}

/// Settings that cannot be used: all that is wrong with them, a line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// Where, which key, and what would be right.
    pub problems: Vec<String>,
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.as_slice() {
            [only] => f.write_str(only),
            many => {
                write!(f, "{} settings cannot be used", many.len())?;
                many.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
            }
        }
    }
}

/// Settings, and where those come from that are not the defaults.
#[derive(Debug)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// By key, with dots.
    pub sources: BTreeMap<String, Source>,
}

/// One setting of one layer.
struct Setting {
    path: Vec<String>,
    value: Value,
    source: Source,
}

impl Setting {
    fn key(&self) -> String {
        self.path.join(".")
    }

    /// The value under its path, as a layer.
    fn layer(&self) -> Dict {
        let mut value = self.value.clone();
        for name in self.path.iter().skip(1).rev() {
            value = Value::from(Dict::from([(name.clone(), value)]));
        }
        Dict::from([(self.path[0].clone(), value)])
    }
}

/// Reads defaults, then `file`, then `MTBRIDGE_*` (tables joined by `__`), then what flags gave.
pub(super) fn load(file: Option<&Path>, flags: &impl Serialize) -> Result<Loaded, ConfigError> {
    let (mut settings, mut problems) = (Vec::new(), Vec::new());
    let mut lines = BTreeMap::new();
    if let Some(path) = file
        && let Err(problem) = read_file(path, &mut settings, &mut lines)
    {
        problems.push(problem);
    }
    settings.extend(variables());
    settings.extend(flag_settings(flags)?);

    for setting in &settings {
        let problem = wrong_alone(setting, &settings).map(|error| describe(&error, setting, file, &lines));
        problems.extend(problem.filter(|problem| !problems.contains(problem)));
    }
    if !problems.is_empty() {
        return Err(ConfigError { problems });
    }
    let all = settings.iter().fold(defaults(), |figment, setting| figment.merge(Serialized::defaults(setting.layer())));
    let config: Config = all.extract().map_err(|error| ConfigError { problems: vec![error.to_string()] })?;
    let sources: BTreeMap<_, _> = settings.iter().map(|setting| (setting.key(), setting.source.clone())).collect();
    check(&config, &sources)?;
    Ok(Loaded { config, sources })
}

/// What the values mean together; told at the first of the keys concerned that somebody set.
fn check(config: &Config, sources: &BTreeMap<String, Source>) -> Result<(), ConfigError> {
    let tell = |super::Problem { keys, detail }| {
        // The name of a table has no source of its own, its keys have.
        let below =
            |key: &String| sources.iter().find(|(name, _)| name.starts_with(&format!("{key}."))).map(|(_, source)| source);
        let set = keys.iter().find_map(|key| sources.get(key).or_else(|| below(key)));
        let place = set.map_or_else(String::new, |source| format!("{source}: "));
        format!("{place}{} {detail}", keys[0])
    };
    let problems: Vec<_> = config.problems().into_iter().map(tell).collect();
    if problems.is_empty() { Ok(()) } else { Err(ConfigError { problems }) }
}

fn defaults() -> Figment {
    Figment::from(Serialized::defaults(Config::default()))
}

/// Why a setting cannot be used over the defaults, if so. Those of one trade server belong together.
fn wrong_alone(setting: &Setting, all: &[Setting]) -> Option<figment::Error> {
    let together =
        |other: &&Setting| setting.path[0] == "servers" && other.path.len() > 2 && other.path.get(..2) == setting.path.get(..2);
    let figment =
        all.iter().filter(together).fold(defaults(), |figment, other| figment.merge(Serialized::defaults(other.layer())));
    figment.merge(Serialized::defaults(setting.layer())).extract::<Config>().err()
}

fn describe(error: &figment::Error, setting: &Setting, file: Option<&Path>, lines: &BTreeMap<Vec<String>, usize>) -> String {
    let mut path = setting.path.clone();
    let detail = match &error.kind {
        Kind::UnknownField(name, known) => {
            if let Some(at) = path.iter().position(|part| part == name) {
                path.truncate(at + 1);
            }
            format!("is no setting{}", did_you_mean(name, known))
        }
        // The words of the library would repeat a secret.
        _ if setting.path[0].starts_with("admin_key") => "must be text in quotes".to_owned(),
        kind => format!("cannot be used: {kind}"),
    };
    let source = match (&setting.source, file, lines.get(&path)) {
        (Source::File(..), Some(file), Some(line)) => Source::File(file.to_owned(), *line),
        (source, ..) => source.clone(),
    };
    format!("{source}: {} {detail}", path.join("."))
}

fn did_you_mean(name: &str, known: &[&str]) -> String {
    let near = known.iter().map(|word| (strsim::jaro_winkler(name, word), word)).max_by(|a, b| a.0.total_cmp(&b.0));
    match near {
        Some((likeness, word)) if likeness > 0.8 => format!("; did you mean `{word}`?"),
        _ => format!("; there are: {}", known.join(", ")),
    }
}

fn read_file(path: &Path, settings: &mut Vec<Setting>, lines: &mut BTreeMap<Vec<String>, usize>) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let line = |at: usize| text.get(..at).unwrap_or(&text).matches('\n').count() + 1;
    let document = Document::parse(text.as_str()).map_err(|error| {
        let at = error.span().map_or(String::new(), |span| format!(":{}", line(span.start)));
        format!("{}{at}: {}", path.display(), error.message().trim().replace('\n', ", "))
    })?;
    walk(document.as_table(), &mut Vec::new(), &mut |names, at, value| {
        lines.insert(names.to_vec(), line(at));
        if let Some(value) = value {
            settings.push(Setting { path: names.to_vec(), value, source: Source::File(path.to_owned(), line(at)) });
        }
    });
    Ok(())
}

/// Calls `found` for every key: with its place, and with its value unless it is a table of others.
fn walk(table: &dyn TableLike, names: &mut Vec<String>, found: &mut impl FnMut(&[String], usize, Option<Value>)) {
    for (name, item) in table.iter() {
        names.push(name.to_owned());
        let at = table.key(name).and_then(toml_edit::Key::span).or_else(|| item.span()).map_or(0, |span| span.start);
        match item.as_table_like().filter(|inner| !inner.is_empty()) {
            Some(inner) => {
                found(names, at, None);
                walk(inner, names, found);
            }
            None => found(names, at, Some(value_of(item))),
        }
        names.pop();
    }
}

fn value_of(item: &Item) -> Value {
    let value = item.as_value().and_then(|value| <Value as Deserialize>::deserialize(value.clone().into_deserializer()).ok());
    // An empty table, or what no setting can be, such as an array of tables.
    value.unwrap_or_else(|| if item.is_table() { Value::from(Dict::new()) } else { Value::from(Empty::Unit) })
}

fn variables() -> impl Iterator<Item = Setting> {
    std::env::vars_os().filter_map(|(name, text)| {
        let (name, text) = (name.into_string().ok()?, text.into_string().ok()?);
        let key = name.strip_prefix(PREFIX).filter(|key| !OTHERS.contains(key) && !key.is_empty())?;
        let path = key.to_lowercase().split("__").map(str::to_owned).collect();
        // Never fails: what is no number, list or truth value is text.
        let value = text.parse::<Value>().unwrap_or_else(|_| Value::from(text));
        Some(Setting { path, value, source: Source::Variable(name) })
    })
}

fn flag_settings(flags: &impl Serialize) -> Result<Vec<Setting>, ConfigError> {
    let given: Dict = Figment::from(Serialized::defaults(flags))
        .extract()
        .map_err(|error| ConfigError { problems: vec![error.to_string()] })?;
    let setting = |(name, value): (String, Value)| {
        let source = Source::Flag(name.replace('_', "-"));
        Setting { path: vec![name], value, source }
    };
    Ok(given.into_iter().map(setting).collect())
}

impl Loaded {
    /// The settings in force as a settings file, secrets left out, with the source of each that is not the default.
    #[must_use]
    pub fn shown(&self) -> String {
        let mut config = self.config.clone();
        if config.admin_key.is_some() {
            config.admin_key = Some("(set)".to_owned());
        }
        let text = toml_edit::ser::to_string_pretty(&config).unwrap_or_default();
        let (mut shown, mut table) = (String::new(), String::new());
        for line in text.lines() {
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                table = format!("{}.", name.replace('"', ""));
            }
            let source = line.split_once(" = ").and_then(|(name, _)| self.sources.get(&format!("{table}{name}")));
            let _ = match source {
                Some(source) => writeln!(shown, "{line}  # {source}"),
                None => writeln!(shown, "{line}"),
            };
        }
        shown
    }
}
