//! What must not be found, or started, after an end.

use super::*;

/// No operation that began after an end found a session from before it, and no command was started
/// under one.
pub(super) fn nothing_came_back(done: &[Done], first: SessionId) -> Result<(), String> {
    let found = |later: &Done| match later.outcome {
        Outcome::Used { session, .. } => Some((session, later.from)),
        Outcome::Started { session, at } => Some((session, at)),
        Outcome::Seen(session) => Some((session?, later.from)),
        _ => None,
    };
    for later in done {
        let Some((session, found_at)) = found(later) else {
            continue;
        };
        let of_it = || done.iter().filter(|done| done.session() == Some(session));
        let began = of_it()
            .find(|done| matches!(done.outcome, Outcome::Began { .. }))
            .ok_or_else(|| format!("{later:?} of no session that began"))?;
        for end in done.iter().filter(|end| end.to < found_at) {
            let outlived = match end.act {
                Act::Logout | Act::LogoutAll | Act::Revoke | Act::LocklessLogout => {
                    began.to < end.from
                }
                Act::Login | Act::CarelessLogin if end.outcome != Outcome::Refused => {
                    began.to < end.from
                }
                Act::Passwd => match began.outcome {
                    // The first password change to finish ended the first generation.
                    Outcome::Began { generation, .. } => {
                        let changes = done
                            .iter()
                            .filter(|one| one.act == Act::Passwd && one.to <= end.to);
                        generation < GENERATION + changes.count() as u64
                    }
                    _ => false,
                },
                Act::Crash => session == first,
                Act::Idle | Act::KeyGone => !of_it().any(|done| {
                    let renews = !matches!(
                        done.outcome,
                        Outcome::Used {
                            extended: false,
                            ..
                        } | Outcome::Seen(_)
                    );
                    renews && done.to > end.from && done.from < later.to
                }),
                _ => false,
            };
            if outlived {
                return Err(format!("{later:?} after {end:?}"));
            }
        }
    }
    Ok(())
}
