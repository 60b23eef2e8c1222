//! How many messages were queued, sent and failed lately, counted from their events.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::api::wire;

/// One column of a sparkline.
pub(super) const SPAN: Duration = Duration::from_secs(2);
/// The columns that are kept: those of the widest screen.
const KEPT: usize = 400;
/// The whole columns that a rate is measured over, a minute, beside the one that has begun.
const MEASURED: u32 = 30;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    /// A message was accepted.
    Queued,
    /// The service centre took it.
    Sent,
    /// It ended without that, or did not arrive.
    Failed,
}

impl Count {
    /// All, in the order in which they are shown.
    pub(super) const ALL: [Self; 3] = [Self::Queued, Self::Sent, Self::Failed];

    /// Its word on the screen.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Failed => "failed",
        }
    }

    fn of(message: &wire::Message) -> Option<Self> {
        match message.status.as_str() {
            // After a failed attempt a message is queued again.
            "queued" if message.attempts == 0 => Some(Self::Queued),
            "sent" => Some(Self::Sent),
            "failed" | "undelivered" | "expired" => Some(Self::Failed),
            _ => None,
        }
    }
}

/// The counts of the last spans.
#[derive(Debug)]
pub(super) struct Rates {
    began: Instant,
    /// The spans that have passed since then.
    passed: u64,
    /// The newest first.
    spans: VecDeque<[u64; 3]>,
}

impl Rates {
    /// Nothing was counted before `began`.
    pub(super) fn new(began: Instant) -> Self {
        Self { began, passed: 0, spans: VecDeque::from([[0; 3]]) }
    }

    /// Counts what an event tells of a message.
    pub(super) fn hear(&mut self, message: &wire::Message, now: Instant) {
        self.advance(now);
        if let (Some(count), Some(span)) = (Count::of(message), self.spans.front_mut()) {
            span[count as usize] += 1;
        }
    }

    fn advance(&mut self, now: Instant) {
        let passed = now.duration_since(self.began).as_secs() / SPAN.as_secs();
        let new = passed.saturating_sub(self.passed);
        self.passed += new;
        for _ in 0..new.min(KEPT as u64) {
            self.spans.push_front([0; 3]);
        }
        self.spans.truncate(KEPT);
    }

    /// The counts of each span until `now`, the newest first.
    pub(super) fn columns(&mut self, count: Count, now: Instant) -> Vec<u64> {
        self.advance(now);
        self.spans.iter().map(|span| span[count as usize]).collect()
    }

    /// How many there were in the last minute, or as far as that was observed, scaled to a minute.
    pub(super) fn per_minute(&mut self, count: Count, now: Instant) -> f64 {
        let counted: u64 = self.columns(count, now).into_iter().take(MEASURED as usize + 1).sum();
        let observed = now.duration_since(self.began).as_secs_f64();
        let measured = observed.min((SPAN * MEASURED).as_secs_f64() + observed % SPAN.as_secs_f64());
        if measured < 1.0 {
            0.0
        } else {
            f64::from(u32::try_from(counted).unwrap_or(u32::MAX)) * 60.0 / measured
        }
    }
}
