// SPDX-License-Identifier: GPL-2.0

//! Commands that are no block I/O: of the driver itself, or of a user.

use super::{
    request::pdu,
    status::status_to_result,
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

/// A request for a command of the driver's own, and whose it is until it is
/// executed and again after that.
///
/// # Invariants
///
/// `rq` is allocated, not started, and its private data belong to this value.
pub(crate) struct Passthrough<'q, T: Operations> {
    rq: NonNull<bindings::request>,
    _queue: PhantomData<&'q RequestQueue<T>>,
}

impl<'q, T: Operations> Passthrough<'q, T> {
    /// Allocates a request. May sleep until a tag is free.
    ///
    /// `timeout_ms` is the time the device has, in milliseconds; 0 is the default
    /// of the tag set.
    ///
    /// # Errors
    ///
    /// `ENODEV` if the queue is being destroyed.
    pub(crate) fn new(
        queue: &'q RequestQueue<T>,
        direction: DataDirection,
        timeout_ms: u32,
    ) -> Result<Self> {
        let op = match direction {
            DataDirection::In => bindings::req_op_REQ_OP_DRV_IN,
            DataDirection::Out => bindings::req_op_REQ_OP_DRV_OUT,
        };
        // SAFETY: the queue is live.
        let rq = from_err_ptr(unsafe {
            bindings::blk_mq_alloc_request(queue.as_raw(), op | bindings::REQ_FAILFAST_DRIVER, 0)
        })?;
        let rq = NonNull::new(rq).ok_or(ENOMEM)?;
        if timeout_ms != 0 {
            // SAFETY: ours. CAST: a time-out has 32 bits.
            unsafe { (*rq.as_ptr()).timeout = bindings::__msecs_to_jiffies(timeout_ms) as u32 };
        }
        // INVARIANT: allocated just now.
        Ok(Self {
            rq,
            _queue: PhantomData,
        })
    }

    /// The private data: what the driver wants of the device, and after the execution what
    /// came of it.
    pub(crate) fn data_mut(&mut self) -> Pin<&mut T::RequestData> {
        // SAFETY: ours, not started or ended; initialised in place by `init_request`, and
        // not moved.
        unsafe { Pin::new_unchecked(&mut *pdu::<T>(self.rq.as_ptr())) }
    }

    /// Executes the command without data. Sleeps until the device has completed
    /// it or its time-out has dealt with it.
    ///
    /// # Errors
    ///
    /// That of the block status with which the request ended.
    pub(crate) fn execute(self) -> Result<Ended<'q, T>> {
        self.run()
    }

    /// Like [`Self::execute`], with memory of the kernel.
    ///
    /// # Errors
    ///
    /// Also `EINVAL` if it is larger than the queue allows, and `ENOMEM`.
    pub(crate) fn execute_kernel(self, buffer: &mut [u8]) -> Result<Ended<'q, T>> {
        let len = u32::try_from(buffer.len())?;
        // SAFETY: the buffer is ours until the request has ended, which it has when
        // `run` returns; C copies it if it is not fit for DMA.
        to_result(unsafe {
            bindings::blk_rq_map_kern(
                self.rq.as_ptr(),
                buffer.as_mut_ptr().cast(),
                len,
                bindings::RNVME_GFP_KERNEL,
            )
        })?;
        self.run()
    }

    /// Like [`Self::execute`], with `len` bytes of memory of the calling process
    /// at `address`.
    ///
    /// # Errors
    ///
    /// Also `EFAULT`, `EINVAL` if it is larger than the queue allows, and `ENOMEM`.
    pub(crate) fn execute_user(self, address: usize, len: usize) -> Result<Ended<'q, T>> {
        let rq = self.rq.as_ptr();
        // SAFETY: ours, and nobody writes its flags.
        let op = unsafe { (*rq).cmd_flags } & bindings::REQ_OP_MASK;
        // SAFETY: ours; C checks the user's address and length.
        to_result(unsafe {
            bindings::blk_rq_map_user_io(
                rq,
                ptr::null_mut(),
                address as *mut c_void,
                len,
                bindings::RNVME_GFP_KERNEL,
                false,
                0,
                false,
                c_int::from(op == bindings::req_op_REQ_OP_DRV_OUT),
            )
        })?;
        // SAFETY: mapped just now.
        let bio = unsafe { (*rq).bio };
        let result = self.run();
        // SAFETY: the bio that mapping made, of a request that has ended; it is
        // unmapped by the process that mapped it, once.
        let unmapped = to_result(unsafe { bindings::blk_rq_unmap_user(bio) });
        unmapped.and(result)
    }

    fn run(self) -> Result<Ended<'q, T>> {
        // SAFETY: ours, and not started; the call returns after it has ended.
        let status = unsafe { bindings::blk_execute_rq(self.rq.as_ptr(), false) };
        status_to_result(status)?;
        // INVARIANT: it has ended just now.
        Ok(Ended(self))
    }
}

/// A command that was executed.
///
/// # Invariants
///
/// The request has ended, and was not freed.
pub(crate) struct Ended<'q, T: Operations>(Passthrough<'q, T>);

impl<T: Operations> Ended<'_, T> {
    /// The private data: what came of the command.
    pub(crate) fn data(&self) -> &T::RequestData {
        // SAFETY: ours, and ended.
        unsafe { &*pdu::<T>(self.0.rq.as_ptr()) }
    }
}

impl<T: Operations> Drop for Passthrough<'_, T> {
    fn drop(&mut self) {
        // SAFETY: ours: not started, or ended.
        unsafe { bindings::blk_mq_free_request(self.rq.as_ptr()) };
    }
}
