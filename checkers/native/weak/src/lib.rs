//! Registers by models weaker than linearizability: sequential, causal and PRAM consistency, session guarantees.
#![forbid(unsafe_code)]
#![allow(missing_docs)]

mod graph;
mod judge;
mod levels;
mod limits;
mod nodes;
mod saturate;
mod sequential;
mod views;

pub use judge::check;
