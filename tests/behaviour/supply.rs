//! Checks the dependencies, as `cargo metadata` lists them, against deny.toml and the documents.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn read(path: &str) -> String {
    std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// What cargo says about the workspace at `manifest` and its dependencies.
fn metadata_of(manifest: &str) -> Value {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version=1",
            "--locked",
            "--manifest-path",
        ])
        .arg(format!("{}/{manifest}", env!("CARGO_MANIFEST_DIR")))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The same of this workspace.
fn metadata() -> Value {
    metadata_of("Cargo.toml")
}

/// Every package of the lock file, including ours and those of other platforms.
fn packages() -> Vec<Value> {
    packages_of("Cargo.toml")
}

/// The same of the lock file beside `manifest`.
fn packages_of(manifest: &str) -> Vec<Value> {
    let packages = metadata_of(manifest)["packages"].take();
    serde_json::from_value(packages).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// Whether it is a package of this workspace.
fn is_ours(name: &str) -> bool {
    name == "nightlatch" || name.starts_with("nightlatch-")
}

/// The dependencies of this workspace's packages, without the packages themselves.
fn our_dependencies(packages: &[Value]) -> impl Iterator<Item = &Value> {
    packages
        .iter()
        .filter(|package| is_ours(text(&package["name"])))
        .flat_map(|package| package["dependencies"].as_array().unwrap())
        .filter(|dependency| !is_ours(text(&dependency["name"])))
}

/// A key of deny.toml.
fn policy(table: &str, key: &str) -> toml::Value {
    let policy: toml::Table = toml::from_str(&read("deny.toml")).unwrap();
    let table = table
        .split('.')
        .fold(&toml::Value::Table(policy.clone()), |at, name| &at[name])
        .clone();
    table[key].clone()
}

/// The strings of a list, or the names under `crate` if its items are tables.
fn names(list: &toml::Value) -> BTreeSet<String> {
    let name = |item: &toml::Value| {
        item.get("crate")
            .unwrap_or(item)
            .as_str()
            .map(str::to_owned)
    };
    list.as_array()
        .unwrap()
        .iter()
        .map(|item| name(item).unwrap())
        .collect()
}

/// Whether `allowed` satisfies a licence expression; `/` is the old form of OR.
fn is_met(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut tokens = tokens.as_slice();
    let met = either(&mut tokens, allowed);
    assert!(tokens.is_empty(), "{expression:?} cannot be read");
    met
}

fn either(tokens: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    let mut met = both(tokens, allowed);
    while let ["OR", rest @ ..] = tokens {
        *tokens = rest;
        met |= both(tokens, allowed);
    }
    met
}

fn both(tokens: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    let mut met = one(tokens, allowed);
    while let ["AND", rest @ ..] = tokens {
        *tokens = rest;
        met &= one(tokens, allowed);
    }
    met
}

fn one(tokens: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    match *tokens {
        ["(", rest @ ..] => {
            *tokens = rest;
            let met = either(tokens, allowed);
            *tokens = tokens.strip_prefix(&[")"]).unwrap();
            met
        }
        [licence, "WITH", exception, rest @ ..] => {
            *tokens = rest;
            allowed.contains(&format!("{licence} WITH {exception}"))
        }
        [licence, rest @ ..] => {
            *tokens = rest;
            allowed.contains(*licence)
        }
        [] => panic!("a licence is missing"),
    }
}

/// The packages whose licence is satisfied neither by `allowed` nor by an exception.
fn unlicensed(packages: &[Value], allowed: &BTreeSet<String>) -> BTreeSet<String> {
    let exceptions = policy("licenses", "exceptions");
    let exception = |name: &str| {
        let exceptions = exceptions.as_array().unwrap().iter();
        exceptions
            .filter(|item| item["crate"].as_str() == Some(name))
            .flat_map(|item| names(&item["allow"]))
            .collect::<BTreeSet<_>>()
    };
    packages
        .iter()
        .filter(|package| {
            let allowed = allowed | &exception(text(&package["name"]));
            !is_met(package["license"].as_str().unwrap_or("none"), &allowed)
        })
        .map(|package| text(&package["name"]).to_owned())
        .collect()
}

#[test]
fn every_licence_is_one_of_those_allowed_and_every_one_allowed_is_needed() {
    let packages = packages();
    let allowed = names(&policy("licenses", "allow"));
    assert_eq!(unlicensed(&packages, &allowed), BTreeSet::new());
    for licence in &allowed {
        let mut fewer = allowed.clone();
        fewer.remove(licence);
        assert!(
            !unlicensed(&packages, &fewer).is_empty(),
            "{licence} is allowed for nobody"
        );
    }
    for name in names(&policy("licenses", "exceptions")) {
        let package = packages.iter().find(|package| package["name"] == *name);
        let licence = text(&package.unwrap()["license"]);
        assert!(!is_met(licence, &allowed), "{name} needs no exception");
    }
}

#[test]
fn licence_expressions_are_read_as_they_are_meant() {
    let allowed = ["MIT", "Unicode-3.0"].map(str::to_owned).into();
    for met in [
        "MIT",
        "GPL-3.0/MIT",
        "(A OR MIT) AND Unicode-3.0",
        "A AND B OR MIT",
    ] {
        assert!(is_met(met, &allowed), "{met}");
    }
    for unmet in [
        "GPL-3.0",
        "MIT AND B",
        "MIT WITH X",
        "(MIT OR A) AND B",
        "none",
    ] {
        assert!(!is_met(unmet, &allowed), "{unmet}");
    }
}

#[test]
fn every_package_is_from_crates_io_and_only_ours_is_from_here() {
    for package in packages() {
        if is_ours(text(&package["name"])) {
            assert_eq!(package["source"], Value::Null);
        } else {
            assert_eq!(package["source"], CRATES_IO, "{}", package["id"]);
        }
    }
    let locked: toml::Table = toml::from_str(&read("Cargo.lock")).unwrap();
    for package in locked["package"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        assert_eq!(
            is_ours(name),
            package.get("checksum").is_none(),
            "{package:?}"
        );
    }
}

#[test]
fn no_version_is_left_open_and_none_is_there_twice_without_a_reason() {
    let packages = packages();
    for dependency in our_dependencies(&packages) {
        let version = text(&dependency["req"]);
        assert!(!version.contains('*'), "{dependency}");
    }
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in &packages {
        let name = versions.entry(text(&package["name"])).or_default();
        name.insert(text(&package["version"]));
    }
    let twice: BTreeSet<String> = versions
        .into_iter()
        .filter(|(_, versions)| versions.len() > 1)
        .map(|(name, _)| name.to_owned())
        .collect();
    let skipped = names(&policy("bans", "skip"));
    let skipped: BTreeSet<String> = skipped
        .iter()
        .map(|name| name.split('@').next().unwrap().to_owned())
        .collect();
    assert_eq!(twice, skipped);
}

/// The numbers of a Rust version: 1.89 is 1.89.0.
fn rust_version(version: &str) -> Vec<u32> {
    let numbers = version.split('.').map(|number| number.parse().unwrap());
    numbers.chain([0]).take(3).collect()
}

/// The oldest Rust that the manifest in the root names.
fn oldest_rust() -> String {
    let manifest: toml::Table = toml::from_str(&read("Cargo.toml")).unwrap();
    let package = &manifest["workspace"]["package"];
    package["rust-version"].as_str().unwrap().to_owned()
}

#[test]
fn no_dependency_asks_for_a_newer_rust_than_we_name() {
    let oldest = oldest_rust();
    for manifest in [
        "Cargo.toml",
        "fuzz/Cargo.toml",
        "crates/audit/fuzz/Cargo.toml",
    ] {
        let packages = packages_of(manifest);
        let asks = |package: &&Value| {
            let version = package["rust_version"].as_str();
            version.is_some_and(|version| rust_version(version) > rust_version(&oldest))
        };
        let newer: Vec<_> = packages.iter().filter(asks).map(|it| &it["id"]).collect();
        assert!(newer.is_empty(), "of {manifest}: {newer:?}");
        let ours = packages.iter().filter(|it| is_ours(text(&it["name"])));
        for package in ours {
            assert_eq!(package["rust_version"], *oldest, "{}", package["id"]);
        }
    }
    assert!(rust_version("1.89.1") > rust_version("1.89"));
    assert!(rust_version("1.100") > rust_version("1.89.0"));
}

#[test]
fn a_newer_rust_than_we_name_is_refused_by_a_lint_and_by_a_job_with_that_rust() {
    let oldest = oldest_rust();
    let manifest: toml::Table = toml::from_str(&read("Cargo.toml")).unwrap();
    let lints = &manifest["workspace"]["lints"]["clippy"];
    assert_eq!(lints["incompatible_msrv"].as_str(), Some("warn"));
    let ci = &workflows()["ci.yml"];
    let (_, job) = ci.split_once("\n  oldest-rust:\n").unwrap();
    assert!(job.contains(&format!("RUSTUP_TOOLCHAIN: \"{oldest}.0\"")));
    assert!(job.contains("\n      - run: .ci/oldest-rust\n"));
    assert!(read("README.md").contains(&format!("Rust {oldest} or later")));
}

#[test]
fn no_unwanted_crate_and_no_unexpected_build_script_is_there() {
    let packages = packages();
    let all: BTreeSet<String> = packages
        .iter()
        .map(|package| text(&package["name"]).to_owned())
        .collect();
    let unwanted = names(&policy("bans", "deny"));
    assert!(unwanted.contains("openssl"));
    assert_eq!(all.intersection(&unwanted).next(), None);
    let has_script = |package: &&Value| {
        let targets = package["targets"].as_array().unwrap();
        targets
            .iter()
            .any(|target| target["kind"][0] == "custom-build")
    };
    let scripts: BTreeSet<String> = packages
        .iter()
        .filter(has_script)
        .map(|package| text(&package["name"]).to_owned())
        .collect();
    assert!(!scripts.is_empty());
    assert_eq!(scripts, names(&policy("bans.build", "allow-build-scripts")));
}

/// The packages that `package` is built of, on any platform, without those of tests.
fn built_of(metadata: &Value, package: &str) -> BTreeSet<String> {
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let by_id: BTreeMap<&str, &Value> =
        nodes.iter().map(|node| (text(&node["id"]), node)).collect();
    let named = metadata["packages"].as_array().unwrap();
    let name_of: BTreeMap<&str, &str> = named
        .iter()
        .map(|package| (text(&package["id"]), text(&package["name"])))
        .collect();
    let (root, _) = name_of.iter().find(|(_, name)| **name == package).unwrap();
    let (mut found, mut left) = (BTreeSet::new(), vec![*root]);
    while let Some(id) = left.pop() {
        if !found.insert(name_of[id].to_owned()) {
            continue;
        }
        for dependency in by_id[id]["deps"].as_array().unwrap() {
            let kinds = dependency["dep_kinds"].as_array().unwrap();
            if kinds.iter().any(|kind| kind["kind"].is_null()) {
                left.push(text(&dependency["pkg"]));
            }
        }
    }
    found
}

#[test]
fn the_command_has_none_of_the_servers_network_code() {
    let metadata = metadata();
    let network = ["tokio", "hyper", "rustls", "ring", "tokio-postgres"].map(str::to_owned);
    let command = built_of(&metadata, "nightlatch");
    assert!(command.contains("nightlatch-core") && !command.contains("nightlatch-server"));
    let server = built_of(&metadata, "nightlatch-server");
    for name in network {
        assert!(!command.contains(&name), "{name}");
        assert!(server.contains(&name), "{name}");
    }
}

#[test]
fn the_document_has_every_dependency_with_its_licence_and_no_other() {
    let packages = packages();
    let document = read("docs/dependencies.md");
    let count = format!("{} packages in\n`Cargo.lock`", packages.len());
    assert!(document.contains(&count), "it does not say {count:?}");

    let direct = |is_for_tests: bool| -> BTreeSet<&str> {
        our_dependencies(&packages)
            .filter(|dependency| (dependency["kind"] == "dev") == is_for_tests)
            .map(|dependency| text(&dependency["name"]))
            .collect()
    };
    let licence = |name: &str| {
        // If there are several versions, all have the same licence.
        let package = packages.iter().find(|package| package["name"] == *name);
        text(&package.unwrap_or_else(|| panic!("{name} is no package"))["license"])
    };
    let mut documented = BTreeSet::new();
    for row in document.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        for name in cells[1].split('`').skip(1).step_by(2) {
            assert!(documented.insert(name), "{name} is there twice");
            assert!(
                cells[3].starts_with(licence(name)),
                "{name} is under {}",
                licence(name)
            );
            assert!(cells[2].len() > 2, "{name} has no reason");
        }
    }
    assert_eq!(documented, direct(false));

    let (_, for_tests) = document.split_once("For tests only: ").unwrap();
    let for_tests = for_tests.split("\n\n").next().unwrap();
    for name in direct(true).difference(&direct(false)) {
        assert!(
            for_tests.contains(&format!("`{name}`")),
            "{name} is not documented"
        );
    }
}

/// The workflows, by name.
fn workflows() -> BTreeMap<String, String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/.github/workflows");
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let text = read(&format!(".github/workflows/{name}"));
            (name, text)
        })
        .collect()
}

#[test]
fn every_action_of_a_workflow_is_named_by_its_commit_and_no_right_is_given_unasked() {
    let workflows = workflows();
    let mut actions = 0;
    for (name, text) in &workflows {
        assert!(text.contains("\npermissions: {}\n"), "{name}");
        assert!(!text.contains("pull_request_target"), "{name}");
        for line in text.lines() {
            let Some(action) = line.trim_start_matches([' ', '-']).strip_prefix("uses: ") else {
                continue;
            };
            let (_, version) = action.split_once('@').unwrap();
            let (commit, tag) = version.split_once(" # v").unwrap_or_default();
            let is_commit =
                commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(is_commit && !tag.is_empty(), "{name}: {action}");
            actions += 1;
        }
    }
    assert!(actions >= workflows.len());
}

#[test]
fn the_workflow_of_a_change_runs_the_checks_that_a_person_runs() {
    let ci = &workflows()["ci.yml"];
    for script in ["run", "oldest-rust", "deny"] {
        assert!(ci.contains(&format!("\n      - run: .ci/{script}\n")));
        assert!(
            std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
                .join(".ci")
                .join(script)
                .exists()
        );
    }
    for own in ["cargo ", "packaging/"] {
        assert!(!ci.contains(own), "{own}belongs in .ci/run");
    }
}
