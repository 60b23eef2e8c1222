//! What the text of a code is rendered from: the code, the language and the caller's values. It is kept sealed beside
//! the verification, so that the code can be sent again. Of an inbound one it has the token and the number that the token
//! goes to.
//!
//! Packed it is [`FORMAT`], then the code, the language (empty: none), and a name and a value for each value in the
//! order of the names. Each of these is preceded by its length in octets, as two octets with the higher first, so that
//! nothing in a value can be taken for the end of it. What earlier versions packed is still read; where that is not
//! certain to be what was packed, it is not read, and the code is not sent again.

use std::collections::BTreeMap;
use std::time::Duration;

use super::error::{GatewayError, Result};
use super::view::Invitation;
use crate::otp::{Code, RenderError, Service, Unfit, is_value_name};
use crate::phone::PhoneNumber;
use crate::secret::Secret;

/// A value of a template is a name or an amount, not a text.
const VALUE_CHARS: usize = 200;

/// All values together, with their names: they are kept in a record of the store.
const VALUES_OCTETS: usize = 2048;

/// The longest language tag.
const LOCALE_CHARS: usize = 35;

/// Under which name the number that a token goes to is kept.
const NUMBER: &str = "number";

/// What a code's text is rendered from; kept sealed for a resend.
pub(super) struct Source {
    pub(super) code: Code,
    pub(super) locale: Option<String>,
    pub(super) values: BTreeMap<String, String>,
}

/// The first octet of what is packed. A code is made of letters and digits, so the earlier form never begins with it.
const FORMAT: u8 = 2;

/// Parted the fields of the earlier form, without a format before them.
const SEPARATOR: char = '\u{1f}';

impl Source {
    /// A token, and the number that it goes to.
    pub(super) fn of_token(token: Code, number: &PhoneNumber) -> Self {
        let values = BTreeMap::from([(NUMBER.to_owned(), number.as_str().to_owned())]);
        Self { code: token, locale: None, values }
    }

    /// What a person has to send, and to which number, when it is of a token.
    pub(super) fn invitation(&self) -> Option<Invitation> {
        let number = self.values.get(NUMBER)?.parse().ok()?;
        Some(Invitation { token: Secret::new(self.code.expose().to_owned()), number })
    }

    pub(super) fn render(&self, name: &str, service: &Service, life: Duration) -> Result<Secret<String>> {
        let text = service.render(name, &self.code, self.locale.as_deref(), &self.values, life);
        text.map_err(|e| match e {
            // An issue with too few values was refused before: here the template is a newer one.
            RenderError::Missing(_) => {
                GatewayError::Conflict(format!("the template has changed, and {e}; issue a new verification"))
            }
            RenderError::TooLong(_) => GatewayError::TextTooLong(e.to_string()),
        })
    }

    pub(super) fn pack(&self) -> Secret<Vec<u8>> {
        let locale = self.locale.as_deref().unwrap_or_default();
        let values = self.values.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
        let fields: Vec<&str> = [self.code.expose(), locale].into_iter().chain(values).collect();
        let mut packed = Vec::with_capacity(1 + fields.iter().map(|field| 2 + field.len()).sum::<usize>());
        packed.push(FORMAT);
        for field in fields {
            // What `check_values` and a policy allow is far shorter.
            let length = u16::try_from(field.len()).unwrap_or(u16::MAX);
            packed.extend(length.to_be_bytes());
            packed.extend(&field.as_bytes()[..usize::from(length)]);
        }
        Secret::new(packed)
    }

    pub(super) fn unpack(packed: &[u8]) -> Option<Self> {
        if let Some((&FORMAT, fields)) = packed.split_first() {
            return Self::of(&split(fields)?);
        }
        let old = Self::of(&std::str::from_utf8(packed).ok()?.split(SEPARATOR).collect::<Vec<_>>())?;
        // A separator inside a value made other fields of it.
        judge(old.locale.as_deref(), &old.values).is_ok().then_some(old)
    }

    fn of(fields: &[&str]) -> Option<Self> {
        let [code, locale, values @ ..] = fields else { return None };
        let (values, rest) = values.as_chunks::<2>();
        // As a map has them: each name once, in order.
        if !rest.is_empty() || !values.is_sorted_by(|[a, _], [b, _]| a < b) {
            return None;
        }
        Some(Self {
            code: Code::restored((*code).to_owned()),
            locale: Some(*locale).filter(|l| !l.is_empty()).map(str::to_owned),
            values: values.iter().map(|[name, value]| ((*name).to_owned(), (*value).to_owned())).collect(),
        })
    }
}

/// The fields of what is packed, each behind its length.
fn split(mut packed: &[u8]) -> Option<Vec<&str>> {
    let mut fields = Vec::new();
    while let Some((length, rest)) = packed.split_first_chunk() {
        let (field, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        fields.push(std::str::from_utf8(field).ok()?);
        packed = rest;
    }
    packed.is_empty().then_some(fields)
}

/// Whether a template can be rendered with what a caller gave.
pub(super) fn check_values(
    service: &Service,
    locale: Option<&str>,
    values: &BTreeMap<String, String>,
) -> Result<()> {
    judge(locale, values).map_err(GatewayError::InvalidRequest)?;
    // An unknown name is taken: another locale's template may want it.
    match service.template(locale).wanted().find(|name| !values.contains_key(*name)) {
        Some(missing) => {
            Err(GatewayError::InvalidRequest(RenderError::Missing(missing.to_owned()).to_string()))
        }
        None => Ok(()),
    }
}

/// Why a language and values are not taken: a value must not fake lines or a link target. The sentence repeats no value
/// and no name that is none.
fn judge(locale: Option<&str>, values: &BTreeMap<String, String>) -> Result<(), String> {
    if locale.is_some_and(|l| l.chars().count() > LOCALE_CHARS || Unfit::in_line(l).is_some()) {
        return Err("locale is no language tag".to_owned());
    }
    if !values.keys().all(|name| is_value_name(name)) {
        return Err(
            "values has a name that is none: a name has 1 to 32 letters (A to Z, in either case), digits \
                    and _, and no digit first"
                .to_owned(),
        );
    }
    for (name, value) in values {
        if let Some(unfit) = Unfit::in_line(value) {
            return Err(format!(
                "values.{name}: {unfit}; a value is one line of characters that are seen as they are"
            ));
        }
        if value.chars().count() > VALUE_CHARS {
            return Err(format!("values.{name} has more than {VALUE_CHARS} characters"));
        }
    }
    if values.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > VALUES_OCTETS {
        return Err(format!("values has more than {VALUES_OCTETS} octets in all, names included"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::*;

    type Fields = (String, Option<String>, BTreeMap<String, String>);

    fn source((code, locale, values): Fields) -> Source {
        Source { code: Code::restored(code), locale, values }
    }

    fn fields(source: &Source) -> Fields {
        (source.code.expose().to_owned(), source.locale.clone(), source.values.clone())
    }

    fn values(all: &[(&str, &str)]) -> BTreeMap<String, String> {
        all.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn unpack_old(packed: &str) -> Option<Fields> {
        Source::unpack(packed.as_bytes()).as_ref().map(fields)
    }

    #[test]
    fn the_octets_of_this_format_stay() {
        let some = source(("12".to_owned(), Some("de".to_owned()), values(&[("a", "é")])));
        assert_eq!(some.pack().expose(), b"\x02\0\x0212\0\x02de\0\x01a\0\x02\xc3\xa9");
        assert_eq!(source(("12".to_owned(), None, values(&[]))).pack().expose(), b"\x02\0\x0212\0\0");
    }

    #[test]
    fn what_an_earlier_version_packed_is_read_where_it_is_certain() {
        let bare = ("123456".to_owned(), None, values(&[]));
        assert_eq!(unpack_old("123456\u{1f}"), Some(bare));
        let full = ("A1".to_owned(), Some("de-CH".to_owned()), values(&[("app", "Shop"), ("who", "Jo")]));
        assert_eq!(unpack_old("A1\u{1f}de-CH\u{1f}app\u{1f}Shop\u{1f}who\u{1f}Jo"), Some(full));
        for uncertain in [
            "",
            "123456",
            // A name with the separator in it: an injected line, half a pair, a name twice.
            "123456\u{1f}\u{1f}a\u{1f}x\u{1f}b\u{1f}http://evil.example\ny",
            "123456\u{1f}\u{1f}a\u{1f}x\u{1f}b",
            "123456\u{1f}\u{1f}a\u{1f}x\u{1f}a\u{1f}y",
            "123456\u{1f}\u{1f}b\u{1f}x\u{1f}a\u{1f}y",
            "123456\u{1f}\u{1f}a b\u{1f}x",
            "123456\u{1f}\u{1f}a\u{1f}x\u{2028}y",
            "123456\u{1f}d\u{202e}e",
        ] {
            assert_eq!(unpack_old(uncertain), None, "{uncertain:?}");
        }
    }

    #[test]
    fn values_and_names_that_could_fake_a_text_are_refused() {
        let service = Service::default();
        let judged = |values| check_values(&service, None, &values);
        assert_eq!(
            judged(values(&[("name", "Jo O'Neil-Müller, 李"), ("n2", &"é".repeat(200)), ("_", "")])),
            Ok(())
        );
        let fields = values(&[("a", ""), ("b", "")]);
        let long: BTreeMap<_, _> = (0..8).map(|n| (format!("n{n}"), "x".repeat(200))).collect();
        assert_eq!(judged(long.clone()), Ok(()));
        let longer = (0..8).map(|n| (format!("n{n}"), "ж".repeat(200))).collect();
        let name = "values has a name that is none";
        for (values, why) in [
            (values(&[("a\u{1f}b", "x")]), name),
            (values(&[("", "x")]), name),
            (values(&[("1a", "x")]), name),
            (values(&[("a-b", "x")]), name),
            (values(&[("ａ", "x")]), name),
            (values(&[(&"n".repeat(33), "x")]), name),
            (values(&[("a", "x\ny")]), "values.a: character 2 is U+000A, a control character; "),
            (values(&[("a", "\u{2028}")]), "values.a: character 1 is U+2028, a separator of lines; "),
            (values(&[("a", "\u{202e}")]), "values.a: character 1 is U+202E, which changes the direction "),
            (values(&[("a", "\u{200b}")]), "values.a: character 1 is U+200B, which is invisible; "),
            (values(&[("a", &"x".repeat(201))]), "values.a has more than 200 characters"),
            (longer, "values has more than 2048 octets in all"),
        ] {
            let Err(GatewayError::InvalidRequest(said)) = judged(values) else { panic!("{why}") };
            assert!(said.starts_with(why), "{said}");
            assert!(!said.contains("evil") && Unfit::in_line(&said).is_none(), "{said:?}");
        }
        assert!(check_values(&service, Some("de\u{2029}"), &fields).is_err());
        assert!(check_values(&service, Some(&"d".repeat(36)), &fields).is_err());
    }

    proptest! {
        /// Whatever the fields are, the judge's opinion apart.
        #[test]
        fn what_is_packed_comes_back(
            code in "\\PC{0,12}",
            locale in proptest::option::of(".{1,8}"),
            values in btree_map(".{0,6}", ".{0,40}", 0..5),
        ) {
            let wanted: Fields = (code, locale, values);
            let packed = source(wanted.clone()).pack();
            prop_assert_eq!(fields(&Source::unpack(packed.expose()).unwrap()), wanted);
        }

        /// No octets stand for what was never packed: what is read is packed into the same octets.
        #[test]
        fn what_is_read_was_packed(
            octets in prop_oneof![
                vec(any::<u8>(), 0..40),
                vec(prop_oneof![Just(0_u8), Just(1), Just(2), Just(b'a'), Just(0x1f)], 0..24),
            ],
        ) {
            let packed = [&[FORMAT], &octets[..]].concat();
            if let Some(read) = Source::unpack(&packed) {
                let again = read.pack();
                prop_assert_eq!(again.expose(), &packed);
            }
            // The earlier form: nothing that the judge would refuse.
            if let Some(old) = Source::unpack(&octets).filter(|_| octets.first() != Some(&FORMAT)) {
                prop_assert_eq!(judge(old.locale.as_deref(), &old.values), Ok(()));
            }
        }

        #[test]
        fn a_part_of_what_is_packed_is_not_read(cut in 0_usize..60, values in btree_map("[a-z]{1,4}", ".{0,9}", 1..4)) {
            let packed = source(("123456".to_owned(), Some("de".to_owned()), values)).pack();
            let whole = packed.expose().as_slice();
            let part = &whole[..cut.min(whole.len() - 1)];
            prop_assert!(Source::unpack(part).is_none_or(|read| read.pack().expose().as_slice() == part));
        }
    }
}
