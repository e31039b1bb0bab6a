//! Linearizability engines over columns.
#![forbid(unsafe_code)]
