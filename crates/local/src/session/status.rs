//! What `status` tells: typed for the library, and as JSON with fixed keys.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::keeper::KeeperKind;
use super::model::{self, Activity, Claims, Elsewhere, EndReason, LimitedBy, Live};
use nightlatch_core::clock::{Moment, Timestamp};
use nightlatch_core::id::SessionId;

/// Whether there is a live session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SessionState {
    /// There is one.
    Active,
    /// There was one, and the next command will clear it away.
    Expired,
    /// There was one, and it was revoked.
    Revoked,
    /// There is none.
    None,
}

/// The state of an account's session. What does not apply is `None`, and `null` in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SessionStatus {
    /// The version of this shape; 1.
    pub schema: u32,
    /// Whether there is a live session. For display; what needs one takes an
    /// [`ActiveSession`](crate::guard::ActiveSession), which is proof.
    pub state: SessionState,
    /// The session.
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
    /// Seconds until then, begun ones counted: 1 to 900 while active, 0 when expired.
    pub remaining_seconds: Option<u64>,
    /// The idle limit in seconds.
    pub idle_timeout_seconds: Option<u64>,
    /// When it ends in any case.
    #[serde(serialize_with = "as_text")]
    pub max_expires_at: Option<Timestamp>,
    /// Which limit ends it first: `idle` or `max`.
    pub limited_by: Option<LimitedBy>,
    /// Where its key lives: `kernel` or `agent`.
    #[serde(serialize_with = "as_text")]
    pub keeper: Option<KeeperKind>,
    /// Why it is not live any more, where it was. No part of the JSON.
    #[serde(skip)]
    pub ended: Option<EndReason>,
    /// Why a session that there is cannot be seen from here, if there is one.
    #[serde(skip)]
    pub elsewhere: Option<Elsewhere>,
}

impl SessionStatus {
    /// No session at all.
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
            ended: None,
            elsewhere: None,
        }
    }

    /// None that can be seen from here.
    pub(super) fn elsewhere(why: Elsewhere) -> Self {
        Self {
            elsewhere: Some(why),
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
            expires_at: Some(model::expires_at(claims.idle, activity, live, at)),
            remaining_seconds: Some(whole_seconds(live.remaining)),
            limited_by: Some(live.limited_by),
            keeper: Some(keeper),
            ..Self::of(claims, activity)
        }
    }

    /// A session that ended, with as much as can still be told of it.
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

/// Seconds, begun ones counted: a live session never shows 0.
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
