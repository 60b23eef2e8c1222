//! The hosts that share the store, and what they tell of their modems.

use super::engine::Order;
use super::record::{Stored, record};
use super::records::Records;
use super::tables::{HOST_MODEMS, HOSTS};
use super::{StoreError, Tx};
use crate::fleet::{Host, HostModem, Lease};

record! {
    HostRecord of Host {
        name: String, version: String, fence: u64, seen: u64, draining: bool, lease: u8, sending: u32,
        modems: Vec<String>,
    }
}
record! { HostModemRecord of HostModem { name: String, host: String, ready: bool, home: u32, facts: Vec<u8> } }

impl Stored for Lease {
    type Record = u8;

    fn stored(&self) -> u8 {
        match self {
            Self::Held => 0,
            Self::Lost => 1,
            Self::Settled => 2,
        }
    }

    fn restored(record: u8) -> Result<Self, &'static str> {
        match record {
            0 => Ok(Self::Held),
            1 => Ok(Self::Lost),
            2 => Ok(Self::Settled),
            _ => Err("its lease is of a newer version"),
        }
    }
}

/// Reading what hosts tell of themselves.
pub trait HostRecords: Records {
    /// A host.
    fn host(&self, name: &str) -> Result<Option<Host>, StoreError> {
        HOSTS.get(self, &name.as_bytes().to_vec())
    }

    /// All hosts, by name.
    fn hosts(&self) -> Result<Vec<Host>, StoreError> {
        let mut hosts = Vec::new();
        HOSTS.scan(self, HOSTS.all(), Order::Ascending, |_, host| {
            hosts.push(host);
            Ok(true)
        })?;
        Ok(hosts)
    }

    /// The modems of all hosts, by name.
    fn host_modems(&self) -> Result<Vec<HostModem>, StoreError> {
        let mut modems = Vec::new();
        HOST_MODEMS.scan(self, HOST_MODEMS.all(), Order::Ascending, |_, modem| {
            modems.push(modem);
            Ok(true)
        })?;
        Ok(modems)
    }
}

impl<T: Records + ?Sized> HostRecords for T {}

impl Tx<'_> {
    /// Writes what a host tells of itself.
    pub fn put_host(&mut self, host: &Host) -> Result<(), StoreError> {
        HOSTS.put(self, &host.name.as_bytes().to_vec(), host)
    }

    /// Writes what a host tells of a modem.
    pub fn put_host_modem(&mut self, modem: &HostModem) -> Result<(), StoreError> {
        HOST_MODEMS.put(self, &modem.name.as_bytes().to_vec(), modem)
    }

    /// Forgets what its host told of a modem.
    pub fn delete_host_modem(&mut self, name: &str) -> Result<(), StoreError> {
        HOST_MODEMS.delete(self, &name.as_bytes().to_vec())
    }

    /// Forgets a host and its modems.
    pub fn delete_host(&mut self, name: &str) -> Result<(), StoreError> {
        for modem in self.host_modems()?.into_iter().filter(|modem| modem.host == name) {
            self.delete_host_modem(&modem.name)?;
        }
        HOSTS.delete(self, &name.as_bytes().to_vec())
    }
}
