// SPDX-License-Identifier: GPL-2.0

//! Requests: one value per state, and moves between them.

use super::{
    request_info::pdu,
    status::BlkStatus,
    CompletionBatch,
    Op,
    Operations,
    RequestInfo, //
};
use crate::bindings;
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ops::Deref,
    ptr::NonNull, //
};
use kernel::prelude::*;

/// Makes a move-only request type: a pointer, and a `Deref` to what can be asked.
macro_rules! request_type {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[must_use = "a request that is dropped ends with an error"]
        #[repr(transparent)]
        pub(crate) struct $name<T: Operations>(NonNull<bindings::request>, PhantomData<T>);

        // SAFETY: the value is the only owner of the request; blk-mq lets a
        // request end on any CPU and in any context, and its data is `Send`.
        unsafe impl<T: Operations> Send for $name<T> {}

        impl<T: Operations> $name<T> {
            /// # Safety
            ///
            /// `rq` is a live request of a tag set of `T`, in the state that the
            /// type stands for, and owned by nobody else from now on.
            #[inline]
            pub(super) unsafe fn from_raw(rq: NonNull<bindings::request>) -> Self {
                Self(rq, PhantomData)
            }

            /// Gives up ownership without ending the request.
            #[inline]
            pub(super) fn into_raw(self) -> NonNull<bindings::request> {
                ManuallyDrop::new(self).0
            }
        }

        impl<T: Operations> Deref for $name<T> {
            type Target = RequestInfo<T>;

            #[inline]
            fn deref(&self) -> &RequestInfo<T> {
                // SAFETY: the request is live while this value owns it, and
                // `RequestInfo` is transparent over it.
                unsafe { self.0.cast().as_ref() }
            }
        }
    };
}

/// Gives exclusive access to the private data.
macro_rules! with_data_mut {
    ($($name:ident),*) => {
        $(impl<T: Operations> $name<T> {
            /// The private data, exclusively.
            #[inline]
            pub(crate) fn data_mut(&mut self) -> Pin<&mut T::RequestData> {
                // SAFETY: this value is the only owner of the request, whose private data
                // were made in place and do not move.
                unsafe { Pin::new_unchecked(&mut *pdu::<T>(self.0.as_ptr())) }
            }
        })*
    };
}

with_data_mut!(IdleRequest, Request, Completed);

request_type! {
    /// A request that blk-mq handed over and that was not started.
    ///
    /// # Invariants
    ///
    /// Owned by this value alone, in state `MQ_RQ_IDLE`.
    IdleRequest
}

request_type! {
    /// A started request that the device has not been told of.
    ///
    /// # Invariants
    ///
    /// Owned by this value alone, in state `MQ_RQ_IN_FLIGHT`, in no slot.
    Request
}

request_type! {
    /// A request that was taken out of its slot: the device is done with it. It
    /// still has its mapping, which is released before it ends.
    ///
    /// # Invariants
    ///
    /// Owned by this value alone, and so is the mapping in the slot of its tag.
    Completed
}

/// A request that goes back to blk-mq from `queue_rq`, to be given again.
///
/// Made only from an idle request, or one that was started and not published, so
/// `queue_rq` cannot say "again" of one that it has ended or published; one that is
/// dropped ends with an error.
#[must_use = "it has to be returned from queue_rq"]
pub(crate) struct Refused<T: Operations> {
    rq: IdleRequest<T>,
    status: bindings::blk_status_t,
}

impl<T: Operations> Refused<T> {
    /// True if it is this request that was refused.
    pub(super) fn is(&self, rq: *mut bindings::request) -> bool {
        self.rq.as_raw() == rq
    }

    /// For the return to C, which still has the request, and makes it idle if it was
    /// started.
    pub(super) fn into_status(self) -> bindings::blk_status_t {
        self.rq.into_raw();
        self.status
    }
}

/// The two ways to refuse a request.
macro_rules! refusals {
    ($($name:ident),*) => {
        $(impl<T: Operations> $name<T> {
            /// Gives the request back for want of something that has nothing to do with
            /// the requests that are under way, memory say. blk-mq tries again when one
            /// of them ends, or after some milliseconds (`BLK_STS_RESOURCE`). What was
            /// mapped for it must have been released.
            pub(crate) fn refuse_resource(self) -> Refused<T> {
                self.refuse(bindings::BLK_STS_RESOURCE)
            }

            /// Gives the request back for want of something that the device has too few
            /// of, and that comes back as its requests end: blk-mq tries again only when
            /// one of them ends or the driver runs the queue, and never if there is none
            /// (`BLK_STS_DEV_RESOURCE`). What was mapped for it must have been released.
            pub(crate) fn refuse_dev_resource(self) -> Refused<T> {
                self.refuse(bindings::BLK_STS_DEV_RESOURCE)
            }

            fn refuse(self, status: bindings::blk_status_t) -> Refused<T> {
                Refused {
                    // SAFETY: ours. If it was started, C makes it idle when the refusal
                    // is returned; a refusal that is dropped ends it, as it would have
                    // been.
                    rq: unsafe { IdleRequest::from_raw(self.into_raw()) },
                    status,
                }
            }
        })*
    };
}

refusals!(IdleRequest, Request);

impl<T: Operations> IdleRequest<T> {
    /// Starts the request: its time runs from here.
    #[inline]
    pub(crate) fn start(self) -> Request<T> {
        let rq = self.into_raw();
        // SAFETY: live and idle by the type invariant.
        unsafe { bindings::blk_mq_start_request(rq.as_ptr()) };
        // SAFETY: it was ours, and is started now.
        unsafe { Request::from_raw(rq) }
    }

    /// True the first time that blk-mq hands this request over, false when it
    /// comes back after a requeue (`RQF_DONTPREP`). Later calls say false.
    #[inline]
    pub(crate) fn take_fresh(&mut self) -> bool {
        let rq = self.as_raw();
        // SAFETY: live, and ours by the type invariant.
        let fresh = unsafe { (*rq).rq_flags } & bindings::RQF_DONTPREP == 0;
        if fresh {
            // SAFETY: as above.
            unsafe { (*rq).rq_flags |= bindings::RQF_DONTPREP };
        }
        fresh
    }

    /// Ends the request without the device having seen it. Any context.
    pub(crate) fn end(self, status: BlkStatus) {
        end_request(self.into_raw(), status);
    }

    /// Gives the request back to blk-mq, which hands it over again after about
    /// `delay_ms` milliseconds. Any context.
    pub(crate) fn requeue(self, delay_ms: usize) {
        requeue_request(self.into_raw(), delay_ms);
    }
}

impl<T: Operations> Request<T> {
    /// Ends the request without the device having seen it. Any context.
    pub(crate) fn end(self, status: BlkStatus) {
        end_request(self.into_raw(), status);
    }

    /// Ends the request with success, without the device having seen it: a driver that
    /// has no device did what was asked. Cannot fail. Any context.
    #[inline]
    pub(crate) fn end_ok(self) {
        self.end(BlkStatus::Ok);
    }

    /// Gives the request back to blk-mq, which hands it over again after about
    /// `delay_ms` milliseconds. Any context.
    pub(crate) fn requeue(self, delay_ms: usize) {
        requeue_request(self.into_raw(), delay_ms);
    }

    /// Takes for done a request that the device never had to be told of; `mapping` is
    /// released with it, as if it had come out of a slot.
    ///
    /// # Errors
    ///
    /// Gives both back if the request has no tag, which blk-mq rules out.
    #[inline]
    pub(crate) fn into_completed(
        self,
        mapping: T::Mapping,
    ) -> Result<Completed<T>, (Self, T::Mapping)> {
        // SAFETY: this value owns the request, which is in no slot, and with it the place
        // of its tag's mapping.
        match unsafe { self.queue().slots().put_mapping(self.tag(), mapping) } {
            // SAFETY: ours, with a mapping in its place.
            Ok(()) => Ok(unsafe { Completed::from_raw(self.into_raw()) }),
            Err(mapping) => Err((self, mapping)),
        }
    }
}

impl<T: Operations> Completed<T> {
    /// Hands the request to the CPU that shall end it: [`Operations::complete`] is called
    /// there, by IPI, in a softirq, or on this CPU before this returns
    /// (`blk_mq_complete_request`). Any context.
    #[inline]
    pub(crate) fn complete(self) {
        // SAFETY: live and ours; from now on it is blk-mq's, which calls `complete`.
        unsafe { bindings::blk_mq_complete_request(self.into_raw().as_ptr()) };
    }

    /// Hands the request to another CPU or to a softirq, if it shall end there
    /// (`blk_mq_complete_request_remote`). Any context.
    ///
    /// # Errors
    ///
    /// Gives the request back if it may as well end here.
    #[inline]
    pub(crate) fn complete_remote(self) -> Result<(), Self> {
        let rq = self.into_raw();
        // SAFETY: live and ours. If the answer is true it is blk-mq's, which calls
        // `complete`.
        if unsafe { bindings::blk_mq_complete_request_remote(rq.as_ptr()) } {
            return Ok(());
        }
        // SAFETY: it was not taken, so it is ours as before.
        Err(unsafe { Self::from_raw(rq) })
    }

    /// Hands the request to the CPU that shall end it: by IPI or softirq, or in
    /// the batch, or by calling [`Operations::complete`] at once. One call for
    /// [`Self::complete_remote`] and [`CompletionBatch::add`]. Any context.
    ///
    /// `is_error` keeps it out of the batch, whose requests all end with success.
    #[inline]
    pub(crate) fn complete_batched(self, batch: &mut CompletionBatch<'_, T>, is_error: bool) {
        if let Err(rq) = batch.hand_over(self, is_error) {
            T::complete(rq);
        }
    }

    /// Says where a zone append wrote: `offset` bytes from the start of the disk. Of another
    /// request nothing is changed: by its place C finds the zone that it counts in.
    #[inline]
    pub(crate) fn set_append_offset(&mut self, offset: u64) {
        if self.op() == Op::ZoneAppend {
            // SAFETY: live, and ours by the type invariant.
            unsafe { (*self.0.as_ptr()).__sector = offset >> bindings::SECTOR_SHIFT };
        }
    }

    /// Releases the mapping, and ends the request. Any context.
    #[inline]
    pub(crate) fn end(self, status: BlkStatus) {
        end_request(self.release(), status);
    }

    /// Releases the mapping, and ends the request with success. Cannot fail.
    #[inline]
    pub(crate) fn end_ok(self) {
        self.end(BlkStatus::Ok);
    }

    /// Releases the mapping, and gives the request back to blk-mq, which hands it
    /// over again after about `delay_ms` milliseconds. Any context.
    pub(crate) fn requeue(self, delay_ms: usize) {
        requeue_request(self.release(), delay_ms);
    }

    /// Releases the mapping; the request itself remains, and is the caller's.
    #[inline]
    fn release(self) -> NonNull<bindings::request> {
        let queue = self.queue();
        // SAFETY: this value owns the completed request, and with it the mapping;
        // it is consumed, so this happens once.
        if let Some(mapping) = unsafe { queue.slots().take_mapping(self.tag()) } {
            T::release(queue, mapping);
        }
        self.into_raw()
    }

    /// Releases the mapping of a request that the batch is about to end.
    #[inline]
    pub(super) fn release_in_batch(self) {
        self.release();
    }
}

#[inline]
fn end_request(rq: NonNull<bindings::request>, status: BlkStatus) {
    // SAFETY: the callers consumed the value that owned `rq`, so this happens
    // once, to a live request.
    unsafe { bindings::blk_mq_end_request(rq.as_ptr(), status.as_raw()) };
}

fn requeue_request(rq: NonNull<bindings::request>, delay_ms: usize) {
    // SAFETY: the callers consumed the value that owned `rq`, which is live until this gives
    // it to blk-mq.
    unsafe { bindings::rnvme_requeue(rq.as_ptr(), delay_ms) };
}

/// A driver that drops a request has a bug; its submitter hears of it all the
/// same, with an error, and the log does too.
#[cold]
fn dropped(rq: NonNull<bindings::request>, state: &str) {
    pr_warn!("a {state} request was dropped, it ends with an error\n");
    end_request(rq, BlkStatus::IoError);
}

impl<T: Operations> Drop for IdleRequest<T> {
    fn drop(&mut self) {
        dropped(self.0, "idle");
    }
}

impl<T: Operations> Drop for Request<T> {
    fn drop(&mut self) {
        dropped(self.0, "started");
    }
}

impl<T: Operations> Drop for Completed<T> {
    fn drop(&mut self) {
        // SAFETY: this value owns the request and its mapping, and is going away.
        let same = unsafe { Completed::<T>::from_raw(self.0) };
        dropped(same.release(), "completed");
    }
}
