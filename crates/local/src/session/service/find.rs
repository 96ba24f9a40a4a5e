//! Finds an account's session and judges it, from the file on disk, the keeper's payload and the
//! clocks. A session that cannot be seen from here does not count as gone.

use super::{Owner, Session, SessionError, SessionService};
use crate::session::file::{self, FileError, Header};
use crate::session::keeper::{KeeperKind, Payload, Slot};
use crate::session::model::{self, Activity, Claims, Elsewhere, EndReason};
use crate::session::payload;
use nightlatch_audit::{Details, ExpiryReason, InvalidReason, TerminationReason};
use nightlatch_core::clock::Boot;
use nightlatch_core::id::{AccountId, SessionId};
use nightlatch_platform::fs::{FsError, FsProblem};

/// The state of an account's session.
pub(super) enum Found {
    Nothing,
    Live(Box<Session>),
    /// There is a session that cannot be seen from here.
    Elsewhere {
        why: Elsewhere,
        session: Option<SessionId>,
    },
    Ended {
        reason: EndReason,
        session: Option<SessionId>,
        claims: Option<Box<(Claims, Activity)>>,
    },
}

impl SessionService {
    /// Finds and judges the owner's session from the file, the keeper and the clocks. Changes
    /// nothing.
    pub(super) fn find(&self, owner: Owner) -> Result<Found, SessionError> {
        self.find_where(owner, |session| self.crashes.crashed(session))
    }

    /// As [`SessionService::find`]; `crashed` reports whether a process died while it held a
    /// session.
    pub(super) fn find_where(
        &self,
        owner: Owner,
        crashed: impl FnOnce(SessionId) -> Result<bool, FsError>,
    ) -> Result<Found, SessionError> {
        let account = owner.account;
        let slot = |id| Slot::new(id, account);
        let home = self.store.identity()?;
        let held = match home {
            Some(home) => self.keepers.read(&slot(home.id)),
            None => Ok(None),
        };
        let bytes = match self.store.read(account) {
            Ok(bytes) => bytes,
            Err(error) if is_unsafe(&error) => return Ok(dead(EndReason::UnsafeFile, None)),
            Err(error) => return Err(error.into()),
        };
        let held = match (held, &bytes) {
            (Ok(held), _) => held,
            (Err(error), None) => return Err(error.into()),
            // The keeper's error means nothing for a session from elsewhere.
            (Err(error), Some(bytes)) => match file::read_header(bytes) {
                Ok(header) if self.place_of(&header)?.is_out_of_sight() => None,
                _ => return Err(error.into()),
            },
        };
        let held = match (held, &bytes, home) {
            (Some(held), Some(bytes), Some(home)) => {
                self.without_leftover(held, bytes, &slot(home.id))?
            }
            (held, ..) => held,
        };
        match (held, bytes, home) {
            (None, None, _) => Ok(Found::Nothing),
            (None, Some(bytes), home) => {
                self.without_key(account, &bytes, home.map(|home| slot(home.id)))
            }
            (Some((payload, keeper)), bytes, home) => {
                let Ok(activity) = payload::decode(&payload) else {
                    return Ok(dead(EndReason::Corrupt, None));
                };
                let is_ours = home.is_some_and(|home| home.place.is_same(activity.home));
                match bytes {
                    Some(bytes) if is_ours => {
                        self.with_key(owner, activity, keeper, &bytes, crashed)
                    }
                    Some(_) => Ok(Found::Elsewhere {
                        why: Elsewhere::Copy,
                        session: Some(activity.session),
                    }),
                    None if is_ours => Ok(dead(EndReason::FileGone, Some(activity.session))),
                    // The key of a copy of this home, or of the home that this one was copied from.
                    None => Ok(Found::Nothing),
                }
            }
        }
    }

    /// The held payload, unless it belongs to an earlier session, whose key could not be reached
    /// when this session replaced it and remains in another keeper.
    fn without_leftover(
        &self,
        held: (Payload, KeeperKind),
        bytes: &[u8],
        slot: &Slot,
    ) -> Result<Option<(Payload, KeeperKind)>, SessionError> {
        let Ok(header) = file::read_header(bytes) else {
            return Ok(Some(held));
        };
        let keeper = header.origin.keeper;
        let session = payload::decode(&held.0).map(|activity| activity.session);
        if held.1 == keeper || session == Ok(header.session) {
            return Ok(Some(held));
        }
        Ok(self
            .keepers
            .read_from(keeper, slot)?
            .map(|held| (held, keeper)))
    }

    /// Judges a file without a key: the key is either gone or only out of sight.
    fn without_key(
        &self,
        account: AccountId,
        bytes: &[u8],
        slot: Option<Slot>,
    ) -> Result<Found, SessionError> {
        let header = match file::read_header(bytes) {
            Ok(header) => header,
            Err(error) => return Ok(dead(file_reason(error), None)),
        };
        let session = Some(header.session);
        if header.account != account {
            return Ok(dead(EndReason::Foreign, session));
        }
        let keeper = header.origin.keeper;
        let why = match self.place_of(&header)? {
            Place::BeforeReboot => return Ok(dead(EndReason::Reboot, session)),
            Place::OtherMachine => Elsewhere::Machine,
            _ if !self.keepers.has_chosen(keeper) => Elsewhere::NotChosen(keeper),
            Place::OtherNamespace if keeper == KeeperKind::Kernel => Elsewhere::UserNamespace,
            Place::OtherNamespace | Place::Here => match slot {
                Some(slot) if !self.keepers.can_see(keeper, &slot)? => Elsewhere::NoKeyring,
                _ => return Ok(dead(EndReason::KeyGone, session)),
            },
        };
        Ok(Found::Elsewhere { why, session })
    }

    /// Where the session of a file began, relative to here.
    /// The header of the account's session file, which nothing vouches for.
    pub(super) fn header_of(&self, account: AccountId) -> Option<Header> {
        let bytes = self.store.read(account).ok().flatten()?;
        file::read_header(&bytes).ok()
    }

    fn place_of(&self, header: &Header) -> Result<Place, SessionError> {
        let boot = self.clock.boot().map_err(SessionError::Boot)?;
        let here = (self.surroundings)().map_err(SessionError::Surroundings)?;
        let there = header.origin.surroundings;
        Ok(if header.origin.boot_id != boot.id {
            if there.machine == here.machine {
                Place::BeforeReboot
            } else {
                Place::OtherMachine
            }
        } else if there.user_namespace == here.user_namespace {
            Place::Here
        } else {
            Place::OtherNamespace
        })
    }

    /// Whether an end of the account's session was noted after this one began: its key and file
    /// were out of reach or removed then, and have come back.
    fn has_ended(&self, claims: &Claims, boot: Boot) -> Result<bool, FsError> {
        let last = self.store.last_end(claims.account, boot.id)?;
        Ok(last.is_some_and(|last| claims.created.boot < last))
    }

    fn with_key(
        &self,
        owner: Owner,
        activity: Activity,
        keeper: KeeperKind,
        bytes: &[u8],
        crashed: impl FnOnce(SessionId) -> Result<bool, FsError>,
    ) -> Result<Found, SessionError> {
        let session = Some(activity.session);
        let header = match file::read_header(bytes) {
            Ok(header) => header,
            Err(error) => return Ok(dead(file_reason(error), session)),
        };
        if header.account != owner.account {
            return Ok(dead(EndReason::Foreign, session));
        }
        if file::hash(bytes) != activity.file_hash {
            let stale = header.session != activity.session;
            return Ok(dead(
                if stale {
                    EndReason::StaleCopy
                } else {
                    EndReason::Corrupt
                },
                session,
            ));
        }
        let claims = match file::open_claims(&activity.key, bytes) {
            // A key in another keeper than the file names was not put there by us.
            Ok(claims) if header.origin.keeper == keeper => claims,
            Ok(_) => return Ok(dead(EndReason::Corrupt, session)),
            Err(error) => return Ok(dead(file_reason(error), session)),
        };
        let boot = self.clock.boot().map_err(SessionError::Boot)?;
        let at = self.clock.now();
        let revocations = self.store.revocations(owner.account)?.count;
        let judged = model::check(&claims, &activity, revocations)
            .and_then(|()| Ok(activity.lifetime(claims.idle).judge(at, boot)?));
        let reason = match judged {
            Err(reason) => reason,
            Ok(_)
                if owner
                    .generation
                    .is_some_and(|now| now != activity.account_generation()) =>
            {
                EndReason::Generation
            }
            Ok(_) if self.has_ended(&claims, boot)? => EndReason::StaleCopy,
            Ok(_) if crashed(activity.session)? => EndReason::Crash,
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
        Ok(Found::Ended {
            reason,
            session,
            claims: Some(Box::new((claims, activity))),
        })
    }
}

/// Where a session began, relative to here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// On this boot, in this user namespace.
    Here,
    /// On this boot, in another user namespace.
    OtherNamespace,
    /// On this machine, before it was rebooted.
    BeforeReboot,
    OtherMachine,
}

impl Place {
    fn is_out_of_sight(self) -> bool {
        matches!(self, Self::OtherNamespace | Self::OtherMachine)
    }
}

fn dead(reason: EndReason, session: Option<SessionId>) -> Found {
    Found::Ended {
        reason,
        session,
        claims: None,
    }
}

/// Whether the file's place is taken by something untrusted, as opposed to a disk failure.
fn is_unsafe(error: &FsError) -> bool {
    !matches!(error.problem, FsProblem::Io(_))
}

fn file_reason(error: FileError) -> EndReason {
    match error {
        FileError::Corrupt => EndReason::Corrupt,
        FileError::UnsupportedVersion(_) => EndReason::UnsupportedVersion,
    }
}

/// The audit record of a session that was found dead.
pub(super) fn death_details(reason: EndReason) -> Details {
    let expired = |reason| Details::SessionExpired { reason };
    let invalid = |reason| Details::SessionInvalid { reason };
    match reason {
        EndReason::Idle => expired(ExpiryReason::Idle),
        EndReason::Max => expired(ExpiryReason::Max),
        EndReason::Clock => expired(ExpiryReason::Clock),
        EndReason::Reboot => expired(ExpiryReason::Reboot),
        EndReason::TimeNamespace => expired(ExpiryReason::TimeNamespace),
        EndReason::KeyGone => expired(ExpiryReason::KeyGone),
        EndReason::Generation | EndReason::Revoked => invalid(InvalidReason::OldGeneration),
        EndReason::StaleCopy => invalid(InvalidReason::StaleCopy),
        EndReason::Foreign => invalid(InvalidReason::Foreign),
        EndReason::Corrupt => invalid(InvalidReason::Corrupt),
        EndReason::FileGone => invalid(InvalidReason::FileGone),
        EndReason::UnsupportedVersion => invalid(InvalidReason::UnsupportedVersion),
        EndReason::UnsafeFile => invalid(InvalidReason::UnsafeFile),
        EndReason::Crash => Details::SessionTerminated {
            reason: TerminationReason::Crash,
        },
    }
}
