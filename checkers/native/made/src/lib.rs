//! Histories whose verdict is known without any engine.
//!
//! *Valid by construction*: concurrent clients against one correct object. Every operation takes effect at one moment
//! between its call and its return; a crashed client's takes effect then, long after, or never. The order of these
//! moments is a linearization. *Invalid for certain*: one answer of such a history changed, so that a few lines prove
//! that no order exists. *Small histories* of random answers are judged by an exhaustive search.
//!
//! Nothing here shares code with the engines but the record of an operation.
#![forbid(unsafe_code)]

pub mod client;
pub mod judge;
pub mod object;
pub mod oracle;
pub mod shape;
pub mod simulate;
pub mod spoil;
