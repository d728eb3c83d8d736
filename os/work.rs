// SPDX-License-Identifier: GPL-2.0

//! Work in process context that can be cancelled.

use crate::bindings;
use core::ptr::NonNull;
use kernel::{
    prelude::*,
    sync::Arc,
    time::msecs_to_jiffies,
    workqueue::{
        HasDelayedWork,
        HasWork,
        Queue,
        RawDelayedWorkItem,
        RawWorkItem,
        Work,
        WorkItem, //
    },
};

/// A work queue of this module: not bound to a CPU, and able to run without free
/// memory, since the device may be what memory is written to.
///
/// # Invariants
///
/// Made by `alloc_workqueue_noprof`.
pub(crate) struct WorkQueue(NonNull<bindings::workqueue_struct>);

// SAFETY: a work queue may be used and destroyed from any thread.
unsafe impl Send for WorkQueue {}
// SAFETY: as above.
unsafe impl Sync for WorkQueue {}

impl WorkQueue {
    /// Makes the queue, `name` to those who look at its threads. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(name: &'static CStr) -> Result<Self> {
        Self::with_suffix(name, c"")
    }

    /// As [`Self::new`], for one of several whose names begin with `name`.
    pub(crate) fn with_suffix(name: &'static CStr, suffix: &'static CStr) -> Result<Self> {
        // SAFETY: the format takes two strings, which are static.
        let raw = unsafe {
            bindings::alloc_workqueue_noprof(
                c"%s%s".as_char_ptr(),
                bindings::wq_flags_WQ_UNBOUND | bindings::wq_flags_WQ_MEM_RECLAIM,
                0,
                name.as_char_ptr(),
                suffix.as_char_ptr(),
            )
        };
        // INVARIANT: made just now.
        Ok(Self(NonNull::new(raw).ok_or(ENOMEM)?))
    }

    /// Runs `item` soon; does nothing if it waits to run already. Any context.
    pub(crate) fn enqueue<T, const ID: u64>(&self, item: Arc<T>)
    where
        T: Send + Sync + 'static,
        Arc<T>: RawWorkItem<ID>,
    {
        // SAFETY: live by the type invariant; the queue's own methods are not used
        // after this value is gone.
        let queue = unsafe { Queue::from_raw(self.0.as_ptr()) };
        // One that waits already keeps its own reference.
        let _ = queue.enqueue(item);
    }

    /// Runs `item` after `delay_ms` milliseconds; does nothing if it waits to run already.
    /// Any context.
    pub(crate) fn enqueue_delayed<T, const ID: u64>(&self, item: Arc<T>, delay_ms: u32)
    where
        T: Send + Sync + 'static,
        Arc<T>: RawDelayedWorkItem<ID>,
    {
        // SAFETY: as in `enqueue()`; who delays an item cancels it before the queue goes.
        let queue = unsafe { Queue::from_raw(self.0.as_ptr()) };
        // One that waits already keeps its own reference.
        let _ = queue.enqueue_delayed(item, msecs_to_jiffies(delay_ms));
    }
}

impl Drop for WorkQueue {
    fn drop(&mut self) {
        // SAFETY: made by `alloc_workqueue_noprof`; waits for what still runs.
        unsafe { bindings::destroy_workqueue(self.0.as_ptr()) };
    }
}

/// Takes `item` off its queue, and waits until it does not run any more. May
/// sleep as long as a run of it takes; not to be called from that run.
pub(crate) fn cancel_sync<T, const ID: u64>(item: &Arc<T>)
where
    T: HasWork<T, ID> + WorkItem<ID, Pointer = Arc<T>>,
{
    // SAFETY: an initialised work item of a value that is live.
    if unsafe { bindings::cancel_work_sync(raw(item)) } {
        // SAFETY: it waited, with a reference that `enqueue` made by
        // `Arc::into_raw` and that its run would have taken.
        drop(unsafe { Arc::from_raw(Arc::as_ptr(item)) });
    }
}

/// As [`cancel_sync`], for an item that may be delayed.
pub(crate) fn cancel_delayed_sync<T, const ID: u64>(item: &Arc<T>)
where
    T: HasDelayedWork<T, ID> + WorkItem<ID, Pointer = Arc<T>>,
{
    // SAFETY: by the requirements of `HasDelayedWork` the work item lies in a delayed one.
    let delayed = unsafe { kernel::container_of!(raw(item), bindings::delayed_work, work) };
    // SAFETY: an initialised work item of a value that is live.
    if unsafe { bindings::cancel_delayed_work_sync(delayed) } {
        // SAFETY: as in `cancel_sync()`.
        drop(unsafe { Arc::from_raw(Arc::as_ptr(item)) });
    }
}

/// Waits until `item` does not run and does not wait to run. May sleep as long as a run of
/// it takes; not to be called from that run.
pub(crate) fn flush<T, const ID: u64>(item: &Arc<T>)
where
    T: HasWork<T, ID> + WorkItem<ID, Pointer = Arc<T>>,
{
    // SAFETY: an initialised work item of a value that is live.
    unsafe { bindings::flush_work(raw(item)) };
}

/// The `struct work_struct` of a work item.
fn raw<T, const ID: u64>(item: &Arc<T>) -> *mut bindings::work_struct
where
    T: HasWork<T, ID>,
{
    // SAFETY: `item` is live, and the projections stay inside of it.
    unsafe {
        let work = T::raw_get_work(Arc::as_ptr(item).cast_mut());
        Work::<T, ID>::raw_get(work)
    }
}
