//! What the texts of a service cost on the air, told before anything is sent: the character that makes a message
//! UCS-2 (70 characters instead of 160), and the one with which a second part begins.

use std::collections::BTreeSet;

use gsm_sms::Encoding;

use crate::otp::{Service, Template};

/// A sentence for each text of the service, in any language, that is not one part in the GSM 7 bit default
/// alphabet (3GPP TS 23.038 section 6.2.1). Rendered with the longest code and life, the lines for `WebOTP` and the
/// app, and without the request's values, which come on top.
pub fn lint(name: &str, service: &Service) -> Vec<String> {
    let own = (format!("service.{name}.template"), None, &service.template);
    let locales = service
        .locales
        .iter()
        .map(|(tag, template)| (format!("service.{name}.locales.{tag}"), Some(tag.as_str()), template));
    std::iter::once(own)
        .chain(locales)
        .flat_map(|(place, locale, template)| lint_text(&place, name, service, locale, template))
        .collect()
}

fn lint_text(
    place: &str,
    name: &str,
    service: &Service,
    locale: Option<&str>,
    template: &Template,
) -> Vec<String> {
    // A text that is too long for its app is a fault of the configuration, which told it.
    let Ok(text) = service.sample(name, locale) else { return Vec::new() };
    let text = text.expose();
    let survey = gsm_sms::survey(text);
    let values: BTreeSet<_> = template.wanted().map(|value| format!("{{{value}}}")).collect();
    let without = if values.is_empty() {
        String::new()
    } else {
        format!(", not counting {}", values.into_iter().collect::<Vec<_>>().join(", "))
    };
    let mut sentences = Vec::new();
    if let Some(forcing) = survey.forces_ucs2 {
        let c = forcing.character;
        let instead = match gsm_sms::transliterate(c.encode_utf8(&mut [0; 4])) {
            (plain, changes) if changes.is_empty() || plain.is_empty() => String::new(),
            (plain, _) => format!("; write {plain:?} instead"),
        };
        sentences.push(format!(
            "{place}: {} makes the message UCS-2, 70 characters a part instead of 160{instead}",
            character(c, forcing.position),
        ));
    }
    if survey.parts > 1 {
        let capacity = match survey.encoding {
            Encoding::Gsm7 => 160,
            Encoding::Ucs2 => 70,
        };
        let (second, over) = second_part(text, capacity);
        sentences.push(format!(
            "{place}: the message takes {} parts{without}: {} is the first that one part has no room for; shorten it \
             by {over} characters",
            survey.parts,
            character(text.chars().nth(second).unwrap_or_default(), second),
        ));
    }
    sentences
}

/// How a person finds a character.
fn character(c: char, position: usize) -> String {
    let shown = if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    format!("'{shown}' (U+{:04X}, character {})", u32::from(c), position + 1)
}

/// The place of the first character that a single part has no room for, and how many are too many.
fn second_part(text: &str, capacity: usize) -> (usize, usize) {
    let total = text.chars().count();
    let fits = |count: &usize| {
        let begin: String = text.chars().take(*count).collect();
        let survey = gsm_sms::survey(&begin);
        survey.parts == 1 && survey.used <= capacity
    };
    // A text of which a shorter beginning does not fit never fits whole: the first that fits, from the end, is it.
    let fit = (0..total).rev().find(fits).unwrap_or(0);
    (fit, total - fit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(text: &str) -> Service {
        Service { template: Template::parse(text).unwrap(), ..Service::default() }
    }

    #[test]
    fn one_part_of_gsm_7_is_silent() {
        assert_eq!(lint("a", &service("Grüße: {code} €")), [""; 0]);
        assert_eq!(lint("a", &service(&("x".repeat(154) + "{code}"))), [""; 0]);
    }

    #[test]
    fn the_character_that_costs_is_named() {
        let mut s = service("Your code is “{code}”");
        s.locales.insert("ja".to_owned(), Template::parse("コード {code}").unwrap());
        assert_eq!(
            lint("login", &s),
            [
                "service.login.template: '“' (U+201C, character 14) makes the message UCS-2, 70 characters a part \
                 instead of 160; write \"\\\"\" instead",
                "service.login.locales.ja: 'コ' (U+30B3, character 1) makes the message UCS-2, 70 characters a part \
                 instead of 160",
            ]
        );
    }

    #[test]
    fn the_second_part_is_named_with_all_lines_counted() {
        let mut s = service(&("x".repeat(142) + "{code}"));
        assert_eq!(lint("a", &s), [""; 0]);
        s.webotp_domain = Some("example.com".to_owned());
        // 148, "\n@example.com #000000" 21: 169.
        assert_eq!(
            lint("a", &s),
            [
                "service.a.template: the message takes 2 parts: 'm' (U+006D, character 161) is the first that one \
              part has no room for; shorten it by 9 characters"
            ]
        );
        let s = service(&("{name}".to_owned() + &"я".repeat(70) + "{code}"));
        let said = lint("a", &s);
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[1].contains("2 parts, not counting {name}: '0' (U+0030, character 71)"), "{said:?}");
        assert!(said[1].ends_with("by 6 characters"));
    }

    #[test]
    fn a_surrogate_pair_is_two_units() {
        // 33 pairs are 66 units; four characters of the code fill the part.
        let said = lint("a", &service(&("😁".repeat(33) + "{code}")));
        assert!(said[1].contains("'0' (U+0030, character 38)"), "{said:?}");
    }
}
