//! `admin` and `migrate`: what the machine's operator does without a session.

use std::sync::Arc;

use nightlatch_core::email::Email;
use nightlatch_core::memory::SecretBuffer;
use nightlatch_core::password::PASSWORD_MAX_BYTES;
use nightlatch_platform::clock::SystemClock;
use zeroize::Zeroizing;

use super::args::AdminCommand;
use super::settings::Start;
use super::{Failure, ui};
use crate::node::Node;

/// Room for the longest password, a line ending, and the byte that reading to the end takes.
const CAPACITY: usize = PASSWORD_MAX_BYTES + 3;

/// Creates or disables an administrator.
pub async fn run(start: Start, command: AdminCommand) -> Result<u8, Failure> {
    let node = Node::start_command(start.settings, Arc::new(SystemClock)).await?;
    let result = change(&node, command).await;
    node.stop().await;
    result
}

async fn change(node: &Node, command: AdminCommand) -> Result<u8, Failure> {
    let accounts = &node.services.accounts;
    match command {
        AdminCommand::Create { email, .. } => {
            let id = accounts.create_admin(&email, password()?).await?;
            ui::print(&format!("Administrator {email}: user id {id}"))?;
        }
        AdminCommand::Disable { email } => {
            let parsed: Email = email.parse()?;
            if !accounts.disable_admin(&parsed).await? {
                return Err(format!("there is no administrator {email}").into());
            }
            ui::print(&format!("{email} is no administrator anymore."))?;
        }
    }
    Ok(0)
}

/// The password on standard input, without the newline at its end.
fn password() -> Result<Zeroizing<String>, Failure> {
    let mut secret = SecretBuffer::with_capacity(CAPACITY);
    secret.read_to_end(std::io::stdin())?;
    let text =
        std::str::from_utf8(secret.expose()).map_err(|_| "the password is not UTF-8 text")?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// Brings the tables up to date.
pub async fn migrate(start: Start) -> Result<u8, Failure> {
    let node = Node::start_command(start.settings, Arc::new(SystemClock)).await?;
    node.stop().await;
    ui::print("The database is up to date.")?;
    Ok(0)
}
