//! The key is replaced, in an order that a stop may break off anywhere: the new key goes beside the old one, one
//! transaction puts the ring under it, and then the new key takes the old one's place. The check value in the store says
//! which of the two it is.

use std::sync::Arc;

use super::effects::to_its_end;
use super::error::{GatewayError, Result};
use super::inner::{Gateway, Inner, Sealing};
use super::key_home::KeyHome;
use super::lock::locked;
use super::request::Caller;
use super::view::{Event, EventKind, KeyView};
use crate::secret::{Master, Secret};
use crate::trail::{self, About, Audit};

impl Gateway {
    /// Tells where the installation's key is kept. One that is kept with the state goes into its backups.
    pub fn keep_key(&self, home: Arc<dyn KeyHome>) {
        // The first one stays.
        let _ = self.0.home.set(home);
    }

    /// How things stand with the key.
    pub fn key(&self) -> KeyView {
        let inner = &self.0;
        let ring = inner.key.ring();
        let [sealing, digests, trail] = ring.older();
        let (sealed_anew, damaged) = locked(&inner.sealing).counts();
        KeyView {
            rotations: ring.epoch(),
            kept: inner.home.get().map_or("memory", |home| home.kind()),
            done: !ring.is_sealing_anew(),
            sealed_anew,
            damaged,
            older: (sealing, digests, trail),
        }
    }

    /// Makes a new key, which takes the place of the old one. Answers when that is on disk; all that is sealed is sealed
    /// anew after that.
    pub async fn rotate_key(&self, caller: &Caller) -> Result<KeyView> {
        let (inner, by) = (Arc::clone(&self.0), caller.client.clone());
        to_its_end(async move { inner.rotate(by).await }).await?;
        Ok(self.key())
    }

    /// Another key takes the old one's place, which its operator put there.
    pub async fn turn_key(&self, master: Master) -> Result<()> {
        let inner = Arc::clone(&self.0);
        to_its_end(async move {
            inner.no_other_host()?;
            let _alone = inner.turning.write().await;
            inner.turn_to(master, None).await
        })
        .await
    }
}

impl Inner {
    async fn rotate(self: &Arc<Self>, by: Option<String>) -> Result<()> {
        self.no_other_host()?;
        let Ok(_alone) = self.turning.try_write() else {
            let why = "a backup is being taken, or the key is being replaced; try again when that is over";
            return Err(GatewayError::Conflict(why.to_owned()));
        };
        if !self.key.ring().has_room() {
            return Err(GatewayError::Conflict(
                "the key was replaced too often of late: something stands under each former key still; try again \
                 when `smsotp key status` tells of fewer"
                    .to_owned(),
            ));
        }
        let Some(home) = self.home.get().cloned() else {
            return Err(GatewayError::Conflict("this daemon keeps its key in memory alone".to_owned()));
        };
        let master = Master::drawn(self.key.random());
        let next = master.clone();
        blocking(&home, move |home| home.put_beside(&next)).await?.map_err(GatewayError::Conflict)?;
        self.turn_to(master, by).await?;
        // It is the key already, and a start finds it beside as well.
        if let Err(e) = blocking(&home, |home| home.take_over()).await? {
            tracing::error!("the new key stays beside the old one until the next start: {e}");
        }
        Ok(())
    }

    async fn turn_to(self: &Arc<Self>, master: Master, by: Option<String>) -> Result<()> {
        let now = self.now();
        let (at, since) = (now.wall(), now.steady());
        let audit = |rotations| Audit {
            action: "key_rotated".to_owned(),
            to: None,
            detail: format!("rotation {rotations}"),
            count: 1,
        };
        let event = move |rotations| trail::Event { at, since, by, about: About::Audit(audit(rotations)) };
        let inner = Arc::clone(self);
        let turn = move |tx: &mut crate::store::Tx<'_>| {
            let turned = tx.turn_key(&inner.key, &master, event)?;
            // Last of all, when nothing of the move can fail any more: each move behind it is under the new keys.
            inner.key.replace(master, turned.ring);
            Ok::<_, crate::store::StoreError>((turned.id, turned.event))
        };
        let (id, event) = self.store.begin_in_turn(turn).await.done().await??;
        if let About::Audit(audit) = &event.about {
            let told = Event { id, at, kind: EventKind::Audit(audit.clone()) };
            self.events.publish(self.events.followed().then(|| Arc::new(event.clone())), told);
            self.events.reached(id);
        }
        tracing::info!(rotations = self.key.ring().epoch(), "the secret key was replaced");
        *locked(&self.sealing) = Sealing::default();
        self.keeper.notify_one();
        Ok(())
    }

    /// The key for a backup, when it is a part of the state.
    pub(super) fn key_for_backups(&self) -> Option<Secret<Vec<u8>>> {
        let home = self.home.get()?;
        home.is_in_state().then(|| Secret::new(self.key.master().expose().to_vec()))
    }
}

async fn blocking<T: Send + 'static>(
    home: &Arc<dyn KeyHome>,
    work: impl FnOnce(&dyn KeyHome) -> T + Send + 'static,
) -> Result<T> {
    let home = Arc::clone(home);
    let broken = |_| GatewayError::Internal("the key could not be put down".to_owned());
    tokio::task::spawn_blocking(move || work(&*home)).await.map_err(broken)
}
