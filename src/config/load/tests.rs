use super::*;
use crate::config::Migrate;

fn with(variables: &[(&str, &str)]) -> Result<Config, Invalid> {
    load(None, None, variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect())
}

fn from_text(text: &str) -> Result<Config, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    load(Some(file.path()), None, Vec::new())
        .map_err(|invalid| invalid.to_string().replace(&file.path().display().to_string(), "FILE"))
}

#[test]
fn a_notice_comes_after_half_of_a_tokens_life() {
    let notice = |seconds| with(&[("PARLOUR__AUTH__ACCESS_TOKEN_SECONDS", seconds)]).unwrap().expiry_notice();
    assert_eq!([notice("1800").as_secs(), notice("60").as_secs(), notice("3").as_millis() as u64], [60, 30, 1500]);
}

/// With `deny_unknown_fields` and no serde defaults this says that the file has every key and nothing else.
#[test]
fn the_default_file_has_every_key_and_nothing_else() {
    let config = with(&[]).unwrap();
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
    let config = with(&[
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
fn a_debug_that_is_for_others_is_none_of_ours() {
    for (debug, level) in [("socket.io:*", "info"), ("*", "info"), ("a,b", "info"), ("", "info"), ("Yes", "debug")] {
        assert_eq!(with(&[("DEBUG", debug)]).unwrap().log.level, level, "{debug}");
    }
}

#[test]
fn a_file_of_variables_comes_before_the_environment() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "PORT=1\nHOST=::1\nPARLOUR__ROOMS__MAX_MEMBERS=7\nPARLOUR__SERVER__DRAIN_SECONDS=1")
        .unwrap();
    let environment = [("PORT", "2"), ("MAX_CHAT_PARTICIPANTS", "9"), ("PARLOUR__SERVER__DRAIN_SECONDS", "3")];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = load(None, Some(file.path()), environment.into()).unwrap();
    assert_eq!((config.server.port, config.server.host.to_string().as_str()), (2, "::1"));
    assert_eq!((config.rooms.max_members, config.server.drain_seconds), (9, 3));
    for (text, problem) in [
        ("PORT=many", "PORT in .env: must be a whole number, not `many`"),
        ("HOST=nowhere", "HOST in .env: server.host: "),
        (
            "PARLOUR__SERVER__PROT=1",
            "PARLOUR__SERVER__PROT in .env is not a setting; did you mean `PARLOUR__SERVER__PORT`?",
        ),
    ] {
        fs::write(file.path(), text).unwrap();
        let found = load(None, Some(file.path()), Vec::new()).unwrap_err().to_string();
        assert!(found.contains(problem), "{text}: {found}");
    }
}

#[test]
fn the_environment_overrides_the_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "[server]\nport = 1\nhost = \"::1\"").unwrap();
    let config = load(Some(file.path()), None, vec![("PORT".to_owned(), "2".to_owned())]).unwrap();
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
        ("PARLOUR__SERVER__PROT", "1", "PARLOUR__SERVER__PROT is not a setting; did you mean `PARLOUR__SERVER__PORT`?"),
        ("PARLOUR__PORT", "1", "did you mean `PARLOUR__SERVER__PORT`?"),
        ("PORT", "many", "PORT: must be a whole number, not `many`"),
        ("HOST", "nowhere", "HOST: server.host: must be an IP address, such as 127.0.0.1"),
        ("ENVIRONMENT", "moon", "ENVIRONMENT: server.environment: must be one of"),
        ("CORS_ORIGINS", "[1]", "CORS_ORIGINS: not a JSON list of texts"),
        ("PARLOUR__LIMITS__ENABLED", "maybe", "PARLOUR__LIMITS__ENABLED: must be true or false"),
        ("DEBUG", "maybe", "DEBUG: must be true or false, not `maybe`"),
        ("DATABASE_URL", "sqlite://", "DATABASE_URL: database.url: must name a file"),
        ("DATABASE_URL", "sqlite://?mode=rwc", "DATABASE_URL: database.url: must name a file"),
        ("PUBLIC_URL", "https://chat.example?x", "PUBLIC_URL: server.public_url: must be an address"),
        ("PARLOUR__MAIL__INVITE_LINK", "{code}", "mail.invite_link: must be an address"),
    ] {
        let found = with(&[(name, text)]).unwrap_err().to_string();
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
    let found = with(&[
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
