// SPDX-License-Identifier: GPL-2.0

//! A controller and its life.
//!
//! It lives until the last file that has its node open is closed; what is acquired of
//! the device is in [`Hardware`], and goes when the device is unbound.

use super::{
    admin::Admin,
    hardware::Hardware,
    io::IoQueues,
    namespace,
    registers::Registers,
    spec::{
        admin,
        identify_ctrl::{
            ControllerType,
            IdentifyCtrl, //
        },
        identify_ctrl_nvm::IdentifyCtrlNvm,
        ids::{
            Nsid,
            QueueId, //
        },
        regs::Version,
        status::Status, //
    },
    state::{
        State,
        StateMachine, //
    },
    sysfs,
};
use crate::{
    mq::{
        BlkStatus,
        GenDisk, //
    },
    os::{
        chrdev,
        device::ClassDeviceRef,
        globals::Globals,
        ida::Instance,
        params,
        work, //
    },
    pci::{
        Bar,
        Lease, //
    },
};
use kernel::{
    impl_has_work, new_mutex, new_work,
    prelude::*,
    str::CString,
    sync::{
        Arc,
        Mutex,
        SetOnce, //
    },
    workqueue::{
        Work,
        WorkItem, //
    },
};

/// The largest number of namespaces that is looked for on a controller that does not
/// know lists of them: it would be asked for each.
const MAX_COUNTED_NAMESPACES: u32 = 1024;

/// The longest pause before a retry: a device may ask for two hours.
const MAX_RETRY_DELAY_MS: u32 = 5000;

/// A controller, `/dev/rnvmeN`.
#[pin_data]
pub(crate) struct Controller {
    instance: Instance,
    name: CString,
    /// Where it is, for log lines: the name of the PCI function.
    address: CString,
    state: StateMachine,
    globals: Arc<Globals>,
    version: Version,
    identity: SetOnce<KBox<IdentifyCtrl>>,
    /// What the NVM command set adds to it, if the controller knows.
    command_set: SetOnce<KBox<IdentifyCtrlNvm>>,
    /// What is acquired of the device; empty once it was given back.
    #[pin]
    hardware: Mutex<Option<Hardware>>,
    /// The way to send admin commands; empty once the device was given back.
    #[pin]
    admin: Mutex<Option<Arc<Admin>>>,
    #[pin]
    disks: Mutex<KVec<GenDisk<IoQueues>>>,
    #[pin]
    node: Mutex<Option<chrdev::Registration<Controller>>>,
    #[pin]
    death: Work<Controller>,
}

impl_has_work! {
    impl HasWork<Self> for Controller { self.death }
}

impl WorkItem for Controller {
    type Pointer = Arc<Controller>;

    /// Stops a controller that does not answer any more, and fails all its requests.
    fn run(this: Arc<Controller>) {
        if this.stop(BlkStatus::Timeout) {
            this.say(format_args!(
                "stopped; all commands failed. Unbind and bind the device to try again"
            ));
        }
        for disk in this.disks.lock().iter() {
            disk.mark_dead();
        }
    }
}

impl Controller {
    /// Takes the device that `lease` is for, up to its disks. May sleep.
    ///
    /// # Errors
    ///
    /// The device is as it was, and the log says what was wrong.
    pub(crate) fn new(lease: Lease, globals: Arc<Globals>) -> Result<Arc<Self>> {
        let instance = Instance::new()?;
        let bar = Bar::new(lease.clone(), 0, Registers::MIN_LEN, c"rnvme")?;
        let registers = Registers::new(bar)
            .inspect_err(|error| dev_err!(lease.device(), "{}\n", format_args!("{error}")))?;
        let registers = Arc::new(registers, GFP_KERNEL)?;
        let version = registers.version();
        let name = CString::try_from_fmt(fmt!("rnvme{}", instance.number()))?;
        let address = CString::try_from_fmt(fmt!("{}", lease.device().name()))?;
        let this = Arc::pin_init(
            try_pin_init!(Self {
                instance,
                name,
                address,
                state: StateMachine::new(),
                globals,
                version,
                identity: SetOnce::new(),
                command_set: SetOnce::new(),
                hardware <- new_mutex!(None),
                admin <- new_mutex!(None),
                disks <- new_mutex!(KVec::new()),
                node <- new_mutex!(None),
                death <- new_work!("rnvme::death"),
            }),
            GFP_KERNEL,
        )?;
        this.change_state(State::Connecting)?;
        match this.bring_up(lease, registers) {
            Ok(()) => Ok(this),
            Err(error) => {
                this.give_back();
                Err(error)
            }
        }
    }

    fn bring_up(self: &Arc<Self>, lease: Lease, registers: Arc<Registers>) -> Result {
        let hardware = Hardware::new(lease.clone(), registers, self.instance.number())?;
        let admin = hardware.admin(self.clone())?;
        *self.admin.lock() = Some(admin.clone());
        *self.hardware.lock() = Some(hardware);

        let identity = admin
            .query(admin::identify_ctrl())
            .inspect_err(|error| self.complain("Identify Controller", error))?;
        if !identity.has_usual_entry_sizes() {
            self.say(format_args!(
                "queue entries of 64 and 16 bytes are not supported (SQES, CQES)"
            ));
            return Err(ENODEV);
        }
        let kind = identity.controller_type();
        self.identity.populate(identity);
        let has_io = !self.with_hardware(|hw| Ok(hw.registers().cap().admin_only()))?
            && matches!(kind, ControllerType::Io | ControllerType::NotReported);
        if has_io {
            self.ask_command_set(&admin)?;
            self.make_io_queues(&admin)?;
        } else {
            self.say(format_args!(
                "no I/O controller ({kind:?}): admin commands only"
            ));
        }
        self.change_state(State::Live)?;
        self.make_node(&lease)?;
        if has_io {
            self.scan(&admin);
        }
        Ok(())
    }

    /// Asks for the limits that the NVM command set adds, if the controller knows them: it
    /// keeps a log of what it was asked in vain.
    fn ask_command_set(&self, admin: &Admin) -> Result {
        let knows = self.version >= Version::V2_0
            || self.with_hardware(|hw| Ok(hw.registers().cap().all_command_sets()))?;
        if !knows {
            return Ok(());
        }
        match admin.query(admin::identify_ctrl_nvm()) {
            Ok(limits) => {
                self.command_set.populate(limits);
            }
            Err(error) => {
                self.complain("Identify Controller for the NVM command set", &error);
            }
        }
        Ok(())
    }

    /// Makes as many I/O queues as the controller lets us have, fewer if it refuses one.
    fn make_io_queues(&self, admin: &Admin) -> Result {
        let wanted = self.with_hardware(|hw| Ok(hw.wanted_io_queues()))?;
        let granted = admin
            .set_queue_count(wanted)
            .inspect_err(|error| self.complain("Set Features, Number of Queues", error))?;
        let number = self.instance.number();
        let mut count = wanted.min(granted);
        // Each round has fewer queues than the one before.
        let made = loop {
            let made = self.with_hardware(|hw| hw.make_io_queues(number, count))?;
            match self.create_io_queues(admin, made)? {
                created if created == made => break made,
                0 => return Err(ENODEV),
                created => count = created,
            }
            self.say(format_args!("going on with {count} I/O queues"));
            for id in (1..=count).rev() {
                admin
                    .delete_queue_pair(QueueId::new(u16::try_from(id)?))
                    .inspect_err(|error| self.complain("Delete I/O Queue", error))?;
            }
            self.with_hardware(|hw| {
                hw.drop_io_queues();
                Ok(())
            })?;
        };
        self.say(format_args!(
            "{made} I/O queues of {} entries (asked for {wanted}, granted {granted}), NVMe {}",
            self.with_hardware(|hw| Ok(hw.io_entries()))?,
            self.version
        ));
        Ok(())
    }

    /// Tells the controller of the first `count` I/O queues. Returns how many it took.
    fn create_io_queues(&self, admin: &Admin, count: u32) -> Result<u32> {
        for created in 0..count {
            // CAST: widening.
            let index = created as usize;
            let queue = self.with_hardware(|hw| hw.io_queue(index).ok_or(EINVAL))?;
            let refused = admin
                .create_queue_pair(&queue)
                .inspect_err(|error| self.complain("Create I/O Queue", error))?;
            if let Some(status) = refused {
                self.complain("Create I/O Queue", &status);
                return Ok(created);
            }
            self.with_hardware(|hw| {
                hw.open_io_queue(index);
                Ok(())
            })?;
        }
        Ok(count)
    }

    /// Shows the controller in `/dev` and in its class.
    fn make_node(self: &Arc<Self>, lease: &Lease) -> Result {
        let node = chrdev::Registration::new(
            fmt!("{}", *self.name),
            self.globals.clone(),
            lease.device(),
            self.instance.number(),
            &sysfs::CONTROLLER_GROUPS,
            self.clone(),
        )?;
        *self.node.lock() = Some(node);
        Ok(())
    }

    /// Makes a disk of each active namespace. One that cannot be used is named in the
    /// log, and the others are there all the same.
    fn scan(self: &Arc<Self>, admin: &Admin) {
        let mut after = Nsid::NONE;
        if self.version >= Version::V1_1 {
            // There are fewer than 2^32 namespaces, and each round finds a higher one.
            loop {
                let list = match admin.query(admin::identify_active_ns_list(after)) {
                    Ok(list) => list,
                    Err(error) => {
                        self.complain("Identify, active namespaces", &error);
                        break;
                    }
                };
                for nsid in list.iter(after) {
                    self.add_namespace(admin, nsid);
                }
                match list.next(after) {
                    Some(last) => after = last,
                    None => return,
                }
            }
        }
        if after == Nsid::NONE {
            let count = self.identify().map_or(0, |identity| identity.nn.get());
            for nsid in 1..=count.min(MAX_COUNTED_NAMESPACES) {
                self.add_namespace(admin, Nsid::new(nsid));
            }
        }
    }

    fn add_namespace(self: &Arc<Self>, admin: &Admin, nsid: Nsid) {
        match namespace::add(self, admin, nsid) {
            Ok(Some(disk)) => {
                let mut disks = self.disks.lock();
                if self.state.get() == State::Dead {
                    // Who declared it dead has looked at the disks already.
                    disk.mark_dead();
                }
                if disks.push(disk, GFP_KERNEL).is_err() {
                    self.say(format_args!("namespace {nsid}: out of memory"));
                }
            }
            Ok(None) => {}
            Err(error) => self.say(format_args!(
                "namespace {nsid}: no disk, error {}",
                error.to_errno()
            )),
        }
    }

    /// Gives the device back, in whatever state it is. While it answers, dirty data are
    /// written back first, and it is told that power may go. May sleep.
    pub(crate) fn give_back(self: &Arc<Self>) {
        let before = self.state.change(State::Deleting);
        let gone = self.with_hardware(|hw| Ok(hw.is_gone())).unwrap_or(true);
        if gone && before == Ok(State::Live) {
            // Nothing that is written can arrive, so nobody shall wait for it.
            self.stop(BlkStatus::Offline);
            for disk in self.disks.lock().iter() {
                disk.mark_dead();
            }
        }
        let disks = core::mem::take(&mut *self.disks.lock());
        drop(disks);
        let node = self.node.lock().take();
        drop(node);
        self.shut_down(true);
        let admin = self.admin.lock().take();
        drop(admin);
        work::cancel_sync(self);
        let hardware = self.hardware.lock().take();
        drop(hardware);
    }

    /// Tells the controller that power may go, then stops it. May sleep.
    ///
    /// With `fail` later requests end with an error, else they wait for ever.
    fn shut_down(&self, fail: bool) {
        let limit_ms = self.shutdown_ms();
        if let Some(hardware) = &mut *self.hardware.lock() {
            hardware.quiet_down(limit_ms, fail);
            if !hardware.registers().shut_down(limit_ms) {
                self.say(format_args!(
                    "shutdown not complete after {limit_ms} ms (CSTS.SHST); going on"
                ));
            }
            self.stop_hardware(hardware, BlkStatus::Offline);
        }
    }

    /// The system goes down: nothing is served any more, quietly. May sleep.
    pub(crate) fn go_down(&self) {
        let _ = self.state.change(State::Deleting);
        self.shut_down(false);
    }

    /// How long a shutdown may take, in milliseconds: what the controller says, a
    /// minute at most, and what the administrator says at least.
    fn shutdown_ms(&self) -> u32 {
        let least = params::shutdown_timeout().saturating_mul(1000);
        let own = self.identify().and_then(IdentifyCtrl::shutdown_ms);
        own.unwrap_or(0).min(60_000).max(least)
    }

    /// Stops the controller and fails all requests. Returns true if it was running.
    fn stop(&self, status: BlkStatus) -> bool {
        match &mut *self.hardware.lock() {
            Some(hardware) => {
                self.stop_hardware(hardware, status);
                true
            }
            None => false,
        }
    }

    fn stop_hardware(&self, hardware: &mut Hardware, status: BlkStatus) {
        if !hardware.stop(status) {
            self.say(format_args!(
                "cannot be stopped, not even by taking bus mastering away: its commands are not \
                 ended, since it may still write to their memory. Remove the device"
            ));
        }
    }

    /// A command's time is over: the controller is stopped, by a work item, and is dead
    /// from now on. Any context.
    pub(crate) fn expired(self: &Arc<Self>, queue: QueueId, what: core::fmt::Arguments<'_>) {
        if self.state.change(State::Dead).is_ok() {
            self.say(format_args!(
                "queue {queue}: no answer in time to {what}; stopping the controller"
            ));
            self.globals.work.enqueue(self.clone());
        }
    }

    fn with_hardware<R>(&self, f: impl FnOnce(&mut Hardware) -> Result<R>) -> Result<R> {
        if self.state.get() == State::Dead {
            return Err(ENODEV);
        }
        match &mut *self.hardware.lock() {
            Some(hardware) => f(hardware),
            None => Err(ENODEV),
        }
    }

    fn change_state(&self, to: State) -> Result {
        self.state.change(to).map(|_| ()).map_err(|now| {
            self.say(format_args!("{now}, so it cannot become {to}"));
            ENODEV
        })
    }

    fn complain(&self, what: &str, error: &dyn core::fmt::Display) {
        self.say(format_args!("{what} failed: {error}"));
    }

    /// Writes a line about the controller to the log.
    pub(crate) fn say(&self, what: core::fmt::Arguments<'_>) {
        pr_info!("{} {}: {what}\n", *self.name, *self.address);
    }

    /// The number in its name.
    pub(crate) fn number(&self) -> u32 {
        self.instance.number()
    }

    /// The address of the PCI function, as text.
    pub(crate) fn address(&self) -> &CStr {
        &self.address
    }

    /// The state now.
    pub(crate) fn state(&self) -> State {
        self.state.get()
    }

    /// True while requests are worth a retry.
    pub(crate) fn is_serving(&self) -> bool {
        matches!(self.state.get(), State::Live | State::Deleting)
    }

    /// What Identify Controller said; `None` before that.
    pub(crate) fn identify(&self) -> Option<&IdentifyCtrl> {
        self.identity.as_ref().map(|identity| &**identity)
    }

    /// What the NVM command set adds to that, if the controller knows.
    pub(crate) fn command_set(&self) -> Option<&IdentifyCtrlNvm> {
        self.command_set.as_ref().map(|limits| &**limits)
    }

    /// How long to wait before a command that failed so is sent again, in milliseconds:
    /// what the controller asks for, within reason, since who removes it waits as long.
    pub(crate) fn retry_delay_ms(&self, status: Status) -> usize {
        let delay = self
            .identify()
            .map_or(0, |identity| identity.retry_delay_ms(status));
        // CAST: widening.
        delay.min(MAX_RETRY_DELAY_MS) as usize
    }

    /// The version of the specification that the controller follows.
    pub(crate) fn version(&self) -> Version {
        self.version
    }

    /// The way to send admin commands.
    ///
    /// # Errors
    ///
    /// `ENODEV` once the device was given back or is dead.
    pub(crate) fn admin(&self) -> Result<Arc<Admin>> {
        if self.state.get() == State::Dead {
            return Err(ENODEV);
        }
        self.admin.lock().clone().ok_or(ENODEV)
    }

    /// The device in its class.
    pub(crate) fn device(&self) -> Option<ClassDeviceRef> {
        self.node.lock().as_ref().map(chrdev::Registration::device)
    }

    /// Looks at the hardware, if it is there.
    pub(crate) fn look<R>(&self, f: impl FnOnce(&Hardware) -> R) -> Option<R> {
        self.hardware.lock().as_ref().map(f)
    }
}
