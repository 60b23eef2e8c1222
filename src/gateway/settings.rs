//! What the gateway is told by the configuration, as checked values; replaced whole by a reload.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::inbox::Words;
use crate::otp::{Code, Policy, Rate, Template};
use crate::outbox::{BreakerRules, ModemRules, Retry};
use crate::phone::PhoneNumber;
use crate::secret::Secret;

/// Everything a reload may change.
#[derive(Debug, Clone)]
pub struct Settings {
    /// By name; `default` is always there.
    pub services: BTreeMap<String, Service>,
    /// Who may be sent to, and how often.
    pub limits: Limits,
    /// Messages that may wait.
    pub max_pending: usize,
    /// A code with less life left is not sent.
    pub min_life: Duration,
    /// When a message is tried again.
    pub retry: Retry,
    /// When a modem gets no more messages because they fail.
    pub breaker: BreakerRules,
    /// How long ended verifications are kept.
    pub keep_verifications: Duration,
    /// How long messages that are over are kept.
    pub keep_messages: Duration,
    /// How long received messages are kept.
    pub keep_inbox: Duration,
    /// By which words a recipient opts out.
    pub opt_out: Words,
    /// By modem name.
    pub modems: BTreeMap<String, ModemRules>,
}

/// One service: the rules of its codes and their texts.
#[derive(Debug, Clone)]
pub struct Service {
    /// The rules.
    pub policy: Policy,
    /// The text where no locale fits.
    pub template: Template,
    /// Texts by locale.
    pub locales: BTreeMap<String, Template>,
    /// The domain of the origin-bound last line (`WebOTP`).
    pub webotp_domain: Option<String>,
    /// The hash by which the SMS Retriever of Android knows the app.
    pub android_app_hash: Option<String>,
    /// Whether a delivery report is asked for.
    pub report: bool,
}

/// Policy of destinations, and the rates of issued codes.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// For each number.
    pub per_number: Vec<Rate>,
    /// For each client.
    pub per_client: Vec<Rate>,
    /// For the first seven digits of a number.
    pub per_prefix: Vec<Rate>,
    /// For all.
    pub total: Vec<Rate>,
    /// Only these, when there are any.
    pub allow_prefixes: Option<Vec<String>>,
    /// None of these.
    pub deny_prefixes: Vec<String>,
}

impl Settings {
    /// The rules of a modem.
    pub(super) fn rules(&self, modem: &str) -> ModemRules {
        self.modems.get(modem).cloned().unwrap_or_default()
    }
}

impl Service {
    /// The template for `locale`: the same tag, else that with its last part cut off, and so on (RFC 4647 section
    /// 3.4, lookup), else the service's own.
    pub fn template(&self, locale: Option<&str>) -> &Template {
        let normal = |tag: &str| tag.replace('_', "-").to_ascii_lowercase();
        let range = locale.map(normal).unwrap_or_default();
        let mut tag = range.as_str();
        loop {
            if let Some((_, template)) = self.locales.iter().find(|(name, _)| normal(name) == tag) {
                return template;
            }
            let Some((shorter, _)) = tag.rsplit_once('-') else { return &self.template };
            // A single letter only leads in what was cut off.
            tag = match shorter.rsplit_once('-') {
                Some((rest, last)) if last.len() == 1 => rest,
                _ => shorter,
            };
        }
    }

    /// The whole text of a message: the template, then the app's hash, then the origin-bound line, which has to
    /// be the last. Fails with the name of a value that is missing.
    pub fn render(
        &self,
        name: &str,
        code: &Code,
        locale: Option<&str>,
        values: &BTreeMap<String, String>,
        life: Duration,
    ) -> Result<Secret<String>, String> {
        let minutes = life.as_secs().div_ceil(60).max(1);
        let body = self.template(locale).render(code, minutes, name, values)?;
        let mut text = body.expose().clone();
        if let Some(hash) = &self.android_app_hash {
            text.push('\n');
            text.push_str(hash);
        }
        if let Some(domain) = &self.webotp_domain {
            text.push_str("\n@");
            text.push_str(domain);
            text.push_str(" #");
            text.push_str(code.expose());
        }
        Ok(Secret::new(text))
    }
}

impl Limits {
    /// Whether policy lets a message go to this number; the sentence that says why not.
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

    /// The windows that one more code to `to` for `client` counts in: the name it is kept under, the rate, and
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

    fn service() -> Service {
        let parse = |text| Template::parse(text).unwrap();
        Service {
            policy: Policy::default(),
            template: parse("Code {code}"),
            locales: BTreeMap::from([
                ("de".to_owned(), parse("Kode {code}")),
                ("de-CH".to_owned(), parse("Code {code}, gäll")),
                ("zh-Hant".to_owned(), parse("{code} zh")),
            ]),
            webotp_domain: Some("example.com".to_owned()),
            android_app_hash: Some("FA+9qCX9VSu".to_owned()),
            report: false,
        }
    }

    #[test]
    fn the_nearest_locale_speaks() {
        let service = service();
        let text = |locale| {
            let code = Code::restored("123456".to_owned());
            let text = service.render("x", &code, locale, &BTreeMap::new(), Duration::from_secs(61)).unwrap();
            text.expose().lines().next().unwrap().to_owned()
        };
        assert_eq!(text(Some("de-AT")), "Kode 123456");
        assert_eq!(text(Some("DE_at")), "Kode 123456");
        assert_eq!(text(Some("de-ch")), "Code 123456, gäll");
        assert_eq!(text(Some("de_CH")), "Code 123456, gäll");
        assert_eq!(text(Some("de-CH-1996")), "Code 123456, gäll");
        assert_eq!(text(Some("de-CH-x-private")), "Code 123456, gäll");
        assert_eq!(text(Some("zh-Hant-TW")), "123456 zh");
        assert_eq!(text(Some("zh-Hans")), "Code 123456");
        assert_eq!(text(Some("fr")), "Code 123456");
        assert_eq!(text(None), "Code 123456");
    }

    #[test]
    fn the_origin_bound_line_is_the_last() {
        let code = Code::restored("123456".to_owned());
        let text = service().render("x", &code, None, &BTreeMap::new(), Duration::from_secs(300)).unwrap();
        assert_eq!(text.expose(), "Code 123456\nFA+9qCX9VSu\n@example.com #123456");
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
