// SPDX-License-Identifier: GPL-2.0

//! One hardware queue of the device that we pretend to have.
//!
//! A real device reads commands from memory and writes completion entries back. All
//! that is left of it here are the entries: identifiers in a ring, which somebody
//! else reads. It can lose commands, repeat completions, and be stopped.

#![forbid(unsafe_code)]

use crate::{
    counters::{
        Count,
        Counters, //
    },
    device::Shared,
    line::Line,
    mq::{
        self,
        Cid,
        TagSet, //
    },
    operations::Ram,
    os::timer::Timer, //
};
use kernel::{
    prelude::*,
    sync::{
        new_spinlock_irq,
        Arc,
        SpinLockIrq, //
    },
};

/// A completion entry that was read. Only [`HwQueue::next`] makes one.
pub(crate) struct Entry(Cid);

impl mq::Completion for Entry {
    fn cid(&self) -> Cid {
        self.0
    }
}

/// Proof that the device works on no command. Only [`halt`] makes one.
pub(crate) struct Halted(Arc<Shared>);

impl mq::StopProof<Ram> for Halted {
    fn covers(&self, queue: &HwQueue) -> bool {
        core::ptr::eq(Arc::as_ptr(&queue.shared), Arc::as_ptr(&self.0))
    }
}

/// Identifiers, first in, first out.
struct Fifo {
    entries: KVVec<Cid>,
    first: usize,
    len: usize,
}

impl Fifo {
    fn new(capacity: usize) -> Result<Self> {
        let mut entries = KVVec::with_capacity(capacity, GFP_KERNEL)?;
        for _ in 0..capacity {
            entries.push(Cid::from_bits(0), GFP_KERNEL)?;
        }
        Ok(Self {
            entries,
            first: 0,
            len: 0,
        })
    }

    /// Appends an identifier; false if there is no room.
    fn push(&mut self, cid: Cid) -> bool {
        let capacity = self.entries.len();
        let mut place = self.first.wrapping_add(self.len);
        if place >= capacity {
            place = place.wrapping_sub(capacity);
        }
        match self.entries.get_mut(place) {
            Some(entry) if self.len < capacity => {
                *entry = cid;
                self.len = self.len.wrapping_add(1);
                true
            }
            _ => false,
        }
    }

    fn pop(&mut self) -> Option<Cid> {
        if self.len == 0 {
            return None;
        }
        let cid = self.entries.get(self.first).copied();
        self.first = self.first.wrapping_add(1);
        if self.first == self.entries.len() {
            self.first = 0;
        }
        self.len = self.len.wrapping_sub(1);
        cid
    }

    fn clear(&mut self) {
        self.len = 0;
    }
}

/// What the device has.
struct Commands {
    /// False while it is stopped: what it is told then, it forgets.
    running: bool,
    /// Completed, and not yet read by anybody.
    done: Fifo,
    /// Lost.
    lost: Fifo,
}

/// The driver's data of a hardware queue.
pub(crate) struct HwQueue {
    shared: Arc<Shared>,
    commands: Pin<KBox<SpinLockIrq<Commands>>>,
    line: Pin<KBox<Timer<Line>>>,
    /// These count to the next refusal, loss, ...
    refusals: Count,
    losses: Count,
    repeats: Count,
    bogus: Count,
    requeues: Count,
    stops: Count,
}

impl HwQueue {
    /// The queue of this index. May sleep.
    pub(crate) fn new(shared: Arc<Shared>, index: usize) -> Result<Self> {
        let depth = usize::try_from(shared.config.depth)?;
        // A command is in one of the two at most, but for completions of it that it
        // should not have.
        let commands = Commands {
            running: true,
            done: Fifo::new(depth.checked_mul(3).ok_or(EINVAL)?)?,
            lost: Fifo::new(depth)?,
        };
        Ok(Self {
            shared,
            commands: KBox::pin_init(new_spinlock_irq!(commands), GFP_KERNEL)?,
            line: KBox::pin_init(Timer::new(Line::new(index)), GFP_KERNEL)?,
            refusals: Count::default(),
            losses: Count::default(),
            repeats: Count::default(),
            bogus: Count::default(),
            requeues: Count::default(),
            stops: Count::default(),
        })
    }

    /// What the queues of a device have in common.
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The device's counters.
    #[inline]
    pub(crate) fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// The interrupt of this queue.
    pub(crate) fn line(&self) -> &Timer<Line> {
        &self.line
    }

    /// Whether the next request shall be refused.
    #[inline]
    pub(crate) fn refuses(&self) -> bool {
        self.refusals.is_nth(self.shared.config.refuse)
    }

    /// Whether the next request shall be given back once it is complete.
    pub(crate) fn requeues(&self) -> bool {
        self.requeues.is_nth(self.shared.config.requeue)
    }

    /// Whether the next time-out that comes in time shall stop the device.
    pub(crate) fn stops(&self) -> bool {
        self.stops.is_nth(self.shared.config.stop)
    }

    /// Has the device execute a command. It completes at once, or never.
    pub(crate) fn submit(&self, cid: Cid) {
        let mut commands = self.commands.lock();
        if !commands.running {
            return;
        }
        let config = &self.shared.config;
        if self.losses.is_nth(config.lose) {
            self.counters().lost.add();
            commands.lost.push(cid);
        } else {
            commands.done.push(cid);
            if self.repeats.is_nth(config.repeat) {
                commands.done.push(cid);
            }
            if self.bogus.is_nth(config.bogus) {
                // The right tag, but of another generation.
                commands.done.push(Cid::from_bits(cid.bits() ^ 0x8000));
            }
        }
    }

    /// Has the device look at what it was told: its interrupt comes soon.
    pub(crate) fn ring(&self) {
        self.line.as_ref().start(self.shared.config.delay_ns);
    }

    /// Reads a completion entry. Any context.
    pub(crate) fn next(&self) -> Option<Entry> {
        self.commands.lock().done.pop().map(Entry)
    }

    /// Has the device complete a command that it has lost: for who polls at once, for who
    /// waits with the next interrupt.
    pub(crate) fn find(&self, cid: Cid) {
        let mut commands = self.commands.lock();
        if !commands.running {
            return;
        }
        self.counters().found.add();
        commands.done.push(cid);
        drop(commands);
        self.ring();
    }

    /// Has the device find all that it has lost, and complete it.
    pub(crate) fn find_lost(&self) {
        let mut commands = self.commands.lock();
        while let Some(cid) = commands.lost.pop() {
            self.counters().found.add();
            commands.done.push(cid);
        }
        drop(commands);
        self.ring();
    }

    fn set_running(&self, running: bool) {
        let mut commands = self.commands.lock();
        commands.running = running;
        commands.done.clear();
        commands.lost.clear();
    }
}

/// Stops all queues of a device: it forgets what it was told.
pub(crate) fn halt(set: &TagSet<Ram>) -> Halted {
    for queue in set.queues() {
        queue.set_running(false);
    }
    Halted(set.data().clone())
}

/// Starts them again.
pub(crate) fn resume(set: &TagSet<Ram>, _halted: Halted) {
    for queue in set.queues() {
        queue.set_running(true);
    }
}
