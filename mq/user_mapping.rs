// SPDX-License-Identifier: GPL-2.0

//! A user's memory that a request carries.

use super::{
    passthrough::Passthrough,
    Ended,
    Operations, //
};
use crate::bindings;
use core::{
    mem::ManuallyDrop,
    ptr::NonNull, //
};
use kernel::{
    error::to_result,
    prelude::*, //
};

/// The pages of a user that a [`Passthrough`] request carries, or a copy of them.
///
/// They stay until [`Self::unmap`], with a request that has ended, or [`Self::cancel`],
/// with one that was never executed. Dropping this value leaves them for ever, and says so
/// in the log: the device may still write there.
///
/// # Invariants
///
/// `bio` is null, or the first bio that mapping made for `rq`, in process `mm`, not yet
/// unmapped.
#[must_use = "the memory stays mapped until it is unmapped"]
pub(crate) struct UserMapping {
    bio: *mut bindings::bio,
    rq: NonNull<bindings::request>,
    mm: *mut bindings::mm_struct,
}

// SAFETY: it does nothing unless `unmap()` or `cancel()` is called, which look at the
// process that calls them.
unsafe impl Send for UserMapping {}
// SAFETY: it has no method that takes a shared reference.
unsafe impl Sync for UserMapping {}

impl UserMapping {
    /// # Safety
    ///
    /// The memory of `rq`, if it has any, was mapped just now, in this process.
    pub(super) unsafe fn new(rq: NonNull<bindings::request>) -> Self {
        Self {
            // SAFETY: live by this function's requirements.
            bio: unsafe { (*rq.as_ptr()).bio },
            rq,
            mm: current_mm(),
        }
    }

    /// Gives the pages back (`blk_rq_unmap_user`); a copy of what the device sent is
    /// written to the user's memory first. May sleep. To be called by the process that
    /// mapped them; by a thread of the kernel, when that process is gone, nothing is
    /// written.
    ///
    /// # Errors
    ///
    /// `EFAULT` if the copy cannot be written, `EINTR` if it was not for want of the
    /// process; the pages were given back. `EINVAL`, with the pages left where they are,
    /// for another request, or in another process.
    pub(crate) fn unmap<T: Operations>(self, ended: &Ended<T>) -> Result {
        if !ended.is(self.rq) {
            return Err(EINVAL);
        }
        // SAFETY: the request has ended. If it is used anew already, the one that carried
        // these pages ended before.
        unsafe { self.give_back() }
    }

    /// Gives the pages and the request back when it is not to be executed after all.
    ///
    /// # Errors
    ///
    /// As [`Self::unmap`].
    pub(crate) fn cancel<T: Operations>(self, rq: Passthrough<'_, T>) -> Result {
        if !rq.is(self.rq) {
            return Err(EINVAL);
        }
        drop(rq);
        // SAFETY: the request was never executed. If this is a later use of the request,
        // the one that carried these pages ended, or was not executed either.
        unsafe { self.give_back() }
    }

    /// # Safety
    ///
    /// No device reaches the pages any more.
    unsafe fn give_back(self) -> Result {
        let mm = current_mm();
        if !mm.is_null() && mm != self.mm {
            return Err(EINVAL);
        }
        let this = ManuallyDrop::new(self);
        // SAFETY: by the type invariant, and once, as the value is consumed. C takes null
        // for none.
        to_result(unsafe { bindings::blk_rq_unmap_user(this.bio) })
    }
}

impl Drop for UserMapping {
    fn drop(&mut self) {
        if !self.bio.is_null() {
            pr_warn!("pages of a user that a request carried are lost\n");
        }
    }
}

/// The memory of the process that runs, or null for a thread of the kernel.
fn current_mm() -> *mut bindings::mm_struct {
    // SAFETY: the current task is live, and reads its own field.
    unsafe { (*bindings::get_current()).mm }
}
