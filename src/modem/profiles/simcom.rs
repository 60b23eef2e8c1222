//! `SIMCom` (SIM800, SIM7600, A76xx): readiness codes are switched on where they can be.

use super::{NEW_MESSAGES, Profile};

pub(super) const PROFILE: Profile = Profile {
    name: "simcom",
    words: &["simcom", "sim800", "sim900", "sim7", "a7670"],
    init: &["AT+CIURC=1"],
    iccid: &["AT+CCID", "AT+CICCID", "AT+ICCID"],
    new_messages: NEW_MESSAGES,
};
