//! Whose session counts, and notices about it for the user.

use std::fmt;

use super::{Denied, Guard, GuardError, Home};
use crate::account::{Account, Email};
use crate::session::{AccountInUse, InUse, Owner, SessionStatus};
use nightlatch_core::id::AccountId;

impl From<&Account> for Owner {
    fn from(account: &Account) -> Self {
        Self {
            account: account.id,
            generation: Some(account.generation),
        }
    }
}

/// Whose session counts.
pub(super) enum Counting {
    /// No session counts: there is no account that it could belong to.
    Nobody,
    /// This account's, whether it has a live one or not.
    Of(Owner),
    /// The session of an account with this email would be used, but it does not count.
    Other(String),
}

/// A notice for the user about whose session is in use.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccountNotice {
    /// The session that counts belongs to another account than before.
    SignedInBefore {
        /// The account in use.
        account: String,
        /// How it came to be that.
        in_use: InUse,
        /// The one before it.
        before: String,
    },
    /// The account in use does not count here.
    DoesNotCount {
        /// The account in use.
        account: String,
        /// How it came to be that.
        in_use: InUse,
        /// The accounts that count, in words.
        accepted: String,
    },
}

impl AccountNotice {
    /// The account in use.
    pub fn account(&self) -> &str {
        match self {
            Self::SignedInBefore { account, .. } | Self::DoesNotCount { account, .. } => account,
        }
    }
}

impl fmt::Display for AccountNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SignedInBefore {
                account,
                in_use,
                before,
            } => {
                let how = how(*in_use);
                write!(f, "{account} {how}; the account before was {before}")
            }
            Self::DoesNotCount {
                account,
                in_use,
                accepted,
            } => {
                let how = how(*in_use);
                write!(
                    f,
                    "{account} {how}, and only the session of {accepted} counts here"
                )
            }
        }
    }
}

fn how(in_use: InUse) -> &'static str {
    match in_use {
        InUse::SignedIn => "signed in last",
        InUse::Switched => "was chosen by account switch",
    }
}

/// The accounts whose sessions count: those set by the program, narrowed down to the one in the
/// configuration file.
pub(super) fn accepted(
    program: Option<Vec<Email>>,
    configured: Option<Email>,
) -> Option<Vec<Email>> {
    match (program, configured) {
        (program, None) => program,
        (None, Some(only)) => Some(vec![only]),
        (Some(program), Some(only)) => Some(
            program
                .into_iter()
                .filter(|email| email.normalized() == only.normalized())
                .collect(),
        ),
    }
}

impl Guard {
    /// The accounts whose sessions count, from `[guard] account` and
    /// [`GuardConfig::accounts`](crate::guard::GuardConfig::accounts); `None` when all count.
    pub fn accepted_accounts(&self) -> Option<&[Email]> {
        self.accepted.as_deref()
    }

    /// The default account: the configured one, else the one in use, else the only one. Where only
    /// some accounts count, it is one of them.
    ///
    /// # Errors
    /// When the account directory cannot be read.
    pub fn account_meant(&self) -> Result<Option<Account>, GuardError> {
        let Some(home) = &self.home else {
            return Ok(None);
        };
        if let Some(email) = &self.account {
            return Ok(home.accounts.find(email)?);
        }
        let current = match home.sessions.current()? {
            Some(id) => home.accounts.by_id(id)?,
            None => None,
        };
        // The account in use may have been removed.
        let current = match current {
            Some(current) => Some(current),
            None => home.accounts.only()?,
        };
        let Some(accepted) = &self.accepted else {
            return Ok(current);
        };
        if let Some(current) = current.filter(|current| self.accepts(current.email.normalized())) {
            return Ok(Some(current));
        }
        for email in accepted {
            if let Some(account) = home.accounts.find(email)? {
                return Ok(Some(account));
            }
        }
        Ok(None)
    }

    /// A notice about whose session counts here: when another account is in use than before,
    /// or one that does not count. Passive; `None` where an account was named.
    ///
    /// # Errors
    /// When the home cannot be read.
    pub fn account_notice(&self) -> Result<Option<AccountNotice>, GuardError> {
        let (Some(home), None) = (&self.home, &self.account) else {
            return Ok(None);
        };
        let Some(AccountInUse {
            account,
            how: in_use,
            before,
        }) = home.sessions.in_use()?
        else {
            return Ok(None);
        };
        if before.is_none() && self.accepted.is_none() {
            return Ok(None);
        }
        let Some(account) = email_of(home, account)? else {
            return Ok(None);
        };
        if !self.accepts(&account) {
            let accepted = self.accepted_in_words();
            return Ok(Some(AccountNotice::DoesNotCount {
                account,
                in_use,
                accepted,
            }));
        }
        // Where one account is pinned, the user expects that one.
        let (None, Some(before)) = (&self.accepted, before) else {
            return Ok(None);
        };
        let before = email_of(home, before)?;
        Ok(before.map(|before| AccountNotice::SignedInBefore {
            account,
            in_use,
            before,
        }))
    }

    /// The state of the session. Passive: extends, records and creates nothing.
    ///
    /// ```
    /// # let scratch = tempfile::tempdir()?;
    /// # let config = nightlatch_local::guard::GuardConfig::under(scratch.path().join("home"));
    /// use nightlatch_local::guard::Guard;
    /// use nightlatch_local::session::SessionState;
    ///
    /// let status = Guard::open_to_look(config)?.status()?;
    /// match (status.state, status.remaining_seconds) {
    ///     (SessionState::Active, Some(seconds)) => println!("locks in {seconds} s"),
    ///     _ => println!("not signed in"),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the keeper or the disk fails.
    pub fn status(&self) -> Result<SessionStatus, GuardError> {
        let Some(home) = &self.home else {
            return Ok(SessionStatus::none());
        };
        match self.counting(home)? {
            Counting::Of(owner) => Ok(home.sessions.status(owner)?),
            Counting::Nobody | Counting::Other(_) => Ok(SessionStatus::none()),
        }
    }

    /// The home, and the account whose session counts in it.
    pub(super) fn signed_in(&self) -> Result<(&Home, Owner), Denied> {
        let none = Denied::NoSession { ended: None };
        let Some(home) = &self.home else {
            return Err(none);
        };
        match self.counting(home)? {
            Counting::Of(owner) => Ok((home, owner)),
            Counting::Nobody => Err(none),
            Counting::Other(account) => Err(Denied::OtherAccount {
                account,
                accepted: self.accepted_in_words(),
            }),
        }
    }

    /// Whose session counts.
    pub(super) fn counting(&self, home: &Home) -> Result<Counting, GuardError> {
        let Some(accepted) = &self.accepted else {
            return Ok(self.owner(home)?.map_or(Counting::Nobody, Counting::Of));
        };
        if let Some(named) = &self.account {
            if !self.accepts(named.normalized()) {
                return Ok(Counting::Other(named.normalized().to_owned()));
            }
            return Ok(self.owner(home)?.map_or(Counting::Nobody, Counting::Of));
        }
        let (mut live, mut first) = self.accepted_session(home, accepted)?;
        if live.is_none()
            && let Some(other) = self.other_session(home)?
        {
            // Sessions may be changing right now; under the lock they cannot.
            let _lock = home.sessions.lock()?;
            (live, first) = self.accepted_session(home, accepted)?;
            if live.is_none() {
                return Ok(Counting::Other(other));
            }
        }
        Ok(live.or(first).map_or(Counting::Nobody, Counting::Of))
    }

    /// The owner of a live session that counts, and the first account that counts at all.
    fn accepted_session(
        &self,
        home: &Home,
        accepted: &[Email],
    ) -> Result<(Option<Owner>, Option<Owner>), GuardError> {
        // Usually it is the account in use, and then the account directory need not be opened.
        if let Some(current) = home.sessions.current()?
            && let Some(username) = home.sessions.live_name(current)?
            && self.accepts(&username)
        {
            return Ok((Some(Owner::from(current)), None));
        }
        let mut first = None;
        for email in accepted {
            let Some(account) = home.accounts.find(email)? else {
                continue;
            };
            let owner = Owner::from(&account);
            if home.sessions.live_name(account.id)?.is_some() {
                return Ok((Some(owner), Some(owner)));
            }
            first = first.or(Some(owner));
        }
        Ok((None, first))
    }

    /// The account whose live session does not count: the one in use.
    fn other_session(&self, home: &Home) -> Result<Option<String>, GuardError> {
        let Some(current) = home.sessions.current()? else {
            return Ok(None);
        };
        let username = home.sessions.live_name(current)?;
        Ok(username.filter(|username| !self.accepts(username)))
    }

    /// The account whose session is meant, whether it counts or not.
    pub(super) fn owner(&self, home: &Home) -> Result<Option<Owner>, GuardError> {
        let Some(email) = &self.account else {
            return Ok(home.sessions.current()?.map(Owner::from));
        };
        // Usually it is the account in use: its session names it, and the account directory need
        // not be opened.
        if let Some(current) = home.sessions.current()?
            && home.sessions.live_name(current)?.as_deref() == Some(email.normalized())
        {
            return Ok(Some(Owner::from(current)));
        }
        let account = home.accounts.find(email)?;
        Ok(account.as_ref().map(Owner::from))
    }

    /// Whether the sessions of the account with this normalized email count.
    fn accepts(&self, normalized: &str) -> bool {
        self.accepted.as_ref().is_none_or(|accepted| {
            accepted
                .iter()
                .any(|email| email.normalized() == normalized)
        })
    }

    fn accepted_in_words(&self) -> String {
        let emails: Vec<_> = self
            .accepted
            .iter()
            .flatten()
            .map(Email::normalized)
            .collect();
        if emails.is_empty() {
            "no account".to_owned()
        } else {
            emails.join(" or ")
        }
    }
}

fn email_of(home: &Home, id: AccountId) -> Result<Option<String>, GuardError> {
    let account = home.accounts.by_id(id)?;
    Ok(account.map(|account| account.email.normalized().to_owned()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn emails(texts: &[&str]) -> Vec<Email> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn the_configuration_narrows_down_whose_session_counts_and_never_widens_it() {
        let one = emails(&["alice@example.com"]);
        let two = emails(&["alice@example.com", "bob@example.com"]);
        let alice = || Some("Alice@Example.com".parse().unwrap());
        assert_eq!(accepted(None, None), None);
        assert_eq!(accepted(None, alice()).unwrap().len(), 1);
        assert_eq!(accepted(Some(two), alice()), Some(one.clone()));
        let other = "eve@example.com".parse().ok();
        assert_eq!(accepted(Some(one), other), Some(Vec::new()));
    }
}
