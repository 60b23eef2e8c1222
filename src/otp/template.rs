//! The text around a code: `Your code is {code}. It expires in {minutes} minutes.`

use std::collections::BTreeMap;

use super::{Code, Pattern, TemplateError};
use crate::secret::Secret;

/// A [`Pattern`] in which `{code}` occurs exactly once; `{minutes}` and `{service}` are known; any other name is a value
/// of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Pattern);

impl Template {
    /// Parses a template.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let pattern = Pattern::parse(text)?;
        match pattern.names().filter(|name| *name == "code").count() {
            1 => Ok(Self(pattern)),
            codes => Err(TemplateError::Code(codes)),
        }
    }

    /// The text with its values; the error is the name of the first value that is missing.
    pub fn render(
        &self,
        code: &Code,
        minutes: u64,
        service: &str,
        values: &BTreeMap<String, String>,
    ) -> Result<Secret<String>, String> {
        let minutes = minutes.to_string();
        let text = self.0.fill(|name| match name {
            "code" => Some(code.expose()),
            "minutes" => Some(&minutes),
            "service" => Some(service),
            name => values.get(name).map(String::as_str),
        });
        text.map(Secret::new)
    }

    /// The names of the values that a request must bring.
    pub fn wanted(&self) -> impl Iterator<Item = &str> {
        self.0.names().filter(|name| !matches!(*name, "code" | "minutes" | "service"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::otp::{Unfit, is_value_name};

    fn render(text: &str, values: &[(&str, &str)]) -> Result<String, String> {
        let values = values.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect();
        let template = Template::parse(text).map_err(|e| e.to_string())?;
        template
            .render(&Code::restored("123456".to_owned()), 5, "login", &values)
            .map(|text| text.expose().clone())
    }

    #[test]
    fn values_go_where_their_names_stand() {
        let text = "{name}: {code} for {service}, {minutes} min {{sic}}";
        assert_eq!(render(text, &[("name", "{code}")]).unwrap(), "{code}: 123456 for login, 5 min {sic}");
        assert_eq!(render(text, &[]), Err("name".to_owned()));
        let template = Template::parse(text).unwrap();
        assert_eq!(template.wanted().collect::<Vec<_>>(), ["name"]);
    }

    #[test]
    fn a_fault_is_named() {
        for (text, why) in [
            ("no code", TemplateError::Code(0)),
            ("{code} {code}", TemplateError::Code(2)),
            ("{code", TemplateError::Brace { at: 1 }),
            ("a } {code}", TemplateError::Brace { at: 3 }),
            ("{code} { x", TemplateError::Brace { at: 8 }),
            ("{code} {a b}", TemplateError::Name { name: "a b".to_owned() }),
            ("{code} {}", TemplateError::Name { name: String::new() }),
            ("{code} {1a}", TemplateError::Name { name: "1a".to_owned() }),
            ("{code} {é}", TemplateError::Name { name: "é".to_owned() }),
        ] {
            assert_eq!(Template::parse(text), Err(why), "{text}");
        }
    }

    #[test]
    fn a_name_is_an_identifier_of_at_most_32_characters() {
        for name in ["a", "_", "A_1", &"n".repeat(32)] {
            assert!(is_value_name(name), "{name}");
            assert!(Template::parse(&format!("{{code}} {{{name}}}")).is_ok(), "{name}");
        }
        for name in ["", "1", "1a", "a-b", "a b", "é", "a\u{1f}", "a\u{200b}", &"n".repeat(33)] {
            assert!(!is_value_name(name), "{name}");
            assert!(Template::parse(&format!("{{code}} {{{name}}}")).is_err(), "{name}");
        }
    }

    #[test]
    fn a_template_has_lines_and_nothing_that_misleads() {
        assert_eq!(render("a\n{code}\n", &[]).unwrap(), "a\n123456\n");
        for c in "\0\t\r\u{7}\u{85}\u{ad}\u{200b}\u{200e}\u{2028}\u{202e}\u{2066}\u{e0041}".chars() {
            let unfit = Unfit::in_line(&format!("{{code}} {c}")).unwrap();
            assert_eq!(Template::parse(&format!("{{code}} {c}")), Err(TemplateError::Unfit(unfit)), "{c:?}");
            assert!(Template::parse(&format!("{{code}} {{a{c}}}")).is_err(), "{c:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[{}a-z_ ]{0,40}") {
            let _ = render(&text, &[]);
        }
    }
}
