// SPDX-License-Identifier: GPL-2.0

//! Where memory is short because the device does not serve.

use crate::bindings;

/// Runs `f`, in which no allocation waits for I/O, whatever flags it names: for what has to
/// happen before I/O goes on. May be nested.
pub(crate) fn without_io<R>(f: impl FnOnce() -> R) -> R {
    // SAFETY: sets a flag of the current task.
    let before = unsafe { bindings::rnvme_noio_save() };
    let result = f();
    // SAFETY: sets the flag to what it was; calls nest as they pair here.
    unsafe { bindings::rnvme_noio_restore(before) };
    result
}
