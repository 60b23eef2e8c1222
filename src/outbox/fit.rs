//! How well a modem fits a number, whatever it has to do: for the choice among the modems of a host, and among hosts.

use super::Home;
use crate::phone::{PhoneNumber, Range};

/// How well a modem fits a number; the greater, the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fit {
    /// How many characters the longest of its routes that fits has; 0 without routes.
    pub route: usize,
    /// Whether its SIM is in its home network.
    pub at_home: bool,
    /// How near its SIM's country is to the number, as [`Home::nearness`] tells.
    pub nearness: usize,
}

impl Fit {
    /// That of a modem with this [`route`] to a number of this range.
    pub fn new(route: usize, roaming: bool, home: Home, range: Range) -> Self {
        Self { route, at_home: !roaming, nearness: home.nearness(range) }
    }
}

/// How closely routes fit a number: the length of the longest prefix that fits, zero without routes; `None` when the
/// number may not be served.
pub fn route(routes: Option<&[String]>, to: &PhoneNumber) -> Option<usize> {
    let Some(routes) = routes else { return Some(0) };
    routes.iter().filter(|prefix| to.as_str().starts_with(prefix.as_str())).map(String::len).max()
}
