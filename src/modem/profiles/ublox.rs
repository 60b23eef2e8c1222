//! u-blox (SARA, LISA, TOBY, LARA).

use super::{NEW_MESSAGES, Profile};

pub(super) const PROFILE: Profile = Profile {
    name: "u-blox",
    words: &["u-blox", "ublox"],
    init: &[],
    iccid: &["AT+CCID", "AT+CCID?"],
    new_messages: NEW_MESSAGES,
};
