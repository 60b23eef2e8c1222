//! The limits of codes. One judgement says what an issue meets: the issue is refused by it and counted in the windows
//! that it looked at, and whoever asks what an issue would meet is shown the same judgement, counted in none.
//!
//! Wrong codes are counted here too, in the move that compares them.

use std::collections::BTreeMap;
use std::result::Result as Outcome;
use std::time::Duration;

use super::effects::Move;
use super::error::{GatewayError, Result};
use super::inner::Inner;
use super::moves::Tracked;
use super::pumping::Guard;
use super::request::{Caller, Mode};
use super::settings::Settings;
use super::view::VerificationView;
use crate::clock::Now;
use crate::hex;
use crate::otp::{Limits, Place, PumpingRule, Standing, Verification, VerificationStatus, Window};
use crate::outbox::{Asker, Message};
use crate::phone::PhoneNumber;
use crate::store::{StoreError, WindowRecords};

/// Octets of a value among the caller's own keys.
const KEY_OCTETS: usize = 200;

/// A code that is asked for, as far as limits are concerned.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) to: PhoneNumber,
    /// The client that asks.
    pub(super) client: Option<String>,
    /// The same for a fair share of the modems, where a client without a name is its user.
    pub(super) asker: Asker,
    /// The caller's own keys: the name of each, and a keyed hash of its value.
    pub(super) keys: Vec<(String, [u8; 16])>,
    /// Whether a message goes out for it: none does for an inbound one or to a test number.
    pub(super) sends: bool,
    /// Why it is refused whatever the store has.
    pub(super) refused: Option<GatewayError>,
}

/// What an issue meets.
pub(super) struct Judged {
    /// Why it is refused, if it is.
    pub(super) refused: Option<GatewayError>,
    /// The rule of the guard against pumping, when that is why.
    pub(super) pumped: Option<PumpingRule>,
    /// The windows of the code itself, in which it is counted.
    pub(super) codes: Vec<Seen>,
    /// Those of wrong codes for its number, in which it is not.
    pub(super) guesses: Vec<Seen>,
    /// What the guard against pumping has seen.
    pub(super) guard: Guard,
    /// Who asks.
    asker: Asker,
}

/// A window that was looked at.
pub(super) struct Seen {
    pub(super) place: Place,
    pub(super) standing: Standing,
    window: Window,
}

impl Judged {
    /// How many wrong codes the number may still have.
    pub(super) fn guesses_left(&self) -> u32 {
        left_in(&self.guesses)
    }
}

/// How many more these windows have room for.
fn left_in(seen: &[Seen]) -> u32 {
    let left = |seen: &Seen| seen.place.rate.count.saturating_sub(seen.standing.used);
    seen.iter().map(left).min().unwrap_or(u32::MAX)
}

fn look(records: &impl WindowRecords, places: Vec<Place>, now: Now) -> Outcome<Vec<Seen>, StoreError> {
    let look = |place: Place| {
        let window = records.window(&place.subject, place.rate.per)?;
        let standing = window.standing(place.rate, now.steady());
        Ok(Seen { place, standing, window })
    };
    places.into_iter().map(look).collect()
}

/// A verification as a check of its code would meet it: no more checks are left than its number may have wrong codes.
/// Those of an inbound one count nowhere else.
pub(super) fn of_use(
    records: &impl WindowRecords,
    limits: &Limits,
    view: VerificationView,
    now: Now,
) -> Outcome<VerificationView, StoreError> {
    if view.status != VerificationStatus::Pending || view.inbound {
        return Ok(view);
    }
    let guesses_left = left_in(&look(records, limits.guesses(&view.to), now)?);
    Ok(VerificationView { attempts_left: view.attempts_left.min(guesses_left), ..view })
}

impl Move<'_, '_> {
    /// What an issue or a resend meets: all that may refuse it stands here, the first that does is told; of a cool-down,
    /// a full window and the guard against pumping the one that lasts longest. `pending` is the verification whose code
    /// would go out again.
    pub(super) fn judge(&self, asked: &Asked, pending: Option<&Verification>) -> Result<Judged> {
        let opted_out = match self.permits(&asked.to, true) {
            Err(e @ GatewayError::OptedOut) => Some(e),
            permitted => permitted.map(|()| None)?,
        };
        let limits = &self.settings.limits;
        let keys: Vec<_> = asked.keys.iter().map(|(name, hash)| (name.clone(), hex::encode(hash))).collect();
        let codes = self.look(limits.codes(&asked.to, asked.client.as_deref(), &keys))?;
        let guesses = self.look(limits.guesses(&asked.to))?;
        let full = self.full(codes.iter().chain(&guesses));
        let cooling = pending.and_then(|v| {
            let retry_after = v.cools_for(self.now)?;
            Some(GatewayError::Cooldown { retry_after, verification: v.id })
        });
        let guard = if asked.sends { self.guard(&asked.to)? } else { Guard::none() };
        let pumped = self.pumped(&guard).map(|(rule, refused)| (refused, Some(rule)));
        let plain = |refused| (refused, None);
        let waits = [cooling.map(plain), full.map(plain), pumped];
        let longest = waits.into_iter().flatten().max_by_key(|(refused, _)| wait_of(refused));
        let (refused, pumped) = asked.refused.clone().or(opted_out).map(plain).or(longest).unzip();
        Ok(Judged { refused, pumped: pumped.flatten(), codes, guesses, guard, asker: asked.asker.clone() })
    }

    /// Refuses what is refused.
    pub(super) fn admit(&self, judged: &Judged) -> Result<()> {
        if let Some(rule) = judged.pumped {
            self.inner.metrics.pumping(rule, true);
        }
        judged.refused.clone().map_or(Ok(()), Err)
    }

    /// Counts one more code in the windows of its judgement, when the modems have the time for its message.
    pub(super) fn count(&mut self, judged: Judged, m: &Message) -> Result<()> {
        if !m.status.is_over() {
            self.inner.admit_code(m, &judged.asker, self.now)?;
        }
        self.goes_out(judged.guard)?;
        self.add(judged.codes)
    }

    /// Counts a code that is wrong; false when its number may have no more of them, and nothing is compared.
    pub(super) fn guess(&mut self, to: &PhoneNumber, wrong: bool) -> Result<bool> {
        let guesses = self.look(self.settings.limits.guesses(to))?;
        let room = self.full(&guesses).is_none();
        if room && wrong {
            self.add(guesses)?;
        }
        Ok(room)
    }

    fn look(&self, places: Vec<Place>) -> Result<Vec<Seen>> {
        Ok(look(&*self.tx, places, self.now)?)
    }

    /// What a client is shown of a verification.
    pub(super) fn shown(&self, tracked: &Tracked) -> Result<VerificationView> {
        self.of_use(tracked.view(self.now))
    }

    /// A verification as a check of its code would meet it.
    pub(super) fn of_use(&self, view: VerificationView) -> Result<VerificationView> {
        Ok(of_use(&*self.tx, &self.settings.limits, view, self.now)?)
    }

    fn add(&mut self, seen: Vec<Seen>) -> Result<()> {
        for Seen { place, mut window, .. } in seen {
            window.add(place.rate, self.now.steady());
            let until = self.now.steady().plus(place.rate.per);
            self.tx.put_window(&place.subject, place.rate.per, &window, until)?;
        }
        Ok(())
    }

    /// The refusal when any of these windows is full: that of the one that stays full the longest, so that who comes
    /// back then is let in.
    fn full<'s>(&self, seen: impl IntoIterator<Item = &'s Seen>) -> Option<GatewayError> {
        let full = seen.into_iter().filter_map(|seen| Some((seen.standing.retry_at?, seen)));
        let (until, Seen { place, .. }) = full.reduce(|a, b| if b.0 > a.0 { b } else { a })?;
        let limit = format!("limits.{} = \"{}\"", place.limit, place.rate);
        Some(GatewayError::RateLimited { limit, retry_after: until.since(self.now.steady()) })
    }
}

/// How long a refusal lasts.
fn wait_of(refused: &GatewayError) -> Duration {
    match refused {
        GatewayError::Cooldown { retry_after, .. } | GatewayError::RateLimited { retry_after, .. } => {
            *retry_after
        }
        _ => Duration::ZERO,
    }
}

impl Inner {
    /// What a client asks a code for, as an issue is judged: here by all but the store.
    pub(super) fn weigh(
        &self,
        caller: &Caller,
        settings: &Settings,
        to: PhoneNumber,
        mode: Mode,
        keys: &BTreeMap<String, String>,
    ) -> Result<Asked> {
        let keys = self.hashed(&settings.limits, keys)?;
        let refused = self.admit().and_then(|()| self.permits_code(settings, &to)).err();
        let sends = mode == Mode::Sms && !settings.testing.has(&to);
        let client = caller.client.clone();
        let user = caller.user.filter(|_| client.is_none());
        let asker = Asker { client: client.clone(), user };
        Ok(Asked { to, client, asker, keys, sends, refused })
    }

    /// The caller's own keys, each with a keyed hash for its value: what a value names, such as a person's address, is
    /// kept nowhere.
    fn hashed(&self, limits: &Limits, keys: &BTreeMap<String, String>) -> Result<Vec<(String, [u8; 16])>> {
        let hashed = |(name, value): (&String, &String)| {
            if !limits.keys.contains_key(name) {
                return Err(unknown_key(limits));
            }
            if value.len() > KEY_OCTETS {
                let why = format!("keys.{name} has more than {KEY_OCTETS} octets");
                return Err(GatewayError::InvalidRequest(why));
            }
            let hash = self.key.hash(&[b"limit", name.as_bytes(), value.as_bytes()]);
            Ok((name.clone(), hash.first_chunk().copied().unwrap_or_default()))
        };
        keys.iter().map(hashed).collect()
    }
}

/// The unknown name is not repeated: it may be a value in the wrong place.
fn unknown_key(limits: &Limits) -> GatewayError {
    let known: Vec<_> = limits.keys.keys().map(String::as_str).collect();
    GatewayError::InvalidRequest(match known[..] {
        [] => "keys has a name that is not in [limits.keys] of the configuration, which has none".to_owned(),
        _ => format!("keys has a name that is not in [limits.keys]; it takes {}", known.join(", ")),
    })
}
