//! What one modem may be used for, according to its operator.

use super::fit::route;
use crate::phone::PhoneNumber;

/// The rules of one modem and its SIM. A limit that is left out does not limit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ModemRules {
    /// Only numbers with these prefixes, if there are any.
    pub routes: Option<Vec<String>>,
    /// Parts in a minute.
    pub max_per_minute: Option<u32>,
    /// Parts in a day (UTC).
    pub max_per_day: Option<u32>,
    /// Parts in a month (UTC).
    pub max_per_month: Option<u32>,
    /// Different numbers in a month (UTC).
    pub max_recipients_per_month: Option<u32>,
    /// Percent of the limits of a day and of a month that only codes may use up.
    pub reserve: u8,
}

impl ModemRules {
    /// How closely its routes fit a number, as [`route`] tells.
    pub fn route(&self, to: &PhoneNumber) -> Option<usize> {
        route(self.routes.as_deref(), to)
    }

    /// How much of a limit is available to a message of this kind.
    pub(super) fn open_to(&self, limit: u32, otp: bool) -> u32 {
        if otp {
            return limit;
        }
        let kept = u64::from(limit) * u64::from(self.reserve.min(100)) / 100;
        limit - u32::try_from(kept).unwrap_or(limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_route_that_fits() {
        let to: PhoneNumber = "+41791234567".parse().unwrap();
        let with = |routes: &[&str]| ModemRules {
            routes: Some(routes.iter().map(ToString::to_string).collect()),
            ..ModemRules::default()
        };
        assert_eq!(ModemRules::default().route(&to), Some(0));
        assert_eq!(with(&["+41", "+4179", "+49"]).route(&to), Some(5));
        assert_eq!(with(&["+49"]).route(&to), None);
    }

    #[test]
    fn a_reserve_is_for_codes() {
        let rules = ModemRules { reserve: 10, ..ModemRules::default() };
        assert_eq!((rules.open_to(1000, true), rules.open_to(1000, false)), (1000, 900));
        assert_eq!(rules.open_to(9, false), 9, "a reserve of less than one part is none");
        assert_eq!(rules.open_to(u32::MAX, false), u32::MAX - u32::MAX / 10);
    }
}
