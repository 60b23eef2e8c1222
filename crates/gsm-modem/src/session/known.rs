//! What a session knows of its modem beyond what it is doing: it outlives every procedure.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::fault::Fault;
use super::input::Output;
use super::pace::Pace;
use super::storage::Storage;
use super::ussd_dialogue::{Request, UssdDialogue};

use crate::at::{Charset, Domain, Registration};
use crate::ladder::Ladder;
use crate::profiles::{Identity, Profile};
use crate::settings::{Roaming, Settings};
use crate::snapshot::Snapshot;

/// How often an awakening may have the settings made again in [`READY_CODE_SPAN`]: a modem that reports one in
/// answer to the settings themselves must not be set up for ever.
const READY_CODES: u8 = 3;
const READY_CODE_SPAN: Duration = Duration::from_secs(60);

/// What is known.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) settings: Settings,
    /// The family that it belongs to, as far as is known.
    pub(super) profile: Arc<Profile>,
    usb: Option<(u16, u16)>,
    pub(super) view: View,
    /// What a person should know although the modem works.
    pub(super) hint: Option<Fault>,
    pub(super) outputs: VecDeque<Output>,
    pub(super) ladder: Ladder,
    pub(super) format: Format,
    /// The domain whose registration counts; nothing when the modem knows none.
    pub(super) domain: Option<Domain>,
    pub(super) storage: Storage,
    pub(super) pending: Pending,
    pub(super) pace: Pace,
    pub(super) pin: PinState,
    pub(super) ussd_dialogue: UssdDialogue,
    /// When the procedure wants to be woken.
    pub(super) timer: Option<Instant>,
}

/// The snapshot and what it is made from.
#[derive(Debug, Default)]
pub(super) struct View {
    pub(super) snapshot: Snapshot,
    /// The snapshot changed since somebody asked.
    pub(super) dirty: bool,
    /// What `last_error` says.
    pub(super) fault: Option<Fault>,
    /// The first fault of the trouble that the modem is in: what follows is of its cure.
    pub(super) cause: Option<Fault>,
    /// When the log was last told what went before a failure.
    pub(super) logged_at: Option<Instant>,
}

/// In which form messages are said, and what is known of the settings for that.
#[derive(Debug, Default)]
pub(super) struct Format {
    /// When `AT+CMGF` was last known to be in force; nothing when something speaks against it.
    proven: Option<Instant>,
    pub(super) echo: Echo,
    /// `AT+CMMS` was refused: not asked again until the modem begins anew.
    pub(super) more_refused: bool,
    /// `+CSMS: 1` cannot be left: messages that are handed over want an acknowledgement.
    pub(super) acknowledges: bool,
    /// Found out: the modem loses octets that come right behind the prompt.
    pub(super) prompt_pause: Duration,
    pub(super) text: TextMode,
}

/// A modem that answers nothing for so long may have begun anew without a word; a start takes longer.
const UNPROVEN: Duration = Duration::from_millis(100);

impl Format {
    /// `AT+CMGF` was taken.
    pub(super) fn was_set(&mut self, now: Instant) {
        self.proven = Some(now);
    }

    /// Something speaks against its being in force.
    pub(super) fn set_doubtful(&mut self) {
        self.proven = None;
    }

    /// Whether it is in force for certain.
    pub(super) fn is_certain(&self, now: Instant) -> bool {
        self.proven.is_some_and(|at| now.saturating_duration_since(at) <= UNPROVEN)
    }

    /// A command ended. Where it was certain a moment ago it is so still: what answers without a gap did not begin anew.
    pub(super) fn answered(&mut self, now: Instant) {
        if self.is_certain(now) {
            self.proven = Some(now);
        }
    }

    /// A message was taken that left in this format.
    pub(super) fn was_used(&mut self, now: Instant) {
        self.proven = self.proven.map(|_| now);
    }
}

/// Whether the modem gives back what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Echo {
    /// Nobody knows yet.
    #[default]
    Unknown,
    /// It was switched off, and stayed off: a command that comes back tells of a modem that began anew.
    Off,
    /// It cannot be switched off.
    On,
}

/// How text mode stands, on a modem that is driven in it.
#[derive(Debug, Default)]
pub(super) struct TextMode {
    pub(super) on: bool,
    /// The alphabet in force; nothing while a change of it is unanswered.
    pub(super) charset: Option<Charset>,
    /// The alphabet for sending, and for everything but reading.
    pub(super) plain: Charset,
    /// `+CSMP` in force; nothing while a change of it is unanswered.
    pub(super) parameters: Option<[u8; 4]>,
    /// `+CSMP` was taken once: what a refusal leaves in force may be anything.
    pub(super) has_parameters: bool,
    /// The service centre is to be set once more: on some modems `+CSMP` clears it.
    pub(super) centre_due: bool,
    /// An alphabet was taken at all, so that one can be left again.
    pub(super) switches: bool,
    /// The modem lists PDU mode, though it refuses it.
    pub(super) lists_pdu: bool,
}

/// What became of the configured PIN since the start.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum PinState {
    #[default]
    Untried,
    /// Given and accepted; may be given again after the device began anew.
    Accepted,
    /// Accepted before, and the device began anew since.
    AcceptedBefore,
    /// Refused, or given without an answer. Never again.
    Spent,
}

impl PinState {
    pub(super) fn device_began_anew(&mut self) {
        if *self == Self::Accepted {
            *self = Self::AcceptedBefore;
        }
    }
}

/// What waits until the session is idle.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// The port is to be closed for good; at the latest then.
    pub(super) stop: Option<Instant>,
    pub(super) restart: bool,
    pub(super) bring_up: bool,
    /// Messages through it fail, and how.
    pub(super) cure: Option<String>,
    /// Messages that were handed over and want `+CNMA`.
    pub(super) acknowledge: u32,
    pub(super) ussd: Option<Request>,
    /// When the modem is asked whether it lives.
    pub(super) keep_alive: Option<Instant>,
    ready_codes: ReadyCodes,
}

/// ReadyCodes that had the settings made again, since when.
#[derive(Debug, Default)]
struct ReadyCodes {
    since: Option<Instant>,
    count: u8,
}

impl Pending {
    /// A part of the modem became ready, or the modem began anew: whether the settings are made again.
    pub(super) fn ready_code_counts(&mut self, now: Instant) -> bool {
        let ready_codes = &mut self.ready_codes;
        if ready_codes.since.is_none_or(|since| now.saturating_duration_since(since) > READY_CODE_SPAN) {
            *ready_codes = ReadyCodes { since: Some(now), count: 0 };
        }
        ready_codes.count = ready_codes.count.saturating_add(1);
        ready_codes.count <= READY_CODES
    }
}

impl Known {
    pub(super) fn new(settings: Settings) -> Self {
        let snapshot = Snapshot { port: settings.find.to_string(), ..Snapshot::default() };
        Self {
            profile: settings.profiles.of(&Identity::default()),
            usb: None,
            view: View { snapshot, dirty: true, ..View::default() },
            hint: None,
            outputs: VecDeque::new(),
            ladder: Ladder::new(settings.timing.ladder),
            format: Format::default(),
            domain: Some(Domain::Cs),
            storage: Storage::default(),
            pending: Pending::default(),
            pace: Pace::default(),
            pin: PinState::default(),
            ussd_dialogue: UssdDialogue::default(),
            timer: None,
            settings,
        }
    }

    pub(super) fn on_usb(&mut self, usb: Option<(u16, u16)>) {
        self.usb = usb;
        self.choose_profile();
    }

    /// Chooses the family anew from what the modem said of itself.
    pub(super) fn choose_profile(&mut self) {
        let seen = &self.view.snapshot;
        let said = Identity {
            maker: &seen.equipment.manufacturer,
            model: &seen.equipment.model,
            firmware: &seen.equipment.firmware,
            usb: self.usb,
        };
        let profile = self.settings.profiles.of(&said);
        if profile.name != self.profile.name {
            tracing::debug!(modem = %self.settings.name, profile = profile.name, "profile");
        }
        self.profile = profile;
    }

    /// Whether messages may be sent with this registration. One that is not understood is not the home network.
    pub(super) fn may_send(&self, registration: Registration) -> bool {
        registration.is_registered()
            && !(registration == Registration::Roaming && self.settings.roaming == Roaming::Forbidden)
    }

    /// The device may have begun anew: what was set in it is unknown.
    pub(super) fn begin_anew(&mut self) {
        self.pending.bring_up = false;
        self.pending.keep_alive = None;
        self.format = Format { prompt_pause: self.format.prompt_pause, ..Format::default() };
        self.domain = Some(Domain::Cs);
        self.hint = None;
        self.storage.sim_unknown();
    }
}
