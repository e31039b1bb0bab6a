//! Objects by models weaker than linearizability: sequential, causal and PRAM consistency, session guarantees.
#![forbid(unsafe_code)]
#![allow(missing_docs)]

mod fifo;
mod graph;
mod judge;
mod levels;
mod limits;
mod nodes;
mod object_levels;
mod object_search;
mod objects;
mod saturate;
mod sequential;
mod totals;
mod views;

pub use judge::check;
