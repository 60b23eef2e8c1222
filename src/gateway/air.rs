//! What a modem has on the air, and what of it is in doubt.

use crate::id::MessageId;

/// A message that a modem has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OnAir {
    pub(super) id: MessageId,
    pub(super) leave: Leave,
    pub(super) role: Role,
    pub(super) answer: Answer,
}

/// Whether its PDU may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leave {
    /// Its claim is not on disk yet.
    Awaited,
    /// It may, and perhaps has.
    Given,
    /// It went out another way meanwhile, or is not wanted any more.
    Refused,
}

/// Whether the modem is the only one that sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It was when it was given the message.
    First,
    /// Another one was silent.
    Twin,
}

/// When the modem's answer is to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// In time.
    Awaited,
    /// It is later than is waited for with a code.
    Overdue,
}

impl OnAir {
    pub(super) const fn new(id: MessageId, role: Role) -> Self {
        Self { id, leave: Leave::Awaited, role, answer: Answer::Awaited }
    }
}

/// The send of unknown outcome to which a late answer of a modem belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Doubt {
    /// There is none.
    #[default]
    None,
    /// One part of this message.
    Of {
        id: MessageId,
        part: u8,
        /// The modem has answered to another message since: its next doubt is not mistaken for this one.
        answered: bool,
    },
    /// Two messages in a row: nobody can tell to which of them an answer belongs.
    Several,
}

impl Doubt {
    /// A send of this message ended unknown at this part.
    pub(super) fn arises(&mut self, id: MessageId, part: u8) {
        *self = match *self {
            Self::Of { id: other, answered: false, .. } if other != id => Self::Several,
            Self::Several => Self::Several,
            Self::None | Self::Of { .. } => Self::Of { id, part, answered: false },
        };
    }

    /// What it was before a start of the daemon; none: several messages.
    pub(super) fn recalled(&mut self, of: Option<(MessageId, u8)>) {
        *self = of.map_or(Self::Several, |(id, part)| Self::Of { id, part, answered: false });
    }

    /// The modem answered to a send of this message.
    pub(super) fn answered(&mut self, id: MessageId) {
        *self = match *self {
            Self::Of { id: other, part, .. } if other != id => {
                // Another message that went well meanwhile does not settle the doubt.
                Self::Of { id: other, part, answered: true }
            }
            Self::None | Self::Of { .. } | Self::Several => Self::None,
        };
    }

    /// The message and the part that a late answer settles.
    pub(super) fn settle(&mut self) -> Option<(MessageId, u8)> {
        match std::mem::take(self) {
            Self::Of { id, part, .. } => Some((id, part)),
            Self::None | Self::Several => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Steady;

    #[test]
    fn a_late_answer_belongs_to_one_message_or_to_none() {
        let [a, b] = [1, 2].map(|n| MessageId::first_at(Steady::from_millis(n)));
        let mut doubt = Doubt::default();
        assert_eq!(doubt.settle(), None);
        doubt.arises(a, 1);
        doubt.arises(a, 2);
        doubt.answered(b);
        assert_eq!((doubt.settle(), doubt.settle()), (Some((a, 2)), None), "once");
        doubt.arises(a, 0);
        doubt.answered(a);
        assert_eq!(doubt, Doubt::None, "it was sent again, and answered");
        doubt.arises(a, 0);
        doubt.arises(b, 0);
        assert_eq!(doubt.settle(), None, "of which of the two?");
        doubt.arises(a, 0);
        doubt.answered(b);
        doubt.arises(b, 0);
        assert_eq!(doubt.settle(), Some((b, 0)), "what came before it was answered for");
    }
}
