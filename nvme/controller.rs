// SPDX-License-Identifier: GPL-2.0

//! A controller and its life.
//!
//! It lives until the last file that has its node open is closed; what is acquired of
//! the device is in [`Hardware`], and goes when the device is unbound.

use super::{
    abort::{
        Aborted,
        AbortsUnderWay, //
    },
    admin::Admin,
    debugfs::Tree,
    events::{
        Events,
        Listener, //
    },
    hardware::Hardware,
    io::IoQueues,
    journal::Journal,
    peek::Peeker,
    registers::Registers,
    reset::Resets,
    scan::Scans,
    spec::{
        identify_ctrl::IdentifyCtrl,
        identify_ctrl_nvm::IdentifyCtrlNvm,
        regs::Version,
        status::Status, //
    },
    state::{
        State,
        StateMachine, //
    },
};
use crate::{
    mq::GenDisk,
    os::{
        chrdev,
        device::ClassDeviceRef,
        globals::Globals,
        ida::Instance, //
    },
    pci::{
        Bar,
        Lease, //
    },
};
use kernel::{
    new_mutex,
    new_work,
    prelude::*,
    str::CString,
    sync::{
        Arc,
        Mutex,
        SetOnce, //
    },
    workqueue::Work, //
};

/// The work item that resets a controller.
pub(super) const RESET: u64 = 0;

/// The work item that stops one.
pub(super) const HALT: u64 = 1;

/// The work item that looks for namespaces.
pub(super) const SCAN: u64 = 2;

/// The longest pause before a retry: a device may ask for two hours.
const MAX_RETRY_DELAY_MS: u32 = 5000;

/// A controller, `/dev/rnvmeN`.
#[pin_data]
pub(crate) struct Controller {
    pub(super) instance: Instance,
    pub(super) name: CString,
    /// Where it is, for log lines: the name of the PCI function.
    pub(super) address: CString,
    pub(super) state: StateMachine,
    pub(super) journal: Arc<Journal>,
    pub(super) globals: Arc<Globals>,
    pub(super) version: Version,
    pub(super) identity: SetOnce<KBox<IdentifyCtrl>>,
    /// What the NVM command set adds to it, if the controller knows.
    pub(super) command_set: SetOnce<KBox<IdentifyCtrlNvm>>,
    /// What is acquired of the device; empty once it was given back.
    #[pin]
    pub(super) hardware: Mutex<Option<Hardware>>,
    /// The way to send admin commands; empty once the device was given back.
    #[pin]
    pub(super) admin: Mutex<Option<Arc<Admin>>>,
    #[pin]
    pub(super) disks: Mutex<KVec<GenDisk<IoQueues>>>,
    #[pin]
    pub(super) node: Mutex<Option<chrdev::Registration<Controller>>>,
    #[pin]
    pub(super) resets: Mutex<Resets>,
    /// The folder in debugfs; empty once the device was given back.
    #[pin]
    pub(super) debugfs: Mutex<Option<Tree>>,
    #[pin]
    pub(super) aborted: Mutex<Aborted>,
    pub(super) aborts: AbortsUnderWay,
    /// Looks for completions that no interrupt told of.
    pub(super) peeker: Arc<Peeker>,
    /// Deals with what the controller reports of its own accord.
    pub(super) listener: Arc<Listener>,
    /// Brings the controller up anew.
    #[pin]
    pub(super) reset: Work<Controller, RESET>,
    /// Stops it, for somebody who cannot, or who waits for a command himself.
    #[pin]
    pub(super) halt: Work<Controller, HALT>,
    #[pin]
    pub(super) events: Mutex<Events>,
    #[pin]
    pub(super) scans: Mutex<Scans>,
    /// Looks which namespaces there are.
    #[pin]
    pub(super) scan_work: Work<Controller, SCAN>,
}

impl Controller {
    /// Takes the device that `lease` is for, up to its disks. May sleep.
    ///
    /// # Errors
    ///
    /// The device is as it was, and the log says what was wrong.
    pub(crate) fn new(lease: Lease, globals: Arc<Globals>) -> Result<Arc<Self>> {
        let instance = Instance::new()?;
        let bar =
            Bar::new(lease.clone(), 0, Registers::MIN_LEN, c"rnvme").inspect_err(|error| {
                dev_err!(
                    lease.device(),
                    "registers (BAR 0, {} bytes at least) cannot be mapped: {}\n",
                    Registers::MIN_LEN,
                    format_args!("{error:?}")
                )
            })?;
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
                journal: Arc::new(Journal::new(), GFP_KERNEL)?,
                globals,
                version,
                identity: SetOnce::new(),
                command_set: SetOnce::new(),
                hardware <- new_mutex!(None),
                admin <- new_mutex!(None),
                disks <- new_mutex!(KVec::new()),
                node <- new_mutex!(None),
                resets <- new_mutex!(Resets::new()),
                debugfs <- new_mutex!(None),
                aborted <- new_mutex!(Aborted::new()),
                aborts: AbortsUnderWay::new(),
                peeker: Peeker::new()?,
                listener: Listener::new()?,
                reset <- new_work!("rnvme::reset"),
                halt <- new_work!("rnvme::halt"),
                events <- new_mutex!(Events::new()),
                scans <- new_mutex!(Scans::new()),
                scan_work <- new_work!("rnvme::scan"),
            }),
            GFP_KERNEL,
        )?;
        this.change_state(State::Connecting)?;
        this.peeker.attach(&this);
        this.listener.attach(&this);
        this.show_debugfs();
        match this.bring_up(lease, registers) {
            Ok(()) => Ok(this),
            Err(error) => {
                this.give_back();
                Err(error)
            }
        }
    }

    /// Calls `f` with what is acquired of the device, under its lock. May sleep.
    ///
    /// # Errors
    ///
    /// `ENODEV` if the controller is dead or was given back, and what `f` returns.
    pub(super) fn with_hardware<R>(&self, f: impl FnOnce(&mut Hardware) -> Result<R>) -> Result<R> {
        let mut hardware = self.hardware.lock();
        // Who declares it dead does so before he takes the lock to bury it.
        if self.state.get() == State::Dead {
            return Err(ENODEV);
        }
        match &mut *hardware {
            Some(hardware) => f(hardware),
            None => Err(ENODEV),
        }
    }

    /// Goes to a state, and returns the one before; `Err` with the present one if there is no
    /// way from there.
    pub(super) fn enter(&self, to: State) -> Result<State, State> {
        let from = self.state.change(to)?;
        self.journal.state_changed(from, to);
        Ok(from)
    }

    /// Goes to a state that there has to be a way to.
    ///
    /// # Errors
    ///
    /// `ENODEV`, with a line in the log, if there is none.
    pub(super) fn change_state(&self, to: State) -> Result {
        self.enter(to).map(|_| ()).map_err(|now| {
            self.warn(format_args!("{now}, so it cannot become {to}"));
            ENODEV
        })
    }

    /// Warns that `what` failed with `error`.
    pub(super) fn complain(&self, what: &str, error: &dyn core::fmt::Display) {
        self.warn(format_args!("{what} failed: {error}"));
    }

    /// Writes a line about the controller to the log: what is good to know.
    pub(crate) fn say(&self, what: core::fmt::Arguments<'_>) {
        pr_info!("{} {}: {what}\n", *self.name, *self.address);
    }

    /// Writes a warning to the log: something is wrong, and the driver goes on.
    pub(crate) fn warn(&self, what: core::fmt::Arguments<'_>) {
        pr_warn!("{} {}: {what}\n", *self.name, *self.address);
    }

    /// Writes an error to the log: the controller is of no use any more, or cannot be used at all.
    pub(super) fn err(&self, what: core::fmt::Arguments<'_>) {
        pr_err!("{} {}: {what}\n", *self.name, *self.address);
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
        matches!(
            self.state.get(),
            State::Live | State::Resetting | State::Connecting | State::Deleting
        )
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

    /// Calls `f` with what is acquired of the device, under its lock, of a dead controller, too;
    /// `None` once it was given back. May sleep.
    pub(crate) fn look<R>(&self, f: impl FnOnce(&Hardware) -> R) -> Option<R> {
        self.hardware.lock().as_ref().map(f)
    }
}
