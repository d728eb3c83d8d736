// SPDX-License-Identifier: GPL-2.0

//! The slot table of a queue: requests that the device may reach.

use super::{
    cid::{
        Cid,
        CidLayout, //
    },
    operations::Completion,
    request::{
        Completed,
        Request, //
    },
    slot::SlotWord,
    Operations, //
};
use core::{
    cell::UnsafeCell,
    mem::MaybeUninit,
    ptr::NonNull, //
};
use kernel::{
    bindings,
    prelude::*, //
};

/// One tag: the word that says who owns its request, and the mapping that
/// travels with it.
struct Slot<M> {
    word: SlotWord,
    mapping: UnsafeCell<MaybeUninit<M>>,
}

/// The slots of one queue, one per tag.
///
/// # Invariants
///
/// - A request lies in the slot of its own tag, and has been started.
/// - `mapping` is initialised from [`Slots::put`] or [`Slots::put_mapping`] until
///   [`Slots::take_mapping`]; it belongs to whoever owns the request of that tag.
pub(crate) struct Slots<T: Operations> {
    slots: KVVec<Slot<T::Mapping>>,
    layout: CidLayout,
}

// SAFETY: a request and its mapping are `Send` (the trait's bounds), and the
// table hands each of them to exactly one owner.
unsafe impl<T: Operations> Send for Slots<T> {}

// SAFETY: `SlotWord` is atomic, and `mapping` is reached only by the owner of
// the tag's request (type invariant), of which there is one.
unsafe impl<T: Operations> Sync for Slots<T> {}

impl<T: Operations> Slots<T> {
    /// An empty table for `depth` tags. May sleep.
    pub(super) fn new(depth: u32, with_generation: bool) -> Result<Self> {
        let mut slots = KVVec::with_capacity(usize::try_from(depth)?, GFP_KERNEL)?;
        for _ in 0..depth {
            slots.push(
                Slot {
                    word: SlotWord::empty(),
                    mapping: UnsafeCell::new(MaybeUninit::uninit()),
                },
                GFP_KERNEL,
            )?;
        }
        // INVARIANT: all slots are empty.
        Ok(Self {
            slots,
            layout: CidLayout::new(depth, with_generation),
        })
    }

    /// Moves a request and its mapping into the slot of the request's tag.
    ///
    /// From now on the device may be told of it. Any context.
    ///
    /// # Errors
    ///
    /// Gives both back if the request is another queue's, or the slot is not empty, which
    /// blk-mq's tags rule out.
    #[inline]
    pub(crate) fn put(
        &self,
        rq: Request<T>,
        mapping: T::Mapping,
    ) -> Result<Cid, (Request<T>, T::Mapping)> {
        // A tag means something on its own queue only.
        if !core::ptr::eq(rq.queue().slots(), self) {
            return Err((rq, mapping));
        }
        let tag = rq.tag();
        // CAST: an address has at most 64 bits.
        let address = rq.as_raw() as u64;
        let Some(slot) = self.slots.get(tag) else {
            return Err((rq, mapping));
        };
        let Some(generation) = slot.word.prepare(address, self.layout) else {
            return Err((rq, mapping));
        };
        // SAFETY: the slot is empty and `rq` is the request of its tag, so by the
        // type invariant the mapping is ours.
        unsafe { (*slot.mapping.get()).write(mapping) };
        // The slot owns the request from here on.
        rq.into_raw();
        Ok(slot.word.put(address, generation, tag, self.layout))
    }

    /// Takes the request that a completion names.
    ///
    /// Returns `None` for an identifier that is stale, repeated or bogus. Never
    /// waits. Any context.
    ///
    /// A kernel with `CONFIG_FAIL_IO_TIMEOUT` may be asked to act as if some completions had
    /// never come. Their requests stay in their slots, and this returns `None`.
    ///
    /// # Guarantees
    ///
    /// Who gets the request is its only owner, and that of its mapping.
    #[inline]
    pub(crate) fn take(&self, completion: &T::Completion<'_>) -> Option<Completed<T>> {
        let cid = completion.cid();
        let slot = self.slots.get(self.layout.tag(cid))?;
        let address = slot.word.take(cid, self.layout)?;
        #[cfg(CONFIG_FAIL_IO_TIMEOUT)]
        // SAFETY: `address` is that of a live request, which is ours.
        if unsafe { crate::bindings::rnvme_should_fake_timeout(address as *mut _) } {
            // For a moment the slot is empty though the request comes back. A drain that looks
            // just then misses it; the next time-out leads to another.
            slot.word
                .put(address, self.layout.generation(cid), 0, self.layout);
            return None;
        }
        // SAFETY: `address` was put there by `put()`, and taken out by nobody else.
        Some(unsafe { Self::completed(address) })
    }

    /// Takes every request out. For [`Queue::drain`](super::Queue::drain), which asks for
    /// proof that the device can no longer reach the memory of any. May be called from any
    /// context that `f` allows.
    pub(super) fn drain(&self, mut f: impl FnMut(Completed<T>)) {
        for slot in &self.slots {
            if let Some(address) = slot.word.drain() {
                // SAFETY: as in `take()`.
                f(unsafe { Self::completed(address) });
            }
        }
    }

    /// True if no slot holds a request (a look, not a promise).
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.iter().all(|slot| !slot.word.is_full())
    }

    /// How many slots hold a request (a look, not a promise).
    pub(crate) fn outstanding(&self) -> usize {
        self.slots.iter().filter(|slot| slot.word.is_full()).count()
    }

    /// The identifier of the request in the slot of `tag`, for an Abort command say;
    /// `None` if the slot is empty (a look, not a promise).
    pub(crate) fn cid(&self, tag: usize) -> Option<Cid> {
        self.slots.get(tag)?.word.cid(tag, self.layout)
    }

    /// True if the slot of `tag` holds a request (a look, not a promise).
    pub(crate) fn is_full(&self, tag: usize) -> bool {
        self.slots.get(tag).is_some_and(|slot| slot.word.is_full())
    }

    /// Moves the mapping of a request that was taken out of its slot.
    ///
    /// # Safety
    ///
    /// The caller owns the completed request of `tag`, and calls this once for
    /// each time it was taken.
    #[inline]
    pub(super) unsafe fn take_mapping(&self, tag: usize) -> Option<T::Mapping> {
        let slot = self.slots.get(tag)?;
        // SAFETY: by this function's requirements and the type invariant it is
        // initialised and ours.
        Some(unsafe { (*slot.mapping.get()).assume_init_read() })
    }

    /// Puts the mapping of a request where [`Self::take_mapping`] finds it, though the
    /// request was never in its slot. Gives it back if there is no such tag.
    ///
    /// # Safety
    ///
    /// The caller owns the started request of `tag`, which is not in its slot, and has put
    /// no mapping for it before.
    #[inline]
    pub(super) unsafe fn put_mapping(
        &self,
        tag: usize,
        mapping: T::Mapping,
    ) -> Result<(), T::Mapping> {
        let Some(slot) = self.slots.get(tag) else {
            return Err(mapping);
        };
        // SAFETY: by this function's requirements the place is ours, and empty.
        unsafe { (*slot.mapping.get()).write(mapping) };
        Ok(())
    }

    /// # Safety
    ///
    /// `address` was just taken out of a slot that [`Slots::put`] had filled.
    #[inline]
    unsafe fn completed(address: u64) -> Completed<T> {
        // SAFETY: by this function's requirements it is a live, started request,
        // not null, that nobody else owns.
        unsafe { Completed::from_raw(NonNull::new_unchecked(address as *mut bindings::request)) }
    }
}
