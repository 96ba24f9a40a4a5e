//! The output of `status`: a type for the library, and JSON with fixed keys.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::keeper::KeeperKind;
use super::model::{Activity, Claims, Elsewhere, EndReason, LimitedBy, Live};
use super::revocation::Revocation;
use nightlatch_audit::RevocationReason;
use nightlatch_core::clock::{Moment, Timestamp};
use nightlatch_core::id::SessionId;

/// Whether there is a live session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SessionState {
    /// There is a live session.
    Active,
    /// The session has ended, and the next command will clear it away.
    Expired,
    /// The session was revoked.
    Revoked,
    /// There is no session.
    None,
}

/// The state of an account's session. Fields that do not apply are `None`, and `null` in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SessionStatus {
    /// The schema version; 1.
    pub schema: u32,
    /// Whether there is a live session. For display only: a function that needs a session takes an
    /// [`ActiveSession`](crate::guard::ActiveSession), which is proof.
    pub state: SessionState,
    /// The session's id.
    #[serde(serialize_with = "as_text")]
    pub session_id: Option<SessionId>,
    /// The account's normalized email.
    pub username: Option<String>,
    /// When the account signed in.
    #[serde(serialize_with = "as_text")]
    pub created_at: Option<Timestamp>,
    /// The last activity.
    #[serde(serialize_with = "as_text")]
    pub last_activity_at: Option<Timestamp>,
    /// When it ends without activity.
    #[serde(serialize_with = "as_text")]
    pub expires_at: Option<Timestamp>,
    /// Seconds until then, rounded up: 1 to 900 while active, 0 when expired.
    pub remaining_seconds: Option<u64>,
    /// The idle limit in seconds.
    pub idle_timeout_seconds: Option<u64>,
    /// The absolute deadline.
    #[serde(serialize_with = "as_text")]
    pub max_expires_at: Option<Timestamp>,
    /// Which limit ends it first: `idle` or `max`.
    pub limited_by: Option<LimitedBy>,
    /// Where its key lives: `kernel` or `agent`.
    #[serde(serialize_with = "as_text")]
    pub keeper: Option<KeeperKind>,
    /// Why it was revoked, if it was and nobody has signed in since; part of the JSON only then.
    #[serde(serialize_with = "as_text", skip_serializing_if = "Option::is_none")]
    pub reason: Option<RevocationReason>,
    /// When it was revoked; part of the JSON only then.
    #[serde(serialize_with = "as_text", skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    /// Why it is no longer live, if it was. Not part of the JSON.
    #[serde(skip)]
    pub ended: Option<EndReason>,
    /// Why the session cannot be seen from here, if so.
    #[serde(skip)]
    pub elsewhere: Option<Elsewhere>,
}

impl SessionStatus {
    /// The status without a session.
    pub fn none() -> Self {
        Self {
            schema: 1,
            state: SessionState::None,
            session_id: None,
            username: None,
            created_at: None,
            last_activity_at: None,
            expires_at: None,
            remaining_seconds: None,
            idle_timeout_seconds: None,
            max_expires_at: None,
            limited_by: None,
            keeper: None,
            reason: None,
            revoked_at: None,
            ended: None,
            elsewhere: None,
        }
    }

    /// The status of a session that cannot be seen from here.
    pub(super) fn elsewhere(why: Elsewhere) -> Self {
        Self {
            elsewhere: Some(why),
            ..Self::none()
        }
    }

    /// The status after a revocation.
    pub(super) fn revoked(revocation: Revocation) -> Self {
        Self {
            state: SessionState::Revoked,
            session_id: revocation.session_id,
            username: revocation.username,
            remaining_seconds: Some(0),
            reason: Some(revocation.reason),
            revoked_at: Some(revocation.at),
            ended: Some(EndReason::Revoked),
            ..Self::none()
        }
    }

    /// The status of a session of which only the id is known, and that it has ended.
    pub(crate) fn over(session: SessionId) -> Self {
        Self {
            state: SessionState::Expired,
            session_id: Some(session),
            remaining_seconds: Some(0),
            ..Self::none()
        }
    }

    pub(super) fn active(
        claims: &Claims,
        activity: &Activity,
        live: Live,
        at: Moment,
        keeper: KeeperKind,
    ) -> Self {
        Self {
            state: SessionState::Active,
            expires_at: Some(activity.lifetime(claims.idle).expires_at(live, at)),
            remaining_seconds: Some(whole_seconds(live.remaining)),
            limited_by: Some(live.limited_by),
            keeper: Some(keeper),
            ..Self::of(claims, activity)
        }
    }

    /// The status of a session that has ended, with the details that are still known.
    pub(super) fn ended(
        reason: EndReason,
        session: Option<SessionId>,
        known: Option<&(Claims, Activity)>,
    ) -> Self {
        let known = known.map_or_else(Self::none, |(claims, activity)| Self {
            expires_at: Some(activity.last.wall.plus(claims.idle).min(claims.deadline)),
            ..Self::of(claims, activity)
        });
        Self {
            state: SessionState::Expired,
            ended: Some(reason),
            session_id: session,
            remaining_seconds: Some(0),
            ..known
        }
    }

    fn of(claims: &Claims, activity: &Activity) -> Self {
        Self {
            session_id: Some(claims.session),
            username: Some(claims.username.clone()),
            created_at: Some(claims.created.wall),
            last_activity_at: Some(activity.last.wall),
            idle_timeout_seconds: Some(whole_seconds(claims.idle)),
            max_expires_at: Some(claims.deadline),
            ..Self::none()
        }
    }
}

/// Seconds, rounded up, so that a live session never shows 0.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[allow(clippy::ref_option)] // serde's signature
fn as_text<T: std::fmt::Display, S: Serializer>(
    value: &Option<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_begun_second_counts_as_remaining() {
        assert_eq!(whole_seconds(Duration::from_nanos(1)), 1);
        assert_eq!(whole_seconds(Duration::from_secs(900)), 900);
    }

    #[test]
    fn the_keys_are_fixed_and_null_where_they_do_not_apply() {
        assert_eq!(
            serde_json::to_string(&SessionStatus::none()).unwrap(),
            r#"{"schema":1,"state":"none","session_id":null,"username":null,"created_at":null,"#
                .to_owned()
                + r#""last_activity_at":null,"expires_at":null,"remaining_seconds":null,"#
                + r#""idle_timeout_seconds":null,"max_expires_at":null,"limited_by":null,"keeper":null}"#
        );
    }
}
