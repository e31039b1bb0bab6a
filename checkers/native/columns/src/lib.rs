//! A history as columns: one entry per event, in real-time order, with every text interned.
#![forbid(unsafe_code)]

mod builder;
mod draft;
mod edn;
mod edn_number;
pub mod export;
mod forms;
mod import;
pub mod json;
mod keyed;
mod number;
mod pairing;
pub mod reader;
mod scan;
mod settle;
pub mod sniff;
pub mod text;

pub use reader::{FormatError, Reader};
pub use text::{Text, Texts};

/// The type of an event.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A client asked.
    Invoke = 0,
    /// It happened.
    Ok = 1,
    /// It certainly did not happen.
    Fail = 2,
    /// Unknown outcome.
    Info = 3,
}

/// No such event: an invocation that never completed, a completion without invocation.
pub const NONE: u32 = u32::MAX;
/// No version was reported with this event.
pub const NO_VERSION: i64 = i64::MIN;
/// The process number of nemesis events.
pub const NEMESIS: i64 = -1;

/// A history. All vectors have the same length; `pair[i]` is the position of the other half of event `i`.
#[derive(Default, Debug)]
pub struct Columns {
    /// The `index` field as written (equal to the position unless the history was cut).
    pub index: Vec<i64>,
    /// Nanoseconds since the start of the run.
    pub time: Vec<i64>,
    /// Client number, or `NEMESIS`.
    pub process: Vec<i64>,
    /// Event types.
    pub kind: Vec<Kind>,
    /// Function name.
    pub f: Vec<Text>,
    /// Key, `Text::NULL` where there is none.
    pub key: Vec<Text>,
    /// Value as canonical JSON.
    pub value: Vec<Text>,
    /// The service's own version, or `NO_VERSION`.
    pub version: Vec<i64>,
    /// Node name, `Text::NULL` where unknown.
    pub node: Vec<Text>,
    /// Error as canonical JSON, `Text::NULL` where none.
    pub error: Vec<Text>,
    /// Position of the other half, or `NONE`.
    pub pair: Vec<u32>,
    /// Fields that have no column, as one canonical JSON object each: position of the event, then the object.
    /// In order of position; events without such fields are left out.
    pub extra: Vec<(u32, Text)>,
    /// All texts.
    pub texts: Texts,
}

impl Columns {
    /// Number of events.
    #[must_use]
    pub fn len(&self) -> usize {
        self.time.len()
    }

    /// How many bytes of memory the columns and their texts take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let wide =
            self.index.capacity() + self.time.capacity() + self.process.capacity() + self.version.capacity();
        let handles = self.f.capacity() + self.key.capacity() + self.value.capacity();
        let others = self.node.capacity() + self.error.capacity() + self.pair.capacity();
        wide * 8
            + (handles + others) * 4
            + self.kind.capacity()
            + self.extra.capacity() * 8
            + self.texts.bytes()
    }

    /// Whether it has no events.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.time.is_empty()
    }
}
