//! The state of one verification and the one function that changes it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{BindingHash, CodeHash, Policy};
use crate::clock::{Life, Now, Steady, Timestamp};
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

impl VerificationStatus {
    /// Every status.
    pub const ALL: [Self; 5] =
        [Self::Pending, Self::Approved, Self::Expired, Self::Cancelled, Self::Exhausted];

    /// The word of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Exhausted => "exhausted",
        }
    }
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
    /// How long the code is accepted.
    pub life: Life,
    /// The earliest moment of a resend.
    pub resend_at: Steady,
    /// The pause between two sends.
    pub cooldown: Duration,
    /// Messages made so far, including the first.
    pub sends: u32,
    /// Messages allowed.
    pub max_sends: u32,
    /// The keyed hash of the code.
    pub hash: CodeHash,
    /// The code and what its text was rendered from, sealed for a resend; of an inbound one the token and where it goes,
    /// sealed for an answer that was lost. Removed when the verification ends.
    pub sealed: Option<Sealed>,
    /// The newest message that carries the code.
    pub message: MessageId,
    /// What the code is for, when the application said so: a check has to repeat it.
    pub binding: Option<BindingHash>,
    /// The application's own notes.
    pub metadata: BTreeMap<String, String>,
    /// Whether the person sends the code, a token, from the number, and nothing is sent there.
    pub inbound: bool,
    /// The application's own keys that it was issued with, by their names, each with a keyed hash of its value: a resend
    /// counts for them as well. Removed when the verification ends.
    pub keys: Vec<(String, [u8; 16])>,
}

/// An event of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A code was entered and compared.
    Entered {
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
    Cooldown,
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
        now: Now,
        hash: CodeHash,
        sealed: impl Into<Option<Sealed>>,
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
            created_at: now.wall(),
            life: Life::of(policy.ttl, now),
            resend_at: now.steady().plus(policy.cooldown),
            cooldown: policy.cooldown,
            sends: 1,
            max_sends: policy.max_sends,
            hash,
            sealed: sealed.into(),
            message,
            binding: None,
            metadata: BTreeMap::new(),
            inbound: false,
            keys: Vec::new(),
        }
    }

    /// The same, issued now instead.
    #[must_use]
    pub fn issued(self, ttl: Duration, now: Now) -> Self {
        let resend_at = now.steady().plus(self.cooldown);
        Self { created_at: now.wall(), life: Life::of(ttl, now), resend_at, ..self }
    }

    /// The status at `now`: a pending verification whose time is over is expired, whether or not that was
    /// written down.
    pub fn status_at(&self, now: Now) -> VerificationStatus {
        match self.status {
            VerificationStatus::Pending if self.life.is_over(now) => VerificationStatus::Expired,
            status => status,
        }
    }

    /// How long until the code may be sent again; nothing when it may. No cool-down lasts longer than its own length.
    pub fn cools_for(&self, now: Now) -> Option<Duration> {
        let left = self.resend_at.since(now.steady());
        (!left.is_zero() && left <= self.cooldown).then_some(left)
    }

    /// How many checks are left.
    pub fn attempts_left(&self) -> u32 {
        self.max_attempts.saturating_sub(self.attempts_used)
    }
}

/// The verification after `event` at `now`. The rules: an ended verification never changes; every code that is entered
/// counts as an attempt; the right one approves, the last wrong one exhausts.
pub fn step(mut v: Verification, event: Event, now: Now) -> Result<Verification, Refusal> {
    if v.status != VerificationStatus::Pending {
        return Err(Refusal::Ended);
    }
    if v.life.is_over(now) && event != Event::Tick {
        return Err(Refusal::Ended);
    }
    match event {
        Event::Entered { right } => {
            if v.attempts_left() == 0 {
                return Err(Refusal::Ended);
            }
            v.attempts_used += 1;
            if right {
                end(&mut v, VerificationStatus::Approved);
            } else if v.attempts_left() == 0 {
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
            if v.cools_for(now).is_some() {
                return Err(Refusal::Cooldown);
            }
            v.sends += 1;
            v.resend_at = now.steady().plus(v.cooldown);
            v.message = message;
        }
        Event::Cancel => end(&mut v, VerificationStatus::Cancelled),
        Event::Tick => {
            if v.life.is_over(now) {
                end(&mut v, VerificationStatus::Expired);
            }
        }
    }
    Ok(v)
}

fn end(v: &mut Verification, status: VerificationStatus) {
    v.status = status;
    v.sealed = None;
    v.keys.clear();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::otp::Code;
    use crate::secret::Key;

    const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn after(seconds: u64) -> Now {
        Now::agreed(START.plus(Duration::from_secs(seconds)))
    }

    /// The same, when somebody set the wall clock back or ahead by so much.
    fn set(seconds: u64, to: Timestamp) -> Now {
        Now::new(to, after(seconds).steady())
    }

    fn new() -> Verification {
        let key = Key::from_bytes([1; 32]);
        let id = VerificationId::first_at(after(0).steady());
        let to: PhoneNumber = "+41791234567".parse().unwrap();
        let hash = Code::restored("123456".to_owned()).hash(&key, id, "default", &to);
        let sealed = key.seal(b"x", b"y");
        Verification::new(
            id,
            "default".to_owned(),
            to,
            None,
            &Policy::default(),
            after(0),
            hash,
            sealed,
            MessageId::first_at(after(0).steady()),
        )
    }

    const RIGHT: Event = Event::Entered { right: true };
    const WRONG: Event = Event::Entered { right: false };

    #[test]
    fn approved_once_and_never_again() {
        let v = step(new(), RIGHT, after(1)).unwrap();
        assert_eq!((v.status, v.sealed.is_none()), (VerificationStatus::Approved, true));
        for event in [RIGHT, WRONG, Event::Cancel, Event::Tick] {
            assert_eq!(step(v.clone(), event, after(2)), Err(Refusal::Ended));
        }
    }

    #[test]
    fn the_last_wrong_code_exhausts_and_a_sixth_is_not_even_counted() {
        let mut v = new();
        for left in (0..5).rev() {
            v = step(v, WRONG, after(1)).unwrap();
            assert_eq!(v.attempts_left(), left);
        }
        assert_eq!(v.status, VerificationStatus::Exhausted);
        assert_eq!(step(v, RIGHT, after(1)), Err(Refusal::Ended));
        let mut v = new();
        for _ in 0..4 {
            v = step(v, WRONG, after(1)).unwrap();
        }
        assert_eq!(step(v, RIGHT, after(1)).unwrap().status, VerificationStatus::Approved);
        let v = Verification { max_attempts: 0, ..new() };
        assert_eq!(step(v, RIGHT, after(1)), Err(Refusal::Ended));
    }

    #[test]
    fn time_ends_it() {
        assert_eq!(new().status_at(after(299)), VerificationStatus::Pending);
        assert_eq!(new().status_at(after(300)), VerificationStatus::Expired);
        assert_eq!(step(new(), RIGHT, after(299)).unwrap().status, VerificationStatus::Approved);
        assert_eq!(step(new(), RIGHT, after(300)), Err(Refusal::Ended));
        assert_eq!(step(new(), Event::Tick, after(299)).unwrap().status, VerificationStatus::Pending);
        assert_eq!(step(new(), Event::Tick, after(300)).unwrap().status, VerificationStatus::Expired);
    }

    #[test]
    fn no_clock_that_is_set_makes_it_live_longer_or_wait_longer() {
        let again = Event::Resend { message: MessageId::first_at(after(1).steady()) };
        for hours in [1, 24, 24 * 365 * 50] {
            let back = START.minus(Duration::from_hours(hours));
            assert_eq!(step(new(), RIGHT, set(299, back)).unwrap().status, VerificationStatus::Approved);
            assert_eq!(step(new(), RIGHT, set(300, back)), Err(Refusal::Ended));
            assert_eq!(step(new(), again, set(29, back)), Err(Refusal::Cooldown));
            assert!(step(new(), again, set(30, back)).is_ok());
            let ahead = START.plus(Duration::from_hours(hours));
            assert_eq!(
                step(new(), RIGHT, set(1, ahead)),
                Err(Refusal::Ended),
                "by the clock that comes first"
            );
        }
    }

    #[test]
    fn resends_wait_and_end() {
        let again = Event::Resend { message: MessageId::first_at(after(1).steady()) };
        assert_eq!(step(new(), again, after(29)), Err(Refusal::Cooldown));
        let set_back = Verification { resend_at: after(31).steady(), ..new() };
        assert!(step(set_back, again, after(0)).is_ok(), "no cool-down lasts longer than its own length");
        let v = step(new(), again, after(30)).unwrap();
        assert_eq!((v.sends, v.resend_at), (2, after(60).steady()));
        let v = step(v, again, after(60)).unwrap();
        assert_eq!(step(v, again, after(90)), Err(Refusal::NoSendsLeft));
    }

    proptest! {
        /// In any order of events there is at most one approval, none after another end, never more attempts
        /// than allowed, and the sealed code is removed at the end.
        #[test]
        fn the_rules_hold_in_any_order(events in prop::collection::vec((0_u8..5, 0_u64..40), 0..40)) {
            let mut v = Verification { keys: vec![("ip".to_owned(), [1; 16])], ..new() };
            let mut passed = 0;
            for (event, seconds) in events {
                passed += seconds;
                let now = after(passed);
                let event = match event {
                    0 => RIGHT,
                    1 => WRONG,
                    2 => Event::Resend { message: v.message },
                    3 => Event::Cancel,
                    _ => Event::Tick,
                };
                let before = v.status;
                if let Ok(after) = step(v.clone(), event, now) {
                    prop_assert_eq!(before, VerificationStatus::Pending);
                    prop_assert_eq!(after.status == VerificationStatus::Approved, event == RIGHT);
                    v = after;
                }
                prop_assert!(v.attempts_used <= v.max_attempts && v.sends <= v.max_sends);
                let pending = v.status == VerificationStatus::Pending;
                prop_assert_eq!((v.sealed.is_some(), !v.keys.is_empty()), (pending, pending));
            }
        }
    }
}
