//! What EDN distinguishes and JSON does not: `:on`, `on`, `"on"`, `\\o` and `#uuid "…"` are different values.
//!
//! All become JSON strings, and as a rule a history writes a name in one form only. The form that comes first keeps the
//! plain text; another one, where a file has several, gets the mark of its form.

use std::collections::HashMap;

/// So many bytes of names are looked after, those of a file's keywords and of its first strings.
const BYTES_MAX: usize = 1 << 22;

/// How a name is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    Text,
    Keyword,
    Symbol,
    Character,
    Ratio,
    /// A string with a tag before it.
    Tagged,
}

impl Form {
    /// The name as it stands where another form of it came first.
    pub fn marked(self, name: &[u8]) -> Vec<u8> {
        match self {
            Form::Text => [b"\"", name, b"\""].concat(),
            Form::Keyword => [b":", name].concat(),
            Form::Symbol => [b"'", name].concat(),
            Form::Character => [b"\\", name].concat(),
            Form::Ratio => [b"=", name].concat(),
            Form::Tagged => [b"#", name].concat(),
        }
    }
}

/// The form in which each name came first.
#[derive(Default)]
pub(crate) struct Forms {
    first: HashMap<Box<[u8]>, Form>,
    bytes: usize,
}

impl Forms {
    /// Whether this name came first in another form. Remembers the form of a new name.
    pub fn is_other(&mut self, name: &[u8], form: Form) -> bool {
        if let Some(&first) = self.first.get(name) {
            return first != form;
        }
        if self.bytes + name.len() < BYTES_MAX {
            self.bytes += name.len().max(16);
            self.first.insert(name.into(), form);
        }
        false
    }
}

/// Names of micro-operations, which are read as such in any form.
pub(crate) fn is_micro(name: &[u8]) -> bool {
    matches!(name, b"append" | b"r" | b"w" | b"read" | b"write")
}
