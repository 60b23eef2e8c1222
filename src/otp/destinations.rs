//! To which numbers codes go: by country, by what the number is for, and by whether its range is in use. Who pays for
//! each message must not be led to send it to where somebody else earns from it.

use std::collections::BTreeSet;

use super::testing::is_for_films;
use crate::phone::{Country, Kind, PhoneNumber, Range};

/// The policy for the recipients of codes, and how numbers are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destinations {
    /// In which countries.
    pub countries: Countries,
    /// Numbers of which kinds.
    pub types: Vec<Kind>,
    /// Which ranges.
    pub validity: Validity,
    /// The country whose national forms are read.
    pub default_region: Option<Country>,
}

/// The countries that codes go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Countries {
    /// Those of the SIMs.
    Sims,
    /// All, and the numbers of no country.
    All,
    /// These.
    These(Vec<Country>),
}

/// The ranges that codes go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// Those that the metadata knows to be in use.
    Valid,
    /// Those that the metadata does not know as well.
    Possible,
}

/// What the policy is judged by beside the number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Known {
    /// The countries of the SIMs; none when no SIM was seen yet.
    pub sims: BTreeSet<Country>,
    /// Whether a list of prefixes says which countries are allowed.
    pub prefixes_decide: bool,
}

impl Default for Destinations {
    fn default() -> Self {
        Self {
            countries: Countries::Sims,
            types: vec![Kind::Mobile, Kind::FixedOrMobile, Kind::Personal],
            validity: Validity::Valid,
            default_region: None,
        }
    }
}

impl Destinations {
    /// Whether a code may go to this number; the error is a sentence that says why not and what changes that.
    pub fn permits(&self, to: &PhoneNumber, known: &Known) -> Result<(), String> {
        let range = to.range();
        self.permits_validity(range)?;
        if !known.prefixes_decide {
            self.permits_films(to)?;
            self.permits_country(range, known)?;
        }
        self.permits_type(range)
    }

    fn permits_validity(&self, range: Range) -> Result<(), String> {
        if range.in_use || self.validity == Validity::Possible {
            return Ok(());
        }
        Err("the number is in no range that is known to be in use; if it is right, destinations.validity = \"possible\" \
             takes such numbers"
            .to_owned())
    }

    /// What is kept for films is nobody's, so that no code goes there unless an operator names its country.
    fn permits_films(&self, to: &PhoneNumber) -> Result<(), String> {
        if self.countries != Countries::Sims || !is_for_films(to) {
            return Ok(());
        }
        Err("the number is in a range that is kept for films, so that it is nobody's; only a list in \
             destinations.countries, or \"all\", takes such numbers"
            .to_owned())
    }

    fn permits_country(&self, range: Range, known: &Known) -> Result<(), String> {
        let place = range.place();
        let of_no_country = || {
            "the number belongs to no country; only destinations.countries = \"all\" takes such numbers"
                .to_owned()
        };
        match &self.countries {
            Countries::All => Ok(()),
            Countries::Sims if known.sims.is_empty() => match range.kind {
                Kind::Premium | Kind::Satellite => Err(format!(
                    "the number is of the type {}, and no SIM was seen yet whose country could be known; name the \
                     countries in destinations.countries",
                    range.kind.name()
                )),
                _ => Ok(()),
            },
            Countries::Sims if place.is_some_and(|place| known.sims.contains(&place)) => Ok(()),
            Countries::Sims => {
                let place = place.ok_or_else(of_no_country)?;
                let sims: Vec<_> = known.sims.iter().copied().collect();
                let with: Vec<_> = sims.iter().copied().chain([place]).collect();
                Err(format!(
                    "the number is in {place}, and destinations.countries = \"sims\" takes only numbers in the countries \
                     of the SIMs ({}); destinations.countries = [{}] takes it too",
                    listed(&sims, ""),
                    listed(&with, "\"")
                ))
            }
            Countries::These(countries) => {
                let place = place.ok_or_else(of_no_country)?;
                if countries.contains(&place) {
                    return Ok(());
                }
                Err(format!(
                    "the number is in {place}, which is not in destinations.countries; add \"{place}\" to that list"
                ))
            }
        }
    }

    fn permits_type(&self, range: Range) -> Result<(), String> {
        // What the metadata does not know is a matter of validity.
        if range.kind == Kind::Unknown || self.types.contains(&range.kind) {
            return Ok(());
        }
        let name = range.kind.name();
        Err(format!(
            "the number is of the type {name}, which is not in destinations.types; codes go to such numbers when \"{name}\" \
             is in that list"
        ))
    }
}

fn listed(countries: &[Country], quote: &str) -> String {
    countries.iter().map(|country| format!("{quote}{country}{quote}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn country(letters: &str) -> Country {
        letters.parse().unwrap()
    }

    fn sims(letters: &[&str]) -> Known {
        Known { sims: letters.iter().map(|letters| country(letters)).collect(), prefixes_decide: false }
    }

    fn permits(policy: &Destinations, known: &Known, number: &str) -> Result<(), String> {
        policy.permits(&number.parse().unwrap(), known)
    }

    /// Test numbers are among these: by default no SIM reaches one, wherever it is at home.
    #[test]
    fn a_number_that_is_kept_for_films_gets_no_code() {
        let everywhere = sims(&["US", "CA", "GB", "FR", "SE"]);
        for number in ["+447700900123", "+33639981234"] {
            permits(&Destinations::default(), &everywhere, number).unwrap_err();
        }
        // Those that the metadata takes for numbers of people.
        for number in ["+12015550124", "+15195550123", "+46701740601"] {
            let why = permits(&Destinations::default(), &everywhere, number).unwrap_err();
            assert!(why.contains("kept for films"), "{number}: {why}");
            let all = Destinations { countries: Countries::All, ..Destinations::default() };
            assert_eq!(permits(&all, &everywhere, number), Ok(()), "{number}");
        }
    }

    #[test]
    fn the_defaults_take_mobile_numbers_of_the_sims_country_alone() {
        let (policy, known) = (Destinations::default(), sims(&["CH"]));
        for number in ["+41791234567", "+41765432100", "+41781234567", "+41878123456"] {
            assert_eq!(permits(&policy, &known, number), Ok(()), "{number}");
        }
        for (number, key) in [
            ("+41900123456", "destinations.types"),
            ("+41446681800", "destinations.types"),
            ("+41800123456", "destinations.types"),
            ("+41840123456", "destinations.types"),
            ("+41740123456", "destinations.types"),
            ("+41581234567", "destinations.types"),
            ("+41701234567", "destinations.validity"),
            ("+4915122334455", "destinations.countries"),
            ("+12015550223", "destinations.countries"),
            ("+881612345678", "destinations.countries"),
            ("+870773123456", "destinations.countries"),
            ("+979123456789", "destinations.countries"),
            ("+80012345678", "destinations.countries"),
        ] {
            let why = permits(&policy, &known, number).unwrap_err();
            assert!(why.contains(key), "{number}: {why}");
        }
    }

    #[test]
    fn of_countries_that_share_a_calling_code_each_is_its_own() {
        let policy = Destinations::default();
        let (american, british, russian) = (sims(&["US"]), sims(&["GB"]), sims(&["RU"]));
        assert_eq!(permits(&policy, &american, "+12015550223"), Ok(()));
        assert_eq!(permits(&policy, &british, "+447400123456"), Ok(()));
        assert_eq!(permits(&policy, &russian, "+79161234567"), Ok(()));
        for (known, number, place) in [
            (&american, "+18762101234", "JM"),
            (&american, "+18092345678", "DO"),
            (&american, "+15062345678", "CA"),
            (&british, "+447797712345", "JE"),
            (&russian, "+77710009998", "KZ"),
        ] {
            let why = permits(&policy, known, number).unwrap_err();
            assert!(why.contains(&format!("the number is in {place}")), "{number}: {why}");
        }
    }

    #[test]
    fn a_refusal_names_the_key_and_the_cure() {
        let policy = Destinations::default();
        let why = permits(&policy, &sims(&["CH", "AT"]), "+4915122334455").unwrap_err();
        assert_eq!(
            why,
            "the number is in DE, and destinations.countries = \"sims\" takes only numbers in the countries of the SIMs \
             (AT, CH); destinations.countries = [\"AT\", \"CH\", \"DE\"] takes it too"
        );
        let listed = Destinations { countries: Countries::These(vec![country("CH")]), ..policy };
        let why = permits(&listed, &sims(&["DE"]), "+4915122334455").unwrap_err();
        assert!(why.ends_with("add \"DE\" to that list"), "{why}");
        assert_eq!(permits(&listed, &sims(&["DE"]), "+41791234567"), Ok(()));
    }

    #[test]
    fn before_any_sim_was_seen_all_countries_but_no_premium_and_no_satellites() {
        let all_types = Kind::NAMES.map(|(_, kind)| kind).to_vec();
        let policy = Destinations { types: all_types, ..Destinations::default() };
        for (number, good) in [
            ("+41791234567", true),
            ("+18762101234", true),
            ("+41446681800", true),
            ("+41900123456", false),
            ("+979123456789", false),
            ("+881612345678", false),
        ] {
            assert_eq!(permits(&policy, &Known::default(), number).is_ok(), good, "{number}");
        }
        let all = Destinations { countries: Countries::All, ..policy };
        for number in ["+41900123456", "+881612345678", "+80012345678"] {
            assert_eq!(permits(&all, &Known::default(), number), Ok(()), "{number}");
        }
    }

    #[test]
    fn prefixes_stand_instead_of_countries_and_not_of_types() {
        let (policy, known) = (Destinations::default(), Known { prefixes_decide: true, ..sims(&["CH"]) });
        assert_eq!(permits(&policy, &known, "+4915122334455"), Ok(()));
        assert!(permits(&policy, &known, "+493012345678").unwrap_err().contains("destinations.types"));
        assert!(permits(&policy, &known, "+49123456789").unwrap_err().contains("destinations.validity"));
    }

    #[test]
    fn a_range_that_nobody_knows_yet_is_taken_where_its_country_is() {
        let policy = Destinations { validity: Validity::Possible, ..Destinations::default() };
        assert_eq!(permits(&policy, &sims(&["CH"]), "+41701234567"), Ok(()));
        assert!(permits(&policy, &sims(&["CH"]), "+41900123456").is_err());
        // An area code that is not assigned yet, and one that is Jamaica's.
        assert_eq!(permits(&policy, &sims(&["US"]), "+12111234567"), Ok(()));
        assert!(permits(&policy, &sims(&["US"]), "+18761234567").is_err());
        // A satellite's number stays one.
        let everywhere = Destinations { countries: Countries::All, ..policy };
        assert!(permits(&everywhere, &Known::default(), "+8819999999").unwrap_err().contains("satellite"));
    }
}
