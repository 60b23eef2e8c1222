//! Why a message was not taken, and whom that is about: only the network's word about the recipient ends a message.

/// What an error is about, and so what is to be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultClass {
    /// The network's word about the recipient: the message ends.
    Recipient,
    /// The network refused the message, and nobody knows whether the message or the SIM is at fault: another SIM may
    /// try it once.
    Refused,
    /// The network's trouble, which passes: later, anywhere.
    Transient,
    /// The modem's trouble: at once elsewhere, here later.
    Modem,
    /// The SIM's trouble, or its subscription's: at once elsewhere, here later, however often.
    Sim,
    /// The service centre has the same message already.
    Duplicate,
}

/// Why a message was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What it is about.
    pub class: FaultClass,
    /// For a person: the cause and its number.
    pub text: String,
}

/// Whether a send that failed counts among those that a message has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// It does.
    Counted,
    /// It was no fault of the message, which may wait for its modem or its SIM as long as it lives.
    Free,
}

/// What is known of a send that a modem or the network refused, when all that the modem did is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judgement {
    /// What the error is about. A refusal through a SIM that refuses everything is about that SIM.
    pub class: FaultClass,
    /// Whether the send counts.
    pub attempt: Attempt,
}

/// Who else could send a message that one modem could not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// No other modem of the configuration may send it.
    Nobody,
    /// One may, and is not in service now.
    Away,
    /// One that is in service may.
    Here,
}
