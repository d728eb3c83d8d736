// SPDX-License-Identifier: GPL-2.0

//! A RAM disk on `mq/`, in which every behaviour is a parameter.
//!
//! It is the smallest driver that uses all of blk-mq: read it as a tutorial, in this
//! order. It is also the test bed of each callback (`tests/vm/test_mq_*.py`).
//!
//! | file | what |
//! |---|---|
//! | `plain` | the least that a driver has to have |
//! | `operations` | all callbacks of blk-mq: the life of a request |
//! | `progress`, `budget` | what it remembers of a request, and takes for it |
//! | `hardware` | the device we pretend to have: it takes commands, and completes them |
//! | `line` | its interrupt |
//! | `device` | a device and its disks' common tag set: made, stopped, taken away |
//! | `disk` | a disk: its limits, what it does with a request |
//! | `medium`, `metadata`, `zones` | where its data are, what it keeps beside them, where it may be written |
//! | `block_device` | what a disk answers to those who open it |
//! | `reservations` | who may write it |
//! | `attributes` | what it shows of itself in sysfs |
//! | `exchange` | the driver's own command, as a disk serves it |
//! | `node` | a node beside a disk, for commands by io_uring |
//! | `ping`, `order` | that command, in all ways to send one: from the kernel, from a program |
//! | `config` | all parameters |
//! | `counters` | how often each callback ran |
//! | `control` | `/dev/mq_ram`: commands in, a report out |
//! | `registry` | these commands, and what they make |
//!
//! `mq/` comes from the driver's own folder; nothing of PCI, DMA or NVMe does.

#[path = "../../bindings.rs"]
mod bindings;
#[path = "../../mq/mod.rs"]
mod mq;
#[expect(dead_code, reason = "a driver uses a part of it")]
#[path = "../../os"]
mod os {
    pub(crate) mod attribute;
    pub(crate) mod chrdev;
    pub(crate) mod context;
    pub(crate) mod device;
    pub(crate) mod globals;
    pub(crate) mod timer;
    pub(crate) mod uring_cmd;
    pub(crate) mod work;
}

mod attributes;
mod block_device;
mod budget;
mod config;
mod control;
mod counters;
mod device;
mod disk;
mod exchange;
mod hardware;
mod line;
mod medium;
mod metadata;
mod node;
mod operations;
mod order;
mod ping;
mod plain;
mod progress;
mod registry;
mod reservations;
mod zones;

use kernel::{
    miscdevice::{
        MiscDeviceOptions,
        MiscDeviceRegistration, //
    },
    prelude::*,
};

module! {
    type: MqRam,
    name: "mq_ram",
    authors: ["The rnvme developers"],
    description: "RAM disk that exercises the blk-mq abstractions of rnvme",
    license: "GPL v2",
}

/// The module. The node goes first, then the disks and devices; the code
/// stays until the last disk is closed.
#[pin_data]
struct MqRam {
    #[pin]
    _node: MiscDeviceRegistration<control::Control>,
    _registry: registry::Owner,
    _globals: os::globals::Owner,
    _disks: mq::Disks,
}

impl kernel::InPlaceModule for MqRam {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        pin_init::pin_init_scope(move || {
            // SAFETY: the module is loaded once, and this comes first.
            unsafe { registry::REGISTRY.init() };
            Ok(try_pin_init!(Self {
                _node <- MiscDeviceRegistration::register(MiscDeviceOptions { name: c"mq_ram" }),
                _registry: registry::Owner,
                // SAFETY: as above.
                _globals: unsafe { os::globals::Owner::new(c"mq_ram_nodes") }?,
                _disks: mq::Disks::new()?,
            }))
        })
    }
}
