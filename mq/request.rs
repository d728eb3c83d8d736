// SPDX-License-Identifier: GPL-2.0

//! Requests: one value per state, and moves between them.

use super::{
    status::BlkStatus,
    CompletionBatch,
    HwCtx,
    Operations,
    Queue,
    RequestQueue, //
};
use crate::bindings;
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ops::Deref,
    ptr::NonNull, //
};
use kernel::{
    prelude::*,
    types::Opaque, //
};

/// The operation of a request (`enum req_op`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// Read sectors.
    Read,
    /// Write sectors.
    Write,
    /// Write the volatile cache to the medium.
    Flush,
    /// Forget sectors.
    Discard,
    /// Write zeroes.
    WriteZeroes,
    /// Forget sectors, and make sure that nobody can read them.
    SecureErase,
    /// Write at a zone's write pointer; where that was is told when the request ends.
    ZoneAppend,
    /// Open a zone.
    ZoneOpen,
    /// Close a zone.
    ZoneClose,
    /// Move a zone's write pointer to its end.
    ZoneFinish,
    /// Move a zone's write pointer to its start.
    ZoneReset,
    /// Reset all zones.
    ZoneResetAll,
    /// A command of the driver's own that reads data, or has none.
    DriverIn,
    /// A command of the driver's own that writes data.
    DriverOut,
    /// Anything else, by its number.
    Other(u8),
}

impl Op {
    /// The operation in the flags of a request or bio.
    #[inline]
    pub(super) fn from_flags(flags: u32) -> Self {
        match flags & bindings::REQ_OP_MASK {
            bindings::req_op_REQ_OP_READ => Self::Read,
            bindings::req_op_REQ_OP_WRITE => Self::Write,
            bindings::req_op_REQ_OP_FLUSH => Self::Flush,
            bindings::req_op_REQ_OP_DISCARD => Self::Discard,
            bindings::req_op_REQ_OP_WRITE_ZEROES => Self::WriteZeroes,
            bindings::req_op_REQ_OP_SECURE_ERASE => Self::SecureErase,
            bindings::req_op_REQ_OP_ZONE_APPEND => Self::ZoneAppend,
            bindings::req_op_REQ_OP_ZONE_OPEN => Self::ZoneOpen,
            bindings::req_op_REQ_OP_ZONE_CLOSE => Self::ZoneClose,
            bindings::req_op_REQ_OP_ZONE_FINISH => Self::ZoneFinish,
            bindings::req_op_REQ_OP_ZONE_RESET => Self::ZoneReset,
            bindings::req_op_REQ_OP_ZONE_RESET_ALL => Self::ZoneResetAll,
            bindings::req_op_REQ_OP_DRV_IN => Self::DriverIn,
            bindings::req_op_REQ_OP_DRV_OUT => Self::DriverOut,
            // CAST: an operation has 8 bits.
            op => Self::Other(op as u8),
        }
    }
}

/// What can be asked of a request in every state, by its owner.
///
/// # Invariants
///
/// The request is live, its private data is initialised, and it belongs to a tag
/// set of `T`.
#[repr(transparent)]
pub(crate) struct RequestInfo<T: Operations>(Opaque<bindings::request>, PhantomData<T>);

impl<T: Operations> RequestInfo<T> {
    #[inline]
    fn field(&self) -> *mut bindings::request {
        self.0.get()
    }

    /// The raw request, for `dma/`, which maps its memory.
    #[inline]
    pub(crate) fn as_raw(&self) -> *mut bindings::request {
        self.0.get()
    }

    /// The operation.
    #[inline]
    pub(crate) fn op(&self) -> Op {
        Op::from_flags(self.flags())
    }

    #[inline]
    fn flags(&self) -> u32 {
        // SAFETY: the request is live (type invariant); nobody writes its flags
        // while the driver has it.
        unsafe { (*self.field()).cmd_flags }
    }

    /// True for a request of the block layer, false for a command of the driver's own.
    #[inline]
    pub(crate) fn is_block_io(&self) -> bool {
        !matches!(self.op(), Op::DriverIn | Op::DriverOut)
    }

    /// True if data go to the device; the low bit of every operation says so.
    #[inline]
    pub(crate) fn is_write(&self) -> bool {
        self.flags() & 1 != 0
    }

    /// True if the data must be on the medium when the request ends (`REQ_FUA`).
    #[inline]
    pub(crate) fn is_fua(&self) -> bool {
        self.flags() & bindings::REQ_FUA != 0
    }

    /// True for a read that nobody waits for yet (`REQ_RAHEAD`).
    #[inline]
    pub(crate) fn is_readahead(&self) -> bool {
        self.flags() & bindings::REQ_RAHEAD != 0
    }

    /// True if zeroes must be written rather than blocks deallocated
    /// (`REQ_NOUNMAP`).
    #[inline]
    pub(crate) fn is_nounmap(&self) -> bool {
        self.flags() & bindings::REQ_NOUNMAP != 0
    }

    /// True if the submitter wants to hear of an error at once (any
    /// `REQ_FAILFAST_*`).
    pub(crate) fn is_failfast(&self) -> bool {
        self.flags()
            & (bindings::REQ_FAILFAST_DEV
                | bindings::REQ_FAILFAST_TRANSPORT
                | bindings::REQ_FAILFAST_DRIVER)
            != 0
    }

    /// The first byte of the disk that the request is about.
    #[inline]
    pub(crate) fn offset(&self) -> u64 {
        // SAFETY: as in `flags()`.
        unsafe { (*self.field()).__sector }.wrapping_shl(bindings::SECTOR_SHIFT)
    }

    /// How many bytes of the disk the request is about.
    #[inline]
    pub(crate) fn len(&self) -> u32 {
        // SAFETY: as in `flags()`.
        unsafe { (*self.field()).__data_len }
    }

    /// True if there are [segments](Self::segments).
    #[inline]
    pub(crate) fn has_data(&self) -> bool {
        self.segments() != 0
    }

    /// How many physically contiguous segments of memory take part; of a request without
    /// memory that has ranges instead, as a discard, C may count these.
    #[inline]
    pub(crate) fn segments(&self) -> u16 {
        // SAFETY: as in `flags()`.
        unsafe { (*self.field()).nr_phys_segments }
    }

    /// The tag, below the depth of the queue.
    #[inline]
    pub(crate) fn tag(&self) -> usize {
        // SAFETY: as in `flags()`. CAST: a request that a driver has, has a tag,
        // so it is not negative; if it were, it would exceed every depth.
        unsafe { (*self.field()).tag as usize }
    }

    /// The private data.
    #[inline]
    pub(crate) fn data(&self) -> &T::RequestData {
        // SAFETY: by the type invariant it is initialised, and it lies behind the
        // request in the same allocation (`TagSet`'s invariant).
        unsafe { &*pdu::<T>(self.field()) }
    }

    /// The request queue.
    #[inline]
    pub(crate) fn request_queue(&self) -> &RequestQueue<T> {
        // SAFETY: the request queue outlives its requests, and is of `T`.
        unsafe { RequestQueue::from_raw((*self.field()).q) }
    }

    /// The data of the request queue, that is, of the disk.
    #[inline]
    pub(crate) fn queue_data(&self) -> &T::QueueData {
        self.request_queue().data()
    }

    /// The hardware context.
    #[inline]
    pub(crate) fn hctx(&self) -> HwCtx<'_, T> {
        // SAFETY: a request that a driver has belongs to a hardware context, whose data are
        // not dropped before the request has ended.
        unsafe { HwCtx::from_raw((*self.field()).mq_hctx) }
    }

    /// The hardware queue.
    #[inline]
    pub(crate) fn queue(&self) -> &Queue<T> {
        self.hctx().queue()
    }

    /// True if the submitter polls for the end (`REQ_POLLED`).
    #[inline]
    pub(crate) fn is_polled(&self) -> bool {
        self.flags() & bindings::REQ_POLLED != 0
    }

    /// True if the submitter would rather hear `EAGAIN` than wait (`REQ_NOWAIT`).
    #[inline]
    pub(crate) fn is_nowait(&self) -> bool {
        self.flags() & bindings::REQ_NOWAIT != 0
    }

    /// True if its tag is a reserved one (`RQF_RESV`).
    #[inline]
    pub(crate) fn is_reserved(&self) -> bool {
        // SAFETY: as in `flags()`.
        unsafe { (*self.field()).rq_flags & bindings::RQF_RESV != 0 }
    }

    /// The priority that the submitter gave it (`IOPRIO_PRIO_VALUE`).
    #[inline]
    pub(crate) fn ioprio(&self) -> u16 {
        // SAFETY: as in `flags()`; the bios of a live request are live.
        unsafe {
            let bio = (*self.field()).bio;
            if bio.is_null() {
                0
            } else {
                (*bio).bi_ioprio
            }
        }
    }

    /// How long the request may take, in milliseconds, before
    /// [`Operations::timeout`] is called.
    pub(crate) fn timeout_ms(&self) -> u64 {
        // SAFETY: as in `flags()`.
        let ticks = u64::from(unsafe { (*self.field()).timeout });
        ticks.saturating_mul(1000) / const { bindings::RNVME_HZ }
    }

    /// Visits each bio of the request: first byte on the disk, length in bytes.
    pub(crate) fn for_each_bio(&self, mut f: impl FnMut(u64, u32)) {
        // SAFETY: as in `flags()`.
        let mut bio = unsafe { (*self.field()).bio };
        while !bio.is_null() {
            // SAFETY: the bios of a live request are live, and form a list.
            let (iter, next) = unsafe { ((*bio).bi_iter, (*bio).bi_next) };
            f(
                iter.bi_sector.wrapping_shl(bindings::SECTOR_SHIFT),
                iter.bi_size,
            );
            bio = next;
        }
    }
}

/// The private data of a request lies directly behind it.
#[inline]
pub(super) fn pdu<T: Operations>(rq: *mut bindings::request) -> *mut T::RequestData {
    rq.wrapping_add(1).cast()
}

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
        let flags = RequestInfo::field(self);
        // SAFETY: live, and ours by the type invariant.
        let fresh = unsafe { (*flags).rq_flags } & bindings::RQF_DONTPREP == 0;
        if fresh {
            // SAFETY: as above.
            unsafe { (*flags).rq_flags |= bindings::RQF_DONTPREP };
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
