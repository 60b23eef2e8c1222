//! Numbers as they may stand in a log.

/// Masks a telephone number, or any text like one, with asterisks.
///
/// Of ten characters and more the first five and the last two stay, else the first two only. The result has as many
/// characters as `number`.
///
/// ```
/// assert_eq!(gsm_sms::mask("+41791234567"), "+4179*****67");
/// assert_eq!(gsm_sms::mask("12345"), "12***");
/// ```
pub fn mask(number: &str) -> String {
    let count = number.chars().count();
    let (head, tail) = if count >= 10 { (5, 2) } else { (2, 0) };
    number.chars().enumerate().map(|(i, c)| if i < head || i + tail >= count { c } else { '*' }).collect()
}

#[cfg(test)]
mod tests {
    use super::mask;

    #[test]
    fn the_middle_is_hidden() {
        assert_eq!(mask("+41791234567"), "+4179*****67");
        assert_eq!(mask("12345"), "12***");
    }
}
