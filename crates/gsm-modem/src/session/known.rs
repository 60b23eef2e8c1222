//! What a session knows of its modem apart from what it is doing. This outlives every procedure.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::fault::Fault;
use super::input::Output;
use super::pace::Pace;
use super::storage::Storage;
use super::ussd_dialogue::{Request, UssdDialogue};

use crate::at::{Charset, Command, Domain, Registration};
use crate::ladder::Ladder;
use crate::profiles::{Identity, Profile};
use crate::settings::{Roaming, Settings};
use crate::snapshot::Snapshot;

/// How often codes that say a part of the modem is ready may have the settings made again in [`READY_CODE_SPAN`]: a
/// modem that sends one in answer to the settings themselves must not be set up for ever.
const READY_CODES: u8 = 3;
const READY_CODE_SPAN: Duration = Duration::from_secs(60);

/// What is known of the modem.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) settings: Settings,
    /// The family that the modem belongs to, as far as is known.
    pub(super) profile: Arc<Profile>,
    usb: Option<(u16, u16)>,
    pub(super) view: View,
    /// What a person should know although the modem works.
    pub(super) hint: Option<Fault>,
    pub(super) outputs: VecDeque<Output>,
    pub(super) ladder: Ladder,
    pub(super) format: Format,
    /// The domain whose registration counts; `None` when the modem has none.
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
    /// Whether the snapshot changed since it was last taken.
    pub(super) dirty: bool,
    /// The fault in `last_error`.
    pub(super) fault: Option<Fault>,
    /// The first fault of the present trouble; what follows is a fault of its recovery.
    pub(super) cause: Option<Fault>,
    /// When the log last got the lines before a failure.
    pub(super) logged_at: Option<Instant>,
}

/// The format of messages, and what is known of the settings for it.
#[derive(Debug, Default)]
pub(super) struct Format {
    /// When `AT+CMGF` was last known to be in force; `None` when there is reason for doubt.
    proven: Option<Instant>,
    pub(super) echo: Echo,
    /// The modem refused a command of its family's own, and may take it once a part of the modem is ready.
    pub(super) family_refused: bool,
    /// `AT+CMMS` was refused, and is not used again until the modem restarts.
    pub(super) more_refused: bool,
    /// `+CSMS: 1` cannot be switched off: messages that are handed over need an acknowledgement.
    pub(super) acknowledges: bool,
    /// The pause after the prompt, once the modem is known to lose octets that come right after it.
    pub(super) prompt_pause: Duration,
    pub(super) text: TextMode,
}

/// A modem that answers nothing for this long may have restarted without saying so; a restart takes longer.
const UNPROVEN: Duration = Duration::from_millis(100);

impl Format {
    /// The modem accepted `AT+CMGF`.
    pub(super) fn was_set(&mut self, now: Instant) {
        self.proven = Some(now);
    }

    /// There is reason to doubt that the format is in force.
    pub(super) fn set_doubtful(&mut self) {
        self.proven = None;
    }

    /// Whether the format is certainly in force.
    pub(super) fn is_certain(&self, now: Instant) -> bool {
        self.proven.is_some_and(|at| now.saturating_duration_since(at) <= UNPROVEN)
    }

    /// A command ended. If the format was certain a moment ago, it still is: a modem that answers without a gap did not
    /// restart.
    pub(super) fn answered(&mut self, now: Instant) {
        if self.is_certain(now) {
            self.proven = Some(now);
        }
    }

    /// A message that was sent in this format was accepted.
    pub(super) fn was_used(&mut self, now: Instant) {
        self.proven = self.proven.map(|_| now);
    }
}

/// Whether the modem echoes what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Echo {
    /// It is not known yet.
    #[default]
    Unknown,
    /// The echo was switched off, and stayed off: a command that is echoed shows that the modem restarted.
    Off,
    /// The echo cannot be switched off.
    On,
}

/// The state of text mode, on a modem that is driven in it.
#[derive(Debug, Default)]
pub(super) struct TextMode {
    pub(super) on: bool,
    /// The alphabet in force; `None` while a change of it is unanswered.
    pub(super) charset: Option<Charset>,
    /// The alphabet for sending, and for everything but reading.
    pub(super) plain: Charset,
    /// The `+CSMP` in force; `None` while a change of it is unanswered.
    pub(super) parameters: Option<[u8; 4]>,
    /// `+CSMP` was accepted once: after a refusal, any value may be in force.
    pub(super) has_parameters: bool,
    /// The service centre has to be set again: on some modems `+CSMP` clears it.
    pub(super) centre_due: bool,
    /// The modem has accepted an alphabet, so that it can be switched back.
    pub(super) switches: bool,
    /// The modem lists PDU mode, but refuses it.
    pub(super) lists_pdu: bool,
}

/// What became of the configured PIN since the start of the daemon.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum PinState {
    #[default]
    Untried,
    /// The PIN was entered and accepted, and may be entered again after a restart of the device.
    Accepted,
    /// The PIN was accepted before, and the device restarted since.
    AcceptedBefore,
    /// The PIN was refused, or entered without an answer. It is never entered again.
    Spent,
}

impl PinState {
    pub(super) fn device_restarted(&mut self) {
        if *self == Self::Accepted {
            *self = Self::AcceptedBefore;
        }
    }
}

/// Work that waits until the session is idle.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// The port is to be closed for good, at this instant at the latest.
    pub(super) stop: Option<Instant>,
    pub(super) restart: bool,
    pub(super) bring_up: bool,
    /// Messages through this modem fail, and this is how.
    pub(super) cure: Option<String>,
    /// How many messages were handed over and need `+CNMA`.
    pub(super) acknowledge: u32,
    pub(super) ussd: Option<Request>,
    /// When the modem is next asked whether it answers.
    pub(super) keep_alive: Option<Instant>,
    /// Questions of the keep-alive that got no answer, once for each time in a row.
    pub(super) unanswered: Vec<Command>,
    ready_codes: ReadyCodes,
}

/// How many ready codes had the settings made again, and since when.
#[derive(Debug, Default)]
struct ReadyCodes {
    since: Option<Instant>,
    count: u8,
}

impl Pending {
    /// A part of the modem became ready, or the modem restarted. Returns whether the settings are made again.
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

    /// Chooses the family again from what the modem says of itself.
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

    /// Whether messages may be sent with this registration. A registration that is not understood is not the
    /// home network.
    pub(super) fn may_send(&self, registration: Registration) -> bool {
        registration.is_registered()
            && !(registration == Registration::Roaming && self.settings.roaming == Roaming::Forbidden)
    }

    /// The device may have restarted: its settings are unknown.
    pub(super) fn forget_settings(&mut self) {
        self.pending.bring_up = false;
        self.pending.keep_alive = None;
        self.pending.unanswered.clear();
        self.format = Format { prompt_pause: self.format.prompt_pause, ..Format::default() };
        self.domain = Some(Domain::Cs);
        self.hint = None;
        self.storage.sim_unknown();
    }
}
