//! Which account a subcommand of `account` is about.

use nightlatch_local::account::{Account, Email};
use nightlatch_local::guard::Guard;

use crate::cli::exit::Failure;

/// The account that is meant: the named one, or the one that commands use where none is named.
pub fn meant(guard: &Guard, named: Option<&str>) -> Result<Account, Failure> {
    let Some(named) = named else {
        return guard.account_meant()?.ok_or_else(|| {
            Failure::usage("which account? none is signed in")
                .hint("name one: --account EMAIL; see: nightlatch account list".to_owned())
        });
    };
    let email: Email = named.parse()?;
    let found = match guard.accounts() {
        Ok(accounts) => accounts.find(&email)?,
        // There is no home yet.
        Err(_) => None,
    };
    found.ok_or_else(|| {
        Failure::usage("there is no account with that email")
            .hint("see: nightlatch account list".to_owned())
    })
}
