// SPDX-License-Identifier: GPL-2.0

//! Disks.

use super::{
    Operations,
    QueueLimits,
    RequestQueue,
    TagSet, //
};
use crate::{
    bindings,
    os::{
        attribute::{
            AttributeGroups,
            OfDisk, //
        },
        device::ClassDeviceRef, //
    },
};
use core::{
    fmt::Write,
    marker::PhantomData,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    error::{
        from_err_ptr,
        from_result,
        to_result, //
    },
    fmt,
    prelude::*,
    str::NullTerminatedFormatter,
    sync::Arc, //
};

/// What a disk answers to those who have it open
/// (`struct block_device_operations`). All may sleep, and all may be called after
/// the disk was removed, by those who still have it open.
#[vtable]
pub(crate) trait BlockDevice: Operations {
    /// An ioctl that the block layer does not know.
    ///
    /// # Errors
    ///
    /// `ENOTTY` for one that the driver does not know either.
    fn ioctl(_disk: DiskRef<'_, Self>, _cmd: u32, _arg: usize) -> Result<isize> {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// Heads and sectors per track, for programs that still ask.
    fn getgeo(_data: &Self::QueueData) -> (u8, u8) {
        (64, 32)
    }
}

/// A disk, or a partition of it, that somebody has open.
pub(crate) struct DiskRef<'a, T: Operations> {
    bdev: *mut bindings::block_device,
    mode: bindings::blk_mode_t,
    _data: PhantomData<&'a T>,
}

impl<'a, T: Operations> DiskRef<'a, T> {
    /// The driver's data of the disk.
    pub(crate) fn data(&self) -> &'a T::QueueData {
        // SAFETY: `private_data` is what `build()` put there, and stays until
        // `free_disk`, which is not before the last one closes.
        unsafe { &*bindings::rnvme_bdev_disk_private(self.bdev).cast::<T::QueueData>() }
    }

    /// The request queue.
    pub(crate) fn queue(&self) -> &'a RequestQueue<T> {
        // SAFETY: an open disk has a live request queue.
        unsafe { RequestQueue::from_raw((*self.bdev).bd_queue) }
    }

    /// True if this is a partition, not the whole disk.
    pub(crate) fn is_partition(&self) -> bool {
        // SAFETY: the block device is open.
        unsafe { bindings::rnvme_bdev_is_partition(self.bdev) }
    }

    /// True if it was opened for writing.
    pub(crate) fn is_writable(&self) -> bool {
        self.mode & bindings::BLK_OPEN_WRITE != 0
    }
}

/// What a disk is made with. Bytes throughout.
pub(crate) struct GenDiskBuilder<'a, T: BlockDevice> {
    limits: QueueLimits,
    capacity: u64,
    read_only: bool,
    parent: Option<&'a ClassDeviceRef>,
    groups: Option<&'static AttributeGroups<OfDisk, T::QueueData>>,
}

impl<'a, T: BlockDevice> GenDiskBuilder<'a, T> {
    /// A disk of `capacity` bytes. Limits go in here, complete, once.
    pub(crate) fn new(limits: QueueLimits, capacity: u64) -> Self {
        Self {
            limits,
            capacity,
            read_only: false,
            parent: None,
            groups: None,
        }
    }

    /// Makes the disk read-only.
    pub(crate) fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// Hangs the disk below a device in sysfs.
    pub(crate) fn parent(mut self, parent: &'a ClassDeviceRef) -> Self {
        self.parent = Some(parent);
        self
    }

    /// Adds attributes to the disk's directory in sysfs.
    pub(crate) fn groups(mut self, groups: &'static AttributeGroups<OfDisk, T::QueueData>) -> Self {
        self.groups = Some(groups);
        self
    }

    /// Makes the disk and shows it to the world; partitions are read here, so
    /// requests arrive before this returns. May sleep.
    ///
    /// # Errors
    ///
    /// `EINVAL` for limits that the block layer refuses or a name of more than 31
    /// bytes, `EEXIST` if the name is taken, `ENOMEM`.
    pub(crate) fn build(
        self,
        name: fmt::Arguments<'_>,
        set: Arc<TagSet<T>>,
        data: Arc<T::QueueData>,
    ) -> Result<GenDisk<T>> {
        let mut limits = self.limits.to_raw();
        let private = Arc::into_raw(data).cast_mut();
        // SAFETY: the set is allocated, the limits are copied during the call, and
        // the data stay until `free_disk`.
        let disk = from_err_ptr(unsafe {
            bindings::__blk_mq_alloc_disk(
                set.as_raw(),
                &mut limits,
                private.cast(),
                kernel::static_lock_class!().as_ptr(),
            )
        })
        .and_then(|disk| NonNull::new(disk).ok_or(ENOMEM))
        // SAFETY: `private` came from `into_raw()` above and nobody else took it.
        .inspect_err(|_| drop(unsafe { Arc::from_raw(private) }))?;

        let raw = disk.as_ptr();
        // SAFETY: nobody else knows of the new disk.
        unsafe {
            (*raw).fops = Vtable::<T>::fops();
            (*raw).private_data = private.cast();
        }
        // INVARIANT: `added` is false; dropping it puts the disk.
        let mut this = GenDisk {
            disk,
            added: false,
            _set: set,
        };
        // SAFETY: as above; the array is this disk's own.
        let disk_name = unsafe { &mut (*raw).disk_name };
        let mut writer = NullTerminatedFormatter::new(disk_name).ok_or(EINVAL)?;
        writer.write_fmt(name).map_err(|_| EINVAL)?;
        // SAFETY: the disk is live and not yet added.
        unsafe {
            bindings::set_capacity(raw, self.capacity >> bindings::SECTOR_SHIFT);
            if self.read_only {
                bindings::set_disk_ro(raw, true);
            }
        }
        let parent = self.parent.map_or(ptr::null_mut(), ClassDeviceRef::as_raw);
        let groups = self
            .groups
            .map_or(ptr::null_mut(), |groups| groups.as_raw());
        // SAFETY: the disk is complete; the parent is live for the call, which takes
        // a reference; the groups are static.
        to_result(unsafe { bindings::device_add_disk(parent, raw, groups) })?;
        // INVARIANT: it was added just now.
        this.added = true;
        Ok(this)
    }
}

/// A disk (`struct gendisk`). Dropping it removes the disk: while its queue still
/// serves requests dirty data are written back first.
///
/// # Invariants
///
/// `disk` is live, its `private_data` and its queue's `queuedata` point to the
/// `T::QueueData` of an `Arc` that `free_disk` drops; it was added if `added`.
pub(crate) struct GenDisk<T: Operations> {
    disk: NonNull<bindings::gendisk>,
    added: bool,
    _set: Arc<TagSet<T>>,
}

// SAFETY: a disk may be removed from any thread; its data are `Send` and `Sync`.
unsafe impl<T: Operations> Send for GenDisk<T> {}
// SAFETY: as above; the shared methods are thread-safe in C.
unsafe impl<T: Operations> Sync for GenDisk<T> {}

impl<T: Operations> GenDisk<T> {
    /// Makes every request from now on fail at once, dirty data included. For a
    /// device that is gone. May sleep.
    pub(crate) fn mark_dead(&self) {
        // SAFETY: live by the type invariant.
        unsafe { bindings::blk_mark_disk_dead(self.disk.as_ptr()) };
    }
}

impl<T: Operations> Drop for GenDisk<T> {
    fn drop(&mut self) {
        let raw = self.disk.as_ptr();
        if self.added {
            // SAFETY: live and added by the type invariant; `free_disk` gives the data
            // back with the last reference.
            unsafe {
                bindings::del_gendisk(raw);
                bindings::put_disk(raw);
            }
        } else {
            // SAFETY: live by the type invariant. C calls `free_disk` only for disks that
            // were added, so the data are ours, and go after the queue that points to them.
            unsafe {
                let private = (*raw).private_data.cast();
                bindings::put_disk(raw);
                drop(Arc::<T::QueueData>::from_raw(private));
            }
        }
    }
}

/// The functions that C calls.
struct Vtable<T: BlockDevice>(PhantomData<T>);

impl<T: BlockDevice> Vtable<T> {
    fn fops() -> &'static bindings::block_device_operations {
        const {
            &bindings::block_device_operations {
                owner: kernel::module::this_module::<<T as BlockDevice>::OwnerModule>().as_ptr(),
                ioctl: if T::HAS_IOCTL {
                    Some(Self::ioctl)
                } else {
                    None
                },
                // The structures of our ioctls are the same for 32-bit programs.
                compat_ioctl: if T::HAS_IOCTL {
                    Some(Self::ioctl)
                } else {
                    None
                },
                getgeo: Some(Self::getgeo),
                free_disk: Some(Self::free_disk),
                ..pin_init::zeroed()
            }
        }
    }

    /// # Safety
    ///
    /// `bdev` is open for the duration of the call, and a disk of `T`.
    unsafe extern "C" fn ioctl(
        bdev: *mut bindings::block_device,
        mode: bindings::blk_mode_t,
        cmd: c_uint,
        arg: c_ulong,
    ) -> c_int {
        let disk = DiskRef::<T> {
            bdev,
            mode,
            _data: PhantomData,
        };
        // CAST: an ioctl's value is an `int`.
        from_result(|| T::ioctl(disk, cmd, arg).map(|value| value as c_int))
    }

    /// # Safety
    ///
    /// `disk` is live for the duration of the call, and of `T`; `geo` is valid for
    /// writes.
    unsafe extern "C" fn getgeo(
        disk: *mut bindings::gendisk,
        geo: *mut bindings::hd_geometry,
    ) -> c_int {
        // SAFETY: `private_data` is what `build()` put there.
        let (heads, sectors) = T::getgeo(unsafe { &*(*disk).private_data.cast() });
        // SAFETY: valid for writes by this function's requirements.
        unsafe { bindings::rnvme_set_geometry(disk, geo, heads, sectors) };
        0
    }

    /// # Safety
    ///
    /// `disk` is of `T`, and its last reference is going.
    unsafe extern "C" fn free_disk(disk: *mut bindings::gendisk) {
        // SAFETY: `private_data` came from `Arc::into_raw` in `build()`, and this is
        // called once.
        drop(unsafe { Arc::<T::QueueData>::from_raw((*disk).private_data.cast()) });
    }
}
