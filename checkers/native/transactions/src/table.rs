//! A hash table from pairs of 32-bit numbers to a 32-bit number, with open addressing.

/// No entry.
pub(crate) const ABSENT: u32 = u32::MAX;

pub(crate) struct Table {
    keys: Vec<u64>,
    values: Vec<u32>,
    used: usize,
}

impl Table {
    /// Room for `expected` entries without growing.
    pub fn with_room(expected: usize) -> Self {
        let slots = (expected * 2).next_power_of_two().max(16);
        Table { keys: vec![0; slots], values: vec![ABSENT; slots], used: 0 }
    }

    pub fn bytes(&self) -> usize {
        self.keys.len() * 12
    }

    fn slot(&self, key: u64) -> usize {
        let mask = self.keys.len() - 1;
        let mut slot = mix(key) & mask;
        while self.values[slot] != ABSENT && self.keys[slot] != key {
            slot = (slot + 1) & mask;
        }
        slot
    }

    pub fn get(&self, a: u32, b: u32) -> u32 {
        self.values[self.slot(join(a, b))]
    }

    /// Enter a value; the one that stood there before comes back, or `ABSENT`.
    pub fn put(&mut self, a: u32, b: u32, value: u32) -> u32 {
        let key = join(a, b);
        let slot = self.slot(key);
        let before = self.values[slot];
        self.keys[slot] = key;
        self.values[slot] = value;
        if before == ABSENT {
            self.used += 1;
            if self.used * 2 > self.keys.len() {
                self.grow();
            }
        }
        before
    }

    fn grow(&mut self) {
        let mut bigger = Table::with_room(self.keys.len());
        for (&key, &value) in self.keys.iter().zip(&self.values) {
            if value != ABSENT {
                let slot = bigger.slot(key);
                bigger.keys[slot] = key;
                bigger.values[slot] = value;
            }
        }
        bigger.used = self.used;
        *self = bigger;
    }
}

fn join(a: u32, b: u32) -> u64 {
    u64::from(a) << 32 | u64::from(b)
}

/// Multiply and fold: neighbours in key and value land far apart.
fn mix(key: u64) -> usize {
    let product = u128::from(key ^ 0x9e37_79b9_7f4a_7c15) * u128::from(0xd6e8_feb8_6659_fd93_u64);
    (product as u64 ^ (product >> 64) as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_survive_growth() {
        let mut table = Table::with_room(1);
        for i in 0..5000 {
            assert_eq!(table.put(i % 7, i, i + 1), ABSENT);
        }
        for i in 0..5000 {
            assert_eq!(table.get(i % 7, i), i + 1);
            assert_eq!(table.get(i % 7 + 1, i), ABSENT);
        }
        assert_eq!(table.put(0, 0, 9), 1);
        assert_eq!(table.get(0, 0), 9);
    }
}
