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
    medium::Medium,
    mq::{
        BlkStatus,
        BlockDevice,
        BlockSize,
        GenDisk,
        GenDiskBuilder,
        Op,
        QueueLimits,
        RequestInfo,
        WriteCache, //
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
    /// Without, nothing is copied.
    medium: Option<Medium>,
}

#[vtable]
impl BlockDevice for Ram {}

impl Disk {
    /// Adds a disk to a device. May sleep; its partition table is read on the way.
    pub(crate) fn add(name: &Name, device: &Device, config: DiskConfig) -> Result<GenDisk<Ram>> {
        let block = BlockSize::new(config.block)?;
        let limits = QueueLimits {
            write_cache: if config.cache {
                WriteCache::BackWithFua
            } else {
                WriteCache::Through
            },
            ..QueueLimits::transfer(1 << 20, 128, None).block_size(block)
        };
        let medium = if config.memory {
            Some(Medium::new(config.size)?)
        } else {
            None
        };
        let data = Arc::new(
            Disk {
                config,
                device: device.shared.clone(),
                medium,
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
            Op::Discard => {
                counters.discard.add();
                self.clear(rq)
            }
            Op::WriteZeroes => {
                counters.write_zeroes.add();
                self.clear(rq)
            }
            _ => BlkStatus::NotSupported,
        }
    }

    #[inline]
    fn transfer(&self, rq: &RequestInfo<Ram>) -> BlkStatus {
        if self.is_bad(rq) {
            return BlkStatus::Medium;
        }
        let Some(medium) = &self.medium else {
            return BlkStatus::Ok;
        };
        let mut data = rq.data_cursor();
        let whole = medium.for_each_page(rq.offset(), rq.len(), |bytes| {
            let copied = if rq.is_write() {
                data.read(bytes)
            } else {
                data.write(bytes)
            };
            copied == bytes.len()
        });
        if whole {
            BlkStatus::Ok
        } else {
            BlkStatus::IoError
        }
    }

    /// Makes what the request is about zeroes. A discard may have several ranges, each
    /// of them a bio.
    fn clear(&self, rq: &RequestInfo<Ram>) -> BlkStatus {
        if self.is_bad(rq) {
            return BlkStatus::Medium;
        }
        let mut whole = true;
        if let Some(medium) = &self.medium {
            rq.for_each_bio(|offset, len| {
                whole &= medium.for_each_page(offset, len, |bytes| {
                    bytes.fill(0);
                    true
                });
            });
        }
        if whole {
            BlkStatus::Ok
        } else {
            BlkStatus::IoError
        }
    }

    /// Whether a request touches the range that is bad.
    fn is_bad(&self, rq: &RequestInfo<Ram>) -> bool {
        let end = rq.offset().saturating_add(u64::from(rq.len()));
        let bad_end = self.config.bad_at.saturating_add(self.config.bad_len);
        let is_bad = rq.offset() < bad_end && self.config.bad_at < end;
        if is_bad {
            self.device.counters.bad.add();
        }
        is_bad
    }
}
