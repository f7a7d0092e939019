//! The rules of the code that no compiler checks.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it relies on by failing")]

use std::{
    collections::{BTreeMap, BTreeSet},
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

/// The modules of `src`, from what knows nothing of the others to what knows them all. Those of one line don't know each other.
/// What a log is made of, its entries, is known below the log: the bus carries them.
const LAYERS: [&[&str]; 18] = [
    &["contract"],
    &["config", "error"],
    &["clock", "tasks"],
    &["db", "mail", "media"],
    &["log::entry", "telemetry"],
    &["cluster"],
    &["auth", "limits"],
    &["log"],
    &["chat"],
    &["account", "search"],
    &["fanout"],
    &["app"],
    &["listener"],
    &["realtime"],
    &["http"],
    &["server"],
    &["check"],
    &["lib", "main"],
];

/// The layer of a path, which that of its longest part has that is named.
fn layer(path: &str) -> Option<(usize, &'static str)> {
    let named = LAYERS.iter().enumerate().flat_map(|(height, layer)| layer.iter().map(move |name| (height, *name)));
    let within =
        named.filter(|(_, name)| path == *name || path.strip_prefix(*name).is_some_and(|rest| rest.starts_with("::")));
    within.max_by_key(|(_, name)| name.len())
}

/// The paths of a tree such as `a::{b, c::d}`, each as far as it is one of names.
fn paths(tree: &str) -> Vec<String> {
    let Some((stem, list)) = tree.split_once('{') else {
        let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
        return vec![tree.trim().split(|c| !is_name(c)).next().unwrap_or_default().to_owned()];
    };
    let (mut depth, mut branches, mut from) = (0_usize, Vec::new(), 0);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            ',' | '}' if depth == 0 => {
                branches.push(&list[from..at]);
                from = at + 1;
                if c == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    let branches = branches.into_iter().filter(|branch| !branch.trim().is_empty());
    branches.flat_map(paths).map(|branch| format!("{}{branch}", stem.trim())).collect()
}

/// The files of the server, each as the path of its module, with the paths of the modules and of what is in them that it names.
fn modules() -> BTreeMap<String, Vec<String>> {
    let sources = sources(&["src"]);
    let files = sources.iter().filter(|source| source.is_rust() && !source.is_test());
    let module = |source: &Source| {
        let module = source.path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
        let module = module.replace('/', "::");
        let code: String = source.code().map(|(_, line)| line.to_owned() + "\n").collect();
        let named = named(&module, &code);
        (module, named)
    };
    files.map(module).collect()
}

/// What the code of a module names, by whole paths.
fn named(module: &str, code: &str) -> Vec<String> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let roots = ["crate::", "super::", "self::"].iter().flat_map(|root| code.match_indices(root));
    let begins = roots.map(|(at, _)| at).filter(|at| !code[..*at].ends_with(is_name));
    let whole = begins.flat_map(|at| {
        let (mut base, mut tree): (Vec<&str>, &str) = (module.split("::").collect(), &code[at..]);
        if let Some(rest) = tree.strip_prefix("crate::") {
            (base, tree) = (Vec::new(), rest);
        }
        tree = tree.strip_prefix("self::").unwrap_or(tree);
        while let Some(rest) = tree.strip_prefix("super::") {
            base.pop();
            tree = rest;
        }
        // A list ends where its braces do; what is no list ends with its name.
        let is_list = tree.split_once('{').is_some_and(|(stem, _)| stem.chars().all(is_name));
        let tree = if is_list { tree } else { tree.split('{').next().unwrap_or_default() };
        paths(tree)
            .into_iter()
            .map(move |path| base.iter().copied().chain([path.as_str()]).collect::<Vec<_>>().join("::"))
    });
    whole.map(|path| path.trim_end_matches("::self").to_owned()).collect()
}

#[test]
fn no_module_knows_one_beside_or_above_it() {
    let mut wrong = Vec::new();
    for (module, named) in modules() {
        let (own, own_name) = layer(&module).unwrap_or_else(|| panic!("{module} has no layer"));
        for path in named {
            if layer(&path).is_some_and(|(height, name)| height > own || (height == own && name != own_name)) {
                wrong.push(format!("{module} knows {path}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Of two files, at most one knows the other, by whatever way; but that the first file of a folder knows those in it.
#[test]
fn files_know_each_other_one_way() {
    let modules = modules();
    let file = |path: &str| {
        let mut path = path;
        while !modules.contains_key(path) {
            path = path.rsplit_once("::")?.0;
        }
        Some(path.to_owned())
    };
    let knows: BTreeMap<&str, BTreeSet<String>> = modules
        .iter()
        .map(|(module, named)| {
            let others = named.iter().filter_map(|path| file(path));
            let inside = format!("{module}::");
            (module.as_str(), others.filter(|other| other != module && !other.starts_with(&inside)).collect())
        })
        .collect();
    for module in modules.keys() {
        let (mut seen, mut waiting) = (BTreeSet::new(), vec![module.as_str()]);
        while let Some(next) = waiting.pop() {
            for other in &knows[next] {
                assert!(other != module, "{module} knows itself by way of {next}");
                if seen.insert(other) {
                    waiting.push(other);
                }
            }
        }
    }
    assert!(knows["log"].contains("cluster::bus") && knows["chat::message"].contains("chat"), "{knows:?}");
}

/// Whoever needs a proof of a right asks for it.
#[test]
fn only_permission_makes_a_permit() {
    let mut wrong = Vec::new();
    for source in sources(&["src"]).iter().filter(|source| source.is_rust() && source.path != "src/chat/permission.rs")
    {
        for (number, line) in source.code().filter(|(_, line)| line.contains("Permit {") && !line.starts_with("impl "))
        {
            wrong.push(format!("{}:{number} builds a Permit: {}", source.path, line.trim()));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
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
    for module in listed(run, "without_database").iter().filter_map(|name| name.strip_suffix("::")) {
        let path = format!("tests/it/{}.rs", module.trim_start_matches("::").replace("::", "/"));
        assert!(module.starts_with("::") || tests.iter().any(|source| source.path == path), "{path}");
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
