// SPDX-License-Identifier: GPL-2.0

//! The interrupt line of a hardware queue.
//!
//! A driver of a real device requests an interrupt when its queues are there and
//! frees it before they go. So does this one: [`Line::connect`], [`disconnect`].

#![forbid(unsafe_code)]

use crate::{
    mq::TagSet,
    operations::{
        self,
        Ram, //
    },
    os::timer::{
        Alarm,
        Timer, //
    },
};
use kernel::{
    prelude::*,
    sync::{
        new_spinlock_irq,
        Arc,
        SpinLockIrq, //
    },
};

/// The interrupt line of a hardware queue.
#[pin_data]
pub(crate) struct Line {
    index: usize,
    #[pin]
    set: SpinLockIrq<Option<Arc<TagSet<Ram>>>>,
}

impl Line {
    /// The line of the queue of this index, connected to nobody.
    pub(crate) fn new(index: usize) -> impl PinInit<Self> {
        pin_init!(Self {
            index,
            set <- new_spinlock_irq!(None),
        })
    }

    /// From now on, interrupts reach the tag set.
    pub(crate) fn connect(&self, set: Arc<TagSet<Ram>>) {
        *self.set.lock() = Some(set);
    }

    /// The tag set; `None` before it is connected and after it is disconnected.
    pub(crate) fn set(&self) -> Option<Arc<TagSet<Ram>>> {
        self.set.lock().clone()
    }
}

impl Alarm for Line {
    fn ring(&self) {
        // Not the last reference: who disconnects has one, and waits for us.
        let Some(set) = self.set() else {
            return;
        };
        if let Some(queue) = set.queue(self.index) {
            operations::interrupt(queue);
        }
    }
}

/// From now on, no interrupt runs or comes. May wait for one. The caller has a
/// reference to the tag set.
pub(crate) fn disconnect(line: &Timer<Line>) {
    let set = line.set.lock().take();
    line.cancel();
    drop(set);
}
