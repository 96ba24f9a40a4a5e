//! `secret export`: every secret with its value, for another program.

use nightlatch_local::account::Email;
use nightlatch_local::secrets::{formats::write_env, formats::write_json};

use super::report::shown;
use super::sources::Output;
use crate::cli::args::{SecretExport, TextFormat};
use crate::cli::context::Context;
use crate::cli::end::End;
use crate::cli::exit::{Code, Failure};
use crate::cli::login;

pub fn run(context: &Context, args: &SecretExport) -> Result<End, Failure> {
    let output = Output::checked(context.ui, args.output.as_deref())?;
    let guard = context.guard()?;
    let email: Email = {
        let session = guard.require("secret export")?;
        session.username().parse()?
    };
    // A session may have been left open; what takes everything along asks who is there.
    let _vouched = login::proven(
        context,
        (&guard, &email),
        &args.password,
        None,
        |password| guard.vouch(&email, password),
    )?;
    let all = guard.secrets()?.export()?;
    let (written, others) = match args.format {
        TextFormat::Json => (write_json(&all), Vec::new()),
        TextFormat::Env => write_env(&all),
    };
    output.write(written.expose())?;
    for (name, why) in &others {
        context
            .ui
            .warn(&format!("{} is left out: {why}", shown(name)));
    }
    let count = all.len() - others.len();
    context.ui.say(&format!("{count} secrets exported"));
    Ok(if others.is_empty() {
        End::Done
    } else {
        End::Code(Code::Failed as u8)
    })
}
