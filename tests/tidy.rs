//! The rules of the code that no compiler checks.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it relies on by failing")]

#[path = "tidy/layers.rs"]
mod layers;

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

    /// Lines of code with their numbers: no comments, and nothing that is compiled for tests only.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut lines = self.text.lines().zip(1..).map(|(line, number)| (number, line));
        std::iter::from_fn(move || {
            loop {
                let (number, line) = lines.next()?;
                if line.trim_start().starts_with("#[cfg(test)]") {
                    skip_item(&mut lines);
                } else if !line.trim_start().starts_with("//") {
                    return Some((number, line));
                }
            }
        })
    }

    /// Whether the file is compiled for tests only.
    fn is_test(&self) -> bool {
        self.path.starts_with("tests/") || self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }
}

/// Passes over an item, with its attributes: to the line that ends it, or to the brace that stands below its beginning.
fn skip_item<'a>(lines: &mut impl Iterator<Item = (usize, &'a str)>) {
    let Some((_, first)) = lines.find(|(_, line)| !line.trim_start().starts_with("#[")) else { return };
    if first.ends_with('{') {
        let end = first.replace(first.trim_start(), "}");
        lines.find(|(_, line)| *line == end);
    } else if !first.ends_with(';') && !first.ends_with('}') {
        lines.find(|(_, line)| line.ends_with(';') || line.ends_with('}'));
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

/// A permit comes from a membership, but for what has none: a new room, a new member, and what the server takes back by itself.
#[test]
fn permits_without_a_membership_are_few() {
    for (maker, files) in [
        ("to_create", &["src/chat/room.rs"][..]),
        ("to_enter", &["src/chat/join.rs", "src/chat/room/direct.rs"]),
        ("to_withdraw", &["src/chat/media/withdraw.rs", "src/chat/succession.rs", "src/account/erasure.rs"]),
    ] {
        forbid("src", &[maker], |path| path == "src/chat/permission.rs" || files.contains(&path));
    }
}

/// What a commit sets off is delivery and the followers; nothing else is called by it.
#[test]
fn only_the_log_wakes_followers() {
    forbid("src", &["Wakers"], |path| {
        path.starts_with("src/log/") || path == "src/app.rs" || path == "src/search/indexer.rs"
    });
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

/// The words of a list in `tests/run`.
fn listed(script: &str, name: &str) -> Vec<String> {
    let (_, list) = script.split_once(&format!("\n{name}=(")).expect("the list");
    let (list, _) = list.split_once(')').expect("its end");
    let words: Vec<String> = list.split_whitespace().map(str::to_owned).collect();
    assert!(!words.is_empty(), "{name}");
    words
}

/// A test or a module that was renamed would run where it should not.
#[test]
fn the_tests_that_are_run_apart_are_there() {
    let tests = sources(&["tests"]);
    let run = &tests.iter().find(|source| source.path == "tests/run").expect("the script").text;
    for module in listed(run, "without_database").iter().filter(|name| !name.starts_with("::")) {
        let path = format!("tests/it/{}.rs", module.trim_end_matches("::").replace("::", "/"));
        let source = tests.iter().find(|source| source.path == path).expect(&path);
        assert!(!source.text.contains("Cluster") && !source.text.contains("nodes_"), "{path} needs a database");
    }
    for test in listed(run, "measuring") {
        let head = format!("async fn {test}(");
        assert!(tests.iter().any(|source| source.text.contains(&head)), "{test}");
    }
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
