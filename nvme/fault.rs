// SPDX-License-Identifier: GPL-2.0

//! Fault points of the driver: what no emulated device does.
//!
//! Only in modules that are built with `CONFIG_RNVME_FAULT_INJECTION`; others have `fault_none.rs`
//! in its place, whose functions are empty. The points are the module's, not a controller's, so
//! that they can be set before a device is bound. Each of them strikes where the driver hears
//! of the device, and nowhere else; none pretends that a device has stopped that has not.

use super::{
    ring::Entry,
    spec::{
        ids::QueueId,
        regs,
        status::Status, //
    },
};
use crate::{
    dma::lists::SMALL_LISTS,
    os::{
        fault::{
            self,
            Point, //
        },
        globals, //
    },
};
use kernel::{
    prelude::*,
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

/// CSTS.CFS, bit 1.
const CFS: u32 = 1 << 1;

macro_rules! points {
    ($($(#[$doc:meta])* $point:ident = $name:literal,)*) => {
        $($(#[$doc])* static $point: Point = Point::new($name);)*
        static POINTS: &[&Point] = &[$(&$point,)* &SMALL_LISTS];
    };
}

points! {
    /// An interrupt of an I/O queue is not seen.
    IO_INTERRUPT = c"io_interrupt",
    /// The same of the admin queue.
    ADMIN_INTERRUPT = c"admin_interrupt",
    /// A completion of an I/O command is not seen.
    IO_DROP = c"io_drop",
    /// The same of an admin command.
    ADMIN_DROP = c"admin_drop",
    /// It is seen twice.
    IO_DUPLICATE = c"io_duplicate",
    /// The same of an admin command.
    ADMIN_DUPLICATE = c"admin_duplicate",
    /// It has an identifier that no command has.
    IO_CORRUPT = c"io_corrupt",
    /// The same of an admin command.
    ADMIN_CORRUPT = c"admin_corrupt",
    /// A register reads as all ones.
    GONE = c"gone",
    /// CSTS.CFS is set.
    FATAL = c"fatal",
    /// CSTS.RDY is not set after CC.EN was.
    NEVER_READY = c"never_ready",
    /// CSTS.RDY stays set after CC.EN was cleared.
    STUCK_READY = c"stuck_ready",
    /// A number: how many milliseconds to wait for CSTS.RDY, in place of CAP.TO.
    READY_MS = c"ready_ms",
    /// An Identify command, or another that brings data, is refused.
    QUERY_REFUSED = c"query_refused",
    /// It brings nonsense.
    QUERY_NONSENSE = c"query_nonsense",
    /// One I/O queue is granted, however many were asked for.
    ONE_QUEUE = c"one_queue",
    /// The creation of an I/O queue is refused.
    CREATE_REFUSED = c"create_refused",
    /// An admin command takes 300 ms more.
    ADMIN_DELAY = c"admin_delay",
}

/// The files in debugfs by which points are set.
pub(crate) struct Files {
    _files: fault::Files,
}

impl Files {
    /// Makes them. May sleep.
    pub(crate) fn new() -> Result<Self> {
        let globals = globals::get().ok_or(ENODEV)?;
        Ok(Self {
            _files: fault::Files::new(&globals.debugfs, POINTS)?,
        })
    }
}

/// The point for this queue.
fn of(queue: QueueId, admin: &'static Point, io: &'static Point) -> &'static Point {
    if queue == QueueId::ADMIN {
        admin
    } else {
        io
    }
}

/// True if an interrupt is not to be seen.
pub(super) fn interrupt(queue: QueueId) -> bool {
    of(queue, &ADMIN_INTERRUPT, &IO_INTERRUPT).strikes()
}

/// What is seen of a completion: perhaps nothing, or another identifier.
pub(super) fn completion(queue: QueueId, entry: Entry<'_>) -> Option<Entry<'_>> {
    if of(queue, &ADMIN_DROP, &IO_DROP).strikes() {
        return None;
    }
    Some(if of(queue, &ADMIN_CORRUPT, &IO_CORRUPT).strikes() {
        entry.with_stale_cid()
    } else {
        entry
    })
}

/// True if a completion is to be seen once more.
pub(super) fn duplicate(queue: QueueId) -> bool {
    of(queue, &ADMIN_DUPLICATE, &IO_DUPLICATE).strikes()
}

/// What is read of the register at `offset`.
pub(super) fn register(offset: usize, value: u32) -> u32 {
    if GONE.strikes() {
        u32::MAX
    } else if offset == regs::CSTS && FATAL.strikes() {
        value | CFS
    } else {
        value
    }
}

/// True if CSTS.RDY is to be taken for 0 once CC.EN was set.
pub(super) fn never_ready() -> bool {
    NEVER_READY.strikes()
}

/// True if CSTS.RDY is to be taken for 1 once CC.EN was cleared.
pub(super) fn stuck_ready() -> bool {
    STUCK_READY.strikes()
}

/// How long to wait for CSTS.RDY, instead of `limit_ms`.
pub(super) fn ready_ms(limit_ms: u32) -> u32 {
    READY_MS.value().unwrap_or(limit_ms)
}

/// Spoils what a command brought. Returns the status with which it was refused, if it was.
pub(super) fn query(reply: &mut [u8]) -> Option<Status> {
    if QUERY_NONSENSE.strikes() {
        // Neither zeroes nor ones, and the same each time.
        for (byte, index) in reply.iter_mut().zip((0..=u8::MAX).cycle()) {
            *byte = index.wrapping_mul(151).wrapping_add(90);
        }
    }
    QUERY_REFUSED.strikes().then(refused)
}

/// How many of `granted` queues the controller grants.
pub(super) fn granted(granted: u32) -> u32 {
    if ONE_QUEUE.strikes() {
        1
    } else {
        granted
    }
}

/// The status with which the creation of a queue is refused, if it is.
pub(super) fn create() -> Option<Status> {
    CREATE_REFUSED.strikes().then(refused)
}

/// Makes an admin command late. May sleep.
pub(super) fn delay() {
    if ADMIN_DELAY.strikes() {
        fsleep(Delta::from_millis(300));
    }
}

/// Internal Error, not to be tried again.
fn refused() -> Status {
    Status::from_field(Status::from_parts(0, 6).bits() | Status::DNR)
}
