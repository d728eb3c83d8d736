// SPDX-License-Identifier: GPL-2.0

//! Where both sides of a queue pair are, for people: in the log and in debugfs.

use super::{
    queue::{
        Gate,
        QueuePair, //
    },
    ring::Place,
    spec::ids::QueueId, //
};
use core::fmt;

/// Where both sides of a queue pair were when somebody looked.
pub(super) struct Positions {
    id: QueueId,
    entries: u32,
    gate: Gate,
    tail: u32,
    committed_tail: u32,
    next: Option<Place>,
    waits: bool,
}

impl Positions {
    /// Looks at `queue`. Any context but hard interrupt.
    pub(super) fn of(queue: &QueuePair) -> Self {
        let submission = queue.submission.lock();
        Self {
            id: queue.id(),
            entries: queue.entries(),
            gate: submission.gate,
            tail: submission.ring.tail(),
            committed_tail: submission.ring.committed_tail(),
            next: queue.completions().next(),
            waits: queue.completions().waiting().is_some(),
        }
    }
}

impl fmt::Display for Positions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "queue {}: {} entries, {}, tail {}, committed {}",
            self.id, self.entries, self.gate, self.tail, self.committed_tail
        )?;
        if let Some(Place { index, phase }) = self.next {
            let waits = if self.waits { "an" } else { "no" };
            write!(
                f,
                ", head {index}, phase {}, {waits} entry waits",
                u8::from(phase)
            )?;
        }
        Ok(())
    }
}
