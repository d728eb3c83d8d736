// SPDX-License-Identifier: GPL-2.0

//! Stands for `mq/atomic.rs`: atomics of which `loom` tries every order and every value that a
//! load may see.
//!
//! `loom` finds an order worth trying when an access meets the last one of another thread. Loads
//! do not count as meeting each other, and so a thread that loads a word before it writes to it
//! hides from `loom` that its write could have come before the load of another thread. Here each
//! load takes its turn at a second word first, which makes `loom` try both orders of two loads,
//! and so, one step further, that of the write. (`explore::tests` would notice.)

use loom::sync::atomic;

pub(crate) use loom::sync::atomic::Ordering;

/// As in `core`, as far as the files under test use it.
pub(crate) struct AtomicU64 {
    value: atomic::AtomicU64,
    turn: atomic::AtomicU64,
}

impl AtomicU64 {
    pub(crate) fn new(value: u64) -> Self {
        Self {
            value: atomic::AtomicU64::new(value),
            turn: atomic::AtomicU64::new(0),
        }
    }

    pub(crate) fn load(&self, order: Ordering) -> u64 {
        // A store: no value to try, and relaxed, so that nothing is seen by it.
        self.turn.store(0, Ordering::Relaxed);
        self.value.load(order)
    }

    pub(crate) fn store(&self, value: u64, order: Ordering) {
        self.value.store(value, order);
    }

    /// For a mutant, see `mutants.rs`.
    pub(crate) fn swap(&self, value: u64, order: Ordering) -> u64 {
        self.value.swap(value, order)
    }

    pub(crate) fn compare_exchange(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        self.value.compare_exchange(current, new, success, failure)
    }

    /// Never fails without a reason, as on x86.
    pub(crate) fn compare_exchange_weak(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        self.compare_exchange(current, new, success, failure)
    }

    pub(crate) fn fetch_or(&self, value: u64, order: Ordering) -> u64 {
        self.value.fetch_or(value, order)
    }
}
