//! A code is checked: one move counts the attempt, compares the code and writes down what came of it. What came of it is
//! told once it is on disk.

use super::effects::{Effect, Move};
use super::error::{GatewayError, Result};
use super::inner::Gateway;
use super::moves::Tracked;
use super::once::Once;
use super::request::{Caller, CheckRequest};
use super::source::Source;
use super::told::Reason;
use super::verify::{allowed, is_for, own};
use super::view::CheckView;
use crate::id::VerificationId;
use crate::otp::{self, Code, Service, Verification, VerificationStatus};
use crate::outbox::Observation;
use crate::secret::Key;

impl Gateway {
    /// Checks a code.
    pub async fn check(
        &self,
        caller: &Caller,
        id: VerificationId,
        request: CheckRequest,
    ) -> Result<CheckView> {
        let route = format!("POST /v1/verifications/{id}/check");
        let once = once(&self.0.key, caller, &route, &request, &[]);
        let who = caller.clone();
        let check = move |mv: &mut Move<'_, '_>| {
            let tracked = own(&who, mv.settled(id)?)?;
            mv.asked(who.client.as_ref(), &tracked.v.to);
            match mv.answered_before(once.as_ref())? {
                Some(answer) => Ok(answer),
                None => mv.check(&tracked, &request, once.as_ref()),
            }
        };
        self.0.perform(check).await
    }

    /// Checks a code against the newest verification of a number and service.
    pub async fn check_newest(
        &self,
        caller: &Caller,
        to: &str,
        service: Option<&str>,
        request: CheckRequest,
    ) -> Result<CheckView> {
        let settings = self.0.settings();
        let to = settings.number(to)?;
        let service = service.unwrap_or(Service::DEFAULT).to_owned();
        allowed(caller, &settings, &service)?;
        let once = once(&self.0.key, caller, "POST /v1/check", &request, &[to.as_str(), &service]);
        let who = caller.clone();
        let check = move |mv: &mut Move<'_, '_>| {
            if let Some(answer) = mv.answered_before(once.as_ref())? {
                return Ok(answer);
            }
            let id = mv.newest(&to, &service, &who)?;
            let tracked = own(&who, mv.settled(id)?)?;
            mv.asked(who.client.as_ref(), &tracked.v.to);
            mv.check(&tracked, &request, once.as_ref())
        };
        self.0.perform(check).await
    }
}

/// What makes two checks the same.
fn once(key: &Key, caller: &Caller, route: &str, request: &CheckRequest, of: &[&str]) -> Option<Once> {
    let fields = || {
        let said = [Some(&request.code), request.binding.as_ref()].into_iter().flatten();
        of.iter().copied().chain(said.map(|secret| secret.expose().as_str())).collect()
    };
    Once::of(key, caller, route, request.idempotency_key.as_ref(), fields)
}

impl Move<'_, '_> {
    fn check(&mut self, tracked: &Tracked, request: &CheckRequest, once: Option<&Once>) -> Result<CheckView> {
        let mut answer = self.compared(tracked, request)?;
        // What is told here is what is shown later.
        answer.verification = self.of_use(answer.verification)?;
        self.then(Effect::Checked(answer.approved));
        self.remember_answer(once, &answer)?;
        Ok(answer)
    }

    fn compared(&mut self, tracked: &Tracked, request: &CheckRequest) -> Result<CheckView> {
        // A token counts only in an SMS from its number.
        if tracked.v.inbound {
            self.not_compared("the verification is inbound".to_owned());
            return Ok(CheckView { approved: false, verification: tracked.view(self.now) });
        }
        let right = self.is_right(&tracked.v, request);
        if !right {
            self.is_whole(&tracked.v)?;
        }
        match otp::step(tracked.v.clone(), otp::Event::Entered { right }, self.now) {
            Ok(v) if self.guess(&v.to, !right)? => self.entered(Tracked { v, message: tracked.message }),
            // The number had too many wrong codes: not even a right one is compared.
            Ok(_) => {
                self.not_compared("limits.guesses_per_number is used up".to_owned());
                Ok(CheckView { approved: false, verification: tracked.view(self.now) })
            }
            Err(_) => {
                self.not_compared(format!("the verification is {}", tracked.v.status.as_str()));
                Ok(CheckView { approved: false, verification: tracked.view(self.now) })
            }
        }
    }

    /// Writes down that a code was entered and not looked at.
    fn not_compared(&mut self, why: String) {
        self.note("not_compared", Reason::fixed(why));
    }

    /// Whether this is the code, and it is for what it was issued for.
    fn is_right(&self, v: &Verification, request: &CheckRequest) -> bool {
        // A service that is gone from the configuration leaves its codes as they were drawn.
        let alphabet = self.settings.services.get(&v.service).map_or("", |service| &service.policy.alphabet);
        let typed = Code::typed(request.code.expose(), alphabet);
        typed.has(&v.hash, self.key, v.id, &v.service, &v.to) && is_for(v, request.binding.as_ref(), self.key)
    }

    /// Refuses a verification whose code cannot be compared, since its record is damaged: nothing is counted against a
    /// code that may be right.
    fn is_whole(&self, v: &Verification) -> Result<()> {
        let Some(sealed) = &v.sealed else { return Ok(()) };
        let damaged = || {
            GatewayError::Internal(
                "the record of the code is damaged, so that no code can be compared with it, and this one was not \
                 counted; issue a new verification, and restore a backup if there are more"
                    .to_owned(),
            )
        };
        let plain = self.key.unseal(&v.id.to_bytes(), sealed).map_err(|_| damaged())?;
        let kept = Source::unpack(plain.expose());
        let fits = kept.is_none_or(|kept| kept.code.has(&v.hash, self.key, v.id, &v.service, &v.to));
        if fits { Ok(()) } else { Err(damaged()) }
    }

    /// Writes down a verification that a code was entered for. One that has ended needs its queued message no more.
    pub(super) fn entered(&mut self, mut tracked: Tracked) -> Result<CheckView> {
        self.tx.put_verification(&tracked.v)?;
        let (what, message) = match tracked.v.status {
            VerificationStatus::Approved => ("approved", tracked.v.message),
            VerificationStatus::Exhausted => ("exhausted", tracked.v.message),
            _ => {
                let verification = self.tell("attempted", &tracked);
                return Ok(CheckView { approved: false, verification });
            }
        };
        tracked.message = self.withdraw(message)?;
        self.inner.not_wanted(message);
        self.then(Effect::ForgetExpiry(tracked.v.life.place(), tracked.v.id));
        let approved = tracked.v.status == VerificationStatus::Approved;
        if approved {
            self.code_ended(message, Observation::CodeUsed)?;
            self.proven(&tracked.v)?;
        }
        Ok(CheckView { approved, verification: self.tell(what, &tracked) })
    }
}
