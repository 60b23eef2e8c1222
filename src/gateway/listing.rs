//! The listing of verifications.

use super::error::Result;
use super::inner::Gateway;
use super::request::{Caller, VerificationFilter};
use super::view::{Page, VerificationView};
use crate::otp::Verification;
use crate::outbox::MessageStatus;
use crate::store::{Records as _, StoreError, View};

impl Gateway {
    /// Verifications that exist for the caller, newest first, each as it is now.
    pub async fn verifications(
        &self,
        caller: &Caller,
        filter: VerificationFilter,
    ) -> Result<Page<VerificationView>> {
        let limit = filter.limit.clamp(1, 1000);
        let (who, now, settings) = (caller.clone(), self.0.now(), self.0.settings());
        let to = filter.to.map(|to| settings.number(&to)).transpose()?;
        let wanted = move |v: &Verification| {
            who.may_see(v) && filter.service.as_ref().is_none_or(|service| v.service == *service)
        };
        let look = move |view: &View| -> Result<Vec<VerificationView>, StoreError> {
            let page = (limit + 1, filter.before);
            let found = view.list_verifications(page, (filter.status, now), to.as_ref(), wanted)?;
            let shown = found.iter().map(|v| {
                // A message may be forgotten before its verification; it is over then.
                let message = view.message(v.message)?.map_or(MessageStatus::Expired, |m| m.status);
                Ok(VerificationView::new(v, message, now))
            });
            shown.collect()
        };
        let found = self.0.store.read(look).await??;
        Ok(Page::cut(found, limit, |v| v.id.to_string()))
    }
}
