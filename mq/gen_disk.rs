// SPDX-License-Identifier: GPL-2.0

//! Disks: making, changing and removing them (`struct gendisk`).
//!
//! C header: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h).

use super::{
    disk_count::Token,
    disk_table::DiskTable,
    limits_update::LimitsUpdate,
    BlockDevice,
    Disk,
    DiskEvents,
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
    mem,
    ops::Deref,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    error::{
        from_err_ptr,
        to_result, //
    },
    fmt,
    prelude::*,
    str::NullTerminatedFormatter,
    sync::Arc,
    time::{
        delay::fsleep,
        Delta, //
    },
};

/// The most that a disk can have, in bytes (`BLK_DEV_MAX_SECTORS`).
const MAX_CAPACITY: u64 = i64::MAX as u64 & !511;

/// A capacity in sectors.
fn sectors(capacity: u64) -> Result<u64> {
    if capacity > MAX_CAPACITY || capacity % 512 != 0 {
        return Err(EINVAL);
    }
    Ok(capacity >> bindings::SECTOR_SHIFT)
}

/// What a disk is made with. There is no half-made disk: everything is said here, and
/// [`GenDiskBuilder::build`] makes it and shows it to the world.
pub(crate) struct GenDiskBuilder<'a, T: BlockDevice> {
    limits: QueueLimits,
    capacity: u64,
    read_only: bool,
    flags: c_uint,
    events: DiskEvents,
    parent: Option<&'a ClassDeviceRef>,
    groups: Option<&'static AttributeGroups<OfDisk, T::QueueData>>,
}

impl<'a, T: BlockDevice> GenDiskBuilder<'a, T> {
    /// A disk of `capacity` bytes, a multiple of 512. Limits go in here, complete, once.
    pub(crate) fn new(limits: QueueLimits, capacity: u64) -> Self {
        Self {
            limits,
            capacity,
            read_only: false,
            flags: 0,
            events: DiskEvents::NONE,
            parent: None,
            groups: None,
        }
    }

    /// Makes the disk read-only (`set_disk_ro`).
    pub(crate) fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// The medium can be taken out (`GENHD_FL_REMOVABLE`).
    pub(crate) fn removable(self, yes: bool) -> Self {
        self.flag(yes, bindings::GENHD_FL_REMOVABLE)
    }

    /// The disk is not looked for partitions, and has none (`GENHD_FL_NO_PART`). True of disks
    /// with zones without this.
    pub(crate) fn no_part(self, yes: bool) -> Self {
        self.flag(yes, bindings::GENHD_FL_NO_PART)
    }

    /// Nobody can open the disk, and it makes no noise; it is in sysfs only, for a driver that
    /// reaches it by itself (`GENHD_FL_HIDDEN`).
    pub(crate) fn hidden(self, yes: bool) -> Self {
        self.flag(yes, bindings::GENHD_FL_HIDDEN)
    }

    fn flag(mut self, yes: bool, flag: c_uint) -> Self {
        self.flags = if yes {
            self.flags | flag
        } else {
            self.flags & !flag
        };
        self
    }

    /// Has the block layer ask for `events` now and then, if the driver has
    /// [`BlockDevice::check_events`], and tell user space of them.
    pub(crate) fn events(mut self, events: DiskEvents) -> Self {
        self.events = events;
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

    /// Makes the disk and shows it to the world (`__blk_mq_alloc_disk`,
    /// `blk_revalidate_disk_zones`, `device_add_disk`). Zones are asked for and partitions read
    /// here, so callbacks and requests arrive before this returns. May sleep, for as long as
    /// these requests take.
    ///
    /// # Errors
    ///
    /// `EINVAL` for limits that the block layer would refuse (the log says which), for a
    /// capacity that is no whole number of sectors or more than 2^63 bytes, for a name of more
    /// than 31 bytes, or for zones that nobody can report; `EEXIST` if the name is taken;
    /// `ENODEV` without a [`super::Disks`]; `ENOMEM`; what reporting zones met.
    pub(crate) fn build(
        self,
        name: fmt::Arguments<'_>,
        set: Arc<TagSet<T>>,
        data: Arc<T::QueueData>,
    ) -> Result<GenDisk<T>> {
        let capacity = sectors(self.capacity)?;
        if self.limits.zones.is_some() && !T::HAS_REPORT_ZONES {
            return Err(EINVAL);
        }
        let mut limits = self
            .limits
            .to_raw()
            .inspect_err(|wrong| pr_err!("{}: no disk: {}\n", name, format_args!("{wrong}")))?;
        let token = Token::new()?;
        let private = Arc::into_raw(data).cast_mut();
        let allocate = || {
            // SAFETY: the set is allocated, the limits are copied during the call, and
            // the data stay until `free_disk`.
            from_err_ptr(unsafe {
                bindings::__blk_mq_alloc_disk(
                    set.as_raw(),
                    &mut limits,
                    private.cast(),
                    kernel::static_lock_class!().as_ptr(),
                )
            })
            .and_then(|disk| NonNull::new(disk).ok_or(ENOMEM))
        };
        let disk = set
            // SAFETY: a new disk has its request queue.
            .add_queue(allocate, |disk| unsafe { (*disk.as_ptr()).queue })
            // SAFETY: `private` came from `into_raw()` above and nobody else took it.
            .inspect_err(|_| drop(unsafe { Arc::from_raw(private) }))?;
        // From here on it lives as long as the disk: `take_back` has it.
        mem::forget(token);

        let raw = disk.as_ptr();
        // SAFETY: nobody else knows of the new disk. CAST: flags are small.
        unsafe {
            (*raw).fops = DiskTable::<T>::fops();
            (*raw).private_data = private.cast();
            (*raw).flags |= self.flags as c_int;
            (*raw).events = self.events.to_raw() as u16;
            if T::HAS_CHECK_EVENTS {
                (*raw).event_flags |=
                    (bindings::DISK_EVENT_FLAG_POLL | bindings::DISK_EVENT_FLAG_UEVENT) as u16;
            }
        }
        // INVARIANT: `private_data` and the queue's data are set, `added` is false.
        let mut this = GenDisk {
            disk,
            added: false,
            set,
        };
        // SAFETY: as above; the array is this disk's own.
        let disk_name = unsafe { &mut (*raw).disk_name };
        let mut writer = NullTerminatedFormatter::new(disk_name).ok_or(EINVAL)?;
        writer.write_fmt(name).map_err(|_| EINVAL)?;
        // SAFETY: the disk is live and not yet added.
        unsafe {
            bindings::set_capacity(raw, capacity);
            if self.read_only {
                bindings::set_disk_ro(raw, true);
            }
        }
        if self.limits.zones.is_some() {
            this.revalidate_zones()?;
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

/// Takes the data of a disk back, and the token that counts it. The token goes last.
///
/// # Safety
///
/// Called once for each disk that `build()` made, when nobody uses its data any more.
pub(super) unsafe fn take_back<T: Operations>(
    disk: *mut bindings::gendisk,
) -> (Arc<T::QueueData>, Token) {
    // SAFETY: `build()` put it there by `Arc::into_raw`, and forgot the token; by this
    // function's requirements both are taken once.
    unsafe {
        (
            Arc::from_raw((*disk).private_data.cast()),
            Token::from_forgotten(),
        )
    }
}

/// A disk (`struct gendisk`). Dropping it removes the disk: no new opener, dirty data are
/// written back while its queue still serves requests, partitions and attributes go, and
/// requests under way are waited for. Those who have it open keep what is left of it: their
/// requests fail, and [`BlockDevice::free_disk`] comes with the last of them.
///
/// # Invariants
///
/// `disk` is live, and a disk as [`Disk`]'s invariant says, whose data `take_back` has not
/// taken; it was added if `added`.
pub(crate) struct GenDisk<T: Operations> {
    disk: NonNull<bindings::gendisk>,
    added: bool,
    set: Arc<TagSet<T>>,
}

// SAFETY: a disk may be removed from any thread; its data are `Send` and `Sync`.
unsafe impl<T: Operations> Send for GenDisk<T> {}
// SAFETY: as above; the shared methods are thread-safe in C.
unsafe impl<T: Operations> Sync for GenDisk<T> {}

impl<T: Operations> Deref for GenDisk<T> {
    type Target = Disk<T>;

    fn deref(&self) -> &Disk<T> {
        // SAFETY: by the type invariant.
        unsafe { Disk::from_raw(self.disk.as_ptr()) }
    }
}

impl<T: Operations> GenDisk<T> {
    /// The request queue.
    pub(crate) fn queue(&self) -> &RequestQueue<T> {
        // SAFETY: a live disk has a live queue, with the data of `Disk`'s invariant; we keep
        // its tag set.
        unsafe { RequestQueue::from_raw((*self.as_raw()).queue) }
    }

    /// Changes the capacity, in bytes, and tells user space (`set_capacity_and_notify`). True
    /// if it was told: not if the capacity is the same, or was or is 0. May sleep.
    ///
    /// # Errors
    ///
    /// `EINVAL` for more than 2^63 bytes, or what is no whole number of sectors of 512.
    pub(crate) fn set_capacity(&self, capacity: u64) -> Result<bool> {
        let sectors = sectors(capacity)?;
        // SAFETY: live by the type invariant; no locks held.
        Ok(unsafe { bindings::set_capacity_and_notify(self.as_raw(), sectors) })
    }

    /// Makes the disk read-only or writable, and tells user space if that is new
    /// (`set_disk_ro`). May sleep.
    pub(crate) fn set_read_only(&self, read_only: bool) {
        // SAFETY: live by the type invariant.
        unsafe { bindings::set_disk_ro(self.as_raw(), read_only) };
    }

    /// Changes the limits, all at once (`queue_limits_start_update`,
    /// `queue_limits_commit_update_frozen`): `change` gets those in effect, and what it leaves
    /// goes in effect with no request under way. What the administrator has set stays.
    ///
    /// May sleep. Waits for all requests of the disk, so the caller must hold nothing that one
    /// of these needs to end; `change` runs with the limits locked, and must not change those
    /// of this disk again.
    ///
    /// # Errors
    ///
    /// What `change` says, and `EINVAL` for limits that the block layer refuses; those in
    /// effect stay then.
    pub(crate) fn update_limits(&self, change: impl FnOnce(&mut QueueLimits) -> Result) -> Result {
        let update = LimitsUpdate::start(self.queue());
        let mut limits = update.limits()?;
        change(&mut limits)?;
        update.commit_frozen(&limits)
    }

    /// As [`Self::update_limits`], and calls `also` once the new limits are in effect, while
    /// there is still no request under way: for what the driver itself keeps of them.
    ///
    /// # Errors
    ///
    /// As there; `also` is not called then.
    pub(crate) fn update_limits_and(
        &self,
        change: impl FnOnce(&mut QueueLimits) -> Result,
        also: impl FnOnce(),
    ) -> Result {
        let update = LimitsUpdate::start(self.queue());
        let mut limits = update.limits()?;
        change(&mut limits)?;
        // In this order, as everywhere: first the lock of the limits.
        let frozen = self.queue().freeze();
        update.commit(&limits)?;
        also();
        drop(frozen);
        Ok(())
    }

    /// Asks for the zones anew, after the device has changed them
    /// (`blk_revalidate_disk_zones`). May sleep; calls [`BlockDevice::report_zones`], and
    /// freezes the queue.
    ///
    /// # Errors
    ///
    /// `EIO` for a disk without zones, `ENODEV` for zones that make no sense, `ENOMEM`, and what
    /// the report met. The disk cannot be written then.
    pub(crate) fn revalidate_zones(&mut self) -> Result {
        // SAFETY: live by the type invariant; that it has zones does not change.
        let features = unsafe { (*(*self.as_raw()).queue).limits.features };
        if features & bindings::BLK_FEAT_ZONED == 0 {
            return Err(EIO);
        }
        // SAFETY: live by the type invariant, and exclusive: C does not lock this.
        to_result(unsafe { bindings::rnvme_revalidate_disk_zones(self.as_raw()) })
    }

    /// Tells user space that something about the disk changed (`kobject_uevent_env`,
    /// `KOBJ_CHANGE`), with `variable` (`NAME=value`) in the message. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, or what sending meets.
    pub(crate) fn notify(&self, variable: &CStr) -> Result {
        // SAFETY: live by the type invariant; the text is copied during the call.
        to_result(unsafe { bindings::rnvme_disk_notify(self.as_raw(), variable.as_char_ptr()) })
    }

    /// Makes every request from now on fail at once, dirty data included
    /// (`blk_mark_disk_dead`). For a device that is gone. May sleep. Does not wait for requests
    /// under way.
    pub(crate) fn mark_dead(&self) {
        // SAFETY: live by the type invariant.
        unsafe { bindings::blk_mark_disk_dead(self.as_raw()) };
    }
}

impl<T: Operations> Drop for GenDisk<T> {
    fn drop(&mut self) {
        let raw = self.disk.as_ptr();
        if self.added {
            // SAFETY: live and added by the type invariant. Waits for all requests.
            unsafe { bindings::del_gendisk(raw) };
        } else {
            // C does not wait for requests of a disk that it has not added. Only callbacks
            // could send any, and none of them is called any more.
            drop(self.queue().freeze());
        }
        // Nor does it wait for the callbacks, to which the data and the set are lent.
        self.set.wait_callbacks();
        if self.added {
            // SAFETY: our reference; `free_disk` gives the data back with the last one.
            unsafe { bindings::put_disk(raw) };
            return;
        }
        // Adding may have failed halfway, and a reader of `/proc/diskstats` still have the
        // disk; he is about to give it back.
        // SAFETY: live by the type invariant.
        while unsafe { bindings::rnvme_disk_is_shared(raw) } {
            fsleep(Delta::from_millis(1));
        }
        // SAFETY: live by the type invariant. C calls `free_disk` only for disks that were
        // added, so the data are ours, and go after the queue that points to them.
        unsafe {
            let (data, token) = take_back::<T>(raw);
            bindings::put_disk(raw);
            drop(data);
            drop(token);
        }
    }
}
