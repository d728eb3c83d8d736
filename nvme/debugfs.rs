// SPDX-License-Identifier: GPL-2.0

//! What is shown of the inside of a controller, in `/sys/kernel/debug/rnvme/ADDRESS/`.
//!
//! Nobody but people depends on it. Reading it takes the lock of the hardware for a moment;
//! not read, it costs nothing.

use super::{
    controller::Controller,
    positions::Positions,
    queue::NvmeOperations, //
};
use crate::mq::Observed;
use core::fmt;
use kernel::{
    debugfs::Scope,
    prelude::*,
    sync::Arc, //
};

/// The folder of a controller; goes when it is dropped, which waits for those who read.
pub(super) struct Tree {
    _folder: Pin<KBox<Scope<Arc<Controller>>>>,
}

impl Controller {
    /// Makes the folder, named by the PCI function. Nothing depends on it, so nothing happens
    /// if it cannot be made. May sleep.
    pub(super) fn show_debugfs(self: &Arc<Self>) {
        let scope = self.globals.debugfs.scope::<_, Error, _>(
            Ok(self.clone()),
            self.address(),
            |controller, folder| {
                folder.read_callback_file(c"interrupts", controller, &interrupts);
                folder.read_callback_file(c"state", controller, &state);
                folder.read_callback_file(c"counters", controller, &counters);
                folder.read_callback_file(c"completions", controller, &completions);
                folder.read_callback_file(c"queues", controller, &queues);
                folder.read_callback_file(c"commands", controller, &commands);
            },
        );
        if let Ok(folder) = KBox::pin_init(scope, GFP_KERNEL) {
            *self.debugfs.lock() = Some(Tree { _folder: folder });
        }
    }
}

/// The state, and how it came to it.
fn state(controller: &Arc<Controller>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "{}", controller.state())?;
    controller.journal.show_states(f)
}

/// How often what happened.
fn counters(controller: &Arc<Controller>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    controller.journal.show_counts(f)
}

/// The last completions that were odd.
fn completions(controller: &Arc<Controller>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    controller.journal.show_odd(f)
}

/// Where each queue is.
fn queues(controller: &Arc<Controller>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut result = Ok(());
    controller.look(|hardware| {
        hardware.for_each_queue(|queue| {
            result = result.and_then(|()| writeln!(f, "{}", Positions::of(queue)));
        });
    });
    result
}

/// Of each queue, how many of its interrupts were lost, and how many came late.
fn interrupts(controller: &Arc<Controller>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut result = Ok(());
    controller.look(|hardware| {
        hardware.for_each_queue(|queue| {
            result = result.and_then(|()| writeln!(f, "queue {}: {}", queue.id(), queue.missed));
        });
    });
    result
}

/// A request that was started and has not ended.
pub(super) struct Shown<'a, T: NvmeOperations>(pub(super) Observed<'a, T>);

impl<T: NvmeOperations> fmt::Display for Shown<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rq = &self.0;
        write!(f, "queue {}", rq.queue().id())?;
        // It may just have lost its tag.
        if let Some(tag) = rq.tag() {
            write!(f, ", tag {tag:#x}")?;
            match rq.queue().slots().cid(tag) {
                Some(cid) => write!(f, ", command {:#06x}", cid.bits())?,
                None => f.write_str(", not with the controller")?,
            }
        }
        write!(
            f,
            ": {:?} at byte {}, {} bytes, {:?} for {} ms",
            rq.op(),
            rq.offset(),
            rq.len(),
            rq.state(),
            rq.age_ms()
        )
    }
}

/// The commands that the controller has, or that were taken from it and wait.
fn commands(controller: &Arc<Controller>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut result = Ok(());
    controller.look(|hardware| {
        hardware.for_each_command(|command| {
            result = result.and_then(|()| writeln!(f, "{command}"));
        });
    });
    result
}
