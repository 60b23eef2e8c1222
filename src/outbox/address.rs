//! Whether an address as the network wrote it is a number as a client wrote it.

use crate::phone::PhoneNumber;

/// Fewer digits in common prove nothing.
const FEWEST: usize = 7;

/// Whether `address` is `number`: they are the same, when the address is written internationally; else they
/// have the same digits at the end, at least seven, and the address has nothing before them but its national
/// prefix, which is zeros or one other digit.
///
/// Service centres return TP-RA and TP-OA in whatever form their network uses (3GPP TS 23.040 clause 9.1.2.5).
pub fn is_for(address: &str, number: &PhoneNumber) -> bool {
    if address.starts_with('+') {
        return address == number.as_str();
    }
    let digits = address.trim_start_matches('0');
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return false;
    }
    let common = digits.bytes().rev().zip(number.digits().bytes().rev()).take_while(|(a, b)| a == b).count();
    common >= FEWEST && digits.len() - common <= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn national_forms() {
        let swiss = "+41791234567".parse().unwrap();
        for same in ["+41791234567", "41791234567", "0041791234567", "0791234567", "791234567"] {
            assert!(is_for(same, &swiss), "{same}");
        }
        for other in ["+4179123456", "0781234567", "234567", "+0791234567", "", "0", "ACME", "1141791234567"]
        {
            assert!(!is_for(other, &swiss), "{other}");
        }
        assert!(
            is_for("89161234567", &"+79161234567".parse().unwrap()),
            "a national prefix that is not zero"
        );
    }
}
