//! A deadline, a ceiling of memory, and a flag that others may raise.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Why a level was given up, in words.
#[derive(Debug, Clone)]
pub struct Halt(pub String);

/// What a check may use.
pub struct Limits<'a> {
    pub deadline: Instant,
    pub time: Duration,
    pub memory: usize,
    pub stop: &'a AtomicBool,
}

impl<'a> Limits<'a> {
    /// Err once the time is over or the flag is up.
    pub fn check(&self) -> Result<(), Halt> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Halt("the check was stopped".into()));
        }
        if Instant::now() > self.deadline {
            return Err(Halt(format!("the time limit of {:.0} s was reached", self.time.as_secs_f64())));
        }
        Ok(())
    }

    /// The same, but no longer than this from now.
    pub fn within(&self, time: Duration) -> Limits<'a> {
        Limits { deadline: self.deadline.min(Instant::now() + time), ..*self }
    }

    /// Err if so many bytes are more than is allowed.
    pub fn hold(&self, bytes: usize) -> Result<(), Halt> {
        if bytes <= self.memory {
            return Ok(());
        }
        Err(Halt(format!("it needs about {} MiB, and the limit is {} MiB", bytes >> 20, self.memory >> 20)))
    }
}
