//! The limits of codes. One judgement says what an issue meets: the issue is refused by it and counted in the windows
//! that it looked at, and whoever asks what an issue would meet is shown the same judgement, counted in none.
//!
//! Wrong codes are counted here too: each one before it is compared, so that no crash and no race gives a guess away.

use super::effects::Move;
use super::error::{GatewayError, Result};
use crate::clock::Timestamp;
use crate::otp::{Place, Standing, Window};
use crate::phone::PhoneNumber;
use crate::store::Records as _;

/// A code that is asked for, as far as limits are concerned.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) to: PhoneNumber,
    /// The client that asks.
    pub(super) client: Option<String>,
    /// The caller's own keys: the name of each, and a keyed hash of its value.
    pub(super) keys: Vec<(String, String)>,
    /// Why it is refused whatever the store has.
    pub(super) refused: Option<GatewayError>,
}

/// What an issue meets.
pub(super) struct Judged {
    /// Why it is refused, if it is.
    pub(super) refused: Option<GatewayError>,
    /// The windows of the code itself, in which it is counted.
    pub(super) codes: Vec<Seen>,
    /// Those of wrong codes for its number, in which it is not.
    pub(super) guesses: Vec<Seen>,
}

/// A window that was looked at.
pub(super) struct Seen {
    pub(super) place: Place,
    pub(super) standing: Standing,
    window: Window,
}

impl Judged {
    /// How many wrong codes the number may still have.
    fn guesses_left(&self) -> u32 {
        let left = |seen: &Seen| seen.place.rate.count.saturating_sub(seen.standing.used);
        self.guesses.iter().map(left).min().unwrap_or(u32::MAX)
    }
}

impl Move<'_, '_> {
    /// What an issue meets: all that may refuse it stands here, the first that does is told.
    pub(super) fn judge(&self, asked: &Asked) -> Result<Judged> {
        let opted_out = match self.permits(&asked.to) {
            Err(e @ GatewayError::DestinationBlocked(_)) => Some(e),
            permitted => permitted.map(|()| None)?,
        };
        let limits = &self.settings.limits;
        let codes = self.look(limits.codes(&asked.to, asked.client.as_deref(), &asked.keys))?;
        let guesses = self.look(limits.guesses(&asked.to))?;
        let full = self.full(codes.iter().chain(&guesses));
        Ok(Judged { refused: asked.refused.clone().or(opted_out).or(full), codes, guesses })
    }

    /// Counts one more code in its windows, or refuses it. The answer is how many wrong codes its number may still have.
    pub(super) fn count(&mut self, asked: &Asked) -> Result<u32> {
        let judged = self.judge(asked)?;
        let left = judged.guesses_left();
        judged.refused.map_or(Ok(()), Err)?;
        self.add(judged.codes)?;
        Ok(left)
    }

    /// Counts a code that is about to be compared as a wrong one; false when its number may have no more.
    pub(super) fn guess(&mut self, to: &PhoneNumber) -> Result<bool> {
        let guesses = self.look(self.settings.limits.guesses(to))?;
        let room = self.full(&guesses).is_none();
        if room {
            self.add(guesses)?;
        }
        Ok(room)
    }

    /// The code that was counted at this time turned out to be right: it does not count.
    pub(super) fn not_a_guess(&mut self, to: &PhoneNumber, at: Timestamp) -> Result<()> {
        for place in self.settings.limits.guesses(to) {
            let mut window = self.tx.window(&place.key)?;
            window.take_back(at);
            self.tx.put_window(&place.key, &window, self.steady.plus(place.rate.per))?;
        }
        Ok(())
    }

    fn look(&self, places: Vec<Place>) -> Result<Vec<Seen>> {
        let look = |place: Place| {
            let window = self.tx.window(&place.key)?;
            let standing = window.standing(place.rate, self.steady);
            Ok(Seen { place, standing, window })
        };
        places.into_iter().map(look).collect()
    }

    fn add(&mut self, seen: Vec<Seen>) -> Result<()> {
        for Seen { place, mut window, .. } in seen {
            window.add(place.rate, self.steady);
            self.tx.put_window(&place.key, &window, self.steady.plus(place.rate.per))?;
        }
        Ok(())
    }

    /// The refusal when any of these windows is full: that of the one that stays full the longest, so that who comes
    /// back then is let in.
    fn full<'s>(&self, seen: impl IntoIterator<Item = &'s Seen>) -> Option<GatewayError> {
        let full = seen.into_iter().filter_map(|seen| Some((seen.standing.retry_at?, seen)));
        let (until, Seen { place, .. }) = full.reduce(|a, b| if b.0 > a.0 { b } else { a })?;
        let limit = format!("limits.{} = \"{}\"", place.limit, place.rate);
        Some(GatewayError::RateLimited { limit, retry_after: until.since(self.steady) })
    }
}
