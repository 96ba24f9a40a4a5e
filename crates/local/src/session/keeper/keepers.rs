//! The keepers of one home: the kernel where it works, else the agent, or the one that was chosen.

use std::sync::Arc;
use std::time::Duration;

use super::{
    AgentKeeper, AgentLaunch, Keeper, KeeperError, KeeperKind, KernelKeeper, Payload, Slot,
    Unresponsive,
};
use crate::config::KeeperChoice;
use nightlatch_platform::fs::Dir;

/// The keepers of a home, as far as the configuration allows to ask them.
///
/// Only a new session chooses between them. One that is there is used where its key is; where the agent was
/// chosen, no call about the keyring is made at all, for a system may kill whoever makes one.
pub struct Keepers {
    choice: KeeperChoice,
    kernel: Box<dyn Keeper>,
    agent: Box<dyn Keeper>,
}

impl Keepers {
    /// The keepers of `home` by `choice`; `launch` says how to start an agent when a new session needs one.
    pub fn new(choice: KeeperChoice, home: Arc<Dir>, launch: Option<AgentLaunch>) -> Self {
        let agent = AgentKeeper::new(home, launch);
        Self::of(choice, Box::new(KernelKeeper), Box::new(agent))
    }

    /// These two.
    pub(crate) fn of(
        choice: KeeperChoice,
        kernel: Box<dyn Keeper>,
        agent: Box<dyn Keeper>,
    ) -> Self {
        Self {
            choice,
            kernel,
            agent,
        }
    }

    /// Those that may hold the key of a new session, in the order in which they are tried.
    pub(crate) fn for_new_sessions(&self) -> &'static [KeeperKind] {
        match self.choice {
            KeeperChoice::Kernel => &[KeeperKind::Kernel],
            KeeperChoice::Agent => &[KeeperKind::Agent],
            KeeperChoice::Auto => &[KeeperKind::Kernel, KeeperKind::Agent],
        }
    }

    /// Whether this kind of keeper was chosen, alone or among others.
    pub(crate) fn has_chosen(&self, kind: KeeperKind) -> bool {
        self.for_new_sessions().contains(&kind)
    }

    fn get(&self, kind: KeeperKind) -> &dyn Keeper {
        match kind {
            KeeperKind::Kernel => &*self.kernel,
            KeeperKind::Agent => &*self.agent,
        }
    }

    /// Holds `payload` in that keeper, as [`Keeper::publish`] does.
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
        self.get(kind).publish(slot, payload, lifetime)
    }

    /// The payload that is held in `slot`, and where, as far as the chosen keepers can be asked from here.
    ///
    /// # Errors
    /// As [`Keeper::read`], but that a keeper which does not work here holds nothing that can be seen.
    pub(crate) fn read(&self, slot: &Slot) -> Result<Option<(Payload, KeeperKind)>, KeeperError> {
        for &kind in self.for_new_sessions() {
            match self.get(kind).read(slot) {
                Ok(None) | Err(KeeperError::Unusable { .. }) => {}
                Ok(Some(payload)) => return Ok(Some((payload, kind))),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// The payload that is held in `slot` by this kind of keeper, if it was chosen.
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
        match self.get(kind).read(slot) {
            Err(KeeperError::Unusable { .. }) => Ok(None),
            other => other,
        }
    }

    /// Waits until this kind of keeper answers, if it was chosen.
    ///
    /// # Errors
    /// As [`Keeper::await_answer`].
    pub(crate) fn await_answer(&self, kind: KeeperKind) -> Result<(), KeeperError> {
        if self.has_chosen(kind) {
            self.get(kind).await_answer()?;
        }
        Ok(())
    }

    /// Whether this kind of keeper works here, so that what it holds of this home can be seen.
    ///
    /// # Errors
    /// When that cannot be told.
    pub(crate) fn can_see(&self, kind: KeeperKind, slot: &Slot) -> Result<bool, KeeperError> {
        match self.get(kind).read(slot) {
            Ok(_) => Ok(true),
            Err(KeeperError::Unusable { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Forgets what is held in `slot`, wherever it can be reached, but for what is `spared`: whether there
    /// was something. Where the agent was chosen the kernel is asked only if it is `known` to hold it.
    ///
    /// # Errors
    /// When a keeper that works here could not forget it; the others are asked all the same.
    pub(crate) fn destroy(
        &self,
        slot: &Slot,
        known: Option<KeeperKind>,
        unresponsive: Unresponsive,
        spared: impl Fn(&Payload) -> bool,
    ) -> Result<bool, KeeperError> {
        let reached: &[KeeperKind] = match (self.choice, known) {
            (KeeperChoice::Agent, None | Some(KeeperKind::Agent)) => &[KeeperKind::Agent],
            _ => &[KeeperKind::Kernel, KeeperKind::Agent],
        };
        let (mut destroyed, mut failure) = (false, None);
        for &kind in reached {
            let keeper = self.get(kind);
            let answer = match keeper.read(slot) {
                Ok(Some(payload)) if spared(&payload) => continue,
                // Asked once more, it would be waited for once more.
                Err(error @ KeeperError::NoAnswer { .. }) => Err(error),
                // What cannot be read is destroyed unread.
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
                // What does not work here holds nothing of ours that could be reached.
                Err(KeeperError::Unusable { .. }) => {}
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        failure.map_or(Ok(destroyed), Err)
    }
}
