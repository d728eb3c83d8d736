// SPDX-License-Identifier: GPL-2.0

//! Who calls, and what they may.

use crate::bindings;

/// Tells the architecture that a large result of a system call is no error.
pub(crate) fn successful() {
    // SAFETY: is about the current task; no requirements.
    unsafe { bindings::rnvme_force_successful_syscall() };
}

/// A user's pointer from a field of 64 bits, of which a 32-bit program fills in half,
/// and the compiler of that program the other half with its sign.
pub(crate) fn address(bits: u64) -> usize {
    // SAFETY: asks about the current task; no requirements. CAST: 64-bit kernels only
    // have more than 32 bits here.
    unsafe { bindings::rnvme_user_address(bits) as usize }
}

/// True if the calling process may administer the system (`CAP_SYS_ADMIN`).
pub(crate) fn is_admin() -> bool {
    // CAST: a small constant.
    // SAFETY: asks about the current task; no requirements.
    unsafe { bindings::capable(bindings::CAP_SYS_ADMIN as i32) }
}
