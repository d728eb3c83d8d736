// SPDX-License-Identifier: GPL-2.0

//! The one file of this folder that names an atomic.
//!
//! On kernels without helper inlining each operation of `kernel::sync::atomic`
//! is a function call, on the data path several times per request; those of
//! `core` are single instructions and have the same meaning for these types on
//! the architectures that the kernel's Rust supports.

pub(crate) use core::sync::atomic::{
    AtomicBool,
    AtomicU64,
    Ordering, //
};
