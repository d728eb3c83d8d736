// SPDX-License-Identifier: GPL-2.0

//! The functions that C calls for a disk (`struct block_device_operations`).
//!
//! C header: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h).

use super::{
    callback::only_if,
    gen_disk::take_back,
    pr,
    BlockDevice,
    Disk,
    DiskEvents,
    DiskRef,
    OpenMode,
    UniqueIdType,
    ZoneReport, //
};
use crate::bindings;
use core::marker::PhantomData;
use kernel::{
    error::from_result,
    prelude::*, //
};

/// The functions that C calls.
///
/// Common requirements of all of them: disks and block devices are of `T`, as [`Disk`]'s
/// invariant says, and live, block devices open, for the duration of the call.
pub(super) struct DiskTable<T: BlockDevice>(PhantomData<T>);

impl<T: BlockDevice> DiskTable<T> {
    /// The table for `T`. `owner` is the module of `T`, so an open disk keeps it.
    pub(super) fn fops() -> &'static bindings::block_device_operations {
        const {
            &bindings::block_device_operations {
                owner: kernel::module::this_module::<<T as BlockDevice>::OwnerModule>().as_ptr(),
                open: only_if!(T::HAS_OPEN, Self::open),
                release: only_if!(<T as BlockDevice>::HAS_RELEASE, Self::release),
                ioctl: only_if!(T::HAS_IOCTL, Self::ioctl),
                compat_ioctl: only_if!(T::HAS_COMPAT_IOCTL, Self::compat_ioctl),
                getgeo: only_if!(T::HAS_GETGEO, Self::getgeo),
                set_read_only: only_if!(T::HAS_SET_READ_ONLY, Self::set_read_only),
                check_events: only_if!(T::HAS_CHECK_EVENTS, Self::check_events),
                report_zones: only_if!(T::HAS_REPORT_ZONES, Self::report_zones),
                get_unique_id: only_if!(T::HAS_GET_UNIQUE_ID, Self::get_unique_id),
                free_disk: Some(Self::free_disk),
                pr_ops: pr::ops::<T>(),
                ..pin_init::zeroed()
            }
        }
    }

    /// # Safety
    ///
    /// See [`DiskTable`].
    unsafe extern "C" fn open(disk: *mut bindings::gendisk, mode: bindings::blk_mode_t) -> c_int {
        // SAFETY: by this function's requirements.
        let disk = unsafe { Disk::<T>::from_raw(disk) };
        from_result(|| T::open(disk, OpenMode::from_raw(mode)).map(|()| 0))
    }

    /// # Safety
    ///
    /// See [`DiskTable`].
    unsafe extern "C" fn release(disk: *mut bindings::gendisk) {
        // SAFETY: by this function's requirements.
        <T as BlockDevice>::release(unsafe { Disk::<T>::from_raw(disk) });
    }

    /// Has `f` answer an ioctl.
    ///
    /// # Safety
    ///
    /// See [`DiskTable`].
    unsafe fn answer(
        bdev: *mut bindings::block_device,
        mode: bindings::blk_mode_t,
        f: impl FnOnce(&DiskRef<'_, T>, OpenMode) -> Result<c_int>,
    ) -> c_int {
        // SAFETY: by this function's requirements.
        let disk = unsafe { DiskRef::<T>::new(bdev) };
        from_result(|| f(&disk, OpenMode::from_raw(mode)))
    }

    /// # Safety
    ///
    /// See [`DiskTable`].
    unsafe extern "C" fn ioctl(
        bdev: *mut bindings::block_device,
        mode: bindings::blk_mode_t,
        cmd: c_uint,
        arg: c_ulong,
    ) -> c_int {
        // SAFETY: by this function's requirements.
        unsafe { Self::answer(bdev, mode, |disk, mode| T::ioctl(disk, mode, cmd, arg)) }
    }

    /// # Safety
    ///
    /// See [`DiskTable`].
    unsafe extern "C" fn compat_ioctl(
        bdev: *mut bindings::block_device,
        mode: bindings::blk_mode_t,
        cmd: c_uint,
        arg: c_ulong,
    ) -> c_int {
        // SAFETY: by this function's requirements.
        unsafe {
            Self::answer(bdev, mode, |disk, mode| {
                T::compat_ioctl(disk, mode, cmd, arg)
            })
        }
    }

    /// # Safety
    ///
    /// See [`DiskTable`]. `geo` is valid for writes for the duration of the call.
    unsafe extern "C" fn getgeo(
        disk: *mut bindings::gendisk,
        geo: *mut kernel::bindings::hd_geometry,
    ) -> c_int {
        // SAFETY: by this function's requirements.
        let disk = unsafe { Disk::<T>::from_raw(disk) };
        // The kernel crate's bindings know the name of the structure only.
        let geo = geo.cast::<bindings::hd_geometry>();
        from_result(|| {
            let shape = T::getgeo(disk)?;
            // SAFETY: by this function's requirements. C has set `start`.
            unsafe {
                (*geo).heads = shape.heads;
                (*geo).sectors = shape.sectors;
                (*geo).cylinders = shape.cylinders;
            }
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// See [`DiskTable`].
    unsafe extern "C" fn set_read_only(bdev: *mut bindings::block_device, ro: bool) -> c_int {
        // SAFETY: by this function's requirements.
        let disk = unsafe { DiskRef::<T>::new(bdev) };
        from_result(|| T::set_read_only(&disk, ro).map(|()| 0))
    }

    /// # Safety
    ///
    /// See [`DiskTable`].
    unsafe extern "C" fn check_events(disk: *mut bindings::gendisk, clearing: c_uint) -> c_uint {
        // SAFETY: by this function's requirements.
        let disk = unsafe { Disk::<T>::from_raw(disk) };
        T::check_events(disk, DiskEvents::from_raw(clearing)).to_raw()
    }

    /// # Safety
    ///
    /// See [`DiskTable`]. `args` is null, or valid for the duration of the call.
    unsafe extern "C" fn report_zones(
        disk: *mut bindings::gendisk,
        sector: bindings::sector_t,
        count: c_uint,
        args: *mut bindings::blk_report_zones_args,
    ) -> c_int {
        // SAFETY: by this function's requirements.
        let disk = unsafe { Disk::<T>::from_raw(disk) };
        // SAFETY: as above; C gave all three together.
        let mut report = unsafe { ZoneReport::new(disk, args, count) };
        let start = sector.wrapping_shl(bindings::SECTOR_SHIFT);
        from_result(|| {
            T::report_zones(disk, start, count, &mut report)?;
            // CAST: a report takes no more than fit.
            Ok(report.taken() as c_int)
        })
    }

    /// # Safety
    ///
    /// See [`DiskTable`]. `id` has room for 16 bytes for the duration of the call.
    unsafe extern "C" fn get_unique_id(
        disk: *mut bindings::gendisk,
        id: *mut u8,
        kind: bindings::blk_unique_id,
    ) -> c_int {
        // SAFETY: by this function's requirements.
        let disk = unsafe { Disk::<T>::from_raw(disk) };
        from_result(|| {
            let (bytes, len) = T::get_unique_id(disk, UniqueIdType::from_raw(kind)?)?.into_raw();
            // SAFETY: by this function's requirements.
            unsafe { id.cast::<[u8; 16]>().write(bytes) };
            Ok(c_int::from(len))
        })
    }

    /// # Safety
    ///
    /// See [`DiskTable`]. The disk was added, and its last reference is going.
    unsafe extern "C" fn free_disk(disk: *mut bindings::gendisk) {
        // SAFETY: this is called once, and the disk was made by `build()`.
        let (data, token) = unsafe { take_back::<T>(disk) };
        T::free_disk(data);
        // The last thing of all.
        drop(token);
    }
}
