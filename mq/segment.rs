// SPDX-License-Identifier: GPL-2.0

//! The memory of a request piece by piece, for drivers to whom it matters where each lies: data, and
//! metadata. [`super::data`] has the data as a stream.

use super::{
    Operations,
    RequestInfo, //
};
use crate::bindings;
use core::{
    iter,
    marker::PhantomData,
    ptr, //
};
use kernel::prelude::*;

/// A piece of a request's memory, which lies in one page (`struct bio_vec`).
///
/// A user may write it at the same time, so there is no slice of it, only copies.
///
/// # Invariants
///
/// For `'a` the page is kept by the request.
pub(crate) struct Segment<'a> {
    vec: bindings::bio_vec,
    is_write: bool,
    _rq: PhantomData<&'a ()>,
}

impl<'a> Segment<'a> {
    /// Length in bytes, at most a page.
    pub(crate) fn len(&self) -> usize {
        // CAST: widening.
        self.vec.bv_len as usize
    }

    /// Where in its page it starts, in bytes.
    pub(crate) fn offset_in_page(&self) -> usize {
        // CAST: widening.
        self.vec.bv_offset as usize
    }

    /// The segment in pieces of `len` bytes, the last of which may be shorter; none if `len`
    /// is 0.
    pub(crate) fn pieces(self, len: u32) -> impl Iterator<Item = Segment<'a>> {
        let mut rest = self.vec;
        iter::from_fn(move || {
            let here = rest.bv_len.min(len);
            if here == 0 {
                return None;
            }
            let vec = bindings::bio_vec {
                bv_len: here,
                ..rest
            };
            // No overflow: both stay inside of the page.
            rest.bv_offset = rest.bv_offset.wrapping_add(here);
            rest.bv_len = rest.bv_len.wrapping_sub(here);
            // INVARIANT: a part of a segment lies in the same page.
            Some(Segment { vec, ..self })
        })
    }

    /// Copies the segment of a request that carries data to the disk into `to`. Any
    /// context.
    ///
    /// # Errors
    ///
    /// `EINVAL` if `to` is not as long as the segment, `EPERM` for a request in the other
    /// direction.
    pub(crate) fn read(&self, to: &mut [u8]) -> Result {
        if to.len() != self.len() {
            return Err(EINVAL);
        }
        if !self.is_write {
            return Err(EPERM);
        }
        // SAFETY: the page is kept by the type invariant; `to` has room for the segment.
        unsafe { bindings::rnvme_copy_bvec(&self.vec, to.as_mut_ptr().cast(), false) };
        Ok(())
    }

    /// Copies `from` into the segment of a request that takes data from the disk. Any
    /// context.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub(crate) fn write(&self, from: &[u8]) -> Result {
        if from.len() != self.len() {
            return Err(EINVAL);
        }
        if self.is_write {
            return Err(EPERM);
        }
        let from = ptr::from_ref(from).cast_mut().cast();
        // SAFETY: the page is kept by the type invariant; `from` is as long as the segment,
        // and is only read in this direction.
        unsafe { bindings::rnvme_copy_bvec(&self.vec, from, true) };
        Ok(())
    }
}

/// The segments of a request, in order.
///
/// # Invariants
///
/// The bios that `cursor` walks are those of a request that is live for `'a`.
pub(crate) struct Segments<'a> {
    cursor: bindings::rnvme_bvec_cursor,
    is_write: bool,
    _rq: PhantomData<&'a ()>,
}

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        let mut vec: bindings::bio_vec = pin_init::zeroed();
        // SAFETY: by the type invariant; `vec` is valid for writes.
        if !unsafe { bindings::rnvme_next_bvec(&mut self.cursor, &mut vec) } {
            return None;
        }
        // INVARIANT: a live request keeps its pages.
        Some(Segment {
            vec,
            is_write: self.is_write,
            _rq: PhantomData,
        })
    }
}

impl<T: Operations> RequestInfo<T> {
    /// The data of the request, in pieces of at most a page (`rq_for_each_segment`).
    /// Without data, as of a discard, there is none.
    pub(crate) fn data_segments(&self) -> Segments<'_> {
        self.walk(false)
    }

    /// The metadata of the request, in pieces of at most a page: protection information
    /// and what else a disk keeps per block (`bip_for_each_vec`). Without metadata there
    /// is none.
    pub(crate) fn integrity_segments(&self) -> Segments<'_> {
        self.walk(true)
    }

    /// True if metadata goes with the data (`blk_integrity_rq`).
    #[inline]
    pub(crate) fn has_integrity(&self) -> bool {
        // SAFETY: live by the type invariant.
        unsafe { (*self.as_raw()).cmd_flags & bindings::REQ_INTEGRITY != 0 }
    }

    fn walk(&self, integrity: bool) -> Segments<'_> {
        Segments {
            cursor: bindings::rnvme_bvec_cursor {
                // SAFETY: live by the type invariant.
                bio: unsafe { (*self.as_raw()).bio },
                integrity,
                ..pin_init::zeroed()
            },
            is_write: self.is_write(),
            _rq: PhantomData,
        }
    }
}
