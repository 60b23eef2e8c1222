//! What families of modems need beyond the standard, as data: a table a family. A modem that no table names
//! is driven by the standard alone.

mod cinterion;
mod huawei;
mod qualcomm;
mod quectel;
mod simcom;
mod telit;
mod ublox;
mod zte;

/// One family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// Its name.
    pub name: &'static str,
    /// Words of `AT+CGMI` or `AT+CGMM` that tell it, in small letters.
    pub words: &'static [&'static str],
    /// Sent once the SIM is ready; each may be refused.
    pub init: &'static [&'static str],
    /// Commands for the number of the SIM card, in the order they are tried.
    pub iccid: &'static [&'static str],
    /// Values of `AT+CNMI`, the first that is taken stays. Messages are always stored (mt=1).
    pub new_messages: &'static [[u8; 5]],
}

/// Mode 2 holds codes back while the line is busy; some only know 1. Reports come as codes (ds=1) where they can,
/// else as places in the storage (ds=2), else not at all; some flush nothing (bfr=1).
const NEW_MESSAGES: &[[u8; 5]] = &[
    [2, 1, 2, 1, 0],
    [2, 1, 0, 1, 0],
    [1, 1, 0, 1, 0],
    [2, 1, 0, 1, 1],
    [2, 1, 0, 2, 0],
    [1, 1, 0, 2, 1],
    [2, 1, 0, 0, 0],
    [1, 1, 0, 0, 0],
    [1, 1, 0, 0, 1],
];

/// The standard alone.
const GENERIC: Profile = Profile {
    name: "generic",
    words: &[],
    init: &[],
    iccid: &["AT+CCID", "AT+ICCID"],
    new_messages: NEW_MESSAGES,
};

const ALL: &[&Profile] = &[
    &huawei::PROFILE,
    &zte::PROFILE,
    &quectel::PROFILE,
    &simcom::PROFILE,
    &ublox::PROFILE,
    &telit::PROFILE,
    &cinterion::PROFILE,
    &qualcomm::PROFILE,
];

/// The family that maker and model belong to.
pub fn of(manufacturer: &str, model: &str) -> &'static Profile {
    let names = format!("{manufacturer} {model}").to_lowercase();
    ALL.iter()
        .find(|profile| profile.words.iter().any(|word| names.contains(word)))
        .copied()
        .unwrap_or(&GENERIC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_by_their_own_words() {
        for (maker, model, name) in [
            ("huawei", "E1752", "huawei"),
            ("ZTE INCORPORATED", "MF190", "zte"),
            ("Quectel", "EC25", "quectel"),
            ("SIMCOM_Ltd", "SIMCOM_SIM800L", "simcom"),
            ("SIMCOM INCORPORATED", "A7670E", "simcom"),
            ("u-blox", "SARA-R422S", "u-blox"),
            ("Telit", "LE910C1-EU", "telit"),
            ("Cinterion", "EHS6", "cinterion"),
            ("SIEMENS", "MC55", "cinterion"),
            ("WAVECOM MODEM", "MULTIBAND", "generic"),
            ("", "", "generic"),
        ] {
            assert_eq!(of(maker, model).name, name, "{maker} {model}");
        }
    }

    #[test]
    fn every_message_stays_stored() {
        for profile in ALL.iter().copied().chain([&GENERIC]) {
            assert!(profile.new_messages.iter().all(|values| values[1] == 1), "{}", profile.name);
            assert!(!profile.new_messages.is_empty());
        }
    }
}
