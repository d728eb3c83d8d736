// SPDX-License-Identifier: GPL-2.0

//! Safe wrappers of what the kernel crate lacks, none of which knows of NVMe.

pub(crate) mod attribute;
pub(crate) mod chrdev;
pub(crate) mod device;
#[cfg(CONFIG_RNVME_FAULT_INJECTION)]
pub(crate) mod fault;
pub(crate) mod globals;
pub(crate) mod ida;
pub(crate) mod log;
pub(crate) mod memory;
pub(crate) mod params;
pub(crate) mod uring_cmd;
pub(crate) mod user;
pub(crate) mod wait;
pub(crate) mod work;
pub(crate) mod zeroed;
