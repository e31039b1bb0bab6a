//! Values of operations as handles: the columns' own texts, and what stands inside of lists.

use crate::hash::Map;
use columns::{Columns, Text};

/// Values beyond the columns' own texts: the halves of pairs and the elements of lists.
pub struct Values<'a> {
    columns: &'a Columns,
    /// The empty string.
    pub(crate) empty: u32,
    extra: Vec<Box<[u8]>>,
    by_text: Map<Box<[u8]>, u32>,
    pairs: Map<u32, Option<(u32, u32)>>,
    lists: Map<u32, Option<Vec<u32>>>,
    /// Answers of plain models' operations, and the number of each.
    answers: Vec<u32>,
    numbers: Map<u32, u32>,
}

/// So many different answers have numbers.
const ANSWERS: usize = 1 << 24;

/// Handles from here on (below the integers) are texts of `Values` itself.
const EXTRA: u32 = 1 << 30;

impl<'a> Values<'a> {
    /// The values of these columns.
    #[must_use]
    pub fn of(columns: &'a Columns) -> Self {
        let mut values = Values {
            columns,
            empty: 0,
            extra: Vec::new(),
            by_text: Map::default(),
            pairs: Map::default(),
            lists: Map::default(),
            answers: Vec::new(),
            numbers: Map::default(),
        };
        values.empty = values.intern(b"\"\"");
        values
    }

    /// The handle of a canonical text.
    pub fn intern(&mut self, json: &[u8]) -> u32 {
        if let Some(text) = self.columns.texts.find(json) {
            return text.0;
        }
        if let Some(&id) = self.by_text.get(json) {
            return id;
        }
        let id = EXTRA + u32::try_from(self.extra.len()).unwrap_or(EXTRA - 1);
        self.extra.push(json.into());
        self.by_text.insert(json.into(), id);
        id
    }

    /// The text of a handle.
    #[must_use]
    pub fn json(&self, value: u32) -> std::borrow::Cow<'_, [u8]> {
        if value & (1 << 31) == 0 && value >= EXTRA {
            return (&*self.extra[(value - EXTRA) as usize]).into();
        }
        self.columns.texts.json(Text(value))
    }

    /// Both halves of a list of two.
    pub fn pair(&mut self, text: Text) -> Option<(u32, u32)> {
        if let Some(&known) = self.pairs.get(&text.0) {
            return known;
        }
        let json = self.columns.texts.json(text);
        let parts = elements(&json);
        let pair = match parts.as_deref() {
            Some([a, b]) => Some((self.intern(a), self.intern(b))),
            _ => None,
        };
        self.pairs.insert(text.0, pair);
        pair
    }

    /// Take a list apart, for `list`.
    pub fn learn_list(&mut self, value: u32) {
        if !self.lists.contains_key(&value) {
            let json = self.json(value).into_owned();
            let list = elements(&json).map(|parts| parts.iter().map(|part| self.intern(part)).collect());
            self.lists.insert(value, list);
        }
    }

    /// Values of the same columns, without any list.
    #[must_use]
    pub fn blank(&self) -> Values<'a> {
        Values {
            columns: self.columns,
            empty: self.empty,
            extra: Vec::new(),
            by_text: Map::default(),
            pairs: Map::default(),
            lists: Map::default(),
            answers: Vec::new(),
            numbers: Map::default(),
        }
    }

    /// Take in a list that has no text; returns its handle.
    pub fn put_list(&mut self, list: Vec<u32>) -> u32 {
        if list.is_empty() {
            return 0;
        }
        let id = EXTRA + u32::try_from(self.extra.len()).unwrap_or(EXTRA - 1);
        self.extra.push(Box::default());
        self.lists.insert(id, Some(list));
        id
    }

    /// The elements of a list that was taken apart; null is an empty list.
    #[must_use]
    pub fn list(&self, value: u32) -> Option<&[u32]> {
        if value == 0 {
            return Some(&[]);
        }
        self.lists.get(&value)?.as_deref()
    }

    /// Give an answer a number of 24 bits, the same for equal ones; none where these are used up.
    pub fn number_answer(&mut self, value: u32) -> Option<u32> {
        if let Some(&number) = self.numbers.get(&value) {
            return Some(number);
        }
        let number = u32::try_from(self.answers.len()).ok().filter(|_| self.answers.len() < ANSWERS)?;
        self.answers.push(value);
        self.numbers.insert(value, number);
        Some(number)
    }

    /// The answer with this number.
    #[must_use]
    pub fn answer(&self, number: u32) -> u32 {
        self.answers[number as usize]
    }

    /// The integer that a handle stands for.
    #[must_use]
    pub fn number(&self, value: u32) -> Option<i64> {
        if let Some(number) = Text(value).as_integer() {
            return Some(i64::from(number));
        }
        std::str::from_utf8(&self.json(value)).ok()?.parse().ok()
    }
}

/// The top-level elements of a canonical JSON list.
fn elements(json: &[u8]) -> Option<Vec<&[u8]>> {
    let inner = json.strip_prefix(b"[")?.strip_suffix(b"]")?;
    let mut parts = Vec::new();
    let (mut depth, mut start, mut quoted, mut escaped) = (0usize, 0usize, false, false);
    for (at, &byte) in inner.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.checked_sub(1)?,
            b',' if depth == 0 => {
                parts.push(&inner[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    if !inner.is_empty() {
        parts.push(&inner[start..]);
    }
    Some(parts)
}
