// SPDX-License-Identifier: GPL-2.0

//! Which of a few dozen pages are free: one word, no lock.

use crate::mq::atomic::{
    AtomicU64,
    Ordering, //
};

/// The free numbers among `0..count`, `count` at most 64.
pub(crate) struct Pool {
    free: AtomicU64,
}

impl Pool {
    /// A pool in which all of `count` numbers are free; more than 64 are 64.
    pub(crate) fn new(count: usize) -> Self {
        // CAST: below 64.
        let free = match count {
            0 => 0,
            1..64 => 1u64.wrapping_shl(count as u32).wrapping_sub(1),
            _ => u64::MAX,
        };
        Self {
            free: AtomicU64::new(free),
        }
    }

    /// Takes the smallest free number. Any context.
    pub(crate) fn take(&self) -> Option<PoolIndex> {
        let mut free = self.free.load(Ordering::Relaxed);
        loop {
            if free == 0 {
                return None;
            }
            // Acquire pairs with the release of `put`: what the last owner did to the
            // page is over.
            match self.free.compare_exchange_weak(
                free,
                free & free.wrapping_sub(1),
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                // CAST: at most 63.
                Ok(old) => return Some(PoolIndex(old.trailing_zeros() as u8)),
                Err(now) => free = now,
            }
        }
    }

    /// Gives a number back. Any context.
    pub(crate) fn put(&self, index: PoolIndex) {
        self.put_all(1u64.wrapping_shl(u32::from(index.0)));
    }

    /// Gives back each number whose bit is set. The caller owns all of them.
    pub(super) fn put_all(&self, bits: u64) {
        self.free.fetch_or(bits, Ordering::Release);
    }
}

/// A number taken from a [`Pool`]; its owner alone uses what it stands for.
///
/// # Invariants
///
/// Less than 64.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PoolIndex(u8);

impl PoolIndex {
    /// The number.
    pub(crate) fn get(&self) -> usize {
        // CAST: widening.
        self.0 as usize
    }
}
