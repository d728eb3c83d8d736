// SPDX-License-Identifier: GPL-2.0

//! KUnit suites of what is plain computation, for `CONFIG_RNVME_KUNIT_TEST`.
//!
//! `tests/unit` runs the same functions on the host: each file is a part of both crates, under the
//! names that the driver's modules have in both. In the kernel `assert!` and `assert_eq!` are
//! KUnit's, and take a condition or two values, no message.
//!
//! The suite of `dma/prp.rs` is a part of `dma/`, where alone an address can be made.

mod block_size;
mod cid;
mod layout;
mod lba;
mod slot;
mod status;
