//! Linearizability engines over columns.
#![forbid(unsafe_code)]

pub mod blocks;
pub mod certify;
mod check;
pub mod counter;
pub mod decide;
mod element;
pub mod guess;
pub mod hash;
pub mod limits;
pub mod lock;
pub mod minimal;
pub mod models;
pub mod ops;
pub mod pairs;
pub mod plain;
pub mod portfolio;
mod prune;
pub mod queue;
pub mod scope;
mod search;
pub mod set;
mod sources;
pub mod stepped;
pub mod values;
pub mod zones;
pub use check::check;
pub use search::general::Machine;
