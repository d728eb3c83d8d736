// SPDX-License-Identifier: GPL-2.0

//! Zeroed values on the heap that never were on the stack.

use kernel::prelude::*;
use zerocopy::FromZeros;

/// A value of zero bytes. May sleep.
pub(crate) fn boxed<T: FromZeros>() -> Result<KBox<T>> {
    let memory = KBox::<T>::new_uninit(GFP_KERNEL | __GFP_ZERO)?;
    // SAFETY: the allocation was zeroed, and zero bytes are a `T`.
    Ok(unsafe { memory.assume_init() })
}
