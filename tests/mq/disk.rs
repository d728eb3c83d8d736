// SPDX-License-Identifier: GPL-2.0

//! A disk: its limits, and what it does with a request.

#![forbid(unsafe_code)]

use crate::{
    config::{
        DiskConfig,
        Name, //
    },
    device::{
        Device,
        Shared, //
    },
    mq::{
        gen_disk::BlockDevice,
        BlkStatus,
        BlockSize,
        GenDisk,
        GenDiskBuilder,
        Op,
        QueueLimits,
        RequestInfo, //
    },
    operations::Ram,
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// The driver's data of a disk.
pub(crate) struct Disk {
    config: DiskConfig,
    device: Arc<Shared>,
}

#[vtable]
impl BlockDevice for Ram {}

impl Disk {
    /// Adds a disk to a device. May sleep; its partition table is read on the way.
    pub(crate) fn add(name: &Name, device: &Device, config: DiskConfig) -> Result<GenDisk<Ram>> {
        let block = BlockSize::new(config.block)?;
        let limits = QueueLimits {
            logical_block_size: block,
            physical_block_size: block.bytes(),
            io_min: block.bytes(),
            write_cache: config.cache,
            ..QueueLimits::transfer(1 << 20, 128, 0)
        };
        let data = Arc::new(
            Disk {
                config,
                device: device.shared.clone(),
            },
            GFP_KERNEL,
        )?;
        GenDiskBuilder::new(limits, config.size)
            .read_only(config.read_only)
            .build(fmt!("{}", name.as_str()), device.set.clone(), data)
    }

    /// Does what a request asks for, and says how it ends.
    #[inline]
    pub(crate) fn serve(&self, rq: &RequestInfo<Ram>) -> BlkStatus {
        let counters = &self.device.counters;
        if rq.is_fua() {
            counters.fua.add();
        }
        match rq.op() {
            Op::Read | Op::Write => self.transfer(rq),
            Op::Flush => {
                counters.flush.add();
                BlkStatus::Ok
            }
            _ => BlkStatus::NotSupported,
        }
    }

    #[inline]
    fn transfer(&self, rq: &RequestInfo<Ram>) -> BlkStatus {
        let end = rq.offset().saturating_add(u64::from(rq.len()));
        let bad_end = self.config.bad_at.saturating_add(self.config.bad_len);
        if rq.offset() < bad_end && self.config.bad_at < end {
            return BlkStatus::Medium;
        }
        BlkStatus::Ok
    }
}
