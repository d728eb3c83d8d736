// SPDX-License-Identifier: GPL-2.0

//! Hardware contexts: what one request queue has per hardware queue.

use super::{
    map::QueueKind,
    Operations,
    Queue,
    RequestQueue, //
};
use crate::bindings;
use core::{
    marker::PhantomData,
    mem::needs_drop,
    ptr::NonNull, //
};
use kernel::{
    prelude::*,
    types::Opaque, //
};

/// A hardware context (`struct blk_mq_hw_ctx`), lent for the duration of a callback or
/// as long as a request that belongs to it.
///
/// It is not the hardware queue: each request queue has one context per index, and
/// [`TagSet::update_nr_hw_queues`](super::TagSet::update_nr_hw_queues) makes new ones.
/// The [`Queue`] is the tag set's, and the same for all contexts of an index.
///
/// # Invariants
///
/// `raw` is a hardware context of a tag set of `T` that `init_hctx` set up and whose
/// data is not dropped during `'a`.
pub(crate) struct HwCtx<'a, T: Operations> {
    raw: &'a Opaque<bindings::blk_mq_hw_ctx>,
    _type: PhantomData<&'a T>,
}

impl<T: Operations> Clone for HwCtx<'_, T> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Operations> Copy for HwCtx<'_, T> {}

/// What `hctx->driver_data` points to when a driver has data per hardware context.
/// If not, it points to the queue itself, and the data path follows one pointer less.
struct Attached<T: Operations> {
    queue: NonNull<Queue<T>>,
    data: Pin<KBox<T::HwCtxData>>,
}

/// Whether contexts have data at all, decided when the driver is compiled.
const fn is_attached<T: Operations>() -> bool {
    size_of::<T::HwCtxData>() != 0 || needs_drop::<T::HwCtxData>()
}

impl<'a, T: Operations> HwCtx<'a, T> {
    /// True if `exit_hctx` has something to do.
    pub(super) const HAS_DATA: bool = is_attached::<T>();

    /// # Safety
    ///
    /// `raw` is a context as the type invariant says, for `'a`.
    #[inline]
    pub(super) unsafe fn from_raw(raw: *mut bindings::blk_mq_hw_ctx) -> Self {
        Self {
            // SAFETY: by this function's requirements; `Opaque` is transparent.
            raw: unsafe { &*raw.cast() },
            _type: PhantomData,
        }
    }

    #[inline]
    fn field(self) -> *mut bindings::blk_mq_hw_ctx {
        self.raw.get()
    }

    /// The hardware queue.
    #[inline]
    pub(crate) fn queue(self) -> &'a Queue<T> {
        // SAFETY: set up by `attach()`; the queue lives as long as the tag set, which
        // outlives its contexts.
        unsafe {
            let data = (*self.field()).driver_data;
            if is_attached::<T>() {
                (*data.cast::<Attached<T>>()).queue.as_ref()
            } else {
                &*data.cast::<Queue<T>>()
            }
        }
    }

    /// The driver's data of this context.
    #[inline]
    pub(crate) fn data(self) -> Pin<&'a T::HwCtxData> {
        if is_attached::<T>() {
            // SAFETY: set up by `attach()`, and dropped after `'a` (type invariant).
            unsafe {
                (*(*self.field()).driver_data.cast::<Attached<T>>())
                    .data
                    .as_ref()
            }
        } else {
            // SAFETY: a value without size and without drop is wherever one looks, and
            // `attach()` made one; what has no size cannot move.
            unsafe { Pin::new_unchecked(NonNull::dangling().as_ref()) }
        }
    }

    /// The request queue, that is, the disk's.
    #[inline]
    pub(crate) fn request_queue(self) -> &'a RequestQueue<T> {
        // SAFETY: a context's request queue outlives it, and is of `T`.
        unsafe { RequestQueue::from_raw((*self.field()).queue) }
    }

    /// The index of the queue in its tag set.
    #[inline]
    pub(crate) fn index(self) -> u32 {
        // SAFETY: live by the type invariant; set once, before `init_hctx`.
        unsafe { (*self.field()).queue_num }
    }

    /// The NUMA node of the CPUs that use it, or -1.
    pub(crate) fn numa_node(self) -> i32 {
        // SAFETY: as in `index()`.
        unsafe { (*self.field()).numa_node }
    }

    /// What the context is for. Meaningful once CPUs are mapped to it, so not in
    /// `init_hctx`.
    #[inline]
    pub(crate) fn kind(self) -> QueueKind {
        // SAFETY: as in `index()`; it changes only while the request queue is frozen.
        QueueKind::from_raw(u32::from(unsafe { (*self.field()).type_ }))
    }

    /// True if requests that `cpu` submits go here.
    pub(crate) fn is_mapped_to(self, cpu: u32) -> bool {
        // SAFETY: live by the type invariant; C checks the number of the CPU.
        unsafe { bindings::rnvme_hctx_has_cpu(self.field(), cpu) }
    }

    /// Stops the context: [`Operations::queue_rq`] is not called for it any more, though
    /// one that runs may go on, until [`RequestQueue::start_stopped_hw_queues`]
    /// (`blk_mq_stop_hw_queue`). Any context.
    pub(crate) fn stop(self) {
        // SAFETY: live by the type invariant.
        unsafe { bindings::blk_mq_stop_hw_queue(self.field()) };
    }

    /// Dispatches what waits in this context (`blk_mq_run_hw_queue`), in a work item if
    /// `in_background`. Any context in the background; else it must not be a hard
    /// interrupt, and may sleep if the tag set is blocking.
    pub(crate) fn run(self, in_background: bool) {
        // SAFETY: live by the type invariant.
        unsafe { bindings::blk_mq_run_hw_queue(self.field(), in_background) };
    }

    /// Makes the context's data, and lends it the queue (`init_hctx`).
    ///
    /// # Safety
    ///
    /// `hctx` is being set up for the duration of the call, its request queue has its
    /// data, and `queue` and `set_data` live until the context was detached.
    pub(super) unsafe fn attach(
        hctx: *mut bindings::blk_mq_hw_ctx,
        set_data: &T::TagSetData,
        queue: &Queue<T>,
    ) -> Result {
        // SAFETY: by this function's requirements; `queuedata` by the invariant of
        // `RequestQueue`.
        let (node, disk) = unsafe {
            let data = (*(*hctx).queue).queuedata;
            ((*hctx).numa_node, &*data.cast::<T::QueueData>())
        };
        // Without size this allocates nothing.
        let data = KBox::pin_init(T::init_hctx(set_data, queue, disk, node), GFP_KERNEL)?;
        let driver_data = if is_attached::<T>() {
            let attached = Attached::<T> {
                queue: NonNull::from(queue),
                data,
            };
            KBox::into_raw(KBox::new(attached, GFP_KERNEL)?).cast()
        } else {
            NonNull::from(queue).as_ptr().cast()
        };
        // SAFETY: `hctx` is being set up and nobody else uses it.
        unsafe { (*hctx).driver_data = driver_data };
        Ok(())
    }

    /// Drops the context's data (`exit_hctx`). May sleep for an RCU grace period.
    ///
    /// # Safety
    ///
    /// `hctx` was attached, and is detached once; no request of it is left.
    pub(super) unsafe fn detach(hctx: *mut bindings::blk_mq_hw_ctx) {
        if !is_attached::<T>() {
            return;
        }
        // A `queue_rq` that ended the last request may still look at the data: freezing
        // waits for requests, not for callbacks. Those run in a read section of RCU, or
        // of the tag set's SRCU.
        // SAFETY: by this function's requirements; the request queue and its tag set
        // outlive the context.
        unsafe {
            bindings::blk_mq_wait_quiesce_done((*(*hctx).queue).tag_set);
            drop(KBox::from_raw((*hctx).driver_data.cast::<Attached<T>>()));
            (*hctx).driver_data = core::ptr::null_mut();
        }
    }
}
