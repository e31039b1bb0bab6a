//! The native core of quorate: history columns and the checking engines.
//!
//! Everything `unsafe` lives in `ffi`; the rest is safe Rust over plain columns.

pub mod ffi;

pub use ffi::check::{quorate_check, quorate_free};
pub use ffi::history::{
    quorate_history_about, quorate_history_column, quorate_history_feed, quorate_history_finish,
    quorate_history_free, quorate_history_holding, quorate_history_len, quorate_history_new,
    quorate_history_text, quorate_history_write, History,
};

/// The library's version, as `major * 10000 + minor * 100 + patch`.
#[no_mangle]
pub extern "C" fn quorate_version() -> u32 {
    100
}
