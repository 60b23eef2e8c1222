//! The face of a session: what it is told, and what it wants done.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::dialogue::Write;
use crate::ladder::Rung;
use crate::secret::Secret;
use crate::snapshot::{Notice, Outcome, Part};
use crate::{Owners, Place};

/// What a session is told. Each is taken at any time; what cannot be done then is answered, queued or ignored, as it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The port was opened. The dialogue is found and the modem brought up.
    Opened {
        /// Its path.
        port: PathBuf,
        /// USB vendor and product; nothing for a plain serial line.
        usb: Option<(u16, u16)>,
    },
    /// The port cannot be opened, or is gone. What was under way is settled. The sentence says why.
    Lost(String),
    /// The port takes no octets. What was under way is settled, and the next rung is climbed. The sentence says why.
    Stuck(String),
    /// Octets were read.
    Received(Vec<u8>),
    /// Time passed.
    Tick,
    /// Send these parts in order. An [`Output::Settle`] answers each order exactly once. No octet of a PDU leaves before
    /// [`Input::Gate`] opens.
    Submit(Vec<Part>),
    /// The gate of the order under way opened (`true`), or will never open.
    Gate(bool),
    /// Not one octet of the body that was to be written left.
    BodyUnsent,
    /// Take no more orders; the one under way is finished.
    Pause,
    /// Take orders again.
    Resume,
    /// Begin anew with the device, once no message is on the air.
    Reset,
    /// Messages through it fail, and the sentence says how: climb for it, if the ladder finds it time.
    Cure(String),
    /// Finish the message on the air within this time, then close the port for good.
    Stop(Duration),
    /// Delete a message that was announced with this place.
    Discard(Place),
    /// Ask the network, or answer it while it waits for an answer; without a code, end the dialogue. An
    /// [`Output::Ussd`] answers each exactly once.
    Ussd {
        /// Such as `*100#`.
        code: Option<Secret<String>>,
        /// How long the network may take.
        timeout: Duration,
    },
    /// The answer to [`Output::TryPin`]: `Ok(true)`: it is noted for certain, and the try may be made.
    PinNoted(Result<bool, String>),
    /// The subscriber had no room for this many notices; none of them a received message.
    NoticesLost(u64),
    /// There is no port to open. [`Output::Close`] may say what is to be done about it.
    Missing,
    /// A rung that needs no port is climbed, or could not be and why. [`Output::Close`] may name the next.
    Climbed {
        /// The rung.
        rung: Rung,
        /// An error without a sentence: there is nothing to do it with.
        done: Result<(), Option<String>>,
    },
}

/// What the session wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Write this, in one piece.
    Write(Write),
    /// The order ended.
    Settle(Outcome),
    /// The USSD request ended.
    Ussd(Result<UssdAnswer, String>),
    /// Note durably that the PIN is being tried, unless it was noted before, and tell by [`Input::PinNoted`].
    TryPin {
        /// Whose PIN it is.
        owners: Owners,
        /// The PIN.
        pin: Secret<String>,
    },
    /// The PIN was accepted: its note goes.
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
    /// To cure the device without it, and to open it again.
    Cure(Rung),
    /// For good.
    Stop,
}

/// What the network answered to a USSD request. Its `Debug` shows no text.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct UssdAnswer {
    /// The text; empty when a dialogue was only ended.
    pub text: String,
    /// The network waits for an answer.
    pub open: bool,
}

impl fmt::Debug for UssdAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UssdAnswer").field("open", &self.open).finish_non_exhaustive()
    }
}
