//! `[service.NAME]`: the rules of a service for its codes, and its texts. A key that a service leaves out is
//! taken from `service.default`.

use std::collections::BTreeMap;

use super::reader::{Item, Table, is_name};
use crate::otp::{OnReissue, Policy, PolicyError, RenderError, Service, Template, alphabet};

const SERVICE: &[&str] = &[
    "digits",
    "alphabet",
    "ttl",
    "allow_long_ttl",
    "max_attempts",
    "cooldown",
    "max_sends",
    "on_reissue",
    "template",
    "webotp_domain",
    "android_app_hash",
    "report",
    "flash",
    "inbound",
    "locales",
];

const ON_REISSUE: &[(&str, OnReissue)] = &[("same", OnReissue::Same), ("new", OnReissue::New)];

/// All services; `default` exists even when the file has no section for it.
pub(super) fn services(root: &Table<'_>) -> BTreeMap<String, Service> {
    let mut named = root.named("service");
    // The others inherit from `default`.
    named.sort_by_key(|(name, _)| name != Service::DEFAULT);
    let mut services = BTreeMap::new();
    for (name, item) in named {
        if !is_name(&name) {
            item.fault("is not a name of a service: use 1 to 64 letters, digits, _ and -");
        }
        let inherited = services.get(Service::DEFAULT).cloned().unwrap_or_default();
        let table = item.table(SERVICE);
        let service = service(&table, inherited);
        fits_its_app(&table, &name, &service);
        services.insert(name, service);
    }
    services.entry(Service::DEFAULT.to_owned()).or_default();
    services
}

fn service(table: &Table<'_>, inherited: Service) -> Service {
    let policy = policy(table, &inherited.policy);
    let mut locales = inherited.locales;
    for (tag, item) in table.named("locales") {
        if !is_language_tag(&tag) {
            item.fault("is not a language tag; write such as de or de-CH");
        }
        if let Some(text) = template(&item) {
            locales.insert(tag, text);
        }
    }
    Service {
        policy,
        template: table.item("template").and_then(|i| template(&i)).unwrap_or(inherited.template),
        locales,
        webotp_domain: optional(table, "webotp_domain", inherited.webotp_domain, domain),
        android_app_hash: optional(table, "android_app_hash", inherited.android_app_hash, app_hash),
        report: table.item("report").and_then(|i| i.yes_or_no()).unwrap_or(inherited.report),
        flash: table.item("flash").and_then(|i| i.yes_or_no()).unwrap_or(inherited.flash),
        inbound: table.item("inbound").and_then(|i| i.yes_or_no()).unwrap_or(inherited.inbound),
    }
}

/// Each text can be read by the app it is for, as far as it is known before a request brings its values. What is
/// inherited unchanged was checked at its own place, and the fault of another text is told at the key that makes it.
fn fits_its_app(table: &Table<'_>, name: &str, service: &Service) {
    let own: Vec<_> = table.named("locales").into_iter().collect();
    for (tag, item) in &own {
        if let Err(e @ RenderError::TooLong(_)) = service.sample(name, Some(tag)) {
            item.fault(e.to_string());
        }
    }
    let longer = ["template", "android_app_hash", "webotp_domain", "digits", "ttl"];
    let Some(key) = longer.into_iter().find(|key| table.has(key)) else { return };
    let others = service.locales.keys().filter(|tag| own.iter().all(|(own, _)| own != *tag));
    let texts = std::iter::once(None).chain(others.map(|tag| Some(tag.as_str())));
    for locale in texts {
        if let Err(e @ RenderError::TooLong(_)) = service.sample(name, locale) {
            let which = locale.map_or_else(String::new, |tag| format!("for {tag}: "));
            table.fault_at(key, format!("{which}{e}"));
        }
    }
}

fn policy(table: &Table<'_>, inherited: &Policy) -> Policy {
    let number = |key, default| table.item(key).and_then(|i| i.number(0, u32::MAX)).unwrap_or(default);
    let span =
        |key, default| table.item(key).and_then(|i| i.span(std::time::Duration::ZERO)).unwrap_or(default);
    let digits = u32::try_from(inherited.digits).unwrap_or(u32::MAX);
    let characters = |i: Item<'_>| Some(i.text().map(|text| alphabet(text).unwrap_or(text))?.to_owned());
    let yes = |key, default| table.item(key).and_then(|i| i.yes_or_no()).unwrap_or(default);
    let policy = Policy {
        digits: usize::try_from(number("digits", digits)).unwrap_or(usize::MAX),
        alphabet: table.item("alphabet").and_then(characters).unwrap_or_else(|| inherited.alphabet.clone()),
        ttl: span("ttl", inherited.ttl),
        allow_long_ttl: yes("allow_long_ttl", inherited.allow_long_ttl),
        max_attempts: number("max_attempts", inherited.max_attempts),
        cooldown: span("cooldown", inherited.cooldown),
        max_sends: number("max_sends", inherited.max_sends),
        on_reissue: table
            .item("on_reissue")
            .and_then(|i| i.one_of(ON_REISSUE))
            .unwrap_or(inherited.on_reissue),
    };
    // A policy that is inherited unchanged was checked at its own place.
    if policy == *inherited {
        return policy;
    }
    if let Err(e) = policy.validate() {
        let key = match &e {
            PolicyError::Digits(_) => "digits",
            PolicyError::Alphabet(_) => "alphabet",
            PolicyError::Zero(key) => key,
            PolicyError::Ttl => "ttl",
            PolicyError::LongTtl if table.has("ttl") => "ttl",
            PolicyError::LongTtl => "allow_long_ttl",
            PolicyError::Guessable { .. } => {
                let keys = ["max_attempts", "digits", "alphabet"];
                keys.into_iter().find(|key| table.has(key)).unwrap_or("digits")
            }
        };
        table.fault_at(key, e.to_string());
    }
    policy
}

fn template(item: &Item<'_>) -> Option<Template> {
    Template::parse(item.text()?).map_err(|e| item.fault(e.to_string())).ok()
}

/// An empty text cancels what is inherited.
fn optional(
    table: &Table<'_>,
    key: &str,
    inherited: Option<String>,
    good: impl Fn(&str) -> Result<(), &'static str>,
) -> Option<String> {
    let Some(item) = table.item(key) else { return inherited };
    let text = item.text()?;
    if text.is_empty() {
        return None;
    }
    good(text).map_err(|why| item.fault(why)).ok()?;
    Some(text.to_owned())
}

/// A host name (RFC 1123 section 2.1), in ASCII.
fn domain(text: &str) -> Result<(), &'static str> {
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    if text.len() <= 253 && text.contains('.') && text.split('.').all(label) {
        Ok(())
    } else {
        Err("is not a domain; write it without scheme, port and path, such as \"example.com\"")
    }
}

fn app_hash(text: &str) -> Result<(), &'static str> {
    let base64 = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    if text.len() == 11 && text.bytes().all(base64) {
        Ok(())
    } else {
        Err("is not an app hash; it has 11 characters of base 64, such as \"FA+9qCX9VSu\"")
    }
}

fn is_language_tag(tag: &str) -> bool {
    let mut parts = tag.split('-');
    parts.next().is_some_and(|p| (2..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphabetic()))
        && parts.all(|p| (1..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphanumeric()))
}
