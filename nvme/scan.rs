// SPDX-License-Identifier: GPL-2.0

//! Which namespaces there are, and what each is: at bring-up, and whenever that may have changed.
//!
//! NVM Express Base Specification 2.0c, 5.17.2.2 and 5.16.1.5.
//!
//! One work item does all of it, so disks come, change and go in one place at a time. What it
//! does not know for sure changes nothing: a namespace goes when a list that the controller gave
//! without an error does not have it, not when a command fails.

use super::{
    admin::{
        Admin,
        AdminError, //
    },
    controller::{
        Controller,
        SCAN, //
    },
    io::IoQueues,
    namespace::{
        self,
        Change, //
    },
    reset::Cause,
    spec::{
        admin,
        ids::Nsid,
        log::ChangedNsList,
        regs::Version, //
    },
    state::State, //
};
use crate::{
    mq::GenDisk,
    os::{
        memory::without_io,
        work, //
    },
};
use kernel::{
    impl_has_work,
    prelude::*,
    sync::Arc,
    workqueue::WorkItem, //
};

/// The largest number of namespaces that is looked for on a controller that does not
/// know lists of them: it would be asked for each.
const MAX_COUNTED_NAMESPACES: u32 = 1024;

/// The largest number of lists of namespaces that are asked for, of 1024 each: as many namespaces as
/// the kernel has numbers for disks. A controller could go on for weeks, with the device's lock held.
const MAX_LISTS: u32 = 1024;

/// After so many scans in a row during which a command was not answered, the end of a reset
/// leads to no further one: it may have been the scan that led to the reset.
const MAX_FAILURES: u32 = 3;

/// What is wanted of the work item.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// To read the controller's list of what has changed, and to look at that. Until it was read,
    /// the controller tells of no further change.
    changed: bool,
    /// To look at all namespaces.
    all: bool,
}

impl Wanted {
    const NOTHING: Self = Self {
        changed: false,
        all: false,
    };
    /// The controller says that something has changed.
    pub(super) const CHANGED: Self = Self {
        changed: true,
        all: false,
    };
    /// Nobody knows what has changed.
    pub(super) const ALL: Self = Self {
        changed: false,
        all: true,
    };

    fn add(&mut self, other: Self) {
        self.changed |= other.changed;
        self.all |= other.all;
    }
}

/// Where scanning stands.
pub(super) struct Scans {
    /// Whoever brings the controller up looks by himself; the work item has to wait.
    first: bool,
    wanted: Wanted,
    /// How the last one ended.
    result: Result,
    failures: u32,
}

impl Scans {
    /// There was none yet.
    pub(super) const fn new() -> Self {
        Self {
            first: true,
            wanted: Wanted::NOTHING,
            result: Ok(()),
            failures: 0,
        }
    }
}

/// Which namespaces to look at.
enum Which {
    All,
    These(KBox<ChangedNsList>),
}

impl Which {
    fn contains(&self, nsid: Nsid) -> bool {
        match self {
            Self::All => true,
            Self::These(list) => list.nsid.iter().any(|changed| changed.get() == nsid.get()),
        }
    }
}

impl_has_work! {
    impl HasWork<Self, SCAN> for Controller { self.scan_work }
}

impl WorkItem<SCAN> for Controller {
    type Pointer = Arc<Controller>;

    fn run(this: Arc<Controller>) {
        let wanted = {
            let mut scans = this.scans.lock();
            // After a pause there is a reset, which has this run again.
            if scans.first || this.is_paused() {
                return;
            }
            core::mem::take(&mut scans.wanted)
        };
        // The I/O that an allocation would wait for may wait for this: see `ioctl`.
        let result = without_io(|| this.scan(wanted));
        let by_time_out = this.resets.lock().cause == Cause::TimeOut;
        let mut scans = this.scans.lock();
        scans.failures = match result {
            Ok(()) => 0,
            // A user's reset is in the way now and then.
            Err(_) if by_time_out => scans.failures.saturating_add(1),
            Err(_) => scans.failures,
        };
        if result.is_err() {
            // The next one makes up for it.
            scans.wanted.add(wanted);
        }
        scans.result = result;
    }
}

impl Controller {
    /// The first look, of whoever brings the controller up. One that cannot be used is named in
    /// the log, and the others are there all the same. May sleep.
    pub(super) fn scan_first(self: &Arc<Self>) {
        // The log says what was wrong; the end of a reset, or a user, leads to another look.
        let _ = self.scan(Wanted::ALL);
        let again = {
            let mut scans = self.scans.lock();
            scans.first = false;
            scans.wanted
        };
        if again != Wanted::NOTHING {
            self.scan_soon(again);
        }
    }

    /// Has the work item look for namespaces; not once the device is being given back. May
    /// sleep, briefly.
    pub(super) fn scan_soon(self: &Arc<Self>, wanted: Wanted) {
        {
            let mut scans = self.scans.lock();
            scans.wanted.add(wanted);
        }
        let resets = self.resets.lock();
        // Under the lock, so that who closes resets and then cancels this one finds it.
        if !resets.closed {
            self.globals.slow.enqueue::<_, SCAN>(self.clone());
        }
    }

    /// After a reset: what has changed meanwhile was not reported.
    pub(super) fn scan_after_reset(self: &Arc<Self>) {
        if self.scans.lock().failures < MAX_FAILURES {
            self.scan_soon(Wanted::ALL);
        }
    }

    /// Looks for namespaces, and waits for the end of that. May sleep as long as it takes.
    ///
    /// # Errors
    ///
    /// `ENODEV` if the device is dead or being given back, `EBUSY` if it is being brought up, and
    /// what a command met.
    pub(crate) fn scan_now(self: &Arc<Self>) -> Result {
        if !matches!(
            self.state.get(),
            State::Live | State::Resetting | State::Connecting
        ) {
            return Err(ENODEV);
        }
        if self.scans.lock().first {
            return Err(EBUSY);
        }
        self.scan_soon(Wanted::ALL);
        work::flush::<_, SCAN>(self);
        self.scans.lock().result
    }

    /// Waits for a scan that is under way. May sleep as long as it takes.
    pub(super) fn wait_for_scan(self: &Arc<Self>) {
        work::flush::<_, SCAN>(self);
    }

    /// Lets no scan go on. For who has closed resets. May sleep.
    pub(super) fn stop_scanning(self: &Arc<Self>) {
        work::cancel_sync::<_, SCAN>(self);
    }

    /// # Errors
    ///
    /// The controller does not answer, so that it is no use to ask on.
    fn scan(self: &Arc<Self>, wanted: Wanted) -> Result {
        if wanted == Wanted::NOTHING || self.look(|hw| hw.io_set()).flatten().is_none() {
            return Ok(());
        }
        let admin = self.admin()?;
        let changed = if wanted.changed {
            self.changed(&admin)?
        } else {
            Which::All
        };
        let which = if wanted.all { Which::All } else { changed };
        if self.version < Version::V1_1 || !self.scan_lists(&admin, &which)? {
            let count = self.identify().map_or(0, |identity| identity.nn.get());
            for nsid in 1..=count.min(MAX_COUNTED_NAMESPACES) {
                let nsid = Nsid::new(nsid);
                if which.contains(nsid) {
                    self.scan_namespace(&admin, nsid)?;
                }
            }
        }
        Ok(())
    }

    /// What the controller says has changed since it was asked last.
    fn changed(&self, admin: &Admin) -> Result<Which> {
        Ok(match admin.query(admin::get_changed_ns_list()) {
            Ok(list) => match list.nsid.first().map(|nsid| Nsid::new(nsid.get())) {
                // Too many for the list; or somebody else has read it.
                Some(Nsid::ALL | Nsid::NONE) | None => Which::All,
                Some(_) => Which::These(list),
            },
            Err(error @ AdminError::Status(_)) => {
                self.complain("Get Log Page, Changed Namespace List", &error);
                Which::All
            }
            Err(AdminError::Kernel(error)) => return Err(error),
        })
    }

    /// Goes through the lists of active namespaces. Returns false if the controller has none.
    fn scan_lists(self: &Arc<Self>, admin: &Admin, which: &Which) -> Result<bool> {
        let mut after = Nsid::NONE;
        for _ in 0..MAX_LISTS {
            self.may_scan()?;
            let list = match admin.query(admin::identify_active_ns_list(after)) {
                Ok(list) => list,
                Err(error @ AdminError::Status(_)) => {
                    self.complain("Identify, active namespaces", &error);
                    // What the lists before this one had, is done.
                    return Ok(after != Nsid::NONE);
                }
                Err(AdminError::Kernel(error)) => return Err(error),
            };
            let next = list.next(after);
            self.remove_disks(|nsid| {
                nsid > after
                    && next.is_none_or(|last| nsid <= last)
                    && list.iter(after).all(|active| active != nsid)
            });
            for nsid in list.iter(after).filter(|nsid| which.contains(*nsid)) {
                self.scan_namespace(admin, nsid)?;
            }
            match next {
                Some(last) => after = last,
                None => return Ok(true),
            }
        }
        self.warn(format_args!(
            "more than {MAX_LISTS} lists of namespaces: those after {after} are left out"
        ));
        Ok(true)
    }

    /// # Errors
    ///
    /// `ENODEV` if nobody wants to know any more which namespaces there are.
    fn may_scan(&self) -> Result {
        match self.state.get() {
            State::Deleting | State::Dead => Err(ENODEV),
            _ => Ok(()),
        }
    }

    /// Removes the disks of namespaces that `gone` is true of: who has one open gets errors.
    fn remove_disks(&self, gone: impl Fn(Nsid) -> bool) {
        loop {
            let disk = {
                let mut disks = self.disks.lock();
                let Some(index) = disks.iter().position(|disk| gone(disk.data().nsid())) else {
                    return;
                };
                disks.remove(index)
            };
            // Not under the lock: who reads an attribute may take it, and is waited for.
            if let Ok(disk) = disk {
                self.say(format_args!(
                    "namespace {}: its disk is removed",
                    disk.data().nsid()
                ));
                // What is still to be written has no place any more.
                disk.mark_dead();
                drop(disk);
            }
        }
    }

    /// Looks at one namespace: a disk is made, changed, or removed.
    fn scan_namespace(self: &Arc<Self>, admin: &Admin, nsid: Nsid) -> Result {
        self.may_scan()?;
        match self.update_namespace(admin, nsid) {
            Ok(()) => Ok(()),
            Err(AdminError::Kernel(error)) => {
                self.warn(format_args!(
                    "namespace {nsid}: {error:?}, left as it is; a rescan tries again"
                ));
                if error == ETIMEDOUT || error == ENODEV {
                    return Err(error);
                }
                Ok(())
            }
            Err(error @ AdminError::Status(_)) => {
                self.warn(format_args!("namespace {nsid}: {error}, left as it is"));
                Ok(())
            }
        }
    }

    fn update_namespace(
        self: &Arc<Self>,
        admin: &Admin,
        nsid: Nsid,
    ) -> core::result::Result<(), AdminError> {
        let Some(found) = namespace::look(self, admin, nsid)? else {
            self.remove_disks(|other| other == nsid);
            return Ok(());
        };
        let change = {
            let disks = self.disks.lock();
            disks
                .iter()
                .find(|disk| disk.data().nsid() == nsid)
                .map(|disk| namespace::update(disk, &found))
        };
        match change {
            Some(Change::Done) => return Ok(()),
            // Behind the same number is something else now.
            Some(Change::Other) => self.remove_disks(|other| other == nsid),
            None => {}
        }
        self.keep(namespace::add(self, nsid, found)?);
        Ok(())
    }

    fn keep(&self, disk: GenDisk<IoQueues>) {
        let mut disks = self.disks.lock();
        if self.state.get() == State::Dead {
            // Who declared it dead has looked at the disks already.
            disk.mark_dead();
        }
        if disks.reserve(1, GFP_KERNEL).is_err() {
            // Not under the lock, as in `remove_disks()`.
            drop(disks);
            let nsid = disk.data().nsid();
            self.warn(format_args!("namespace {nsid}: no disk: out of memory"));
            return drop(disk);
        }
        // There is a place for it.
        let _ = disks.push(disk, GFP_KERNEL);
    }
}
