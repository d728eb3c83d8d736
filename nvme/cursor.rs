// SPDX-License-Identifier: GPL-2.0

//! A position in a ring, and how often it came by the start.
//!
//! NVM Express Base Specification 2.0c, 3.3.1.2 (empty and full queues) and 3.3.3.2.2
//! (the phase tag).

use super::spec::ids::QueueSize;

/// Where the next entry of a queue is.
///
/// # Invariants
///
/// `index` is less than the size of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    index: u32,
    size: QueueSize,
    phase: bool,
}

impl Cursor {
    /// The first entry of a queue in its first round, whose phase tag is 1.
    pub(crate) const fn new(size: QueueSize) -> Self {
        // INVARIANT: a queue has two entries at least.
        Self {
            index: 0,
            size,
            phase: true,
        }
    }

    /// The index of the entry, from 0: the value for a doorbell.
    #[inline]
    pub(crate) const fn index(self) -> u32 {
        self.index
    }

    /// How many entries the queue has.
    pub(crate) const fn size(self) -> QueueSize {
        self.size
    }

    /// The phase tag of entries that the device writes in this round.
    #[inline]
    pub(crate) const fn phase(self) -> bool {
        self.phase
    }

    /// Goes on to the next entry; behind the last one is the first, in the next round.
    #[inline]
    pub(crate) fn advance(&mut self) {
        let next = self.index.wrapping_add(1);
        // INVARIANT: starts anew at the end.
        if next == self.size.entries() {
            self.index = 0;
            self.phase = !self.phase;
        } else {
            self.index = next;
        }
    }
}
