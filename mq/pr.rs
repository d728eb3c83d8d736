// SPDX-License-Identifier: GPL-2.0

//! Persistent reservations: who of several hosts may write a disk (`struct pr_ops`).
//!
//! C headers: [`include/linux/pr.h`](srctree/include/linux/pr.h),
//! [`include/uapi/linux/pr.h`](srctree/include/uapi/linux/pr.h). The calls themselves are
//! methods of [`BlockDevice`].

use super::{
    callback::only_if,
    BlockDevice,
    DiskRef, //
};
use crate::bindings;
use core::marker::PhantomData;
use kernel::{
    error::from_result,
    prelude::*, //
};

/// What a reservation keeps the others from (`enum pr_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PrType {
    /// Writing.
    WriteExclusive,
    /// Reading and writing.
    ExclusiveAccess,
    /// Writing, unless they are registered.
    WriteExclusiveRegOnly,
    /// Reading and writing, unless they are registered.
    ExclusiveAccessRegOnly,
    /// Writing, unless they are registered; all of those hold it.
    WriteExclusiveAllRegs,
    /// Reading and writing, unless they are registered; all of those hold it.
    ExclusiveAccessAllRegs,
}

impl PrType {
    const ALL: [(Self, bindings::pr_type); 6] = [
        (Self::WriteExclusive, bindings::pr_type_PR_WRITE_EXCLUSIVE),
        (Self::ExclusiveAccess, bindings::pr_type_PR_EXCLUSIVE_ACCESS),
        (
            Self::WriteExclusiveRegOnly,
            bindings::pr_type_PR_WRITE_EXCLUSIVE_REG_ONLY,
        ),
        (
            Self::ExclusiveAccessRegOnly,
            bindings::pr_type_PR_EXCLUSIVE_ACCESS_REG_ONLY,
        ),
        (
            Self::WriteExclusiveAllRegs,
            bindings::pr_type_PR_WRITE_EXCLUSIVE_ALL_REGS,
        ),
        (
            Self::ExclusiveAccessAllRegs,
            bindings::pr_type_PR_EXCLUSIVE_ACCESS_ALL_REGS,
        ),
    ];

    /// A type that a program asked for.
    fn from_raw(raw: bindings::pr_type) -> Result<Self> {
        Self::ALL
            .iter()
            .find_map(|(kind, value)| (*value == raw).then_some(*kind))
            .ok_or(EINVAL)
    }

    fn to_raw(self) -> bindings::pr_type {
        Self::ALL
            .iter()
            .find_map(|(kind, value)| (*kind == self).then_some(*value))
            // Not a type: all of them are in the table.
            .unwrap_or(0)
    }
}

/// What became of a reservation command (`enum pr_status`). What the host did wrong is an
/// [`Error`]; this is what the device said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PrStatus {
    /// It is done.
    Success,
    /// The device failed.
    IoError,
    /// Another host's reservation is in the way.
    Conflict,
    /// The path failed for now.
    RetryPath,
    /// The path failed, and the request was not to wait.
    PathFastFailed,
    /// The path is gone.
    PathFailed,
}

impl PrStatus {
    // CAST: all of them are small.
    const fn to_raw(self) -> c_int {
        (match self {
            Self::Success => bindings::pr_status_PR_STS_SUCCESS,
            Self::IoError => bindings::pr_status_PR_STS_IOERR,
            Self::Conflict => bindings::pr_status_PR_STS_RESERVATION_CONFLICT,
            Self::RetryPath => bindings::pr_status_PR_STS_RETRY_PATH_FAILURE,
            Self::PathFastFailed => bindings::pr_status_PR_STS_PATH_FAST_FAILED,
            Self::PathFailed => bindings::pr_status_PR_STS_PATH_FAILED,
        }) as c_int
    }
}

/// Takes the keys that are registered (`struct pr_keys`).
pub(crate) struct PrKeys<'a> {
    raw: *mut bindings::pr_keys,
    room: u32,
    seen: u32,
    _raw: PhantomData<&'a mut bindings::pr_keys>,
}

impl PrKeys<'_> {
    /// # Safety
    ///
    /// `raw` and the `num_keys` keys behind it are valid for writes for `'a`, and nobody else
    /// uses them.
    unsafe fn new(raw: *mut bindings::pr_keys) -> Self {
        Self {
            raw,
            // SAFETY: by this function's requirements.
            room: unsafe { (*raw).num_keys },
            seen: 0,
            _raw: PhantomData,
        }
    }

    /// How many keys the asker has room for.
    pub(crate) fn room(&self) -> u32 {
        self.room
    }

    /// One more key. Those that there is no room for are counted only.
    pub(crate) fn add(&mut self, key: u64) {
        if self.seen < self.room {
            // SAFETY: by `new`'s requirements there is room for `room` keys behind the
            // structure. CAST: widening.
            unsafe {
                (&raw mut (*self.raw).keys)
                    .cast::<u64>()
                    .add(self.seen as usize)
                    .write(key);
            }
        }
        self.seen = self.seen.saturating_add(1);
    }

    /// How often the registrations have changed.
    pub(crate) fn set_generation(&mut self, generation: u32) {
        // SAFETY: by `new`'s requirements.
        unsafe { (*self.raw).generation = generation };
    }

    fn finish(self) {
        // SAFETY: by `new`'s requirements.
        unsafe { (*self.raw).num_keys = self.seen };
    }
}

/// The reservation that holds (`struct pr_held_reservation`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PrReservation {
    /// Whose it is.
    pub(crate) key: u64,
    /// How often the registrations have changed.
    pub(crate) generation: u32,
    /// What it keeps the others from; `None` if there is no reservation.
    pub(crate) kind: Option<PrType>,
}

/// The functions that C calls.
///
/// Common requirements of all of them: `bdev` is of a disk of `T`, and open for the duration of
/// the call.
struct PrTable<T: BlockDevice>(PhantomData<T>);

/// The table for `T`; null if `T` has none of the calls.
pub(super) const fn ops<T: BlockDevice>() -> *const kernel::bindings::pr_ops {
    let any = T::HAS_PR_REGISTER
        || T::HAS_PR_RESERVE
        || T::HAS_PR_RELEASE
        || T::HAS_PR_PREEMPT
        || T::HAS_PR_CLEAR
        || T::HAS_PR_READ_KEYS
        || T::HAS_PR_READ_RESERVATION;
    if any {
        // The kernel crate's bindings know the name of the structure only.
        (&raw const *PrTable::<T>::ops()).cast()
    } else {
        core::ptr::null()
    }
}

impl<T: BlockDevice> PrTable<T> {
    const fn ops() -> &'static bindings::pr_ops {
        const {
            &bindings::pr_ops {
                pr_register: only_if!(T::HAS_PR_REGISTER, Self::register),
                pr_reserve: only_if!(T::HAS_PR_RESERVE, Self::reserve),
                pr_release: only_if!(T::HAS_PR_RELEASE, Self::release),
                pr_preempt: only_if!(T::HAS_PR_PREEMPT, Self::preempt),
                pr_clear: only_if!(T::HAS_PR_CLEAR, Self::clear),
                pr_read_keys: only_if!(T::HAS_PR_READ_KEYS, Self::read_keys),
                pr_read_reservation: only_if!(T::HAS_PR_READ_RESERVATION, Self::read_reservation),
            }
        }
    }

    /// # Safety
    ///
    /// See [`PrTable`].
    unsafe extern "C" fn register(
        bdev: *mut bindings::block_device,
        old_key: u64,
        new_key: u64,
        flags: u32,
    ) -> c_int {
        // SAFETY: by this function's requirements.
        let disk = unsafe { DiskRef::<T>::new(bdev) };
        from_result(|| {
            T::pr_register(&disk, old_key, new_key, ignore_key(flags)?).map(PrStatus::to_raw)
        })
    }

    /// # Safety
    ///
    /// See [`PrTable`].
    unsafe extern "C" fn reserve(
        bdev: *mut bindings::block_device,
        key: u64,
        kind: bindings::pr_type,
        flags: u32,
    ) -> c_int {
        // SAFETY: by this function's requirements.
        let disk = unsafe { DiskRef::<T>::new(bdev) };
        from_result(|| {
            T::pr_reserve(&disk, key, PrType::from_raw(kind)?, ignore_key(flags)?)
                .map(PrStatus::to_raw)
        })
    }

    /// # Safety
    ///
    /// See [`PrTable`].
    unsafe extern "C" fn release(
        bdev: *mut bindings::block_device,
        key: u64,
        kind: bindings::pr_type,
    ) -> c_int {
        // SAFETY: by this function's requirements.
        let disk = unsafe { DiskRef::<T>::new(bdev) };
        from_result(|| T::pr_release(&disk, key, PrType::from_raw(kind)?).map(PrStatus::to_raw))
    }

    /// # Safety
    ///
    /// See [`PrTable`].
    unsafe extern "C" fn preempt(
        bdev: *mut bindings::block_device,
        old_key: u64,
        new_key: u64,
        kind: bindings::pr_type,
        abort: bool,
    ) -> c_int {
        // SAFETY: by this function's requirements.
        let disk = unsafe { DiskRef::<T>::new(bdev) };
        from_result(|| {
            T::pr_preempt(&disk, old_key, new_key, PrType::from_raw(kind)?, abort)
                .map(PrStatus::to_raw)
        })
    }

    /// # Safety
    ///
    /// See [`PrTable`].
    unsafe extern "C" fn clear(bdev: *mut bindings::block_device, key: u64) -> c_int {
        // SAFETY: by this function's requirements.
        let disk = unsafe { DiskRef::<T>::new(bdev) };
        from_result(|| T::pr_clear(&disk, key).map(PrStatus::to_raw))
    }

    /// # Safety
    ///
    /// See [`PrTable`]. `keys` has room for as many keys as it says, for the duration of the
    /// call.
    unsafe extern "C" fn read_keys(
        bdev: *mut bindings::block_device,
        keys: *mut bindings::pr_keys,
    ) -> c_int {
        // SAFETY: by this function's requirements.
        let disk = unsafe { DiskRef::<T>::new(bdev) };
        // SAFETY: as above; C uses them after the call only.
        let mut keys = unsafe { PrKeys::new(keys) };
        from_result(|| {
            let status = T::pr_read_keys(&disk, &mut keys)?;
            keys.finish();
            Ok(status.to_raw())
        })
    }

    /// # Safety
    ///
    /// See [`PrTable`]. `held` is valid for writes for the duration of the call.
    unsafe extern "C" fn read_reservation(
        bdev: *mut bindings::block_device,
        held: *mut bindings::pr_held_reservation,
    ) -> c_int {
        // SAFETY: by this function's requirements.
        let disk = unsafe { DiskRef::<T>::new(bdev) };
        from_result(|| {
            let found = T::pr_read_reservation(&disk)?;
            // SAFETY: by this function's requirements.
            unsafe {
                (*held).key = found.key;
                (*held).generation = found.generation;
                (*held).type_ = found.kind.map_or(0, PrType::to_raw);
            }
            Ok(0)
        })
    }
}

/// The one flag that there is; C has refused others of programs, but not those of other
/// callers in the kernel.
fn ignore_key(flags: u32) -> Result<bool> {
    match flags {
        0 => Ok(false),
        bindings::PR_FL_IGNORE_KEY => Ok(true),
        _ => Err(EOPNOTSUPP),
    }
}
