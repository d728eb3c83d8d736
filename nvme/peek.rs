// SPDX-License-Identifier: GPL-2.0

//! Interrupts that do not come.
//!
//! While a controller has commands, somebody looks at the heads of its completion queues a
//! few times a second. He reads memory only. An entry that waits at the same head in two looks
//! in a row is one that no interrupt told of: its queue is walked in the interrupt's place, so
//! that a lost interrupt costs less than half a second and not the time-out of a command.
//!
//! The data path pays one store for each interrupt, of the head up to which entries were read.
//! Submitters look at the gate of their queue anyway, as a closed one takes no requests; the first
//! one after an idle spell finds it at [`Gate::Idle`] and starts the peeks. They end by
//! themselves: a look that finds a queue without commands, and with its tail where it was,
//! moves the gate back. Both happen under the lock of the queue, so that no command is
//! published without somebody who looks after it; a controller that has none wakes nobody.
//!
//! No look outlives the rings. Whoever looks holds the lock under which a controller has its
//! [`Hardware`](super::hardware::Hardware), so that it is neither stopped nor given back
//! meanwhile. After a stop, for a reset, for sleep or for good, the gates are closed, and
//! a look at a closed gate ends there. The last of them is waited for in
//! [`Peeker::detach`], before the hardware goes.

use super::{
    backlink::Backlink,
    controller::Controller,
    queue::{
        Completer,
        Gate,
        NvmeOperations,
        QueuePair, //
    },
    ring::Place, //
};
use crate::{
    mq::{
        atomic::{
            AtomicU64,
            Ordering, //
        },
        Queue, //
    },
    os::{
        log,
        wait::sleep_unless,
        work, //
    },
    pci::IrqRegistration, //
};
use core::fmt;
use kernel::{
    impl_has_delayed_work,
    new_delayed_work,
    prelude::*,
    sync::Arc,
    workqueue::{
        DelayedWork,
        WorkItem, //
    }, //
};

/// The time between two looks, in milliseconds. What waits is found by the second look after
/// it was written, or the third.
pub(super) const PERIOD_MS: u32 = 150;

/// How long a queue that seems to be stuck is watched, in milliseconds.
const CONFIRM_MS: u32 = 10;

/// What a look at a queue saw, for the next one to compare with.
#[derive(Default)]
pub(crate) struct Seen {
    tail: u32,
    waiting: Option<Place>,
}

/// How often the interrupt of a queue was missed.
#[derive(Default)]
pub(crate) struct Missed {
    lost: AtomicU64,
    late: AtomicU64,
}

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lost = self.lost.load(Ordering::Relaxed);
        let late = self.late.load(Ordering::Relaxed);
        write!(f, "{lost} lost, {late} late")
    }
}

/// Who looks at the queues of a controller.
///
/// Queues have a reference to it.
#[pin_data]
pub(crate) struct Peeker {
    #[pin]
    controller: Backlink,
    #[pin]
    work: DelayedWork<Self>,
}

impl_has_delayed_work! {
    impl HasDelayedWork<Self> for Peeker { self.work }
}

impl WorkItem for Peeker {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        if this.controller.get().is_some_and(|ctrl| ctrl.peek()) {
            this.arm();
        }
    }
}

impl Peeker {
    /// One that looks at nothing yet. May sleep.
    pub(super) fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                controller <- Backlink::new(),
                work <- new_delayed_work!("rnvme::peek"),
            }),
            GFP_KERNEL,
        )
    }

    /// Has it look at the queues of `controller`, until [`Self::detach`].
    pub(super) fn attach(&self, controller: &Arc<Controller>) {
        self.controller.tie(controller);
    }

    /// Ends it, and waits for a look that is under way. May sleep; not with the lock of the
    /// hardware.
    pub(super) fn detach(self: &Arc<Self>) {
        // From here on nobody starts it.
        self.controller.cut();
        work::cancel_delayed_sync(self);
    }

    /// Has it look after a period, and for as long as there are commands; nothing changes if
    /// it is to look already. Any context but hard interrupt.
    pub(super) fn arm(self: &Arc<Self>) {
        self.controller.with(|controller| {
            // Not where resets run: one may wait for a command that a look completes.
            let urgent = &controller.globals.urgent;
            urgent.enqueue_delayed(self.clone(), PERIOD_MS);
        });
    }
}

impl Controller {
    /// Looks at all queues; later, if somebody has the hardware now. Returns true if it is to
    /// look again.
    fn peek(&self) -> bool {
        match self.hardware.try_lock() {
            Some(hardware) => hardware.as_ref().is_some_and(|hardware| hardware.peek()),
            None => true,
        }
    }
}

/// What there is to do about a queue.
enum Sight {
    /// Nothing, until somebody submits.
    Idle,
    /// To look again.
    Busy,
    /// To complete what waits.
    Stuck,
}

fn look<T: NvmeOperations>(queue: &Queue<T>) -> Sight {
    let waiting = queue.completions().waiting();
    let mut submission = queue.submission.lock();
    if submission.gate != Gate::Open {
        return Sight::Idle;
    }
    let tail = submission.ring.tail();
    let before = core::mem::replace(&mut submission.seen, Seen { tail, waiting });
    if waiting.is_some() {
        return if waiting == before.waiting {
            Sight::Stuck
        } else {
            Sight::Busy
        };
    }
    if tail != before.tail {
        return Sight::Busy;
    }
    // As many completions as commands: then nothing is outstanding, unless the device has made
    // mistakes. Else each slot is looked at. Commands are published under this lock only.
    let even = tail == queue.completions().head() && !queue.has_bogus();
    if even || queue.slots().is_empty() {
        submission.gate = Gate::Idle;
        return Sight::Idle;
    }
    Sight::Busy
}

/// True if a queue goes on by itself: a busy one may have come back to the same place after some
/// rounds. May sleep, for [`CONFIRM_MS`].
fn moves<T: NvmeOperations>(queue: &Queue<T>) -> bool {
    let before = queue.completions().waiting();
    sleep_unless(CONFIRM_MS, || queue.completions().waiting() != before)
}

/// Looks at a queue whose interrupts `irq` handles, and completes what no interrupt told of.
/// Returns true if there is to be another look. Under the lock of the hardware; may sleep.
pub(super) fn at<T: NvmeOperations>(queue: &Queue<T>, irq: &IrqRegistration<Completer<T>>) -> bool {
    match look(queue) {
        Sight::Idle => return false,
        Sight::Busy => {}
        Sight::Stuck if moves(queue) => {}
        Sight::Stuck => {
            let found = irq.with_masked(|completer| completer.walk());
            queue.count_missed(found);
        }
    }
    true
}

impl QueuePair {
    /// An interrupt was missed: it was lost if there was something to complete, else it has
    /// come just now.
    #[cold]
    fn count_missed(&self, lost: bool) {
        let count = if lost {
            &self.missed.lost
        } else {
            &self.missed.late
        };
        count.fetch_add(1, Ordering::Relaxed);
        if lost && log::may_print() {
            pr_warn!(
                "rnvme{} queue {}: no interrupt told of a completion, found by a look; so far {}\n",
                self.instance(),
                self.id().get(),
                format_args!("{}", self.missed)
            );
        }
    }
}
