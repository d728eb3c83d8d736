// SPDX-License-Identifier: GPL-2.0

//! Batches of completed requests, which end together.

use super::{
    Completed,
    Operations, //
};
use crate::bindings;
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// Requests that completed with success and end together (`struct io_comp_batch`).
///
/// While a request is in the batch it lies in a list of C's: the third owner beside the
/// driver and the slot. It leaves the list only by ending: when [`Self::collect`] returns,
/// or, on polled I/O, when C ends its own batch, which is the one that
/// [`Operations::poll`] is lent.
///
/// # Invariants
///
/// `iob` is null, or valid for `'a` and used by nobody else meanwhile.
pub(crate) struct CompletionBatch<'a, T: Operations> {
    iob: *mut bindings::io_comp_batch,
    _iob: PhantomData<&'a mut bindings::io_comp_batch>,
    _type: PhantomData<T>,
}

impl<T: Operations> CompletionBatch<'_, T> {
    /// Lends `f` an empty batch, and ends what it put there. Any context.
    #[inline]
    pub(crate) fn collect<R>(f: impl FnOnce(&mut CompletionBatch<'_, T>) -> R) -> R {
        let mut iob: bindings::io_comp_batch = pin_init::zeroed();
        let result = f(&mut CompletionBatch {
            iob: &raw mut iob,
            _iob: PhantomData,
            _type: PhantomData,
        });
        if !iob.req_list.head.is_null() {
            // SAFETY: the list holds completed requests of `T`, put there by the methods
            // below.
            unsafe { end_batch::<T>(&mut iob) };
        }
        result
    }

    /// C's own batch, on polled I/O; null if who polls has none.
    ///
    /// # Safety
    ///
    /// `iob` is null, or valid for the lifetime of the value and used by nobody else
    /// meanwhile; then the caller ends what was put there.
    #[inline]
    pub(super) unsafe fn lent(iob: *mut bindings::io_comp_batch) -> Self {
        Self {
            iob,
            _iob: PhantomData,
            _type: PhantomData,
        }
    }

    /// Puts a request that completed with success into the batch
    /// (`blk_mq_add_to_batch`). It ends on this CPU. Any context.
    ///
    /// # Errors
    ///
    /// Gives the request back if blk-mq does not take it: it has a scheduler's tag; or it is
    /// block I/O of whose end somebody is told (`end_io`), a flush machine say; or the batch
    /// is C's and holds another driver's requests, or C has none.
    #[inline]
    pub(crate) fn add(&mut self, rq: Completed<T>) -> Result<(), Completed<T>> {
        self.give(rq, |rq, iob| {
            // SAFETY: `rq` is live and the caller's; if the answer is true it belongs to the
            // batch, which calls `end_batch`.
            unsafe { bindings::rnvme_add_to_batch(rq, iob, Some(end_batch::<T>)) }
        })
    }

    /// Gives the request to the CPU that shall end it, or to the batch, or back to the
    /// caller.
    #[inline]
    pub(super) fn hand_over(
        &mut self,
        rq: Completed<T>,
        is_error: bool,
    ) -> Result<(), Completed<T>> {
        self.give(rq, |rq, iob| {
            // SAFETY: `rq` is live and the caller's. If the answer is true it belongs to
            // blk-mq, which calls `complete`, or to the batch, which calls `end_batch`.
            unsafe { bindings::rnvme_complete_or_batch(rq, iob, is_error, Some(end_batch::<T>)) }
        })
    }

    #[inline(always)]
    fn give(
        &mut self,
        rq: Completed<T>,
        f: impl FnOnce(*mut bindings::request, *mut bindings::io_comp_batch) -> bool,
    ) -> Result<(), Completed<T>> {
        let raw = rq.into_raw();
        if f(raw.as_ptr(), self.iob) {
            return Ok(());
        }
        // SAFETY: it was not taken, so it is the caller's as before.
        Err(unsafe { Completed::from_raw(raw) })
    }
}

/// Ends the requests of a batch (`io_comp_batch::complete`).
///
/// # Safety
///
/// `iob` is valid for the duration of the call, and its list holds completed
/// requests of `T` only.
unsafe extern "C" fn end_batch<T: Operations>(iob: *mut bindings::io_comp_batch) {
    // SAFETY: valid by this function's requirements.
    let mut next = unsafe { (*iob).req_list.head };
    while let Some(rq) = NonNull::new(next) {
        // SAFETY: a request in the list is live; its successor is in this field.
        next = unsafe { (*rq.as_ptr()).__bindgen_anon_1.rq_next };
        // SAFETY: it is completed, and the list's; the mapping goes with it.
        unsafe { Completed::<T>::from_raw(rq) }.release_in_batch();
    }
    // SAFETY: valid by this function's requirements; ends all, and empties it.
    unsafe { bindings::blk_mq_end_request_batch(iob) };
}
