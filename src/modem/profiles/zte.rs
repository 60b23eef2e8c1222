//! ZTE sticks: asking for the storages stops a flood of `+ZUSIMR:2` that can crash them.

use super::{NEW_MESSAGES, Profile};

pub(super) const PROFILE: Profile = Profile {
    name: "zte",
    words: &["zte"],
    init: &["AT+CPMS?"],
    iccid: &["AT+CCID", "AT+ICCID", "AT+ZGETICCID"],
    new_messages: NEW_MESSAGES,
};
