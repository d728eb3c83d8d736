// SPDX-License-Identifier: GPL-2.0

//! Asynchronous events: asking for them, and what is done about each.
//!
//! NVM Express Base Specification 2.0c, 5.2 and 5.27.1.8.
//!
//! A work item does all of it. The interrupt handler only keeps what the controller answered in
//! an [`EventTable`], and has the item run.

use super::{
    admin::{
        Admin,
        AdminError, //
    },
    backlink::Backlink,
    controller::Controller,
    event_table::EventTable,
    reset::Cause,
    scan::Wanted,
    spec::{
        admin,
        event::{
            AsyncEvent,
            EventType, //
        },
        feature::{
            AsyncEvents,
            FeatureId, //
        },
        identify_ctrl::IdentifyCtrl,
        ids::Nsid, //
    },
    state::State, //
};
use crate::os::{
    log,
    wait::sleep_unless,
    work, //
};
use kernel::{
    impl_has_work,
    new_work,
    prelude::*,
    str::CString,
    sync::Arc,
    workqueue::{
        self,
        Work,
        WorkItem, //
    }, //
};

/// How long it waits after events before it asks for more, in milliseconds: a controller that
/// has something to say all the time shall not keep a CPU busy.
const PAUSE_MS: u32 = 100;

/// After so many failures in a row it does not try any more to have events reported: each may
/// have cost a reset, after which it would try again.
const MAX_FAILURES: u32 = 2;

/// What is reported. The SMART warnings need no support; the others those that OAES has.
const WANTED: AsyncEvents = AsyncEvents::SMART.or(AsyncEvents::NAMESPACE_ATTRIBUTES);

/// The Asynchronous Event Requests of an admin queue, and who is told of their answers.
pub(crate) struct EventRequests {
    pub(super) table: EventTable,
    /// How many the queue has places for.
    pub(super) places: usize,
    pub(super) listener: Arc<Listener>,
}

/// Who deals with the events of a controller.
///
/// The admin queue has a reference to it.
#[pin_data]
pub(crate) struct Listener {
    #[pin]
    controller: Backlink,
    #[pin]
    work: Work<Self>,
}

impl_has_work! {
    impl HasWork<Self> for Listener { self.work }
}

impl WorkItem for Listener {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        if let Some(controller) = this.controller.get() {
            controller.listen();
        }
    }
}

impl Listener {
    /// One that has nobody to listen to yet. May sleep.
    pub(super) fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                controller <- Backlink::new(),
                work <- new_work!("rnvme::events"),
            }),
            GFP_KERNEL,
        )
    }

    /// Has it deal with the events of `controller`, until [`Self::detach`].
    pub(super) fn attach(&self, controller: &Arc<Controller>) {
        self.controller.tie(controller);
    }

    /// Has it look for answers soon. Any context.
    pub(super) fn wake(self: &Arc<Self>) {
        // One that waits already keeps its own reference.
        let _ = workqueue::system_long().enqueue(self.clone());
    }

    /// Ends it, and waits for what it does right now. May sleep. The interrupts of the device are
    /// given back, so that nobody wakes it again.
    pub(super) fn detach(self: &Arc<Self>) {
        self.controller.cut();
        work::cancel_sync(self);
    }
}

/// Where the asking for events stands.
pub(super) struct Events {
    /// The controller was brought up, and was not told yet which events to report.
    anew: bool,
    /// How many requests to have outstanding.
    limit: usize,
    /// How often in a row an event, or the asking for them, has led to a reset.
    failures: u32,
}

impl Events {
    /// None was asked for yet.
    pub(super) const fn new() -> Self {
        Self {
            anew: false,
            limit: 0,
            failures: 0,
        }
    }
}

impl Controller {
    /// Has events reported by a controller that has just become live. Any context that may
    /// sleep.
    pub(super) fn watch(&self) {
        self.events.lock().anew = true;
        self.listener.wake();
    }

    fn listen(self: &Arc<Self>) {
        // Who makes it live again wakes the listener again.
        if self.state.get() == State::Live {
            if let Ok(admin) = self.admin() {
                self.handle_events(&admin);
            }
        }
    }

    fn handle_events(self: &Arc<Self>, admin: &Admin) {
        let anew = core::mem::take(&mut self.events.lock().anew);
        if anew && !self.configure_events(admin) {
            return;
        }
        let mut found = false;
        // Each place has one answer at most, and gets no new command meanwhile.
        while let Some(answer) = admin.events().table.take() {
            found = true;
            if answer.status.is_success() {
                self.event(admin, AsyncEvent::from_dword(answer.dw0()));
                continue;
            }
            // More of them would be refused as well.
            let mut events = self.events.lock();
            events.limit = events.limit.saturating_sub(1);
            self.warn(format_args!(
                "Asynchronous Event Request failed: {}; going on with {} of them",
                answer.status, events.limit
            ));
        }
        if found {
            sleep_unless(PAUSE_MS, || self.state.get() != State::Live);
        }
        let limit = self.events.lock().limit;
        admin.send_event_requests(limit);
    }

    /// Tells the controller which events to report. Returns false if there are to be no
    /// requests now.
    fn configure_events(&self, admin: &Admin) -> bool {
        let Some(identity) = self.identify() else {
            return false;
        };
        if self.events.lock().failures >= MAX_FAILURES {
            return false;
        }
        let what = "Set Features, Asynchronous Event Configuration";
        let wanted = WANTED.supported_by(identity.oaes.get());
        let command = admin::set_features(FeatureId::ASYNC_EVENTS, Nsid::NONE, wanted.0);
        match admin.execute(command) {
            Ok(_) => {}
            // It may report what it reports by default.
            Err(error @ AdminError::Status(_)) => self.complain(what, &error),
            Err(error @ AdminError::Kernel(_)) => {
                if self.state.get() == State::Live {
                    self.complain(what, &error);
                } else {
                    self.blame_events(what);
                }
                // With the next occasion.
                self.events.lock().anew = true;
                return false;
            }
        }
        let mut events = self.events.lock();
        events.limit = admin.events().places.min(event_limit(identity));
        true
    }

    /// A command failed: if the controller is being reset since it did not answer, then perhaps to
    /// this.
    fn blame_events(&self, what: &str) {
        if self.state.get() != State::Live && self.resets.lock().cause == Cause::TimeOut {
            self.count_failure(what);
        }
    }

    fn count_failure(&self, what: &str) {
        let mut events = self.events.lock();
        events.failures = events.failures.saturating_add(1);
        if events.failures == MAX_FAILURES {
            self.warn(format_args!(
                "{what} leads to one reset after the other: goes on without events"
            ));
        }
    }

    /// The log page of an event could not be read.
    fn no_log(&self, event: AsyncEvent, error: AdminError) {
        const WHAT: &str = "Get Log Page for an event";
        self.say_event(event, format_args!("{WHAT} failed: {error}"));
        if matches!(error, AdminError::Kernel(_)) {
            self.blame_events(WHAT);
        }
    }

    /// Something has happened.
    fn event(self: &Arc<Self>, admin: &Admin, event: AsyncEvent) {
        if event.what() == AsyncEvent::NAMESPACE_ATTRIBUTES {
            // Whoever looks at them reads the log page. User space hears of disks.
            return self.scan_soon(Wanted::CHANGED);
        }
        // Reading its log page is also what has the controller report events of this type again.
        match event.kind() {
            EventType::ERROR => match admin.query(admin::get_error_log::<1>()) {
                Ok(log) => {
                    let [entry] = &*log;
                    self.say_event(
                        event,
                        format_args!(
                            "error {}, queue {:#x}, command {:#06x}, namespace {:#x}: {}",
                            entry.error_count.get(),
                            entry.sqid.get(),
                            entry.cid.get(),
                            entry.nsid.get(),
                            entry.status()
                        ),
                    );
                }
                Err(error) => return self.no_log(event, error),
            },
            EventType::SMART => match admin.query(admin::get_smart_log()) {
                Ok(log) => self.say_event(
                    event,
                    format_args!(
                        "critical warning {:#04x}, {} K, {} % spare ({} % is the least), {} % used",
                        log.critical_warning,
                        log.temperature.get(),
                        log.available_spare,
                        log.spare_threshold,
                        log.percentage_used
                    ),
                ),
                Err(error) => return self.no_log(event, error),
            },
            _ => self.say_event(event, format_args!("log page {} has more", event.log())),
        }
        self.tell(event);
        if event.what() == AsyncEvent::PERSISTENT_ERROR {
            self.count_failure("A persistent internal error");
            // If one is under way, or it is dead or going: all the better.
            let _ = self.request_reset(Cause::Event);
            return;
        }
        self.events.lock().failures = 0;
    }

    fn say_event(&self, event: AsyncEvent, more: core::fmt::Arguments<'_>) {
        if log::may_print() {
            self.warn(format_args!("event: {event}: {more}"));
        }
    }

    /// Tells user space, in the words of the C driver.
    fn tell(&self, event: AsyncEvent) {
        let variable = CString::try_from_fmt(format_args!("NVME_AEN={:#010x}", event.bits()));
        // Under the lock, so that the node stays where it is in sysfs meanwhile.
        let node = self.node.lock();
        let Some(node) = &*node else {
            return;
        };
        let sent = variable
            .map_err(|_| ENOMEM)
            .and_then(|variable| node.notify(&variable));
        if let Err(error) = sent {
            if log::may_print() {
                self.warn(format_args!("no message to user space about it: {error:?}"));
            }
        }
    }
}

/// How many requests the controller takes.
fn event_limit(identity: &IdentifyCtrl) -> usize {
    // CAST: 256 at most.
    identity.async_event_limit() as usize
}
