//! The boundary to other languages: plain integers, pointers and lengths. All `unsafe` of the core is here.
//!
//! Rules of the boundary, for every function: a panic does not cross it but becomes a failure with a text; texts are
//! UTF-8 with a length; a buffer handed out belongs to the caller, who gives it back to `quorate_free`; a pointer to
//! a history is valid from `quorate_history_new` to `quorate_history_free`, and one thread at a time may change it.

pub mod check;
pub mod history;

use std::panic::{catch_unwind, AssertUnwindSafe};

/// The call succeeded.
pub const DONE: i32 = 0;
/// The input was refused; the text says why.
pub const REFUSED: i32 = 1;
/// A bug in the core; the text says where.
pub const BROKEN: i32 = 2;

/// Run `work`; put its bytes, or the reason of its failure, into the caller's `out` and `length`.
///
/// # Safety
/// `out` and `length` point to writable memory.
unsafe fn guarded(
    out: *mut *mut u8,
    length: *mut usize,
    work: impl FnOnce() -> Result<Vec<u8>, String>,
) -> i32 {
    let (code, bytes) = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(bytes)) => (DONE, bytes),
        Ok(Err(text)) => (REFUSED, text.into_bytes()),
        Err(panic) => (BROKEN, panic_text(panic.as_ref()).into_bytes()),
    };
    let bytes = bytes.into_boxed_slice();
    // SAFETY: the caller vouches for both pointers; the box is taken back by `quorate_free`.
    unsafe {
        *length = bytes.len();
        *out = Box::into_raw(bytes).cast();
    }
    code
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a text");
    format!("the native core failed: {text}")
}

/// The bytes at a pointer; empty for a length of 0, whatever the pointer.
///
/// # Safety
/// `length` bytes can be read at `bytes` as long as the result lives.
unsafe fn slice<'a>(bytes: *const u8, length: usize) -> &'a [u8] {
    if length == 0 {
        return &[];
    }
    // SAFETY: the caller vouches for the memory.
    unsafe { std::slice::from_raw_parts(bytes, length) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(work: impl FnOnce() -> Result<Vec<u8>, String>) -> (i32, String) {
        let (mut out, mut length) = (std::ptr::null_mut(), 0);
        // SAFETY: both pointers are of this frame, and the buffer is given back once.
        unsafe {
            let code = guarded(&raw mut out, &raw mut length, work);
            let text = String::from_utf8(slice(out, length).to_vec()).unwrap();
            check::quorate_free(out, length);
            (code, text)
        }
    }

    #[test]
    fn a_panic_does_not_cross() {
        assert_eq!(run(|| Ok(b"fine".to_vec())), (DONE, "fine".into()));
        assert_eq!(run(|| Ok(Vec::new())), (DONE, String::new()));
        assert_eq!(run(|| Err("no".into())), (REFUSED, "no".into()));
        assert_eq!(run(|| panic!("on {}", "purpose")), (BROKEN, "the native core failed: on purpose".into()));
    }
}
