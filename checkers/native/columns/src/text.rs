//! Interned texts: canonical JSON of keys, values and names, with small integers held in the handle itself.

use std::collections::HashMap;

/// A handle to a canonical JSON text. Equal texts have equal handles.
///
/// Integers from 0 to 2^31 - 1 are held in the handle (high bit set), so that unique integer values, the common case
/// by far, cost neither memory nor hashing. Handle 0 is `null`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
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

/// All texts of a history, each once.
#[derive(Debug)]
pub struct Texts {
    bytes: Vec<Box<[u8]>>,
    by_text: HashMap<Box<[u8]>, u32>,
}

impl Default for Texts {
    fn default() -> Self {
        let null: Box<[u8]> = b"null".as_slice().into();
        Texts { bytes: vec![null.clone()], by_text: HashMap::from([(null, 0)]) }
    }
}

impl Texts {
    /// Intern a canonical JSON text.
    pub fn intern(&mut self, json: &[u8]) -> Text {
        if let Some(text) = small_integer(json) {
            return text;
        }
        if let Some(&id) = self.by_text.get(json) {
            return Text(id);
        }
        let id = u32::try_from(self.bytes.len()).expect("fewer than 2^31 distinct texts");
        let owned: Box<[u8]> = json.into();
        self.bytes.push(owned.clone());
        self.by_text.insert(owned, id);
        Text(id)
    }

    /// The handle of a text that is there already.
    #[must_use]
    pub fn find(&self, json: &[u8]) -> Option<Text> {
        small_integer(json).or_else(|| self.by_text.get(json).map(|&id| Text(id)))
    }

    /// The canonical JSON of a handle.
    #[must_use]
    pub fn json(&self, text: Text) -> std::borrow::Cow<'_, [u8]> {
        match text.as_integer() {
            Some(value) => value.to_string().into_bytes().into(),
            None => (&*self.bytes[text.0 as usize]).into(),
        }
    }
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
