//! `inject`: a template with the values of its secrets.

use nightlatch_local::secrets::formats::Template;

use super::sources::{self, Output};
use crate::cli::args::Inject;
use crate::cli::context::Context;
use crate::cli::end::End;
use crate::cli::exit::{Code, Failure};

/// The longest template.
const TEMPLATE_LIMIT: usize = 1024 * 1024;

pub fn run(context: &Context, args: &Inject) -> Result<End, Failure> {
    let output = Output::checked(context.ui, args.output.as_deref())?;
    let text = match &args.input {
        Some(path) => sources::file(path, TEMPLATE_LIMIT)?,
        None => sources::standard_input(TEMPLATE_LIMIT)?,
    };
    let template = Template::parse(text.expose())
        .map_err(|bad| Failure::new(Code::Refused, "bad_template", bad.to_string()))?;
    let guard = context.guard()?;
    let values = guard.secrets()?.get_all("inject", &template.names())?;
    let filled = template.fill(&values);
    output.write(filled.expose())?;
    Ok(End::Done)
}
