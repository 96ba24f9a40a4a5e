//! Finding an account's session and judging it: what stands on disk, what the keeper holds, and
//! whether the two and the clocks agree.

use super::{Owner, Session, SessionError, SessionService};
use crate::audit::{Details, ExpiryReason, InvalidReason, TerminationReason};
use crate::fs::{FsError, FsProblem};
use crate::id::{AccountId, SessionId};
use crate::session::file::{self, FileError};
use crate::session::keeper::{KeeperKind, Payload};
use crate::session::model::{self, Activity, Claims, Dead};
use crate::session::payload;

/// What there is of an account's session.
pub(super) enum Found {
    Nothing,
    Live(Box<Session>),
    Dead {
        reason: Dead,
        session: Option<SessionId>,
        claims: Option<Box<(Claims, Activity)>>,
    },
}

impl SessionService {
    /// The normalized email in the live session of `account`, if it has one. Passive, as
    /// [`SessionService::status`].
    ///
    /// # Errors
    /// When the keeper or the disk fails.
    pub(crate) fn live_name(&self, account: AccountId) -> Result<Option<String>, SessionError> {
        Ok(match self.find(account.into())? {
            Found::Live(session) => Some(session.username().to_owned()),
            Found::Nothing | Found::Dead { .. } => None,
        })
    }

    /// A live session of any account of the home, that of the account that signed in last if it has one.
    /// Passive, as [`SessionService::status`].
    ///
    /// # Errors
    /// When none is live, and one of them could not be judged.
    pub(crate) fn any_live(&self) -> Result<Option<Session>, SessionError> {
        let mut accounts: Vec<_> = self.current()?.into_iter().collect();
        accounts.extend(self.accounts()?);
        let mut failure = None;
        for account in accounts {
            match self.find(account.into()) {
                Ok(Found::Live(session)) => return Ok(Some(*session)),
                Ok(Found::Nothing | Found::Dead { .. }) => {}
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        failure.map_or(Ok(None), Err)
    }

    /// What there is of the owner's session, by the file, the keeper and the clocks. Changes nothing.
    pub(super) fn find(&self, owner: Owner) -> Result<Found, SessionError> {
        self.find_where(owner, |session| self.crashes.crashed(session))
    }

    /// As [`SessionService::find`], where `crashed` tells whether a process died holding a session.
    pub(super) fn find_where(
        &self,
        owner: Owner,
        crashed: impl FnOnce(SessionId) -> Result<bool, FsError>,
    ) -> Result<Found, SessionError> {
        let account = owner.account;
        let held = self.keeper.read(&self.slot(account)?)?;
        let bytes = match self.store.read(account) {
            Ok(bytes) => bytes,
            Err(error) if is_unsafe(&error) => return Ok(dead(Dead::UnsafeFile, None)),
            Err(error) => return Err(error.into()),
        };
        match (held, bytes) {
            (None, None) => Ok(Found::Nothing),
            (Some((payload, _)), None) => {
                let session = payload::decode(&payload)
                    .ok()
                    .map(|activity| activity.session);
                Ok(dead(Dead::FileGone, session))
            }
            (None, Some(bytes)) => self.without_key(account, &bytes),
            (Some((payload, keeper)), Some(bytes)) => {
                self.with_key(owner, &payload, keeper, &bytes, crashed)
            }
        }
    }

    fn without_key(&self, account: AccountId, bytes: &[u8]) -> Result<Found, SessionError> {
        let header = match file::read_header(bytes) {
            Ok(header) => header,
            Err(error) => return Ok(dead(file_reason(error), None)),
        };
        let boot = self.clock.boot().map_err(SessionError::Boot)?;
        let reason = if header.account != account {
            Dead::Foreign
        } else if header.boot_id != boot.id {
            Dead::Reboot
        } else {
            Dead::KeyGone
        };
        Ok(dead(reason, Some(header.session)))
    }

    fn with_key(
        &self,
        owner: Owner,
        payload: &Payload,
        keeper: KeeperKind,
        bytes: &[u8],
        crashed: impl FnOnce(SessionId) -> Result<bool, FsError>,
    ) -> Result<Found, SessionError> {
        let Ok(activity) = payload::decode(payload) else {
            return Ok(dead(Dead::Corrupt, None));
        };
        let session = Some(activity.session);
        let header = match file::read_header(bytes) {
            Ok(header) => header,
            Err(error) => return Ok(dead(file_reason(error), session)),
        };
        if header.account != owner.account {
            return Ok(dead(Dead::Foreign, session));
        }
        if file::hash(bytes) != activity.file_hash {
            let stale = header.session != activity.session;
            return Ok(dead(
                if stale {
                    Dead::StaleCopy
                } else {
                    Dead::Corrupt
                },
                session,
            ));
        }
        let claims = match file::open_claims(&activity.key, bytes) {
            Ok(claims) => claims,
            Err(error) => return Ok(dead(file_reason(error), session)),
        };
        let boot = self.clock.boot().map_err(SessionError::Boot)?;
        let at = self.clock.now();
        let reason = match model::judge(claims.idle, &activity, at, boot) {
            Err(reason) => reason,
            Ok(_)
                if owner
                    .generation
                    .is_some_and(|now| now != activity.generation) =>
            {
                Dead::Generation
            }
            Ok(_) if crashed(activity.session)? => Dead::Crash,
            Ok(live) => {
                return Ok(Found::Live(Box::new(Session {
                    claims,
                    activity,
                    live,
                    at,
                    keeper,
                })));
            }
        };
        Ok(Found::Dead {
            reason,
            session,
            claims: Some(Box::new((claims, activity))),
        })
    }
}

fn dead(reason: Dead, session: Option<SessionId>) -> Found {
    Found::Dead {
        reason,
        session,
        claims: None,
    }
}

/// Something stands there that is not ours to trust, as opposed to a disk that fails.
fn is_unsafe(error: &FsError) -> bool {
    !matches!(error.problem, FsProblem::Io(_))
}

fn file_reason(error: FileError) -> Dead {
    match error {
        FileError::Corrupt => Dead::Corrupt,
        FileError::UnsupportedVersion(_) => Dead::UnsupportedVersion,
    }
}

/// How the audit log tells of a session that was found dead.
pub(super) fn death_details(reason: Dead) -> Details {
    let expired = |reason| Details::SessionExpired { reason };
    let invalid = |reason| Details::SessionInvalid { reason };
    match reason {
        Dead::Idle => expired(ExpiryReason::Idle),
        Dead::Max => expired(ExpiryReason::Max),
        Dead::Clock => expired(ExpiryReason::Clock),
        Dead::Reboot => expired(ExpiryReason::Reboot),
        Dead::TimeNamespace => expired(ExpiryReason::TimeNamespace),
        Dead::KeyGone => expired(ExpiryReason::KeyGone),
        Dead::Generation => invalid(InvalidReason::OldGeneration),
        Dead::StaleCopy => invalid(InvalidReason::StaleCopy),
        Dead::Foreign => invalid(InvalidReason::Foreign),
        Dead::Corrupt => invalid(InvalidReason::Corrupt),
        Dead::FileGone => invalid(InvalidReason::FileGone),
        Dead::UnsupportedVersion => invalid(InvalidReason::UnsupportedVersion),
        Dead::UnsafeFile => invalid(InvalidReason::UnsafeFile),
        Dead::Crash => Details::SessionTerminated {
            reason: TerminationReason::Crash,
        },
    }
}
