// SPDX-License-Identifier: GPL-2.0

//! Quiesced queues: requests wait above the driver.

use super::{
    Operations,
    RequestQueue,
    TagSet, //
};
use crate::bindings;
use core::mem;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// A request queue whose requests wait; dropping it lets them on.
#[must_use = "dropping it lets requests on at once"]
pub(crate) struct QuiescedQueue<'a, T: Operations>(&'a RequestQueue<T>);

impl<T: Operations> RequestQueue<T> {
    /// Keeps requests from [`Operations::queue_rq`], and waits until none runs any more
    /// (`blk_mq_quiesce_queue`). Those that the driver has go on. May be nested. May sleep,
    /// for as long as the driver's own callbacks take.
    pub(crate) fn quiesce(&self) -> QuiescedQueue<'_, T> {
        // SAFETY: live, and allocated on a tag set.
        unsafe { bindings::blk_mq_quiesce_queue(self.as_raw()) };
        QuiescedQueue(self)
    }
}

impl<T: Operations> Drop for QuiescedQueue<'_, T> {
    fn drop(&mut self) {
        // SAFETY: live; undoes one `quiesce()`.
        unsafe { bindings::blk_mq_unquiesce_queue(self.0.as_raw()) };
    }
}

/// A tag set whose requests wait; dropping it lets them on.
#[must_use = "dropping it lets requests on at once"]
pub(crate) struct QuiescedTagSet<'a, T: Operations>(&'a TagSet<T>);

impl<T: Operations> TagSet<T> {
    /// Keeps requests from [`Operations::queue_rq`] on all request queues of the set, and
    /// waits until none runs any more (`blk_mq_quiesce_tagset`). Those that the driver has
    /// go on. May be nested. May sleep, for as long as the driver's own callbacks take.
    ///
    /// Disks may be added to the set meanwhile, and their requests wait, too.
    pub(crate) fn quiesce(&self) -> QuiescedTagSet<'_, T> {
        let mut depth = self.quiesced.lock();
        *depth = depth.wrapping_add(1);
        // SAFETY: allocated: `TagSet::new()` gives out no other.
        unsafe { bindings::blk_mq_quiesce_tagset(self.as_raw()) };
        QuiescedTagSet(self)
    }

    /// Has `add` add a request queue to the set, which is then quiesced like the others:
    /// blk-mq will undo for it what was done for them.
    pub(super) fn add_queue<R>(
        &self,
        add: impl FnOnce() -> Result<R>,
        queue: impl FnOnce(&R) -> *mut bindings::request_queue,
    ) -> Result<R> {
        let depth = self.quiesced.lock();
        let added = add()?;
        let q = queue(&added);
        for _ in 0..*depth {
            // SAFETY: live, and nobody has given it a request yet.
            unsafe { bindings::blk_mq_quiesce_queue_nowait(q) };
        }
        Ok(added)
    }
}

impl<T: Operations> QuiescedTagSet<'_, T> {
    /// Lets requests wait for ever: for a system that goes down.
    pub(crate) fn for_ever(self) {
        mem::forget(self);
    }
}

impl<T: Operations> Drop for QuiescedTagSet<'_, T> {
    fn drop(&mut self) {
        let mut depth = self.0.quiesced.lock();
        *depth = depth.wrapping_sub(1);
        // SAFETY: allocated; undoes one `quiesce()`.
        unsafe { bindings::blk_mq_unquiesce_tagset(self.0.as_raw()) };
    }
}

/// The same as [`QuiescedTagSet`], for one that keeps it for long: it keeps the tag set, too.
#[must_use = "dropping it lets requests on at once"]
pub(crate) struct HeldTagSet<T: Operations>(Arc<TagSet<T>>);

impl<T: Operations> HeldTagSet<T> {
    /// As [`TagSet::quiesce`], with the same conditions.
    pub(crate) fn new(set: Arc<TagSet<T>>) -> Self {
        mem::forget(set.quiesce());
        Self(set)
    }
}

impl<T: Operations> Drop for HeldTagSet<T> {
    fn drop(&mut self) {
        drop(QuiescedTagSet(&self.0));
    }
}
