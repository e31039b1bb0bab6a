//! JSON: one object per line (the exchange format), or an array of objects (elle-cli).

use super::Found;
use crate::draft::Draft;
use crate::scan::{shown, Cursor, Trouble};
use crate::Texts;

pub(crate) fn import(
    bytes: &[u8],
    draft: &mut Draft,
    texts: &mut Texts,
    scratch: &mut Vec<u8>,
) -> Result<(Found, usize), Trouble> {
    let mut cursor = Cursor::new(bytes);
    cursor.space();
    match bytes.get(cursor.at) {
        None => return Ok((Found::End, cursor.at)),
        Some(b'[') if !opens(&bytes[cursor.at + 1..])? => {
            return Err(cursor.bad(format!("an event must be an object, not {}", shown(&bytes[cursor.at..]))))
        }
        // The reader has checked that these stand where an array has them.
        Some(b'[' | b']' | b',') => return Ok((Found::Nothing, cursor.at + 1)),
        Some(b'{') => cursor.at += 1,
        _ => {
            return Err(cursor.bad(format!("an event must be an object, not {}", shown(&bytes[cursor.at..]))))
        }
    }
    let mut first = true;
    let mut name_scratch = Vec::new();
    while cursor.next_item(b'}', first)? {
        first = false;
        let name = cursor.canonical(&mut name_scratch)?;
        let name = &name[1..name.len() - 1];
        cursor.colon()?;
        let json = cursor.canonical(scratch)?;
        draft.set(name, json, texts);
    }
    Ok((Found::Event, cursor.at))
}

/// Whether a bracket opens an array of events: `[INFO] …` is a line of a log.
fn opens(rest: &[u8]) -> Result<bool, Trouble> {
    let next = rest.iter().find(|byte| !byte.is_ascii_whitespace()).ok_or(Trouble::Incomplete)?;
    Ok(matches!(next, b'{' | b']'))
}
