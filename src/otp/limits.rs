//! Where codes may be sent and how many may be issued.

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

    /// The windows in which one more code to `to` for `client` counts: the key of each window, the rate, and
    /// the limit's name for a person.
    pub fn windows(&self, to: &PhoneNumber, client: Option<&str>) -> Vec<(String, Rate, &'static str)> {
        let prefix: String = to.digits().chars().take(7).collect();
        let groups = [
            (&self.per_number, format!("number {}", to.as_str()), "limits.per_number"),
            (&self.per_client, format!("client {}", client.unwrap_or_default()), "limits.per_client"),
            (&self.per_prefix, format!("prefix {prefix}"), "limits.per_prefix"),
            (&self.total, "total".to_owned(), "limits.total"),
        ];
        groups
            .into_iter()
            .flat_map(|(rates, key, limit)| {
                rates.iter().map(move |&rate| (format!("{key} {}", rate.per.as_secs()), rate, limit))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
