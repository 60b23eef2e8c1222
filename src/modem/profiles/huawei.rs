//! Huawei sticks (E1550 to E3372): their reports of signal and mode are switched off, and USSD takes text.

use super::{NEW_MESSAGES, Profile};

pub(super) const PROFILE: Profile = Profile {
    name: "huawei",
    words: &["huawei", "brovi"],
    init: &["AT^CURC=0", "AT^USSDMODE=0"],
    iccid: &["AT^ICCID?", "AT+CCID", "AT+ICCID"],
    new_messages: NEW_MESSAGES,
};
