//! Where codes may be sent and how many may be issued.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Rate;
use crate::phone::PhoneNumber;

/// The policy for destinations, and the rates of issued codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// For each number.
    pub per_number: Vec<Rate>,
    /// For each client.
    pub per_client: Vec<Rate>,
    /// For the first seven digits of a number.
    pub per_prefix: Vec<Rate>,
    /// For all codes together.
    pub total: Vec<Rate>,
    /// Wrong codes for each number, over all of its verifications.
    pub guesses_per_number: Vec<Rate>,
    /// By the name of a key that a caller gives with an issue: for each value of that key.
    pub keys: BTreeMap<String, Vec<Rate>>,
    /// If there are any, only numbers with these prefixes are allowed.
    pub allow_prefixes: Option<Vec<String>>,
    /// Numbers with these prefixes are refused.
    pub deny_prefixes: Vec<String>,
}

impl Default for Limits {
    fn default() -> Self {
        let rate = |count, seconds| Rate { count, per: Duration::from_secs(seconds) };
        Self {
            per_number: vec![rate(3, 600), rate(10, 86_400)],
            per_client: vec![rate(600, 60)],
            per_prefix: vec![rate(100, 600)],
            total: vec![rate(5000, 3600)],
            guesses_per_number: vec![rate(15, 86_400)],
            keys: BTreeMap::new(),
            allow_prefixes: None,
            deny_prefixes: Vec::new(),
        }
    }
}

impl Limits {
    /// Whether the policy allows a message to this number; the error is a sentence that says why not.
    pub fn permits(&self, to: &PhoneNumber) -> Result<(), String> {
        let begins = |prefix: &&String| to.as_str().starts_with(prefix.as_str());
        if let Some(prefix) = self.deny_prefixes.iter().find(begins) {
            return Err(format!("numbers that begin with {prefix} are in limits.deny_prefixes"));
        }
        match &self.allow_prefixes {
            Some(allowed) if !allowed.iter().any(|p| begins(&p)) => {
                Err("the number begins with none of limits.allow_prefixes".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// The windows in which one more code to `to` for `client` counts. Of each key that the caller gave there is its
    /// name, and a hash in place of its value.
    pub fn codes(&self, to: &PhoneNumber, client: Option<&str>, keys: &[(String, String)]) -> Vec<Place> {
        let mut places = Vec::new();
        let mut add = |rates: &[Rate], limit: &str, subject: String| {
            places.extend(rates.iter().map(|&rate| Place::new(limit, &subject, rate)));
        };
        add(&self.per_number, "per_number", format!("number {}", to.as_str()));
        add(&self.per_client, "per_client", format!("client {}", client.unwrap_or_default()));
        add(&self.per_prefix, "per_prefix", format!("prefix {}", to.prefix()));
        add(&self.total, "total", "total".to_owned());
        for (name, hash) in keys {
            let rates = self.keys.get(name).map(Vec::as_slice).unwrap_or_default();
            add(rates, &format!("keys.{name}"), format!("key {name} {hash}"));
        }
        places
    }

    /// The windows in which a wrong code for `to` counts.
    pub fn guesses(&self, to: &PhoneNumber) -> Vec<Place> {
        let subject = format!("guesses {}", to.as_str());
        let place = |&rate| Place::new("guesses_per_number", &subject, rate);
        self.guesses_per_number.iter().map(place).collect()
    }
}

/// A window: where it stands in the store, and against which rate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What it counts for, by which the store finds it. It is kept as a hash: it may have a number in it.
    pub subject: String,
    /// The rate.
    pub rate: Rate,
    /// The key of `[limits]` that the rate stands under, such as `per_number`.
    pub limit: String,
}

impl Place {
    fn new(limit: &str, subject: &str, rate: Rate) -> Self {
        Self { subject: subject.to_owned(), rate, limit: limit.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is counted goes on under these subjects and spans over an update of the program.
    #[test]
    fn each_window_has_a_place_of_its_own_and_keeps_it() {
        let rates = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Rate>>();
        let limits =
            Limits { keys: BTreeMap::from([("ip".to_owned(), rates(&["10/1h"]))]), ..Limits::default() };
        let to = "+41791234567".parse().unwrap();
        let given = [("ip".to_owned(), "c0ffee".to_owned()), ("gone".to_owned(), "ab".to_owned())];
        let places: Vec<_> =
            limits.codes(&to, Some("web"), &given).into_iter().chain(limits.guesses(&to)).collect();
        let told: Vec<_> =
            places.iter().map(|p| (p.limit.as_str(), p.subject.as_str(), p.rate.per.as_secs())).collect();
        assert_eq!(
            told,
            [
                ("per_number", "number +41791234567", 600),
                ("per_number", "number +41791234567", 86400),
                ("per_client", "client web", 60),
                ("per_prefix", "prefix 4179123", 600),
                ("total", "total", 3600),
                ("keys.ip", "key ip c0ffee", 3600),
                ("guesses_per_number", "guesses +41791234567", 86400),
            ]
        );
    }

    #[test]
    fn denied_goes_before_allowed() {
        let limits = Limits {
            allow_prefixes: Some(vec!["+41".to_owned()]),
            deny_prefixes: vec!["+4190".to_owned()],
            ..Limits::default()
        };
        let permits = |number: &str| limits.permits(&number.parse().unwrap()).is_ok();
        assert!(permits("+41791234567"));
        assert!(!permits("+41901234567"));
        assert!(!permits("+49791234567"));
        assert!(Limits::default().permits(&"+49791234567".parse().unwrap()).is_ok());
    }
}
