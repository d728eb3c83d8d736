// SPDX-License-Identifier: GPL-2.0

//! rnvme: NVM Express over PCIe, in Rust, on blk-mq abstractions of its own.
//!
//! | folder | what | knows of |
//! |---|---|---|
//! | `nvme` | the driver, without unsafe code | all others |
//! | `mq` | blk-mq | `os` |
//! | `dma` | memory that a device reaches | `mq`, `pci` |
//! | `pci` | functions, registers, interrupts | `os` |
//! | `os` | what else the kernel crate lacks | |
//!
//! Atomic integers come from `mq::atomic`, but for words that a device writes.

mod bindings;
mod dma;
#[cfg(CONFIG_RNVME_KUNIT_TEST)]
#[path = "tests/kunit/mod.rs"]
mod kunit;
mod mq;
mod nvme;
mod os;
mod pci;

use kernel::{
    driver,
    prelude::*, //
};

module! {
    type: Rnvme,
    name: "rnvme",
    authors: ["The rnvme developers"],
    description: "NVM Express over PCIe block devices",
    license: "GPL v2",
}

/// The module. The driver goes before what it needs.
#[pin_data]
struct Rnvme {
    #[pin]
    _driver: driver::Registration<pci::Adapter<nvme::driver::NvmeDriver>>,
    _disks: mq::Disks,
    _faults: nvme::fault::Files,
    _globals: os::globals::Owner,
}

impl kernel::InPlaceModule for Rnvme {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        pin_init::pin_init_scope(move || {
            // SAFETY: the module is loaded once, and this comes first.
            let globals = unsafe { os::globals::Owner::new(c"rnvme") }?;
            Ok(try_pin_init!(Self {
                _disks: mq::Disks::new()?,
                _faults: nvme::fault::Files::new()?,
                _driver <- driver::Registration::new(c"rnvme", module),
                _globals: globals,
            }))
        })
    }
}
