//! The country that a SIM is from, by the network with which its IMSI begins (ITU-T E.212). Calling codes are not here:
//! the numbering plans of `phone` have them.

use crate::phone::{Country, Range};

/// The home network of a SIM, and by it the country, as far as its IMSI shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Home {
    /// The mobile country code and the first two digits of the network's code, zero when no IMSI was told.
    network: u32,
}

impl Home {
    /// The home of an IMSI.
    pub fn of(imsi: &str) -> Self {
        let digits = imsi.get(..5).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
        Self { network: digits.and_then(|digits| digits.parse().ok()).unwrap_or(0) }
    }

    /// A home as [`network`](Home::network) gave it.
    pub const fn of_network(network: u32) -> Self {
        Self { network }
    }

    /// The first five digits of the IMSI.
    pub const fn network(self) -> u32 {
        self.network
    }

    /// The country, or the territories that share its mobile country code. Test networks and those of no country, such as
    /// the ones of satellites and of SIMs for machines, have none.
    pub fn countries(self) -> impl Iterator<Item = Country> {
        let of = |table: &[(u32, &'static str)], key| {
            table.binary_search_by_key(&key, |&(known, _)| known).ok().map(|i| table[i].1)
        };
        let found = of(NETWORKS, self.network).or_else(|| of(COUNTRIES, self.network / 100));
        found.unwrap_or_default().split(' ').filter_map(|letters| letters.parse().ok())
    }

    /// How near a number is: 2 in the country of the SIM, 1 where the calling code is the same, 0 abroad.
    pub fn nearness(self, to: Range) -> usize {
        let near = |country| {
            if Some(country) == to.country {
                2
            } else {
                usize::from(Country::calling_code(country) == Some(to.calling_code))
            }
        };
        self.countries().map(near).max().unwrap_or(0)
    }
}

/// Sorted by mobile country code; several countries are separated by blanks.
#[rustfmt::skip]
const COUNTRIES: &[(u32, &str)] = &[
    (202, "GR"), (204, "NL"), (206, "BE"), (208, "FR"), (209, "FR"), (212, "MC"), (213, "AD"), (214, "ES"),
    (216, "HU"), (218, "BA"), (219, "HR"), (220, "RS"), (221, "XK"), (222, "IT"), (225, "VA"), (226, "RO"),
    (228, "CH"), (230, "CZ"), (231, "SK"), (232, "AT"), (234, "GB"), (235, "GB"), (238, "DK"), (240, "SE"),
    (242, "NO"), (244, "FI"), (246, "LT"), (247, "LV"), (248, "EE"), (250, "RU"), (255, "UA"), (257, "BY"),
    (259, "MD"), (260, "PL"), (262, "DE"), (266, "GI"), (268, "PT"), (270, "LU"), (272, "IE"), (274, "IS"),
    (276, "AL"), (278, "MT"), (280, "CY"), (282, "GE"), (283, "AM"), (284, "BG"), (286, "TR"), (288, "FO"),
    (290, "GL"), (292, "SM"), (293, "SI"), (294, "MK"), (295, "LI"), (297, "ME"), (302, "CA"), (308, "PM"),
    (310, "US"), (311, "US"), (312, "US"), (313, "US"), (314, "US"), (315, "US"), (316, "US"), (330, "PR"),
    (332, "VI"), (334, "MX"), (338, "JM"), (340, "GP MQ GF BL MF"), (342, "BB"), (344, "AG"), (346, "KY"),
    (348, "VG"), (350, "BM"), (352, "GD"), (354, "MS"), (356, "KN"), (358, "LC"), (360, "VC"), (362, "CW BQ SX"),
    (363, "AW"), (364, "BS"), (365, "AI"), (366, "DM"), (368, "CU"), (370, "DO"), (372, "HT"), (374, "TT"),
    (376, "TC"), (400, "AZ"), (401, "KZ"), (402, "BT"), (404, "IN"), (405, "IN"), (406, "IN"), (410, "PK"),
    (412, "AF"), (413, "LK"), (414, "MM"), (415, "LB"), (416, "JO"), (417, "SY"), (418, "IQ"), (419, "KW"),
    (420, "SA"), (421, "YE"), (422, "OM"), (424, "AE"), (425, "IL"), (426, "BH"), (427, "QA"), (428, "MN"),
    (429, "NP"), (430, "AE"), (431, "AE"), (432, "IR"), (434, "UZ"), (436, "TJ"), (437, "KG"), (438, "TM"),
    (440, "JP"), (441, "JP"), (450, "KR"), (452, "VN"), (454, "HK"), (455, "MO"), (456, "KH"), (457, "LA"),
    (460, "CN"), (461, "CN"), (466, "TW"), (467, "KP"), (470, "BD"), (472, "MV"), (502, "MY"), (505, "AU"),
    (510, "ID"), (514, "TL"), (515, "PH"), (520, "TH"), (525, "SG"), (528, "BN"), (530, "NZ"), (536, "NR"),
    (537, "PG"), (539, "TO"), (540, "SB"), (541, "VU"), (542, "FJ"), (543, "WF"), (544, "AS"), (545, "KI"),
    (546, "NC"), (547, "PF"), (548, "CK"), (549, "WS"), (550, "FM"), (551, "MH"), (552, "PW"), (553, "TV"),
    (554, "TK"), (555, "NU"), (602, "EG"), (603, "DZ"), (604, "MA"), (605, "TN"), (606, "LY"), (607, "GM"),
    (608, "SN"), (609, "MR"), (610, "ML"), (611, "GN"), (612, "CI"), (613, "BF"), (614, "NE"), (615, "TG"),
    (616, "BJ"), (617, "MU"), (618, "LR"), (619, "SL"), (620, "GH"), (621, "NG"), (622, "TD"), (623, "CF"),
    (624, "CM"), (625, "CV"), (626, "ST"), (627, "GQ"), (628, "GA"), (629, "CG"), (630, "CD"), (631, "AO"),
    (632, "GW"), (633, "SC"), (634, "SD"), (635, "RW"), (636, "ET"), (637, "SO"), (638, "DJ"), (639, "KE"),
    (640, "TZ"), (641, "UG"), (642, "BI"), (643, "MZ"), (645, "ZM"), (646, "MG"), (647, "RE YT"), (648, "ZW"),
    (649, "NA"), (650, "MW"), (651, "LS"), (652, "BW"), (653, "SZ"), (654, "KM"), (655, "ZA"), (657, "ER"),
    (658, "SH"), (659, "SS"), (702, "BZ"), (704, "GT"), (706, "SV"), (708, "HN"), (710, "NI"), (712, "CR"),
    (714, "PA"), (716, "PE"), (722, "AR"), (724, "BR"), (730, "CL"), (732, "CO"), (734, "VE"), (736, "BO"),
    (738, "GY"), (740, "EC"), (742, "GF"), (744, "PY"), (746, "SR"), (748, "UY"), (750, "FK"),
];

/// Networks that are elsewhere than most of their mobile country code: in Jersey, the Isle of Man, Guernsey and Palestine.
const NETWORKS: &[(u32, &str)] = &[
    (23403, "JE"),
    (23436, "IM"),
    (23450, "JE"),
    (23455, "GG"),
    (23458, "IM"),
    (42505, "PS"),
    (42506, "PS"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phone::PhoneNumber;

    fn countries(imsi: &str) -> Vec<String> {
        Home::of(imsi).countries().map(Country::letters).collect()
    }

    #[test]
    fn the_tables_are_in_order_and_their_countries_have_numbers() {
        for table in [COUNTRIES, NETWORKS] {
            assert!(table.windows(2).all(|pair| pair[0].0 < pair[1].0));
            for (key, letters) in table {
                for letters in letters.split(' ') {
                    assert!(letters.parse::<Country>().is_ok(), "{key} {letters}");
                }
            }
        }
        assert!(COUNTRIES.iter().all(|(mcc, _)| (200..800).contains(mcc)));
        assert!(NETWORKS.iter().all(|(network, _)| (20_000..80_000).contains(network)));
    }

    #[test]
    fn the_countries_of_a_sim() {
        for (imsi, wanted) in [
            ("228015550000001", "CH"),
            ("262011234567890", "DE"),
            ("310150123456789", "US"),
            ("302220123456789", "CA"),
            ("338050123456789", "JM"),
            ("234150123456789", "GB"),
            ("234550123456789", "GG"),
            ("425010123456789", "IL"),
            ("425050123456789", "PS"),
            ("250010123456789", "RU"),
            ("401010123456789", "KZ"),
            ("340010123456789", "GP MQ GF BL MF"),
        ] {
            assert_eq!(countries(imsi).join(" "), wanted, "{imsi}");
            assert_eq!(Home::of_network(Home::of(imsi).network()), Home::of(imsi));
        }
        for nowhere in ["001010123456789", "901050123456789", "", "228", "abc", "é1234", "22 01"] {
            assert_eq!(countries(nowhere), [""; 0], "{nowhere}");
        }
    }

    #[test]
    fn a_sim_is_near_to_its_own_country() {
        let near = |imsi: &str, to: &str| Home::of(imsi).nearness(to.parse::<PhoneNumber>().unwrap().range());
        assert_eq!(near("228015550000001", "+41791234567"), 2);
        assert_eq!(near("228015550000001", "+491701234567"), 0);
        assert_eq!(near("310150123456789", "+18762101234"), 1);
        assert_eq!(near("338050123456789", "+18762101234"), 2);
        assert_eq!(near("401010123456789", "+77011234567"), 2);
        assert_eq!(near("250010123456789", "+77011234567"), 1);
        assert_eq!(near("001010123456789", "+41791234567"), 0);
    }
}
