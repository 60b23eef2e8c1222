//! Telit: `#QSS` tells when the SIM is ready for messages.

use super::{NEW_MESSAGES, Profile};

pub(super) const PROFILE: Profile = Profile {
    name: "telit",
    words: &["telit"],
    init: &["AT#QSS=2"],
    iccid: &["AT#CCID", "AT+CCID", "AT+ICCID"],
    new_messages: NEW_MESSAGES,
};
