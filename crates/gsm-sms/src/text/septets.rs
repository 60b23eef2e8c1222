//! Septets packed into octets, the first one in the low bits of the first octet.
//!
//! 3GPP TS 23.038 clause 6.1.2.1.1; with a header before them, TS 23.040 clause 9.2.3.24 (fill bits).

use super::alphabet::{self, ESCAPE, Septets};
use super::language::ShiftTables;

/// Octets that `septets` septets fill.
pub(crate) const fn octets_for(septets: usize) -> usize {
    (septets * 7).div_ceil(8)
}

/// Whole septets that `octets` octets hold.
pub(crate) const fn whole_in(octets: usize) -> usize {
    octets * 8 / 7
}

/// The first septet position that is clear of `octets` octets of header.
pub(crate) const fn after(octets: usize) -> usize {
    (octets * 8).div_ceil(7)
}

/// The septet at position `index`, a septet of zeros beyond the end.
#[inline]
pub(crate) fn at(octets: &[u8], index: usize) -> u8 {
    let bit = index * 7;
    let low = u16::from(octets.get(bit / 8).copied().unwrap_or(0));
    let high = u16::from(octets.get(bit / 8 + 1).copied().unwrap_or(0));
    ((low | high << 8) >> (bit % 8)).to_le_bytes()[0] & 0x7f
}

/// The text of the septets at positions `from..to`.
pub(crate) fn text(octets: &[u8], from: usize, to: usize, tables: ShiftTables) -> String {
    text_of((from..to).map(|index| at(octets, index)), to.saturating_sub(from), tables)
}

/// The text of `septets`, about `count` of them. An escape at the very end is a blank (TS 23.038 clause 6.2.1).
pub(crate) fn text_of(septets: impl Iterator<Item = u8>, count: usize, tables: ShiftTables) -> String {
    let wide = if tables.locking.is_some() { 3 } else { 1 };
    let mut text = String::with_capacity(count * wide + 16);
    let mut after_escape = false;
    for septet in septets {
        if after_escape {
            text.push(alphabet::escaped(septet, tables));
            after_escape = false;
        } else if septet == ESCAPE {
            after_escape = true;
        } else {
            text.push(alphabet::base(septet, tables));
        }
    }
    if after_escape {
        text.push(' ');
    }
    text
}

/// Writes septets after what a buffer already has.
pub(crate) struct Packer<'a> {
    octets: &'a mut Vec<u8>,
    pending: u64,
    bits: u32,
}

impl<'a> Packer<'a> {
    /// Begins at the end of `octets`, `fill_bits` bits later.
    pub(crate) fn new(octets: &'a mut Vec<u8>, fill_bits: u32) -> Self {
        Self { octets, pending: 0, bits: fill_bits }
    }

    /// Adds one septet.
    #[inline]
    pub(crate) fn push(&mut self, septet: u8) {
        // Fewer than 56 bits are pending, so seven more have room.
        self.pending |= u64::from(septet & 0x7f) << self.bits;
        self.bits += 7;
        if self.bits >= 56 {
            self.octets.extend_from_slice(&self.pending.to_le_bytes()[..7]);
            self.pending >>= 56;
            self.bits -= 56;
        }
    }

    /// Adds a character's one or two septets.
    #[inline]
    pub(crate) fn push_character(&mut self, septets: Septets) {
        match septets {
            Septets::Base(septet) => self.push(septet),
            Septets::Escaped(septet) => {
                self.push(ESCAPE);
                self.push(septet);
            }
        }
    }

    /// Writes what is pending, the last octet filled up with zeros.
    pub(crate) fn finish(self) {
        let octets = self.bits.div_ceil(8) as usize;
        self.octets.extend_from_slice(&self.pending.to_le_bytes()[..octets]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(text: &str, fill_bits: u32) -> (Vec<u8>, usize) {
        let (mut octets, mut count) = (Vec::new(), 0);
        let mut packer = Packer::new(&mut octets, fill_bits);
        for character in text.chars() {
            let septets = alphabet::encode(character, ShiftTables::NONE).unwrap();
            packer.push_character(septets);
            count += septets.count();
        }
        packer.finish();
        (octets, count)
    }

    #[test]
    fn known_answers() {
        assert_eq!(pack("1234567", 0), (vec![0x31, 0xd9, 0x8c, 0x56, 0xb3, 0xdd, 0x00], 7));
        assert_eq!(pack("12345678", 0), (vec![0x31, 0xd9, 0x8c, 0x56, 0xb3, 0xdd, 0x70], 8));
        assert_eq!(pack("{", 0), (vec![0x1b, 0x14], 2));
        assert_eq!(pack("A", 1), (vec![0x82], 1));
        assert_eq!(pack("", 0), (vec![], 0));
    }

    #[test]
    fn counts() {
        assert_eq!((octets_for(160), octets_for(1), octets_for(0), octets_for(8)), (140, 1, 0, 7));
        assert_eq!((whole_in(140), whole_in(1), whole_in(7)), (160, 1, 8));
        assert_eq!((after(6), after(7), after(1)), (7, 8, 2));
    }

    #[test]
    fn an_escape_at_the_end_is_a_blank() {
        assert_eq!(text_of([0x41, ESCAPE].into_iter(), 2, ShiftTables::NONE), "A ");
        assert_eq!(text_of([ESCAPE, ESCAPE, 0x41].into_iter(), 3, ShiftTables::NONE), " A");
    }
}
