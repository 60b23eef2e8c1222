//! Sierra, Novatel and other Qualcomm devices: many refuse reports as codes in mode 2.

use super::Profile;

pub(super) const PROFILE: Profile = Profile {
    name: "qualcomm",
    words: &["sierra", "novatel", "qualcomm"],
    init: &[],
    iccid: &["AT+ICCID", "AT!ICCID?", "AT+CCID"],
    new_messages: &[
        [2, 1, 0, 1, 0],
        [1, 1, 0, 1, 0],
        [2, 1, 0, 2, 0],
        [1, 1, 0, 2, 0],
        [2, 1, 0, 0, 0],
        [1, 1, 0, 0, 0],
    ],
};
