//! The windows of limits. Those of one subject, such as a number, stand in one record, by their spans: each of its codes
//! counts in all of them.
//!
//! Before, each window had a record of its own. Such a window is read until it is counted in again, which moves it; what is
//! not counted in again expires within its span.

use std::time::Duration;

use super::records::Records;
use super::tables::{LIMITS, WINDOWS};
use super::{StoreError, Tx};
use crate::clock::Steady;
use crate::otp::Window;

/// A window by its span in seconds, and when nothing in it counts any more.
pub(super) type Kept = (u64, (Window, Steady));

/// When nothing counts in any of them.
pub(super) fn expire_at(windows: &[Kept]) -> Steady {
    windows.iter().map(|(_, (_, at))| *at).max().unwrap_or_default()
}

/// Reading: windows.
pub trait WindowRecords: Records {
    /// The window of a subject with this span, or with none (zero); an empty one when nothing was counted.
    fn window(&self, subject: &str, span: Duration) -> Result<Window, StoreError> {
        let kept = LIMITS.get(self, &self.place(&[subject])?)?.unwrap_or_default();
        if let Some((_, (window, _))) = kept.into_iter().find(|(of, _)| *of == span.as_secs()) {
            return Ok(window);
        }
        Ok(WINDOWS.get(self, &self.place(&[&former(subject, span)])?)?.unwrap_or_default().0)
    }
}

impl<T: Records + ?Sized> WindowRecords for T {}

impl Tx<'_> {
    /// Writes a window; `expires_at`: when nothing in it counts any more.
    pub fn put_window(
        &mut self,
        subject: &str,
        span: Duration,
        window: &Window,
        expires_at: Steady,
    ) -> Result<(), StoreError> {
        let (key, alone) = (self.place(&[subject])?, self.place(&[&former(subject, span)])?);
        let mut kept = LIMITS.get(self, &key)?.unwrap_or_default();
        let newest = window.buckets.back().map_or(Steady::default(), |bucket| bucket.last);
        // Spans that the configuration had once.
        kept.retain(|(of, (_, until))| *of != span.as_secs() && *until > newest);
        kept.push((span.as_secs(), (window.clone(), expires_at)));
        kept.sort_by_key(|(of, _)| *of);
        WINDOWS.delete(self, &alone)?;
        LIMITS.put(self, &key, &kept)
    }
}

/// What a window was called that stood alone.
fn former(subject: &str, span: Duration) -> String {
    match span.as_secs() {
        0 => subject.to_owned(),
        seconds => format!("{subject} {seconds}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otp::Bucket;
    use crate::store::Store;

    fn counted(at: u64) -> Window {
        let at = Steady::from_millis(at);
        Window { buckets: [Bucket { first: at, last: at, count: 1 }].into() }
    }

    #[tokio::test]
    async fn windows_of_a_subject_are_one_record_and_those_of_before_move_there() {
        const MINUTE: Duration = Duration::from_secs(60);
        const HOUR: Duration = Duration::from_secs(3600);
        let until = Steady::from_millis(9_000_000);
        let store = Store::in_memory();
        let checked = store.transact(move |tx| {
            for (name, at) in [("number 1 60", 1), ("number 1 3600", 2), ("neighbours 1", 3)] {
                let place = tx.place(&[name])?;
                WINDOWS.put(tx, &place, &(counted(at), until))?;
            }
            let all = |tx: &Tx<'_>| {
                let places = [("number 1", MINUTE), ("number 1", HOUR), ("neighbours 1", Duration::ZERO)];
                let read = places.map(|(subject, span)| tx.window(subject, span));
                read.into_iter().collect::<Result<Vec<_>, _>>()
            };
            assert_eq!(all(tx)?, [1, 2, 3].map(counted));
            tx.put_window("number 1", MINUTE, &counted(60), until)?;
            tx.put_window("neighbours 1", Duration::ZERO, &counted(80), until)?;
            assert_eq!(all(tx)?, [60, 2, 80].map(counted), "one of before stays until it is counted in");
            tx.put_window("number 1", HOUR, &counted(70), until)?;
            assert_eq!(all(tx)?, [60, 70, 80].map(counted));
            let records = |tx: &Tx<'_>| {
                let former = WINDOWS.keys(tx, WINDOWS.all(), crate::store::Order::Ascending, 9)?.len();
                Ok::<_, StoreError>((
                    former,
                    LIMITS.keys(tx, LIMITS.all(), crate::store::Order::Ascending, 9)?.len(),
                ))
            };
            assert_eq!(records(tx)?, (0, 2));
            // A span that the configuration has no more goes when nothing counts in it.
            tx.put_window("number 1", HOUR, &counted(9_000_000), until.plus(HOUR))?;
            assert_eq!(all(tx)?[0], Window::default());
            assert_eq!(tx.sweep_expired(until.plus(HOUR * 3), 9)?, 2, "nothing of before is left to expire");
            Ok::<_, StoreError>(())
        });
        checked.await.unwrap().unwrap();
    }
}
