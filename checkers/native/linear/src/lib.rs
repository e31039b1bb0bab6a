//! Linearizability engines over columns.
#![forbid(unsafe_code)]

pub mod blocks;
mod check;
pub mod decide;
pub mod hash;
pub mod limits;
pub mod minimal;
pub mod models;
pub mod ops;
pub mod portfolio;
pub mod search;
pub mod zones;
pub use check::check;
