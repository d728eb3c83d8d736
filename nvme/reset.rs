// SPDX-License-Identifier: GPL-2.0

//! Resetting a controller, whose requests wait meanwhile.
//!
//! NVM Express Base Specification 2.0c, 3.7.2.
//!
//! The order: keep submitters out and requests in blk-mq, stop the device (with proof),
//! read the completions that were still written, take the other requests back and queue
//! them again, bring the controller up with the same queues in the same memory, go on. No
//! step allocates memory for the queues, since the device may be what memory is written to.

use super::{
    admin::AdminError,
    controller::{
        Controller,
        RESET, //
    },
    hardware::Blame,
    registers::ControllerError,
    spec::{
        admin,
        identify_ctrl::IdentifyCtrl,
        ids::QueueId, //
    },
    state::State, //
};
use crate::{
    mq::{
        BlkStatus,
        Cid, //
    },
    os::{
        log,
        memory::without_io,
        wait::sleep_unless,
        work, //
    },
};
use core::fmt;
use kernel::{
    impl_has_work,
    prelude::*,
    sync::Arc,
    time::{
        Instant,
        Monotonic, //
    },
    workqueue::WorkItem, //
};

/// The pauses between attempts to bring a controller up, in milliseconds; the last one
/// stays. One that answers and is only slow is tried for ever.
const PAUSES_MS: [u32; 7] = [100, 1000, 2000, 4000, 8000, 16_000, 30_000];

/// Why a controller is reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A user asked for it.
    User,
    /// A command was not completed in time.
    TimeOut,
    /// It reports a fatal status (CSTS.CFS).
    Fatal,
    /// The PCI function was reset.
    FunctionReset,
    /// The link was reset after an error.
    LinkError,
    /// The system woke up.
    Resume,
    /// It reports an internal error that does not pass.
    Event,
}

impl Cause {
    /// All of them, in the order of their numbers.
    pub(crate) const ALL: [Self; 7] = [
        Self::User,
        Self::TimeOut,
        Self::Fatal,
        Self::FunctionReset,
        Self::LinkError,
        Self::Resume,
        Self::Event,
    ];
}

const _: () = assert!(Cause::Event as usize + 1 == Cause::ALL.len());

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "asked for by a user",
            Self::TimeOut => "a command was not completed in time",
            Self::Fatal => "the controller reports a fatal status (CSTS.CFS)",
            Self::FunctionReset => "the function was reset",
            Self::LinkError => "the link was reset after an error",
            Self::Resume => "the system woke up",
            Self::Event => "the controller reports a persistent internal error",
        })
    }
}

impl Cause {
    fn blame(self) -> Blame {
        match self {
            Self::User | Self::FunctionReset | Self::LinkError | Self::Resume => Blame::Others,
            Self::TimeOut | Self::Fatal | Self::Event => Blame::Commands,
        }
    }
}

/// Who may ask for a reset, and who was the last.
pub(super) struct Resets {
    /// The device is to be given back: no reset begins any more.
    pub(super) closed: bool,
    /// How many want the controller to be quiet for a while; the last one that does not any
    /// more has it reset.
    pub(super) paused: u32,
    pub(super) cause: Cause,
}

impl Resets {
    /// Before the first one.
    pub(super) const fn new() -> Self {
        Self {
            closed: false,
            paused: 0,
            cause: Cause::User,
        }
    }
}

/// Why an attempt failed.
enum Failure {
    /// Nothing helps any more.
    Stuck,
    /// The registers do not do what they should.
    Controller(ControllerError),
    /// A command failed.
    Command(&'static str, AdminError),
    /// This is another drive, or its firmware has become another one.
    Changed(&'static str),
    /// It grants or takes fewer queues than there are.
    Queues(u32),
    /// It became dead meanwhile, or somebody stopped it.
    Kernel(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Kernel(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stuck => f.write_str("it cannot be stopped"),
            Self::Controller(error) => error.fmt(f),
            Self::Command(what, error) => write!(f, "{what} failed: {error}"),
            Self::Changed(what) => write!(f, "the {what} is another one than before"),
            Self::Queues(count) => write!(f, "{count} I/O queues only"),
            Self::Kernel(error) => write!(f, "{error:?}"),
        }
    }
}

impl Failure {
    /// The controller is there and does something, but takes its time; or memory is short.
    fn is_slowness(&self) -> bool {
        match self {
            // The last is what commands get once the time of one was over.
            Self::Command(_, AdminError::Kernel(error)) | Self::Kernel(error) => {
                [ETIMEDOUT, ENOMEM, ENODEV].contains(error)
            }
            _ => false,
        }
    }

    /// Another attempt cannot end otherwise.
    fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Stuck | Self::Controller(ControllerError::Gone) | Self::Changed(_)
        )
    }
}

impl_has_work! {
    impl HasWork<Self, RESET> for Controller { self.reset }
}

impl WorkItem<RESET> for Controller {
    type Pointer = Arc<Controller>;

    fn run(this: Arc<Controller>) {
        // Memory that is to be written to this drive gets free only afterwards.
        without_io(|| this.reset());
    }
}

impl Controller {
    /// Attempt after attempt, until the controller is live or dead.
    fn reset(self: &Arc<Self>) {
        let start: Instant<Monotonic> = Instant::now();
        let mut waiting = 0_u32;
        let mut pauses = PAUSES_MS.into_iter();
        let mut pause_ms = 0;
        let mut blame = self.resets.lock().cause.blame();
        loop {
            let failure = match self.reset_once(blame, &mut waiting) {
                Ok(()) => {
                    self.say(format_args!(
                        "reset done in {} ms; {waiting} commands were under way",
                        start.elapsed().as_millis(),
                    ));
                    return;
                }
                Err(failure) => failure,
            };
            let next = pauses.next();
            let hopeless = failure.is_final() || (next.is_none() && !failure.is_slowness());
            if hopeless || self.resets.lock().closed {
                if self.declare_dead(format_args!("reset failed: {failure}")) {
                    self.bury(BlkStatus::Offline);
                    self.say_last();
                }
                return;
            }
            if self.resets.lock().paused != 0 {
                // Who paused it has it reset afterwards, and waits until nobody else does.
                return;
            }
            blame = Blame::Others;
            pause_ms = next.unwrap_or(pause_ms);
            self.warn(format_args!(
                "reset failed: {failure}; next attempt in {pause_ms} ms"
            ));
            sleep_unless(pause_ms, || {
                let resets = self.resets.lock();
                self.state.get() == State::Dead || resets.closed || resets.paused != 0
            });
            if self.state.get() == State::Dead || self.resets.lock().paused != 0 {
                return;
            }
        }
    }

    /// Has the controller reset, by a work item. May sleep.
    ///
    /// # Errors
    ///
    /// `EBUSY` if it is being reset or brought up, `ENODEV` if it is dead or being given
    /// back.
    pub(crate) fn request_reset(self: &Arc<Self>, cause: Cause) -> Result {
        let mut resets = self.resets.lock();
        if resets.closed {
            return Err(ENODEV);
        }
        if resets.paused != 0 {
            return Err(EBUSY);
        }
        match self.enter(State::Resetting) {
            Ok(_) => {}
            Err(State::Dead | State::Deleting) => return Err(ENODEV),
            Err(_) => return Err(EBUSY),
        }
        self.begin_reset(&mut resets, cause);
        Ok(())
    }

    /// Has a work item reset the controller, whose state says so already. Under the lock of
    /// `resets`, so that who closes resets and then waits for this one finds it.
    pub(super) fn begin_reset(self: &Arc<Self>, resets: &mut Resets, cause: Cause) {
        resets.cause = cause;
        self.journal.reset_begins(cause);
        self.say(format_args!("resetting: {cause}"));
        self.globals.work.enqueue::<_, RESET>(self.clone());
    }

    /// Resets the controller for a user, and waits for the end of it. May sleep.
    ///
    /// # Errors
    ///
    /// Those of [`Self::request_reset`]; `EIO` if it was in vain, and `ETIMEDOUT` if it takes
    /// longer than two minutes, and goes on.
    pub(crate) fn reset_now(self: &Arc<Self>) -> Result {
        self.request_reset(Cause::User)?;
        if !self.wait_until_up(120_000) {
            return Err(ETIMEDOUT);
        }
        match self.state.get() {
            State::Dead => Err(EIO),
            _ => Ok(()),
        }
    }

    /// Waits until the controller is neither being reset nor brought up, `limit_ms`
    /// milliseconds at most. Returns true if it is not. May sleep.
    pub(crate) fn wait_until_up(&self, limit_ms: u32) -> bool {
        sleep_unless(limit_ms, || {
            !matches!(self.state.get(), State::Resetting | State::Connecting)
        })
    }

    /// Waits until no reset is under way any more. May sleep as long as one takes.
    pub(crate) fn wait_for_reset(self: &Arc<Self>) {
        work::flush::<_, RESET>(self);
    }

    /// The time of a command is over; `cid` tells its identifier if the controller still has
    /// it: if not, another CPU has just completed it, or it never got there. Process context;
    /// may sleep.
    pub(crate) fn expired(
        self: &Arc<Self>,
        queue: QueueId,
        cid: impl Fn() -> Option<Cid>,
        what: fmt::Arguments<'_>,
    ) {
        if cid().is_none() {
            return;
        }
        match self.state.get() {
            State::Live => {
                let seen = self.look(|hw| {
                    hw.walk(queue);
                    let seen = (hw.is_gone(), hw.registers().csts(), hw.positions(queue));
                    // All that is read of a frozen link is ones. Who deals with its error
                    // comes to this controller, too.
                    (!hw.lease().is_frozen()).then_some(seen)
                });
                let Some((gone, csts, positions)) = seen.flatten() else {
                    return;
                };
                let Some(cid) = cid() else {
                    if log::may_print() {
                        self.warn(format_args!(
                            "queue {queue}: no interrupt told of the completion of {what}"
                        ));
                    }
                    return;
                };
                if gone {
                    if self.declare_dead(format_args!("does not answer any more")) {
                        self.halt_soon();
                    }
                    return;
                }
                let cause = if csts.cfs() {
                    Cause::Fatal
                } else if self.abort(queue, cid) {
                    if log::may_print() {
                        self.warn(format_args!(
                            "queue {queue}: no answer in time to {what}: it gets more"
                        ));
                    }
                    return;
                } else {
                    Cause::TimeOut
                };
                // Another command may have been first; it said so.
                if self.request_reset(cause).is_ok() {
                    self.warn(format_args!("queue {queue}: no answer in time to {what}"));
                    if let Some(positions) = positions {
                        self.warn(format_args!("{positions}"));
                    }
                }
            }
            // Whoever brings it up waits for this command.
            State::Connecting => {
                self.warn(format_args!("queue {queue}: no answer in time to {what}"));
                self.halt_soon();
            }
            // Nobody waits for it any more but those whose data it has.
            State::Deleting => {
                if self.declare_dead(format_args!(
                    "queue {queue}: no answer in time to {what} while being given back"
                )) {
                    self.halt_soon();
                }
            }
            // It is being taken back.
            State::New | State::Resetting | State::Dead => {}
        }
    }

    /// One attempt: from whatever state the controller is in to a live one. Adds to `waiting`
    /// how many commands were taken back.
    fn reset_once(self: &Arc<Self>, blame: Blame, waiting: &mut u32) -> Result<(), Failure> {
        let admin = self.admin()?;
        let count = self.with_hardware(|hw| {
            hw.hold();
            Ok(hw.io_queue_count())
        })?;
        let stopped = self.with_hardware(|hw| Ok(hw.halt(blame)))?;
        let taken_back = stopped.ok_or(Failure::Stuck)?;
        self.journal.commands_taken_back(taken_back);
        *waiting = waiting.saturating_add(taken_back);
        // In a further attempt it is that already.
        let _ = self.enter(State::Connecting);
        self.with_hardware(|hw| Ok(hw.restart()))?
            .map_err(Failure::Controller)?;

        let identity = admin
            .query(admin::identify_ctrl())
            .map_err(|error| Failure::Command("Identify Controller", error))?;
        self.check_identity(&identity)?;
        if count != 0 {
            let granted = admin
                .set_queue_count(count)
                .map_err(|error| Failure::Command("Set Features, Number of Queues", error))?;
            if granted < count {
                return Err(Failure::Queues(granted));
            }
            let created = self
                .create_io_queues(&admin, count)
                .map_err(|error| Failure::Command("Create I/O Queue", error.into()))?;
            if created < count {
                return Err(Failure::Queues(created));
            }
        }
        self.with_hardware(|hw| {
            self.go_live(hw)?;
            hw.let_go();
            Ok(())
        })?;
        self.watch();
        self.scan_after_reset();
        Ok(())
    }

    /// Makes sure that it is the same drive, with the same abilities as far as disks rest
    /// on them.
    fn check_identity(&self, now: &IdentifyCtrl) -> Result<(), Failure> {
        let before = self.identify().ok_or(Failure::Kernel(ENODEV))?;
        if now.serial_number().as_bytes() != before.serial_number().as_bytes()
            || now.model_number().as_bytes() != before.model_number().as_bytes()
        {
            return Err(Failure::Changed("drive"));
        }
        if now.mdts != before.mdts {
            return Err(Failure::Changed("largest transfer (MDTS)"));
        }
        Ok(())
    }
}
