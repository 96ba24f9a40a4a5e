//! The keeper that callers use: the kernel where it works, else the agent, or the one that was
//! chosen.

use std::sync::Arc;
use std::time::Duration;

use super::{
    AgentKeeper, AgentLaunch, Keeper, KeeperError, KeeperKind, KernelKeeper, Payload, Slot,
};
use crate::config::KeeperChoice;
use crate::fs::Dir;

/// Holds payloads where the configuration allows it.
///
/// A payload is in one place at a time, and the kernel is asked first: what is published to one
/// keeper is destroyed in the other, and destroying reaches both, whatever the choice is now.
pub struct AutoKeeper {
    choice: KeeperChoice,
    kernel: KernelKeeper,
    agent: AgentKeeper,
}

impl AutoKeeper {
    /// The keeper of `home` by `choice`; `launch` tells how to start an agent when a publish needs one.
    pub fn new(choice: KeeperChoice, home: Arc<Dir>, launch: Option<AgentLaunch>) -> Self {
        Self {
            choice,
            kernel: KernelKeeper,
            agent: AgentKeeper::new(home, launch),
        }
    }

    fn publish_to_agent(
        &self,
        slot: &Slot,
        payload: &Payload,
        lifetime: Duration,
    ) -> Result<KeeperKind, KeeperError> {
        let kind = self.agent.publish(slot, payload, lifetime)?;
        // What the kernel still holds would be read in place of what was just published.
        self.destroy_in_kernel(slot)?;
        Ok(kind)
    }

    /// Where the kernel keeps no keys for us, there is none of ours.
    fn destroy_in_kernel(&self, slot: &Slot) -> Result<bool, KeeperError> {
        match self.kernel.destroy(slot) {
            Err(KeeperError::Unusable { .. }) => Ok(false),
            other => other,
        }
    }

    fn read_from_agent(&self, slot: &Slot) -> Result<Option<(Payload, KeeperKind)>, KeeperError> {
        if self.agent.is_present() {
            self.agent.read(slot)
        } else {
            Ok(None)
        }
    }

    fn destroy_in_agent(&self, slot: &Slot) -> Result<bool, KeeperError> {
        if self.agent.is_present() {
            self.agent.destroy(slot)
        } else {
            Ok(false)
        }
    }
}

impl Keeper for AutoKeeper {
    fn publish(
        &self,
        slot: &Slot,
        payload: &Payload,
        lifetime: Duration,
    ) -> Result<KeeperKind, KeeperError> {
        if self.choice == KeeperChoice::Agent {
            return self.publish_to_agent(slot, payload, lifetime);
        }
        match self.kernel.publish(slot, payload, lifetime) {
            Ok(kind) => {
                self.destroy_in_agent(slot)?;
                Ok(kind)
            }
            Err(kernel @ (KeeperError::Unusable { .. } | KeeperError::Quota { .. }))
                if self.choice == KeeperChoice::Auto =>
            {
                tracing::debug!(%kernel, "using the agent");
                self.publish_to_agent(slot, payload, lifetime)
                    .map_err(|agent| KeeperError::None {
                        kernel: Box::new(kernel),
                        agent: Box::new(agent),
                    })
            }
            Err(error) => Err(error),
        }
    }

    fn read(&self, slot: &Slot) -> Result<Option<(Payload, KeeperKind)>, KeeperError> {
        match self.choice {
            KeeperChoice::Kernel => self.kernel.read(slot),
            KeeperChoice::Agent => self.read_from_agent(slot),
            KeeperChoice::Auto => match self.kernel.read(slot) {
                Ok(None) | Err(KeeperError::Unusable { .. }) => self.read_from_agent(slot),
                other => other,
            },
        }
    }

    fn destroy(&self, slot: &Slot) -> Result<bool, KeeperError> {
        // Both are tried before an error in either is told.
        let (kernel, agent) = (self.destroy_in_kernel(slot), self.destroy_in_agent(slot));
        Ok(kernel? | agent?)
    }

    fn destroy_at_any_cost(&self, slot: &Slot) -> Result<bool, KeeperError> {
        let kernel = self.destroy_in_kernel(slot);
        let agent = match self.destroy_in_agent(slot) {
            Err(KeeperError::NoAnswer { process }) => self.agent.end(process).map(|()| true),
            other => other,
        };
        Ok(kernel? | agent?)
    }
}
