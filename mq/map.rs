// SPDX-License-Identifier: GPL-2.0

//! Which CPU uses which hardware queue.

use crate::{
    bindings,
    os::device::as_raw, //
};
use core::marker::PhantomData;
use kernel::device;

/// How many hardware queues make sense on this machine: one for each CPU that there
/// may ever be.
pub(crate) fn possible_queues() -> u32 {
    // SAFETY: no requirements; 0 is no limit.
    unsafe { bindings::blk_mq_num_possible_queues(0) }
}

/// The map from CPUs to hardware queues of the default kind
/// (`HCTX_TYPE_DEFAULT`), while blk-mq asks for it.
pub(crate) struct QueueMap<'a>(*mut bindings::blk_mq_queue_map, PhantomData<&'a ()>);

impl QueueMap<'_> {
    /// # Safety
    ///
    /// `map` is valid for reads and writes for the lifetime of the value, and
    /// nobody else uses it meanwhile.
    pub(super) unsafe fn new(map: *mut bindings::blk_mq_queue_map) -> Self {
        Self(map, PhantomData)
    }

    /// Spreads the CPUs evenly.
    pub(crate) fn spread(&mut self) {
        // SAFETY: valid by `new()`'s requirements.
        unsafe { bindings::blk_mq_map_queues(self.0) };
    }

    /// Each CPU uses the queue whose interrupt it takes: queue `i` has the vector
    /// `offset + i` of `dev`.
    pub(crate) fn by_irq_affinity(&mut self, dev: &device::Device<device::Bound>, offset: u32) {
        // SAFETY: valid by `new()`'s requirements, and `dev` is live and bound for
        // the duration of the call.
        unsafe { bindings::blk_mq_map_hw_queues(self.0, as_raw(dev), offset) };
    }
}
