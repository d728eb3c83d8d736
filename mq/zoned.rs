// SPDX-License-Identifier: GPL-2.0

//! Zones, and how a driver reports them.
//!
//! C header: [`include/uapi/linux/blkzoned.h`](srctree/include/uapi/linux/blkzoned.h).

use super::{
    Disk,
    Operations, //
};
use crate::bindings;
use kernel::{
    error::to_result,
    prelude::*, //
};

/// How a zone may be written (`enum blk_zone_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ZoneType {
    /// Anywhere.
    Conventional,
    /// From start to end only.
    SequentialRequired,
    /// Best from start to end. The block layer refuses a disk with such zones.
    SequentialPreferred,
}

/// The state of a zone (`enum blk_zone_cond`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ZoneCondition {
    /// It has no write pointer, being conventional.
    NotWritePointer,
    /// Nothing was written.
    Empty,
    /// Writing opened it.
    ImplicitOpen,
    /// A command opened it.
    ExplicitOpen,
    /// It was written in part, and is not open.
    Closed,
    /// It can only be read.
    ReadOnly,
    /// It is written to its capacity, or was finished.
    Full,
    /// It can neither be read nor written.
    Offline,
}

/// A zone (`struct blk_zone`). Bytes, all whole sectors of 512.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Zone {
    /// Where it begins on the disk.
    pub(crate) start: u64,
    /// Its size, a power of two.
    pub(crate) len: u64,
    /// How much of it can be written.
    pub(crate) capacity: u64,
    /// Where the next write goes, counted from the start of the disk. A zone that is
    /// conventional, full, read-only or offline has none; programs get what is said here.
    pub(crate) write_pointer: u64,
    /// How it may be written.
    pub(crate) kind: ZoneType,
    /// Its state.
    pub(crate) condition: ZoneCondition,
    /// The device would like it to be reset.
    pub(crate) reset_recommended: bool,
    /// It was written out of order, which costs the device memory.
    pub(crate) non_sequential: bool,
}

impl Zone {
    /// The form that C knows; `None` if a size is no whole number of sectors.
    fn to_raw(self) -> Option<bindings::blk_zone> {
        let sectors = |bytes: u64| (bytes % 512 == 0).then_some(bytes >> bindings::SECTOR_SHIFT);
        let kind = match self.kind {
            ZoneType::Conventional => bindings::blk_zone_type_BLK_ZONE_TYPE_CONVENTIONAL,
            ZoneType::SequentialRequired => bindings::blk_zone_type_BLK_ZONE_TYPE_SEQWRITE_REQ,
            ZoneType::SequentialPreferred => bindings::blk_zone_type_BLK_ZONE_TYPE_SEQWRITE_PREF,
        };
        let condition = match self.condition {
            ZoneCondition::NotWritePointer => bindings::blk_zone_cond_BLK_ZONE_COND_NOT_WP,
            ZoneCondition::Empty => bindings::blk_zone_cond_BLK_ZONE_COND_EMPTY,
            ZoneCondition::ImplicitOpen => bindings::blk_zone_cond_BLK_ZONE_COND_IMP_OPEN,
            ZoneCondition::ExplicitOpen => bindings::blk_zone_cond_BLK_ZONE_COND_EXP_OPEN,
            ZoneCondition::Closed => bindings::blk_zone_cond_BLK_ZONE_COND_CLOSED,
            ZoneCondition::ReadOnly => bindings::blk_zone_cond_BLK_ZONE_COND_READONLY,
            ZoneCondition::Full => bindings::blk_zone_cond_BLK_ZONE_COND_FULL,
            ZoneCondition::Offline => bindings::blk_zone_cond_BLK_ZONE_COND_OFFLINE,
        };
        Some(bindings::blk_zone {
            start: sectors(self.start)?,
            len: sectors(self.len)?,
            wp: sectors(self.write_pointer)?,
            // CAST: at most 3.
            type_: kind as u8,
            // CAST: at most 15.
            cond: condition as u8,
            non_seq: u8::from(self.non_sequential),
            reset: u8::from(self.reset_recommended),
            capacity: sectors(self.capacity)?,
            ..Default::default()
        })
    }
}

/// Takes the zones that [`super::BlockDevice::report_zones`] reports, one after the other.
pub(crate) struct ZoneReport<'a, T: Operations> {
    disk: &'a Disk<T>,
    args: *mut bindings::blk_report_zones_args,
    wanted: u32,
    taken: u32,
}

impl<'a, T: Operations> ZoneReport<'a, T> {
    /// # Safety
    ///
    /// `args` is what C gave to `report_zones` together with `disk` and `wanted`, perhaps null,
    /// and valid for `'a`.
    pub(super) unsafe fn new(
        disk: &'a Disk<T>,
        args: *mut bindings::blk_report_zones_args,
        wanted: u32,
    ) -> Self {
        Self {
            disk,
            args,
            // C's answer is an `int`. CAST: widening the other way.
            wanted: wanted.min(i32::MAX as u32),
            taken: 0,
        }
    }

    /// Hands over the next zone (`disk_report_zone`). May sleep.
    ///
    /// # Errors
    ///
    /// `ENOSPC` if nobody wants more zones ([`Self::is_full`]), `EINVAL` for one that is no
    /// whole number of sectors; else what the asker says. The report is to end then, with that
    /// error.
    pub(crate) fn add(&mut self, zone: Zone) -> Result {
        // The asker has room for as many as it asked for, and does not look.
        if self.is_full() {
            return Err(ENOSPC);
        }
        let mut raw = zone.to_raw().ok_or(EINVAL)?;
        // SAFETY: the disk is live, `raw` is valid for the call, `args` by this type's making.
        to_result(unsafe {
            bindings::rnvme_report_zone(self.disk.as_raw(), &mut raw, self.taken, self.args)
        })?;
        self.taken = self.taken.wrapping_add(1);
        Ok(())
    }

    /// True if the asker has as many zones as it wants.
    pub(crate) fn is_full(&self) -> bool {
        self.taken >= self.wanted
    }

    /// How many zones were handed over.
    pub(super) fn taken(&self) -> u32 {
        self.taken
    }
}
