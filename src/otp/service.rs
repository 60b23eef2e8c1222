//! A service: the rules of its codes, and its texts.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Code, Policy, Template};
use crate::secret::Secret;

/// One service: the rules of its codes and their texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// The rules.
    pub policy: Policy,
    /// The text where no locale fits.
    pub template: Template,
    /// Texts by language tag (RFC 5646).
    pub locales: BTreeMap<String, Template>,
    /// The domain of the origin-bound last line (`WebOTP`).
    pub webotp_domain: Option<String>,
    /// The hash by which the SMS Retriever of Android knows the app.
    pub android_app_hash: Option<String>,
    /// Whether a delivery report is asked for.
    pub report: bool,
    /// Class 0: a phone shows the text at once and need not keep it.
    pub flash: bool,
    /// Whether a number may be verified by an SMS from it.
    pub inbound: bool,
}

/// Why a text cannot be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// A value is missing, by its name.
    #[error("the template needs values.{0}")]
    Missing(String),
    /// The text is longer than the SMS Retriever takes.
    #[error(
        "the text has {0} octets in UTF-8, the lines for the app and the browser included, and Android's SMS Retriever \
         reads at most {RETRIEVER_OCTETS}: shorten the template or the values"
    )]
    TooLong(usize),
}

/// The longest message that the SMS Retriever of Android reads
/// (<https://developers.google.com/identity/sms-retriever/verify>).
const RETRIEVER_OCTETS: usize = 140;

impl Service {
    /// The service that is used when none is named.
    pub const DEFAULT: &str = "default";
}

/// The text of a service without one.
const TEMPLATE: &str = "Your code is {code}. It expires in {minutes} minutes. Do not share it.";

impl Default for Service {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            template: Template::parse(TEMPLATE).expect("a test parses this constant"),
            locales: BTreeMap::new(),
            webotp_domain: None,
            android_app_hash: None,
            report: false,
            flash: false,
            inbound: false,
        }
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
            // In what was cut off, a single letter only introduced the rest.
            tag = match shorter.rsplit_once('-') {
                Some((rest, last)) if last.len() == 1 => rest,
                _ => shorter,
            };
        }
    }

    /// The whole text of a message: the template, then the app's hash, then the origin-bound line, which has
    /// to be the last.
    pub fn render(
        &self,
        name: &str,
        code: &Code,
        locale: Option<&str>,
        values: &BTreeMap<String, String>,
        life: Duration,
    ) -> Result<Secret<String>, RenderError> {
        let minutes = life.as_secs().div_ceil(60).max(1);
        let body = self.template(locale).render(code, minutes, name, values).map_err(RenderError::Missing)?;
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
        match text.len() {
            octets if self.android_app_hash.is_some() && octets > RETRIEVER_OCTETS => {
                Err(RenderError::TooLong(octets))
            }
            _ => Ok(Secret::new(text)),
        }
    }

    /// The text as it is at its longest, but for the values of a request, which are empty here: with a code of full
    /// length and the whole life.
    pub fn sample(&self, name: &str, locale: Option<&str>) -> Result<Secret<String>, RenderError> {
        // Every character that a code may have takes one octet and one septet: any code of full length is the longest.
        let policy = &self.policy;
        let code = Code::restored(policy.alphabet.chars().take(1).collect::<String>().repeat(policy.digits));
        let values = self.template(locale).wanted().map(|value| (value.to_owned(), String::new())).collect();
        self.render(name, &code, locale, &values, policy.ttl)
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
            flash: false,
            inbound: false,
        }
    }

    #[test]
    fn the_nearest_locale_is_used() {
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
    fn a_text_for_the_sms_retriever_has_at_most_140_octets() {
        // With the app's line 12 octets and with the browser's 21, beside the code.
        let text = |filler: &str| {
            let template = Template::parse(&format!("{filler}{{code}}")).unwrap();
            let service = Service { template, locales: BTreeMap::new(), ..service() };
            service.sample("x", None).map(|text| text.expose().len())
        };
        assert_eq!(text(&"a".repeat(101)), Ok(140));
        assert_eq!(text(&"a".repeat(102)), Err(RenderError::TooLong(141)));
        assert_eq!(text(&("a".repeat(99) + "é")), Ok(140));
        assert_eq!(text(&("a".repeat(100) + "é")), Err(RenderError::TooLong(141)));
        let template = Template::parse(&("a".repeat(300) + "{code}")).unwrap();
        let free = Service { template, android_app_hash: None, ..service() };
        assert!(free.sample("x", None).is_ok(), "without an app there is no such bound");
        let values = BTreeMap::from([("app".to_owned(), "a".repeat(102))]);
        let named = Service { template: Template::parse("{app}{code}").unwrap(), ..service() };
        assert_eq!(named.sample("x", None).map(|text| text.expose().len()), Ok(39));
        let code = Code::restored("123456".to_owned());
        let rendered = named.render("x", &code, None, &values, Duration::from_secs(60));
        assert_eq!(rendered, Err(RenderError::TooLong(141)));
    }
}
