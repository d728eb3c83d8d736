// SPDX-License-Identifier: GPL-2.0

//! What a disk answers to those who open it.

#![forbid(unsafe_code)]

use crate::{
    mq::{
        BlockDevice,
        Disk,
        DiskEvents,
        DiskRef,
        Geometry,
        OpenMode,
        PrKeys,
        PrReservation,
        PrStatus,
        PrType,
        UniqueId,
        UniqueIdType,
        ZoneReport, //
    },
    operations::Ram,
    order::{
        self,
        ORDER, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// An ioctl of ours, `_IO('r', 0x71)`: returns its argument.
const ECHO: u32 = 0x7271;

#[vtable]
impl BlockDevice for Ram {
    fn open(disk: &Disk<Self>, mode: OpenMode) -> Result {
        let counters = disk.data().counters();
        counters.open.add();
        if mode.is_read() && !mode.is_write() {
            counters.open_to_read.add();
        }
        if mode.is_exclusive() {
            counters.open_exclusive.add();
        }
        if mode.is_nonblocking() {
            counters.open_nonblocking.add();
        }
        Ok(())
    }

    fn release(disk: &Disk<Self>) {
        disk.data().counters().release.add();
    }

    fn ioctl(disk: &DiskRef<'_, Self>, _mode: OpenMode, cmd: u32, arg: usize) -> Result<c_int> {
        disk.data().counters().ioctl.add();
        match cmd {
            ECHO => c_int::try_from(arg).map_err(|_| EINVAL),
            ORDER => order::execute(disk, arg),
            _ => Err(ENOTTY),
        }
    }

    fn compat_ioctl(
        disk: &DiskRef<'_, Self>,
        mode: OpenMode,
        cmd: u32,
        arg: usize,
    ) -> Result<c_int> {
        disk.data().counters().compat_ioctl.add();
        Self::ioctl(disk, mode, cmd, arg)
    }

    fn get_unique_id(disk: &Disk<Self>, kind: UniqueIdType) -> Result<UniqueId> {
        disk.data().counters().get_unique_id.add();
        match kind {
            UniqueIdType::Eui64 => UniqueId::new(&disk.data().serial().to_be_bytes()),
            _ => Err(EINVAL),
        }
    }

    fn getgeo(disk: &Disk<Self>) -> Result<Geometry> {
        disk.data().counters().getgeo.add();
        Ok(Geometry::linear(disk.capacity()))
    }

    fn set_read_only(disk: &DiskRef<'_, Self>, _read_only: bool) -> Result {
        disk.data().counters().set_read_only.add();
        Ok(())
    }

    fn check_events(disk: &Disk<Self>, _clearing: DiskEvents) -> DiskEvents {
        disk.data().counters().check_events.add();
        match disk.data().take_change() {
            true => DiskEvents::MEDIA_CHANGE,
            false => DiskEvents::NONE,
        }
    }

    fn report_zones(
        disk: &Disk<Self>,
        start: u64,
        count: u32,
        report: &mut ZoneReport<'_, Self>,
    ) -> Result {
        disk.data().counters().report_zones.add();
        let zones = disk.data().zones().ok_or(EOPNOTSUPP)?;
        let mut at = start;
        for _ in 0..count {
            let Some(zone) = zones.describe(at) else {
                break;
            };
            report.add(zone)?;
            at = zone.start.saturating_add(zone.len);
        }
        Ok(())
    }

    fn pr_register(
        disk: &DiskRef<'_, Self>,
        old: u64,
        new: u64,
        ignore_old: bool,
    ) -> Result<PrStatus> {
        Ok(disk.data().reservations().register(old, new, ignore_old))
    }

    fn pr_reserve(
        disk: &DiskRef<'_, Self>,
        key: u64,
        kind: PrType,
        _ignore_key: bool,
    ) -> Result<PrStatus> {
        Ok(disk.data().reservations().reserve(key, kind))
    }

    fn pr_release(disk: &DiskRef<'_, Self>, key: u64, kind: PrType) -> Result<PrStatus> {
        Ok(disk.data().reservations().release(key, kind))
    }

    fn pr_preempt(
        disk: &DiskRef<'_, Self>,
        old: u64,
        new: u64,
        kind: PrType,
        _abort: bool,
    ) -> Result<PrStatus> {
        Ok(disk.data().reservations().preempt(old, new, kind))
    }

    fn pr_clear(disk: &DiskRef<'_, Self>, key: u64) -> Result<PrStatus> {
        Ok(disk.data().reservations().clear(key))
    }

    fn pr_read_keys(disk: &DiskRef<'_, Self>, keys: &mut PrKeys<'_>) -> Result<PrStatus> {
        let (key, generation) = disk.data().reservations().key();
        if let Some(key) = key {
            keys.add(key);
        }
        keys.set_generation(generation);
        Ok(PrStatus::Success)
    }

    fn pr_read_reservation(disk: &DiskRef<'_, Self>) -> Result<PrReservation> {
        Ok(disk.data().reservations().held())
    }

    fn free_disk(data: Arc<Self::QueueData>) {
        data.counters().free_disk.add();
    }
}
