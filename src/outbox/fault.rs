//! Why a message was not accepted, and what the error is about: only the network's answer about the recipient ends
//! a message.

/// What an error is about, which decides what is done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultClass {
    /// The network's answer about the recipient: the message ends.
    Recipient,
    /// The network refused the message, and it is unknown whether the message or the SIM is at fault: another
    /// SIM may try it once.
    Refused,
    /// A temporary fault of the network: the message is tried later, through any modem.
    Transient,
    /// A fault of the modem: the message is tried at once through another modem, and later through this one.
    Modem,
    /// A fault of the SIM or its subscription: the message is tried at once through another modem, and later
    /// through this one, however often.
    Sim,
    /// The service centre already has the same message.
    Duplicate,
}

/// Why a message was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What it is about.
    pub class: FaultClass,
    /// For a person: the cause and its number.
    pub text: String,
}

/// Whether a failed send counts as an attempt of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// It counts.
    Counted,
    /// It does not count: the message was not at fault, and may wait for its modem or its SIM as long as it lives.
    Free,
}

/// The judgement of a send that a modem or the network refused, with regard to everything that the modem did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judgement {
    /// What the error is about. A refusal through a SIM that refuses everything is about that SIM.
    pub class: FaultClass,
    /// Whether the send counts.
    pub attempt: Attempt,
}

/// Which other modem could send a message that one modem could not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// No other modem of the configuration may send it.
    Nobody,
    /// Another modem may send it, and is not in service now.
    Away,
    /// A modem that is in service may send it.
    Here,
}
