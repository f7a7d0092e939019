//! The three layers: the embedded defaults, a file, the environment.
//!
//! The defaults say which keys exist and of which type each is. So a text from the environment is read as what its key
//! needs (a key made of digits stays a text), and a key that is not there is a mistake that can be named.

use std::{collections::BTreeMap, fmt, fs, path::Path};

use serde::Deserialize;
use toml::{Table, Value};

use super::{Config, DEFAULTS, names::SHORT};
use crate::contract::decode::plain;

/// What the names of variables begin with that may set any key.
const PREFIX: &str = "PARLOUR__";

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

/// A key that somebody set.
struct Setting {
    /// `section.key`.
    key: String,
    value: Value,
    /// Where, as a reader would look for it.
    origin: String,
}

/// Puts the layers together and checks the result.
pub(super) fn load(
    file: Option<&Path>,
    environment: impl Iterator<Item = (String, String)>,
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
    for found in from_environment(&defaults, environment) {
        match found {
            Ok(setting) => settings.push(setting),
            Err(problem) => problems.push(problem),
        }
    }

    // Each setting is tried on the defaults alone, so that each mistake is told apart from the others.
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

/// The usual names first, then those with our prefix, which win.
fn from_environment(
    defaults: &Table,
    environment: impl Iterator<Item = (String, String)>,
) -> Vec<Result<Setting, String>> {
    let environment: BTreeMap<String, String> = environment.collect();
    let mut found = Vec::new();
    // Other programs read DEBUG too, with values of their own; only a plain yes is meant for us.
    if environment.get("DEBUG").is_some_and(|text| matches!(text.to_lowercase().as_str(), "true" | "1" | "yes" | "on"))
    {
        found.push(Ok(Setting { key: "log.level".into(), value: "debug".into(), origin: "DEBUG".into() }));
    }
    for (name, key, meaning) in SHORT {
        if let Some(text) = environment.get(*name).filter(|text| !text.is_empty()) {
            let value = meaning(text).and_then(|text| typed(defaults, key, &text));
            found.push(match value {
                Ok(value) => Ok(Setting { key: (*key).to_owned(), value, origin: (*name).to_owned() }),
                Err(problem) => Err(format!("{name}: {problem}")),
            });
        }
    }
    for (name, text) in &environment {
        if let Some(rest) = name.strip_prefix(PREFIX) {
            let key = rest.to_lowercase().replace("__", ".");
            found.push(match typed(defaults, &key, text) {
                Ok(value) => Ok(Setting { key, value, origin: name.clone() }),
                Err(problem) => Err(format!("{name}: {problem}")),
            });
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

/// Reads a text as what `key` is by default.
fn typed(defaults: &Table, key: &str, text: &str) -> Result<Value, String> {
    match lookup(defaults, key) {
        Some(Value::Integer(_)) => {
            text.trim().parse().map(Value::Integer).map_err(|_| format!("must be a whole number, not `{text}`"))
        }
        Some(Value::Boolean(_)) => match text.trim().to_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(Value::Boolean(true)),
            "false" | "0" | "no" | "off" => Ok(Value::Boolean(false)),
            _ => Err(format!("must be true or false, not `{text}`")),
        },
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Migrate;

    fn from_variables(variables: &[(&str, &str)]) -> Result<Config, Invalid> {
        load(None, variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())))
    }

    fn from_text(text: &str) -> Result<Config, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        load(Some(file.path()), std::iter::empty())
            .map_err(|invalid| invalid.to_string().replace(&file.path().display().to_string(), "FILE"))
    }

    #[test]
    fn a_notice_comes_after_half_of_a_tokens_life() {
        let notice =
            |seconds| from_variables(&[("PARLOUR__AUTH__ACCESS_TOKEN_SECONDS", seconds)]).unwrap().expiry_notice();
        assert_eq!([notice("1800").as_secs(), notice("60").as_secs(), notice("3").as_millis() as u64], [60, 30, 1500]);
    }

    /// With `deny_unknown_fields` and no serde defaults this says that the file has every key and nothing else.
    #[test]
    fn the_default_file_has_every_key_and_nothing_else() {
        let config = from_variables(&[]).unwrap();
        let keys = |table: &Table| -> Vec<String> {
            table
                .iter()
                .flat_map(|(section, keys)| keys.as_table().unwrap().keys().map(move |key| format!("{section}.{key}")))
                .collect()
        };
        assert_eq!(keys(&config.to_toml().unwrap().parse().unwrap()), keys(&DEFAULTS.parse().unwrap()));
    }

    #[test]
    fn variables_set_keys_under_both_names() {
        let config = from_variables(&[
            ("PORT", "9000"),
            ("PARLOUR__SERVER__PORT", "9001"),
            ("HOST", "::"),
            ("SECRET_KEY", "31415926535897932384626433832795"),
            ("CORS_ORIGINS", r#"["https://a.example", "https://b.example"]"#),
            ("PARLOUR__SERVER__TRUSTED_PROXIES", "10.0.0.0/8, ::1/128, 192.0.2.7"),
            ("ACCESS_TOKEN_EXPIRE_MINUTES", "5"),
            ("REFRESH_TOKEN_EXPIRE_DAYS", "2"),
            ("DATABASE_URL", "postgresql+asyncpg://ada:x@db/parlour"),
            ("MIGRATE_ON_START", "true"),
            ("LOG_LEVEL", "WARNING"),
            ("DEBUG", "true"),
            ("PARLOUR__LIMITS__ENABLED", "false"),
            ("DATA_DIR", ""),
        ])
        .unwrap();
        assert_eq!(config.server.port, 9001, "our own name wins");
        assert_eq!(config.server.host.to_string(), "::");
        assert_eq!(config.auth.secret_key.expose(), "31415926535897932384626433832795", "digits stay a text");
        assert_eq!(config.cors.origins, ["https://a.example".parse().unwrap(), "https://b.example".parse().unwrap()]);
        assert_eq!(config.server.trusted_proxies.len(), 3);
        assert_eq!(config.auth.access_token_seconds, 300);
        assert_eq!(config.auth.refresh_token_seconds, 172_800);
        assert_eq!(config.database_url().expose(), "postgresql://ada:x@db/parlour");
        assert_eq!(config.database.migrate_on_start, Migrate::Always);
        assert_eq!(config.log.level, "warn", "LOG_LEVEL is more exact than DEBUG");
        assert!(!config.limits.enabled);
        assert_eq!(config.server.data_dir, Path::new("./data"), "an empty variable of the usual kind is none");
    }

    #[test]
    fn the_environment_overrides_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "[server]\nport = 1\nhost = \"::1\"").unwrap();
        let config = load(Some(file.path()), [("PORT".to_owned(), "2".to_owned())].into_iter()).unwrap();
        assert_eq!((config.server.port, config.server.host.to_string().as_str()), (2, "::1"));
    }

    #[test]
    fn a_mistake_is_named_with_its_place_and_the_right_key() {
        for (text, problem) in [
            ("[server]\nprot = 1", "FILE: `server.prot` is not a setting; did you mean `server.port`?"),
            ("port = 1", "FILE: `port` is not a setting; did you mean `server.port`?"),
            ("[sever]\nport = 1", "FILE: `sever.port` is not a setting; did you mean `server.port`?"),
            ("[server]\nsecret_key = \"x\"", "did you mean `auth.secret_key`?"),
            ("[zoo]\nzebra = 1", "FILE: `zoo.zebra` is not a setting"),
            ("[server]\nport = 70000", "FILE: server.port: must be a whole number from 0 to 65535, not 70000"),
            ("[server]\n\nport = = 1", "FILE, line 3: "),
        ] {
            let found = from_text(text).unwrap_err();
            assert!(found.contains(problem), "{text:?}: {found}");
        }
        for (name, text, problem) in [
            (
                "PARLOUR__SERVER__PROT",
                "1",
                "PARLOUR__SERVER__PROT is not a setting; did you mean `PARLOUR__SERVER__PORT`?",
            ),
            ("PARLOUR__PORT", "1", "did you mean `PARLOUR__SERVER__PORT`?"),
            ("PORT", "many", "PORT: must be a whole number, not `many`"),
            ("HOST", "nowhere", "HOST: server.host: must be an IP address, such as 127.0.0.1"),
            ("ENVIRONMENT", "moon", "ENVIRONMENT: server.environment: must be one of"),
            ("CORS_ORIGINS", "[1]", "CORS_ORIGINS: not a JSON list of texts"),
            ("PARLOUR__LIMITS__ENABLED", "maybe", "PARLOUR__LIMITS__ENABLED: must be true or false"),
        ] {
            let found = from_variables(&[(name, text)]).unwrap_err().to_string();
            assert!(found.contains(problem), "{name}: {found}");
        }
    }

    #[test]
    fn a_variable_with_one_underscore_is_told_of() {
        for (name, meant) in [
            ("PARLOUR_SERVER_PORT", Some("PARLOUR__SERVER__PORT")),
            ("PARLOUR_LIMITS__MESSAGES_PER_MINUTE", Some("PARLOUR__LIMITS__MESSAGES_PER_MINUTE")),
            ("PARLOUR_PORT", Some("PARLOUR__SERVER__PORT")),
            ("PARLOUR__SERVER__PORT", None),
            ("PARLOUR_TEST_DATABASE", None),
            ("PORT", None),
        ] {
            let told = near_misses([name.to_owned()].into_iter());
            let wanted: Vec<String> =
                meant.map(|meant| format!("{name} is not read; did you mean `{meant}`?")).into_iter().collect();
            assert_eq!(told, wanted);
        }
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let found = from_variables(&[
            ("PARLOUR__SERVER__PROT", "1"),
            ("PORT", "x"),
            ("PARLOUR__REALTIME__BUFFER_PACKETS", "10"),
            ("CORS_ORIGINS", "*"),
        ])
        .unwrap_err()
        .to_string();
        assert!(found.starts_with("configuration: 4 problems\n"), "{found}");
        assert!(found.contains("PARLOUR__REALTIME__BUFFER_PACKETS: realtime.buffer_packets: "), "{found}");
    }
}
