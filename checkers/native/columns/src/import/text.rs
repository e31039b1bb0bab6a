//! Text: Jepsen's `history.txt` (`process type f value error`, tabs between) and logs that hold such lines after a
//! prefix (`INFO  jepsen.util - 0 :invoke :read nil`), among them Porcupine's etcd logs. A line that has no type in
//! it is another log line and says nothing.

use super::Found;
use crate::draft::Draft;
use crate::edn::Edn;
use crate::json;
use crate::scan::{shown, Trouble};
use crate::Texts;

const TYPES: [&[u8]; 4] = [b":invoke", b":ok", b":fail", b":info"];

pub(crate) fn import(
    bytes: &[u8],
    draft: &mut Draft,
    texts: &mut Texts,
    scratch: &mut Vec<u8>,
) -> Result<(Found, usize), Trouble> {
    let Some(end) = bytes.iter().position(|&byte| byte == b'\n') else {
        return if bytes.iter().all(u8::is_ascii_whitespace) {
            Ok((Found::End, bytes.len()))
        } else {
            Err(Trouble::Incomplete)
        };
    };
    let line = bytes[..end].trim_ascii_end();
    let Some((process, kind, rest)) = event(line) else {
        if line.is_empty() || is_log(line) {
            return Ok((Found::Nothing, end + 1));
        }
        let text = format!("no `process :type :f value` in {}", shown(line));
        return Ok((Found::Odd(text), end + 1));
    };
    let process = if process.ends_with(b"nemesis") { b"\"nemesis\"" } else { process };
    draft.set(b"process", process, texts);
    let kind = [b"\"", &kind[1..], b"\""].concat();
    draft.set(b"type", &kind, texts);
    body(line, rest, draft, texts, scratch)?;
    Ok((Found::Event, end + 1))
}

/// Function, value and error of a line; a line's end ends them, so that nothing here is incomplete.
fn body(
    line: &[u8],
    rest: usize,
    draft: &mut Draft,
    texts: &mut Texts,
    scratch: &mut Vec<u8>,
) -> Result<(), Trouble> {
    // A line's end after the last token lets the scanner see its end.
    let spaced = [line, b"\n"].concat();
    let mut edn = Edn::new(&spaced);
    edn.at = rest;
    edn.forms = std::mem::take(&mut draft.forms);
    let done = fields(&mut edn, draft, texts, scratch);
    draft.forms = edn.forms;
    done.map_err(|trouble| match trouble {
        Trouble::Incomplete => Trouble::Bad { at: 0, text: "the line ends too early".into() },
        bad @ Trouble::Bad { .. } => bad,
    })
}

fn fields(
    edn: &mut Edn<'_>,
    draft: &mut Draft,
    texts: &mut Texts,
    scratch: &mut Vec<u8>,
) -> Result<(), Trouble> {
    edn.space()?;
    scratch.clear();
    edn.value(scratch)?;
    draft.set(b"f", scratch, texts);
    if edn.space_to_end()? {
        return Ok(());
    }
    let keyword = edn.peek()? == b':';
    scratch.clear();
    edn.data = true;
    edn.value(scratch)?;
    edn.data = false;
    draft.tuple = edn.tuple;
    let failed = matches!(draft.kind, Some(crate::Kind::Fail | crate::Kind::Info));
    if keyword && failed && edn.space_to_end()? {
        // `:info :write :timed-out` has the error where the value was.
        draft.set(b"error", scratch, texts);
        return Ok(());
    }
    draft.set(b"value", scratch, texts);
    if edn.space_to_end()? {
        return Ok(());
    }
    let error = edn.rest().trim_ascii().to_vec();
    scratch.clear();
    let whole = edn.value(scratch).is_ok() && edn.space_to_end() == Ok(true);
    if !whole {
        scratch.clear();
        json::write_string(&String::from_utf8_lossy(&error), scratch);
    }
    draft.set(b"error", scratch, texts);
    Ok(())
}

/// Whether a last line without a line's end can be no half of a longer one: `12` may have been cut off `123`, and a
/// value may be missing altogether, but nothing follows a bracket, a quote or nil. What is not an event says nothing
/// either way.
pub(crate) fn is_whole(line: &[u8]) -> bool {
    let line = line.trim_ascii_end();
    event(line).is_none() || line.ends_with(b"nil") || line.last().is_some_and(|byte| b"])}\"".contains(byte))
}

/// Whether a line holds an event, alone or after a log's prefix.
pub(crate) fn is_event(line: &[u8]) -> bool {
    event(line).is_some()
}

/// Process, type, and where the rest begins.
fn event(line: &[u8]) -> Option<(&[u8], &[u8], usize)> {
    let mut last: &[u8] = b"";
    let mut at = 0;
    while at < line.len() {
        if line[at].is_ascii_whitespace() {
            at += 1;
            continue;
        }
        let length = line[at..].iter().position(u8::is_ascii_whitespace).unwrap_or(line.len() - at);
        let word = &line[at..at + length];
        at += length;
        let is_process = last == b":nemesis" || last == b"nemesis" || last.iter().all(u8::is_ascii_digit);
        if !last.is_empty() && is_process && TYPES.contains(&word) {
            return Some((last, word, at));
        }
        last = word;
    }
    None
}

/// Whether a line begins as logs do: with a level, or with a date.
fn is_log(line: &[u8]) -> bool {
    let word = line.split(u8::is_ascii_whitespace).next().unwrap_or_default();
    let date = word.len() >= 8 && word[0].is_ascii_digit() && word.contains(&b'-');
    date || [&b"INFO"[..], b"WARN", b"ERROR", b"DEBUG", b"TRACE", b"FATAL"].contains(&word)
}
