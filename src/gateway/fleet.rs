//! This host among others that share the store: its beats and its lease, the hosts that are lost, and what they had on the
//! air.
//!
//! Every move of a host looks whether the number of its life still counts (`Inner::holds_lease`), so that one that was
//! taken for lost changes nothing before it joined anew.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use gsm_modem::State as ModemState;

use super::effects::Move;
use super::error::{GatewayError, Result};
use super::inner::Inner;
use super::lock::locked;
use super::membership::{Fleet, Seen, VERSION, owner};
use crate::fleet::{BEAT, Host, HostModem, HostState, Lease, may_join};
use crate::id::MessageId;
use crate::outbox::{End, Event, Message, MessageStatus};
use crate::store::{HostRecords as _, Records, StoreError, Tx};

/// After how many beats a host looks at all that waits.
const LOOKS: u32 = 5;

impl Inner {
    pub(super) fn fleet_or_refuse(&self) -> Result<&Fleet> {
        self.fleet.as_ref().ok_or_else(|| {
            GatewayError::Conflict(
                "this daemon has a store of its own: several hosts share one with [store] engine = \"postgres\"".to_owned(),
            )
        })
    }

    /// Refuses what may happen only while no other host has the records.
    pub(super) fn no_other_host(&self) -> Result<()> {
        let (Some(fleet), now) = (&self.fleet, self.now().steady()) else { return Ok(()) };
        let is_there = |host: &&Host| host.name != fleet.name && host.state(now) != HostState::Lost;
        match fleet.seen(|seen| seen.hosts.iter().find(is_there).map(|host| host.name.clone())) {
            Some(other) => Err(GatewayError::Conflict(format!(
                "the key is replaced while one host alone has the records: stop the daemon of {other} first, and give it \
                 the new key before it starts again"
            ))),
            None => Ok(()),
        }
    }

    /// How many messages are on the air here.
    pub(super) fn sending(&self) -> usize {
        self.slots.iter().filter(|slot| locked(&slot.sending).is_some()).count()
    }

    /// Whether this modem is one of this host.
    pub(super) fn owns(&self, modem: &str) -> bool {
        self.index(modem).is_ok()
    }

    /// Whether what this host does still counts. Where others share the store, they may have taken it for lost.
    pub(super) fn holds_lease(&self, tx: &Tx<'_>) -> Result<()> {
        let Some(fleet) = &self.fleet else { return Ok(()) };
        let host = tx.host(&fleet.name)?;
        if host.is_some_and(|host| host.fence == fleet.fence.load(Ordering::SeqCst)) {
            return Ok(());
        }
        fleet.wake.notify_one();
        let why = format!("the other hosts took {} for lost, and it joins them anew", fleet.name);
        Err(GatewayError::NotNow(StoreError::Away(why)))
    }

    /// Joins the other hosts, with a new life.
    pub(super) async fn join(self: &Arc<Self>) -> Result<()> {
        let Some(fleet) = &self.fleet else { return Ok(()) };
        let name = fleet.name.clone();
        let modems: Vec<_> = self.slots.iter().map(|slot| slot.modem.name().to_owned()).collect();
        let inner = Arc::clone(self);
        let join = move |tx: &mut Tx<'_>| {
            let hosts = tx.hosts()?;
            may_join(&hosts, &name, &modems).map_err(GatewayError::NameTaken)?;
            let known = hosts.into_iter().find(|host| host.name == name);
            let known = known.unwrap_or_else(|| Host::new(&name, VERSION));
            for gone in known.modems.iter().filter(|gone| !modems.contains(gone)) {
                tx.delete_host_modem(gone)?;
            }
            let host = Host {
                version: VERSION.to_owned(),
                fence: known.fence + 1,
                seen: inner.now().steady(),
                lease: Lease::Held,
                sending: 0,
                modems,
                ..known
            };
            tx.put_host(&host)?;
            Ok::<_, GatewayError>(host)
        };
        let host = self.store.begin_in_turn(join).await.done().await??;
        fleet.fence.store(host.fence, Ordering::SeqCst);
        fleet.draining.store(host.draining, Ordering::SeqCst);
        locked(&fleet.told).clear();
        self.look_at_hosts().await.map(drop)
    }

    /// Beats, and looks after the other hosts, until the daemon stops.
    pub(super) async fn attend(self: &Arc<Self>) {
        let Some(fleet) = &self.fleet else { return };
        let mut looked = 0_u32;
        while !self.stopping.load(Ordering::SeqCst) {
            let outcome = self.attend_once(fleet).await;
            if let Err(e) = &outcome {
                tracing::warn!("the other hosts are not heard of: {e}");
            }
            // A notice may have been lost, and a commit whose outcome was not known may have held.
            looked = if outcome.is_err() { 0 } else { looked + 1 };
            let doubts = fleet.doubts.swap(false, Ordering::SeqCst);
            if outcome.is_ok() && (doubts || looked % LOOKS == 1) && self.resync(fleet).await.is_err() {
                looked = 0;
            }
            if outcome.is_err() {
                locked(&fleet.watch).forget();
            }
            let next = self.now().steady().plus(BEAT);
            loop {
                tokio::select! {
                    biased;
                    () = fleet.wake.notified() => break,
                    () = self.clocks.sleep_until(next) => break,
                    () = fleet.changed.notified() => {
                        // What fails is told at the next beat.
                        let _ = self.look_at_hosts().await;
                    }
                }
            }
        }
    }

    async fn attend_once(self: &Arc<Self>, fleet: &Fleet) -> Result<()> {
        let began = self.now().steady();
        let held = self.beat(fleet).await?;
        if self.now().steady().since(began) > BEAT {
            // Who could not beat for so long could not see the others either.
            locked(&fleet.watch).forget();
        }
        if !held {
            tracing::warn!("the other hosts took {} for lost: it joins them anew", fleet.name);
            self.join().await?;
            self.beat(fleet).await?;
        }
        let lost = self.look_at_hosts().await?;
        for host in lost {
            self.take_over(&host).await?;
        }
        Ok(())
    }

    /// Tells the others that this host is there, and how it and its modems are. False: they took it for lost.
    pub(super) async fn beat(self: &Arc<Self>, fleet: &Fleet) -> Result<bool> {
        let (name, fence) = (fleet.name.clone(), fleet.fence.load(Ordering::SeqCst));
        let news = self.news(fleet);
        let (inner, told) = (Arc::clone(self), news.clone());
        let beat = move |tx: &mut Tx<'_>| {
            let Some(host) = tx.host(&name)?.filter(|host| host.fence == fence) else { return Ok(false) };
            let sending = u32::try_from(inner.sending()).unwrap_or(u32::MAX);
            tx.put_host(&Host { seen: inner.now().steady(), sending, ..host })?;
            for (index, modem, (ready, facts)) in told {
                let (home, roaming) = {
                    let pool = locked(&inner.queue);
                    (pool.home(index), pool.is_roaming(index))
                };
                let routes = inner.settings().rules(&modem).routes;
                let facts = inner.key.seal(&owner(&modem), &facts);
                tx.put_host_modem(&HostModem {
                    name: modem,
                    host: name.clone(),
                    ready,
                    roaming,
                    routes,
                    home,
                    facts,
                })?;
            }
            Ok::<_, GatewayError>(true)
        };
        let beaten = self.store.begin_in_turn(beat).await.done().await??;
        if beaten {
            locked(&fleet.told).extend(news.into_iter().map(|(_, modem, told)| (modem, told)));
        }
        Ok(beaten)
    }

    /// What is to be told of the modems of this host: those of which the last word is another.
    fn news(&self, fleet: &Fleet) -> Vec<(usize, String, (bool, Vec<u8>))> {
        let Some(describe) = fleet.describe.get() else { return Vec::new() };
        let told = locked(&fleet.told);
        let all = (0..self.slots.len()).map(|index| {
            let view = self.modem_view(index);
            let ready = matches!(view.facts.state, ModemState::Ready | ModemState::Busy);
            (index, view.name.clone(), (ready, describe(&view)))
        });
        all.filter(|(_, name, now)| told.get(name) != Some(now)).collect()
    }

    /// Reads how all hosts stand. Answers those that are lost, and whose messages are to be taken over.
    pub(super) async fn look_at_hosts(self: &Arc<Self>) -> Result<Vec<String>> {
        let Some(fleet) = &self.fleet else { return Ok(Vec::new()) };
        let read = |view: &crate::store::View| Ok::<_, StoreError>((view.hosts()?, view.host_modems()?));
        let (hosts, modems) = self.store.read(read).await??;
        let own = hosts.iter().find(|host| host.name == fleet.name);
        let draining = own.is_some_and(|host| host.draining);
        if fleet.draining.swap(draining, Ordering::SeqCst) != draining {
            tracing::info!(
                "{} {}",
                fleet.name,
                if draining { "takes no more messages" } else { "takes messages again" }
            );
            self.slots.iter().for_each(|slot| slot.wake.notify_one());
        }
        let lost = locked(&fleet.watch).look(&hosts, &fleet.name, self.now().steady());
        *fleet.seen.write().unwrap_or_else(PoisonError::into_inner) = Seen { hosts, modems };
        locked(&self.queue).set_elsewhere(fleet.ready_elsewhere(self.now().steady()));
        Ok(lost)
    }

    /// Takes over what a lost host had on the air: its outcome is unknown, and it goes out again through another modem.
    pub(super) async fn take_over(self: &Arc<Self>, name: &str) -> Result<()> {
        let wanted = name.to_owned();
        let declare = move |mv: &mut Move<'_, '_>| {
            let Some(host) = mv.tx.host(&wanted)? else { return Ok(None) };
            if host.state(mv.now.steady()) != HostState::Lost || host.lease == Lease::Settled {
                return Ok(None);
            }
            let fence = host.fence + u64::from(host.lease == Lease::Held);
            let host = Host { lease: Lease::Lost, fence, sending: 0, ..host };
            mv.tx.put_host(&host)?;
            Ok(Some(host))
        };
        let Some(host) = self.make_in_turn(declare).await? else { return Ok(()) };
        tracing::warn!(
            "the host {name} was not heard of: what it had on the air is of unknown outcome, and goes out again through \
             another modem"
        );
        for m in self.live_beside_the_pool().await? {
            if m.status == MessageStatus::Sending && on_air_at(&m, &host).next().is_some() {
                let host = host.clone();
                self.make_in_turn(move |mv| mv.take_over(m.id, &host)).await?;
            }
        }
        let settled = move |mv: &mut Move<'_, '_>| {
            match mv.tx.host(&host.name)? {
                Some(now) if now.fence == host.fence && now.lease == Lease::Lost => {
                    mv.tx.put_host(&Host { lease: Lease::Settled, ..now })?;
                }
                // It came back.
                _ => {}
            }
            Ok(())
        };
        self.make_in_turn(settled).await
    }
}

impl Move<'_, '_> {
    /// A host is lost that had a message on the air.
    fn take_over(&mut self, id: MessageId, host: &Host) -> Result<()> {
        let now = self.tx.host(&host.name)?;
        let Some(m) = self.tx.message(id)?.filter(|m| m.status == MessageStatus::Sending) else {
            return Ok(());
        };
        // It may have come back, and what it has on the air now is its own.
        if now.is_none_or(|now| now.fence != host.fence || now.lease != Lease::Lost) {
            return Ok(());
        }
        let modems: Vec<_> = on_air_at(&m, host).map(str::to_owned).collect();
        if modems.len() > m.twins.len() {
            return self.sent_unknown(&m);
        }
        // A modem of another host has it as well.
        let reason = format!("the host {} was lost while it was on the air", host.name);
        let end = End::Unknown { references: Vec::new(), reason };
        for modem in modems {
            self.answers_late(&modem, id, m.first_part(&modem))?;
            let settled = self.settle(id, &Event::Ended { modem: modem.clone(), end: end.clone() }, None)?;
            self.went_through(&modem, &settled.states);
        }
        Ok(())
    }
}

/// The modems of a host that have this message on the air.
fn on_air_at<'a>(m: &'a Message, host: &'a Host) -> impl Iterator<Item = &'a str> {
    let modems = m.modem.iter().map(String::as_str).chain(m.twins.iter().map(|twin| &*twin.modem));
    modems.filter(|modem| host.has(modem))
}
