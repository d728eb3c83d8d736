// SPDX-License-Identifier: GPL-2.0

//! The kernel's C interfaces: those of the kernel crate, and what it lacks, which
//! bindgen makes from `helpers/bindings_helper.h`.

#![allow(
    clippy::all,
    clippy::cast_lossless,
    clippy::ptr_as_ptr,
    clippy::ref_as_ptr,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    improper_ctypes,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub,
    unsafe_op_in_unsafe_fn,
    unused_imports,
    reason = "generated code"
)]

pub(crate) use kernel::bindings::*;

include!(concat!(env!("RNVME_OBJ"), "/bindings_generated.rs"));
