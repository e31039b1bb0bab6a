//! What a check may use: a deadline, a ceiling of memory, and a flag that others may raise.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Why a check ended without a verdict, in words.
#[derive(Debug)]
pub(crate) struct Halt(pub String);

pub(crate) struct Limits<'a> {
    start: Instant,
    time: Duration,
    memory_bytes: usize,
    stop: &'a AtomicBool,
}

impl<'a> Limits<'a> {
    pub fn new(time_s: f64, memory_bytes: usize, stop: &'a AtomicBool) -> Self {
        let time = Duration::try_from_secs_f64(time_s.max(0.0)).unwrap_or(Duration::MAX);
        Limits { start: Instant::now(), time, memory_bytes, stop }
    }

    pub fn elapsed_s(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// Err once the time is over or the flag is up. Cheap enough for every thousandth step.
    pub fn check(&self) -> Result<(), Halt> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Halt("the check was stopped".into()));
        }
        if self.start.elapsed() > self.time {
            return Err(Halt(format!("the time limit of {} s was reached", self.time.as_secs_f64())));
        }
        Ok(())
    }

    /// Err if what is about to be held, in bytes, is over the ceiling.
    pub fn memory(&self, bytes: usize) -> Result<(), Halt> {
        if bytes <= self.memory_bytes {
            return Ok(());
        }
        let (needed, given) = (bytes >> 20, self.memory_bytes >> 20);
        Err(Halt(format!("the dependency graph needs about {needed} MiB, and the limit is {given} MiB")))
    }
}
