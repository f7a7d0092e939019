//! Who may know whom.

use std::collections::{BTreeMap, BTreeSet};

use super::{Source, sources};

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
    for (module, other) in [("log", "cluster::bus"), ("chat::message", "chat"), ("fanout::delivery", "fanout::feed")] {
        assert!(knows[module].contains(other), "{module} knows {:?}", knows[module]);
    }
}
