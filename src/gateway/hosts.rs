//! What an operator asks of the hosts that share the store: how they stand, their modems, that one takes no more messages,
//! that one is forgotten.

use super::effects::{Effect, Move};
use super::error::{GatewayError, Result};
use super::inner::Gateway;
use super::membership::{Describe, VERSION, owner};
use super::request::Caller;
use super::view::{HostView, OtherModem};
use crate::fleet::{Host, HostModem, HostState};
use crate::store::HostRecords as _;
use crate::trail::Audit;

/// No host is called so.
const NONE: GatewayError = GatewayError::NotFound("host of this name");

impl Gateway {
    /// Tells how a modem is described to other hosts.
    pub fn describe_modems(&self, describe: Describe) {
        if let Some(fleet) = &self.0.fleet {
            // The first one stays.
            let _ = fleet.describe.set(describe);
            fleet.wake.notify_one();
        }
    }

    /// All hosts that share the store, by name; of a store of its own the one host.
    pub fn hosts(&self) -> Vec<HostView> {
        let (inner, now) = (&self.0, self.0.now());
        let Some(fleet) = &inner.fleet else {
            return vec![HostView {
                name: inner.settings().machine.clone(),
                version: VERSION.to_owned(),
                seen_at: now.wall(),
                modems: inner.slots.len(),
                sending: inner.sending(),
                state: HostState::Up,
            }];
        };
        let view = |host: &Host| HostView {
            name: host.name.clone(),
            version: host.version.clone(),
            seen_at: now.told(host.seen),
            modems: host.modems.len(),
            sending: usize::try_from(host.sending).unwrap_or(usize::MAX),
            state: host.state(now.steady()),
        };
        fleet.seen(|seen| seen.hosts.iter().map(view).collect())
    }

    /// A host as the store has it now.
    async fn host_now(&self, name: &str) -> Result<HostView> {
        self.0.look_at_hosts().await?;
        self.hosts().into_iter().find(|host| host.name == name).ok_or(NONE)
    }

    /// The modems of the other hosts, by name, as their hosts describe them.
    pub fn other_modems(&self) -> Vec<OtherModem> {
        let (inner, now) = (&self.0, self.0.now().steady());
        let Some(fleet) = &inner.fleet else { return Vec::new() };
        fleet.seen(|seen| {
            let is_lost = |modem: &HostModem| seen.state_of(&modem.host, now) == HostState::Lost;
            let others = seen.modems.iter().filter(|modem| modem.host != fleet.name);
            let view = |modem: &HostModem| {
                let facts = inner.key.unseal(&owner(&modem.name), &modem.facts).ok()?;
                Some(OtherModem { host: modem.host.clone(), is_lost: is_lost(modem), facts })
            };
            others.filter_map(view).collect()
        })
    }

    /// The name of this host, when others share its store.
    pub fn host(&self) -> Option<String> {
        self.0.fleet.as_ref().map(|fleet| fleet.name.clone())
    }

    /// Lets a host take no more messages, or take them again.
    pub async fn drain_host(&self, caller: &Caller, name: &str, draining: bool) -> Result<HostView> {
        let (by, name) = (caller.client.clone(), name.to_owned());
        self.0.fleet_or_refuse()?;
        let wanted = name.clone();
        let drain = move |mv: &mut Move<'_, '_>| {
            let mut host = mv.tx.host(&name)?.ok_or(NONE)?;
            if host.draining != draining {
                host.draining = draining;
                mv.tx.put_host(&host)?;
                let what = if draining { "takes no more messages" } else { "takes messages again" };
                mv.note_host(by, format!("{name} {what}"));
            }
            Ok(())
        };
        self.0.perform(drain).await?;
        self.host_now(&wanted).await
    }

    /// Forgets a host that is gone. What it had on the air is taken over first.
    pub async fn forget_host(&self, caller: &Caller, name: &str) -> Result<HostView> {
        self.0.fleet_or_refuse()?;
        let host = self.host_now(name).await?;
        let up = || {
            let why = format!("the host {} is {}: stop its daemon first", host.name, host.state.as_str());
            GatewayError::Conflict(why)
        };
        if host.state != HostState::Lost {
            return Err(up());
        }
        self.0.take_over(name).await?;
        let (by, name, error) = (caller.client.clone(), name.to_owned(), up());
        let forget = move |mv: &mut Move<'_, '_>| {
            let Some(host) = mv.tx.host(&name)? else { return Ok(()) };
            // It came back meanwhile.
            if host.state(mv.now.steady()) != HostState::Lost {
                return Err(error);
            }
            mv.tx.delete_host(&name)?;
            mv.note_host(by, format!("{name} was forgotten"));
            Ok(())
        };
        self.0.perform(forget).await?;
        self.0.look_at_hosts().await?;
        Ok(host)
    }
}

impl Move<'_, '_> {
    /// Writes down what an operator did with a host.
    fn note_host(&mut self, by: Option<String>, detail: String) {
        self.by = by;
        self.then(Effect::Audit(Audit { action: "host".to_owned(), to: None, detail, count: 1 }));
    }
}
