//! What a check may use, and who may stop it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Time and memory of a check.
#[derive(Clone, Copy)]
pub struct Limits<'a> {
    /// When to give up.
    pub deadline: Instant,
    /// Bytes that one search may hold.
    pub memory: usize,
    /// Set from outside to give up at once.
    pub stop: &'a AtomicBool,
}

impl Limits<'_> {
    /// Whether to give up.
    #[must_use]
    pub fn over(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || Instant::now() >= self.deadline
    }

    /// Why, once it is over.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        if self.stop.load(Ordering::Relaxed) {
            "stopped"
        } else {
            "time limit"
        }
    }

    /// The same with at most this much time from now.
    #[must_use]
    pub fn within(&self, time: Duration) -> Self {
        Limits { deadline: self.deadline.min(Instant::now() + time), ..*self }
    }
}
