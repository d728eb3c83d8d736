// SPDX-License-Identifier: GPL-2.0

//! Who calls, and what they may.

use crate::bindings;

/// Tells the architecture that a large result of a system call is no error.
pub(crate) fn successful() {
    // SAFETY: is about the current task; no requirements.
    unsafe { bindings::rnvme_force_successful_syscall() };
}

/// True if the calling process may administer the system (`CAP_SYS_ADMIN`).
pub(crate) fn is_admin() -> bool {
    // CAST: a small constant.
    // SAFETY: asks about the current task; no requirements.
    unsafe { bindings::capable(bindings::CAP_SYS_ADMIN as i32) }
}
