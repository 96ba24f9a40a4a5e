//! The filters of a query, as a reading records them.

use super::audit_name::UNKNOWN_NAME;
use super::query::Query;
use super::read_record::{Filters, ReadFilters};
use super::text::bounded;

/// The maximum number of names per recorded list, and the maximum length of a recorded text.
const MOST: usize = 32;
const LONGEST: usize = 64;

impl Query {
    /// The filters as a reading records them. `is_known` returns whether a normalized email belongs
    /// to an account.
    pub(super) fn recorded(&self, is_known: impl FnOnce(&str) -> bool) -> ReadFilters {
        let text = |text: &Option<String>| text.as_deref().map(|text| bounded(text, LONGEST));
        let user = self.user.as_ref().map(|user| {
            let user = user.trim().to_lowercase();
            if user == UNKNOWN_NAME || is_known(&user) {
                // The maximum length of an email is greater than that of other texts.
                bounded(&user, 5 * LONGEST)
            } else {
                UNKNOWN_NAME.to_owned()
            }
        });
        ReadFilters(Box::new(Filters {
            since: self.since,
            until: self.until,
            user,
            event: self.types.iter().take(MOST).cloned().collect(),
            session: self.session,
            failed: self.failed_only,
            program: text(&self.program),
            exec_id: self
                .execs
                .iter()
                .take(MOST)
                .map(ToString::to_string)
                .collect(),
            tty: text(&self.tty),
            host: text(&self.host),
            argv_digest: self.argv,
            exit: self.exit,
        }))
    }
}
