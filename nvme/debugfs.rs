// SPDX-License-Identifier: GPL-2.0

//! What is shown of the inside of a controller, in `/sys/kernel/debug/rnvme/ADDRESS/`.
//!
//! Nobody but people depends on it. Reading it takes the lock of the hardware for a moment;
//! not read, it costs nothing.

use super::controller::Controller;
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
            },
        );
        if let Ok(folder) = KBox::pin_init(scope, GFP_KERNEL) {
            *self.debugfs.lock() = Some(Tree { _folder: folder });
        }
    }
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
