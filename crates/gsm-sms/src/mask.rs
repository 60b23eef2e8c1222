//! Numbers as they may stand in a log.

/// Masks any number-like text: the first five and the last two characters stay when there are at least ten,
/// else only the first two.
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
