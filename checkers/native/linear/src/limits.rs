//! What a check may use, and who may stop it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Why a key was given up that could change no verdict.
pub const SETTLED: &str = "not decided, because another key is already invalid";
/// A key that nothing settles.
pub static UNSETTLED: AtomicBool = AtomicBool::new(false);

/// Time and memory of a check.
#[derive(Clone, Copy)]
pub struct Limits<'a> {
    /// When to give up.
    pub deadline: Instant,
    /// Bytes that one search may hold.
    pub memory: usize,
    /// Steps that the searches of one object may make in all.
    pub steps: u64,
    /// Set from outside to give up at once.
    pub stop: &'a AtomicBool,
    /// Set once another key is shown invalid: a costly search of this one could change no verdict.
    pub settled: &'a AtomicBool,
    /// Watches the memory of the process.
    pub watch: &'a Watch,
}

/// The memory of the process against a ceiling: what estimates miss is caught here. Where the system does not report
/// (not Linux), only the estimates count.
pub struct Watch {
    bytes: usize,
    /// Set at the first look, which small checks never come to: asking the system costs as much as they do.
    ceiling: OnceLock<usize>,
    looks: AtomicUsize,
    full: AtomicBool,
}

impl Watch {
    /// Allow this many bytes more than the process holds at the first look.
    #[must_use]
    pub fn more(bytes: usize) -> Watch {
        Watch { bytes, ceiling: OnceLock::new(), looks: AtomicUsize::new(0), full: AtomicBool::new(false) }
    }

    /// Whether the ceiling was ever reached.
    #[must_use]
    pub fn full(&self) -> bool {
        if self.looks.fetch_add(1, Ordering::Relaxed) % 8 == 7 {
            let resident = resident();
            let ceiling = *self.ceiling.get_or_init(|| resident.saturating_add(self.bytes));
            self.full.fetch_or(resident > ceiling, Ordering::Relaxed);
        }
        self.full.load(Ordering::Relaxed)
    }
}

/// Bytes of the process in memory; 0 where the system does not report them.
fn resident() -> usize {
    const PAGE: usize = 4096;
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|text| text.split_ascii_whitespace().nth(1)?.parse::<usize>().ok());
    pages.map_or(0, |pages| pages * PAGE)
}

impl Limits<'_> {
    /// Whether to give up.
    #[must_use]
    pub fn over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
            || self.settled.load(Ordering::Relaxed)
            || self.watch.full()
            || Instant::now() >= self.deadline
    }

    /// Why, once it is over.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        if self.stop.load(Ordering::Relaxed) {
            "stopped"
        } else if self.watch.full.load(Ordering::Relaxed) {
            "memory limit"
        } else if self.settled.load(Ordering::Relaxed) {
            SETTLED
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
