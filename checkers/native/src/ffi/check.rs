//! Checks across the boundary: a request in JSON, an answer in JSON.

use super::history::History;
use super::{guarded, slice};
use columns::json;
use std::sync::atomic::AtomicBool;

/// Judge a finished history. The request's `engine` names the family (`linear`, `transactions` or `weak`, and whatever follows
/// a `:` is the family's own); the answer in `out` is the engine's JSON object.
///
/// # Safety
/// `history` is valid and is not changed during the call; `request` has `length` readable bytes; `stop` is null or
/// points to a byte that stays valid during the call, 0 until another thread sets it to 1; `out` and `out_length` are
/// writable.
#[no_mangle]
pub unsafe extern "C" fn quorate_check(
    history: *const History,
    request: *const u8,
    length: usize,
    stop: *mut u8,
    out: *mut *mut u8,
    out_length: *mut usize,
) -> i32 {
    let never = AtomicBool::new(false);
    // SAFETY: the caller vouches for the pointers; a byte of 0 or 1 is a valid bool.
    unsafe {
        let stop = if stop.is_null() { &never } else { AtomicBool::from_ptr(stop.cast()) };
        guarded(out, out_length, || {
            let columns = (*history).columns()?;
            let request = std::str::from_utf8(slice(request, length)).map_err(|error| error.to_string())?;
            let parsed = json::parse(request.as_bytes()).map_err(|error| format!("the request: {error}"))?;
            let engine = parsed.get("engine").and_then(json::Value::as_str).unwrap_or_default();
            match engine.split(':').next().unwrap_or_default() {
                "linear" => Ok(linear::check(columns, request, stop).into_bytes()),
                "transactions" => Ok(transactions::check(columns, request, stop).into_bytes()),
                "weak" => Ok(weak::check(columns, request, stop).into_bytes()),
                _ => Err(format!("there is no engine \"{engine}\"")),
            }
        })
    }
}

/// Give back a buffer that a function of this library handed out.
///
/// # Safety
/// `bytes` and `length` are exactly as handed out, once.
#[no_mangle]
pub unsafe extern "C" fn quorate_free(bytes: *mut u8, length: usize) {
    if !bytes.is_null() {
        // SAFETY: this is the box of `guarded`.
        drop(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(bytes, length)) });
    }
}
