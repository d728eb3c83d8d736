// SPDX-License-Identifier: GPL-2.0

//! Instance numbers: the smallest that is free.

use crate::bindings;
use kernel::{
    error::to_result,
    prelude::*, //
};

/// A number that nobody else has while this value lives.
///
/// # Invariants
///
/// It was allocated from `rnvme_instances`.
pub(crate) struct Instance(u32);

impl Instance {
    /// The smallest free number. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOSPC`, `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: the allocator is static, initialised, and has its own lock.
        let number = unsafe {
            bindings::ida_alloc_range(
                &raw mut bindings::rnvme_instances,
                0,
                // CAST: not negative.
                c_int::MAX as u32,
                bindings::RNVME_GFP_KERNEL,
            )
        };
        to_result(number)?;
        // INVARIANT: allocated just now. CAST: not negative.
        Ok(Self(number as u32))
    }

    /// The number.
    pub(crate) fn number(&self) -> u32 {
        self.0
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // SAFETY: allocated by the type invariant, freed once.
        unsafe { bindings::ida_free(&raw mut bindings::rnvme_instances, self.0) };
    }
}
