// SPDX-License-Identifier: GPL-2.0

//! The memory of a request as a stream of bytes, for drivers that copy: how it is cut into pieces is
//! nothing to them. [`super::segment`] has the pieces.

use super::{
    Operations,
    RequestInfo, //
};
use crate::bindings;
use core::{
    marker::PhantomData,
    ptr, //
};

/// A place in the memory of a request, from which bytes are copied, or to which.
///
/// The memory may be a user's, who writes it at the same time; so there is no slice of
/// it, only copies.
///
/// # Invariants
///
/// `bio` is null, or a bio of a request that is live for `'a`, and `iter` a place in it.
pub(crate) struct DataCursor<'a> {
    bio: *mut bindings::bio,
    iter: bindings::bvec_iter,
    is_write: bool,
    _rq: PhantomData<&'a ()>,
}

impl<T: Operations> RequestInfo<T> {
    /// The start of the memory that takes part. Without any, as of a discard, nothing is
    /// copied.
    pub(crate) fn data_cursor(&self) -> DataCursor<'_> {
        // SAFETY: the request is live by the type invariant, and so are its bios.
        let (bio, iter) = unsafe {
            let bio = (*self.as_raw()).bio;
            (
                bio,
                bio.as_ref()
                    .map_or_else(pin_init::zeroed, |bio| bio.bi_iter),
            )
        };
        // INVARIANT: the first bio, and its own start; the borrow keeps the request.
        DataCursor {
            bio,
            iter,
            is_write: self.is_write(),
            _rq: PhantomData,
        }
    }
}

impl DataCursor<'_> {
    /// Copies the next bytes of a request that carries data to the disk, and returns how
    /// many there were: fewer than asked for only at the end, 0 for a request in the other
    /// direction. Any context.
    pub(crate) fn read(&mut self, to: &mut [u8]) -> usize {
        if !self.is_write {
            return 0;
        }
        // SAFETY: by the type invariant; `to` has room for as many bytes as we say.
        unsafe {
            bindings::rnvme_copy_bios(
                &mut self.bio,
                &mut self.iter,
                to.as_mut_ptr().cast(),
                to.len(),
                false,
            )
        }
    }

    /// Copies `from` to the next bytes of a request that takes data from the disk, and
    /// returns how many found room there; as [`Self::read`]. Any context.
    pub(crate) fn write(&mut self, from: &[u8]) -> usize {
        if self.is_write {
            return 0;
        }
        // SAFETY: by the type invariant; `from` has as many bytes as we say, and the
        // function only reads them in this direction.
        unsafe {
            bindings::rnvme_copy_bios(
                &mut self.bio,
                &mut self.iter,
                ptr::from_ref(from).cast_mut().cast(),
                from.len(),
                true,
            )
        }
    }
}
