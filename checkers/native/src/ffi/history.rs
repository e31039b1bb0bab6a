//! Histories across the boundary: fed in chunks, then read as columns.

use super::{guarded, slice};
use columns::json::Value;
use columns::reader::{Keys, Settings};
use columns::sniff::Format;
use columns::{export, Columns, Reader, Text};
use std::sync::OnceLock;

/// A history: being read, or finished.
pub struct History {
    reader: Reader,
    columns: Option<Columns>,
    joined: OnceLock<bool>,
}

impl History {
    /// The finished columns.
    ///
    /// # Errors
    /// If `quorate_history_finish` was not called, or failed.
    pub fn columns(&self) -> Result<&Columns, String> {
        self.columns.as_ref().ok_or_else(|| "the history is not finished".into())
    }
}

/// A new empty history of the named format (`jsonl`, `edn`, `text`; length 0: recognised by content). Null if the
/// format is unknown. Give it back to `quorate_history_free`.
///
/// # Safety
/// `format` points to `length` readable bytes.
#[no_mangle]
pub unsafe extern "C" fn quorate_history_new(format: *const u8, length: usize) -> *mut History {
    // SAFETY: the caller vouches for the memory.
    let name = std::str::from_utf8(unsafe { slice(format, length) }).unwrap_or("?");
    let format = Format::named(name);
    if format.is_none() && !name.is_empty() {
        return std::ptr::null_mut();
    }
    Box::into_raw(Box::new(History { reader: Reader::new(format), columns: None, joined: OnceLock::new() }))
}

/// Say more of a history before anything is fed: whether values hold keys (`auto`, `yes`, `no`), and whether it is our own
/// journal (`own` not 0), in which every field means what the exchange format says. 0, or 1 for an unknown word.
///
/// # Safety
/// `history` is valid and was not fed yet; `keys` points to `length` readable bytes.
#[no_mangle]
pub unsafe extern "C" fn quorate_history_settings(
    history: *mut History,
    keys: *const u8,
    length: usize,
    own: u8,
) -> i32 {
    // SAFETY: the caller vouches for the pointers.
    let (history, name) = unsafe { (&mut *history, slice(keys, length)) };
    let Some(keys) = std::str::from_utf8(name).ok().and_then(Keys::named) else {
        return 1;
    };
    history.reader = Reader::with(history.reader.format(), Settings { keys, own: own != 0 });
    0
}

/// How many bytes the history takes so far, while it is fed.
///
/// # Safety
/// `history` is valid.
#[no_mangle]
pub unsafe extern "C" fn quorate_history_bytes(history: *const History) -> usize {
    // SAFETY: the caller vouches for the pointer.
    let history = unsafe { &*history };
    history.reader.bytes() + history.columns.as_ref().map_or(0, Columns::bytes)
}

/// Free a history. Its columns' pointers end here.
///
/// # Safety
/// `history` came from `quorate_history_new` and is not used afterwards.
#[no_mangle]
pub unsafe extern "C" fn quorate_history_free(history: *mut History) {
    if !history.is_null() {
        // SAFETY: the caller gives up the pointer.
        drop(unsafe { Box::from_raw(history) });
    }
}

/// Feed the next chunk. 0, or 1 with the reason in `out`: a JSON object of `line` and `text`.
///
/// # Safety
/// `history` is valid and not shared; `bytes` has `length` readable bytes; `out` and `out_length` are writable.
#[no_mangle]
pub unsafe extern "C" fn quorate_history_feed(
    history: *mut History,
    bytes: *const u8,
    length: usize,
    out: *mut *mut u8,
    out_length: *mut usize,
) -> i32 {
    // SAFETY: the caller vouches for the pointers.
    unsafe {
        guarded(out, out_length, || {
            (*history).reader.feed(slice(bytes, length)).map_err(|error| refusal(&error)).map(|()| Vec::new())
        })
    }
}

/// End the input: from now on there are columns. 0, or 1 with the reason as in `quorate_history_feed`.
///
/// # Safety
/// As `quorate_history_feed`.
#[no_mangle]
pub unsafe extern "C" fn quorate_history_finish(
    history: *mut History,
    out: *mut *mut u8,
    out_length: *mut usize,
) -> i32 {
    // SAFETY: the caller vouches for the pointers.
    unsafe {
        guarded(out, out_length, || {
            let history = &mut *history;
            let columns = history.reader.finish().map_err(|error| refusal(&error))?;
            history.columns = Some(columns);
            Ok(Vec::new())
        })
    }
}

fn refusal(error: &columns::FormatError) -> String {
    Value::object([("line", error.line.into()), ("text", error.text.as_str().into())]).to_string()
}

/// Number of events; 0 before the end of the input.
///
/// # Safety
/// `history` is valid.
#[no_mangle]
pub unsafe extern "C" fn quorate_history_len(history: *const History) -> usize {
    // SAFETY: the caller vouches for the pointer.
    unsafe { &*history }.columns.as_ref().map_or(0, Columns::len)
}

/// The first element of a column, valid as long as the history: 0 index, 1 time, 2 process, 3 version (64 bits,
/// signed), 4 kind (8 bits), 5 f, 6 key, 7 value, 8 node, 9 error, 10 pair (32 bits). Null for any other number and
/// before the end of the input.
///
/// # Safety
/// `history` is valid.
#[no_mangle]
pub unsafe extern "C" fn quorate_history_column(
    history: *const History,
    column: u32,
) -> *const std::ffi::c_void {
    // SAFETY: the caller vouches for the pointer.
    let Some(columns) = unsafe { &*history }.columns.as_ref() else {
        return std::ptr::null();
    };
    match column {
        0 => columns.index.as_ptr().cast(),
        1 => columns.time.as_ptr().cast(),
        2 => columns.process.as_ptr().cast(),
        3 => columns.version.as_ptr().cast(),
        4 => columns.kind.as_ptr().cast(),
        5 => columns.f.as_ptr().cast(),
        6 => columns.key.as_ptr().cast(),
        7 => columns.value.as_ptr().cast(),
        8 => columns.node.as_ptr().cast(),
        9 => columns.error.as_ptr().cast(),
        10 => columns.pair.as_ptr().cast(),
        _ => std::ptr::null(),
    }
}

/// The canonical JSON of each of `count` handles, one a line (JSON texts hold no line breaks).
///
/// # Safety
/// `history` is valid, `handles` points to `count` handles, `out` and `out_length` are writable.
#[no_mangle]
pub unsafe extern "C" fn quorate_history_text(
    history: *const History,
    handles: *const u32,
    count: usize,
    out: *mut *mut u8,
    out_length: *mut usize,
) -> i32 {
    // SAFETY: the caller vouches for the pointers.
    unsafe {
        guarded(out, out_length, || {
            let texts = &(*history).columns()?.texts;
            let handles = if count == 0 { &[] } else { std::slice::from_raw_parts(handles, count) };
            let mut bytes = Vec::new();
            for &handle in handles {
                let text = Text(handle);
                if !texts.holds(text) {
                    return Err(format!("{handle} is not a text of this history"));
                }
                bytes.extend_from_slice(&texts.json(text));
                bytes.push(b'\n');
            }
            Ok(bytes)
        })
    }
}

/// The positions of the events whose value, as canonical JSON, holds one of the sequences of bytes in `needles`, which
/// stand one a line; each a 32-bit number in the machine's order.
///
/// # Safety
/// `history` is valid, `needles` has `length` readable bytes, `out` and `out_length` are writable.
#[no_mangle]
pub unsafe extern "C" fn quorate_history_holding(
    history: *const History,
    needles: *const u8,
    length: usize,
    out: *mut *mut u8,
    out_length: *mut usize,
) -> i32 {
    // SAFETY: the caller vouches for the pointers.
    unsafe {
        guarded(out, out_length, || {
            let columns = (*history).columns()?;
            let needles: Vec<&[u8]> = slice(needles, length).split(|&byte| byte == b'\n').collect();
            let found = columns.texts.holding(&needles);
            let holds = |text: &Text| found.get(text.0 as usize).copied().unwrap_or(false);
            let positions = (0u32..).zip(&columns.value).filter(|(_, text)| holds(text));
            Ok(positions.flat_map(|(at, _)| at.to_ne_bytes()).collect())
        })
    }
}

/// The events from `start` to before `end` in the named format (`jsonl` or `edn`), one a line.
///
/// # Safety
/// `history` is valid, `format` has `format_length` readable bytes, `out` and `out_length` are writable.
#[no_mangle]
pub unsafe extern "C" fn quorate_history_write(
    history: *const History,
    format: *const u8,
    format_length: usize,
    start: usize,
    end: usize,
    out: *mut *mut u8,
    out_length: *mut usize,
) -> i32 {
    // SAFETY: the caller vouches for the pointers.
    unsafe {
        guarded(out, out_length, || {
            let history = &*history;
            let columns = history.columns()?;
            let can_join = || *history.joined.get_or_init(|| export::can_join(columns));
            let name = String::from_utf8_lossy(slice(format, format_length)).into_owned();
            let writer =
                Format::named(&name).and_then(|format| export::Writer::new(columns, format, can_join));
            let writer = writer.ok_or_else(|| format!("histories are not written as \"{name}\""))?;
            let end = end.min(columns.len());
            let mut bytes = Vec::new();
            writer.write(start.min(end)..end, &mut bytes);
            Ok(bytes)
        })
    }
}

/// What is known of a history as a JSON object: `format`, `truncated`, `timed`, `events`, `texts`, `notes`.
///
/// # Safety
/// `history` is valid; `out` and `out_length` are writable.
#[no_mangle]
pub unsafe extern "C" fn quorate_history_about(
    history: *const History,
    out: *mut *mut u8,
    out_length: *mut usize,
) -> i32 {
    // SAFETY: the caller vouches for the pointers.
    unsafe {
        guarded(out, out_length, || {
            let history = &*history;
            let columns = history.columns()?;
            let about = Value::object([
                ("format", history.reader.format().map(Format::name).into()),
                ("truncated", history.reader.truncated().into()),
                ("timed", history.reader.timed().into()),
                (
                    "notes",
                    Value::Array(history.reader.notes().iter().map(|note| note.as_str().into()).collect()),
                ),
                ("events", columns.len().into()),
                ("texts", columns.texts.len().into()),
            ]);
            Ok(about.to_string().into_bytes())
        })
    }
}
