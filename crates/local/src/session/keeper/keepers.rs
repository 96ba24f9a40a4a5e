//! The keepers of one home, in the order in which a new session tries them, and which of them the
//! configuration allows.

use std::sync::Arc;
use std::time::Duration;

use super::{
    AgentKeeper, AgentLaunch, Keeper, KeeperError, KeeperKind, KernelKeeper, Payload, Slot,
    Unresponsive,
};
use crate::config::KeeperChoice;
use nightlatch_platform::fs::Dir;

/// The keepers of a home that the configuration allows.
///
/// Only a new session chooses between them. An existing session uses the keeper that has its key.
/// With the agent configured, no keyring system call is made, because a system may kill the caller.
/// The exception is destroying a key that the kernel is known to hold.
pub struct Keepers {
    choice: KeeperChoice,
    all: [(KeeperKind, Box<dyn Keeper>); 2],
}

impl Keepers {
    /// The keepers of `home` for `choice`; `launch` says how to start an agent when a new session
    /// needs one.
    pub fn new(choice: KeeperChoice, home: Arc<Dir>, launch: Option<AgentLaunch>) -> Self {
        let agent = AgentKeeper::new(home, launch);
        Self::of(choice, Box::new(KernelKeeper), Box::new(agent))
    }

    /// Uses the given keepers.
    pub(crate) fn of(
        choice: KeeperChoice,
        kernel: Box<dyn Keeper>,
        agent: Box<dyn Keeper>,
    ) -> Self {
        Self {
            choice,
            all: [(KeeperKind::Kernel, kernel), (KeeperKind::Agent, agent)],
        }
    }

    /// The keepers that may hold the key of a new session, in the order in which to try them.
    pub(crate) fn for_new_sessions(&self) -> &'static [KeeperKind] {
        match self.choice {
            KeeperChoice::Kernel => &[KeeperKind::Kernel],
            KeeperChoice::Agent => &[KeeperKind::Agent],
            KeeperChoice::Auto => KeeperKind::AUTOMATIC,
        }
    }

    /// Whether the configuration allows this keeper.
    pub(crate) fn has_chosen(&self, kind: KeeperKind) -> bool {
        self.for_new_sessions().contains(&kind)
    }

    fn get(&self, kind: KeeperKind) -> Result<&dyn Keeper, KeeperError> {
        let found = self.all.iter().find(|(of, _)| *of == kind);
        let keeper = found.map(|(_, keeper)| &**keeper);
        keeper.ok_or_else(|| KeeperError::Unusable {
            keeper: kind,
            why: "there is none".to_owned(),
        })
    }

    /// Holds `payload` in the given keeper, as [`Keeper::publish`] does.
    ///
    /// # Errors
    /// As [`Keeper::publish`].
    pub(crate) fn publish(
        &self,
        kind: KeeperKind,
        slot: &Slot,
        payload: &Payload,
        lifetime: Duration,
    ) -> Result<(), KeeperError> {
        self.get(kind)?.publish(slot, payload, lifetime)
    }

    /// The payload held in `slot` and its keeper, as far as the allowed keepers can be read from
    /// here.
    ///
    /// # Errors
    /// As [`Keeper::read`], except that a keeper that does not work here counts as empty.
    pub(crate) fn read(&self, slot: &Slot) -> Result<Option<(Payload, KeeperKind)>, KeeperError> {
        for &kind in self.for_new_sessions() {
            match self.get(kind)?.read(slot) {
                Ok(None) | Err(KeeperError::Unusable { .. }) => {}
                Ok(Some(payload)) => return Ok(Some((payload, kind))),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// The payload that this keeper holds in `slot`, if the configuration allows the keeper.
    ///
    /// # Errors
    /// As [`Keepers::read`].
    pub(crate) fn read_from(
        &self,
        kind: KeeperKind,
        slot: &Slot,
    ) -> Result<Option<Payload>, KeeperError> {
        if !self.has_chosen(kind) {
            return Ok(None);
        }
        match self.get(kind)?.read(slot) {
            Err(KeeperError::Unusable { .. }) => Ok(None),
            other => other,
        }
    }

    /// Waits until this keeper answers, if the configuration allows it.
    ///
    /// # Errors
    /// As [`Keeper::await_answer`].
    pub(crate) fn await_answer(&self, kind: KeeperKind) -> Result<(), KeeperError> {
        if self.has_chosen(kind) {
            self.get(kind)?.await_answer()?;
        }
        Ok(())
    }

    /// Whether this keeper works here, so that the payloads it holds for this home are visible.
    ///
    /// # Errors
    /// When that cannot be determined.
    pub(crate) fn can_see(&self, kind: KeeperKind, slot: &Slot) -> Result<bool, KeeperError> {
        self.get(kind)?.probe(slot)
    }

    /// Destroys what every reachable keeper holds in `slot`, except payloads that are `spared`.
    /// Returns whether there was one. With the agent configured, the kernel is tried only if it is
    /// `known` to hold the payload.
    ///
    /// # Errors
    /// When a keeper that works here could not destroy it; the others are tried in any case.
    pub(crate) fn destroy(
        &self,
        slot: &Slot,
        known: Option<KeeperKind>,
        unresponsive: Unresponsive,
        spared: impl Fn(&Payload) -> bool,
    ) -> Result<bool, KeeperError> {
        let is_reached = |kind: KeeperKind| {
            kind != KeeperKind::Kernel || self.choice != KeeperChoice::Agent || known == Some(kind)
        };
        let (mut destroyed, mut failure) = (false, None);
        let reached = self.all.iter().filter(|(kind, _)| is_reached(*kind));
        for (_, keeper) in reached {
            let answer = match keeper.read(slot) {
                Ok(Some(payload)) if spared(&payload) => continue,
                // A second request would wait just as long.
                Err(error @ KeeperError::NoAnswer { .. }) => Err(error),
                // Destroy even what cannot be read.
                _ => keeper.destroy(slot),
            };
            let answer = match answer {
                Err(KeeperError::NoAnswer { process }) if unresponsive == Unresponsive::IsEnded => {
                    keeper.end_holder(process).map(|()| true)
                }
                other => other,
            };
            match answer {
                Ok(was_there) => destroyed |= was_there,
                // A keeper that does not work here holds nothing that we can reach.
                Err(KeeperError::Unusable { .. }) => {}
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        failure.map_or(Ok(destroyed), Err)
    }
}
