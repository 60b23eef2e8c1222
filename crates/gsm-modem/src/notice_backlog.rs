//! Notices that wait for a busy subscriber, in order. A message that lies nowhere else waits however long
//! that takes. Of the others, the oldest is dropped when there are too many: a stored message is announced
//! again, and the rest is known elsewhere too.

use std::collections::VecDeque;

use crate::snapshot::Notice;

/// More notices than this make the oldest give way.
const MOST: usize = 4096;

/// The notices that wait.
#[derive(Debug, Default)]
pub(super) struct NoticeBacklog(VecDeque<Notice>);

impl NoticeBacklog {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a notice. Returns how many are dropped for it.
    pub(super) fn push(&mut self, notice: Notice) -> u64 {
        self.0.push_back(notice);
        if self.0.len() <= MOST {
            return 0;
        }
        let Some(at) = self.0.iter().position(|notice| !lies_nowhere_else(notice)) else { return 0 };
        self.0.remove(at);
        1
    }

    /// The next notice.
    pub(super) fn pop(&mut self) -> Option<Notice> {
        self.0.pop_front()
    }

    /// Puts back the next notice, which found no room.
    pub(super) fn put_back(&mut self, notice: Notice) {
        self.0.push_front(notice);
    }

    /// Drops all notices, since nobody will receive them. Returns how many there were.
    pub(super) fn forget(&mut self) -> u64 {
        std::mem::take(&mut self.0).len() as u64
    }
}

fn lies_nowhere_else(notice: &Notice) -> bool {
    matches!(notice, Notice::Delivered { storage: None, .. } | Notice::Report { storage: None, .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Secret, SimNames};

    fn message(mark: usize, stored: bool) -> Notice {
        Notice::Delivered {
            pdu: Secret::new(mark.to_be_bytes().to_vec()),
            storage: stored.then(|| (String::from("SM"), 1)),
            sim: SimNames::default(),
        }
    }

    #[test]
    fn a_message_that_lies_nowhere_else_is_never_lost() {
        let mut backlog = NoticeBacklog::default();
        let mut lost = 0;
        for mark in 0..3 * MOST {
            lost += backlog.push(match mark % 4 {
                0 => message(mark, true),
                1 => Notice::Overdue,
                _ => message(mark, false),
            });
        }
        let left: Vec<_> = std::iter::from_fn(|| backlog.pop()).collect();
        let messages = (0..3 * MOST).filter(|mark| mark % 4 > 1).map(|mark| message(mark, false));
        let kept = left.iter().filter(|notice| lies_nowhere_else(notice));
        assert!(kept.eq(messages.collect::<Vec<_>>().iter()), "all of them are kept, in order");
        assert_eq!(left.len() as u64 + lost, 3 * MOST as u64, "the rest is counted");
        assert_eq!(lost, 3 * MOST as u64 / 2, "and makes room");
    }

    #[test]
    fn what_nobody_will_hear_is_counted() {
        let mut backlog = NoticeBacklog::default();
        assert_eq!(backlog.push(message(1, false)) + backlog.push(Notice::Overdue), 0);
        let first = backlog.pop().unwrap();
        backlog.put_back(first);
        assert_eq!((backlog.forget(), backlog.is_empty()), (2, true));
    }
}
