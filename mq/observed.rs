// SPDX-License-Identifier: GPL-2.0

//! Requests as those see them who do not own them.

use super::{
    status::RequestState,
    Op,
    Operations,
    Queue,
    RequestQueue,
    TagSet, //
};
use crate::bindings;
use core::{
    marker::PhantomData,
    ops::Deref, //
};

/// A request that somebody else owns: shown, and not touched.
///
/// Its owner may change or end it on another CPU at this very moment, so each answer is
/// a look at one field, and two answers need not belong to the same use of the tag. The
/// private data is not shown, since its owner may write it.
///
/// # Invariants
///
/// For `'a` the request is not freed, belongs to a hardware context of `T`, and its
/// request queue lives.
pub(crate) struct Observed<'a, T: Operations> {
    rq: *mut bindings::request,
    _type: PhantomData<&'a T>,
}

/// Reads a field that its owner may write meanwhile.
macro_rules! look {
    ($self:ident.$($field:ident).+) => {{
        // SAFETY: by the type invariant the request is live. Volatile, and of at most a
        // machine word: the value is an old or a new one.
        unsafe { (&raw const (*$self.rq).$($field).+).read_volatile() }
    }};
}

impl<'a, T: Operations> Observed<'a, T> {
    /// # Safety
    ///
    /// `rq` is as the type invariant says for `'a`.
    pub(super) unsafe fn from_raw(rq: *mut bindings::request) -> Self {
        Self {
            rq,
            _type: PhantomData,
        }
    }

    /// The tag, below the depth of the queue; `None` while it has only a scheduler's.
    pub(crate) fn tag(&self) -> Option<usize> {
        usize::try_from(look!(self.tag)).ok()
    }

    /// The operation.
    pub(crate) fn op(&self) -> Op {
        Op::from_flags(look!(self.cmd_flags))
    }

    /// First byte of the disk that the request is about.
    pub(crate) fn offset(&self) -> u64 {
        look!(self.__sector).wrapping_shl(bindings::SECTOR_SHIFT)
    }

    /// Length in bytes.
    pub(crate) fn len(&self) -> u32 {
        look!(self.__data_len)
    }

    /// How far blk-mq has got with it.
    pub(crate) fn state(&self) -> RequestState {
        RequestState::from_raw(look!(self.state))
    }

    /// For how many milliseconds it has been with the driver, since it was started or
    /// [`ResetTimer`](super::TimeoutAction::ResetTimer) was said. Exact to a few ticks.
    pub(crate) fn age_ms(&self) -> u64 {
        // SAFETY: a word that only C writes; a look at it.
        let now = unsafe { (&raw const bindings::jiffies).read_volatile() };
        let started = look!(self.deadline).wrapping_sub(u64::from(look!(self.timeout)) as usize);
        let ticks = now.wrapping_sub(started);
        // One that is not started has no deadline, or the one of its last life.
        if ticks > usize::MAX >> 1 {
            return 0;
        }
        // CAST: widening.
        (ticks as u64).saturating_mul(1000) / const { bindings::RNVME_HZ }
    }

    /// The hardware queue.
    pub(crate) fn queue(&self) -> &'a Queue<T> {
        let (q, hctx) = (look!(self.q), look!(self.mq_hctx));
        // SAFETY: by the type invariant the request belongs to a hardware context, whose
        // memory and number stay as long as the request queue. The tag set, which outlives
        // both, has a queue of that number (`TagSet`'s invariant). It is not reached
        // through the context's data, which a flush request that just ended may outlive.
        unsafe {
            let set = (*(*q).tag_set).driver_data.cast::<TagSet<T>>();
            // CAST: widening.
            (*set).queue_unchecked((*hctx).queue_num as usize)
        }
    }

    /// The data of the request queue, that is, of the disk.
    pub(crate) fn queue_data(&self) -> &'a T::QueueData {
        let q = look!(self.q);
        // SAFETY: by the type invariant the request queue lives, and is of `T`.
        unsafe { RequestQueue::<T>::from_raw(q) }.data()
    }
}

/// A request whose time is over, lent to [`Operations::timeout`].
///
/// It cannot end anything: its owner may be about to, on another CPU. Whether the device
/// still has it, its slot says: `queue.slots().is_full(tag)`.
pub(crate) struct Expired<'a, T: Operations>(Observed<'a, T>);

impl<'a, T: Operations> Expired<'a, T> {
    /// # Safety
    ///
    /// That of [`Observed::from_raw`].
    pub(super) unsafe fn from_raw(rq: *mut bindings::request) -> Self {
        // SAFETY: by this function's requirements.
        Self(unsafe { Observed::from_raw(rq) })
    }
}

impl<'a, T: Operations> Deref for Expired<'a, T> {
    type Target = Observed<'a, T>;

    fn deref(&self) -> &Observed<'a, T> {
        &self.0
    }
}
