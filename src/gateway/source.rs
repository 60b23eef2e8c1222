//! What the text of a code is rendered from: the code, the language and the caller's values. It is kept sealed beside
//! the verification, so that the code can be sent again.

use std::collections::BTreeMap;
use std::time::Duration;

use super::error::{GatewayError, Result};
use crate::otp::{Code, Service};
use crate::secret::Secret;

/// A value of a template is a name or an amount, not a text.
const VALUE_CHARS: usize = 200;
const NAME_CHARS: usize = 64;

/// Names and values together. They are kept in one record with the rest of a verification.
const ALL_OCTETS: usize = 2048;

/// What a code's text is rendered from; kept sealed for a resend.
pub(super) struct Source {
    pub(super) code: Code,
    pub(super) locale: Option<String>,
    pub(super) values: BTreeMap<String, String>,
}

/// Parts the fields of a packed source; refused in all of them.
const SEPARATOR: char = '\u{1f}';

impl Source {
    pub(super) fn render(&self, name: &str, service: &Service, life: Duration) -> Result<Secret<String>> {
        service
            .render(name, &self.code, self.locale.as_deref(), &self.values, life)
            .map_err(|missing| GatewayError::InvalidRequest(format!("the template needs values.{missing}")))
    }

    pub(super) fn pack(&self) -> Secret<String> {
        let mut packed = self.code.expose().to_owned();
        packed.push(SEPARATOR);
        packed.push_str(self.locale.as_deref().unwrap_or_default());
        for (name, value) in &self.values {
            packed.push(SEPARATOR);
            packed.push_str(name);
            packed.push(SEPARATOR);
            packed.push_str(value);
        }
        Secret::new(packed)
    }

    pub(super) fn unpack(packed: &[u8]) -> Option<Self> {
        let mut fields = std::str::from_utf8(packed).ok()?.split(SEPARATOR);
        let code = Code::restored(fields.next()?.to_owned());
        let locale = Some(fields.next()?).filter(|l| !l.is_empty()).map(str::to_owned);
        let mut values = BTreeMap::new();
        while let Some(name) = fields.next() {
            values.insert(name.to_owned(), fields.next()?.to_owned());
        }
        Some(Self { code, locale, values })
    }
}

/// Whether a template can be rendered with what a caller gave.
pub(super) fn check_values(
    service: &Service,
    locale: Option<&str>,
    values: &BTreeMap<String, String>,
) -> Result<()> {
    let template = service.template(locale);
    if let Some(missing) = template.wanted().find(|name| !values.contains_key(*name)) {
        return Err(GatewayError::InvalidRequest(format!("the template needs values.{missing}")));
    }
    // An unknown name is taken: another locale's template may want it. What no template can name is not.
    let is_name = |name: &str| {
        (1..=NAME_CHARS).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    if !values.keys().all(|name| is_name(name)) {
        let why = format!("a name in `values` has 1 to {NAME_CHARS} letters, digits and _");
        return Err(GatewayError::InvalidRequest(why));
    }
    let octets: usize = values.iter().map(|(name, value)| name.len() + value.len()).sum();
    if octets > ALL_OCTETS {
        let why = format!("`values` has more than {ALL_OCTETS} octets in all");
        return Err(GatewayError::InvalidRequest(why));
    }
    // A value that could fake lines or a link target is not taken.
    match values.iter().find(|(_, v)| v.chars().count() > VALUE_CHARS || v.chars().any(char::is_control)) {
        Some((name, _)) => Err(GatewayError::InvalidRequest(format!(
            "values.{name} has control characters or more than {VALUE_CHARS} characters"
        ))),
        None if locale.is_some_and(|l| l.chars().count() > 35 || l.chars().any(char::is_control)) => {
            Err(GatewayError::InvalidRequest("locale is no language tag".to_owned()))
        }
        None => Ok(()),
    }
}
