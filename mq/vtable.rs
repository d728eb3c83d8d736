// SPDX-License-Identifier: GPL-2.0

//! The functions that C calls (`struct blk_mq_ops`).
//!
//! Common requirements of all of them: C passes pointers that are valid for the
//! duration of the call; requests, hardware contexts and tag sets belong to a
//! [`TagSet`] of `T`; a request that is passed to `queue_rq` or `complete` is the
//! driver's from then on, live until it is ended.

use super::{
    operations::TimeoutAction,
    request::pdu,
    Completed,
    Expired,
    IdleRequest,
    Operations,
    Queue,
    QueueMap,
    RequestInfo,
    RequestList,
    TagSet, //
};
use crate::bindings;
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::prelude::*;

/// The table of callbacks for `T`.
pub(super) struct OperationsVTable<T: Operations>(PhantomData<T>);

impl<T: Operations> OperationsVTable<T> {
    const OPS: bindings::blk_mq_ops = bindings::blk_mq_ops {
        queue_rq: Some(Self::queue_rq),
        queue_rqs: if T::HAS_QUEUE_RQS {
            Some(Self::queue_rqs)
        } else {
            None
        },
        commit_rqs: if T::HAS_COMMIT_RQS {
            Some(Self::commit_rqs)
        } else {
            None
        },
        complete: Some(Self::complete),
        init_hctx: Some(Self::init_hctx),
        init_request: Some(Self::init_request),
        exit_request: Some(Self::exit_request),
        timeout: Some(Self::timeout),
        map_queues: if T::HAS_MAP_QUEUES {
            Some(Self::map_queues)
        } else {
            None
        },
        ..pin_init::zeroed()
    };

    pub(super) fn ops() -> &'static bindings::blk_mq_ops {
        const { &Self::OPS }
    }

    /// # Safety
    ///
    /// See the module's documentation.
    unsafe extern "C" fn queue_rq(
        hctx: *mut bindings::blk_mq_hw_ctx,
        bd: *const bindings::blk_mq_queue_data,
    ) -> bindings::blk_status_t {
        // SAFETY: `driver_data` is the queue that `init_hctx` lent.
        let queue = unsafe { &*(*hctx).driver_data.cast::<Queue<T>>() };
        // SAFETY: the request queue's data outlives its requests.
        let data = unsafe { &*(*(*hctx).queue).queuedata.cast::<T::QueueData>() };
        // SAFETY: blk-mq hands over a live, idle request, and never a null pointer.
        let (rq, last) = unsafe {
            (
                IdleRequest::from_raw(NonNull::new_unchecked((*bd).rq)),
                (*bd).last,
            )
        };
        match T::queue_rq(queue, data, rq, last) {
            Ok(()) => bindings::BLK_STS_OK,
            // SAFETY: `bd` is valid for the duration of the call.
            Err(refused) if refused.is(unsafe { (*bd).rq }) => refused.into_status(),
            // Another's: that one ends, and this one was dealt with.
            Err(_) => bindings::BLK_STS_OK,
        }
    }

    /// # Safety
    ///
    /// See the module's documentation.
    unsafe extern "C" fn queue_rqs(list: *mut bindings::rq_list) {
        // SAFETY: blk-mq lends a list of idle requests of one request queue, and
        // takes back what is left in it.
        T::queue_rqs(&mut unsafe { RequestList::new(&mut *list) });
    }

    /// # Safety
    ///
    /// See the module's documentation.
    unsafe extern "C" fn commit_rqs(hctx: *mut bindings::blk_mq_hw_ctx) {
        // SAFETY: `driver_data` is the queue that `init_hctx` lent.
        T::commit_rqs(unsafe { &*(*hctx).driver_data.cast::<Queue<T>>() });
    }

    /// # Safety
    ///
    /// See the module's documentation.
    unsafe extern "C" fn complete(rq: *mut bindings::request) {
        // SAFETY: blk-mq gives back a request that `Completed::complete` gave it,
        // and never a null pointer.
        let rq = unsafe { Completed::<T>::from_raw(NonNull::new_unchecked(rq)) };
        let queue = NonNull::from(rq.queue());
        // SAFETY: the queue lives as long as the tag set, which outlives this call.
        T::complete(unsafe { queue.as_ref() }, rq);
    }

    /// # Safety
    ///
    /// See the module's documentation.
    unsafe extern "C" fn timeout(rq: *mut bindings::request) -> bindings::blk_eh_timer_return {
        // SAFETY: blk-mq holds a reference to the request for the duration of the
        // call, so its tag, queue and private data stay.
        let info = unsafe { &*rq.cast::<RequestInfo<T>>() };
        match T::timeout(info.queue(), info.queue_data(), Expired::new(info)) {
            TimeoutAction::Done => bindings::blk_eh_timer_return_BLK_EH_DONE,
            TimeoutAction::ResetTimer => bindings::blk_eh_timer_return_BLK_EH_RESET_TIMER,
        }
    }

    /// # Safety
    ///
    /// See the module's documentation.
    unsafe extern "C" fn init_hctx(
        hctx: *mut bindings::blk_mq_hw_ctx,
        driver_data: *mut c_void,
        index: c_uint,
    ) -> c_int {
        // SAFETY: `driver_data` points to the tag set by its invariant.
        let set = unsafe { &*driver_data.cast::<TagSet<T>>() };
        // CAST: widening.
        let Some(queue) = set.queue(index as usize) else {
            return EINVAL.to_errno();
        };
        // SAFETY: `hctx` is being set up and nobody else uses it. The queue lives
        // as long as the tag set, which outlives its hardware contexts.
        unsafe { (*hctx).driver_data = ptr_of(queue) };
        0
    }

    /// # Safety
    ///
    /// See the module's documentation.
    unsafe extern "C" fn init_request(
        _set: *mut bindings::blk_mq_tag_set,
        rq: *mut bindings::request,
        _index: c_uint,
        _node: c_int,
    ) -> c_int {
        // SAFETY: `rq` is being set up, with room for the private data behind it
        // (`TagSet`'s invariant).
        unsafe { pdu::<T>(rq).write(T::RequestData::default()) };
        0
    }

    /// # Safety
    ///
    /// See the module's documentation.
    unsafe extern "C" fn exit_request(
        _set: *mut bindings::blk_mq_tag_set,
        rq: *mut bindings::request,
        _index: c_uint,
    ) {
        // SAFETY: `init_request` initialised it, and nobody uses it any more.
        unsafe { core::ptr::drop_in_place(pdu::<T>(rq)) };
    }

    /// # Safety
    ///
    /// See the module's documentation.
    unsafe extern "C" fn map_queues(set: *mut bindings::blk_mq_tag_set) {
        // SAFETY: `driver_data` points to the tag set by its invariant.
        let data = unsafe { (*(*set).driver_data.cast::<TagSet<T>>()).data() };
        // SAFETY: blk-mq lets the driver fill the map in for the duration of the
        // call.
        let mut map = unsafe { QueueMap::new(&raw mut (*set).map[0]) };
        T::map_queues(data, &mut map);
    }
}

fn ptr_of<T: Operations>(queue: &Queue<T>) -> *mut c_void {
    core::ptr::from_ref(queue).cast_mut().cast()
}
