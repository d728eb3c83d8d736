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
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    error::to_result,
    mm::Mm,
    prelude::*,
    sync::aref::ARef, //
};

/// The pages of a user that a [`Passthrough`] request carries, or a copy of them.
///
/// They stay until [`Self::unmap`], with a request that has ended, or [`Self::cancel`],
/// with one that was never executed. Dropping this value leaves them for ever, and says so
/// in the log: the device may still write there.
///
/// It may outlive the process: the pages are its own, and it keeps the process's `struct
/// mm_struct`, not what is mapped there, so that no other process comes to have the same one.
///
/// # Invariants
///
/// `bio` is null, or the first bio that mapping made for `rq`, in the process of `mm`, which is
/// there then, not yet unmapped.
#[must_use = "the memory stays mapped until it is unmapped"]
pub(crate) struct UserMapping {
    bio: *mut bindings::bio,
    rq: NonNull<bindings::request>,
    /// Kept for ever, like the pages, if this is dropped: that may be in any context, in which
    /// the last reference must not be given back.
    mm: ManuallyDrop<Option<ARef<Mm>>>,
}

// SAFETY: it does nothing unless `unmap()` or `cancel()` is called, which look at the
// process that calls them; references to an [`Mm`] are counted atomically.
unsafe impl Send for UserMapping {}
// SAFETY: it has no method that takes a shared reference.
unsafe impl Sync for UserMapping {}

impl UserMapping {
    /// # Safety
    ///
    /// The memory of `rq`, if it has any, was mapped just now, in this process, which is no
    /// thread of the kernel then.
    pub(super) unsafe fn new(rq: NonNull<bindings::request>) -> Self {
        // SAFETY: live by this function's requirements.
        let bio = unsafe { (*rq.as_ptr()).bio };
        let mm = match kernel::current!().mm() {
            Some(mm) if !bio.is_null() => Some(ARef::from(&**mm)),
            _ => None,
        };
        // INVARIANT: mapped just now, in this process.
        Self {
            bio,
            rq,
            mm: ManuallyDrop::new(mm),
        }
    }

    /// True if the caller has memory of a user: not in a thread of the kernel.
    pub(super) fn has_user() -> bool {
        kernel::current!().mm().is_some()
    }

    /// True if there is memory, and it is that of this request, which begins with `bio`: not
    /// if it was mapped for a former use of the request.
    pub(super) fn is_of(&self, rq: NonNull<bindings::request>, bio: *mut bindings::bio) -> bool {
        self.rq == rq && self.bio == bio && !bio.is_null()
    }

    /// Gives the pages back (`blk_rq_unmap_user`); copies of what the device sent, data and
    /// metadata, are written to the user's memory first. May sleep. To be called by the
    /// process that mapped them. By a thread of the kernel, when that process is gone, data
    /// are not written; metadata are, to pages that were kept for that.
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

    /// Gives the pages and the request back when it is not to be executed after all. Where a
    /// copy was to take what the device sends, zeroes are written to the user's memory.
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
        if !self.is_at_home() {
            return Err(EINVAL);
        }
        let mut this = ManuallyDrop::new(self);
        // SAFETY: by the type invariant, and once, as the value is consumed. C takes null
        // for none.
        let result = to_result(unsafe { bindings::blk_rq_unmap_user(this.bio) });
        // SAFETY: once, as the value is consumed, and not looked at after this.
        unsafe { ManuallyDrop::drop(&mut this.mm) };
        result
    }

    /// True in the process whose memory it is; in a thread of the kernel, where C looks nobody's
    /// addresses up; and anywhere if there is none.
    fn is_at_home(&self) -> bool {
        match (kernel::current!().mm(), &*self.mm) {
            (_, None) => self.bio.is_null(),
            (Some(here), Some(mine)) => ptr::eq(here.as_raw(), mine.as_raw()),
            (None, Some(_)) => true,
        }
    }
}

impl Drop for UserMapping {
    fn drop(&mut self) {
        if !self.bio.is_null() {
            pr_warn!("pages of a user that a request carried are lost\n");
        }
    }
}
