// SPDX-License-Identifier: GPL-2.0

//! Commands that are no block I/O: of the driver itself, or of a user.
//!
//! ```text
//! Passthrough::new() -> set the private data -> map_*() -> execute*() -> Ended
//! ```

use super::{
    request_info::pdu,
    status::status_to_result,
    user_mapping::UserMapping,
    Disk,
    Operations,
    RequestQueue, //
};
use crate::{
    bindings,
    os::uring_cmd::FixedBuffer, //
};
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ptr::NonNull, //
};
use kernel::{
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*, //
};

/// Which way the data of a command go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DataDirection {
    /// From the device to memory, or none (`REQ_OP_DRV_IN`).
    In,
    /// From memory to the device (`REQ_OP_DRV_OUT`).
    Out,
}

/// How a request for a command is allocated and executed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PassthroughConfig {
    opf: u32,
    flags: u32,
    timeout_ms: u32,
    hw_queue: Option<u32>,
    at_head: bool,
}

impl PassthroughConfig {
    /// Any free tag, for which it waits; the tag set's own time-out; behind what waits
    /// already. Fails as soon as the device says so (`REQ_FAILFAST_DRIVER`).
    pub(crate) const fn new(direction: DataDirection) -> Self {
        let op = match direction {
            DataDirection::In => bindings::req_op_REQ_OP_DRV_IN,
            DataDirection::Out => bindings::req_op_REQ_OP_DRV_OUT,
        };
        Self {
            opf: op | bindings::REQ_FAILFAST_DRIVER,
            flags: 0,
            timeout_ms: 0,
            hw_queue: None,
            at_head: false,
        }
    }

    /// The time the device has, in milliseconds; 0 is the default of the tag set.
    pub(crate) const fn timeout_ms(mut self, timeout_ms: u32) -> Self {
        self.timeout_ms = timeout_ms;
        self
    }

    /// One of the reserved tags (`BLK_MQ_REQ_RESERVED`).
    pub(crate) const fn reserved(mut self) -> Self {
        self.flags |= bindings::BLK_MQ_REQ_RESERVED;
        self
    }

    /// Rather none than to wait for a tag or a frozen queue (`BLK_MQ_REQ_NOWAIT`).
    pub(crate) const fn nowait(mut self) -> Self {
        self.flags |= bindings::BLK_MQ_REQ_NOWAIT;
        self
    }

    /// On the hardware queue of this index (`blk_mq_alloc_request_hctx`). With a reserved
    /// tag and without waiting, as blk-mq demands.
    pub(crate) const fn on_queue(mut self, index: u32) -> Self {
        self.hw_queue = Some(index);
        self.reserved().nowait()
    }

    /// On a polled hardware queue, if there is one (`REQ_POLLED`). [`Passthrough::execute`]
    /// and its likes poll; after [`Passthrough::execute_nowait`], and for
    /// [`Passthrough::execute_timeout`], somebody else has to.
    pub(crate) const fn polled(mut self) -> Self {
        self.opf |= bindings::REQ_POLLED;
        self
    }

    /// Before what waits already.
    pub(crate) const fn at_head(mut self) -> Self {
        self.at_head = true;
        self
    }

    const fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// # Safety
    ///
    /// `q` is live for the duration of the call, and made on a tag set, which may be gone if
    /// `q` is that of a disk that was removed; it has reserved tags if `self` asks for one.
    unsafe fn allocate(
        &self,
        q: *mut bindings::request_queue,
    ) -> Result<NonNull<bindings::request>> {
        let (opf, flags) = (self.opf, self.flags);
        // SAFETY: by this function's requirements; a queue that was removed lets nobody in.
        let rq = from_err_ptr(unsafe {
            match self.hw_queue {
                None => bindings::blk_mq_alloc_request(q, opf, flags),
                Some(index) => bindings::blk_mq_alloc_request_hctx(q, opf, flags, index),
            }
        })?;
        let rq = NonNull::new(rq).ok_or(ENOMEM)?;
        if self.timeout_ms != 0 {
            // SAFETY: ours. CAST: a time-out has 32 bits.
            unsafe {
                (*rq.as_ptr()).timeout = bindings::__msecs_to_jiffies(self.timeout_ms) as u32;
            }
        }
        Ok(rq)
    }
}

/// A request for a command of the driver's own, before it is executed.
///
/// Dropping it frees the request, unused. It stays with the thread that made it.
///
/// # Invariants
///
/// `rq` is allocated, not started, and its private data belong to this value.
pub(crate) struct Passthrough<'q, T: Operations> {
    rq: NonNull<bindings::request>,
    at_head: bool,
    _queue: PhantomData<&'q RequestQueue<T>>,
}

impl<'q, T: Operations> Passthrough<'q, T> {
    /// Allocates a request. May sleep until a tag is free and the queue is thawed.
    ///
    /// # Errors
    ///
    /// `ENODEV` if the queue is being destroyed; `EINVAL` if a reserved tag is asked for
    /// and there are none; without waiting `EAGAIN` if no tag is free or the queue is
    /// frozen; on a given queue `EIO` if there is none, `EXDEV` if no CPU that is online
    /// uses it.
    pub(crate) fn new(queue: &'q RequestQueue<T>, config: PassthroughConfig) -> Result<Self> {
        if config.has(bindings::BLK_MQ_REQ_RESERVED) && !queue.has_reserved_tags() {
            return Err(EINVAL);
        }
        // SAFETY: live, and made on a tag set of `T`; looked at above.
        unsafe { Self::from_queue(queue.as_raw(), config) }
    }

    /// Allocates a request of a disk, which may have been removed. May sleep, as
    /// [`Self::new`].
    ///
    /// # Errors
    ///
    /// As there.
    pub(crate) fn for_disk(disk: &'q Disk<T>, config: PassthroughConfig) -> Result<Self> {
        // SAFETY: a live disk has a live queue.
        let q = unsafe { (*disk.as_raw()).queue };
        if config.has(bindings::BLK_MQ_REQ_RESERVED) {
            let nowait = config.has(bindings::BLK_MQ_REQ_NOWAIT);
            // SAFETY: live as above, and made on a tag set.
            to_result(unsafe { bindings::rnvme_queue_check_reserved_tags(q, nowait) })?;
        }
        // SAFETY: live as above, and made on a tag set of `T`; looked at above. If the disk
        // was removed meanwhile, its queue lets nobody in.
        unsafe { Self::from_queue(q, config) }
    }

    /// # Safety
    ///
    /// `q` is live for `'q`, and was made on a tag set of `T`, which may be gone if `q` is that
    /// of a disk that was removed; it has reserved tags if `config` asks for one.
    unsafe fn from_queue(
        q: *mut bindings::request_queue,
        config: PassthroughConfig,
    ) -> Result<Self> {
        // INVARIANT: allocated just now. The request keeps the tag set.
        Ok(Self {
            // SAFETY: by this function's requirements.
            rq: unsafe { config.allocate(q) }?,
            at_head: config.at_head,
            _queue: PhantomData,
        })
    }

    /// The private data: what the driver wants of the device.
    pub(crate) fn data_mut(&mut self) -> Pin<&mut T::RequestData> {
        // SAFETY: ours, and not started; initialised in place by `init_request`, and not
        // moved.
        unsafe { Pin::new_unchecked(&mut *pdu::<T>(self.rq.as_ptr())) }
    }

    /// Attaches `len` bytes of memory of the calling process at `address`
    /// (`blk_rq_map_user`), which may be copied if it is not fit for the device. May sleep.
    ///
    /// What it returns has to be unmapped once the request has ended;
    /// [`Self::execute_user`] does both.
    ///
    /// # Errors
    ///
    /// `EFAULT`, for a thread of the kernel too, which has no such memory; `EINVAL` if it is
    /// larger than the queue allows, `ENOMEM`; `EBUSY` if the request has memory already. The
    /// request is as before.
    pub(crate) fn map_user(&mut self, address: usize, len: usize) -> Result<UserMapping> {
        // SAFETY: ours, without memory; C checks the user's address and length.
        self.map(|rq, rw| unsafe {
            bindings::blk_rq_map_user_io(
                rq,
                core::ptr::null_mut(),
                address as *mut c_void,
                len,
                bindings::RNVME_GFP_KERNEL,
                false,
                0,
                false,
                rw,
            )
        })
    }

    /// As [`Self::map_user`], with `count` pieces that a `struct iovec` each at `address`
    /// describes.
    ///
    /// # Errors
    ///
    /// As [`Self::map_user`].
    pub(crate) fn map_user_iovec(&mut self, address: usize, count: usize) -> Result<UserMapping> {
        // SAFETY: ours, without memory; C checks what the user says.
        self.map(|rq, rw| unsafe {
            bindings::blk_rq_map_user_io(
                rq,
                core::ptr::null_mut(),
                address as *mut c_void,
                count,
                bindings::RNVME_GFP_KERNEL,
                true,
                0,
                false,
                rw,
            )
        })
    }

    /// As [`Self::map_user`], with memory inside of a buffer that was registered with
    /// io_uring, and that `command` names.
    ///
    /// # Errors
    ///
    /// As [`Self::map_user`].
    ///
    /// # Safety
    ///
    /// `command` is live, names such a buffer, was issued with `issue_flags`, and is not
    /// completed before the request has ended.
    pub(crate) unsafe fn map_fixed(
        &mut self,
        command: NonNull<bindings::io_uring_cmd>,
        address: u64,
        len: usize,
        issue_flags: u32,
    ) -> Result<UserMapping> {
        // SAFETY: ours, without memory; the command by this function's requirements, under
        // which io_uring keeps the buffer.
        self.map(|rq, _| unsafe {
            bindings::rnvme_rq_map_fixed(rq, command.as_ptr(), address, len, issue_flags)
        })
    }

    /// Executes the command with `len` bytes at `address`, which lie inside of `buffer`. As
    /// [`Self::execute`].
    ///
    /// # Errors
    ///
    /// Also those of [`Self::map_user`].
    pub(crate) fn execute_fixed(
        mut self,
        buffer: &FixedBuffer<'_>,
        address: u64,
        len: usize,
    ) -> Result<Ended<T>> {
        let (command, issue_flags) = buffer.as_raw();
        // SAFETY: the buffer is lent to this call, in which the request ends.
        let mapping = unsafe { self.map_fixed(command, address, len, issue_flags) }?;
        self.execute_mapped(mapping)
    }

    /// Attaches metadata to the data that `data` stands for: `len` bytes of memory of the
    /// calling process at `address` (`blk_rq_integrity_map_user`), which may be copied if it
    /// is not fit for the device. May sleep. It goes with `data`, and is unmapped with it.
    ///
    /// # Errors
    ///
    /// `EINVAL` if there are no data, if they are another request's, or those of a former use
    /// of this one, if they have metadata already, if the queue has no disk, or if the disk has
    /// none ([`IntegrityProfile`](super::IntegrityProfile)); `EFAULT`, for a thread of the
    /// kernel too, `E2BIG`, `ENOMEM`. The data stay mapped.
    pub(crate) fn map_user_metadata(
        &mut self,
        data: &UserMapping,
        address: usize,
        len: usize,
    ) -> Result {
        let rq = self.rq.as_ptr();
        // SAFETY: ours. Limits do not change while there is a request.
        let (disk, size) = unsafe { ((*(*rq).q).disk, (*(*rq).q).limits.integrity.metadata_size) };
        // SAFETY: ours.
        let bio = unsafe { (*rq).bio };
        if !data.is_of(self.rq, bio) || disk.is_null() || size == 0 {
            return Err(EINVAL);
        }
        if !UserMapping::has_user() {
            return Err(EFAULT);
        }
        // SAFETY: ours, with data, which are of a disk, as C asks for; it checks the user's
        // address and length.
        to_result(unsafe { bindings::rnvme_rq_map_metadata(rq, address, len) })
    }

    fn map(
        &mut self,
        f: impl FnOnce(*mut bindings::request, c_int) -> c_int,
    ) -> Result<UserMapping> {
        let rq = self.rq.as_ptr();
        // SAFETY: ours.
        let (bio, is_write) = unsafe { ((*rq).bio, (*rq).cmd_flags & 1) };
        if !bio.is_null() {
            return Err(EBUSY);
        }
        if !UserMapping::has_user() {
            return Err(EFAULT);
        }
        if let Err(error) = to_result(f(rq, c_int::from(is_write != 0))) {
            // C takes the bios away again, but not what it wrote of them into the request,
            // which may be executed all the same.
            // SAFETY: ours.
            unsafe {
                (*rq).bio = core::ptr::null_mut();
                (*rq).biotail = core::ptr::null_mut();
                (*rq).__data_len = 0;
                (*rq).nr_phys_segments = 0;
                (*rq).phys_gap_bit = 0;
            }
            return Err(error);
        }
        // SAFETY: ours; mapping made its bios, or none for no bytes.
        Ok(unsafe { UserMapping::new(self.rq) })
    }

    /// Executes the command, with data only if some were mapped. Sleeps until the device
    /// has completed it or its time-out has dealt with it (`blk_execute_rq`), which bounds
    /// the wait if [`Operations::timeout`] does not let it run for ever.
    ///
    /// # Errors
    ///
    /// That of the block status with which the request ended.
    pub(crate) fn execute(self) -> Result<Ended<T>> {
        let (ended, result) = self.run();
        result.map(|()| ended)
    }

    /// Like [`Self::execute`], with memory of the kernel.
    ///
    /// # Errors
    ///
    /// Also `EINVAL` if it is larger than the queue allows, `ENOMEM`, and `EBUSY` if the
    /// request has memory already.
    pub(crate) fn execute_kernel(self, buffer: &mut [u8]) -> Result<Ended<T>> {
        // SAFETY: the buffer is ours until the request has ended, which it has when this
        // returns.
        unsafe { self.map_kernel(buffer) }?;
        self.execute()
    }

    /// Like [`Self::execute`], with `len` bytes of memory of the calling process
    /// at `address`.
    ///
    /// # Errors
    ///
    /// Also those of [`Self::map_user`].
    pub(crate) fn execute_user(mut self, address: usize, len: usize) -> Result<Ended<T>> {
        let mapping = self.map_user(address, len)?;
        self.execute_mapped(mapping)
    }

    /// Like [`Self::execute`], with the memory that `mapping` stands for, which is
    /// unmapped.
    ///
    /// # Errors
    ///
    /// Also `EINVAL` for a mapping of another request, and `EFAULT` if a copy cannot be
    /// written back.
    pub(crate) fn execute_mapped(self, mapping: UserMapping) -> Result<Ended<T>> {
        let (ended, result) = self.run();
        mapping.unmap(&ended)?;
        result.map(|()| ended)
    }

    /// # Safety
    ///
    /// `buffer` is valid for reads and writes, and used by nobody else, until the request
    /// has ended or was dropped unused.
    pub(super) unsafe fn map_kernel(&self, buffer: *mut [u8]) -> Result {
        let rq = self.rq.as_ptr();
        let len = u32::try_from(buffer.len())?;
        // SAFETY: ours.
        if !unsafe { (*rq).bio }.is_null() {
            return Err(EBUSY);
        }
        // SAFETY: ours, without memory; the buffer by this function's requirements. C
        // copies it if it is not fit for DMA.
        to_result(unsafe {
            bindings::blk_rq_map_kern(rq, buffer.cast(), len, bindings::RNVME_GFP_KERNEL)
        })
    }

    /// True if it is this request.
    pub(super) fn is(&self, rq: NonNull<bindings::request>) -> bool {
        self.rq == rq
    }

    fn run(self) -> (Ended<T>, Result) {
        let (rq, at_head) = self.into_raw();
        // SAFETY: ours, and not started; the call returns after it has ended.
        let status = unsafe { bindings::blk_execute_rq(rq.as_ptr(), at_head) };
        // SAFETY: it has ended just now, and is ours again.
        (unsafe { Ended::from_raw(rq) }, status_to_result(status))
    }

    /// Gives up ownership without freeing the request; with it, whether it goes to the
    /// head.
    pub(super) fn into_raw(self) -> (NonNull<bindings::request>, bool) {
        let this = ManuallyDrop::new(self);
        (this.rq, this.at_head)
    }
}

impl<T: Operations> Drop for Passthrough<'_, T> {
    fn drop(&mut self) {
        // SAFETY: ours, and not started. The bios of a user's memory are the mapping's.
        unsafe { bindings::blk_mq_free_request(self.rq.as_ptr()) };
    }
}

/// A command that was executed. Dropping it frees the request.
///
/// While it lives the request queue is not destroyed: that waits for it.
///
/// # Invariants
///
/// The request has ended, and was not freed; it is this value's.
pub(crate) struct Ended<T: Operations> {
    rq: NonNull<bindings::request>,
    _type: PhantomData<T>,
}

// SAFETY: a request that has ended may be freed on any CPU and in any context, and its
// data is `Send`.
unsafe impl<T: Operations> Send for Ended<T> {}

// A pointer, wherever it lies.
impl<T: Operations> Unpin for Ended<T> {}

impl<T: Operations> Ended<T> {
    /// # Safety
    ///
    /// `rq` is a request of `T` that has ended and was not freed, and that nobody else
    /// owns from now on.
    pub(super) unsafe fn from_raw(rq: NonNull<bindings::request>) -> Self {
        Self {
            rq,
            _type: PhantomData,
        }
    }

    /// The private data: what came of the command.
    pub(crate) fn data(&self) -> &T::RequestData {
        // SAFETY: ours by the type invariant.
        unsafe { &*pdu::<T>(self.rq.as_ptr()) }
    }

    /// The private data, exclusively.
    pub(crate) fn data_mut(&mut self) -> Pin<&mut T::RequestData> {
        // SAFETY: ours by the type invariant; made in place, and not moved.
        unsafe { Pin::new_unchecked(&mut *pdu::<T>(self.rq.as_ptr())) }
    }

    /// True if it is this request.
    pub(super) fn is(&self, rq: NonNull<bindings::request>) -> bool {
        self.rq == rq
    }
}

impl<T: Operations> Drop for Ended<T> {
    fn drop(&mut self) {
        // SAFETY: ours by the type invariant, and not used after this.
        unsafe { bindings::blk_mq_free_request(self.rq.as_ptr()) };
    }
}
