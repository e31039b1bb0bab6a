//! The native core of quorate: history columns and the checking engines.
//!
//! Everything `unsafe` lives in `ffi`; the rest is safe Rust over plain columns.

/// The library's version, as `major * 10000 + minor * 100 + patch`.
#[no_mangle]
pub extern "C" fn quorate_version() -> u32 {
    100
}
