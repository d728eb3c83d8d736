// SPDX-License-Identifier: GPL-2.0

//! Commands that a program sends to a node by io_uring (`IORING_OP_URING_CMD`): the buffers that
//! they name. [`super::chrdev`] has the rest.
//!
//! C header: [`include/linux/io_uring/cmd.h`](srctree/include/linux/io_uring/cmd.h).

use crate::bindings;
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::types::NotThreadSafe;

/// A buffer that was registered with a ring, and that a command names
/// (`IORING_URING_CMD_FIXED`), lent for the duration of a call that may sleep.
///
/// # Invariants
///
/// For `'a` the command is live and not completed; it was issued with `issue_flags`, and names a
/// buffer.
pub(crate) struct FixedBuffer<'a> {
    command: NonNull<bindings::io_uring_cmd>,
    issue_flags: u32,
    _call: PhantomData<&'a ()>,
    _thread: NotThreadSafe,
}

impl FixedBuffer<'_> {
    /// # Safety
    ///
    /// `command` is as the type invariant says for `'a`.
    pub(super) unsafe fn new(command: NonNull<bindings::io_uring_cmd>, issue_flags: u32) -> Self {
        Self {
            command,
            issue_flags,
            _call: PhantomData,
            _thread: NotThreadSafe,
        }
    }

    /// The command, and the flags that it was issued with.
    pub(crate) fn as_raw(&self) -> (NonNull<bindings::io_uring_cmd>, u32) {
        (self.command, self.issue_flags)
    }
}
