//! The rules of the code that no compiler checks.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it relies on by failing")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A source file, by its path from the root.
struct Source {
    path: String,
    text: String,
}

const FOLDERS: [&str; 5] = ["src", "entity/src", "migration/src", "tests", "examples"];

/// Not written by hand, or not ours.
const SKIPPED: [&str; 5] = ["node_modules", "target", "__pycache__", ".venv", "generated"];

fn sources(folders: &[&str]) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut waiting: Vec<PathBuf> =
        folders.iter().map(|folder| root.join(folder)).filter(|path| path.exists()).collect();
    let mut found = Vec::new();
    while let Some(path) = waiting.pop() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if SKIPPED.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if let Ok(text) = fs::read_to_string(&path) {
            let locked = name.ends_with(".lock") || name.ends_with("-lock.json") || name.ends_with("-lock.yaml");
            if !locked {
                found.push(Source { path: path.strip_prefix(root).unwrap().to_string_lossy().into_owned(), text });
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    assert!(!found.is_empty(), "there is something to look at in {folders:?}");
    found
}

impl Source {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Lines of code with their numbers: no comments, and nothing from the first test module on.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(index, line)| (index + 1, line));
        let before_tests = lines.take_while(|(_, line)| !line.trim_start().starts_with("#[cfg(test)]"));
        before_tests.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// Whether the file is compiled for tests only.
    fn is_test(&self) -> bool {
        self.path.starts_with("tests/") || self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }
}

/// Whether `line` names `word` as a whole word.
fn names(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        !line[..at].ends_with(is_part) && !line[at + word.len()..].starts_with(is_part)
    })
}

/// Fails for each line of code under `folder` that names one of `words`.
fn forbid(folder: &str, words: &[&str], allowed: impl Fn(&str) -> bool) {
    let mut wrong = Vec::new();
    for source in sources(&[folder]).iter().filter(|source| source.is_rust() && !allowed(&source.path)) {
        for (number, line) in source.code() {
            for word in words.iter().filter(|word| names(line, word)) {
                wrong.push(format!("{}:{number} names {word}: {}", source.path, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn chat_knows_no_transport() {
    forbid("src/chat", &["axum", "socketioxide", "socketioxide_core", "http", "realtime"], |_| false);
}

/// The modules of `src`, from what knows nothing of the others to what knows them all. Those of one line may know each other.
const LAYERS: [&[&str]; 17] = [
    &["contract"],
    &["error", "tasks", "throttle"],
    &["clock"],
    &["bus", "config", "db", "mail", "media", "telemetry"],
    &["limits"],
    &["connections"],
    &["typing"],
    &["auth"],
    &["chat", "log"],
    &["account", "feed", "presence"],
    &["app", "delivery", "reconcile"],
    &["listener"],
    &["realtime"],
    &["http"],
    &["server"],
    &["check"],
    &["lib", "main"],
];

/// The modules that stand first in a path, or in each path of a list in braces.
fn modules(path: &str) -> Vec<&str> {
    let first = |path| str::split(path, |c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
    let Some(list) = path.strip_prefix('{') else { return vec![first(path)] };
    let mut depth = 0_usize;
    let parts = list.split(|c| {
        depth = depth + usize::from(c == '{') - usize::from(c == '}' && depth > 0);
        c == ',' && depth == 0
    });
    parts.map(|part| first(part.trim_start())).collect()
}

#[test]
fn no_module_knows_one_above_it() {
    let layer = |module: &str| LAYERS.iter().position(|layer| layer.contains(&module));
    let mut wrong = Vec::new();
    for source in sources(&["src"]).iter().filter(|source| source.is_rust() && !source.is_test()) {
        let module = source.path.split('/').nth(1).unwrap().trim_end_matches(".rs");
        let own = layer(module).unwrap_or_else(|| panic!("{module} has no layer"));
        let mut is_use = false;
        for (number, line) in source.code() {
            // Of a `use crate::{` of several lines, the names stand one step in.
            let listed = line.strip_prefix("    ").filter(|_| is_use).filter(|line| !line.starts_with(' '));
            let named = line.split("crate::").skip(1).chain(listed);
            for name in named.flat_map(modules).filter(|name| layer(name).is_some_and(|layer| layer > own)) {
                wrong.push(format!("{}:{number}: {module} knows {name}: {}", source.path, line.trim()));
            }
            is_use = (is_use || line.starts_with("use crate::{")) && !line.contains("};");
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Whoever needs a proof of a right asks for it.
#[test]
fn only_permission_makes_a_permit() {
    let mut wrong = Vec::new();
    for source in sources(&["src"]).iter().filter(|source| source.is_rust() && source.path != "src/chat/permission.rs")
    {
        for (number, line) in source.code().filter(|(_, line)| line.contains("Permit {")) {
            wrong.push(format!("{}:{number} builds a Permit: {}", source.path, line.trim()));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// What a commit sets off is delivery and the followers; nothing else is called by it.
#[test]
fn only_the_log_wakes_followers() {
    forbid("src", &["Wakers"], |path| path.starts_with("src/log/") || path == "src/chat/mod.rs");
}

#[test]
fn transports_know_no_database() {
    forbid("src/http", &["sea_orm", "entity", "sqlx"], |_| false);
    forbid("src/realtime", &["sea_orm", "entity", "sqlx"], |_| false);
}

#[test]
fn only_realtime_names_the_socket_library() {
    let words = ["socketioxide", "socketioxide_core", "engineioxide"];
    forbid("src", &words, |path| path.starts_with("src/realtime/") || path == "src/realtime.rs");
    forbid("entity/src", &words, |_| false);
    forbid("migration/src", &words, |_| false);
}

/// A change that somebody asks for begins with a look at whether they still may ask for any: `Chat::begin`. The others are what
/// the server does by itself.
#[test]
fn every_change_that_somebody_asks_for_looks_at_who_they_are_now() {
    const BY_ITSELF: [&str; 4] =
        ["src/account/erasure.rs", "src/chat/succession.rs", "src/chat/media/sweep.rs", "src/chat/media/withdraw.rs"];
    let mut wrong = Vec::new();
    for source in
        sources(&["src/account", "src/chat"]).iter().filter(|source| !BY_ITSELF.contains(&source.path.as_str()))
    {
        for (number, line) in source.code().filter(|(_, line)| line.contains("db.begin()")) {
            wrong.push(format!("{}:{number} opens a transaction for nobody: {}", source.path, line.trim()));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn tables_are_not_sent_to_clients() {
    for source in sources(&["entity/src"]).iter().filter(|source| source.text.contains("DeriveEntityModel")) {
        for (number, line) in source.code() {
            assert!(!names(line, "Serialize"), "{}:{number} makes a table serialisable", source.path);
        }
    }
}

#[test]
fn every_file_is_named_after_what_is_in_it() {
    for source in sources(&FOLDERS) {
        let path = Path::new(&source.path);
        let stem = path.file_stem().unwrap().to_string_lossy();
        let folder = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        for word in ["util", "utils", "helper", "helpers", "common", "misc"] {
            assert!(stem != word && folder != word, "{} is a drawer, not a name", source.path);
        }
    }
}

#[test]
fn no_file_is_longer_than_can_be_read() {
    let long: Vec<String> = sources(&FOLDERS)
        .iter()
        .map(|source| (source.path.clone(), source.text.lines().count()))
        .filter(|(_, lines)| *lines > 400)
        .map(|(path, lines)| format!("{path}: {lines} lines"))
        .collect();
    assert!(long.is_empty(), "over 400 lines:\n{}", long.join("\n"));
}

#[test]
fn nothing_is_unwrapped_outside_tests() {
    let mut wrong = Vec::new();
    for source in
        sources(&["src", "entity/src", "migration/src"]).iter().filter(|source| source.is_rust() && !source.is_test())
    {
        for (number, line) in source.code().filter(|(_, line)| line.contains(".unwrap()")) {
            wrong.push(format!("{}:{number}: {}", source.path, line.trim()));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn nothing_is_left_for_later() {
    // spelt in halves, so that this file does not find itself
    let words = [["TO", "DO"], ["FIX", "ME"], ["X", "XX"], ["todo", "!("], ["unimplemented", "!("], ["#[ig", "nore"]]
        .map(|halves| halves.concat());
    let mut wrong = Vec::new();
    for source in sources(&FOLDERS) {
        for (index, line) in source.text.lines().enumerate() {
            let found = words.iter().any(|word| {
                if word.chars().all(char::is_alphabetic) { names(line, word) } else { line.contains(word.as_str()) }
            });
            if found {
                wrong.push(format!("{}:{}: {}", source.path, index + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    let places =
        [["/ho", "me/"], ["/ro", "ot/"], ["/Us", "ers/"], ["/wo", "rk/"], ["C:", "\\\\"]].map(|halves| halves.concat());
    let mut wrong = Vec::new();
    for source in sources(&["src", "entity", "migration", "tests", "examples", "config"]) {
        for (index, line) in source.text.lines().enumerate() {
            if places.iter().any(|place| line.contains(place.as_str())) {
                wrong.push(format!("{}:{}: {}", source.path, index + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn names_finds_whole_words_only() {
    for (line, word, expected) in [
        ("use axum::Router;", "axum", true),
        ("use entity::user;", "entity", true),
        ("let identity = 1;", "entity", false),
        ("my_entity", "entity", false),
        ("sea_orm::DbErr", "sea_orm", true),
    ] {
        assert_eq!(names(line, word), expected, "{line}");
    }
}
