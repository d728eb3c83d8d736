// SPDX-License-Identifier: GPL-2.0

//! Stands for the kernel's C structures.

#![allow(non_camel_case_types, reason = "as C has them")]

use std::{
    cell::Cell,
    rc::Rc, //
};

/// A request of blk-mq, aligned to a cache line as there.
#[repr(align(64))]
pub(crate) struct request {
    /// Its tag, which the test may make wrong.
    pub(crate) tag: usize,
    /// Which request this is.
    pub(crate) serial: u64,
    /// The queue that its tag belongs to.
    pub(crate) queue: *const (),
    /// How many requests there are.
    pub(crate) live: Rc<Cell<usize>>,
}
