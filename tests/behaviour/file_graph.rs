//! Which source file uses which, by the paths in its code. Re-exports are followed to the file that
//! has the item, and a mere module declaration does not count as a use.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use crate::structure::{Source, sources};

type Path = Vec<String>;

/// The binary's crate, beside the library `nightlatch` and the crates in `crates/`.
const BINARY: &str = "(binary)";

/// The modules of all crates, one per file.
#[derive(Default)]
struct Modules {
    files: BTreeMap<Path, String>,
    /// The re-exports of each module, by name.
    exports: BTreeMap<Path, BTreeMap<String, Path>>,
}

impl Modules {
    /// The absolute paths that `source` uses. Its re-exports are recorded.
    fn read(&mut self, source: &Source) -> Vec<Path> {
        let module = module_of(source);
        let code: Vec<_> = source.lines().map(|(_, line)| line).collect();
        let (imports, rest) = imports(&code.join("\n"));
        let mut used = Vec::new();
        for Import {
            path,
            name,
            is_export,
        } in imports
        {
            let Some(path) = self.absolute(&module, &path) else {
                continue;
            };
            if is_export {
                self.exports
                    .entry(module.clone())
                    .or_default()
                    .insert(name, path);
            } else {
                used.push(path);
            }
        }
        let inline = paths(&rest).into_iter();
        used.extend(inline.filter_map(|path| self.absolute(&module, &path)));
        used
    }

    /// A path in `module`, converted to start at the crate; `None` if it leads to another crate.
    fn absolute(&self, module: &[String], path: &[String]) -> Option<Path> {
        let (mut base, mut rest) = (module.to_vec(), path);
        match rest.first()?.as_str() {
            "crate" => base.truncate(1),
            "nightlatch" => base = vec!["nightlatch".to_owned()],
            other if other.starts_with("nightlatch_") => {
                base = vec![other["nightlatch_".len()..].to_owned()];
            }
            "self" => {}
            "super" => {
                base.pop();
            }
            child => {
                let child = [module, &[child.to_owned()]].concat();
                return self
                    .files
                    .contains_key(&child)
                    .then(|| [module, path].concat());
            }
        }
        rest = &rest[1..];
        while rest.first().is_some_and(|part| part == "super") {
            base.pop();
            rest = &rest[1..];
        }
        base.extend_from_slice(rest);
        Some(base)
    }

    /// The file with the item that an absolute path names.
    fn file_of(&self, path: &[String]) -> Option<&str> {
        let length = (0..=path.len())
            .rev()
            .find(|&length| self.files.contains_key(&path[..length]))?;
        let (module, rest) = path.split_at(length);
        let exported = rest
            .first()
            .and_then(|name| self.exports.get(module)?.get(name));
        match exported {
            Some(target) => self.file_of(&[target, &rest[1..]].concat()),
            None => self.files.get(module).map(String::as_str),
        }
    }
}

fn module_of(source: &Source) -> Path {
    let mut path: Path = source
        .path
        .with_extension("")
        .iter()
        .map(|part| part.to_str().unwrap().to_owned())
        .collect();
    if path
        .last()
        .is_some_and(|name| name == "mod" || name == "lib")
    {
        path.pop();
    }
    match (source.krate.as_str(), path.first().map(String::as_str)) {
        ("nightlatch", Some("main")) => vec![BINARY.to_owned()],
        ("nightlatch", Some("cli")) => [vec![BINARY.to_owned()], path].concat(),
        (krate, _) => [vec![krate.to_owned()], path].concat(),
    }
}

struct Import {
    path: Path,
    name: String,
    is_export: bool,
}

/// The imports of `use` items, and the code without those.
fn imports(code: &str) -> (Vec<Import>, String) {
    let (mut imports, mut rest) = (Vec::new(), String::new());
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        let item = line.trim_start();
        let is_export = item.starts_with("pub");
        let Some(start) = item.strip_prefix("use ").or_else(|| {
            item.split_once(" use ")
                .filter(|_| is_export)
                .map(|at| at.1)
        }) else {
            rest.push_str(line);
            rest.push('\n');
            continue;
        };
        let mut tree = start.to_owned();
        while !tree.contains(';') {
            tree.push_str(lines.next().unwrap());
        }
        for leaf in leaves(tree.split(';').next().unwrap()) {
            let (path, alias) = match leaf.split_once(" as ") {
                Some((path, alias)) => (path.trim(), Some(alias.trim())),
                None => (leaf.as_str(), None),
            };
            let path = path.trim_end_matches("::self").trim_end_matches("::*");
            let path: Path = path
                .split("::")
                .map(|part| part.trim().to_owned())
                .collect();
            let name = alias.unwrap_or(path.last().unwrap()).to_owned();
            imports.push(Import {
                path,
                name,
                is_export,
            });
        }
    }
    (imports, rest)
}

/// The individual paths of a `use` tree.
fn leaves(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((prefix, group)) = tree.split_once('{') else {
        return vec![tree.to_owned()];
    };
    let group = group.trim_end().strip_suffix('}').unwrap();
    let (mut leaf, mut depth, mut found) = (String::new(), 0, Vec::new());
    for c in group.chars().chain([',']) {
        match c {
            ',' if depth == 0 => {
                if !leaf.trim().is_empty() {
                    found.extend(leaves(&format!("{prefix}{}", leaf.trim())));
                }
                leaf.clear();
                continue;
            }
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        leaf.push(c);
    }
    found
}

/// Every path with more than one name.
fn paths(code: &str) -> Vec<Path> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':')
        .filter(|path| path.contains("::") && !path.starts_with(':'))
        .map(|path| path.split("::").map(str::to_owned).collect())
        .collect()
}

/// Which file uses which.
fn graph() -> BTreeMap<String, BTreeSet<String>> {
    let sources: Vec<_> = sources()
        .into_iter()
        .filter(|source| !source.is_test_code())
        .collect();
    let name = |source: &Source| source.shown().replace('\\', "/");
    let mut modules = Modules::default();
    for source in &sources {
        modules.files.insert(module_of(source), name(source));
    }
    let used: Vec<_> = sources.iter().map(|source| modules.read(source)).collect();
    let mut graph = BTreeMap::new();
    for (source, used) in sources.iter().zip(&used) {
        let own = name(source);
        let files = used.iter().filter_map(|path| modules.file_of(path));
        let files = files.filter(|&file| file != own).map(str::to_owned);
        graph.insert(own.clone(), files.collect());
    }
    graph
}

/// The groups of files in which every file can reach every other.
fn circles(graph: &BTreeMap<String, BTreeSet<String>>) -> Vec<Vec<String>> {
    let reached = |from: &str| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from.to_owned()]);
        while let Some(file) = next.pop() {
            for used in graph.get(&file).into_iter().flatten() {
                if seen.insert(used.clone()) {
                    next.push(used.clone());
                }
            }
        }
        seen
    };
    let reached: BTreeMap<_, _> = graph.keys().map(|file| (file, reached(file))).collect();
    let mut circles = Vec::new();
    for (file, leads_to) in &reached {
        let others = leads_to
            .iter()
            .filter(|other| reached[other].contains(*file));
        let circle: Vec<_> = others.cloned().collect();
        if circle.first() == Some(*file) {
            circles.push(circle);
        }
    }
    circles
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let graph = graph();
    let is_used = |user: &str, used: &str| graph[user].contains(used);
    // By a name that it declares, by a re-exported one, and from the other crate.
    assert!(is_used(
        "crates/audit/src/verify/mod.rs",
        "crates/audit/src/verify/finding.rs"
    ));
    assert!(is_used(
        "crates/local/src/guard/enrolment.rs",
        "crates/audit/src/event.rs"
    ));
    assert!(is_used(
        "src/cli/doctor/records.rs",
        "crates/audit/src/summary.rs"
    ));
    let circles = circles(&graph);
    let found: Vec<_> = circles.iter().map(|circle| circle.join("\n")).collect();
    assert!(
        found.is_empty(),
        "these files use each other in a circle:\n{}",
        found.join("\n\n")
    );
}

#[test]
fn circles_are_found_whatever_leads_to_them() {
    let edges = [("a", "b"), ("b", "c"), ("c", "b"), ("c", "d"), ("e", "a")];
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (user, used) in edges {
        graph.entry(used.to_owned()).or_default();
        graph
            .entry(user.to_owned())
            .or_default()
            .insert(used.to_owned());
    }
    assert_eq!(circles(&graph), [["b", "c"]]);
}

#[test]
fn a_use_tree_is_taken_apart_into_its_paths() {
    let (imports, rest) =
        imports("use super::{a::B, c::{self, D as E}};\nfn f() {}\npub use g::*;");
    let found: Vec<_> = imports
        .iter()
        .map(|import| {
            (
                import.path.join("::"),
                import.name.as_str(),
                import.is_export,
            )
        })
        .collect();
    let expected = [
        ("super::a::B", "B", false),
        ("super::c", "c", false),
        ("super::c::D", "E", false),
        ("g", "g", true),
    ];
    assert_eq!(
        found,
        expected.map(|(path, name, is)| (path.to_owned(), name, is))
    );
    assert_eq!(rest, "fn f() {}\n");
}
