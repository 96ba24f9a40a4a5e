//! Lists the public API of the library crates from rustdoc's JSON, and compares it with the
//! committed listing or updates that:
//!
//! ```text
//! nightlatch-public-api JSON-DIRECTORY LISTING-DIRECTORY [--write]
//! ```

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use public_api::{Builder, PublicItem};
use serde_json::Value;

/// The traits that the compiler implements by itself and that a caller hardly ever depends on.
const SELDOM_NEEDED: [&str; 5] = [
    "core::marker::Freeze",
    "core::marker::Unpin",
    "core::marker::UnsafeUnpin",
    "core::panic::unwind_safe::RefUnwindSafe",
    "core::panic::unwind_safe::UnwindSafe",
];

/// Where rustdoc put the JSON of each crate.
struct Documented<'a>(&'a Path);

impl Documented<'_> {
    fn json(&self, krate: &str) -> PathBuf {
        self.0.join(krate.replace('-', "_") + ".json")
    }

    /// The public items of a crate, a line each.
    fn items(&self, krate: &str) -> Result<Vec<String>, Box<dyn Error>> {
        let api = Builder::from_rustdoc_json(self.json(krate))
            .omit_blanket_impls(true)
            .build()?;
        let is_listed = |item: &String| {
            !SELDOM_NEEDED
                .iter()
                .any(|seldom| item.contains(&format!(" {seldom} for ")))
        };
        let items = api.items().map(PublicItem::to_string);
        Ok(items.filter(is_listed).collect())
    }

    /// The paths of the items of other crates that `krate` exports, as it names them.
    fn exported(&self, krate: &str) -> Result<BTreeSet<String>, Box<dyn Error>> {
        let text = std::fs::read_to_string(self.json(krate))?;
        let read: Value = serde_json::from_str(&text)?;
        let index = read["index"].as_object().ok_or("it has no index")?.values();
        Ok(index
            .filter(|item| item["visibility"] == "public")
            .filter_map(|item| item["inner"]["use"]["source"].as_str())
            .map(str::to_owned)
            .collect())
    }

    /// A whole crate.
    fn whole(&self, krate: &str) -> Result<String, Box<dyn Error>> {
        Ok(self.items(krate)?.join("\n") + "\n")
    }

    /// The names that the facade exports, and what is behind those that no other listing has.
    fn facade(&self, krate: &str, behind: &[&str]) -> Result<String, Box<dyn Error>> {
        let mut listing = self.whole(krate)?;
        let exported = self.exported(krate)?;
        for krate in behind {
            let items = self.items(krate)?;
            let own = |path: &&String| path.starts_with(&(krate.replace('-', "_") + "::"));
            for path in exported.iter().filter(own) {
                write!(listing, "\n# {path}\n")?;
                for line in items.iter().filter(|line| is_within(line, path)) {
                    writeln!(listing, "{line}")?;
                }
            }
        }
        Ok(listing)
    }
}

/// Whether a line of a listing is of the item at `path`, or of something within it.
fn is_within(line: &str, path: &str) -> bool {
    let krate = path.split("::").next().unwrap_or(path);
    let line = match line.split_once(" for ") {
        Some((start, implementor)) if start.starts_with("impl") => implementor,
        _ => line,
    };
    // The first path is the item's own, and the types of its parameters follow.
    let Some(at) = line.find(&format!("{krate}::")) else {
        return false;
    };
    let rest = line[at..].strip_prefix(path);
    rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_'))
}

/// The lines that one text has and the other has not.
fn only_in<'a>(one: &'a str, other: &str) -> Vec<&'a str> {
    let other: BTreeSet<_> = other.lines().collect();
    one.lines().filter(|line| !other.contains(line)).collect()
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (json, listings, writes) = match arguments.as_slice() {
        [json, listings] => (json, listings, false),
        [json, listings, option] if option == "--write" => (json, listings, true),
        _ => return Err("expected JSON-DIRECTORY LISTING-DIRECTORY [--write]".into()),
    };
    let documented = Documented(Path::new(json));
    let behind = ["nightlatch-local", "nightlatch-platform"];
    let mut is_up_to_date = true;
    for (krate, actual) in [
        ("nightlatch", documented.facade("nightlatch", &behind)?),
        ("nightlatch-audit", documented.whole("nightlatch-audit")?),
        ("nightlatch-core", documented.whole("nightlatch-core")?),
    ] {
        let file = Path::new(listings).join(format!("{krate}.txt"));
        if writes {
            std::fs::write(&file, actual)?;
            continue;
        }
        let listed = std::fs::read_to_string(&file)?;
        if listed == actual {
            continue;
        }
        is_up_to_date = false;
        println!("{} is not up to date:", file.display());
        for line in only_in(&listed, &actual) {
            println!("- {line}");
        }
        for line in only_in(&actual, &listed) {
            println!("+ {line}");
        }
    }
    if is_up_to_date {
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "If the change is meant, run `.ci/public-api --write` and commit the listing with it."
    );
    Ok(ExitCode::FAILURE)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_line_of_a_listing_belongs_to_the_item_that_it_begins_with() {
        for (line, is) in [
            ("pub struct a::B", true),
            ("pub struct a::Bc", false),
            ("pub fn a::B::new(a::C) -> a::B", true),
            ("pub fn a::C::new(a::B)", false),
            ("impl core::clone::Clone for a::B", true),
            ("impl core::convert::From<a::B> for a::C", false),
            ("impl a::B", true),
            ("impl<'a> a::C<'a>", false),
            ("pub const fn core::f()", false),
        ] {
            assert_eq!(super::is_within(line, "a::B"), is, "{line}");
        }
    }
}
