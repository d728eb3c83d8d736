// SPDX-License-Identifier: GPL-2.0

//! The way back to a controller from what works for it.
//!
//! Tag sets have references to the [`Peeker`](super::peek::Peeker) and to the
//! [`Listener`](super::events::Listener) of their controller, and may outlive it if the device
//! could not be stopped. These two find the controller by a link, which is cut when it is given
//! back, so that nothing keeps it for ever.

use super::controller::Controller;
use kernel::{
    new_spinlock,
    prelude::*,
    sync::{
        Arc,
        SpinLock, //
    },
};

/// A reference to a controller that can be taken away. All methods: any context but hard interrupt.
#[pin_data]
pub(super) struct Backlink {
    #[pin]
    controller: SpinLock<Option<Arc<Controller>>>,
}

impl Backlink {
    /// A link that leads nowhere yet.
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            controller <- new_spinlock!(None),
        })
    }

    /// Has it lead to `controller`, until [`Self::cut`].
    pub(super) fn tie(&self, controller: &Arc<Controller>) {
        *self.controller.lock() = Some(controller.clone());
    }

    /// Has it lead nowhere. What runs in [`Self::with`] is waited for.
    pub(super) fn cut(&self) {
        let controller = self.controller.lock().take();
        // Not under the lock, as it may be the last reference.
        drop(controller);
    }

    /// The controller; `None` before [`Self::tie`] and after [`Self::cut`].
    pub(super) fn get(&self) -> Option<Arc<Controller>> {
        self.controller.lock().clone()
    }

    /// Calls `f`, which must not sleep, with the controller, unless the link is cut.
    pub(super) fn with(&self, f: impl FnOnce(&Controller)) {
        if let Some(controller) = &*self.controller.lock() {
            f(controller);
        }
    }
}
