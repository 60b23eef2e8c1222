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
}

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
    /// to be the last. The error is the name of a value that is missing.
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
}
