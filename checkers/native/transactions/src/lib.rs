//! Isolation of transactions: dependency graphs, cycles, anomalies.
#![forbid(unsafe_code)]
