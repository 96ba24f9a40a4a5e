//! Links that are redeemed once.

use nightlatch_core::crypto::hex;
use nightlatch_core::id::AccountId;

use super::accounts::{self, Entered, NewUser};
use super::flow::Flow;
use super::items;
use super::sessions::{self, Found, NewSession};
use super::value::{Row, Statement, Value, unexpected};
use super::{Quota, Store, StoreError, first};
use crate::clock::Millis;
use crate::token::Digest;

/// How long the browser that redeemed a link gets the same answer again, in milliseconds.
const RETRY: i64 = 60_000;

/// A link to make.
#[derive(Clone)]
pub struct NewLink {
    /// The digest of its token.
    pub hash: Digest,
    /// `sign-in` or `setup`.
    pub purpose: &'static str,
    /// The email as typed; empty for `setup`.
    pub email: String,
    /// The email that is unique; empty for `setup`.
    pub email_norm: String,
    /// The guest to merge.
    pub guest: Option<AccountId>,
    /// The digest of the claim of the browser that asked for it; `None` for `setup`.
    pub asked_by: Option<Digest>,
    /// When it can be redeemed no more.
    pub expires: Millis,
}

/// What a link says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkRow {
    /// `sign-in` or `setup`.
    pub purpose: String,
    /// The email as typed.
    pub email: String,
    /// The email that is unique.
    pub email_norm: String,
    /// The guest to merge.
    pub guest: Option<AccountId>,
    /// The browser that asked for it, as [`browser`] writes it.
    asked_by: String,
    /// How many documents of the guest came along, once it was merged.
    merged_items: Option<i64>,
    /// Whether it was used before, by the same browser.
    is_retry: bool,
}

/// Whether a link can be redeemed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// It can.
    Pending(LinkRow),
    /// It was.
    Used,
    /// It no longer can.
    Expired,
    /// There is none.
    Unknown,
}

/// The end of a redemption.
pub enum Redeemed {
    /// It began this session, or had begun it for the same browser before.
    Session {
        /// The session.
        found: Box<Found>,
        /// Whether it is new.
        is_new: bool,
        /// The guest that was merged, and how many documents came along.
        merged: Option<(AccountId, i64)>,
        /// Whether the password and the sessions of whoever had registered the account, without
        /// the email, were removed.
        is_reclaimed: bool,
    },
    /// The link cannot be redeemed.
    Refused(LinkState),
    /// The account may have no session.
    Disabled,
    /// The link makes an account, and there is one with this email. The link can still be redeemed.
    Exists,
}

fn read(row: &mut Row) -> Result<LinkRow, StoreError> {
    Ok(LinkRow {
        purpose: row.text()?,
        email: row.text()?,
        email_norm: row.text()?,
        guest: row.optional_parsed()?,
        asked_by: row.text()?,
        merged_items: row.optional_int()?,
        is_retry: false,
    })
}

/// How the database has the claim of a browser that asks for a link.
fn browser(claim: Option<Digest>) -> String {
    claim.map_or_else(String::new, |claim| hex(claim.as_bytes()))
}

/// Redeems a link, or repeats the redemption of the same browser. Returns the link if it did.
fn redeem(redemption: &Redemption, purpose: &'static str) -> Statement {
    let Redemption {
        hash, claim, now, ..
    } = redemption;
    Statement::new(
        "UPDATE link SET used_at = coalesce(used_at, $1), claim = $2 \
         WHERE hash = $3 AND purpose = $4 AND expires > $1 \
         AND (used_at IS NULL OR (claim = $2 AND used_at > $5)) \
         RETURNING purpose, email, email_norm, guest, asked_by, merged_items, used_at",
        [
            now.0.into(),
            claim.as_bytes().as_slice().into(),
            hash.as_bytes().as_slice().into(),
            purpose.into(),
            now.plus(-RETRY).0.into(),
        ],
    )
}

fn look(hash: Digest) -> Statement {
    Statement::new(
        "SELECT purpose, email, email_norm, guest, asked_by, merged_items, expires, used_at \
         FROM link WHERE hash = $1",
        [hash.as_bytes().as_slice().into()],
    )
}

fn state(rows: Vec<Row>, now: Millis) -> Result<LinkState, StoreError> {
    let found = first(rows, |row| {
        Ok((read(row)?, Millis(row.int()?), row.optional_int()?))
    })?;
    Ok(match found {
        None => LinkState::Unknown,
        Some((_, _, Some(_))) => LinkState::Used,
        Some((_, expires, None)) if expires <= now => LinkState::Expired,
        Some((link, _, None)) => LinkState::Pending(link),
    })
}

/// A redemption of a link.
#[derive(Clone)]
pub struct Redemption {
    /// The digest of the link's token.
    pub hash: Digest,
    /// The digest of the browser's claim.
    pub claim: Digest,
    /// The guest that the browser proved to be, if it is one.
    pub guest: Option<AccountId>,
    /// The most that the account may store, for the merge of a guest.
    pub quota: Quota,
    /// The session to begin.
    pub session: NewSession,
    /// The current time.
    pub now: Millis,
}

/// A redemption on its way.
#[derive(Clone)]
struct Redeeming<R> {
    purpose: &'static str,
    redemption: Redemption,
    record: R,
}

impl<R> Redeeming<R>
where
    R: Fn(&Redeemed) -> Vec<Statement> + Clone + Send + Sync + 'static,
{
    /// Redeems the link for the account that `user` makes of it.
    fn flow(self, user: impl FnOnce(&LinkRow) -> NewUser + Send + 'static) -> Flow<Redeemed> {
        let change = redeem(&self.redemption, self.purpose);
        let redeemed = |row: &mut Row| Ok((read(row)?, Millis(row.int()?)));
        Flow::run(change, move |rows| match first(rows, redeemed)? {
            None => Ok(self.refused()),
            Some((link, used_at)) => {
                let link = LinkRow {
                    is_retry: used_at != self.redemption.now,
                    ..link
                };
                Ok(self.account(&user(&link), link))
            }
        })
    }

    /// Redeems the setup link, unless there is an administrator.
    fn setup(self, user: NewUser) -> Flow<Redeemed> {
        Flow::run(accounts::any_admin(), move |rows| {
            if rows.is_empty() {
                return Ok(self.flow(|_| user));
            }
            let refused = Redeemed::Refused(LinkState::Unknown);
            Ok(Flow::Commit((self.record)(&refused), refused))
        })
    }

    fn refused(self) -> Flow<Redeemed> {
        Flow::run(look(self.redemption.hash), move |rows| {
            let state = match state(rows, self.redemption.now)? {
                // It was pending for another purpose.
                LinkState::Pending(_) => LinkState::Unknown,
                state => state,
            };
            let refused = Redeemed::Refused(state);
            Ok(Flow::Commit((self.record)(&refused), refused))
        })
    }

    /// Finds or creates the account.
    fn account(self, user: &NewUser, link: LinkRow) -> Flow<Redeemed> {
        let (new, makes_admin) = (user.id, user.is_admin);
        let Redemption { claim, now, .. } = self.redemption;
        Flow::run(accounts::enter(user, claim, now), move |rows| {
            let entered = first(rows, accounts::entered)?;
            let entered = entered.ok_or_else(|| unexpected("an account"))?;
            if makes_admin && entered.account != new {
                return Ok(Flow::Abandon(Redeemed::Exists));
            }
            Ok(match (link.guest, link.merged_items) {
                (Some(guest), Some(items)) => self.begin(entered, &link, Some((guest, items))),
                (Some(guest), None) if self.brings(guest, &link) => {
                    self.merge(entered, link, guest)
                }
                (Some(_) | None, _) => self.begin(entered, &link, None),
            })
        })
    }

    /// Whether the link's guest may be merged: it redeems the link itself, or in the browser that
    /// asked for it. Whoever else asks for a link may name any guest.
    fn brings(&self, guest: AccountId, link: &LinkRow) -> bool {
        self.redemption.guest == Some(guest)
            || link.asked_by == browser(Some(self.redemption.claim))
    }

    /// Merges the guest. One that was merged elsewhere in the meantime is left there, and one for which
    /// there is no room stays a guest.
    fn merge(self, entered: Entered, link: LinkRow, guest: AccountId) -> Flow<Redeemed> {
        let Redemption { quota, now, .. } = self.redemption;
        let change = items::make_tombstone(guest, entered.account, quota, now);
        Flow::run(change, move |rows| {
            if rows.is_empty() {
                return Ok(self.begin(entered, &link, None));
            }
            Ok(Flow::run(items::count(guest), move |rows| {
                let count = first(rows, Row::int)?.unwrap_or(0);
                let merged = merged(self.redemption.hash, count);
                Ok(Flow::run(merged, move |_| {
                    Ok(self.begin(entered, &link, Some((guest, count))))
                }))
            }))
        })
    }

    fn begin(
        self,
        entered: Entered,
        link: &LinkRow,
        merged: Option<(AccountId, i64)>,
    ) -> Flow<Redeemed> {
        let Redemption { session, now, .. } = self.redemption;
        let (record, void) = (self.record, void(self.purpose, &link.email_norm));
        let is_retry = link.is_retry;
        sessions::begin(&session, entered.account, now, move |found, is_new| {
            // The first answer's session has another token since a merge, and is not begun again.
            if is_new && is_retry {
                return Ok(Flow::Abandon(Redeemed::Refused(LinkState::Used)));
            }
            let redeemed = match found {
                Some(found) => Redeemed::Session {
                    found: Box::new(found),
                    is_new,
                    merged,
                    is_reclaimed: entered.is_reclaimed,
                },
                None => Redeemed::Disabled,
            };
            let mut statements = record(&redeemed);
            if is_new {
                statements.push(void);
            }
            Ok(Flow::Commit(statements, redeemed))
        })
    }
}

/// Remembers how many documents came along with a link.
fn merged(hash: Digest, items: i64) -> Statement {
    Statement::new(
        "UPDATE link SET merged_items = $1 WHERE hash = $2",
        [items.into(), hash.as_bytes().as_slice().into()],
    )
}

/// Voids the pending links of an email: whoever signed in with one needs no other.
fn void(purpose: &str, email_norm: &str) -> Statement {
    Statement::new(
        "DELETE FROM link WHERE purpose = $1 AND email_norm = $2 AND used_at IS NULL",
        [purpose.into(), email_norm.into()],
    )
}

impl Store {
    /// Makes a link, in place of one that the same browser asked for and that is pending for the
    /// same email and purpose.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn put_link(
        &self,
        link: NewLink,
        now: Millis,
        record: Vec<Statement>,
    ) -> Result<(), StoreError> {
        let change = Statement::new(
            "INSERT INTO link (hash, purpose, email, email_norm, guest, created, expires, asked_by) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
             ON CONFLICT (purpose, email_norm, asked_by) WHERE used_at IS NULL DO UPDATE SET \
             hash = excluded.hash, email = excluded.email, guest = excluded.guest, \
             created = excluded.created, expires = excluded.expires",
            [
                link.hash.as_bytes().as_slice().into(),
                link.purpose.into(),
                link.email.into(),
                link.email_norm.into(),
                Value::from(link.guest.map(|guest| guest.to_string())),
                now.0.into(),
                link.expires.0.into(),
                browser(link.asked_by).into(),
            ],
        );
        self.change(move || {
            let mut statements = vec![change.clone()];
            statements.extend(record.iter().cloned());
            Flow::Commit(statements, ())
        })
        .await
    }

    /// Redeems a sign-in link exactly once: begins a session for the account of its email, which it
    /// creates with the id `account` if there is none, merges the link's guest into it if the browser
    /// may bring it, and voids the other pending links of the email. The same claim gets the same session again for a minute.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn redeem_link(
        &self,
        redemption: Redemption,
        account: AccountId,
        record: impl Fn(&Redeemed) -> Vec<Statement> + Clone + Send + Sync + 'static,
    ) -> Result<Redeemed, StoreError> {
        let redeeming = Redeeming {
            purpose: "sign-in",
            redemption,
            record,
        };
        self.change(move || {
            redeeming.clone().flow(move |link| NewUser {
                id: account,
                email: link.email.clone(),
                email_norm: link.email_norm.clone(),
                name: None,
                password: None,
                is_admin: false,
                claim: None,
            })
        })
        .await
    }

    /// Redeems the setup link exactly once, unless there is an administrator: creates one and
    /// begins a session.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn redeem_setup(
        &self,
        redemption: Redemption,
        admin: NewUser,
        record: impl Fn(&Redeemed) -> Vec<Statement> + Clone + Send + Sync + 'static,
    ) -> Result<Redeemed, StoreError> {
        let redeeming = Redeeming {
            purpose: "setup",
            redemption,
            record,
        };
        self.change(move || redeeming.clone().setup(admin.clone()))
            .await
    }

    /// What a link is for and whether it can be redeemed.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn link(&self, hash: Digest, now: Millis) -> Result<LinkState, StoreError> {
        state(self.query(&look(hash)).await?, now)
    }
}
