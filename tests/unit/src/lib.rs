// SPDX-License-Identifier: GPL-2.0

//! Host tests of the driver's pure parts.
//!
//! The modules below are the driver's own files, under the paths that they have in its crate.
//! Tests of one file are in a file of that name beside this one.

#![cfg_attr(not(test), no_std)]

#[cfg_attr(not(test), allow(dead_code, reason = "only the tests use it"))]
#[path = "../../../dma"]
pub(crate) mod dma {
    //! Stands for `dma/mod.rs`, most of which needs a kernel.

    pub(crate) mod addr;
    pub(crate) mod prp;

    pub(crate) use self::addr::DmaAddr;

    /// An address out of nothing: there is no device in these tests.
    #[cfg(test)]
    pub(crate) const fn test_addr(bits: u64) -> DmaAddr {
        // SAFETY: No device ever sees the address.
        unsafe { DmaAddr::new(bits) }
    }
}

#[path = "../../../nvme"]
pub(crate) mod nvme {
    //! Stands for `nvme/mod.rs`, most of which needs a kernel.

    pub(crate) mod spec;
}

#[cfg(feature = "no-panic")]
mod no_panic;
#[cfg(test)]
mod tests;
