// SPDX-License-Identifier: GPL-2.0

//! Which CPU uses which hardware queue.

use crate::{
    bindings,
    os::device::as_raw, //
};
use core::{
    marker::PhantomData,
    slice, //
};
use kernel::{
    device,
    prelude::*, //
};

/// How many hardware queues make sense on this machine: one for each CPU that there
/// may ever be.
pub(crate) fn possible_queues() -> u32 {
    // SAFETY: no requirements; 0 is no limit.
    unsafe { bindings::blk_mq_num_possible_queues(0) }
}

/// What a hardware queue is for (`enum hctx_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum QueueKind {
    /// All that no other kind takes.
    Default = bindings::hctx_type_HCTX_TYPE_DEFAULT,
    /// Reads.
    Read = bindings::hctx_type_HCTX_TYPE_READ,
    /// Polled I/O (`REQ_POLLED`).
    Poll = bindings::hctx_type_HCTX_TYPE_POLL,
}

impl QueueKind {
    /// What C says.
    #[inline]
    pub(super) const fn from_raw(raw: bindings::hctx_type) -> Self {
        match raw {
            bindings::hctx_type_HCTX_TYPE_READ => Self::Read,
            bindings::hctx_type_HCTX_TYPE_POLL => Self::Poll,
            _ => Self::Default,
        }
    }

    /// How many maps a tag set has whose last one is of this kind.
    pub(super) const fn maps(self) -> u32 {
        (self as u32).wrapping_add(1)
    }
}

/// The maps of a tag set, while blk-mq asks for them ([`Operations::map_queues`]).
///
/// [`Operations::map_queues`]: super::Operations::map_queues
pub(crate) struct QueueMaps<'a> {
    set: *mut bindings::blk_mq_tag_set,
    _set: PhantomData<&'a mut ()>,
}

impl QueueMaps<'_> {
    /// # Safety
    ///
    /// `set` is valid for reads and writes, with its maps allocated, and nobody else uses
    /// its maps, for the lifetime of the value.
    pub(super) unsafe fn new(set: *mut bindings::blk_mq_tag_set) -> Self {
        Self {
            set,
            _set: PhantomData,
        }
    }

    /// How many hardware queues the tag set has now, for all kinds together.
    pub(crate) fn hw_queues(&self) -> u32 {
        // SAFETY: valid by `new()`'s requirements.
        unsafe { (*self.set).nr_hw_queues }
    }

    /// The map of a kind; `None` if the tag set was made without it.
    pub(crate) fn kind(&mut self, kind: QueueKind) -> Option<QueueMap<'_>> {
        // SAFETY: valid by `new()`'s requirements.
        let nr_maps = unsafe { (*self.set).nr_maps };
        if kind.maps() > nr_maps {
            return None;
        }
        // SAFETY: as above; there are as many maps as `nr_maps` says.
        let map = unsafe { &raw mut (*self.set).map }
            .cast::<bindings::blk_mq_queue_map>()
            // CAST: below 3.
            .wrapping_add(kind as usize);
        Some(QueueMap {
            map,
            hw_queues: self.hw_queues(),
            kind,
            _set: PhantomData,
        })
    }

    /// The state from which a driver starts: the default kind has all queues, the others
    /// none.
    pub(super) fn reset(&mut self) {
        let hw_queues = self.hw_queues();
        for kind in [QueueKind::Default, QueueKind::Read, QueueKind::Poll] {
            if let Some(map) = self.kind(kind) {
                let is_default = kind == QueueKind::Default;
                // SAFETY: valid by `new()`'s requirements.
                unsafe {
                    (*map.map).queue_offset = 0;
                    (*map.map).nr_queues = if is_default { hw_queues } else { 0 };
                }
            }
        }
    }

    /// Sends what points beyond the hardware queues to the first one. [`QueueMap`] lets none
    /// through; this is for what C computed.
    ///
    /// # Guarantees
    ///
    /// Every entry of every map is the index of a hardware queue, so C may index with it.
    pub(super) fn check(&mut self) {
        let hw_queues = self.hw_queues();
        for kind in [QueueKind::Default, QueueKind::Read, QueueKind::Poll] {
            if let Some(mut map) = self.kind(kind) {
                for queue in map.entries() {
                    if *queue >= hw_queues {
                        *queue = 0;
                    }
                }
            }
        }
    }
}

/// The map of one kind: from each CPU to the hardware queue that it uses.
///
/// The queues of a kind are a range of the tag set's, [`Self::set_range`]; of a tag set
/// with one map that is all of them, and need not be said. Then one of [`Self::spread`],
/// [`Self::by_irq_affinity`], or [`Self::set`] for each CPU. A CPU that is not mapped uses
/// the first hardware queue.
pub(crate) struct QueueMap<'a> {
    map: *mut bindings::blk_mq_queue_map,
    hw_queues: u32,
    kind: QueueKind,
    _set: PhantomData<&'a mut ()>,
}

impl QueueMap<'_> {
    /// The queues of this kind: `count` from `first` on. `count` may be 0 for any but the
    /// default kind, which then stands in.
    ///
    /// # Errors
    ///
    /// `EINVAL` if there are no such queues.
    pub(crate) fn set_range(&mut self, first: u32, count: u32) -> Result {
        let end = first.checked_add(count).ok_or(EINVAL)?;
        if end > self.hw_queues || (count == 0 && self.kind == QueueKind::Default) {
            return Err(EINVAL);
        }
        // SAFETY: valid by `QueueMaps::new()`'s requirements.
        unsafe {
            (*self.map).queue_offset = first;
            (*self.map).nr_queues = count;
        }
        Ok(())
    }

    /// The range of queues: the first, and how many.
    pub(crate) fn range(&self) -> (u32, u32) {
        // SAFETY: valid by `QueueMaps::new()`'s requirements.
        unsafe { ((*self.map).queue_offset, (*self.map).nr_queues) }
    }

    /// Spreads the CPUs evenly over the queues (`blk_mq_map_queues`).
    pub(crate) fn spread(&mut self) {
        // SAFETY: valid by `QueueMaps::new()`'s requirements.
        unsafe { bindings::blk_mq_map_queues(self.map) };
    }

    /// Each CPU uses the queue whose interrupt it takes: queue `i` of the range has the
    /// vector `offset + i` of `dev` (`blk_mq_map_hw_queues`).
    pub(crate) fn by_irq_affinity(&mut self, dev: &device::Device<device::Bound>, offset: u32) {
        // SAFETY: valid by `QueueMaps::new()`'s requirements, and `dev` is live and bound for
        // the duration of the call.
        unsafe { bindings::blk_mq_map_hw_queues(self.map, as_raw(dev), offset) };
    }

    /// Lets `cpu` use queue `index` of the range.
    ///
    /// # Errors
    ///
    /// `EINVAL` if there is no such CPU or the range has no such queue.
    pub(crate) fn set(&mut self, cpu: u32, index: u32) -> Result {
        let (first, count) = self.range();
        if index >= count {
            return Err(EINVAL);
        }
        // CAST: widening.
        let entry = self.entries().get_mut(cpu as usize).ok_or(EINVAL)?;
        // No overflow: the sum is below the number of hardware queues.
        *entry = first.wrapping_add(index);
        Ok(())
    }

    /// The queue of each CPU.
    fn entries(&mut self) -> &mut [u32] {
        // CAST: widening.
        let cpus = kernel::cpu::nr_cpu_ids() as usize;
        // SAFETY: `blk_mq_alloc_tag_set` allocates an entry for each CPU number, which this
        // value has to itself (requirements of `QueueMaps::new()`).
        unsafe { slice::from_raw_parts_mut((*self.map).mq_map, cpus) }
    }
}
