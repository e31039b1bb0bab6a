//! Blocks of operations that must stand together, ordered by real time (Gibbons and Korach, "Testing shared
//! memories", SIAM J. Comput. 1997: zones).
//!
//! A block's zone reaches from its earliest return to its latest call. Block A must come before B if some operation
//! of A returned before some operation of B was called, that is if A's earliest return is before B's latest call.
//! An order exists exactly if no two blocks must come before each other: forward zones (return before call) may not
//! overlap, and no backward zone may lie inside a forward one.

use crate::ops::NEVER;

/// The zone of one block. Moments are shifted by one so that 0 is before everything.
#[derive(Clone, Copy, Debug)]
pub struct Zone {
    /// Earliest return, and which operation.
    pub first_return: (u32, u32),
    /// Latest call, and which operation.
    pub last_call: (u32, u32),
}

impl Default for Zone {
    fn default() -> Self {
        Zone { first_return: (NEVER, u32::MAX), last_call: (0, u32::MAX) }
    }
}

impl Zone {
    /// Take in an operation (moments not shifted).
    pub fn add(&mut self, id: u32, call: u32, ret: u32) {
        let (call, ret) = (call + 1, ret.saturating_add(1));
        if ret < self.first_return.0 {
            self.first_return = (ret, id);
        }
        if call >= self.last_call.0 {
            self.last_call = (call, id);
        }
    }

    /// Whether the block was certainly there for a while.
    #[must_use]
    pub fn forward(&self) -> bool {
        self.first_return.0 < self.last_call.0
    }

    fn start(&self) -> u32 {
        self.first_return.0.min(self.last_call.0)
    }

    fn end(&self) -> u32 {
        self.first_return.0.max(self.last_call.0)
    }
}

/// The blocks in an order that respects real time, or two that must both come before the other.
pub fn order(zones: &[Zone], moments: usize) -> Result<Vec<u32>, (u32, u32)> {
    let order = by_start(zones, moments);
    let mut forward: Option<u32> = None;
    for &block in &order {
        let zone = &zones[block as usize];
        if let Some(held) = forward {
            let end = zones[held as usize].end();
            let inside = if zone.forward() { zone.start() < end } else { zone.end() < end };
            if inside {
                return Err((held, block));
            }
        }
        if zone.forward() {
            forward = Some(block);
        }
    }
    Ok(order)
}

/// Sorted by start; starts are moments, so a table will do where they are dense.
fn by_start(zones: &[Zone], moments: usize) -> Vec<u32> {
    if moments > zones.len().saturating_mul(16) + 1024 {
        let mut order: Vec<u32> = (0..zones.len() as u32).collect();
        order.sort_unstable_by_key(|&block| zones[block as usize].start());
        return order;
    }
    let mut table = vec![u32::MAX; moments + 2];
    let mut late = Vec::new();
    for (block, zone) in zones.iter().enumerate() {
        let start = zone.start() as usize;
        if start < table.len() && table[start] == u32::MAX {
            table[start] = block as u32;
        } else {
            late.push(block as u32);
        }
    }
    let mut order: Vec<u32> = table.into_iter().filter(|&block| block != u32::MAX).collect();
    if !late.is_empty() {
        order.extend(late);
        order.sort_by_key(|&block| zones[block as usize].start());
    }
    order
}
