// SPDX-License-Identifier: GPL-2.0

//! The last few of many events.

use crate::mq::atomic::{
    AtomicU64,
    Ordering, //
};
use core::num::NonZeroU64;

/// The last `N` events, each a time and a word that says what it was.
///
/// Takes no lock, so that it can be written in any context. Who looks while an event is being
/// written does not see that one.
pub(crate) struct Recent<const N: usize> {
    /// How many there were so far.
    count: AtomicU64,
    events: [Event; N],
}

struct Event {
    when: AtomicU64,
    /// 0 while there is none, or while it is written.
    what: AtomicU64,
}

impl<const N: usize> Recent<N> {
    /// No event so far.
    pub(crate) fn new() -> Self {
        const { assert!(N > 0) };
        Self {
            count: AtomicU64::new(0),
            events: core::array::from_fn(|_| Event {
                when: AtomicU64::new(0),
                what: AtomicU64::new(0),
            }),
        }
    }

    /// Adds an event, in the place of the oldest. Any context.
    pub(crate) fn add(&self, when: u64, what: NonZeroU64) {
        let place = self.count.fetch_add(1, Ordering::Relaxed);
        let Some(event) = self.at(place) else {
            return;
        };
        event.what.store(0, Ordering::Relaxed);
        // Who sees this time sees the 0, too.
        event.when.store(when, Ordering::Release);
        event.what.store(what.get(), Ordering::Release);
    }

    /// How many there were so far.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// The last events, the oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, NonZeroU64)> + '_ {
        // CAST: widening.
        let size = N as u64;
        let end = self.count();
        (end.saturating_sub(size)..end).filter_map(|place| {
            let event = self.at(place)?;
            let what = event.what.load(Ordering::Acquire);
            let when = event.when.load(Ordering::Acquire);
            let same = event.what.load(Ordering::Relaxed) == what;
            Some((when, NonZeroU64::new(what).filter(|_| same)?))
        })
    }

    fn at(&self, place: u64) -> Option<&Event> {
        // CAST: below `N`.
        self.events.get((place % N as u64) as usize)
    }
}
