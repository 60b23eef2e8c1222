//! `Quectel` (`EC2x`, `EG9x`, `BG96`, `M35`).

use super::{NEW_MESSAGES, Profile};

pub(super) const PROFILE: Profile = Profile {
    name: "quectel",
    words: &["quectel"],
    init: &[],
    iccid: &["AT+QCCID", "AT+CCID", "AT+ICCID"],
    new_messages: NEW_MESSAGES,
};
