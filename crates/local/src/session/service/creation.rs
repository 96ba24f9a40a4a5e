//! Creating a session: ends the previous one, records the new one, writes the file, publishes the
//! key.

use super::{NewSession, Session, SessionError, SessionLock, SessionService, is_of_another};
use crate::session::file::{self, Origin};
use crate::session::home::Identity;
use crate::session::keeper::{KeeperError, Slot, Unresponsive};
use crate::session::model::{Activity, Claims, EndReason, generation};
use crate::session::payload;
use crate::session::store::InUse;
use crate::session::surroundings::Surroundings;
use nightlatch_audit::{AuditName, Details, Event, TerminationReason};
use nightlatch_core::clock::Timestamp;
use nightlatch_core::crypto::SessionKey;
use nightlatch_core::id::{AccountId, SessionId};
use nightlatch_core::lifetime;

impl SessionService {
    /// See [`SessionLock::create`].
    pub(super) fn create(
        &self,
        lock: &SessionLock<'_>,
        new: NewSession,
        also: Vec<Event>,
    ) -> Result<Session, SessionError> {
        let (session, key) = (SessionId::random()?, SessionKey::random()?);
        let boot = self.clock.boot().map_err(SessionError::Boot)?;
        if boot.clock_shifted {
            return Err(SessionError::Ended(EndReason::TimeNamespace));
        }
        let surroundings = (self.surroundings)().map_err(SessionError::Surroundings)?;
        let home = self.store.identity_or_create()?;

        let (account, name) = (new.account, AuditName::known(&new.username));
        let about = |details| Event::new(details).about(name.clone()).in_session(session);
        let mut events = also;
        self.settle_crashes(lock)?;
        events.extend(self.end(lock, account.into(), TerminationReason::Replaced)?);
        events.push(about(Details::SessionCreated {
            idle: new.limits.idle(),
            max: new.limits.max(),
        }));
        let created = self
            .audit
            .append_durable(&events)
            .map_err(SessionError::from)
            .and_then(|()| {
                // Read the clock only now, after the end of the previous session.
                let now = self.clock.now();
                let revocations = self.revocations_before(account, now.wall)?;
                let deadline = lifetime::deadline(now, new.limits);
                let claims = Claims {
                    session,
                    account,
                    username: new.username,
                    created: now,
                    idle: new.limits.idle(),
                    deadline: deadline.wall,
                    account_key: new.account_key,
                };
                let activity = Activity {
                    key,
                    session,
                    boot_id: boot.id,
                    generation: generation(new.generation, revocations),
                    last: now,
                    deadline,
                    // Set when the file for a keeper is written.
                    file_hash: [0; 32],
                    home: home.place,
                };
                self.place(home, surroundings, claims, activity)
            })
            .and_then(|session| {
                Ok(self
                    .store
                    .set_current(account, InUse::SignedIn)
                    .map(|()| session)?)
            });
        if created.is_err() {
            // After a failure, no session may be live that was not reported as such. Report the
            // first failure.
            let _ = self.destroy(account, None, Unresponsive::Stays);
            let _ = self.store.remove(account);
            let reason = TerminationReason::CreationFailed;
            let _ = self
                .audit
                .append_durable(&[about(Details::SessionTerminated { reason })]);
        }
        created
    }

    /// How many sessions of the account were revoked before one that begins `now`, which ends the
    /// last revocation.
    fn revocations_before(&self, account: AccountId, now: Timestamp) -> Result<u32, SessionError> {
        let noted = self.store.revocations(account)?;
        let revocations = noted.at_sign_in(now);
        if revocations != noted {
            self.store.note_revocations(account, &revocations)?;
        }
        Ok(revocations.count)
    }

    /// Writes the file of a new session and gives its key to the first keeper that accepts it.
    fn place(
        &self,
        mut home: Identity,
        surroundings: Surroundings,
        claims: Claims,
        mut activity: Activity,
    ) -> Result<Session, SessionError> {
        let at = claims.created;
        let live = activity.lifetime(claims.idle).after_activity(at);
        if self.is_taken_elsewhere(home, claims.account)? {
            home = self.store.renew_identity()?;
            activity.home = home.place;
        }
        let slot = Slot::new(home.id, claims.account);
        let mut refused: Option<KeeperError> = None;
        for &keeper in self.keepers.for_new_sessions() {
            let origin = Origin {
                keeper,
                boot_id: activity.boot_id,
                surroundings,
            };
            let bytes = file::seal_claims(&activity.key, &origin, &claims)?;
            activity.file_hash = file::hash(&bytes);
            self.store.write(claims.account, &bytes)?;
            let payload = payload::encode(&activity);
            let published = self
                .keepers
                .publish(keeper, &slot, &payload, live.remaining);
            refused = Some(match (published, refused) {
                (Ok(()), _) => {
                    return Ok(Session {
                        claims,
                        activity,
                        live,
                        at,
                        keeper,
                    });
                }
                (
                    Err(kernel @ (KeeperError::Unusable { .. } | KeeperError::Quota { .. })),
                    None,
                ) => {
                    tracing::debug!(%kernel, "trying the next keeper");
                    kernel
                }
                (Err(error), None) => return Err(error.into()),
                (Err(agent), Some(kernel)) => KeeperError::None {
                    kernel: Box::new(kernel),
                    agent: Box::new(agent),
                },
            });
        }
        Err(refused.unwrap_or(KeeperError::NoAgent).into())
    }

    /// Whether a keeper's slot for this account already holds the key of a session of a copy of
    /// this home, or of the home that this one was copied from.
    fn is_taken_elsewhere(&self, home: Identity, account: AccountId) -> Result<bool, KeeperError> {
        let held = self.keepers.read(&Slot::new(home.id, account))?;
        Ok(held.is_some_and(|(payload, _)| is_of_another(home, &payload)))
    }
}
