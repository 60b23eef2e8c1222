//! The state of one verification and the one function that changes it.

use std::time::Duration;

use super::{CodeHash, Policy};
use crate::clock::Timestamp;
use crate::id::{MessageId, VerificationId};
use crate::phone::PhoneNumber;
use crate::secret::Sealed;

/// The status of a verification. Every status but `Pending` is final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VerificationStatus {
    /// The code may still be entered.
    Pending,
    /// The right code was entered, once.
    Approved,
    /// The time to live is over.
    Expired,
    /// The application withdrew it.
    Cancelled,
    /// Every attempt was used.
    Exhausted,
}

/// One code for one number and service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// Its id.
    pub id: VerificationId,
    /// The service it was issued for.
    pub service: String,
    /// The number that is verified.
    pub to: PhoneNumber,
    /// The API client that asked, when clients are configured.
    pub client: Option<String>,
    /// Its status on disk; [`Verification::status_at`] gives the present one.
    pub status: VerificationStatus,
    /// Checks counted so far.
    pub attempts_used: u32,
    /// Checks allowed.
    pub max_attempts: u32,
    /// When it was issued.
    pub created_at: Timestamp,
    /// When the code stops being accepted.
    pub expires_at: Timestamp,
    /// The earliest moment of a resend.
    pub resend_at: Timestamp,
    /// The pause between two sends.
    pub cooldown: Duration,
    /// Messages made so far, including the first.
    pub sends: u32,
    /// Messages allowed.
    pub max_sends: u32,
    /// The keyed hash of the code.
    pub hash: CodeHash,
    /// The code and what its text was rendered from, sealed for a resend; removed when the verification ends.
    pub sealed: Option<Sealed>,
    /// The newest message that carries the code.
    pub message: MessageId,
}

/// An event of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A code was entered: the attempt is counted, before anything is compared.
    Attempt,
    /// The counted code was compared.
    Compared {
        /// Whether it was the right one.
        right: bool,
    },
    /// The same code goes out again in `message`.
    Resend {
        /// The new message.
        message: MessageId,
    },
    /// The application withdraws it.
    Cancel,
    /// Time passed.
    Tick,
}

/// Why an event changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The verification has ended.
    #[error("the verification has ended")]
    Ended,
    /// The last message was sent too recently.
    #[error("the last message is too fresh")]
    Cooldown {
        /// The earliest moment of a resend.
        until: Timestamp,
    },
    /// The code was sent as often as the policy allows.
    #[error("the code was sent as often as allowed")]
    NoSendsLeft,
}

impl Verification {
    /// A new verification under `policy`.
    #[allow(clippy::too_many_arguments, reason = "each is a plain fact of the new record")]
    pub fn new(
        id: VerificationId,
        service: String,
        to: PhoneNumber,
        client: Option<String>,
        policy: &Policy,
        now: Timestamp,
        hash: CodeHash,
        sealed: Sealed,
        message: MessageId,
    ) -> Self {
        Self {
            id,
            service,
            to,
            client,
            status: VerificationStatus::Pending,
            attempts_used: 0,
            max_attempts: policy.max_attempts,
            created_at: now,
            expires_at: now.plus(policy.ttl),
            resend_at: now.plus(policy.cooldown),
            cooldown: policy.cooldown,
            sends: 1,
            max_sends: policy.max_sends,
            hash,
            sealed: Some(sealed),
            message,
        }
    }

    /// The status at `now`: a pending verification whose time is over is expired, whether or not that was
    /// written down.
    pub fn status_at(&self, now: Timestamp) -> VerificationStatus {
        match self.status {
            VerificationStatus::Pending if now >= self.expires_at => VerificationStatus::Expired,
            status => status,
        }
    }

    /// How many checks are left.
    pub fn attempts_left(&self) -> u32 {
        self.max_attempts.saturating_sub(self.attempts_used)
    }

    /// The same to somebody whose checks are no longer compared.
    #[must_use]
    pub fn without_attempts(self) -> Self {
        Self { attempts_used: self.max_attempts, ..self }
    }
}

/// The verification after `event` at `now`. The rules: an ended verification never changes; an attempt is
/// counted while any is left; a right comparison approves, the last wrong one exhausts.
pub fn step(mut v: Verification, event: Event, now: Timestamp) -> Result<Verification, Refusal> {
    if v.status != VerificationStatus::Pending {
        return Err(Refusal::Ended);
    }
    // The result of a counted attempt stands even if the time ran out between the count and the comparison.
    if now >= v.expires_at && !matches!(event, Event::Compared { .. } | Event::Tick) {
        return Err(Refusal::Ended);
    }
    match event {
        Event::Attempt => {
            if v.attempts_left() == 0 {
                return Err(Refusal::Ended);
            }
            v.attempts_used += 1;
        }
        Event::Compared { right: true } => end(&mut v, VerificationStatus::Approved),
        Event::Compared { right: false } => {
            if v.attempts_left() == 0 {
                end(&mut v, VerificationStatus::Exhausted);
            }
        }
        Event::Resend { message } => {
            if v.attempts_left() == 0 {
                return Err(Refusal::Ended);
            }
            if v.sends >= v.max_sends {
                return Err(Refusal::NoSendsLeft);
            }
            if now < v.resend_at {
                return Err(Refusal::Cooldown { until: v.resend_at });
            }
            v.sends += 1;
            v.resend_at = now.plus(v.cooldown);
            v.message = message;
        }
        Event::Cancel => end(&mut v, VerificationStatus::Cancelled),
        Event::Tick => {
            if now >= v.expires_at {
                end(&mut v, VerificationStatus::Expired);
            }
        }
    }
    Ok(v)
}

fn end(v: &mut Verification, status: VerificationStatus) {
    v.status = status;
    v.sealed = None;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::otp::Code;
    use crate::secret::Key;

    const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn after(seconds: u64) -> Timestamp {
        START.plus(Duration::from_secs(seconds))
    }

    fn new() -> Verification {
        let key = Key::from_bytes([1; 32]);
        let id = VerificationId::first_at(START);
        let to: PhoneNumber = "+41791234567".parse().unwrap();
        let hash = Code::restored("123456".to_owned()).hash(&key, id, "default", &to);
        let sealed = key.seal(b"x", b"y");
        Verification::new(
            id,
            "default".to_owned(),
            to,
            None,
            &Policy::default(),
            START,
            hash,
            sealed,
            MessageId::first_at(START),
        )
    }

    #[test]
    fn approved_once_and_never_again() {
        let v = step(new(), Event::Attempt, after(1)).unwrap();
        let v = step(v, Event::Compared { right: true }, after(1)).unwrap();
        assert_eq!((v.status, v.sealed.is_none()), (VerificationStatus::Approved, true));
        for event in [Event::Attempt, Event::Compared { right: true }, Event::Cancel, Event::Tick] {
            assert_eq!(step(v.clone(), event, after(2)), Err(Refusal::Ended));
        }
    }

    #[test]
    fn the_last_wrong_code_exhausts_and_a_sixth_is_not_even_counted() {
        let mut v = new();
        for left in (0..5).rev() {
            v = step(v, Event::Attempt, after(1)).unwrap();
            assert_eq!(v.attempts_left(), left);
            v = step(v, Event::Compared { right: false }, after(1)).unwrap();
        }
        assert_eq!(v.status, VerificationStatus::Exhausted);
        let mut counted = new();
        for _ in 0..5 {
            counted = step(counted, Event::Attempt, after(1)).unwrap();
        }
        assert_eq!(step(counted.clone(), Event::Attempt, after(1)), Err(Refusal::Ended));
        let right = step(counted, Event::Compared { right: true }, after(1)).unwrap();
        assert_eq!(right.status, VerificationStatus::Approved, "a counted attempt keeps its answer");
    }

    #[test]
    fn time_ends_it() {
        assert_eq!(new().status_at(after(299)), VerificationStatus::Pending);
        assert_eq!(new().status_at(after(300)), VerificationStatus::Expired);
        assert_eq!(step(new(), Event::Attempt, after(300)), Err(Refusal::Ended));
        assert_eq!(step(new(), Event::Tick, after(299)).unwrap().status, VerificationStatus::Pending);
        assert_eq!(step(new(), Event::Tick, after(300)).unwrap().status, VerificationStatus::Expired);
        let counted = step(new(), Event::Attempt, after(299)).unwrap();
        let late = step(counted, Event::Compared { right: true }, after(301)).unwrap();
        assert_eq!(late.status, VerificationStatus::Approved, "it was entered in time");
    }

    #[test]
    fn resends_wait_and_end() {
        let again = Event::Resend { message: MessageId::first_at(after(1)) };
        assert_eq!(step(new(), again, after(29)), Err(Refusal::Cooldown { until: after(30) }));
        let v = step(new(), again, after(30)).unwrap();
        assert_eq!((v.sends, v.resend_at), (2, after(60)));
        let v = step(v, again, after(60)).unwrap();
        assert_eq!(step(v, again, after(90)), Err(Refusal::NoSendsLeft));
    }

    proptest! {
        /// In any order of events there is at most one approval, none after another end, never more attempts
        /// than allowed, and the sealed code is removed at the end.
        #[test]
        fn the_rules_hold_in_any_order(events in prop::collection::vec((0_u8..6, 0_u64..40), 0..40)) {
            let mut v = new();
            let mut now = START;
            let mut open = 0_u32;
            for (event, seconds) in events {
                now = now.plus(Duration::from_secs(seconds));
                let event = match event {
                    0 => Event::Attempt,
                    1 | 2 if open == 0 => continue,
                    1 => Event::Compared { right: true },
                    2 => Event::Compared { right: false },
                    3 => Event::Resend { message: v.message },
                    4 => Event::Cancel,
                    _ => Event::Tick,
                };
                let before = v.status;
                match step(v.clone(), event, now) {
                    Ok(after) => {
                        prop_assert_eq!(before, VerificationStatus::Pending);
                        match event {
                            Event::Attempt => open += 1,
                            Event::Compared { .. } => open -= 1,
                            _ => {}
                        }
                        v = after;
                    }
                    Err(_) if matches!(event, Event::Compared { .. }) => open -= 1,
                    Err(_) => {}
                }
                prop_assert!(v.attempts_used <= v.max_attempts && v.sends <= v.max_sends);
                prop_assert_eq!(v.sealed.is_some(), v.status == VerificationStatus::Pending);
            }
        }
    }
}
