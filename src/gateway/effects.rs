//! Moves, and what follows from them. A move reads and writes the store in one transaction; what is to happen beside
//! the store it notes while it runs. Once it is on disk these effects happen in the order in which they were noted,
//! here and nowhere else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::canary::Flight;
use super::error::{GatewayError, Result};
use super::inner::{Inner, Slot};
use super::lock::locked;
use super::log::{self, Line};
use super::settings::Settings;
use super::told::{self, Reason};
use super::view::{Event, EventKind, InboxView, MessageView, ModemView, RecoveryView, VerificationView};
use crate::clock::{Now, Steady};
use crate::id::{MessageId, VerificationId};
use crate::otp::VerificationStatus;
use crate::outbox::{Avoid, Message, MessageStatus, Observation};
use crate::phone::PhoneNumber;
use crate::secret::Key;
use crate::store::{Rehearsed, Ticket, Tx};
use crate::trail::{self, About, Audit};

/// What is to happen when a move is on disk.
#[derive(Debug)]
pub(super) enum Effect {
    /// A message changed: that is told and counted.
    Message(Message),
    /// A message waits for a modem, of which these leave it alone.
    Enqueue(Message, Avoid),
    /// A message waits no more.
    Dequeue(MessageId),
    /// A code may go out through another modem as well, when the one that has it is silent; these leave it alone.
    OfferTwin(Message, Avoid),
    /// A second modem took a code.
    TwinClaimed,
    /// A code was given up that could not be met any more.
    GivenUp,
    /// No modem is to let this message go any more.
    Recall(MessageId),
    /// This modem sent a message.
    Sent(String),
    /// A send of this modem failed.
    Failed(String),
    /// A verification changed, by this word: that is told and counted.
    Verification(&'static str, VerificationView),
    /// A code was checked, and this is whether it was approved.
    Checked(bool),
    /// A verification ends at this time.
    ExpectExpiry(Steady, VerificationId),
    /// It ended before.
    ForgetExpiry(Steady, VerificationId),
    /// The code that this message carried was entered, or nobody did: that says how good its modem is.
    CodeEnded(Message, Observation),
    /// This modem is to send a canary.
    CanaryBegins(String, Flight),
    /// A canary came in.
    CanaryCame(MessageId),
    /// A message came in.
    Received(InboxView),
    /// A modem is in this state.
    Modem(ModemView),
    /// A modem is well again.
    Recovered(ModemView, RecoveryView),
    /// Somebody was refused, or an operator changed something.
    Audit(Audit),
    /// The log tells this.
    Log(Line),
}

impl Effect {
    /// What it tells of, if it is something that happened.
    fn about(&self) -> Option<About> {
        Some(match self {
            Self::Message(m) => told::message(MessageView::from(m)),
            Self::Verification(what, v) => told::verification(what, v),
            Self::Received(m) => told::inbox(m),
            Self::Modem(m) => told::modem(m),
            Self::Recovered(m, recovery) => told::recovered(m, recovery),
            Self::Audit(audit) => About::Audit(audit.clone()),
            _ => return None,
        })
    }

    /// Whether time alone brings it about: a verification's life is over, which is written down by whoever finds it first.
    fn is_of_time(&self) -> bool {
        match self {
            Self::Verification(_, v) => v.status == VerificationStatus::Expired,
            Self::CodeEnded(_, observation) => *observation == Observation::CodeUnused,
            _ => false,
        }
    }
}

/// An effect, and its event in the trail if it has one.
pub(super) type Told = (Effect, Option<Written>);

/// The number of an event that a move wrote, and the event itself when somebody follows.
pub(super) struct Written {
    id: u64,
    event: Option<Arc<trail::Event>>,
}

/// What a move gave, and what is to happen when it is on disk.
pub(super) struct Noted<R> {
    answer: Result<R>,
    told: Result<Vec<Told>>,
}

impl<R> Noted<R> {
    /// The answer, and the effects of a move that was not refused.
    pub(super) fn both(self) -> Result<(R, Vec<Told>)> {
        let told = self.told?;
        self.answer.map(|answer| (answer, told))
    }
}

/// A running move.
pub(super) struct Move<'a, 't> {
    pub(super) tx: &'a mut Tx<'t>,
    /// For the little that must be done inside the commit, before a claim beside it is on disk, such as
    /// [`Inner::not_wanted`]; all else is an effect.
    pub(super) inner: &'a Inner,
    pub(super) key: &'a Key,
    pub(super) settings: &'a Settings,
    pub(super) now: Now,
    /// The client that asked for it, when one did and clients are configured.
    pub(super) by: Option<String>,
    /// The number that it is about: a refusal is written down with it.
    pub(super) to: Option<PhoneNumber>,
    effects: Vec<Effect>,
}

impl<'a, 't> Move<'a, 't> {
    fn begun(tx: &'a mut Tx<'t>, inner: &'a Inner, settings: &'a Settings) -> Self {
        // Here, and not when it was asked for: moves run one behind the other, and so do their times.
        let now = inner.now();
        Self { tx, inner, key: &inner.key, settings, now, by: None, to: None, effects: Vec::new() }
    }
}

impl Move<'_, '_> {
    /// Notes what is to happen when this is on disk.
    pub(super) fn then(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// This client asks for it, for this number.
    pub(super) fn asked(&mut self, by: Option<&String>, to: &PhoneNumber) {
        self.by = by.cloned();
        self.to = Some(to.clone());
    }

    /// Writes the events of its effects into the transaction.
    fn told(&mut self) -> Result<Vec<Told>> {
        let effects = std::mem::take(&mut self.effects);
        let (at, since) = (self.now.wall(), self.now.steady());
        let event = |about| Arc::new(trail::Event { at, since, by: self.by.clone(), about });
        let events: Vec<_> = effects.iter().map(|effect| effect.about().map(event)).collect();
        if events.iter().all(Option::is_none) {
            return Ok(effects.into_iter().map(|effect| (effect, None)).collect());
        }
        let first = self.tx.put_events(self.key, events.iter().flatten().map(|event: &Arc<_>| &**event))?;
        let (mut ids, followed) = (first.., self.inner.events.followed());
        let written = events.into_iter().map(|event| {
            let event = event?;
            Some(Written { id: ids.next()?, event: followed.then_some(event) })
        });
        Ok(effects.into_iter().zip(written).collect())
    }

    /// A refusal changes nothing but what it found ended by time, and its event is written down all the same: the first of
    /// its kind at once.
    fn refused(&mut self, error: &GatewayError) {
        self.effects.retain(Effect::is_of_time);
        if let Some(reason) = told::refusal(error) {
            self.note("refused", reason);
        }
    }

    /// Writes down what anybody can cause at will, with the number that the move is about.
    pub(super) fn note(&mut self, action: &str, Reason { kind, detail }: Reason) {
        let to = self.to.as_ref().map(PhoneNumber::masked);
        let audit = Audit { action: action.to_owned(), to, detail, count: 1 };
        let noted = locked(&self.inner.refusals).note(self.by.as_deref(), &kind, audit, self.now.steady());
        self.inner.keep_refusals();
        self.effects.extend(noted.map(Effect::Audit));
    }

    /// There is a new message; it waits, unless nothing is sent to its number.
    pub(super) fn queued(&mut self, m: &Message) {
        self.then(Effect::Log(Line::Made(m.clone())));
        self.then(Effect::Message(m.clone()));
        if !m.status.is_over() {
            self.then(Effect::Enqueue(m.clone(), vec![]));
        }
    }

    /// A message was withdrawn.
    pub(super) fn withdrawn(&mut self, m: Message) {
        self.then(Effect::Dequeue(m.id));
        self.then(Effect::Message(m));
    }

    /// A message that nobody has in hand went through these states, as a report or a late answer to this modem tells.
    pub(super) fn went_through(&mut self, modem: &str, states: &[Message]) {
        for m in states {
            if m.status == MessageStatus::Sent {
                self.then(Effect::Sent(modem.to_owned()));
            }
            self.then(Effect::Message(m.clone()));
        }
        match states.last() {
            Some(m) if m.status == MessageStatus::Queued => self.then(Effect::Enqueue(m.clone(), vec![])),
            Some(m) => self.then(Effect::Dequeue(m.id)),
            None => {}
        }
    }
}

/// Takes to its end what has begun, though whoever asked goes away meanwhile, so that what is on disk is also queued,
/// told and counted.
pub(super) async fn to_its_end<T: Send + 'static>(
    begun: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let broken = |_| Err(GatewayError::Internal("the request broke off".to_owned()));
    tokio::spawn(begun).await.unwrap_or_else(broken)
}

impl Inner {
    /// Has a move made; answers when it is on disk and its effects have happened. Both happen though whoever asked has
    /// gone meanwhile.
    pub(super) async fn perform<R: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Move<'_, '_>) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        self.perform_ahead(Rehearsed::default(), work).await
    }

    /// The same for what was rehearsed.
    pub(super) async fn perform_ahead<R: Send + 'static>(
        self: &Arc<Self>,
        ahead: Rehearsed,
        work: impl FnOnce(&mut Move<'_, '_>) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        let inner = Arc::clone(self);
        to_its_end(async move { inner.finish(inner.store.begin_ahead(ahead, inner.noting(work))).await })
            .await
    }

    /// The keys that this work asks for, where reading them ahead pays. It is run here over nothing, and nothing comes of it:
    /// so it may not touch what stands beside the store.
    pub(super) fn rehearse<R>(&self, work: impl FnOnce(&mut Move<'_, '_>) -> Result<R>) -> Rehearsed {
        let settings = self.settings();
        self.store.rehearse(|tx| {
            // It stops where it would be refused.
            let _ = work(&mut Move::begun(tx, self, &settings));
        })
    }

    /// The same as a step of something that is taken to its end.
    pub(super) async fn make<R: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Move<'_, '_>) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        self.finish(self.store.begin(self.noting(work))).await
    }

    /// The same for the daemon's own tasks: the move waits for its turn when many do, and is never refused.
    pub(super) async fn make_in_turn<R: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Move<'_, '_>) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        self.finish(self.store.begin_in_turn(self.noting(work)).await).await
    }

    async fn finish<R: Send + 'static>(self: &Arc<Self>, begun: Ticket<Noted<R>>) -> Result<R> {
        let Noted { answer, told } = begun.done().await?;
        self.apply(told?);
        answer
    }

    /// A move for the store. It writes its events, and gives its answer and the effects that whoever hands it over
    /// applies.
    pub(super) fn noting<R>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Move<'_, '_>) -> Result<R> + Send + 'static,
    ) -> impl FnOnce(&mut Tx<'_>) -> Noted<R> + Send + 'static {
        let (inner, settings) = (Arc::clone(self), self.settings());
        move |tx| {
            let (inner, settings) = (&*inner, &*settings);
            if let Err(error) = inner.holds_lease(tx) {
                return Noted { told: Ok(Vec::new()), answer: Err(error) };
            }
            let mut mv = Move::begun(tx, inner, settings);
            let answer = work(&mut mv);
            if let Err(error) = &answer {
                mv.refused(error);
            }
            Noted { told: mv.told(), answer }
        }
    }

    /// What followed from a move, now that it is on disk.
    pub(super) fn apply(&self, effects: Vec<Told>) {
        let (at, mut newest) = (self.now().wall(), None);
        for (effect, written) in effects {
            if let Some(kind) = self.apply_one(effect)
                && let Some(Written { id, event }) = written
            {
                self.events.publish(event, Event { id, at, kind });
                newest = Some(id);
            }
        }
        if let Some(id) = newest {
            self.events.reached(id);
        }
    }

    /// Answers what is told to those who wait.
    pub(super) fn apply_one(&self, effect: Effect) -> Option<EventKind> {
        let now = self.now().steady();
        match effect {
            Effect::Message(m) => {
                self.metrics.message(&m, self.now());
                log::reached(&m, self.now());
                self.canaries.reached(&m);
                return Some(EventKind::Message(MessageView::from(&m)));
            }
            Effect::Enqueue(m, mut avoid) => {
                avoid.extend(self.first_word(&m, now));
                let recipient = self.recipient(&m.to);
                self.with_pool(|pool| pool.push(&m, recipient, avoid, now));
            }
            Effect::Dequeue(id) => locked(&self.queue).remove(id),
            Effect::OfferTwin(m, avoid) => self.offer_twin(&m, avoid),
            Effect::TwinClaimed => self.metrics.twin(),
            Effect::GivenUp => self.metrics.given_up(),
            Effect::Recall(id) => self.recall(id, |_| true),
            Effect::Sent(modem) => self.count(&modem, |slot| &slot.sent),
            Effect::Failed(modem) => self.count(&modem, |slot| &slot.failed),
            Effect::Verification(what, view) => {
                self.metrics.verification(what, &view);
                return Some(EventKind::Verification(what, view));
            }
            Effect::Checked(approved) => self.metrics.check(approved),
            Effect::Modem(view) => return Some(EventKind::Modem(view)),
            Effect::Recovered(view, recovery) => return Some(EventKind::Recovered(view, recovery)),
            Effect::Audit(audit) => return Some(EventKind::Audit(audit)),
            Effect::ExpectExpiry(at, id) => {
                locked(&self.expiries).insert(at, id);
                self.keep_by(Some(at));
            }
            Effect::ForgetExpiry(at, id) => {
                locked(&self.expiries).remove(at, id);
            }
            Effect::CodeEnded(m, observation) => {
                if observation == Observation::CodeUsed {
                    self.metrics.course.entered(&m, self.now());
                }
                if let Some(index) = m.modem.as_deref().and_then(|name| self.index(name).ok()) {
                    locked(&self.queue).observe(index, observation, now);
                }
            }
            Effect::CanaryBegins(modem, flight) => self.canaries.begins(&modem, flight),
            Effect::CanaryCame(id) => self.canaries.came(id, now),
            Effect::Log(line) => line.write(),
            Effect::Received(view) => {
                self.metrics.received();
                let (inbox_id, from, modem) = (view.id, view.from.masked(), view.modem.as_str());
                tracing::info!(%inbox_id, modem, parts = view.parts, missing = view.missing.len(),
                    "received from {from} through {modem}");
                return Some(EventKind::Inbox(view));
            }
        }
        None
    }

    /// Counts one more of what this modem did.
    fn count(&self, modem: &str, counter: impl Fn(&Slot) -> &AtomicU64) {
        if let Ok(slot) = self.slot(modem) {
            counter(slot).fetch_add(1, Ordering::Relaxed);
        }
    }
}
