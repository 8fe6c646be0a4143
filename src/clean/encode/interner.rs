use std::hash::Hash;

/// A slot that is free.
const FREE: u32 = u32::MAX;

/// The slots that an empty table has.
const SLOTS: usize = 1 << 10;

/// How much larger a table is made when it is half full.
const GROWTH: usize = 4;

/// A value of a dictionary in the form in which it is looked up: equal keys are equal values.
pub(super) trait Key: Copy + Eq + Hash {
    /// A number that differs for most keys in all its bits.
    fn hash(self) -> u64;
}

/// An odd number without a pattern: 2^64 divided by the golden ratio.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

impl Key for u64 {
    #[inline]
    fn hash(self) -> u64 {
        let product = u128::from(self) * u128::from(MULTIPLIER);
        (product >> 64) as u64 ^ product as u64
    }
}

impl Key for u128 {
    #[inline]
    fn hash(self) -> u64 {
        Key::hash((self >> 64) as u64 ^ Key::hash(self as u64))
    }
}

/// Numbers values in the order in which they come first. The numbers depend on the values alone,
/// whatever the table was used for before.
#[derive(Debug)]
pub(super) struct Interner<K> {
    /// An open hash table of places in `keys`.
    slots: Vec<u32>,
    keys: Vec<K>,
}

impl<K> Default for Interner<K> {
    fn default() -> Self {
        Self { slots: vec![FREE; SLOTS], keys: Vec::new() }
    }
}

impl<K: Key> Interner<K> {
    /// Forgets all values.
    pub(super) fn clear(&mut self) {
        self.slots.clear();
        self.slots.resize(SLOTS, FREE);
        self.keys.clear();
    }

    /// The values, in order.
    pub(super) fn keys(&self) -> &[K] {
        &self.keys
    }

    /// Appends the number of each value.
    #[inline]
    pub(super) fn put(&mut self, values: impl Iterator<Item = K>, numbers: &mut Vec<u32>) {
        let mut last = None;
        numbers.extend(values.map(|value| match last {
            Some((before, number)) if before == value => number,
            _ => {
                let number = self.number(value);
                last = Some((value, number));
                number
            }
        }));
    }

    #[inline]
    fn number(&mut self, key: K) -> u32 {
        let mask = self.slots.len() - 1;
        let mut at = Key::hash(key) as usize & mask;
        loop {
            let found = self.slots[at];
            if found == FREE {
                return self.insert(at, key);
            }
            if self.keys[found as usize] == key {
                return found;
            }
            at = (at + 1) & mask;
        }
    }

    #[cold]
    fn insert(&mut self, at: usize, key: K) -> u32 {
        let number = self.keys.len() as u32;
        self.slots[at] = number;
        self.keys.push(key);
        if self.keys.len() * 2 > self.slots.len() {
            self.grow();
        }
        number
    }

    fn grow(&mut self) {
        let room = self.slots.len() * GROWTH;
        self.slots.clear();
        self.slots.resize(room, FREE);
        for (number, key) in self.keys.iter().enumerate() {
            let mut at = Key::hash(*key) as usize & (room - 1);
            while self.slots[at] != FREE {
                at = (at + 1) & (room - 1);
            }
            self.slots[at] = number as u32;
        }
    }
}
