// SPDX-License-Identifier: GPL-2.0

//! Tag sets: the tags, requests and hardware queues that disks share.

use super::{
    atomic::{
        AtomicBool,
        Ordering, //
    },
    vtable::OperationsVTable,
    Operations,
    Queue, //
};
use crate::bindings;
use core::{
    ops::Deref,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    error::to_result,
    prelude::*,
    sync::Arc,
    types::Opaque, //
};

/// What a tag set is made with.
#[derive(Clone, Copy)]
pub(crate) struct TagSetConfig {
    /// Tags per hardware queue, reserved ones included; 1 to 10240.
    pub(crate) depth: u32,
    /// How many of them are kept for requests that ask for a reserved tag.
    pub(crate) reserved_tags: u32,
    /// The time that a request may take, in milliseconds, unless it says other.
    pub(crate) timeout_ms: u32,
    /// The NUMA node of the device, or -1.
    pub(crate) numa_node: i32,
    /// False for devices that misread the upper bits of an identifier.
    pub(crate) cid_generation: bool,
}

/// A tag set (`struct blk_mq_tag_set`), and the hardware queues.
///
/// # Invariants
///
/// - `set` was made by `blk_mq_alloc_tag_set` if `allocated` is true.
/// - `set.cmd_size` is the size of `T::RequestData`, so each request has room for
///   it, and `init_request` initialises it.
/// - `set.driver_data` points to this value, which does not move.
#[pin_data(PinnedDrop)]
pub(crate) struct TagSet<T: Operations> {
    #[pin]
    set: Opaque<bindings::blk_mq_tag_set>,
    allocated: AtomicBool,
    queues: KVec<KBox<Queue<T>>>,
    data: T::TagSetData,
}

// SAFETY: the tag set's functions may be called from any thread, and the data
// are `Send` and `Sync` by the trait's bounds.
unsafe impl<T: Operations> Send for TagSet<T> {}
// SAFETY: as above.
unsafe impl<T: Operations> Sync for TagSet<T> {}

impl<T: Operations> TagSet<T> {
    /// Makes a tag set with one hardware queue for each value of `queues`.
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `EINVAL` for a depth that blk-mq does not know, `ENOMEM`.
    pub(crate) fn new(
        config: TagSetConfig,
        queues: impl IntoIterator<Item = Result<T::Queue>>,
        data: T::TagSetData,
    ) -> Result<Arc<Self>> {
        const {
            assert!(
                size_of::<T::RequestData>() <= T::REQUEST_DATA_BUDGET,
                "the request data exceed the stated budget"
            );
            assert!(
                align_of::<T::RequestData>() <= align_of::<bindings::request>(),
                "the request data follow the request, at its alignment"
            );
        }
        let mut all = KVec::new();
        for (index, queue) in queues.into_iter().enumerate() {
            let queue = Queue::new(
                queue?,
                u32::try_from(index)?,
                config.depth,
                config.cid_generation,
            )?;
            all.push(KBox::new(queue, GFP_KERNEL)?, GFP_KERNEL)?;
        }
        let nr_hw_queues = u32::try_from(all.len())?;
        let this = Arc::pin_init(
            pin_init!(Self {
                set <- Opaque::ffi_init(|slot: *mut bindings::blk_mq_tag_set| {
                    // SAFETY: `slot` is valid for writes; all zeroes are a valid value.
                    unsafe { ptr::write_bytes(slot, 0, 1) };
                }),
                allocated: AtomicBool::new(false),
                queues: all,
                data,
            }),
            GFP_KERNEL,
        )?;
        let set = this.set.get();
        // SAFETY: nobody else knows of `set` yet.
        unsafe {
            (*set).ops = OperationsVTable::<T>::ops();
            (*set).nr_maps = 1;
            (*set).nr_hw_queues = nr_hw_queues;
            (*set).queue_depth = config.depth;
            (*set).reserved_tags = config.reserved_tags;
            // CAST: far below 4 GiB by the budget above.
            (*set).cmd_size = size_of::<T::RequestData>() as u32;
            (*set).numa_node = config.numa_node;
            (*set).timeout = bindings::__msecs_to_jiffies(config.timeout_ms) as u32;
            (*set).flags = bindings::BLK_MQ_F_NO_SCHED_BY_DEFAULT;
            (*set).driver_data = Arc::as_ptr(&this).cast_mut().cast();
        }
        // SAFETY: `set` is filled in, and lives at this place until it is freed.
        to_result(unsafe { bindings::blk_mq_alloc_tag_set(set) })?;
        // INVARIANT: it was allocated just now.
        this.allocated.store(true, Ordering::Relaxed);
        Ok(this)
    }

    /// The hardware queues.
    pub(crate) fn queues(&self) -> impl ExactSizeIterator<Item = &Queue<T>> {
        self.queues.iter().map(|queue| &**queue)
    }

    /// The hardware queue of an index.
    pub(crate) fn queue(&self, index: usize) -> Option<&Queue<T>> {
        self.queues.get(index).map(|queue| &**queue)
    }

    /// A reference to the hardware queue of an index, which keeps the tag set.
    pub(crate) fn queue_ref(self: &Arc<Self>, index: usize) -> Option<QueueRef<T>> {
        Some(QueueRef {
            queue: NonNull::from(self.queue(index)?),
            _set: self.clone(),
        })
    }

    /// The driver's data.
    pub(crate) fn data(&self) -> &T::TagSetData {
        &self.data
    }

    /// Stops all request queues of the set and waits until no
    /// [`Operations::queue_rq`] runs any more. May sleep; bounded by the driver's
    /// own callbacks. Each call needs one [`Self::unquiesce`].
    pub(crate) fn quiesce(&self) {
        // SAFETY: allocated, by the type invariant and as `new()` gives out no other.
        unsafe { bindings::blk_mq_quiesce_tagset(self.as_raw()) };
    }

    /// Undoes one [`Self::quiesce`].
    pub(crate) fn unquiesce(&self) {
        // SAFETY: as in `quiesce()`.
        unsafe { bindings::blk_mq_unquiesce_tagset(self.as_raw()) };
    }

    /// Waits until requests that were handed to other CPUs have ended there. May
    /// sleep; bounded by the driver's own callbacks.
    pub(crate) fn wait_completed(&self) {
        // SAFETY: as in `quiesce()`.
        unsafe { bindings::blk_mq_tagset_wait_completed_request(self.as_raw()) };
    }

    pub(super) fn as_raw(&self) -> *mut bindings::blk_mq_tag_set {
        self.set.get()
    }
}

/// A hardware queue, and the tag set that owns it.
///
/// # Invariants
///
/// `queue` belongs to `_set`.
pub(crate) struct QueueRef<T: Operations> {
    queue: NonNull<Queue<T>>,
    _set: Arc<TagSet<T>>,
}

// SAFETY: as good as a reference to the tag set, which is `Send` and `Sync`.
unsafe impl<T: Operations> Send for QueueRef<T> {}
// SAFETY: as above.
unsafe impl<T: Operations> Sync for QueueRef<T> {}

impl<T: Operations> Deref for QueueRef<T> {
    type Target = Queue<T>;

    #[inline]
    fn deref(&self) -> &Queue<T> {
        // SAFETY: queues do not move, and live as long as the tag set, which is kept.
        unsafe { self.queue.as_ref() }
    }
}

#[pinned_drop]
impl<T: Operations> PinnedDrop for TagSet<T> {
    fn drop(self: Pin<&mut Self>) {
        if !self.allocated.load(Ordering::Relaxed) {
            return;
        }
        for queue in self.queues() {
            if !queue.slots().is_empty() {
                pr_err!(
                    "hardware queue {}: slots not empty at teardown\n",
                    queue.index()
                );
            }
        }
        // SAFETY: allocated, and no request queue uses it: each holds a reference
        // to this value until it is gone.
        unsafe { bindings::blk_mq_free_tag_set(self.set.get()) };
    }
}
