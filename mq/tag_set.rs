// SPDX-License-Identifier: GPL-2.0

//! Tag sets: the tags, requests and hardware queues that disks share.

use super::{
    atomic::{
        AtomicBool,
        Ordering, //
    },
    vtable::OperationsVTable,
    Observed,
    Operations,
    Queue,
    QueueKind,
    TagSetConfig, //
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
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
    types::Opaque, //
};

/// A tag set (`struct blk_mq_tag_set`), and the hardware queues.
///
/// # Invariants
///
/// - `set` was made by `blk_mq_alloc_tag_set` if `allocated` is true.
/// - `set.cmd_size` is the size of `T::RequestData`, so each request has room for
///   it, and `init_request` initialises it.
/// - `set.driver_data` points to this value, which does not move.
/// - `queues` is not empty, and `set.nr_hw_queues` is never more than it has.
#[pin_data(PinnedDrop)]
pub(crate) struct TagSet<T: Operations> {
    #[pin]
    set: Opaque<bindings::blk_mq_tag_set>,
    allocated: AtomicBool,
    /// How often its request queues are quiesced; under the lock a queue is added.
    #[pin]
    pub(super) quiesced: Mutex<u32>,
    queues: KVec<KBox<Queue<T>>>,
    data: T::TagSetData,
}

// SAFETY: the tag set's functions may be called from any thread, and the data
// are `Send` and `Sync` by the trait's bounds.
unsafe impl<T: Operations> Send for TagSet<T> {}
// SAFETY: as above.
unsafe impl<T: Operations> Sync for TagSet<T> {}

impl<T: Operations> TagSet<T> {
    /// Makes a tag set that owns a hardware queue for each value of `queues`, and uses as
    /// many of them as `config` says (`blk_mq_alloc_tag_set`). With a single map it uses
    /// no more than there are CPUs. May sleep.
    ///
    /// # Errors
    ///
    /// `EINVAL` for a depth that blk-mq does not know, no or too few queues, several maps
    /// without [`Operations::map_queues`], or polled queues without [`Operations::poll`];
    /// those of `queues` and [`Operations::init_request`]; `ENOMEM`.
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
        let owned = u32::try_from(all.len())?;
        let nr_hw_queues = config.nr_hw_queues.unwrap_or(owned);
        let nr_maps = config.maps.maps();
        if nr_hw_queues == 0
            || nr_hw_queues > owned
            || (nr_maps > 1 && !T::HAS_MAP_QUEUES)
            || (config.maps == QueueKind::Poll && !T::HAS_POLL)
        {
            return Err(EINVAL);
        }
        let this = Arc::pin_init(
            pin_init!(Self {
                set <- Opaque::ffi_init(|slot: *mut bindings::blk_mq_tag_set| {
                    // SAFETY: `slot` is valid for writes; all zeroes are a valid value.
                    unsafe { ptr::write_bytes(slot, 0, 1) };
                }),
                allocated: AtomicBool::new(false),
                quiesced <- new_mutex!(0),
                queues: all,
                data,
            }),
            GFP_KERNEL,
        )?;
        let set = this.set.get();
        // SAFETY: nobody else knows of `set` yet.
        unsafe {
            (*set).ops = OperationsVTable::<T>::ops();
            (*set).nr_maps = nr_maps;
            (*set).nr_hw_queues = nr_hw_queues;
            (*set).queue_depth = config.depth;
            (*set).reserved_tags = config.reserved_tags;
            // CAST: far below 4 GiB by the budget above.
            (*set).cmd_size = size_of::<T::RequestData>() as u32;
            (*set).numa_node = config.numa_node;
            (*set).timeout = bindings::__msecs_to_jiffies(config.timeout_ms) as u32;
            (*set).flags = config.flags.to_raw();
            (*set).driver_data = Arc::as_ptr(&this).cast_mut().cast();
        }
        // SAFETY: `set` is filled in, and lives at this place until it is freed.
        to_result(unsafe { bindings::blk_mq_alloc_tag_set(set) })?;
        // INVARIANT: it was allocated just now.
        this.allocated.store(true, Ordering::Relaxed);
        Ok(this)
    }

    /// The hardware queues that the set owns, those not in use included.
    pub(crate) fn queues(&self) -> impl ExactSizeIterator<Item = &Queue<T>> {
        self.queues.iter().map(|queue| &**queue)
    }

    /// The hardware queue of an index.
    pub(crate) fn queue(&self, index: usize) -> Option<&Queue<T>> {
        self.queues.get(index).map(|queue| &**queue)
    }

    /// The hardware queue of an index.
    ///
    /// # Safety
    ///
    /// `index` is that of a hardware context of this tag set.
    pub(super) unsafe fn queue_unchecked(&self, index: usize) -> &Queue<T> {
        // SAFETY: there are no more hardware contexts than queues (type invariant).
        unsafe { self.queues.get_unchecked(index) }
    }

    /// A reference to the hardware queue of an index, which keeps the tag set.
    pub(crate) fn queue_ref(self: &Arc<Self>, index: usize) -> Option<QueueRef<T>> {
        Some(QueueRef {
            queue: NonNull::from(self.queue(index)?),
            set: self.clone(),
        })
    }

    /// The driver's data.
    pub(crate) fn data(&self) -> &T::TagSetData {
        &self.data
    }

    /// Waits until requests that were handed to other CPUs have ended there. May
    /// sleep; bounded by the driver's own callbacks.
    pub(crate) fn wait_completed(&self) {
        // SAFETY: allocated, by the type invariant and as `new()` gives out no other.
        unsafe { bindings::blk_mq_tagset_wait_completed_request(self.as_raw()) };
    }

    /// Waits until the calls of [`Operations::queue_rq`] and its likes that run now have
    /// returned. A request may end before the call that took it returns, so a request
    /// queue without requests may still have callers. May sleep.
    pub(super) fn wait_callbacks(&self) {
        // SAFETY: allocated, by the type invariant and as `new()` gives out no other.
        unsafe { bindings::blk_mq_wait_quiesce_done(self.as_raw()) };
    }

    /// How many hardware queues are in use.
    pub(crate) fn nr_hw_queues(&self) -> u32 {
        // SAFETY: a word that C writes under its locks; a look at it.
        unsafe { (&raw const (*self.as_raw()).nr_hw_queues).read_volatile() }
    }

    /// How many tags each hardware queue has, reserved ones included; less than asked for
    /// if there was too little memory.
    pub(crate) fn depth(&self) -> u32 {
        // SAFETY: not changed once the set is allocated.
        unsafe { (*self.as_raw()).queue_depth }
    }

    /// Uses `count` hardware queues from now on (`blk_mq_update_nr_hw_queues`), and asks
    /// for new maps. All request queues of the set are frozen meanwhile, so this waits for
    /// every request that is under way; call it when the device answers. All hardware
    /// contexts are made anew if the count changes or there are several maps. May sleep;
    /// no [guard](super::freeze) of the set's may be held by the caller.
    ///
    /// Returns the count in force: the old one if there was too little memory, and with a
    /// single map no more than there are CPUs.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the set does not own as many queues.
    pub(crate) fn update_nr_hw_queues(&self, count: u32) -> Result<u32> {
        // CAST: widening.
        if count == 0 || count as usize > self.queues.len() {
            return Err(EINVAL);
        }
        let count = c_int::try_from(count)?;
        // SAFETY: allocated, by the type invariant and as `new()` gives out no other.
        // INVARIANT: no more than there are queues.
        unsafe { bindings::blk_mq_update_nr_hw_queues(self.as_raw(), count) };
        Ok(self.nr_hw_queues())
    }

    /// Shows `f` each request that was started and has not ended
    /// (`blk_mq_tagset_busy_iter`), until it returns false. C holds a reference to the
    /// request meanwhile, so its tag is not used anew. `f` must not sleep for long: what
    /// changes the tag set waits for it. May sleep.
    pub(crate) fn tagset_busy_iter<F>(&self, mut f: F)
    where
        F: FnMut(Observed<'_, T>) -> bool,
    {
        // SAFETY: allocated, by the type invariant and as `new()` gives out no other; `f`
        // is alive for the duration of the call.
        unsafe {
            bindings::blk_mq_tagset_busy_iter(
                self.as_raw(),
                Some(show_busy::<T, F>),
                (&raw mut f).cast(),
            )
        };
    }

    /// How many requests were started and have not ended. May sleep.
    pub(crate) fn busy(&self) -> usize {
        let mut count = 0usize;
        self.tagset_busy_iter(|_| {
            count = count.wrapping_add(1);
            true
        });
        count
    }

    pub(super) fn as_raw(&self) -> *mut bindings::blk_mq_tag_set {
        self.set.get()
    }
}

/// # Safety
///
/// `rq` is a request of `T` that C holds a reference to, and `data` points to an `F` that
/// nobody else uses, for the duration of the call.
unsafe extern "C" fn show_busy<T, F>(rq: *mut bindings::request, data: *mut c_void) -> bool
where
    T: Operations,
    F: FnMut(Observed<'_, T>) -> bool,
{
    // SAFETY: by this function's requirements.
    let (f, rq) = unsafe { (&mut *data.cast::<F>(), Observed::from_raw(rq)) };
    f(rq)
}

/// A hardware queue, and the tag set that owns it.
///
/// # Invariants
///
/// `queue` belongs to `set`.
pub(crate) struct QueueRef<T: Operations> {
    queue: NonNull<Queue<T>>,
    set: Arc<TagSet<T>>,
}

// SAFETY: as good as a reference to the tag set, which is `Send` and `Sync`.
unsafe impl<T: Operations> Send for QueueRef<T> {}
// SAFETY: as above.
unsafe impl<T: Operations> Sync for QueueRef<T> {}

impl<T: Operations> QueueRef<T> {
    /// The tag set that owns the queue.
    pub(crate) fn set(&self) -> &TagSet<T> {
        &self.set
    }
}

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
        // Every request queue is gone, so every request that was started has ended, or a
        // driver has lost it. Counting here costs the data path nothing.
        for queue in self.queues() {
            let left = queue.slots().outstanding();
            if left != 0 {
                pr_err!(
                    "hardware queue {}: {left} slots not empty at teardown\n",
                    queue.index()
                );
            }
        }
        let busy = self.busy();
        if busy != 0 {
            pr_err!("{busy} requests were started and have not ended at teardown\n");
        }
        // SAFETY: allocated, and no request queue uses it: each holds a reference
        // to this value until it is gone.
        unsafe { bindings::blk_mq_free_tag_set(self.set.get()) };
    }
}
