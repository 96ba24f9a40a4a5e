//! `secret import`: the secrets of a file or of pass, and what of them was not taken.

use nightlatch_local::guard::{IfExists, Imported};
use nightlatch_local::secrets::{
    formats::ImportFile, formats::read_aws, formats::read_env, formats::read_json,
};

use super::pass::{self, Found};
use super::sources;
use crate::cli::args::{ImportFormat, SecretImport};
use crate::cli::context::Context;
use crate::cli::end::End;
use crate::cli::exit::{Code, Failure};
use crate::cli::ui::GOOD;

/// The largest file.
const FILE_LIMIT: usize = 4 * 1024 * 1024;

/// What became of a file.
#[derive(Default, serde::Serialize)]
struct Report {
    schema: u32,
    set: usize,
    same: usize,
    kept: Vec<String>,
    problems: Vec<String>,
}

impl From<ImportFile> for Found {
    fn from(file: ImportFile) -> Self {
        let items = file.items.into_iter().map(|item| (item.name, item.value));
        Self {
            items: items.collect(),
            problems: file.problems.iter().map(ToString::to_string).collect(),
        }
    }
}

pub fn run(context: &Context, args: &SecretImport) -> Result<End, Failure> {
    let guard = context.guard()?;
    // Before gpg asks for a passphrase for nothing.
    let _live = guard.require("secret import")?;
    let Found { items, problems } = found(context, args)?;
    let if_exists = if args.replace {
        IfExists::Replace
    } else {
        IfExists::Keep
    };
    let outcomes = guard.secrets()?.import(&items, if_exists)?;
    let mut report = Report {
        schema: 1,
        problems,
        ..Report::default()
    };
    for ((name, _), outcome) in items.iter().zip(outcomes) {
        match outcome {
            Imported::Set(_) => report.set += 1,
            Imported::Same => report.same += 1,
            Imported::Kept => report.kept.push(name.to_string()),
            Imported::Refused(why) => report.problems.push(format!("{name}: {why}")),
            _ => report.problems.push(format!("{name}: not imported")),
        }
    }
    tell(context, &report)?;
    Ok(if report.problems.is_empty() && report.kept.is_empty() {
        End::Done
    } else {
        End::Code(Code::Failed as u8)
    })
}

fn found(context: &Context, args: &SecretImport) -> Result<Found, Failure> {
    if args.format == ImportFormat::Pass {
        return pass::read(context, args.file.as_deref());
    }
    let text = match &args.file {
        Some(path) => sources::file(path, FILE_LIMIT)?,
        None => sources::standard_input(FILE_LIMIT)?,
    };
    Ok(match args.format {
        ImportFormat::Env => read_env(text.expose()).into(),
        ImportFormat::Aws => read_aws(text.expose()).into(),
        ImportFormat::Json | ImportFormat::Pass => read_json(text.expose())
            .map_err(|bad| Failure::new(Code::Refused, "bad_file", bad.to_string()))?
            .into(),
    })
}

fn tell(context: &Context, report: &Report) -> Result<(), Failure> {
    if context.ui.json {
        context.ui.json(report)?;
        return Ok(());
    }
    for problem in &report.problems {
        context.ui.warn(problem);
    }
    if !report.kept.is_empty() {
        context.ui.warn(&format!(
            "{} are there already with another value; to set new versions: --replace",
            report.kept.len()
        ));
    }
    context.ui.say(&format!(
        "{GOOD}●{GOOD:#} {} set, {} there already, {} not taken",
        report.set,
        report.same,
        report.kept.len() + report.problems.len()
    ));
    Ok(())
}
