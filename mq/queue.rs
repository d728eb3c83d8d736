// SPDX-License-Identifier: GPL-2.0

//! A hardware queue: the slots of its tags and the driver's rings.

use super::{
    operations::StopProof,
    Completed,
    Operations,
    Slots, //
};
use core::ops::Deref;
use kernel::prelude::*;

/// A hardware queue, owned by the tag set and lent to each hardware context that
/// uses it.
///
/// Hardware contexts (`struct blk_mq_hw_ctx`) are not hardware queues: each
/// request queue has one per index, and changing the number of queues makes new
/// ones. What must outlive them is here. Dereferences to the driver's data.
pub(crate) struct Queue<T: Operations> {
    data: T::Queue,
    slots: Slots<T>,
    index: u32,
}

impl<T: Operations> Queue<T> {
    /// A queue of `depth` tags. May sleep.
    pub(super) fn new(
        data: T::Queue,
        index: u32,
        depth: u32,
        with_generation: bool,
    ) -> Result<Self> {
        Ok(Self {
            data,
            slots: Slots::new(depth, with_generation)?,
            index,
        })
    }

    /// The requests that the device may reach.
    #[inline]
    pub(crate) fn slots(&self) -> &Slots<T> {
        &self.slots
    }

    /// Takes every request out of its slot and gives it to `f`, with proof that the device
    /// can no longer reach the memory of any. Any context that `f` allows.
    ///
    /// # Guarantees
    ///
    /// `f` becomes the only owner of each request, and of its mapping.
    ///
    /// # Errors
    ///
    /// `EINVAL`, and none is taken, if it was another queue's device that was stopped.
    pub(crate) fn drain(&self, stopped: &T::DmaStopped, f: impl FnMut(Completed<T>)) -> Result {
        if !stopped.covers(&self.data) {
            return Err(EINVAL);
        }
        self.slots.drain(f);
        Ok(())
    }

    /// The index of the queue in its tag set.
    pub(crate) fn index(&self) -> u32 {
        self.index
    }
}

impl<T: Operations> Deref for Queue<T> {
    type Target = T::Queue;

    #[inline]
    fn deref(&self) -> &T::Queue {
        &self.data
    }
}
