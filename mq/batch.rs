// SPDX-License-Identifier: GPL-2.0

//! Requests in bulk: lists that blk-mq issues, batches that it ends.

use super::{
    Completed,
    IdleRequest,
    Operations,
    Queue,
    Refused,
    RequestInfo, //
};
use crate::bindings;
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// Requests that completed with success and end together.
///
/// While a request is in the batch it lies in a list of C's: the third owner
/// beside the driver and the slot. It leaves the list only by ending, when the
/// batch is dropped. On polled I/O the batch is C's own, and C ends it.
pub(crate) struct CompletionBatch<T: Operations>(bindings::io_comp_batch, PhantomData<T>);

impl<T: Operations> CompletionBatch<T> {
    /// An empty batch.
    #[inline]
    pub(crate) fn new() -> Self {
        Self(pin_init::zeroed(), PhantomData)
    }

    /// Gives the request to another CPU or to the batch, or back to the caller.
    #[inline]
    pub(super) fn hand_over(&mut self, rq: Completed<T>, is_error: bool) -> Option<Completed<T>> {
        let raw = rq.into_raw();
        // SAFETY: `raw` is live and was the caller's. If the answer is true it
        // belongs to blk-mq, which calls `complete`, or to the batch, which calls
        // `end_batch`.
        let taken = unsafe {
            bindings::rnvme_complete_or_batch(
                raw.as_ptr(),
                &mut self.0,
                is_error,
                Some(end_batch::<T>),
            )
        };
        // SAFETY: if it was not taken it is the caller's as before.
        (!taken).then(|| unsafe { Completed::from_raw(raw) })
    }
}

impl<T: Operations> Drop for CompletionBatch<T> {
    #[inline]
    fn drop(&mut self) {
        if !self.0.req_list.head.is_null() {
            // SAFETY: the list holds completed requests of `T`, put there by
            // `hand_over()`.
            unsafe { end_batch::<T>(&mut self.0) };
        }
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

/// The requests of a plug list.
pub(crate) struct RequestList<'a, T: Operations> {
    list: &'a mut bindings::rq_list,
    refused: bindings::rq_list,
    _type: PhantomData<T>,
}

impl<'a, T: Operations> RequestList<'a, T> {
    /// # Safety
    ///
    /// `list` holds idle requests of `T` that the caller owns, for `'a`.
    pub(super) unsafe fn new(list: &'a mut bindings::rq_list) -> Self {
        Self {
            list,
            refused: pin_init::zeroed(),
            _type: PhantomData,
        }
    }

    /// The hardware queue of a request of this list.
    #[inline]
    pub(crate) fn queue_of(&self, rq: &RequestInfo<T>) -> &'a Queue<T> {
        // SAFETY: the queue lives as long as the tag set, which outlives the call that
        // has the list, and so `'a`.
        unsafe { NonNull::from(rq.queue()).as_ref() }
    }

    /// The data of the request queue that the requests of this list belong to.
    #[inline]
    pub(crate) fn queue_data_of(&self, rq: &RequestInfo<T>) -> &'a T::QueueData {
        // SAFETY: the data live as long as the request queue, which outlives the call
        // that has the list, and so `'a`.
        unsafe { NonNull::from(rq.queue_data()).as_ref() }
    }

    /// Takes the first request off the list.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<IdleRequest<T>> {
        let rq = NonNull::new(self.list.head)?;
        // SAFETY: a request in the list is live; its successor is in this field.
        let next = unsafe { (*rq.as_ptr()).__bindgen_anon_1.rq_next };
        self.list.head = next;
        if next.is_null() {
            self.list.tail = next;
        }
        // SAFETY: as above.
        unsafe { (*rq.as_ptr()).__bindgen_anon_1.rq_next = core::ptr::null_mut() };
        // SAFETY: idle and owned by the list's owner, who lends the list to us.
        Some(unsafe { IdleRequest::from_raw(rq) })
    }

    /// Gives a request back to blk-mq, which issues it alone afterwards.
    pub(crate) fn give_back(&mut self, refused: Refused<T>) {
        // SAFETY: the request is ours, and in no list.
        unsafe { bindings::rnvme_rq_list_add_tail(&mut self.refused, refused.into_raw().as_ptr()) };
    }
}

impl<T: Operations> Drop for RequestList<'_, T> {
    fn drop(&mut self) {
        // What was not taken stays behind what was refused.
        while let Some(rq) = self.pop() {
            let refused = rq.refuse();
            self.give_back(refused);
        }
        core::mem::swap(self.list, &mut self.refused);
    }
}
