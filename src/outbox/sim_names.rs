//! The names that a SIM tells: its ICCID and its IMSI. Either may be known at one start and unknown at the next, so
//! neither alone is what a SIM is called.

/// What a SIM said of itself; a name that it did not tell is absent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SimNames {
    /// The number of the card (ITU-T E.118).
    pub iccid: Option<String>,
    /// The number of the subscription (3GPP TS 23.003 clause 2.2).
    pub imsi: Option<String>,
}

impl SimNames {
    /// The names as a modem gave them; an empty one is none.
    pub fn new(iccid: Option<String>, imsi: Option<String>) -> Self {
        let told = |name: Option<String>| name.filter(|name| !name.is_empty());
        Self { iccid: told(iccid), imsi: told(imsi) }
    }

    /// Whether it told none.
    pub const fn is_empty(&self) -> bool {
        self.iccid.is_none() && self.imsi.is_none()
    }
}
