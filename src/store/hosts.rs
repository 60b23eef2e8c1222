//! The hosts that share the store, and what they tell of their modems.

use super::engine::Order;
use super::record::{Stored, record};
use super::records::Records;
use super::tables::{HOST_MODEMS, HOSTS, ORDERS, OVERDUE};
use super::{StoreError, Tx};
use crate::clock::Steady;
use crate::fleet::{Host, HostModem, Lease, ModemOrder, OrderId};
use crate::id::MessageId;

record! {
    HostRecord of Host {
        name: String, version: String, fence: u64, seen: u64, draining: bool, lease: u8, sending: u32,
        modems: Vec<String>,
    }
}
record! {
    HostModemRecord of HostModem {
        name: String, host: String, ready: bool, roaming: bool, routes: Option<Vec<String>>, home: u32, facts: Vec<u8>,
    }
}
record! {
    OrderRecord of ModemOrder {
        id: [u8; 16], host: String, modem: String, until: u64, asked: Vec<u8>, answer: Option<Vec<u8>>,
    }
}

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

    /// Until when the send of a code counts as overdue, while its modem is silent.
    fn overdue(&self, id: MessageId) -> Result<Option<Steady>, StoreError> {
        OVERDUE.get(self, &id)
    }

    /// What one host asked another one, until its answer was taken.
    fn order(&self, id: &OrderId) -> Result<Option<ModemOrder>, StoreError> {
        ORDERS.get(self, id)
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

    /// Writes down that the modem is silent that has a code.
    pub fn put_overdue(&mut self, id: MessageId, until: Steady) -> Result<(), StoreError> {
        OVERDUE.put(self, &id, &until)
    }

    /// The modem answered, or the code is over.
    pub fn delete_overdue(&mut self, id: MessageId) -> Result<(), StoreError> {
        OVERDUE.delete(self, &id)
    }

    /// Writes what one host asks another one, or the answer.
    pub fn put_order(&mut self, order: &ModemOrder) -> Result<(), StoreError> {
        ORDERS.put(self, &order.id, order)
    }

    /// Forgets what one host asked another one.
    pub fn delete_order(&mut self, id: &OrderId) -> Result<(), StoreError> {
        ORDERS.delete(self, id)
    }

    /// Forgets a host and its modems.
    pub fn delete_host(&mut self, name: &str) -> Result<(), StoreError> {
        for modem in self.host_modems()?.into_iter().filter(|modem| modem.host == name) {
            self.delete_host_modem(&modem.name)?;
        }
        HOSTS.delete(self, &name.as_bytes().to_vec())
    }
}
