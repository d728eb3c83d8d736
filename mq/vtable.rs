// SPDX-License-Identifier: GPL-2.0

//! The functions that C calls (`struct blk_mq_ops`).
//!
//! Common requirements of all of them: C passes pointers that are valid for the
//! duration of the call; requests, hardware contexts and tag sets belong to a
//! [`TagSet`] of `T`; a request that is passed to `queue_rq` or `complete` is the
//! driver's from then on, live until it is ended.

use super::{
    callback::only_if,
    operations::TimeoutAction,
    request_info::pdu,
    BudgetToken,
    Completed,
    CompletionBatch,
    Expired,
    HwCtx,
    IdleRequest,
    Observed,
    Operations,
    QueueMaps,
    RequestList,
    TagSet, //
};
use crate::bindings;
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    prelude::*,
    seq_file::SeqFile, //
};

/// The table of callbacks for `T`.
pub(super) struct OperationsVTable<T: Operations>(PhantomData<T>);

impl<T: Operations> OperationsVTable<T> {
    #[expect(
        clippy::needless_update,
        reason = "another kernel may have more callbacks"
    )]
    const OPS: bindings::blk_mq_ops = {
        assert!(
            T::HAS_GET_BUDGET == T::HAS_PUT_BUDGET
                && T::HAS_SET_RQ_BUDGET_TOKEN == T::HAS_GET_RQ_BUDGET_TOKEN
                && (T::HAS_GET_BUDGET || !T::HAS_SET_RQ_BUDGET_TOKEN),
            "budgets are taken and put, tokens kept and given back"
        );
        bindings::blk_mq_ops {
            queue_rq: Some(Self::queue_rq),
            queue_rqs: only_if!(T::HAS_QUEUE_RQS, Self::queue_rqs),
            commit_rqs: only_if!(T::HAS_COMMIT_RQS, Self::commit_rqs),
            complete: Some(Self::complete),
            poll: only_if!(T::HAS_POLL, Self::poll),
            timeout: Some(Self::timeout),
            init_hctx: Some(Self::init_hctx),
            exit_hctx: only_if!(HwCtx::<T>::HAS_DATA, Self::exit_hctx),
            init_request: Some(Self::init_request),
            exit_request: Some(Self::exit_request),
            cleanup_rq: only_if!(T::HAS_CLEANUP_RQ, Self::cleanup_rq),
            busy: only_if!(T::HAS_BUSY, Self::busy),
            map_queues: only_if!(T::HAS_MAP_QUEUES, Self::map_queues),
            get_budget: only_if!(T::HAS_GET_BUDGET, Self::get_budget),
            put_budget: only_if!(T::HAS_PUT_BUDGET, Self::put_budget),
            set_rq_budget_token: only_if!(T::HAS_SET_RQ_BUDGET_TOKEN, Self::set_rq_budget_token),
            get_rq_budget_token: only_if!(T::HAS_GET_RQ_BUDGET_TOKEN, Self::get_rq_budget_token),
            #[cfg(CONFIG_BLK_DEBUG_FS)]
            show_rq: only_if!(T::HAS_SHOW_RQ, Self::show_rq),
            ..pin_init::zeroed()
        }
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
        // SAFETY: blk-mq holds the read section that `HwCtx::detach()` waits for.
        let hctx = unsafe { HwCtx::from_raw(hctx) };
        // SAFETY: blk-mq hands over a live, idle request, and never a null pointer.
        let (rq, last) = unsafe {
            (
                IdleRequest::from_raw(NonNull::new_unchecked((*bd).rq)),
                (*bd).last,
            )
        };
        match T::queue_rq(hctx, hctx.request_queue().data(), rq, last) {
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
        // SAFETY: blk-mq lends a list of idle requests of one request queue, which is not
        // empty, and takes back what is left in it. It holds the read section that
        // `HwCtx::detach()` waits for.
        T::queue_rqs(&mut unsafe { RequestList::new(&mut *list) });
    }

    /// # Safety
    ///
    /// See the module's documentation.
    unsafe extern "C" fn commit_rqs(hctx: *mut bindings::blk_mq_hw_ctx) {
        // SAFETY: as in `queue_rq()`.
        T::commit_rqs(unsafe { HwCtx::from_raw(hctx) });
    }

    /// # Safety
    ///
    /// See the module's documentation.
    unsafe extern "C" fn complete(rq: *mut bindings::request) {
        // SAFETY: blk-mq gives back a request that `Completed::complete` gave it,
        // and never a null pointer.
        T::complete(unsafe { Completed::from_raw(NonNull::new_unchecked(rq)) });
    }

    /// # Safety
    ///
    /// See the module's documentation.
    unsafe extern "C" fn poll(
        hctx: *mut bindings::blk_mq_hw_ctx,
        iob: *mut bindings::io_comp_batch,
    ) -> c_int {
        // SAFETY: whoever polls keeps the request queue from being frozen, so the context
        // stays.
        let hctx = unsafe { HwCtx::from_raw(hctx) };
        // SAFETY: C's batch, or none, for the duration of the call; C ends what is in it.
        let mut batch = unsafe { CompletionBatch::lent(iob) };
        c_int::try_from(T::poll(hctx, &mut batch)).unwrap_or(c_int::MAX)
    }

    /// # Safety
    ///
    /// See the module's documentation.
    unsafe extern "C" fn timeout(rq: *mut bindings::request) -> bindings::blk_eh_timer_return {
        // SAFETY: blk-mq holds a reference to the request for the duration of the call, so
        // it is not freed.
        let rq = unsafe { Expired::<T>::from_raw(rq) };
        match T::timeout(rq.queue(), rq.queue_data(), rq) {
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
        // SAFETY: `hctx` is being set up. The tag set outlives its hardware contexts.
        to_errno(unsafe { HwCtx::<T>::attach(hctx, set.data(), queue) })
    }

    /// # Safety
    ///
    /// See the module's documentation.
    unsafe extern "C" fn exit_hctx(hctx: *mut bindings::blk_mq_hw_ctx, _index: c_uint) {
        // SAFETY: `init_hctx` attached it, and it has no request any more.
        unsafe { HwCtx::<T>::detach(hctx) };
    }

    /// # Safety
    ///
    /// See the module's documentation.
    unsafe extern "C" fn init_request(
        set: *mut bindings::blk_mq_tag_set,
        rq: *mut bindings::request,
        index: c_uint,
        numa_node: c_int,
    ) -> c_int {
        // SAFETY: `driver_data` points to the tag set by its invariant.
        let set = unsafe { &*(*set).driver_data.cast::<TagSet<T>>() };
        // `BLK_MQ_NO_HCTX_IDX` is beyond all queues. CAST: widening.
        let queue = set.queue(index as usize);
        let init = T::init_request(set.data(), queue, numa_node);
        // SAFETY: `rq` is being set up, with room for the private data behind it
        // (`TagSet`'s invariant), which does not move until `exit_request`; nobody looks at
        // it if this fails.
        to_errno(unsafe { pin_init::raw_try_init(pdu::<T>(rq), init) })
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
    unsafe extern "C" fn cleanup_rq(rq: *mut bindings::request) {
        // SAFETY: the caller owns the request, which was not handed over or was given back.
        T::cleanup_rq(unsafe { exclusive::<T>(rq) });
    }

    /// # Safety
    ///
    /// See the module's documentation.
    unsafe extern "C" fn busy(q: *mut bindings::request_queue) -> bool {
        // SAFETY: the request queue is of `T`.
        T::busy(unsafe { disk::<T>(q) })
    }

    /// # Safety
    ///
    /// See the module's documentation.
    unsafe extern "C" fn map_queues(set: *mut bindings::blk_mq_tag_set) {
        // SAFETY: `driver_data` points to the tag set by its invariant.
        let data = unsafe { (*(*set).driver_data.cast::<TagSet<T>>()).data() };
        // SAFETY: blk-mq lets the driver fill the maps in for the duration of the
        // call.
        let mut maps = unsafe { QueueMaps::new(set) };
        maps.reset();
        T::map_queues(data, &mut maps);
        maps.check();
    }

    /// # Safety
    ///
    /// See the module's documentation.
    unsafe extern "C" fn get_budget(q: *mut bindings::request_queue) -> c_int {
        // SAFETY: the request queue is of `T`.
        T::get_budget(unsafe { disk::<T>(q) }).map_or(-1, BudgetToken::into_raw)
    }

    /// # Safety
    ///
    /// See the module's documentation.
    unsafe extern "C" fn put_budget(q: *mut bindings::request_queue, token: c_int) {
        if let Some(token) = BudgetToken::from_raw(token) {
            // SAFETY: the request queue is of `T`.
            T::put_budget(unsafe { disk::<T>(q) }, token);
        }
    }

    /// # Safety
    ///
    /// See the module's documentation.
    unsafe extern "C" fn set_rq_budget_token(rq: *mut bindings::request, token: c_int) {
        if let Some(token) = BudgetToken::from_raw(token) {
            // SAFETY: blk-mq owns the request until it hands it over.
            T::set_rq_budget_token(unsafe { exclusive::<T>(rq) }, token);
        }
    }

    /// # Safety
    ///
    /// See the module's documentation.
    unsafe extern "C" fn get_rq_budget_token(rq: *mut bindings::request) -> c_int {
        // SAFETY: blk-mq owns the request until it hands it over.
        T::get_rq_budget_token(unsafe { exclusive::<T>(rq) }).map_or(-1, BudgetToken::into_raw)
    }

    /// # Safety
    ///
    /// See the module's documentation.
    #[cfg(CONFIG_BLK_DEBUG_FS)]
    unsafe extern "C" fn show_rq(file: *mut bindings::seq_file, rq: *mut bindings::request) {
        // SAFETY: C lends both for the duration of the call, the file to this thread alone;
        // it holds a reference to the request, or the lock of the list that it lies in.
        let (file, rq) = unsafe { (SeqFile::from_raw(file), Observed::<T>::from_raw(rq)) };
        T::show_rq(file, rq);
    }
}

/// The private data of a request that its owner lends.
///
/// # Safety
///
/// The request is of `T` and live, and its owner lends it exclusively, for `'a`.
unsafe fn exclusive<'a, T: Operations>(rq: *mut bindings::request) -> Pin<&'a mut T::RequestData> {
    // SAFETY: by this function's requirements; initialised in place by `init_request`, and
    // not moved.
    unsafe { Pin::new_unchecked(&mut *pdu::<T>(rq)) }
}

/// The data of a request queue.
///
/// # Safety
///
/// `q` is a request queue of `T`, live for `'a`.
unsafe fn disk<'a, T: Operations>(q: *mut bindings::request_queue) -> &'a T::QueueData {
    // SAFETY: by this function's requirements.
    unsafe { super::RequestQueue::<T>::from_raw(q) }.data()
}

fn to_errno(result: Result) -> c_int {
    match result {
        Ok(()) => 0,
        Err(error) => error.to_errno(),
    }
}
