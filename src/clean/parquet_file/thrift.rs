//! A reader of Thrift's compact protocol that trusts no length
//! (<https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>).
//!
//! The `parquet` crate parses footers and page headers itself, and allocates as much as they claim.
//! This reader checks them first, without allocating.

/// The types of values, as written in a field's or a list's header.
/// A flag is told by the type of its field alone.
pub(super) const TRUE: u8 = 1;
pub(super) const FALSE: u8 = 2;
pub(super) const INTEGERS: std::ops::RangeInclusive<u8> = 4..=6;
pub(super) const BINARY: u8 = 8;
pub(super) const LIST: u8 = 9;
pub(super) const STRUCT: u8 = 12;

/// What ends a struct.
const END: u8 = 0;

/// Structs within structs deeper than this are not Parquet's.
const DEEPEST: u8 = 32;

/// Reads values one after the other. `None` says that the bytes end too soon or are wrong.
#[derive(Debug)]
pub(super) struct Compact<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Compact<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes were read.
    pub(super) const fn position(&self) -> usize {
        self.at
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn skip_bytes(&mut self, length: u64) -> Option<()> {
        let end = self.at.checked_add(usize::try_from(length).ok()?)?;
        (end <= self.bytes.len()).then(|| self.at = end)
    }

    /// An integer of any width.
    pub(super) fn integer(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// The type of a list's elements, and how many: never more than bytes are left.
    pub(super) fn list(&mut self) -> Option<(u8, u64)> {
        let header = self.byte()?;
        let length = match header >> 4 {
            15 => self.varint()?,
            length => u64::from(length),
        };
        (length <= (self.bytes.len() - self.at) as u64).then_some((header & 0x0f, length))
    }

    /// Reads the fields of a struct. `read` is given the number and the type of each, and says
    /// whether it has read it; else it is skipped.
    pub(super) fn fields(
        &mut self,
        mut read: impl FnMut(&mut Self, i16, u8) -> Option<bool>,
    ) -> Option<()> {
        let mut number = 0;
        loop {
            match self.field(&mut number)? {
                END => return Some(()),
                kind if read(self, number, kind)? => {}
                kind => self.skip(kind, DEEPEST)?,
            }
        }
    }

    /// The type of the next field; [`END`] after the last one.
    fn field(&mut self, number: &mut i16) -> Option<u8> {
        let header = self.byte()?;
        let kind = header & 0x0f;
        if kind == END {
            return Some(END);
        }
        *number = match header >> 4 {
            0 => i16::try_from(self.integer()?).ok()?,
            step => number.checked_add(i16::from(step))?,
        };
        Some(kind)
    }

    fn skip(&mut self, kind: u8, depth: u8) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match kind {
            1 | 2 => Some(()),
            3 => self.skip_bytes(1),
            4..=6 => self.varint().map(drop),
            7 => self.skip_bytes(8),
            8 => {
                let length = self.varint()?;
                self.skip_bytes(length)
            }
            9 | 10 => {
                let (kind, length) = self.list()?;
                (0..length).try_for_each(|_| self.skip_element(kind, depth))
            }
            11 => {
                let length = self.varint()?;
                if length == 0 {
                    return Some(());
                }
                let kinds = self.byte()?;
                (0..length).try_for_each(|_| {
                    self.skip_element(kinds >> 4, depth)?;
                    self.skip_element(kinds & 0x0f, depth)
                })
            }
            12 => {
                let mut number = 0;
                loop {
                    match self.field(&mut number)? {
                        END => return Some(()),
                        kind => self.skip(kind, depth)?,
                    }
                }
            }
            13 => self.skip_bytes(16),
            _ => None,
        }
    }

    /// A flag takes a byte in a list, and none in a struct.
    fn skip_element(&mut self, kind: u8, depth: u8) -> Option<()> {
        if matches!(kind, 1 | 2) { self.skip_bytes(1) } else { self.skip(kind, depth) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_that_lie_end_the_reading() {
        // A list of 2^31 structs, a binary of 2^40 bytes, a number without an end.
        for bytes in [
            b"\x19\xfc\xff\xff\xff\xff\x07".as_slice(),
            b"\x18\x80\x80\x80\x80\x80\x20",
            b"\x16\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        ] {
            assert_eq!(Compact::new(bytes).fields(|_, _, _| Some(false)), None);
        }
        let nested = [vec![0x1c; 100_000], vec![0; 100_000]].concat();
        assert_eq!(Compact::new(&nested).fields(|_, _, _| Some(false)), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut compact = Compact::new(&bytes);
            let _ = compact.fields(|_, _, _| Some(false));
            prop_assert!(compact.position() <= bytes.len());
        }
    }
}
