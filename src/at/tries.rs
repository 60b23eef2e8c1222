//! How many tries the SIM has left for its PIN (3GPP TS 27.007 clause 8.65, and the makers' own commands): a PIN
//! is worth a try only while a wrong one does not lock the SIM.

use super::reply::fields;

/// A way to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinTries {
    /// `AT+CPINR`: `+CPINR: SIM PIN,3,3`, a line for each password.
    Standard,
    /// `AT^CPIN?`: `^CPIN: SIM PIN,3,10,3,10,3`: the state, its tries, then PUK, PIN, PUK2, PIN2.
    Huawei,
    /// `AT+QPINC?`: `+QPINC: "SC",3,10`, a line for each password.
    Quectel,
    /// `AT+SPIC`: `+SPIC: 3,10,3,10`, the PIN's first.
    Simcom,
    /// `AT+UPINCNT`: `+UPINCNT: 3,3,10,10`, the PIN's first.
    Ublox,
    /// `AT#PCT`: `#PCT: 3`, of the password that is asked for.
    Telit,
    /// `AT^SPIC`: `^SPIC: 3`, of the password that is asked for.
    Cinterion,
    /// `AT+ZPINPUK=?`: `+ZPINPUK: 3,10`, the PIN's first.
    Zte,
}

impl PinTries {
    /// The command.
    pub const fn line(self) -> &'static str {
        match self {
            Self::Standard => "AT+CPINR",
            Self::Huawei => "AT^CPIN?",
            Self::Quectel => "AT+QPINC?",
            Self::Simcom => "AT+SPIC",
            Self::Ublox => "AT+UPINCNT",
            Self::Telit => "AT#PCT",
            Self::Cinterion => "AT^SPIC",
            Self::Zte => "AT+ZPINPUK=?",
        }
    }

    /// The head of its answer.
    pub const fn head(self) -> &'static str {
        match self {
            Self::Standard => "+CPINR",
            Self::Huawei => "^CPIN",
            Self::Quectel => "+QPINC",
            Self::Simcom => "+SPIC",
            Self::Ublox => "+UPINCNT",
            Self::Telit => "#PCT",
            Self::Cinterion => "^SPIC",
            Self::Zte => "+ZPINPUK",
        }
    }

    /// The PIN's tries, if this line of the answer tells them.
    pub fn left(self, body: &str) -> Option<u8> {
        let fields = fields(body);
        let place = match self {
            Self::Standard if fields[0].eq_ignore_ascii_case("SIM PIN") => 1,
            Self::Quectel if fields[0].eq_ignore_ascii_case("SC") => 1,
            Self::Standard | Self::Quectel => return None,
            Self::Huawei => 3,
            Self::Simcom | Self::Ublox | Self::Telit | Self::Cinterion | Self::Zte => 0,
        };
        fields.get(place)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_maker_counts_its_own_way() {
        use PinTries::{Cinterion, Huawei, Quectel, Simcom, Standard, Telit, Ublox, Zte};
        for (way, body, left) in [
            (Standard, "SIM PIN,3,3", Some(3)),
            (Standard, "\"SIM PIN\",1,3", Some(1)),
            (Standard, "SIM PIN,0", Some(0)),
            (Standard, "SIM PIN2,3,3", None),
            (Standard, "SIM PUK,10,10", None),
            (Huawei, "SIM PIN,2,10,2,10,3", Some(2)),
            (Huawei, "READY,,10,3,10,3", Some(3)),
            (Huawei, "SIM PIN", None),
            (Quectel, "\"SC\",3,10", Some(3)),
            (Quectel, "\"P2\",3,10", None),
            (Simcom, "1,10,0,10", Some(1)),
            (Simcom, "3", Some(3)),
            (Ublox, "3,3,10,10", Some(3)),
            (Telit, "2", Some(2)),
            (Cinterion, "3", Some(3)),
            (Zte, "3,10", Some(3)),
            (Zte, "", None),
            (Telit, "999", None),
        ] {
            assert_eq!(way.left(body), left, "{way:?} {body}");
        }
    }
}
