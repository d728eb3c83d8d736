// SPDX-License-Identifier: GPL-2.0

//! What a disk answers to those who have it open (`struct block_device_operations`), for a
//! driver to implement. [`super::disk_table`] has the functions that C calls.
//!
//! C header: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h).

use super::{
    Disk,
    DiskRef,
    Operations,
    PrKeys,
    PrReservation,
    PrStatus,
    PrType,
    ZoneReport, //
};
use crate::bindings;
use kernel::{
    error::VTABLE_DEFAULT_ERROR,
    prelude::*,
    sync::Arc, //
};

/// How a disk is opened (`blk_mode_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpenMode(bindings::blk_mode_t);

impl OpenMode {
    pub(super) const fn from_raw(raw: bindings::blk_mode_t) -> Self {
        Self(raw)
    }

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

    pub(super) const fn from_raw(raw: c_uint) -> Self {
        Self(raw)
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

impl UniqueIdType {
    pub(super) fn from_raw(raw: bindings::blk_unique_id) -> Result<Self> {
        Ok(match raw {
            bindings::blk_unique_id_BLK_UID_T10 => Self::T10,
            bindings::blk_unique_id_BLK_UID_EUI64 => Self::Eui64,
            bindings::blk_unique_id_BLK_UID_NAA => Self::Naa,
            _ => return Err(EINVAL),
        })
    }

    pub(super) const fn to_raw(self) -> bindings::blk_unique_id {
        match self {
            Self::T10 => bindings::blk_unique_id_BLK_UID_T10,
            Self::Eui64 => bindings::blk_unique_id_BLK_UID_EUI64,
            Self::Naa => bindings::blk_unique_id_BLK_UID_NAA,
        }
    }
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

    /// The bytes that count.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// The bytes, padded with zeroes, and how many of them count.
    pub(super) const fn into_raw(self) -> ([u8; 16], u8) {
        (self.bytes, self.len)
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
