// SPDX-License-Identifier: GPL-2.0

//! Commands whose end somebody is told of, and commands that are waited for with a bound.

use super::{
    status::status_to_result,
    Ended,
    Operations,
    Passthrough, //
};
use crate::bindings;
use core::ptr::NonNull;
use kernel::{
    prelude::*,
    sync::{
        new_spinlock_irq,
        Arc,
        SpinLockIrq, //
    },
    types::{
        ForeignOwnable,
        Opaque, //
    },
};

/// Who is told that a command has ended. A `KBox` or an `Arc` of the driver's, so this
/// allocates nothing, and the request keeps it meanwhile.
pub(crate) trait EndIo<T: Operations>: ForeignOwnable + Send + 'static {
    /// The command has ended (`rq_end_io_fn`), with success or with the error that belongs
    /// to its block status. Any context; must not sleep. The request, and a
    /// [`UserMapping`](super::UserMapping) that goes with it, may be taken elsewhere.
    fn end_io(self, rq: Ended<T>, result: Result);
}

impl<T: Operations> Passthrough<'_, T> {
    /// Executes the command without waiting for it (`blk_execute_rq_nowait`). `who` is told
    /// of the end, maybe before this returns. Process context.
    pub(crate) fn execute_nowait<C: EndIo<T>>(self, who: C) {
        let (rq, at_head) = self.into_raw();
        // SAFETY: ours, and not started; from here on it is blk-mq's, until `end_io`, which
        // gets `who` back.
        unsafe {
            (*rq.as_ptr()).end_io = Some(end_io::<T, C>);
            (*rq.as_ptr()).end_io_data = who.into_foreign();
            bindings::blk_execute_rq_nowait(rq.as_ptr(), at_head);
        }
    }

    /// Executes the command with `buffer`, which may be empty, as its data, and waits
    /// `limit_ms` milliseconds for the end. May sleep.
    ///
    /// After that the request, and the buffer, belong to each other until the device has
    /// completed the command or its time-out has dealt with it; then both are freed.
    ///
    /// # Errors
    ///
    /// `ETIMEDOUT`; else as [`Passthrough::execute_kernel`].
    pub(crate) fn execute_timeout(
        self,
        mut buffer: KVec<u8>,
        limit_ms: u32,
    ) -> Result<(Ended<T>, KVec<u8>)> {
        let waiter = Waiter::<T>::new()?;
        if !buffer.is_empty() {
            // SAFETY: the allocation does not move with `buffer`, which nobody uses and
            // `waiter` keeps until the request has ended.
            unsafe { self.map_kernel(buffer.as_mut_slice()) }?;
        }
        waiter.state.lock().buffer = Some(buffer);
        self.execute_nowait(waiter.clone());
        waiter.wait(limit_ms)
    }
}

/// # Safety
///
/// `rq` is a request of `T` that has ended and was executed with a `C`; it is the
/// function's.
unsafe extern "C" fn end_io<T: Operations, C: EndIo<T>>(
    rq: *mut bindings::request,
    status: bindings::blk_status_t,
    _batch: *const bindings::io_comp_batch,
) -> bindings::rq_end_io_ret {
    // SAFETY: `execute_nowait()` put it there, and this is called once.
    let who = unsafe { C::from_foreign((*rq).end_io_data) };
    // SAFETY: by this function's requirements; never null.
    let rq = unsafe { Ended::from_raw(NonNull::new_unchecked(rq)) };
    who.end_io(rq, status_to_result(status));
    // The request is, or was, `Ended`'s to free.
    bindings::rq_end_io_ret_RQ_END_IO_NONE
}

/// What a waiter and a request share.
struct State<T: Operations> {
    /// What the device reads or writes.
    buffer: Option<KVec<u8>>,
    end: Option<(Ended<T>, Result)>,
    /// Nobody waits any more.
    abandoned: bool,
}

/// Who waits for a request, with a bound.
#[pin_data]
struct Waiter<T: Operations> {
    #[pin]
    done: Opaque<bindings::completion>,
    #[pin]
    state: SpinLockIrq<State<T>>,
}

// SAFETY: a completion may be used from any thread, and the state is behind its lock.
unsafe impl<T: Operations> Send for Waiter<T> {}
// SAFETY: as above.
unsafe impl<T: Operations> Sync for Waiter<T> {}

impl<T: Operations> Waiter<T> {
    fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                // SAFETY: `slot` is valid for writes, and does not move.
                done <- Opaque::ffi_init(|slot| unsafe { bindings::init_completion(slot) }),
                state <- new_spinlock_irq!(State {
                    buffer: None,
                    end: None,
                    abandoned: false,
                }),
            }),
            GFP_KERNEL,
        )
    }

    fn wait(&self, limit_ms: u32) -> Result<(Ended<T>, KVec<u8>)> {
        // SAFETY: initialised in place.
        unsafe {
            let ticks = bindings::__msecs_to_jiffies(limit_ms);
            bindings::wait_for_completion_timeout(self.done.get(), ticks)
        };
        let mut state = self.state.lock();
        let Some((ended, result)) = state.end.take() else {
            state.abandoned = true;
            return Err(ETIMEDOUT);
        };
        let buffer = state.buffer.take().unwrap_or_default();
        drop(state);
        result.map(|()| (ended, buffer))
    }
}

impl<T: Operations> EndIo<T> for Arc<Waiter<T>> {
    fn end_io(self, rq: Ended<T>, result: Result) {
        let mut state = self.state.lock();
        if state.abandoned {
            // The request goes outside of the lock, and the buffer with the last reference.
            drop(state);
            return;
        }
        state.end = Some((rq, result));
        drop(state);
        // SAFETY: initialised in place, and kept by our reference.
        unsafe { bindings::complete(self.done.get()) };
    }
}
