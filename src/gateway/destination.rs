//! To which number a message goes, and whether it may.

use super::error::{GatewayError, Result};
use super::inner::Inner;
use super::lock::locked;
use super::membership::Fleet;
use super::settings::Settings;
use crate::otp::Known;
use crate::phone::PhoneNumber;

impl Settings {
    /// The number that a client means.
    pub(super) fn number(&self, text: &str) -> Result<PhoneNumber> {
        // A test number need not be one that can exist.
        if let Some(number) = text.parse().ok().filter(|number| self.testing.has(number)) {
            return Ok(number);
        }
        let country = self.destinations.default_region;
        PhoneNumber::read(text, country).map_err(|e| GatewayError::InvalidNumber(e.to_string()))
    }

    /// Refuses a number to which nothing goes.
    pub(super) fn permits(&self, to: &PhoneNumber) -> Result<()> {
        self.limits.permits(to).map_err(GatewayError::DestinationBlocked)
    }
}

impl Inner {
    /// Refuses a number to which no code goes.
    pub(super) fn permits_code(&self, settings: &Settings, to: &PhoneNumber) -> Result<()> {
        if settings.testing.has(to) {
            return Ok(());
        }
        settings.permits(to)?;
        let mut sims = locked(&self.queue).countries();
        sims.extend(self.fleet.iter().flat_map(Fleet::countries));
        let known = Known { sims, prefixes_decide: settings.limits.allow_prefixes.is_some() };
        settings.destinations.permits(to, &known).map_err(GatewayError::DestinationBlocked)
    }
}
