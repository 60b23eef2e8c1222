//! Who asks: applications that issue codes and send texts, and the persons who type them.

use std::time::Duration;

use futures_util::future::join_all;
use smsotpd::gateway::{
    Caller, CheckRequest, Gateway, GatewayError, IssueRequest, SendRequest, VerificationView,
};
use smsotpd::id::VerificationId;
use smsotpd::secret::Secret;
use tokio::time::{Instant, sleep, timeout};

use super::dice::Dice;
use super::ear::{LETTERS, MARK, NUMBERS};
use super::machine::until;
use super::world::World;

/// How the numbers of a client begin.
pub(super) fn prefix(client: u64) -> String {
    format!("+{}{client:03}", NUMBERS.0)
}

/// The numbers that more than one code is asked for.
const AGAIN: u64 = 3;

/// How long a client waits for its answer: some leave early.
fn patience(dice: &mut Dice) -> Duration {
    if dice.one_in(20) { dice.millis(30) } else { Duration::MAX }
}

/// A client that asks for a message to a number. Where it is cut off before it has the answer, nobody knows of that message.
struct Asking<'w>(&'w World, Option<String>);

impl Asking<'_> {
    /// It has its answer, or knows that it has none.
    fn ended(mut self) {
        self.1 = None;
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if let Some(to) = self.1.take() {
            self.0.model(|model| model.unanswered(&to));
        }
    }
}

impl World {
    fn asking(&self, to: &str) -> Asking<'_> {
        Asking(self, Some(to.to_owned()))
    }

    /// Issues codes and has them checked, right and wrong, once and again; sends texts.
    pub(super) async fn client(self, number: u64) {
        let mut dice = Dice::new(self.plan().seed, 100 + number);
        for story in AGAIN.. {
            let pause = dice.millis(20_000);
            sleep(if self.flooded() { pause / 10 } else { pause }).await;
            // Most numbers are used once, so that what reached their phones tells of one verification.
            let story = if dice.one_in(8) { dice.below(AGAIN) } else { story % 10_000 };
            let to = format!("{}{story:04}", prefix(number));
            let once = story >= AGAIN;
            if once && dice.one_in(10) {
                self.step(&format!("the phone of {to} is off"));
                self.rack().set_unreachable(&to, true);
                self.model(|model| model.off(&to));
            }
            match dice.below(12) {
                0..3 => {
                    let times = 1 + usize::from(dice.one_in(3)) * 6;
                    self.text(&to, times, &mut dice).await;
                }
                3 if once => self.stop_word(&to, &mut dice).await,
                _ => self.code(&to, once, &mut dice).await,
            }
        }
    }

    /// A code, from its issue to its end.
    async fn code(&self, to: &str, once: bool, dice: &mut Dice) {
        let key = dice.one_in(2).then(|| format!("key of {to} {}", dice.roll()));
        let Some(v) = self.issue(to, key, dice).await else { return };
        if dice.one_in(10) {
            self.cancel(v.id).await;
        }
        if dice.one_in(4) {
            sleep(Duration::from_secs(25) + dice.millis(20_000)).await;
            self.resend(&v).await;
        }
        self.person(v.id, to, once, dice).await;
    }

    /// Asks for a code; again with the same key when there was no answer, or to see that it is the same.
    async fn issue(&self, to: &str, key: Option<String>, dice: &mut Dice) -> Option<VerificationView> {
        let request = |locale: Option<&str>| IssueRequest {
            to: to.to_owned(),
            locale: locale.map(str::to_owned),
            idempotency_key: key.clone(),
            ..IssueRequest::default()
        };
        let (asking, mut asked) = (self.asking(to), Instant::now());
        let mut first = self
            .ask_for(patience(dice), |g| async move { g.issue(&Caller::default(), request(None)).await })
            .await;
        if first.is_none() {
            self.model(|model| model.count(to, asked, None));
            if key.is_some() {
                sleep(Duration::from_secs(12)).await;
                let again = Instant::now();
                first = self.ask(|g| async move { g.issue(&Caller::default(), request(None)).await }).await;
                // Then it was this request that made it: the first one was refused, and a refusal is not remembered.
                if matches!(first, Some(Ok((_, false)))) {
                    asked = again;
                }
            }
        }
        asking.ended();
        let (v, known) = match first? {
            Ok(answer) => answer,
            Err(e) => {
                self.refused(to, &e);
                return None;
            }
        };
        self.step(&format!("{} was issued to {to}, known {known}", v.id));
        self.hear(&v);
        self.model(|model| model.issued(&v, known, asked));
        if key.is_some() && dice.one_in(3) {
            let again = self.ask(|g| async move { g.issue(&Caller::default(), request(None)).await }).await;
            match again {
                Some(Ok((again, replayed))) => self.model(|m| {
                    m.must(replayed && again.id == v.id, || format!("{}: its key gave {}", v.id, again.id));
                }),
                // Nothing that is asked anew counts for a key that is known.
                Some(Err(e @ (GatewayError::Cooldown { .. } | GatewayError::RateLimited { .. }))) => {
                    let forgets = self.forgets();
                    self.model(|m| m.must(forgets, || format!("{}: its key was forgotten: {e}", v.id)));
                }
                _ => {}
            }
            let other =
                self.ask(|g| async move { g.issue(&Caller::default(), request(Some("de"))).await }).await;
            let told = matches!(other, None | Some(Err(_))) || self.forgets();
            self.model(|m| m.must(told, || format!("{}: its key was taken for another request", v.id)));
        }
        Some(v)
    }

    fn refused(&self, to: &str, e: &GatewayError) {
        self.step(&format!("no code for {to}: {e}"));
        match e {
            GatewayError::RateLimited { limit, retry_after } => self.model(|model| {
                model.limited(to, limit);
                model.told_to_wait(Some(limit), *retry_after);
            }),
            GatewayError::Cooldown { retry_after, .. } => {
                self.model(|model| model.told_to_wait(None, *retry_after));
            }
            _ => {}
        }
    }

    async fn cancel(&self, id: VerificationId) {
        let cancelled = self.ask(|g| async move { g.cancel(&Caller::default(), id).await }).await;
        match cancelled {
            Some(Ok(v)) => {
                self.step(&format!("{id} was cancelled"));
                self.model(|model| model.cancelled(&v));
            }
            Some(Err(_)) => {}
            None => self.model(|model| model.perhaps_ended(id)),
        }
    }

    async fn resend(&self, v: &VerificationView) {
        let (id, to, asked) = (v.id, v.to.as_str(), Instant::now());
        let asking = self.asking(to);
        let resent = self.ask(|g| async move { g.resend(&Caller::default(), id, None).await }).await;
        asking.ended();
        match resent {
            Some(Ok(v)) => {
                self.step(&format!("{id} was sent again as {}", v.message.0));
                self.hear(&v);
                self.model(|model| model.resent(&v, asked));
            }
            Some(Err(e)) => self.refused(to, &e),
            None => self.model(|model| model.count(to, asked, None)),
        }
    }

    async fn text(&self, to: &str, times: usize, dice: &mut Dice) {
        let request = SendRequest {
            to: to.to_owned(),
            text: Secret::new(format!("Your parcel {MARK} is here. ").repeat(times)),
            flash: false,
            priority: 0,
            valid_for: None,
            send_at: None,
            report: dice.one_in(2),
            modem: None,
            idempotency_key: None,
        };
        let (asking, asked) = (self.asking(to), Instant::now());
        let sent = self.ask(|g| async move { g.send(&Caller::default(), request).await }).await;
        asking.ended();
        if let Some(Ok((m, _))) = sent {
            self.step(&format!("{} was accepted for {to}", m.id));
            self.hear(&m);
            self.model(|model| model.accepted(m.id, to, asked));
        } else {
            self.model(|model| model.unanswered(to));
        }
    }

    /// A person who wants no more messages says so to one of the modems.
    async fn stop_word(&self, to: &str, dice: &mut Dice) {
        let place = usize::try_from(dice.below(self.plan().modems as u64)).unwrap();
        self.rack().deliver(place, to, "STOP");
        sleep(Duration::from_secs(60)).await;
        let list = self.ask(|g| async move { g.opt_outs(1000, None).await }).await;
        if let Some(Ok(page)) = list
            && page.items.iter().any(|o| o.phone.as_str() == to)
        {
            self.step(&format!("{to} opted out"));
            self.model(|model| model.opted_out(to));
        }
        // One part, as its code: the model tells the copies of both by their parts.
        self.text(to, 1, dice).await;
        self.issue(to, None, dice).await;
    }

    /// Types wrong, then right, then the same once more.
    async fn person(&self, id: VerificationId, to: &str, once: bool, dice: &mut Dice) {
        let wrong = "A".repeat(LETTERS);
        if dice.one_in(6) {
            // All at once, and the right one last: the daemon has them in this order.
            let Some(code) = self.code_of(to).await else { return };
            let wrongs = usize::try_from(dice.below(7)).unwrap();
            let tries = (0..wrongs).map(|_| (wrong.as_str(), Some(false)));
            let tries: Vec<_> = tries.chain([(code.as_str(), once.then_some(true)); 2]).collect();
            join_all(tries.into_iter().map(|(code, right)| self.check(id, code, right, Duration::MAX))).await;
            return;
        }
        for _ in 0..dice.below(8) {
            self.check(id, &wrong, Some(false), patience(dice)).await;
        }
        let Some(code) = self.code_of(to).await else { return };
        let most = if dice.one_in(5) { 400_000 } else { 9_000 };
        sleep(dice.millis(most)).await;
        for _ in 0..=dice.below(3) {
            self.check(id, &code, once.then_some(true), patience(dice)).await;
        }
    }

    /// The newest code that reached this number, for two minutes.
    async fn code_of(&self, to: &str) -> Option<String> {
        let found = until(self.delivered(), || self.newest_code(to));
        timeout(Duration::from_secs(120), found).await.ok()
    }

    async fn check(&self, id: VerificationId, code: &str, right: Option<bool>, patience: Duration) {
        let (typed, asked) = (CheckRequest::of(code), Instant::now());
        let check = |g: Gateway| async move { g.check(&Caller::default(), id, typed).await };
        match self.ask_for(patience, check).await {
            Some(Ok(answer)) => {
                self.step(&format!("{id}: a code that is right {right:?} is {}", answer.approved));
                self.hear(&answer);
                self.model(|model| model.checked(id, right, asked, &answer));
            }
            Some(Err(GatewayError::NotFound(_))) if !self.forgets() => {
                self.model(|m| m.must(false, || format!("{id} was promised and is lost")));
            }
            Some(Err(_)) => {}
            None => self.model(|model| model.unchecked(id, asked)),
        }
    }
}
