// SPDX-License-Identifier: GPL-2.0

//! Disks as they are lent: to callbacks, and by their owner.

use super::{
    BlockDevice,
    Operations,
    UniqueId,
    UniqueIdType, //
};
use crate::bindings;
use core::marker::PhantomData;
use kernel::{
    error::to_result,
    prelude::*,
    types::Opaque, //
};

/// A live disk of `T` (`struct gendisk`): complete, but perhaps not yet added, or removed
/// already and still open. Who is lent one may look, and send it commands
/// ([`super::Passthrough::for_disk`]); who owns it ([`super::GenDisk`]) may change it, and has
/// its request queue: the tag set goes with the owner, not with the last who has it open. The
/// methods may be called in any context, unless they say that they may sleep.
///
/// # Invariants
///
/// Its `private_data` and its queue's `queuedata` point to a `T::QueueData` that lives as long
/// as the disk.
#[repr(transparent)]
pub(crate) struct Disk<T: Operations>(Opaque<bindings::gendisk>, PhantomData<T>);

// SAFETY: the methods may be called by several threads at once, and what they lend is `Sync`.
unsafe impl<T: Operations> Sync for Disk<T> {}

impl<T: Operations> Disk<T> {
    /// # Safety
    ///
    /// `disk` is a disk as the type invariant says, live for `'a`.
    pub(super) unsafe fn from_raw<'a>(disk: *mut bindings::gendisk) -> &'a Self {
        // SAFETY: by this function's requirements; transparent.
        unsafe { &*disk.cast() }
    }

    pub(super) fn as_raw(&self) -> *mut bindings::gendisk {
        self.0.get()
    }

    /// The driver's data of the disk.
    pub(crate) fn data(&self) -> &T::QueueData {
        // SAFETY: by the type invariant.
        unsafe { &*(*self.as_raw()).private_data.cast() }
    }

    /// The name, as in `/dev`.
    pub(crate) fn name(&self) -> &CStr {
        // SAFETY: `build()` ended the name with a zero and nobody changes it after.
        unsafe { CStr::from_char_ptr((&raw const (*self.as_raw()).disk_name).cast()) }
    }

    /// The capacity in bytes (`get_capacity`). A disk that is marked dead has none.
    pub(crate) fn capacity(&self) -> u64 {
        // SAFETY: the disk is live.
        let sectors: u64 = unsafe { bindings::rnvme_get_capacity(self.as_raw()) };
        sectors.wrapping_shl(bindings::SECTOR_SHIFT)
    }

    /// True if the disk cannot be written, by the word of the device or of the administrator
    /// (`get_disk_ro`).
    pub(crate) fn is_read_only(&self) -> bool {
        // SAFETY: the disk is live.
        unsafe { bindings::rnvme_get_disk_ro(self.as_raw()) }
    }

    /// True if the disk was marked dead or is being removed, so that every request fails.
    pub(crate) fn is_dead(&self) -> bool {
        // SAFETY: the disk is live.
        unsafe { bindings::rnvme_disk_is_dead(self.as_raw()) }
    }

    /// How many have the disk open, or a partition of it (`disk_openers`). It may be another
    /// number a moment later.
    pub(crate) fn openers(&self) -> u32 {
        // SAFETY: the disk is live.
        unsafe { bindings::rnvme_disk_openers(self.as_raw()) }
    }

    /// How many zones the disk has, as far as they were looked at; 0 without zones
    /// (`disk_nr_zones`).
    pub(crate) fn nr_zones(&self) -> u32 {
        // SAFETY: the disk is live.
        unsafe { bindings::rnvme_disk_nr_zones(self.as_raw()) }
    }
}

impl<T: BlockDevice> Disk<T> {
    /// A name that no other disk has, as those get it who ask any disk: NFS, say, which tells it
    /// its clients ([`BlockDevice::get_unique_id`]). Process context; may sleep.
    ///
    /// # Errors
    ///
    /// `EOPNOTSUPP` if the driver has no such method; what that says.
    pub(crate) fn unique_id(&self, kind: UniqueIdType) -> Result<UniqueId> {
        let mut bytes = [0; 16];
        // SAFETY: the disk is live, and its table is static.
        let Some(ask) = (unsafe { (*(*self.as_raw()).fops).get_unique_id }) else {
            return Err(EOPNOTSUPP);
        };
        // SAFETY: the disk is live, and there is room for the 16 bytes that the function may
        // write.
        let len = unsafe { ask(self.as_raw(), bytes.as_mut_ptr(), kind.to_raw()) };
        to_result(len)?;
        let len = usize::try_from(len)?;
        UniqueId::new(bytes.get(..len).ok_or(EINVAL)?)
    }
}

/// A disk that somebody has open, or a partition of it (`struct block_device`).
pub(crate) struct DiskRef<'a, T: Operations> {
    bdev: *mut bindings::block_device,
    _data: PhantomData<&'a Disk<T>>,
}

impl<'a, T: Operations> DiskRef<'a, T> {
    /// # Safety
    ///
    /// `bdev` is of a disk as [`Disk`]'s invariant says, and open for `'a`.
    pub(super) unsafe fn new(bdev: *mut bindings::block_device) -> Self {
        Self {
            bdev,
            _data: PhantomData,
        }
    }

    /// The whole disk.
    pub(crate) fn disk(&self) -> &'a Disk<T> {
        // SAFETY: a block device that is open keeps its disk.
        unsafe { Disk::from_raw((*self.bdev).bd_disk) }
    }

    /// The driver's data of the disk.
    pub(crate) fn data(&self) -> &'a T::QueueData {
        self.disk().data()
    }

    /// True if this is a partition, not the whole disk.
    pub(crate) fn is_partition(&self) -> bool {
        // SAFETY: the block device is open.
        unsafe { bindings::rnvme_bdev_is_partition(self.bdev) }
    }

    /// Where it begins on the disk, in bytes (`get_start_sect`): 0 for the whole disk.
    pub(crate) fn start(&self) -> u64 {
        // SAFETY: the block device is open.
        let sectors: u64 = unsafe { (*self.bdev).bd_start_sect };
        sectors.wrapping_shl(bindings::SECTOR_SHIFT)
    }
}
