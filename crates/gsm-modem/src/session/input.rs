//! The interface of a session: its inputs, and the outputs that it wants carried out.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::dialogue::Write;
use crate::ladder::Rung;
use crate::secret::Secret;
use crate::snapshot::{Notice, Outcome, Part};
use crate::{Owners, Place};

/// An input of a session. Each is accepted at any time; an input that cannot be acted on then is answered, queued or
/// ignored, as its description says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The port was opened. The session synchronises the dialogue and brings the modem up.
    Opened {
        /// Its path.
        port: PathBuf,
        /// USB vendor and product; `None` for a plain serial line.
        usb: Option<(u16, u16)>,
    },
    /// The port cannot be opened, or is gone. What was in progress is settled. The sentence says why.
    Lost(String),
    /// The port accepts no octets. What was in progress is settled, and the next rung is climbed. The sentence says
    /// why.
    Stuck(String),
    /// Octets were read.
    Received(Vec<u8>),
    /// Time passed.
    Tick,
    /// Send these parts in order. An [`Output::Settle`] answers each order exactly once. No octet of a PDU leaves before
    /// [`Input::Gate`] opens.
    Submit(Vec<Part>),
    /// The gate of the order in progress opened (`true`), or will never open.
    Gate(bool),
    /// No octet of the body that was to be written has left.
    BodyUnsent,
    /// Take no more orders; the one in progress is finished.
    Pause,
    /// Take orders again.
    Resume,
    /// Restart the device, once no message is on the air.
    Reset,
    /// Messages through this modem fail, and the sentence says how: climb the ladder for that, if the ladder
    /// allows it now.
    Cure(String),
    /// A message that was on the air before this session began may still be answered.
    ExpectLate,
    /// Finish the message on the air within this time, then close the port for good.
    Stop(Duration),
    /// Delete a message that was announced with this place.
    Discard(Place),
    /// Send a USSD request to the network, or answer the network while it waits for an answer; without a
    /// code, end the dialogue. An [`Output::Ussd`] answers each exactly once.
    Ussd {
        /// A code such as `*100#`.
        code: Option<Secret<String>>,
        /// How long the network may take.
        timeout: Duration,
    },
    /// The answer to [`Output::TryPin`]. `Ok(true)`: the try is noted on disk, and may be made.
    PinNoted(Result<bool, String>),
    /// The subscriber had no room for this many notices; none of them a received message.
    NoticesLost(u64),
    /// There is no port to open. [`Output::Close`] may say what is to be done about it.
    Missing,
    /// A rung that needs no port was climbed, or could not be, with the reason. [`Output::Close`] may name
    /// the next one.
    Climbed {
        /// The rung.
        rung: Rung,
        /// An error without a sentence: the machine has nothing to do it with.
        done: Result<(), Option<String>>,
    },
}

/// An action that the session wants carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Write this, in one piece.
    Write(Write),
    /// The order ended.
    Settle(Outcome),
    /// The USSD request ended.
    Ussd(Result<UssdAnswer, String>),
    /// Note on disk that the PIN is being tried, unless that was noted before, and answer by [`Input::PinNoted`].
    TryPin {
        /// Whose PIN it is.
        owners: Owners,
        /// The PIN.
        pin: Secret<String>,
    },
    /// The PIN was accepted: the note is to be removed.
    PinAccepted {
        /// Whose PIN it is.
        owners: Owners,
        /// The PIN.
        pin: Secret<String>,
    },
    /// Tell the subscriber.
    Notice(Notice),
    /// Close the port.
    Close(Closing),
}

/// Why the port is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// To open it again.
    Reopen,
    /// To carry out this rung without the port, and to open the port again.
    Cure(Rung),
    /// For good.
    Stop,
}

/// What the network answered to a USSD request. Its `Debug` shows no text.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct UssdAnswer {
    /// The text; empty when a dialogue was only ended.
    pub text: String,
    /// Whether the network waits for an answer.
    pub open: bool,
}

impl fmt::Debug for UssdAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UssdAnswer").field("open", &self.open).finish_non_exhaustive()
    }
}
