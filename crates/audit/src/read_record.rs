//! The record of a reading: how the log was read, and with which filters.

use super::audit_name::UNKNOWN_NAME;
use super::json::Object;
use super::query::Query;
use super::reason::names;
use super::text::bounded;

names! {
    /// How the log was read.
    ReadKind {
        /// The newest events were listed.
        List => "list",
        /// Events were counted.
        Stats => "stats",
        /// Every event was exported.
        Export => "export",
        /// A report was made.
        Report => "report",
        /// Events were listed, and then as they came.
        Follow => "follow",
    }
}

/// The maximum number of names per recorded list, and the maximum length of a recorded text.
const MOST: usize = 32;
const LONGEST: usize = 64;

/// The filters of a reading, without secrets: an unknown account is recorded as `(unknown)`, and a
/// command line as its keyed digest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadFilters {
    query: Box<Query>,
}

impl ReadFilters {
    /// The filters of `query`. `is_known` returns whether a normalized email belongs to an account.
    pub(super) fn of(query: &Query, is_known: impl FnOnce(&str) -> bool) -> Self {
        let mut query = query.clone();
        query.user = query.user.map(|user| {
            let user = user.trim().to_lowercase();
            let may_be_named = user == UNKNOWN_NAME || is_known(&user);
            if may_be_named {
                user
            } else {
                UNKNOWN_NAME.to_owned()
            }
        });
        Self {
            query: Box::new(query),
        }
    }

    pub(super) fn write(&self, mut object: Object<'_>) {
        let query = &*self.query;
        let text = |object: &mut Object<'_>, key, text: &Option<String>| {
            if let Some(text) = text {
                object.text(key, &bounded(text, LONGEST));
            }
        };
        if let Some(since) = query.since {
            object.plain("since", since);
        }
        if let Some(until) = query.until {
            object.plain("until", until);
        }
        // The maximum length of an email is greater than that of other texts.
        if let Some(user) = &query.user {
            object.text("user", &bounded(user, 5 * LONGEST));
        }
        if !query.types.is_empty() {
            let names: Vec<_> = query
                .types
                .iter()
                .take(MOST)
                .map(super::event_name::EventName::as_str)
                .collect();
            object.texts("event", &names);
        }
        if let Some(session) = query.session {
            object.plain("session", session);
        }
        if query.failed_only {
            object.token("failed", true);
        }
        text(&mut object, "program", &query.program);
        if !query.execs.is_empty() {
            let ids: Vec<_> = query
                .execs
                .iter()
                .take(MOST)
                .map(ToString::to_string)
                .collect();
            let ids: Vec<_> = ids.iter().map(String::as_str).collect();
            object.texts("exec_id", &ids);
        }
        text(&mut object, "tty", &query.tty);
        text(&mut object, "host", &query.host);
        if let Some(digest) = query.argv {
            object.plain("argv_digest", digest);
        }
        if let Some(exit) = query.exit {
            object.plain("exit", exit);
        }
        object.close();
    }
}
