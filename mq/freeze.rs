// SPDX-License-Identifier: GPL-2.0

//! Frozen queues: no request is anywhere, and none comes.
//!
//! While a guard lives, who submits waits, the caller too: do no I/O. Allocations of the
//! caller start none (`memalloc_noio_save`). Guards are dropped in the order opposite to
//! the one in which they were taken, by the thread that took them.

use super::{
    Operations,
    RequestQueue,
    TagSet, //
};
use crate::bindings;
use core::mem;
use kernel::{
    prelude::*,
    sync::Arc,
    types::NotThreadSafe, //
};

/// A frozen request queue; dropping it thaws the queue.
#[must_use = "dropping it thaws the queue at once"]
pub(crate) struct FrozenQueue<'a, T: Operations> {
    queue: &'a RequestQueue<T>,
    memflags: u32,
    _thread: NotThreadSafe,
}

impl<T: Operations> RequestQueue<T> {
    /// Keeps new requests out, and waits until all that are under way have ended
    /// (`blk_mq_freeze_queue`). May be nested. May sleep, as long as the device and its
    /// time-outs take: for when the device answers, or everything is failed.
    pub(crate) fn freeze(&self) -> FrozenQueue<'_, T> {
        FrozenQueue {
            queue: self,
            // SAFETY: live.
            memflags: unsafe { bindings::rnvme_freeze_queue(self.as_raw()) },
            _thread: NotThreadSafe,
        }
    }

    /// Like [`Self::freeze`], for `limit_ms` milliseconds at most
    /// (`blk_mq_freeze_queue_wait_timeout`).
    ///
    /// # Errors
    ///
    /// `ETIMEDOUT`; the queue is as before.
    pub(crate) fn freeze_timeout(&self, limit_ms: u32) -> Result<FrozenQueue<'_, T>> {
        let mut memflags = 0;
        // SAFETY: live; `memflags` is valid for writes.
        let frozen = unsafe {
            let ticks = bindings::__msecs_to_jiffies(limit_ms);
            bindings::rnvme_freeze_queue_timeout(self.as_raw(), ticks, &mut memflags)
        };
        if !frozen {
            return Err(ETIMEDOUT);
        }
        Ok(FrozenQueue {
            queue: self,
            memflags,
            _thread: NotThreadSafe,
        })
    }
}

impl<T: Operations> Drop for FrozenQueue<'_, T> {
    fn drop(&mut self) {
        // SAFETY: live; undoes what made this value, in the same thread.
        unsafe { bindings::rnvme_unfreeze_queue(self.queue.as_raw(), self.memflags) };
    }
}

/// References to request queues, which keep them allocated.
///
/// # Invariants
///
/// Each entry is a reference, given back once.
struct QueueRefs(KVec<*mut bindings::request_queue>);

impl QueueRefs {
    /// Those of a tag set, at this moment.
    fn of<T: Operations>(set: &TagSet<T>) -> Result<Self> {
        let mut refs = Self(KVec::new());
        loop {
            let room = refs.0.capacity();
            // SAFETY: the set is allocated; there is room for that many pointers.
            let count = unsafe {
                bindings::rnvme_tagset_get_queues(set.as_raw(), refs.0.as_mut_ptr(), room)
            };
            if count <= room {
                // SAFETY: as many were written. INVARIANT: each is a reference.
                unsafe { refs.0.inc_len(count) };
                return Ok(refs);
            }
            refs.0.reserve(count, GFP_KERNEL)?;
        }
    }
}

impl Drop for QueueRefs {
    fn drop(&mut self) {
        for q in &self.0 {
            // SAFETY: ours by the type invariant.
            unsafe { bindings::blk_put_queue(*q) };
        }
    }
}

/// All request queues of a tag set, frozen; dropping it thaws them. Those that were added
/// to the set later are not frozen.
#[must_use = "dropping it thaws the queues at once"]
pub(crate) struct FrozenTagSet<'a, T: Operations> {
    queues: QueueRefs,
    memflags: u32,
    _set: &'a TagSet<T>,
    _thread: NotThreadSafe,
}

impl<T: Operations> TagSet<T> {
    /// Keeps new requests out of all request queues of the set, and waits until all that
    /// are under way have ended, `limit_ms` milliseconds at most. May be nested. May sleep.
    ///
    /// # Errors
    ///
    /// `ETIMEDOUT`, `ENOMEM`; the queues are as before.
    pub(crate) fn freeze_timeout(&self, limit_ms: u32) -> Result<FrozenTagSet<'_, T>> {
        let mut queues = QueueRefs::of(self)?;
        let mut memflags = 0;
        // SAFETY: the queues are kept by our references; `memflags` is valid for writes.
        let frozen = unsafe {
            bindings::rnvme_freeze_queues(
                queues.0.as_mut_ptr(),
                queues.0.len(),
                bindings::__msecs_to_jiffies(limit_ms),
                &mut memflags,
            )
        };
        if !frozen {
            return Err(ETIMEDOUT);
        }
        Ok(FrozenTagSet {
            queues,
            memflags,
            _set: self,
            _thread: NotThreadSafe,
        })
    }
}

impl<T: Operations> FrozenTagSet<'_, T> {
    /// How many request queues are frozen.
    pub(crate) fn queues(&self) -> usize {
        self.queues.0.len()
    }
}

/// All request queues of a tag set, frozen for long: as [`FrozenTagSet`], but any thread may
/// drop it, and allocations do as always.
#[must_use = "dropping it thaws the queues at once"]
pub(crate) struct KeptFrozen<T: Operations> {
    queues: QueueRefs,
    _set: Arc<TagSet<T>>,
}

// SAFETY: any thread may thaw queues that no thread owns.
unsafe impl<T: Operations> Send for KeptFrozen<T> {}

impl<T: Operations> KeptFrozen<T> {
    /// As [`TagSet::freeze_timeout`].
    ///
    /// # Errors
    ///
    /// As there.
    pub(crate) fn new(set: Arc<TagSet<T>>, limit_ms: u32) -> Result<Self> {
        let mut frozen = set.freeze_timeout(limit_ms)?;
        let queues = mem::replace(&mut frozen.queues, QueueRefs(KVec::new()));
        // It has no queue left to thaw, and lets allocations do as before.
        drop(frozen);
        Ok(Self { queues, _set: set })
    }
}

impl<T: Operations> Drop for KeptFrozen<T> {
    fn drop(&mut self) {
        let queues = &mut self.queues.0;
        // SAFETY: the queues are kept by our references; undoes the freeze that `new()` took
        // over.
        unsafe { bindings::rnvme_thaw_queues(queues.as_mut_ptr(), queues.len()) };
    }
}

impl<T: Operations> Drop for FrozenTagSet<'_, T> {
    fn drop(&mut self) {
        let queues = &mut self.queues.0;
        // SAFETY: the queues are kept by our references; undoes what made this value, in
        // the same thread.
        unsafe {
            bindings::rnvme_unfreeze_queues(queues.as_mut_ptr(), queues.len(), self.memflags)
        };
    }
}
