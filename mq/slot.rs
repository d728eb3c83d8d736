// SPDX-License-Identifier: GPL-2.0

//! The word of a slot: who owns the request of this tag, device or driver.
//!
//! One word holds the address of the request that lies in the slot, or nothing,
//! and in its low six bits the generation, which counts how often the slot was
//! filled. Whoever moves the word from "address" to "nothing" by a compare and
//! exchange owns the request; everybody else finds the slot empty.

use super::{
    atomic::{
        AtomicU64,
        Ordering, //
    },
    cid::{
        Cid,
        CidLayout, //
    },
};

/// The low bits of an address that are zero, and hold the generation.
const GENERATION_MASK: u64 = 0x3f;

/// The slot of one tag.
pub(crate) struct SlotWord(AtomicU64);

impl SlotWord {
    /// An empty slot.
    pub(crate) fn empty() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Looks whether `address` can be put into the slot: `None` when the slot is
    /// occupied, or the address is not aligned to 64 bytes. Else the generation to
    /// [`Self::put`] it with.
    ///
    /// Only the owner of the tag calls this, so nobody else fills an empty slot.
    #[inline]
    pub(crate) fn prepare(&self, address: u64, layout: CidLayout) -> Option<u64> {
        let old = self.0.load(Ordering::Relaxed);
        if old > GENERATION_MASK || address & GENERATION_MASK != 0 {
            return None;
        }
        Some(layout.next(old))
    }

    /// Puts `address` into the slot, with the generation that [`Self::prepare`] gave,
    /// and returns the identifier that takes it out again.
    #[inline]
    pub(crate) fn put(&self, address: u64, generation: u64, tag: usize, layout: CidLayout) -> Cid {
        // Release: whoever takes the request sees what was stored for it before.
        self.0.store(address | generation, Ordering::Release);
        layout.cid(tag, generation)
    }

    /// Takes the address out if `cid` is the identifier it was put in with.
    ///
    /// Two loads of the same identifier, a stale one and a bogus one give `None`.
    ///
    /// # Guarantees
    ///
    /// Of all calls of this and [`Self::drain`], one gets an address for each
    /// [`Self::put`] of it: who gets it is the only owner of the request, and sees what
    /// was stored for it before.
    #[inline]
    pub(crate) fn take(&self, cid: Cid, layout: CidLayout) -> Option<u64> {
        let old = self.0.load(Ordering::Relaxed);
        let generation = layout.generation(cid);
        if old & GENERATION_MASK != generation {
            return None;
        }
        self.exchange(old)
    }

    /// Takes the address out, whatever its identifier.
    ///
    /// # Guarantees
    ///
    /// Those of [`Self::take`].
    pub(crate) fn drain(&self) -> Option<u64> {
        self.exchange(self.0.load(Ordering::Relaxed))
    }

    /// True while a request lies in the slot. By the time the caller looks at
    /// the answer it may have changed.
    pub(crate) fn is_full(&self) -> bool {
        self.0.load(Ordering::Relaxed) > GENERATION_MASK
    }

    /// The identifier that the request in the slot of `tag` was given, while there is one.
    /// By the time the caller looks at the answer it may have changed.
    pub(crate) fn cid(&self, tag: usize, layout: CidLayout) -> Option<Cid> {
        let word = self.0.load(Ordering::Relaxed);
        (word > GENERATION_MASK).then(|| layout.cid(tag, word & GENERATION_MASK))
    }

    #[inline]
    fn exchange(&self, old: u64) -> Option<u64> {
        let address = old & !GENERATION_MASK;
        if address == 0 {
            return None;
        }
        // Acquire pairs with the release of `put`. A blind exchange would steal
        // the next owner's request when the slot was reused since the load.
        self.0
            .compare_exchange(
                old,
                old & GENERATION_MASK,
                Ordering::Acquire,
                Ordering::Relaxed,
            )
            .ok()
            .map(|_| address)
    }
}
