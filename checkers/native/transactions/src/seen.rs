//! What was read off the values, by model.

use crate::append::Versions;
use crate::register::Registers;

pub(crate) enum Seen {
    Append(Versions),
    Register(Registers),
}

impl Seen {
    pub fn bytes(&self) -> usize {
        match self {
            Seen::Append(versions) => versions.bytes(),
            Seen::Register(registers) => registers.bytes(),
        }
    }
}
