// SPDX-License-Identifier: GPL-2.0

//! An update of limits that are in effect.

use super::{
    Operations,
    QueueLimits,
    RequestQueue, //
};
use crate::bindings;
use core::mem;
use kernel::{
    error::to_result,
    prelude::*, //
};

/// The lock of a queue's limits, and a copy of them. Dropping it changes nothing.
///
/// # Invariants
///
/// The queue's `limits_lock` is held by this thread.
pub(super) struct LimitsUpdate<'a, T: Operations> {
    queue: &'a RequestQueue<T>,
    raw: bindings::queue_limits,
    // Locks are given back by who took them.
    _not_send: core::marker::PhantomData<*mut ()>,
}

impl<'a, T: Operations> LimitsUpdate<'a, T> {
    /// Locks the limits (`queue_limits_start_update`). May sleep.
    pub(super) fn start(queue: &'a RequestQueue<T>) -> Self {
        let mut raw = bindings::queue_limits::default();
        // SAFETY: the queue is live; `raw` is valid for writes.
        unsafe { bindings::rnvme_limits_start_update(queue.as_raw(), &mut raw) };
        // INVARIANT: locked by the call.
        Self {
            queue,
            raw,
            _not_send: core::marker::PhantomData,
        }
    }

    /// The limits in effect.
    pub(super) fn limits(&self) -> Result<QueueLimits> {
        Ok(QueueLimits::read(&self.raw)?)
    }

    /// Puts `limits` in effect (`queue_limits_commit_update`). Unlocks. For who has frozen the
    /// queue since it was locked.
    pub(super) fn commit(mut self, limits: &QueueLimits) -> Result {
        limits.write(&mut self.raw)?;
        let queue = self.queue.as_raw();
        let mut raw = self.raw;
        // The call unlocks, whatever its result.
        mem::forget(self);
        // SAFETY: the queue is live, and its limits were locked by the type invariant.
        to_result(unsafe { bindings::queue_limits_commit_update(queue, &mut raw) })
    }

    /// Puts `limits` in effect with no request under way
    /// (`queue_limits_commit_update_frozen`). Waits for those that are. Unlocks.
    pub(super) fn commit_frozen(mut self, limits: &QueueLimits) -> Result {
        limits.write(&mut self.raw)?;
        let queue = self.queue.as_raw();
        let mut raw = self.raw;
        // The call unlocks, whatever its result.
        mem::forget(self);
        // SAFETY: the queue is live, and its limits were locked by the type invariant.
        to_result(unsafe { bindings::queue_limits_commit_update_frozen(queue, &mut raw) })
    }
}

impl<T: Operations> Drop for LimitsUpdate<'_, T> {
    fn drop(&mut self) {
        // SAFETY: locked by the type invariant.
        unsafe { bindings::rnvme_limits_cancel_update(self.queue.as_raw()) };
    }
}
