//! The formats that histories come in. Each module turns the bytes of one event into a draft.

pub(crate) mod edn;
pub(crate) mod json;
pub(crate) mod text;

use crate::draft::Draft;
use crate::scan::Trouble;
use crate::Texts;

/// What an importer found at the start of the bytes it was given.
pub(crate) enum Found {
    /// An event, in the draft.
    Event,
    /// Something that is not an event: a comment, a log line, the bracket around the history.
    Nothing,
    /// Something that is not an event and that does not belong into such a file; why.
    Odd(String),
    /// Nothing but white space up to the end of the bytes.
    End,
}

/// One event (or one thing that is none) from the start of `bytes`; how many bytes it took.
///
/// The trouble is `Incomplete` if the bytes end before the event does.
pub(crate) type Import = fn(
    bytes: &[u8],
    draft: &mut Draft,
    texts: &mut Texts,
    scratch: &mut Vec<u8>,
) -> Result<(Found, usize), Trouble>;

impl From<crate::json::Error> for Trouble {
    fn from(error: crate::json::Error) -> Trouble {
        Trouble::Bad { at: error.at, text: error.text }
    }
}
