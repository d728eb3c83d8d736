// SPDX-License-Identifier: GPL-2.0

//! Counts by kind, of which only a few ever occur.

use crate::mq::atomic::{
    AtomicU64,
    Ordering, //
};

/// Where the kind of a count begins in its word: above the count.
const KIND_SHIFT: u32 = 32;

/// Counts of the first `N` kinds that occur, and one of all others.
///
/// Takes no lock. A count ends at 2^32 - 1.
pub(crate) struct Tally<const N: usize> {
    /// Each 0, or a kind plus 1, and how often it occurred.
    counts: [AtomicU64; N],
    others: AtomicU64,
}

impl<const N: usize> Tally<N> {
    /// All counts are 0.
    pub(crate) fn new() -> Self {
        Self {
            counts: core::array::from_fn(|_| AtomicU64::new(0)),
            others: AtomicU64::new(0),
        }
    }

    /// One more of a kind. Any context.
    pub(crate) fn add(&self, kind: u16) {
        let first = (u64::from(kind).wrapping_add(1) << KIND_SHIFT) | 1;
        for count in &self.counts {
            let now = match count.compare_exchange(0, first, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                // A place keeps its kind.
                Err(now) => now,
            };
            if now >> KIND_SHIFT == first >> KIND_SHIFT {
                let _ = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| {
                    // CAST: the count, without its kind.
                    (now as u32 != u32::MAX).then_some(now.wrapping_add(1))
                });
                return;
            }
        }
        self.others.fetch_add(1, Ordering::Relaxed);
    }

    /// The kinds that occurred, and how often.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u16, u32)> + '_ {
        self.counts.iter().filter_map(|count| {
            let now = count.load(Ordering::Relaxed);
            let kind = u16::try_from((now >> KIND_SHIFT).checked_sub(1)?).ok()?;
            // CAST: the count, without its kind.
            Some((kind, now as u32))
        })
    }

    /// How often others occurred, for which there was no place.
    pub(crate) fn others(&self) -> u64 {
        self.others.load(Ordering::Relaxed)
    }
}
