//! EDN: Jepsen's `history.edn` (a map per line, records, or one vector), Knossos' samples (maps, or vectors of
//! process, type, function, value and error), elle-cli's EDN, Porcupine's kv lines.

use super::Found;
use crate::draft::Draft;
use crate::edn::Edn;
use crate::scan::{shown, Trouble};
use crate::Texts;

const FIELDS: [&[u8]; 5] = [b"process", b"type", b"f", b"value", b"error"];

pub(crate) fn import(
    bytes: &[u8],
    draft: &mut Draft,
    texts: &mut Texts,
    scratch: &mut Vec<u8>,
) -> Result<(Found, usize), Trouble> {
    let mut edn = Edn::new(bytes);
    edn.forms = std::mem::take(&mut draft.forms);
    let found = form(&mut edn, draft, texts, scratch);
    draft.forms = edn.forms;
    found
}

fn form(
    edn: &mut Edn<'_>,
    draft: &mut Draft,
    texts: &mut Texts,
    scratch: &mut Vec<u8>,
) -> Result<(Found, usize), Trouble> {
    if edn.space_to_end()? {
        return Ok((Found::End, edn.bytes.len()));
    }
    let opened = edn.at;
    while edn.peek()? == b'^' {
        // Metadata of what comes after it.
        edn.at += 1;
        edn.value(&mut Vec::new())?;
        edn.space()?;
    }
    if edn.peek()? == b'#' && !edn.rest().starts_with(b"#{") {
        // A record such as #jepsen.history.Op{…}: the tag says nothing that the map does not.
        edn.tag()?;
        edn.space()?;
        if edn.peek()? != b'{' {
            return Err(edn.bad("a tagged event must be a map"));
        }
    }
    match edn.peek()? {
        b'{' => map(edn, draft, texts, scratch)?,
        b'[' | b'(' => {
            let open = edn.at;
            edn.at += 1;
            edn.space()?;
            // A vector that begins with a process is an event; any other is the whole history's.
            if matches!(edn.peek()?, b'{' | b'[' | b'(' | b'#' | b']' | b')') {
                return Ok((Found::Nothing, open + 1));
            }
            row(edn, draft, texts, scratch)?;
        }
        b']' | b')' => return Ok((Found::Nothing, edn.at + 1)),
        _ => {
            let text = format!("an event must be a map or a vector, not {}", shown(&edn.bytes[opened..]));
            return Err(edn.bad(text));
        }
    }
    rename(draft, texts);
    Ok((Found::Event, edn.at))
}

fn map(
    edn: &mut Edn<'_>,
    draft: &mut Draft,
    texts: &mut Texts,
    scratch: &mut Vec<u8>,
) -> Result<(), Trouble> {
    edn.at += 1;
    let mut name = Vec::new();
    while edn.more(b'}')? {
        let at = edn.at;
        name.clear();
        edn.value(&mut name)?;
        let Some(field) = name.strip_prefix(b"\"").and_then(|name| name.strip_suffix(b"\"")) else {
            return Err(Trouble::Bad { at, text: "a field's name must be a keyword".into() });
        };
        if !edn.more(b'}')? {
            return Err(Trouble::Bad { at, text: "a field without a value".into() });
        }
        edn.tuple = false;
        scratch.clear();
        edn.data = matches!(field, b"value" | b"key");
        edn.value(scratch)?;
        edn.data = false;
        draft.tuple |= edn.tuple && field == b"value";
        draft.set(field, scratch, texts);
    }
    Ok(())
}

fn row(
    edn: &mut Edn<'_>,
    draft: &mut Draft,
    texts: &mut Texts,
    scratch: &mut Vec<u8>,
) -> Result<(), Trouble> {
    let mut fields = FIELDS.iter();
    loop {
        edn.space()?;
        if matches!(edn.peek()?, b']' | b')') {
            edn.at += 1;
            return Ok(());
        }
        let Some(field) = fields.next() else {
            return Err(edn.bad("more than process, type, function, value and error"));
        };
        scratch.clear();
        edn.data = *field == b"value";
        edn.value(scratch)?;
        edn.data = false;
        draft.set(field, scratch, texts);
    }
}

/// Porcupine's kv lines say get and put, with a key beside them.
fn rename(draft: &mut Draft, texts: &mut Texts) {
    if draft.key.is_null() {
        return;
    }
    if draft.f.is_some() && draft.f == texts.find(b"\"get\"") {
        draft.f = Some(texts.intern(b"\"read\""));
    } else if draft.f.is_some() && draft.f == texts.find(b"\"put\"") {
        draft.f = Some(texts.intern(b"\"write\""));
    }
}
