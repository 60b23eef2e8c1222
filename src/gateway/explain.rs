//! What an issue would meet, told without one: the judgement of an issue, counted nowhere.

use super::effects::Move;
use super::error::{GatewayError, Result};
use super::inner::Gateway;
use super::limits::{Judged, Seen};
use super::request::{Caller, LimitsRequest, Mode};
use super::verify::allowed;
use super::view::{LimitsView, WindowView};
use crate::otp::{Service, Standing};

impl Gateway {
    /// What an issue by this caller would meet at this moment. Nothing is counted and nothing is sent.
    pub async fn limits(&self, caller: &Caller, request: LimitsRequest) -> Result<LimitsView> {
        let inner = &self.0;
        let settings = inner.settings();
        let service = request.service.unwrap_or_else(|| Service::DEFAULT.to_owned());
        let weigh = || {
            let to = settings.number(&request.to)?;
            allowed(caller, &settings, &service)?;
            inner.weigh(caller, &settings, to, Mode::Sms, &request.keys)
        };
        let asked = match weigh() {
            Ok(asked) => asked,
            // Such a request would be no issue.
            Err(e @ GatewayError::InvalidRequest(_)) => return Err(e),
            Err(e) => return Ok(LimitsView { refused: Some(e), windows: Vec::new() }),
        };
        let look = move |mv: &mut Move<'_, '_>| {
            let pending = mv.pending(&asked.to, &service, asked.client.as_deref())?;
            let Judged { refused, codes, guesses, guard, .. } = mv.judge(&asked, pending.as_ref())?;
            let refused = refused.or_else(|| mv.foresee(&asked, &service, pending).err());
            let now = mv.now;
            let seen = |Seen { place, standing, .. }: &Seen| {
                (format!("{} {}", place.limit, place.rate), place.rate.count, *standing)
            };
            let seen = codes.iter().chain(&guesses).map(seen);
            let view = |(name, limit, standing): (String, u32, Standing)| WindowView {
                name,
                used: standing.used,
                limit,
                resets_at: now.told(standing.resets_at),
            };
            Ok(LimitsView { refused, windows: seen.chain(guard.windows()).map(view).collect() })
        };
        inner.perform(look).await
    }
}
