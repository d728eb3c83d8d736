// SPDX-License-Identifier: GPL-2.0

//! Request queues: those of disks, and those that have no disk.

use super::{
    Operations,
    QueueLimits,
    TagSet, //
};
use crate::bindings;
use core::{
    marker::PhantomData,
    ops::Deref,
    ptr::NonNull, //
};
use kernel::{
    error::from_err_ptr,
    prelude::*,
    sync::Arc,
    types::Opaque, //
};

/// A live request queue (`struct request_queue`) of a tag set of `T`, lent by who owns the
/// disk or the queue, by a request, or to a callback of [`Operations`]: by who keeps the tag
/// set.
///
/// # Invariants
///
/// Its `queuedata` points to a `T::QueueData`, which is there as long as it is lent, and so is
/// its tag set.
#[repr(transparent)]
pub(crate) struct RequestQueue<T: Operations>(Opaque<bindings::request_queue>, PhantomData<T>);

impl<T: Operations> RequestQueue<T> {
    /// # Safety
    ///
    /// `q` is a request queue as the type invariant says, live and lent for `'a`.
    pub(super) unsafe fn from_raw<'a>(q: *mut bindings::request_queue) -> &'a Self {
        // SAFETY: by this function's requirements; transparent.
        unsafe { &*q.cast() }
    }

    pub(super) fn as_raw(&self) -> *mut bindings::request_queue {
        self.0.get()
    }

    /// True if the tag set has reserved tags.
    pub(super) fn has_reserved_tags(&self) -> bool {
        // SAFETY: live, and so is its tag set, by the type invariant; the number is not
        // changed once the set is allocated.
        unsafe { (*(*self.as_raw()).tag_set).reserved_tags != 0 }
    }

    /// The data of the request queue, that is, of the disk.
    #[inline]
    pub(crate) fn data(&self) -> &T::QueueData {
        // SAFETY: by the type invariant.
        unsafe { &*(*self.as_raw()).queuedata.cast::<T::QueueData>() }
    }

    /// Dispatches the requests that were requeued, after `delay_ms` milliseconds
    /// (`blk_mq_delay_kick_requeue_list`). Any context.
    pub(crate) fn delay_kick_requeue_list(&self, delay_ms: usize) {
        // SAFETY: live.
        unsafe { bindings::blk_mq_delay_kick_requeue_list(self.as_raw(), delay_ms) };
    }

    /// Dispatches what waits in all hardware contexts (`blk_mq_run_hw_queues`), in work
    /// items if `in_background`. Any context in the background; else it must not be a hard
    /// interrupt, and may sleep if the tag set is blocking.
    pub(crate) fn run_hw_queues(&self, in_background: bool) {
        // SAFETY: live.
        unsafe { bindings::blk_mq_run_hw_queues(self.as_raw(), in_background) };
    }

    /// Dispatches what waits in all hardware contexts after `delay_ms` milliseconds
    /// (`blk_mq_delay_run_hw_queues`). Any context.
    pub(crate) fn delay_run_hw_queues(&self, delay_ms: usize) {
        // SAFETY: live.
        unsafe { bindings::blk_mq_delay_run_hw_queues(self.as_raw(), delay_ms) };
    }

    /// Stops all hardware contexts, as [`HwCtx::stop`](super::HwCtx::stop) does one
    /// (`blk_mq_stop_hw_queues`). Any context.
    pub(crate) fn stop_hw_queues(&self) {
        // SAFETY: live.
        unsafe { bindings::blk_mq_stop_hw_queues(self.as_raw()) };
    }

    /// Starts the hardware contexts that were stopped, and dispatches what waits there
    /// (`blk_mq_start_stopped_hw_queues`); context as [`Self::run_hw_queues`].
    pub(crate) fn start_stopped_hw_queues(&self, in_background: bool) {
        // SAFETY: live.
        unsafe { bindings::blk_mq_start_stopped_hw_queues(self.as_raw(), in_background) };
    }

    /// True if a request was started and has not ended (`blk_mq_queue_inflight`). May
    /// sleep.
    pub(crate) fn is_inflight(&self) -> bool {
        // SAFETY: live.
        unsafe { bindings::blk_mq_queue_inflight(self.as_raw()) }
    }
}

/// A request queue without a disk, for commands of the driver's own.
///
/// # Invariants
///
/// `q` was made by `blk_mq_alloc_queue` with `data` as its `queuedata`.
pub(crate) struct OwnedRequestQueue<T: Operations> {
    q: NonNull<bindings::request_queue>,
    _data: Arc<T::QueueData>,
    set: Arc<TagSet<T>>,
}

// SAFETY: a request queue may be used and released from any thread.
unsafe impl<T: Operations> Send for OwnedRequestQueue<T> {}
// SAFETY: as above.
unsafe impl<T: Operations> Sync for OwnedRequestQueue<T> {}

impl<T: Operations> OwnedRequestQueue<T> {
    /// Makes a request queue on `set`. May sleep.
    pub(crate) fn new(
        set: Arc<TagSet<T>>,
        limits: &QueueLimits,
        data: Arc<T::QueueData>,
    ) -> Result<Self> {
        let mut raw = limits.to_raw()?;
        let queuedata = Arc::as_ptr(&data).cast_mut().cast();
        let allocate = || {
            // SAFETY: the set is allocated; `raw` is valid for the call, which copies
            // it; the data are kept as long as the queue.
            from_err_ptr(unsafe { bindings::blk_mq_alloc_queue(set.as_raw(), &mut raw, queuedata) })
                .and_then(|q| NonNull::new(q).ok_or(ENOMEM))
        };
        let q = set.add_queue(allocate, |q| q.as_ptr())?;
        // INVARIANT: made just now with `data`.
        Ok(Self {
            q,
            _data: data,
            set,
        })
    }

    /// The tag set that it was made on.
    pub(crate) fn set(&self) -> &TagSet<T> {
        &self.set
    }
}

impl<T: Operations> Deref for OwnedRequestQueue<T> {
    type Target = RequestQueue<T>;

    fn deref(&self) -> &RequestQueue<T> {
        // SAFETY: by the type invariant.
        unsafe { RequestQueue::from_raw(self.q.as_ptr()) }
    }
}

impl<T: Operations> Drop for OwnedRequestQueue<T> {
    fn drop(&mut self) {
        // SAFETY: made by `blk_mq_alloc_queue`, and no request is sent to it after this.
        // Destroying waits for its requests, which the driver has ended or ends
        // within their time-out.
        unsafe { bindings::blk_mq_destroy_queue(self.q.as_ptr()) };
        // It does not wait for the callbacks, to which the data and the set are lent.
        self.set.wait_callbacks();
        // SAFETY: our reference, given back once.
        unsafe { bindings::blk_put_queue(self.q.as_ptr()) };
    }
}
