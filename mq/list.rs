// SPDX-License-Identifier: GPL-2.0

//! Lists of requests that blk-mq issues together.

use super::{
    HwCtx,
    IdleRequest,
    Operations,
    RequestQueue, //
};
use crate::bindings;
use core::{
    marker::PhantomData,
    ptr::{
        self,
        NonNull, //
    },
};

/// The requests of a plug list ([`Operations::queue_rqs`]).
///
/// What was not taken, and what was given back, is blk-mq's again when the callback
/// returns, idle as it was.
///
/// # Invariants
///
/// For `'a`, both lists hold idle requests of `queue`, which belong to the list, and the
/// data of the queue's hardware contexts are not dropped.
pub(crate) struct RequestList<'a, T: Operations> {
    list: &'a mut bindings::rq_list,
    given_back: bindings::rq_list,
    queue: &'a RequestQueue<T>,
    _type: PhantomData<T>,
}

impl<'a, T: Operations> RequestList<'a, T> {
    /// # Safety
    ///
    /// `list` is not empty. It holds idle requests of one request queue of `T`, which
    /// belong to it, for `'a`; so long the data of the queue's hardware contexts are not
    /// dropped.
    #[inline]
    pub(super) unsafe fn new(list: &'a mut bindings::rq_list) -> Self {
        // SAFETY: the first request is live, and of a request queue of `T`.
        let queue = unsafe { RequestQueue::from_raw((*list.head).q) };
        // INVARIANT: by this function's requirements.
        Self {
            list,
            given_back: pin_init::zeroed(),
            queue,
            _type: PhantomData,
        }
    }

    /// The request queue that all of them belong to.
    #[inline]
    pub(crate) fn request_queue(&self) -> &'a RequestQueue<T> {
        self.queue
    }

    /// Takes the first request off the list, with its hardware context.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<(IdleRequest<T>, HwCtx<'a, T>)> {
        let rq = NonNull::new(self.list.head)?;
        // SAFETY: a request in the list is live; its successor is in this field.
        let next = unsafe { (*rq.as_ptr()).__bindgen_anon_1.rq_next };
        self.list.head = next;
        if next.is_null() {
            self.list.tail = next;
        }
        // SAFETY: as above.
        unsafe { (*rq.as_ptr()).__bindgen_anon_1.rq_next = ptr::null_mut() };
        // SAFETY: idle, and the list's; its context is one of `queue`'s (type invariant).
        Some(unsafe {
            (
                IdleRequest::from_raw(rq),
                HwCtx::from_raw((*rq.as_ptr()).mq_hctx),
            )
        })
    }

    /// Gives a request back to blk-mq, which issues it alone afterwards.
    ///
    /// # Errors
    ///
    /// Returns a request that is none of this request queue's.
    pub(crate) fn give_back(&mut self, rq: IdleRequest<T>) -> Result<(), IdleRequest<T>> {
        if !ptr::eq(rq.request_queue(), self.queue) {
            return Err(rq);
        }
        let rq = rq.into_raw().as_ptr();
        // SAFETY: the request is ours, and in no list. INVARIANT: idle, and of `queue`.
        unsafe { bindings::rnvme_rq_list_add_tail(&mut self.given_back, rq) };
        Ok(())
    }
}

impl<T: Operations> Drop for RequestList<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if self.given_back.head.is_null() {
            return;
        }
        // What was not taken stays behind what was given back.
        // SAFETY: the tail of a list that is not empty is live, and the last; what is put
        // behind it is in no other list any more.
        unsafe { (*self.given_back.tail).__bindgen_anon_1.rq_next = self.list.head };
        if !self.list.head.is_null() {
            self.given_back.tail = self.list.tail;
        }
        *self.list = self.given_back;
    }
}
