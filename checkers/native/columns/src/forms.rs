//! Keywords and strings of EDN: `:on` is not `"on"`.
//!
//! Both become JSON strings, and as a rule a history writes a name in one form only. The form that comes first keeps
//! the plain text; the other one, where a file has both, is told apart: a keyword by its colon, a string by its quotes.

use std::collections::HashMap;

/// Longer names are not looked after.
const NAME_MAX: usize = 64;
/// So many names are looked after.
const NAMES_MAX: usize = 1 << 16;

/// The form in which each name came first.
#[derive(Default)]
pub(crate) struct Forms {
    first_is_keyword: HashMap<Box<[u8]>, bool>,
}

impl Forms {
    /// Whether this name came first in the other form. Remembers the form of a new name.
    pub fn is_other(&mut self, name: &[u8], keyword: bool) -> bool {
        if name.len() > NAME_MAX || !name.first().is_some_and(u8::is_ascii_alphabetic) {
            return false;
        }
        if let Some(&first) = self.first_is_keyword.get(name) {
            return first != keyword;
        }
        if self.first_is_keyword.len() < NAMES_MAX {
            self.first_is_keyword.insert(name.into(), keyword);
        }
        false
    }
}

/// Names of micro-operations, which are read as such in either form.
pub(crate) fn is_micro(name: &[u8]) -> bool {
    matches!(name, b"append" | b"r" | b"w" | b"read" | b"write")
}
