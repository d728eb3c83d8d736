// SPDX-License-Identifier: GPL-2.0

//! What can be asked of a request, by its owner.

use super::{
    HwCtx,
    Operations,
    Queue,
    RequestQueue, //
};
use crate::bindings;
use core::marker::PhantomData;
use kernel::types::Opaque;

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

    /// True for a write that is done whole or not at all (`REQ_ATOMIC`).
    #[inline]
    pub(crate) fn is_atomic(&self) -> bool {
        self.flags() & bindings::REQ_ATOMIC != 0
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

    /// The stream that a write belongs to, from 1 to as many as the disk has
    /// ([`WriteStreamLimits`](super::WriteStreamLimits)); 0 for none (`bi_write_stream`).
    #[inline]
    pub(crate) fn write_stream(&self) -> u8 {
        // SAFETY: as in `flags()`; the bios of a live request are live.
        unsafe { (*self.field()).bio.as_ref() }.map_or(0, |bio| bio.bi_write_stream)
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
