// SPDX-License-Identifier: GPL-2.0

//! What a disk answers to those who have it open (`struct block_device_operations`).
//!
//! C header: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h).

use super::{
    pr::{
        self,
        PrKeys,
        PrReservation,
        PrStatus,
        PrType, //
    },
    Disk,
    DiskRef,
    Operations,
    ZoneReport, //
};
use crate::bindings;
use core::marker::PhantomData;
use kernel::{
    error::{
        from_result,
        VTABLE_DEFAULT_ERROR, //
    },
    prelude::*,
    sync::Arc, //
};

/// How a disk is opened (`blk_mode_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpenMode(bindings::blk_mode_t);

impl OpenMode {
    /// For reading.
    pub(crate) const fn is_read(self) -> bool {
        self.0 & bindings::BLK_OPEN_READ != 0
    }

    /// For writing.
    pub(crate) const fn is_write(self) -> bool {
        self.0 & bindings::BLK_OPEN_WRITE != 0
    }

    /// Against others who would also have it exclusively.
    pub(crate) const fn is_exclusive(self) -> bool {
        self.0 & bindings::BLK_OPEN_EXCL != 0
    }

    /// Without waiting for a medium.
    pub(crate) const fn is_nonblocking(self) -> bool {
        self.0 & bindings::BLK_OPEN_NDELAY != 0
    }
}

/// The shape that a disk pretends to have (`struct hd_geometry`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// Surfaces.
    pub(crate) heads: u8,
    /// Sectors of 512 bytes per track.
    pub(crate) sectors: u8,
    /// Tracks per surface.
    pub(crate) cylinders: u16,
}

impl Geometry {
    /// The shape of a disk that has none: 64 heads, 32 sectors, and as many cylinders as
    /// `capacity`, in bytes, amounts to, or as fit in the answer.
    pub(crate) fn linear(capacity: u64) -> Self {
        Self {
            heads: 64,
            sectors: 32,
            cylinders: u16::try_from(capacity >> 20).unwrap_or(u16::MAX),
        }
    }
}

/// What may happen to a removable disk by itself (`DISK_EVENT_...`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DiskEvents(c_uint);

impl DiskEvents {
    /// Nothing.
    pub(crate) const NONE: Self = Self(0);
    /// There is another medium.
    pub(crate) const MEDIA_CHANGE: Self = Self(bindings::DISK_EVENT_MEDIA_CHANGE);
    /// Somebody wants the medium out.
    pub(crate) const EJECT_REQUEST: Self = Self(bindings::DISK_EVENT_EJECT_REQUEST);

    /// These and `others`.
    pub(crate) const fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// True if all of `others` are among these.
    pub(crate) const fn contains(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    pub(super) const fn to_raw(self) -> c_uint {
        self.0
    }
}

/// Which kind of name is asked for (`enum blk_unique_id`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UniqueIdType {
    /// By T10's vendor identification.
    T10,
    /// EUI-64, or a longer one that contains it.
    Eui64,
    /// By a name authority.
    Naa,
}

/// A name that no other disk has, of 1 to 16 bytes.
///
/// # Invariants
///
/// `len` is at most 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UniqueId {
    bytes: [u8; 16],
    len: u8,
}

impl UniqueId {
    /// The name `bytes`.
    ///
    /// # Errors
    ///
    /// `EINVAL` if it is empty or has more than 16 bytes.
    pub(crate) fn new(bytes: &[u8]) -> Result<Self> {
        let mut this = Self {
            bytes: [0; 16],
            // CAST: looked at below.
            len: bytes.len() as u8,
        };
        let room = this.bytes.get_mut(..bytes.len()).ok_or(EINVAL)?;
        if room.is_empty() {
            return Err(EINVAL);
        }
        room.copy_from_slice(bytes);
        // INVARIANT: there was room.
        Ok(this)
    }
}

/// What a disk answers to those who have it open (`struct block_device_operations`).
///
/// A method that a driver does not have is a null pointer in C's table, and C answers what it
/// says here. All run in process context and may sleep. None is called before
/// [`super::GenDiskBuilder::build`], but most may be during it, since adding a disk opens it to
/// look for partitions; and all may be called after the disk was removed, by those who still
/// have it open: the module, the disk, its queue and its data are there then, but requests
/// fail.
///
/// What the table has besides is not for request-based drivers (`submit_bio`, `poll_bio`), or
/// for no driver of this kind (`swap_slot_free_notify`, `alternative_gpt_sector`, `devnode`,
/// `unlock_native_capacity`).
#[vtable]
pub(crate) trait BlockDevice: Operations {
    /// Somebody opens the disk or a partition of it (`open`). Each success is followed by one
    /// [`BlockDevice::release`]. Called with the disk's `open_mutex`. Without it everybody may.
    ///
    /// # Errors
    ///
    /// What the opener is to get; `ENOMEDIUM` drops partitions.
    fn open(_disk: &Disk<Self>, _mode: OpenMode) -> Result {
        kernel::build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Somebody closed it (`release`). Called with the disk's `open_mutex`; the disk may have
    /// been removed meanwhile.
    fn release(_disk: &Disk<Self>) {
        kernel::build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// An ioctl that the block layer does not know (`ioctl`). `arg` is as the program gave it:
    /// an address of its memory, for most. Without it, `ENOTTY`.
    ///
    /// # Errors
    ///
    /// `ENOTTY` for one that the driver does not know either.
    fn ioctl(_disk: &DiskRef<'_, Self>, _mode: OpenMode, _cmd: u32, _arg: usize) -> Result<c_int> {
        kernel::build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The same from a 32-bit program (`compat_ioctl`). `arg` has 32 bits then, and structures
    /// may be laid out differently: a driver whose structures are not calls
    /// [`BlockDevice::ioctl`] here. Without it `ENOTTY`, even if there is an `ioctl`.
    ///
    /// # Errors
    ///
    /// As there.
    fn compat_ioctl(
        _disk: &DiskRef<'_, Self>,
        _mode: OpenMode,
        _cmd: u32,
        _arg: usize,
    ) -> Result<c_int> {
        kernel::build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The shape of the disk, for programs that still ask (`getgeo`). Without it, `ENOTTY`.
    ///
    /// # Errors
    ///
    /// If the disk has none.
    fn getgeo(_disk: &Disk<Self>) -> Result<Geometry> {
        kernel::build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The administrator makes the disk, or a partition, read-only or writable
    /// (`set_read_only`). Without it, C does so and asks nobody.
    ///
    /// # Errors
    ///
    /// If that is not possible.
    fn set_read_only(_disk: &DiskRef<'_, Self>, _read_only: bool) -> Result {
        kernel::build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// What has happened to the disk since the last time (`check_events`), which `clearing`
    /// says the asker has dealt with. Called from a work item, now and then, if the disk was
    /// made with [`super::GenDiskBuilder::events`].
    fn check_events(_disk: &Disk<Self>, _clearing: DiskEvents) -> DiskEvents {
        kernel::build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Reports up to `count` zones to `report`, from the one that `start`, in bytes, lies in,
    /// without a gap (`report_zones`). It is the end of the report when `report` is full or the
    /// disk is at its end. Called under `memalloc_noio_save` at times. Required for a disk with
    /// zones.
    ///
    /// # Errors
    ///
    /// Those of [`ZoneReport::add`], and what the driver meets itself.
    fn report_zones(
        _disk: &Disk<Self>,
        _start: u64,
        _count: u32,
        _report: &mut ZoneReport<'_, Self>,
    ) -> Result {
        kernel::build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// A name that no other disk has (`get_unique_id`), for file servers. Without it,
    /// `EOPNOTSUPP`.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the disk has none of this kind.
    fn get_unique_id(_disk: &Disk<Self>, _kind: UniqueIdType) -> Result<UniqueId> {
        kernel::build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Registers the key `new`, in the place of `old` unless that is to be ignored; 0 is no key
    /// (`pr_register`). Not for partitions, as all of these calls.
    ///
    /// # Errors
    ///
    /// What the host could not do; without the call, as for all of these, `EOPNOTSUPP`.
    fn pr_register(
        _disk: &DiskRef<'_, Self>,
        _old: u64,
        _new: u64,
        _ignore_old: bool,
    ) -> Result<PrStatus> {
        kernel::build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Reserves the disk (`pr_reserve`).
    ///
    /// # Errors
    ///
    /// As [`BlockDevice::pr_register`].
    fn pr_reserve(
        _disk: &DiskRef<'_, Self>,
        _key: u64,
        _kind: PrType,
        _ignore_key: bool,
    ) -> Result<PrStatus> {
        kernel::build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Gives a reservation back (`pr_release`).
    ///
    /// # Errors
    ///
    /// As [`BlockDevice::pr_register`].
    fn pr_release(_disk: &DiskRef<'_, Self>, _key: u64, _kind: PrType) -> Result<PrStatus> {
        kernel::build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Takes the reservation, or the registration, of `old` away, and ends its commands if
    /// `abort` (`pr_preempt`).
    ///
    /// # Errors
    ///
    /// As [`BlockDevice::pr_register`].
    fn pr_preempt(
        _disk: &DiskRef<'_, Self>,
        _old: u64,
        _new: u64,
        _kind: PrType,
        _abort: bool,
    ) -> Result<PrStatus> {
        kernel::build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Takes all registrations and the reservation away (`pr_clear`).
    ///
    /// # Errors
    ///
    /// As [`BlockDevice::pr_register`].
    fn pr_clear(_disk: &DiskRef<'_, Self>, _key: u64) -> Result<PrStatus> {
        kernel::build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Lists the keys that are registered (`pr_read_keys`).
    ///
    /// # Errors
    ///
    /// As [`BlockDevice::pr_register`].
    fn pr_read_keys(_disk: &DiskRef<'_, Self>, _keys: &mut PrKeys<'_>) -> Result<PrStatus> {
        kernel::build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The reservation that holds (`pr_read_reservation`).
    ///
    /// # Errors
    ///
    /// As [`BlockDevice::pr_register`].
    fn pr_read_reservation(_disk: &DiskRef<'_, Self>) -> Result<PrReservation> {
        kernel::build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The disk is gone: removed, and closed by all (`free_disk`). The last call for it, at
    /// once when it is removed or any time later. Without it the data are dropped.
    fn free_disk(data: Arc<Self::QueueData>) {
        drop(data);
    }
}

/// The functions that C calls.
///
/// Common requirements of all of them: disks and block devices are of `T`, as [`Disk`]'s
/// invariant says, and live, block devices open, for the duration of the call.
pub(super) struct DiskTable<T: BlockDevice>(PhantomData<T>);

/// `f` if `has`.
macro_rules! only_if {
    ($has:expr, $f:expr) => {
        if $has {
            Some($f)
        } else {
            None
        }
    };
}

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
        from_result(|| T::open(disk, OpenMode(mode)).map(|()| 0))
    }

    /// # Safety
    ///
    /// See [`DiskTable`].
    unsafe extern "C" fn release(disk: *mut bindings::gendisk) {
        // SAFETY: by this function's requirements.
        <T as BlockDevice>::release(unsafe { Disk::<T>::from_raw(disk) });
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
        let disk = unsafe { DiskRef::<T>::new(bdev) };
        from_result(|| T::ioctl(&disk, OpenMode(mode), cmd, arg))
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
        let disk = unsafe { DiskRef::<T>::new(bdev) };
        from_result(|| T::compat_ioctl(&disk, OpenMode(mode), cmd, arg))
    }

    /// # Safety
    ///
    /// See [`DiskTable`]. `geo` is valid for writes.
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
        T::check_events(disk, DiskEvents(clearing)).to_raw()
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
    /// See [`DiskTable`]. `id` has room for 16 bytes.
    unsafe extern "C" fn get_unique_id(
        disk: *mut bindings::gendisk,
        id: *mut u8,
        kind: bindings::blk_unique_id,
    ) -> c_int {
        // SAFETY: by this function's requirements.
        let disk = unsafe { Disk::<T>::from_raw(disk) };
        from_result(|| {
            let kind = match kind {
                bindings::blk_unique_id_BLK_UID_T10 => UniqueIdType::T10,
                bindings::blk_unique_id_BLK_UID_EUI64 => UniqueIdType::Eui64,
                bindings::blk_unique_id_BLK_UID_NAA => UniqueIdType::Naa,
                _ => return Err(EINVAL),
            };
            let found = T::get_unique_id(disk, kind)?;
            // SAFETY: by this function's requirements.
            unsafe { id.cast::<[u8; 16]>().write(found.bytes) };
            Ok(c_int::from(found.len))
        })
    }

    /// # Safety
    ///
    /// See [`DiskTable`]. The disk was added, and its last reference is going.
    unsafe extern "C" fn free_disk(disk: *mut bindings::gendisk) {
        // SAFETY: this is called once, and the disk was made by `build()`.
        let (data, token) = unsafe { super::gen_disk::take_back::<T>(disk) };
        T::free_disk(data);
        // The last thing of all.
        drop(token);
    }
}
