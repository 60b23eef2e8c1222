//! The listing of verifications.

use super::effects::Move;
use super::error::Result;
use super::inner::Gateway;
use super::limits::of_use;
use super::request::{Caller, VerificationFilter};
use super::view::{Page, VerificationView};
use crate::clock::Now;
use crate::id::VerificationId;
use crate::otp::{Verification, VerificationStatus};
use crate::outbox::MessageStatus;
use crate::phone::PhoneNumber;
use crate::store::{Records as _, StoreError, View};

/// Verifications that end in one commit.
const AT_ONCE: usize = 100;

impl Gateway {
    /// Verifications that exist for the caller, newest first, each as it is now. An end by time that is told is on disk, so
    /// that no clock that is set takes it back.
    pub async fn verifications(
        &self,
        caller: &Caller,
        filter: VerificationFilter,
    ) -> Result<Page<VerificationView>> {
        let limit = filter.limit.clamp(1, 1000);
        let to = filter.to.as_deref().map(|to| self.0.settings().number(to)).transpose()?;
        loop {
            let (who, filter, to, now) = (caller.clone(), filter.clone(), to.clone(), self.0.now());
            let settings = self.0.settings();
            let look = move |view: &View| {
                let (found, over) = page(view, &who, &filter, limit + 1, to.as_ref(), now)?;
                let shown = found.into_iter().map(|v| of_use(view, &settings.limits, v, now));
                Ok::<_, StoreError>((shown.collect::<Result<Vec<_>, StoreError>>()?, over))
            };
            let (found, over) = self.0.store.read(look).await??;
            if over.is_empty() {
                return Ok(Page::cut(found, limit, |v| v.id.to_string()));
            }
            for some in over.chunks(AT_ONCE).map(<[_]>::to_vec) {
                let end = move |mv: &mut Move<'_, '_>| some.into_iter().try_for_each(|id| mv.expire(id));
                self.0.make_in_turn(end).await?;
            }
        }
    }
}

/// What is to be shown, and those of them that are over, which is not written down.
fn page(
    view: &View,
    who: &Caller,
    filter: &VerificationFilter,
    limit: usize,
    to: Option<&PhoneNumber>,
    now: Now,
) -> Result<(Vec<VerificationView>, Vec<VerificationId>), StoreError> {
    let wanted = |v: &Verification| {
        who.may_see(v) && filter.service.as_ref().is_none_or(|service| v.service == *service)
    };
    let found = view.list_verifications((limit, filter.before), (filter.status, now), to, wanted)?;
    let pending = found.iter().filter(|v| v.status == VerificationStatus::Pending);
    let over = pending.filter(|v| v.life.is_over(now)).map(|v| v.id).collect();
    let shown = found.iter().map(|v| {
        // A message may be forgotten before its verification; it is over then.
        let message = view.message(v.message)?.map_or(MessageStatus::Expired, |m| m.status);
        Ok(VerificationView::new(v, message, now))
    });
    Ok((shown.collect::<Result<_, StoreError>>()?, over))
}
