//! The layers: the embedded defaults, a file, `.env`, the environment.
//!
//! The defaults say which keys exist and of which type each is. So a text from the environment is read as what its key
//! needs (a key made of digits stays a text), and a key that is not there is a mistake that can be named.

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt, fs, path::Path};

use serde::Deserialize;
use toml::{Table, Value};

use super::{Config, DEFAULTS, dotenv, names::SHORT};
use crate::contract::decode::plain;

/// What the names of variables begin with that may set any key.
const PREFIX: &str = "PARLOUR__";

/// Asks for a log with details.
const DEBUG: &str = "DEBUG";

/// How alike two keys must be for one to be suggested for the other (Jaro-Winkler, 0 to 1).
const ALIKE: f64 = 0.75;

/// Everything that is wrong with a configuration.
#[derive(Debug)]
pub struct Invalid(Vec<String>);

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [only] => write!(f, "configuration: {only}"),
            all => {
                write!(f, "configuration: {} problems", all.len())?;
                all.iter().try_for_each(|problem| write!(f, "\n  - {problem}"))
            }
        }
    }
}

impl std::error::Error for Invalid {}

/// A key that is set.
struct Setting {
    /// `section.key`.
    key: String,
    value: Value,
    /// Its source: a line of the file, or a variable.
    origin: String,
}

/// Puts the layers together and checks the result.
pub(super) fn load(
    file: Option<&Path>,
    dotenv: Option<&Path>,
    environment: Vec<(String, String)>,
) -> Result<Config, Invalid> {
    let defaults: Table = DEFAULTS.parse().expect("the embedded defaults are TOML");
    let mut problems = Vec::new();
    let mut settings = Vec::new();
    if let Some(path) = file {
        match from_file(path) {
            Ok(found) => settings.extend(found),
            Err(problem) => problems.push(problem),
        }
    }
    let mut variables = Vec::new();
    match dotenv.map_or(Ok(Vec::new()), |path| dotenv::read(path, &environment)) {
        Ok(found) => variables.extend(from_variables(&defaults, found, "in .env")),
        Err(problem) => problems.push(problem),
    }
    variables.extend(from_variables(&defaults, environment, ""));
    for found in variables {
        match found {
            Ok(setting) => settings.push(setting),
            Err(problem) => problems.push(problem),
        }
    }

    // Each setting is tried on the defaults alone, so that each mistake is reported separately.
    let mut table = defaults.clone();
    let mut origins = BTreeMap::new();
    for Setting { key, value, origin } in settings {
        if lookup(&defaults, &key).is_none() {
            problems.push(unknown(&defaults, &key, &origin));
            continue;
        }
        let mut trial = defaults.clone();
        set(&mut trial, &key, value.clone());
        if let Err(error) = Config::deserialize(trial) {
            problems.push(format!("{origin}: {key}: {}", plain(error.message().trim_end())));
            continue;
        }
        set(&mut table, &key, value);
        origins.insert(key, origin);
    }

    let config = Config::deserialize(table).map_err(|error| Invalid(vec![plain(error.message())]))?;
    problems.extend(config.problems().into_iter().map(|(key, text)| match origins.get(key) {
        Some(origin) => format!("{origin}: {key}: {text}"),
        None => format!("{key}: {text}"),
    }));
    if problems.is_empty() { Ok(config) } else { Err(Invalid(problems)) }
}

fn from_file(path: &Path) -> Result<Vec<Setting>, String> {
    let name = path.display();
    let text = fs::read_to_string(path).map_err(|error| format!("cannot read {name}: {error}"))?;
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(0, |span| text[..span.start].matches('\n').count() + 1);
        format!("{name}, line {line}: {}", error.message())
    })?;
    let mut settings = Vec::new();
    for (section, value) in table {
        match value {
            Value::Table(keys) => settings.extend(keys.into_iter().map(|(key, value)| Setting {
                key: format!("{section}.{key}"),
                value,
                origin: name.to_string(),
            })),
            value => settings.push(Setting { key: section, value, origin: name.to_string() }),
        }
    }
    Ok(settings)
}

/// The usual names first, then those with our prefix, which win. `place` names their source.
fn from_variables(defaults: &Table, variables: Vec<(String, String)>, place: &str) -> Vec<Result<Setting, String>> {
    let variables: BTreeMap<String, String> = variables.into_iter().collect();
    let mut found = Vec::new();
    let mut add = |name: &str, key: String, value: Result<Value, String>| {
        let origin = format!("{name} {place}").trim_end().to_owned();
        found.push(match value {
            Ok(value) => Ok(Setting { key, value, origin }),
            Err(problem) => Err(format!("{origin}: {problem}")),
        });
    };
    match variables.get(DEBUG).map(|text| yes_or_no(text)) {
        Some(Ok(true)) => add(DEBUG, "log.level".into(), Ok("debug".into())),
        Some(Err(problem)) if !is_of_others(&variables[DEBUG]) => add(DEBUG, "log.level".into(), Err(problem)),
        _ => {}
    }
    for (name, key, meaning) in SHORT {
        if let Some(text) = variables.get(*name).filter(|text| !text.is_empty()) {
            add(name, (*key).to_owned(), meaning(text).and_then(|text| typed(defaults, key, &text)));
        }
    }
    for (name, text) in &variables {
        if let Some(rest) = name.strip_prefix(PREFIX) {
            let key = rest.to_lowercase().replace("__", ".");
            let value = typed(defaults, &key, text);
            add(name, key, value);
        }
    }
    found
}

/// Of names of variables, those that set nothing and look as if they should, each with the name that was probably meant: one
/// underscore stands where two are wanted.
pub(super) fn near_misses(names: impl Iterator<Item = String>) -> Vec<String> {
    let defaults: Table = DEFAULTS.parse().expect("the embedded defaults are TOML");
    let ours = names.filter(|name| name.starts_with("PARLOUR_") && !name.starts_with(PREFIX));
    let mut found: Vec<String> = ours
        .filter_map(|name| {
            let written = name.strip_prefix("PARLOUR_")?.to_lowercase().replace("__", "_");
            let is_meant = |known: &String| {
                let (_, key) = known.split_once('.').unwrap_or_default();
                known.replace('.', "_") == written || key == written
            };
            let meant = keys(&defaults).map(|(known, _)| known).find(is_meant)?;
            Some(format!("{name} is not read; did you mean `{}`?", variable(&meant)))
        })
        .collect();
    found.sort();
    found
}

/// The variable that sets a key.
fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.to_uppercase().replace('.', "__"))
}

/// Every key there is, and its name within its section.
fn keys(defaults: &Table) -> impl Iterator<Item = (String, &String)> {
    defaults.iter().flat_map(|(section, keys)| {
        keys.as_table().into_iter().flat_map(Table::keys).map(move |key| (format!("{section}.{key}"), key))
    })
}

/// Whether a `DEBUG` is meant for another program: libraries for Node take patterns of names
/// (<https://www.npmjs.com/package/debug>).
fn is_of_others(debug: &str) -> bool {
    debug.is_empty() || debug.contains(['*', ':', ','])
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text.trim().to_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(format!("must be true or false, not `{text}`")),
    }
}

/// Reads a text as what `key` is by default.
fn typed(defaults: &Table, key: &str, text: &str) -> Result<Value, String> {
    match lookup(defaults, key) {
        Some(Value::Integer(_)) => {
            text.trim().parse().map(Value::Integer).map_err(|_| format!("must be a whole number, not `{text}`"))
        }
        Some(Value::Boolean(_)) => yes_or_no(text).map(Value::Boolean),
        Some(Value::Array(_)) => list(text),
        _ => Ok(Value::String(text.to_owned())),
    }
}

/// A JSON list of texts, or texts with commas between.
fn list(text: &str) -> Result<Value, String> {
    let items: Vec<String> = if text.trim_start().starts_with('[') {
        serde_json::from_str(text).map_err(|error| format!("not a JSON list of texts: {error}"))?
    } else {
        text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
    };
    Ok(Value::Array(items.into_iter().map(Value::String).collect()))
}

fn lookup<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    let (section, key) = key.split_once('.')?;
    table.get(section)?.get(key)
}

fn set(table: &mut Table, key: &str, value: Value) {
    if let Some((section, key)) = key.split_once('.')
        && let Some(Value::Table(section)) = table.get_mut(section)
    {
        section.insert(key.to_owned(), value);
    }
}

fn unknown(defaults: &Table, key: &str, origin: &str) -> String {
    let from_environment = origin.starts_with(PREFIX);
    let written = |key: &str| match from_environment {
        true => variable(key),
        false => key.to_owned(),
    };
    let problem = match from_environment {
        true => format!("{origin} is not a setting"),
        false => format!("{origin}: `{key}` is not a setting"),
    };
    match nearest(defaults, key) {
        Some(near) => format!("{problem}; did you mean `{}`?", written(&near)),
        None => problem,
    }
}

/// The key that was probably meant: one of that name in another section, or the one that is spelt most alike.
fn nearest(defaults: &Table, key: &str) -> Option<String> {
    let name = key.rsplit('.').next().unwrap_or(key);
    keys(defaults)
        .map(|(known, known_name)| {
            let likeness = if known_name == name { 1.0 } else { strsim::jaro_winkler(&known, key) };
            (likeness, known)
        })
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known)
}
