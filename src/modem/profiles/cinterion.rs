//! Cinterion and Siemens: by factory setting a failed send may be answered with OK; `^SM20` ends that.

use super::{NEW_MESSAGES, Profile};

pub(super) const PROFILE: Profile = Profile {
    name: "cinterion",
    words: &["cinterion", "siemens", "gemalto", "thales"],
    init: &["AT^SM20=0,0"],
    iccid: &["AT^SCID", "AT+CCID", "AT+ICCID"],
    new_messages: NEW_MESSAGES,
};
