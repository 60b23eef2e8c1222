//! Octets as hexadecimal digits, two each.

/// The digits, in capitals.
pub fn encode(octets: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digits = octets.iter().flat_map(|octet| [octet >> 4, octet & 0x0F]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// Fills `octets` from digits of either case. The error is the index of the first character that is not a
/// digit, or where the digits should have ended.
pub fn decode(digits: &[u8], octets: &mut [u8]) -> Result<(), usize> {
    let digit =
        |at: usize| char::from(*digits.get(at)?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    for (index, octet) in octets.iter_mut().enumerate() {
        let at = 2 * index;
        *octet = digit(at).ok_or(at)? << 4 | digit(at + 1).ok_or(at + 1)?;
    }
    if digits.len() == 2 * octets.len() { Ok(()) } else { Err(2 * octets.len()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_and_nothing_else() {
        let mut octets = [0; 3];
        assert_eq!(decode(b"00afFE", &mut octets), Ok(()));
        assert_eq!(encode(&octets), "00AFFE");
        for (wrong, at) in [("00afF", 5), ("00afFE0", 6), ("0 afFE", 1), ("+0afFE", 0), ("00afé", 4), ("", 0)]
        {
            assert_eq!(decode(wrong.as_bytes(), &mut octets), Err(at), "{wrong}");
        }
    }
}
