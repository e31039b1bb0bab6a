//! Interned texts: canonical JSON of keys, values and names, with small integers held in the handle itself.

use crate::json;

/// A handle to a canonical JSON text. Equal texts have equal handles.
///
/// Integers from 0 to 2^31 - 1 are held in the handle (high bit set), so that unique integer values, the common case
/// by far, cost neither memory nor hashing. Handle 0 is `null`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
#[repr(transparent)]
pub struct Text(pub u32);

impl Text {
    /// The JSON `null`.
    pub const NULL: Text = Text(0);
    const INTEGER: u32 = 1 << 31;

    /// The handle of a small non-negative integer.
    #[must_use]
    pub fn integer(value: u32) -> Option<Text> {
        (value < Self::INTEGER).then_some(Text(value | Self::INTEGER))
    }

    /// The integer, where this handle holds one.
    #[must_use]
    pub fn as_integer(self) -> Option<u32> {
        (self.0 & Self::INTEGER != 0).then_some(self.0 & !Self::INTEGER)
    }

    /// Whether this is `null`.
    #[must_use]
    pub fn is_null(self) -> bool {
        self == Self::NULL
    }
}

/// All texts of a history, each once, side by side in one allocation.
#[derive(Debug)]
pub struct Texts {
    bytes: Vec<u8>,
    /// Where each text ends; it starts where the one before ends.
    ends: Vec<usize>,
    /// Open addressing: handle + 1, or 0 for a free slot. The length is a power of two, at most half of it used.
    slots: Vec<u32>,
}

impl Default for Texts {
    fn default() -> Self {
        let mut texts = Texts { bytes: Vec::new(), ends: Vec::new(), slots: vec![0; 64] };
        texts.intern(b"null");
        texts
    }
}

impl Texts {
    /// Intern a canonical JSON text.
    ///
    /// # Panics
    /// With 2^31 distinct texts, which is more than a history can hold events.
    pub fn intern(&mut self, json: &[u8]) -> Text {
        if let Some(text) = small_integer(json) {
            return text;
        }
        let slot = match self.slot(json) {
            Ok(id) => return Text(id),
            Err(slot) => slot,
        };
        let id = u32::try_from(self.ends.len()).ok().filter(|&id| id < Text::INTEGER);
        let id = id.expect("fewer than 2^31 distinct texts");
        self.bytes.extend_from_slice(json);
        self.ends.push(self.bytes.len());
        self.slots[slot] = id + 1;
        if self.ends.len() * 2 > self.slots.len() {
            self.grow();
        }
        Text(id)
    }

    /// The handle of a text that is there already.
    #[must_use]
    pub fn find(&self, json: &[u8]) -> Option<Text> {
        small_integer(json).or_else(|| self.slot(json).ok().map(Text))
    }

    /// The canonical JSON of a handle.
    ///
    /// # Panics
    /// If the handle is of another history.
    #[must_use]
    pub fn json(&self, text: Text) -> std::borrow::Cow<'_, [u8]> {
        match text.as_integer() {
            Some(value) => value.to_string().into_bytes().into(),
            None => self.bytes_of(text.0 as usize).into(),
        }
    }

    /// Whether this handle is one of these texts.
    #[must_use]
    pub fn holds(&self, text: Text) -> bool {
        text.as_integer().is_some() || (text.0 as usize) < self.ends.len()
    }

    /// The canonical JSON of a handle as a parsed value.
    ///
    /// # Panics
    /// If the handle is of another history.
    #[must_use]
    pub fn value(&self, text: Text) -> json::Value {
        match text.as_integer() {
            Some(value) => json::Value::Integer(i64::from(value)),
            None => json::parse(self.bytes_of(text.0 as usize)).expect("texts are canonical JSON"),
        }
    }

    /// Whether each text, by its number, holds one of these sequences of bytes. Small integers have no number.
    #[must_use]
    pub fn holding(&self, needles: &[&[u8]]) -> Vec<bool> {
        let mut found = vec![false; self.ends.len()];
        for needle in needles.iter().filter(|needle| !needle.is_empty()) {
            let finder = memchr::memmem::Finder::new(needle);
            let mut start = 0;
            while let Some(offset) = finder.find(&self.bytes[start..]) {
                let at = start + offset;
                let id = self.ends.partition_point(|&end| end <= at);
                let end = self.ends[id];
                // What goes over the end of a text is in none.
                found[id] |= at + needle.len() <= end;
                start = if found[id] { end } else { at + 1 };
            }
        }
        found
    }

    /// Number of distinct texts, small integers not counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// How many bytes of memory the texts take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * 8 + self.slots.capacity() * 4
    }

    /// Never true: `null` is always there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    fn bytes_of(&self, id: usize) -> &[u8] {
        let start = if id == 0 { 0 } else { self.ends[id - 1] };
        &self.bytes[start..self.ends[id]]
    }

    /// The id of this text, or the free slot where it belongs.
    fn slot(&self, json: &[u8]) -> Result<u32, usize> {
        let mask = self.slots.len() - 1;
        let mut slot = hash(json) & mask;
        loop {
            match self.slots[slot] {
                0 => return Err(slot),
                id if self.bytes_of(id as usize - 1) == json => return Ok(id - 1),
                _ => slot = (slot + 1) & mask,
            }
        }
    }

    fn grow(&mut self) {
        let mask = self.slots.len() * 2 - 1;
        let mut slots = vec![0; mask + 1];
        for id in 0..self.ends.len() {
            let mut slot = hash(self.bytes_of(id)) & mask;
            while slots[slot] != 0 {
                slot = (slot + 1) & mask;
            }
            slots[slot] = u32::try_from(id + 1).expect("checked when interned");
        }
        self.slots = slots;
    }
}

/// Multiply and fold, eight bytes at a time (the idea of wyhash): short texts hash in a few nanoseconds.
#[allow(clippy::cast_possible_truncation)]
fn hash(bytes: &[u8]) -> usize {
    const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
    let fold = |a: u64, b: u64| {
        let product = u128::from(a ^ MULTIPLIER) * u128::from(b ^ 0xd6e8_feb8_6659_fd93);
        product as u64 ^ (product >> 64) as u64
    };
    let mut chunks = bytes.chunks_exact(8);
    let mut state = bytes.len() as u64;
    for chunk in &mut chunks {
        state = fold(state, u64::from_le_bytes(chunk.try_into().expect("eight bytes")));
    }
    let mut last = [0; 8];
    last[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
    fold(fold(state, u64::from_le_bytes(last)), MULTIPLIER) as usize
}

fn small_integer(json: &[u8]) -> Option<Text> {
    if json.is_empty() || json.len() > 10 || (json[0] == b'0' && json.len() > 1) {
        return None;
    }
    let mut value: u64 = 0;
    for &byte in json {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value * 10 + u64::from(byte - b'0');
    }
    u32::try_from(value).ok().and_then(Text::integer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_holds_what_stands_wholly_inside_it() {
        let mut texts = Texts::default();
        let names: [&[u8]; 5] = [b"[\"r\",1,null]", b"[\"r\",11,2]", b"[\"r\"", b",1,null]", b"[\"w\",1]"];
        let ids: Vec<usize> = names.iter().map(|name| texts.intern(name).0 as usize).collect();
        let found = texts.holding(&[b"\",1,", b"\",1]", b""]);
        let held: Vec<bool> = ids.iter().map(|&id| found[id]).collect();
        assert_eq!(held, [true, false, false, false, true]);
    }

    #[test]
    fn equal_texts_have_equal_handles() {
        let mut texts = Texts::default();
        let first: Vec<Text> = (0..10_000).map(|i| texts.intern(format!("\"v{i}\"").as_bytes())).collect();
        for (i, &text) in first.iter().enumerate() {
            let json = format!("\"v{i}\"");
            assert_eq!(texts.intern(json.as_bytes()), text);
            assert_eq!(texts.find(json.as_bytes()), Some(text));
            assert_eq!(&*texts.json(text), json.as_bytes());
        }
        assert_eq!(texts.len(), 10_001);
        assert_eq!(texts.find(b"\"other\""), None);
    }

    #[test]
    fn small_integers_need_no_room() {
        let mut texts = Texts::default();
        for value in [0, 1, (1 << 31) - 1] {
            let text = texts.intern(value.to_string().as_bytes());
            assert_eq!(text.as_integer(), Some(value));
            assert_eq!(&*texts.json(text), value.to_string().as_bytes());
        }
        assert_eq!(texts.len(), 1);
        for json in ["-1", "2147483648", "01", "1.0", ""] {
            assert_eq!(texts.intern(json.as_bytes()).as_integer(), None, "{json}");
        }
        assert_eq!(texts.intern(b"null"), Text::NULL);
    }
}
